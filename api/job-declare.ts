/** A job declared, and declared anew by a later text or an older one: where it is, it goes on. */
import type { z } from "zod";
import { MuaraError } from "../core/errors.ts";
import type { Delivery } from "../core/delivery.ts";
import {
  type Job,
  JOB_TEXTS_LENGTH_MAX,
  JOB_VERSIONS_MAX,
  jobIdIn,
  type JobLimits,
  jobLimitsSchema,
  jobRequestSchema,
  type JobVersion,
  jobVersion,
  jobVersions,
  jobVersionTxn,
  jobWatermarkTxn,
} from "../core/job.ts";
import type { Declaration } from "../core/registry.ts";
import { sqlColumns } from "../lake/query/view.ts";
import type { TableSnapshot } from "../core/ports/table-log.ts";
import type { ApiContext, ApiPorts } from "./context.ts";
import { time } from "./job-answer.ts";
import {
  checkColumns,
  checkCount,
  checkLimits,
  checkLoop,
  checkOutput,
  checkStart,
  type ColumnChange,
  columnChange,
  demandOutput,
  outputOf,
  type Plan,
  planned,
} from "./job-request.ts";
import { fitSinks, removeSinks, sinksOf } from "./job-sinks.ts";
import { readBody } from "./read-body.ts";

const ID_BYTES = 6;

export interface Declared {
  readonly job: Job;
  /** Sinks that are new: whoever declares them is told their secrets, once. */
  readonly added: readonly Delivery[];
}

/**
 * @throws request.malformed, job.refused, job.limits, job.loop, job.output_taken, job.incompatible, auth.forbidden,
 *   delivery.too_many, declaration.conflict
 */
export async function declareJob(ports: ApiPorts, context: ApiContext): Promise<Declared> {
  return declareAsked(ports, context, await readBody(context, jobRequestSchema));
}

/** The same of a job that the request does not say itself. */
export async function declareAsked(
  ports: ApiPorts,
  context: ApiContext,
  { continue: mayGoOn, ...request }: z.infer<typeof jobRequestSchema>,
): Promise<Declared> {
  const { registry, clock, catalog } = ports;
  checkCount(ports);
  checkLimits(ports, request.limits);
  const { job: text, plan } = await planned(ports, context, request.text);
  const principal = context.get("principal");
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
  demandOutput(principal, job.output);
  await registry.refresh();
  const sinks = sinksOf(ports, principal, text, request.text);
  if (registry.get("job", job.name))
    throw new MuaraError(
      "declaration.conflict",
      `There is a job "${job.name}" already; another text upgrades it.`,
    );
  await checkOutput(ports, job, mayGoOn);
  checkLoop(ports, job, sinks);
  const left = mayGoOn ? await catalog.snapshot(job.output) : undefined;
  const declared = left && left.version >= 0 ? goingOn(job, plan, left) : job;
  // First the sinks: nothing that the job writes is missed, and without the job they have nothing to send.
  const added = await fitSinks(ports, declared, sinks, principal.id);
  try {
    await registry.put("job", job.name, 0, declared, principal.id);
  } catch (error) {
    await removeSinks(ports, job.name, principal.id);
    throw error;
  }
  return { job: declared, added };
}

/** In the table that a job of this name has left: as its next version. @throws job.incompatible */
function goingOn(job: Job, plan: Plan["plan"], { txns, metadata }: TableSnapshot): Job {
  const id = jobIdIn(txns);
  if (id === undefined) return job;
  const present = sqlColumns(metadata!.schemaString);
  checkColumns(columnChange(present, present, plan.columns), job.output);
  return { ...job, id, version: Number(txns.get(jobVersionTxn(id)) ?? 1n) + 1 };
}

/** What another text of a job would be. */
export interface UpgradePlan {
  readonly version: number;
  readonly change: ColumnChange;
  /** `kept`: the engine's statements are the same. */
  readonly state: "kept" | "rebuilt";
  /** Results with a later release time are the new text's; null: all. */
  readonly countsFrom: string | null;
}

