/** What is asked of whoever declares a job, and of its text, before anything is declared. */
import { isAuthorized, type Principal } from "../core/authorize.ts";
import type { Delivery } from "../core/delivery.ts";
import { MuaraError } from "../core/errors.ts";
import { sqlAlias } from "../core/event-type.ts";
import {
  type Job,
  JOB_PROPERTY,
  type JobLimits,
  jobTables,
  ROW_ID_COLUMN,
  ROW_WATERMARK_COLUMN,
} from "../core/job.ts";
import { deliveryFlows, jobFlow, ringOf, tableFlows } from "../core/table-flow.ts";
import type { JobTable } from "../lake/job/analysis.ts";
import { jobRefused } from "../lake/job/job-refused.ts";
import type { Planned } from "../lake/job/plan-job.ts";
import type { JobPlan } from "../lake/job/plan.ts";
import { sqlColumns } from "../lake/query/view.ts";
import { type ApiContext, type ApiPorts, wholeTables } from "./context.ts";

export type Plan = Extract<Planned, { readonly kind: "planned" }>;

export function mayRun(principal: Principal, output: string): boolean {
  return isAuthorized(principal, "admin", { kind: "table", name: output });
}

/** @throws auth.forbidden */
export function demandOutput(principal: Principal, output: string): void {
  if (mayRun(principal, output)) return;
  throw new MuaraError(
    "auth.forbidden",
    `${principal.id} may not make the table "${output}": it takes admin there.`,
  );
}

export function outputOf({ sinks }: Plan["job"]): string {
  return sinks[0]!.name;
}

/** Of the tables that the asker may read as a whole: others do not exist for him. @throws job.refused */
export async function planned(ports: ApiPorts, context: ApiContext, text: string): Promise<Plan> {
  const { jobs } = ports;
  if (!jobs) throw new MuaraError("request.not_found", "This process does not plan jobs.");
  const tables = await tablesOfJobs(ports, context);
  const answer = await jobs.plan(text, tables, context.req.raw.signal);
  if (answer.kind === "refused") throw jobRefused(answer.refusal);
  return answer;
}

/** Those that the asker may read as a whole. */
export async function tablesOfJobs(ports: ApiPorts, context: ApiContext): Promise<readonly JobTable[]> {
  const { catalog, registry } = ports;
  const outputs = new Set(registry.list<Job>("job").map(({ value }) => value?.output));
  const tables: JobTable[] = [];
  for (const table of await wholeTables(ports, context.get("principal"))) {
    const isOfJob = table.kind === "job" && outputs.has(table.name);
    if (table.kind !== "event_type" && !isOfJob) continue;
    const { schemaString } = catalog.schema(table, await catalog.snapshot(table.name));
    const names = [table.name, ...(table.alias === undefined ? [] : [table.alias])];
    tables.push({ names, columns: sqlColumns(schemaString), isOfJob });
  }
  return tables;
}

/** @throws job.limits */
export function checkLimits({ jobs }: ApiPorts, limits: JobLimits): void {
  if (limits.memory_bytes > (jobs?.memoryBytes ?? 0))
    throw beyond("Memory of one job at most, jobs.memoryBytes:", jobs?.memoryBytes);
  if (limits.threads > (jobs?.threads ?? 0))
    throw beyond("Threads of one job at most, jobs.threads:", jobs?.threads);
}

/** @throws job.limits */
export function checkCount({ jobs, registry }: ApiPorts): void {
  if (registry.list("job").length >= (jobs?.jobs ?? 0))
    throw beyond("Jobs that may be declared, jobs.jobs:", jobs?.jobs);
}

function beyond(why: string, limit: number | undefined): MuaraError {
  return new MuaraError("job.limits", `${why} ${limit ?? 0}.`, { details: { limit } });
}

/** @throws request.malformed */
export function checkStart({ start, inputs }: Job): void {
  const unknown =
    typeof start === "string" ? undefined : Object.keys(start).find((name) => !inputs.includes(name));
  if (unknown === undefined) return;
  throw new MuaraError("request.malformed", `/start: the job does not read "${unknown}".`, {
    details: { pointer: "/start" },
  });
}

/**
 * No job reads what it writes, whoever is between.
 * @param sinks that it has from now on
 * @throws job.loop naming them
 */
