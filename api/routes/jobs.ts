/**
 * GET, POST /v1/jobs and what is below: SELECTs that go on, with their results in tables. Whoever declares one must
 * read its inputs as a whole, since results tell of all rows, and be the administrator of the table that it makes.
 */
import type { Hono } from "hono";
import type { z } from "zod";
import { isAuthorized, type Principal } from "../../core/authorize.ts";
import { MuaraError } from "../../core/errors.ts";
import { sqlAlias } from "../../core/event-type.ts";
import {
  HISTORY_DONE,
  type Job,
  type JobLimits,
  jobPlanRequestSchema,
  jobPosition,
  jobRequestSchema,
  jobTables,
} from "../../core/job.ts";
import type { Declaration } from "../../core/registry.ts";
import type { JobTable } from "../../lake/job/analysis.ts";
import { jobRefused } from "../../lake/job/job-refused.ts";
import type { Planned } from "../../lake/job/plan-job.ts";
import { sqlColumns } from "../../lake/query/view.ts";
import { type ApiContext, type ApiEnv, type ApiPorts, isoOrNull, wholeTables } from "../context.ts";
import { readBody } from "../read-body.ts";

const ID_BYTES = 6;

type Plan = Extract<Planned, { readonly kind: "planned" }>;

export function addJobRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  const { registry, logger } = ports;
  const one = async (context: ApiContext): Promise<Declaration<Job>> => {
    await registry.refresh();
    const name = context.req.param("name")!;
    const found = registry.get<Job>("job", name);
    if (found?.value && mayRun(context.get("principal"), found.value.output)) return found;
    throw new MuaraError("job.not_found", `There is no job "${name}".`, { details: { job: name } });
  };
  const change = async (context: ApiContext, isPaused: boolean): Promise<Response> => {
    const { value, revision } = await one(context);
    const changed = { ...value!, isPaused };
    const by = context.get("principal").id;
    if (value!.isPaused !== isPaused) await registry.put("job", value!.name, revision, changed, by);
    logger.info(isPaused ? "paused a job" : "resumed a job", { by, job: value!.name });
    return context.json(await shownJob(ports, changed));
  };

  app.get("/v1/jobs", async (context) => {
    await registry.refresh();
    const mine = registry
      .list<Job>("job")
      .flatMap(({ value }) => (value && mayRun(context.get("principal"), value.output) ? value : []));
    return context.json({ items: await Promise.all(mine.map((job) => shownJob(ports, job))) });
  });
  app.post("/v1/jobs/plan", async (context) => {
    const { text } = await readBody(context, jobPlanRequestSchema);
    const { job, plan } = await planJobText(ports, context.get("principal"), text, context.req.raw.signal);
    const { kind, columns, latenessMs, state, inputs } = plan;
    return context.json({
      name: job.name,
      output: outputOf(job),
      kind,
      inputs: inputs.map(({ table }) => table),
      lateness_ms: latenessMs,
      columns,
      is_stateful: state.length > 0,
    });
  });
  app.post("/v1/jobs", async (context) => {
    const request = await readBody(context, jobRequestSchema);
    const job = await declareJob(ports, context.get("principal"), request, context.req.raw.signal);
    logger.info("declared a job", { by: job.by, job: job.name, output: job.output });
    return context.json(await shownJob(ports, job), 201);
  });
  app.get("/v1/jobs/:name", async (context) =>
    context.json(await shownJob(ports, (await one(context)).value!)),
  );
  app.post("/v1/jobs/:name/pause", (context) => change(context, true));
  app.post("/v1/jobs/:name/resume", (context) => change(context, false));
  app.delete("/v1/jobs/:name", async (context) => {
    const { value, revision } = await one(context);
    const by = context.get("principal").id;
    await registry.put("job", value!.name, revision, null, by);
    logger.info("removed a job", { by, job: value!.name });
    return context.body(null, 204);
  });
}

/** @throws request.malformed, job.refused, job.limits, job.output_taken, auth.forbidden, declaration.conflict */
export async function declareJob(
  ports: ApiPorts,
  principal: Principal,
  request: z.infer<typeof jobRequestSchema>,
  signal: AbortSignal,
): Promise<Job> {
  const { registry, clock } = ports;
  checkLimits(ports, request.limits);
  const { job: text, plan } = await planJobText(ports, principal, request.text, signal);
  const job: Job = {
    ...request,
    id: Buffer.from(crypto.getRandomValues(new Uint8Array(ID_BYTES))).toString("hex"),
    name: text.name,
    inputs: plan.inputs.map(({ table }) => table),
    output: outputOf(text),
    isPaused: false,
    by: principal.id,
    createdMs: clock.nowMs(),
  };
  checkStart(job);
  if (!mayRun(principal, job.output))
    throw new MuaraError(
      "auth.forbidden",
      `${principal.id} may not make the table "${job.output}": it takes admin there.`,
    );
  await registry.refresh();
  if (registry.get("job", job.name))
    throw new MuaraError("declaration.conflict", `There is a job "${job.name}" already.`);
  await checkOutput(ports, job);
  await registry.put("job", job.name, 0, job, principal.id);
  return job;
}