/** @throws job.incompatible */
export async function planUpgrade(
  ports: ApiPorts,
  context: ApiContext,
  job: Job,
  { job: text, plan }: Plan,
): Promise<UpgradePlan> {
  if (outputOf(text) !== job.output)
    throw new MuaraError("job.incompatible", `A job keeps its table, "${job.output}".`, {
      details: { table: job.output },
    });
  const { metadata, txns } = await ports.catalog.snapshot(job.output);
  const former = await planned(ports, context, job.text).catch(() => undefined);
  const present = metadata ? sqlColumns(metadata.schemaString) : [];
  const change = columnChange(present, former?.plan.columns ?? present, plan.columns);
  const isSame = former !== undefined && JSON.stringify(former.plan) === JSON.stringify(plan);
  const countsFrom = time(txns.get(jobWatermarkTxn(job.id)));
  return { version: jobVersion(job) + 1, change, state: isSame ? "kept" : "rebuilt", countsFrom };
}

/**
 * @param isBack to a text that it had: columns that came later stay, and are empty from now on
 * @throws as `declareJob`; job.incompatible
 */
export async function upgradeJob(
  ports: ApiPorts,
  context: ApiContext,
  { value, revision }: Declaration<Job>,
  asked: { readonly text: string; readonly limits: JobLimits | undefined; readonly isBack: boolean },
): Promise<Declared> {
  const { registry, clock } = ports;
  const before = value!;
  const principal = context.get("principal");
  const limits = asked.limits ?? before.limits;
  checkLimits(ports, limits);
  const plan = await planned(ports, context, asked.text);
  const { job: text } = plan;
  if (text.name !== before.name)
    throw new MuaraError(
      "request.malformed",
      `/text: it is of the job "${text.name}", not of "${before.name}".`,
      {
        details: { pointer: "/text" },
      },
    );
  const { change } = await planUpgrade(ports, context, before, plan);
  checkColumns(asked.isBack ? { ...change, dropped: [] } : change, before.output);
  const isSame = asked.text === before.text && JSON.stringify(limits) === JSON.stringify(before.limits);
  const next: JobVersion = {
    version: jobVersion(before) + 1,
    text: asked.text,
    by: principal.id,
    atMs: clock.nowMs(),
  };
  const job: Job = isSame
    ? before
    : {
        ...before,
        text: asked.text,
        limits,
        inputs: plan.plan.inputs.map(({ table }) => table),
        version: next.version,
        versions: kept([...jobVersions(before), next]),
      };
  const sinks = sinksOf(ports, principal, text, asked.text);
  checkLoop(ports, job, sinks);
  // Of two that declare at once the second is told; what its text says of sinks is not done then.
  if (!isSame) await registry.put("job", job.name, revision, job, principal.id);
  return { job, added: await fitSinks(ports, job, sinks, principal.id) };
}

/** The newest, within bounds. */
function kept(versions: readonly JobVersion[]): readonly JobVersion[] {
  let length = 0;
  const newest = versions.slice(-JOB_VERSIONS_MAX).toReversed();
  const fits = newest.filter((one, i) => (length += one.text.length) <= JOB_TEXTS_LENGTH_MAX || i === 0);
  return fits.toReversed();
}

/** @param to undefined: the one before @throws job.version_not_found */
export function formerText(job: Job, to: number | undefined): string {
  const wanted = to ?? jobVersion(job) - 1;
  const found = jobVersions(job).find(({ version }) => version === wanted);
  if (found) return found.text;
  throw new MuaraError("job.version_not_found", `Of "${job.name}" no version ${wanted} is kept.`, {
    details: { job: job.name, version: wanted },
  });
}

/** Those that it has, but for what is asked for. @throws request.malformed */
export function changedLimits(job: Job, asked: Readonly<Record<string, number>>): JobLimits {
  const checked = jobLimitsSchema.safeParse({ ...job.limits, ...asked });
  if (checked.success) return checked.data;
  const { path, message } = checked.error.issues[0]!;
  const pointer = `/limits/${path.map(String).join("/")}`;
  throw new MuaraError("request.malformed", `${pointer}: ${message}`, { details: { pointer } });
}