export function checkLoop(
  { registry }: Pick<ApiPorts, "registry">,
  job: Job,
  sinks: readonly Delivery[],
): void {
  const ring = ringOf(jobFlow(job), [...tableFlows(registry, job.name), ...sinks.flatMap(deliveryFlows)]);
  if (!ring) return;
  throw new MuaraError("job.loop", `It would read what it writes: ${ring.join(" → ")}.`, {
    details: { job: job.name, loop: ring },
  });
}

/** Neither table nor job has any of its names, nor is it the alias of one. @throws job.output_taken */
export async function checkOutput(
  { registry, catalog }: ApiPorts,
  job: Job,
  mayGoOn: boolean,
): Promise<void> {
  const wanted = new Set(
    jobTables(job).flatMap((name) => [name.toLowerCase(), sqlAlias(name).toLowerCase()]),
  );
  const isWanted = (name: string | undefined): boolean =>
    name !== undefined && wanted.has(name.toLowerCase());
  for (const { value } of registry.list<Job>("job"))
    if (value && jobTables(value).some((name) => isWanted(name) || isWanted(sqlAlias(name))))
      throw taken(`"${job.output}" belongs to the job "${value.name}".`, job);
  const others = await catalog.list();
  const type = others.find(
    ({ name, alias, kind }) => kind === "event_type" && (isWanted(name) || isWanted(alias)),
  );
  if (type)
    throw taken(
      `"${type.name}" is an event type of ${type.eventType?.owning_application ?? "somebody"}.`,
      job,
    );
  // What a job has left is not listed at once.
  const found = others.filter(({ name, alias }) => isWanted(name) || isWanted(alias)).map(({ name }) => name);
  for (const name of new Set([...found, ...jobTables(job)])) {
    const { version, metadata } = await catalog.snapshot(name);
    if (version < 0) continue;
    const former = metadata?.configuration[JOB_PROPERTY];
    if (mayGoOn && former === job.name && jobTables(job).includes(name)) continue;
    const hint =
      former === job.name ? ` It is what a job of this name has left: "continue" goes on in it.` : "";
    throw taken(`There is a table "${name}" already.${hint}`, job);
  }
}

function taken(message: string, { output }: Job): MuaraError {
  return new MuaraError("job.output_taken", message, { details: { table: output } });
}

/** By how a later text's columns are not those of the former one, and some more. */
export interface ColumnChange {
  readonly added: readonly string[];
  readonly dropped: readonly string[];
  readonly retyped: readonly string[];
}

type Columns = JobPlan["columns"];

/**
 * @param present of the table
 * @param former of the text before; those that it had not are no loss
 */
export function columnChange(present: Columns, former: Columns, next: Columns): ColumnChange {
  const own = new Set<string>([ROW_ID_COLUMN, ROW_WATERMARK_COLUMN]);
  const types = new Map(present.map(({ name, type }) => [name, heldAs(type)]));
  const names = new Set(next.map(({ name }) => name));
  return {
    added: next.filter(({ name }) => !types.has(name)).map(({ name }) => name),
    dropped: former.filter(({ name }) => !names.has(name) && !own.has(name)).map(({ name }) => name),
    retyped: next
      .filter(({ name, type }) => types.has(name) && types.get(name) !== heldAs(type))
      .map(({ name }) => name),
  };
}

/** Narrow numbers are written as wide ones. */
function heldAs(type: string): string {
  return type
    .replaceAll(/\b(TINYINT|SMALLINT|INTEGER)\b/g, "BIGINT")
    .replaceAll(/\bFLOAT\b/g, "DOUBLE")
    .replaceAll(/["\s]/g, "");
}

/** @throws job.incompatible naming the columns */
export function checkColumns({ dropped, retyped }: ColumnChange, output: string): void {
  const wrong = [
    ...(dropped.length > 0 ? [`it lacks ${dropped.join(", ")}`] : []),
    ...(retyped.length > 0 ? [`other types have ${retyped.join(", ")}`] : []),
  ];
  if (wrong.length === 0) return;
  throw new MuaraError("job.incompatible", `The result does not fit into "${output}": ${wrong.join("; ")}.`, {
    details: { table: output, dropped, retyped },
  });
}