/** Of the tables that the asker may read as a whole: others do not exist for him. */
export async function planJobText(
  ports: ApiPorts,
  principal: Principal,
  text: string,
  signal: AbortSignal,
): Promise<Plan> {
  const { catalog, jobs } = ports;
  if (!jobs) throw new MuaraError("request.not_found", "This process does not plan jobs.");
  const tables: JobTable[] = [];
  for (const table of await wholeTables(ports, principal)) {
    if (table.kind !== "event_type") continue;
    const { schemaString } = catalog.schema(table, await catalog.snapshot(table.name));
    const names = [table.name, ...(table.alias === undefined ? [] : [table.alias])];
    tables.push({ names, columns: sqlColumns(schemaString) });
  }
  const answer = await jobs.plan(text, tables, signal);
  if (answer.kind === "refused") throw jobRefused(answer.refusal);
  const [, more] = answer.job.sinks;
  if (more)
    throw new MuaraError(
      "job.refused",
      `A job writes into the lake; deliver "${outputOf(answer.job)}" to ${more.kind} by \`muara deliver\`.`,
    );
  return answer;
}

function outputOf({ sinks }: Plan["job"]): string {
  return sinks[0]!.name;
}

function checkLimits({ jobs, registry }: ApiPorts, limits: JobLimits): void {
  if (registry.list("job").length >= (jobs?.jobs ?? 0))
    throw beyond("Jobs that may be declared, jobs.jobs:", jobs?.jobs);
  if (limits.memory_bytes > (jobs?.memoryBytes ?? 0))
    throw beyond("Memory of one job at most, jobs.memoryBytes:", jobs?.memoryBytes);
  if (limits.threads > (jobs?.threads ?? 0))
    throw beyond("Threads of one job at most, jobs.threads:", jobs?.threads);
}

function beyond(why: string, limit: number | undefined): MuaraError {
  return new MuaraError("job.limits", `${why} ${limit ?? 0}.`, { details: { limit } });
}

function checkStart({ start, inputs }: Job): void {
  const unknown =
    typeof start === "string" ? undefined : Object.keys(start).find((name) => !inputs.includes(name));
  if (unknown === undefined) return;
  throw new MuaraError("request.malformed", `/start: the job does not read "${unknown}".`, {
    details: { pointer: "/start" },
  });
}

/** Neither table nor job has any of its names, nor is it the alias of one. @throws job.output_taken */
async function checkOutput({ registry, catalog }: ApiPorts, job: Job): Promise<void> {
  const wanted = new Set(
    jobTables(job).flatMap((name) => [name.toLowerCase(), sqlAlias(name).toLowerCase()]),
  );
  const isWanted = (name: string | undefined): boolean =>
    name !== undefined && wanted.has(name.toLowerCase());
  for (const { value } of registry.list<Job>("job"))
    if (value && jobTables(value).some((name) => isWanted(name) || isWanted(sqlAlias(name))))
      throw taken(`"${job.output}" belongs to the job "${value.name}".`, job);
  const table = (await catalog.list()).find(({ name, alias }) => isWanted(name) || isWanted(alias));
  if (table) throw taken(`There is a table "${table.name}" already.`, job);
}

function taken(message: string, { output }: Job): MuaraError {
  return new MuaraError("job.output_taken", message, { details: { table: output } });
}

export function mayRun(principal: Principal, output: string): boolean {
  return isAuthorized(principal, "admin", { kind: "table", name: output });
}

export async function shownJob(ports: ApiPorts, job: Job): Promise<Record<string, unknown>> {
  const { name, text, inputs, output, start, limits, isPaused, by, createdMs, id } = job;
  const status = isPaused ? undefined : ports.jobs?.status(name);
  const snapshots = await Promise.all(
    inputs.map((table) => ports.catalog.snapshot(table).catch(() => undefined)),
  );
  const { txns } = await ports.catalog.snapshot(output);
  const ids = snapshots.flatMap((snapshot) => snapshot?.metadata?.id ?? []);
  const position = ids.length === inputs.length ? jobPosition(txns, id, ids) : undefined;
  const releasedUs = position?.releasedUs;
  return {
    name,
    text,
    inputs,
    output,
    start,
    limits,
    by,
    created_at: isoOrNull(createdMs),
    state: isPaused ? "paused" : (status?.state ?? "unknown"),
    problem: status?.problem ?? null,
    versions: position
      ? Object.fromEntries(inputs.map((table, i) => [table, position.versions[ids[i]!]]))
      : null,
    behind_versions: position
      ? snapshots.reduce((sum, snapshot, i) => sum + snapshot!.version - position.versions[ids[i]!]!, 0)
      : null,
    is_live: position?.historyUs === HISTORY_DONE,
    released_until: isoOrNull(releasedUs === undefined ? null : Number(releasedUs / 1_000n)),
  };
}
