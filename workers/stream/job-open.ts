/**
 * How an attempt of a job begins: its text is planned, its engine made ready, and the place found from which it goes
 * on. Every place is one of the output table's commits, the first one as well, and the one at which another text takes
 * over: so every attempt begins at the same.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { hasCode, MuaraError } from "../../core/errors.ts";
import { sqlAlias } from "../../core/event-type.ts";
import {
  HISTORY_DONE,
  type Job,
  type JobPosition,
  jobVersion,
  parsePosition,
  positionText,
} from "../../core/job.ts";
import { jobRefused } from "../../lake/job/job-refused.ts";
import type { JobPlan } from "../../lake/job/plan.ts";
import { sqlColumns } from "../../lake/query/view.ts";
import type { EngineInput, StatePlace } from "./engine-orders.ts";
import type { EngineProcess } from "./engine-process.ts";
import { InputFeed } from "./job-feed.ts";
import { lowestWatermark } from "./job-inputs.ts";
import { type JobOutput, NO_RESULTS, type Schemas } from "./job-output.ts";
import type { OutputPorts } from "./output-ports.ts";

const US_PER_MS = 1_000n;

/** By the schemas that the inputs have now. @throws job.refused */
export async function planned(
  engine: EngineProcess,
  job: Job,
  inputs: readonly InputFeed[],
  signal: AbortSignal,
): Promise<JobPlan> {
  const tables = inputs.map(({ table, place }) => ({
    names: [table, sqlAlias(table)],
    columns: sqlColumns(place.metadata.schemaString),
    isOfJob: place.isOfJob,
  }));
  const answer = await engine.ask({ order: "plan", text: job.text, tables }, "planned", signal);
  if (answer.planned.kind === "planned") return answer.planned.plan;
  throw jobRefused(answer.planned.refusal);
}

/** Where the state cannot be read, it is thrown away: it is a cache. @throws as `EngineProcess.ask` */
export async function prepare(
  engine: EngineProcess,
  about: { ports: OutputPorts; plan: JobPlan; shapes: readonly EngineInput[]; folder: string },
  signal: AbortSignal,
): Promise<{ readonly place: StatePlace | null; readonly schemas: Schemas }> {
  const { ports, plan, shapes, folder } = about;
  const stateFile = join(folder, "state.duckdb");
  const tables = plan.inputs.map(({ table }) => ports.store.location(table));
  const folders = [folder, ...tables.filter((location) => location.startsWith("/"))].map(
    (path) => `${path}/`,
  );
  try {
    return await engine.ask(
      { order: "prepare", plan, inputs: shapes, stateFile, folders },
      "prepared",
      signal,
    );
  } catch (error) {
    if (hasCode(error, "job.engine_failed"))
      for (const file of [stateFile, `${stateFile}.wal`]) await rm(file, { force: true });
    throw error;
  }
}

/**
 * The place of the output table, which is that of this text from now on.
 * @param newest [input] at the tables' newest versions
 * @throws job.superseded where a newer text has written already; as `JobOutput.commit`
 */
export async function beginAt(
  ports: OutputPorts,
  job: Job,
  newest: readonly InputFeed[],
  output: JobOutput,
  signal: AbortSignal,
): Promise<JobPosition> {
  const by = output.version;
  if (by === undefined) await begin(ports, job, newest, output, signal);
  else if (by < jobVersion(job)) await takeOver(newest, output, signal);
  const { position, version } = output;
  if (position && version === jobVersion(job)) return position;
  throw new MuaraError(
    "job.superseded",
    `"${job.output}" is written by version ${version ?? 0} of the job's text, and this is ${jobVersion(job)}.`,
    { details: { job: job.name } },
  );
}

/** The first place of a job, committed before anything else. */
async function begin(
  ports: OutputPorts,
  { start }: Job,
  newest: readonly InputFeed[],
  output: JobOutput,
  signal: AbortSignal,
): Promise<void> {
  const feeds = await Promise.all(
    newest.map(async (feed) => {
      const version = typeof start === "string" ? undefined : start[feed.table];
      return version === undefined ? feed : InputFeed.open(feed.table, ports.openTable(feed.table), version);
    }),
  );
  const places = feeds.map((feed) => feed.place);
  const versions = Object.fromEntries(places.map(({ metadata, version }) => [metadata.id, version]));
  const isNow = start === "now";
  const historyUs = isNow ? HISTORY_DONE : undefined;
  const releasedUs = isNow ? lowestWatermark(places) : undefined;
  await output.commit({ versions, historyUs, releasedUs }, NO_RESULTS, signal);
}

/**
 * A text takes over where another one has come to: what that has released stays, and is not released again. The place
 * is kept by the results' times, of which all are there up to the watermark less the lateness: with another lateness
 * it is another release time. A table that is new to the job counts from its newest version on.
 */
async function takeOver(newest: readonly InputFeed[], output: JobOutput, signal: AbortSignal): Promise<void> {
  const { versions: former, historyUs, releasedUs, latenessMs } = output.former;
  const versions = Object.fromEntries(
    newest.map((feed) => {
      const { metadata, version } = feed.place;
      return [metadata.id, former[metadata.id] ?? version];
    }),
  );
  const laterUs = BigInt(output.latenessMs - (latenessMs ?? output.latenessMs)) * US_PER_MS;
  const movedUs = releasedUs === undefined ? undefined : releasedUs + laterUs;
  await output.takeOver({ versions, historyUs, releasedUs: movedUs }, signal);
}

/** Where state goes on from; undefined: it is of another place, and is made anew. */
export function usable(state: StatePlace, base: JobPosition): JobPosition | undefined {
  const at = positionText(base);
  return state.base === at || state.at === at ? parsePosition(state.base === at ? state.at : at) : undefined;
}
