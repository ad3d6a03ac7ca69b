/** Declared processes: who may see them, how they begin, rest and end with their jobs, and what is shown of them. */
import type { Principal } from "../core/authorize.ts";
import { hasCode, MuaraError } from "../core/errors.ts";
import { type Job, type JobLimits, jobLimitsSchema } from "../core/job.ts";
import { type Process, type ProcessDeclaration, processTables } from "../core/process.ts";
import type { Declaration, Registry } from "../core/registry.ts";
import { ruleTexts } from "../lake/process/rule-text.ts";
import { mayReadWhole } from "../lake/query/part.ts";
import { type ApiContext, isoOrNull, type ApiPorts } from "./context.ts";
import { planProcess } from "./plan-process.ts";
import { shownJob } from "./job-answer.ts";
import { readJobNotes } from "./job-notes.ts";
import { declareAsked } from "./job-declare.ts";
import { mayRun } from "./job-request.ts";
import { pauseSinks, removeSinks } from "./job-sinks.ts";

const PROCESSES_MAX = 1_000;

export interface ProcessStart {
  readonly start: "begin" | "now";
  readonly limits: Partial<JobLimits>;
  /** In the tables that jobs of the same names have left. */
  readonly continue: boolean;
}

/** Of the processes those all of whose tables the asker may read as a whole; others do not exist for him. */
export async function readableProcesses(ports: ApiPorts, principal: Principal): Promise<readonly Process[]> {
  await ports.registry.refresh();
  return ports.registry
    .list<Process>("process")
    .flatMap(({ value }) => (value && mayRead(principal, value) ? [value] : []));
}

/** @throws process.not_found also for one that the asker may not read */
export async function readableProcess(
  { registry }: ApiPorts,
  principal: Principal,
  name: string,
): Promise<Declaration<Process> & { readonly value: Process }> {
  await registry.refresh();
  const found = registry.get<Process>("process", name);
  if (found?.value && mayRead(principal, found.value)) return { ...found, value: found.value };
  throw new MuaraError("process.not_found", `There is no process "${name}".`, { details: { process: name } });
}

function mayRead(principal: Principal, { declaration }: Process): boolean {
  return processTables(declaration).every((table) => mayReadWhole(principal, table));
}

/** @throws process.refused, auth.forbidden, declaration.conflict, process.too_many, job.limits, job.output_taken */
export async function declareProcess(
  ports: ApiPorts,
  context: ApiContext,
  declaration: ProcessDeclaration,
  { start, limits, continue: mayGoOn }: ProcessStart,
): Promise<Process> {
  const { registry, clock } = ports;
  const { name } = declaration;
  const principal = context.get("principal");
  demandAdmin(principal, declaration);
  await registry.refresh();
  if (registry.get("process", name))
    throw new MuaraError("declaration.conflict", `There is a process "${name}" already.`);
  const planned = await planProcess(ports, context, declaration);
  if (registry.list("process").length >= PROCESSES_MAX)
    throw new MuaraError("process.too_many", `There are ${PROCESSES_MAX} processes already.`);
  const process: Process = { declaration, by: principal.id, createdMs: clock.nowMs() };
  // First the process: what is left behind by a crash can be seen, and removed, by its name.
  const { revision } = await registry.put("process", name, 0, process, principal.id);
  const made: string[] = [];
  try {
    for (const { text, table } of planned) {
      const asked = { text, start, limits: jobLimitsSchema.parse(limits), continue: mayGoOn };
      await declareAsked(ports, context, asked);
      made.push(table);
    }
  } catch (error) {
    for (const job of made) await removeJob(ports, job, principal.id);
    await registry.put("process", name, revision, null, principal.id);
    throw error;
  }
  return process;
}

/**
 * Whoever declares or ends a process administers the tables of all its rules, and `process.NAME` for itself.
 * @throws auth.forbidden
 */
export function demandAdmin(principal: Principal, declaration: ProcessDeclaration): void {
  const tables = [`process.${declaration.name}`, ...ruleTexts(declaration).map(({ table }) => table)];
  const missing = tables.find((table) => !mayRun(principal, table));
  if (missing === undefined) return;
  throw new MuaraError(
    "auth.forbidden",
    `${principal.id} may not make the table "${missing}": it takes admin there.`,
  );
}

/** One of the process's jobs, where it is there, with what delivers its table. */
export async function removeJob(ports: ApiPorts, name: string, by: string): Promise<void> {
  await changeJob(ports.registry, name, () => null, by);
  await removeSinks(ports, name, by);
}

export async function pauseJob(ports: ApiPorts, name: string, isPaused: boolean, by: string): Promise<void> {
  const change = (job: Job): Job => (job.isPaused === isPaused ? job : { ...job, isPaused });
  await changeJob(ports.registry, name, change, by);
  await pauseSinks(ports, name, isPaused, by);
}

async function changeJob(
  registry: Registry,
  name: string,
  change: (job: Job) => Job | null,
  by: string,
): Promise<void> {
  for (let tries = 0; ; tries++) {
    const found = registry.get<Job>("job", name);
    if (!found?.value) return;
    const changed = change(found.value);
    if (changed === found.value) return;
    try {
      await registry.put("job", name, found.revision, changed, by);
      return;
    } catch (error) {
      if (tries >= 3 || !hasCode(error, "declaration.conflict")) throw error;
      await registry.refresh();
    }
  }
}

export async function shownProcess(
  ports: ApiPorts,
  { declaration, by, createdMs }: Process,
): Promise<Record<string, unknown>> {
  const notes = await readJobNotes(ports);
  const rules = await Promise.all(
    ruleTexts(declaration).map(async ({ rule, kind, table }) => {
      const job = ports.registry.get<Job>("job", table)?.value;
      const shown = job ? await shownJob(ports, job, false, notes) : undefined;
      return {
        rule,
        kind,
        job: table,
        table,
        state: shown?.["state"] ?? "missing",
        problem: shown?.["problem"] ?? null,
        is_live: shown?.["is_live"] ?? false,
        released_until: shown?.["released_until"] ?? null,
      };
    }),
  );
  const { name, description, activities } = declaration;
  return {
    name,
    description,
    by,
    created_at: isoOrNull(createdMs),
    tables: processTables(declaration),
    activities: Object.keys(activities),
    rules,
    declaration,
  };
}
