/**
 * One attempt of a job, from where its output table says that it is: commits of the inputs go through the engine, and
 * what is final goes into the output table. What fails ends the attempt; the next one begins at the table again.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { hasCode, MuaraError } from "../../core/errors.ts";
import { sqlAlias } from "../../core/event-type.ts";
import { HISTORY_DONE, type Job, type JobPosition, parsePosition, positionText } from "../../core/job.ts";
import type { AddFile } from "../../core/ports/table-log.ts";
import { jobRefused } from "../../lake/job/job-refused.ts";
import type { JobPlan } from "../../lake/job/plan.ts";
import { sqlColumns } from "../../lake/query/view.ts";
import type { EngineInput, StatePlace, StateSize } from "./engine-orders.ts";
import { EngineProcess } from "./engine-process.ts";
import { type HistorySlice, InputFeed, type InputPlace, nextSlice } from "./job-feed.ts";
import { JobOutput, NO_RESULTS, type OutputPorts, type ResultFiles } from "./job-output.ts";
import { LocalFiles } from "./local-files.ts";

/** Versions that gave no row are committed together, once there are so many, or after so long. */
const EMPTY_VERSIONS_MAX = 100;

export interface RunOptions {
  /** Of jobs on this machine; absolute. */
  readonly folder: string;
  /** A place that moved without rows is committed after this, ms. */
  readonly quietMs: number;
}

export interface RunAbout {
  readonly job: Job;
  /** Instead of what the job's text gives; for tests. */
  readonly plan?: JobPlan | undefined;
  readonly stats: RunStats;
}

export interface RunStats {
  steps: number;
  rows: number;
  size: StateSize | null;
  rebuilds: number;
}

/** `lost`: somebody else has moved the job. `changed`: an input has other types; begin again. */
export type StepOutcome = "moved" | "idle" | "lost" | "changed";

interface Next {
  readonly position: JobPosition;
  readonly inputs: readonly EngineInput[];
  readonly places: readonly InputPlace[];
}

export class JobRun {
  readonly #ports: OutputPorts;
  readonly #options: RunOptions;
  readonly #job: Job;
  readonly #plan: JobPlan;
  readonly #engine: EngineProcess;
  readonly #output: JobOutput;
  readonly #feeds: readonly InputFeed[];
  readonly #files: LocalFiles;
  /** [input] as the engine reads it, without files. */
  readonly #shapes: readonly EngineInput[];
  readonly #stats: RunStats;
  #position: JobPosition;
  #history: readonly (readonly AddFile[])[] | undefined;
  #committedMs: number;

  private constructor(
    ports: OutputPorts,
    options: RunOptions,
    { job, plan, stats }: RunAbout & { readonly plan: JobPlan },
    parts: {
      engine: EngineProcess;
      output: JobOutput;
      feeds: readonly InputFeed[];
      shapes: readonly EngineInput[];
    },
    position: JobPosition,
  ) {
    this.#ports = ports;
    this.#options = options;
    this.#job = job;
    this.#plan = plan;
    this.#stats = stats;
    this.#engine = parts.engine;
    this.#output = parts.output;
    this.#feeds = parts.feeds;
    this.#shapes = parts.shapes;
    this.#files = new LocalFiles(ports.store, parts.engine.folder);
    this.#position = position;
    this.#committedMs = ports.clock.monotonicMs();
  }

  /**
   * @throws job.input_missing, job.output_taken, job.overtaken, job.unsupported, job.engine_failed, table.corrupt,
   *   store.unavailable
   */
  static async open(
    ports: OutputPorts,
    options: RunOptions,
    about: RunAbout,
    signal: AbortSignal,
  ): Promise<JobRun> {
    const { job } = about;
    const read = await Promise.all(job.inputs.map((table) => InputFeed.open(table, ports.openTable(table))));
    const folder = join(options.folder, job.id);
    const engine = await EngineProcess.start({ job: job.name, folder, limits: job.limits });
    try {
      const plan = about.plan ?? (await planned(engine, job, read, signal));
      const newest = plan.inputs.map(({ table }) => read.find((feed) => feed.table === table)!);
      const shapes = newest.map(({ place: { metadata } }, i) => shapeOf(plan, i, metadata));
      const { place, schemas } = await prepare(engine, { ports, plan, shapes, folder }, signal);
      const tableIds = newest.map((feed) => feed.place.metadata.id);
      const output = await JobOutput.open(ports, job, { tableIds, latenessMs: plan.latenessMs, schemas });
      const base = output.position ?? (await begin(ports, job, newest, output, signal));
      const known = place && usable(place, base);
      const feeds = await Promise.all(
        newest.map(async (feed) => {
          const version = (known ?? base).versions[feed.place.metadata.id]!;
          return version === feed.place.version
            ? feed
            : InputFeed.open(feed.table, ports.openTable(feed.table), version);
        }),
      );
      const run = new JobRun(
        ports,
        options,
        { ...about, plan },
        { engine, output, feeds, shapes },
        known ?? base,
      );
      if (!known) await run.#rebuild(signal);
      await mkdir(run.#resultFolder, { recursive: true });
      await output.settle(signal);
      return run;
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  get position(): JobPosition {
    return this.#position;
  }

  get enginePid(): number | undefined {
    return this.#engine.pid;
  }

  /** Results as they would be now, of what is kept. @throws job.engine_failed */
  async preview(
    rows: number,
    signal: AbortSignal,
  ): Promise<{ columns: readonly string[]; rows: readonly (readonly unknown[])[] }> {
    const { columns, rows: found } = await this.#engine.ask({ order: "preview", rows }, "preview", signal);
    return { columns, rows: found };
  }

  /** @throws as `open` */
  async step(signal: AbortSignal): Promise<StepOutcome> {
    await this.#files.clear();
    const next = await this.#next();
    if (next === "changed") return "changed";
    if (!next) return this.#isQuietFor() ? this.#commit(this.#position, NO_RESULTS, signal) : "idle";
    const { position, inputs, places } = next;
    const { files } = await this.#engine.ask(
      {
        order: "step",
        inputs,
        releasedTo: text(this.#position.releasedUs),
        releaseTo: text(position.releasedUs),
        folder: this.#resultFolder,
      },
      "stepped",
      signal,
    );
    this.#stats.steps++;
    const isEmpty = Object.values(files).every((file) => file === null);
    if (!isEmpty || this.#isDue(position)) {
      const outcome = await this.#commit(position, files, signal);
      if (outcome === "lost") return "lost";
    }
    await this.#keep(position, signal);
    this.#feeds.forEach((feed, i) => feed.moveTo(places[i]!));
    return "moved";
  }

  async close(): Promise<void> {
    await this.#engine.close();
  }

  get #resultFolder(): string {
    return join(this.#engine.folder, "results");
  }

  async #commit(to: JobPosition, files: ResultFiles, signal: AbortSignal): Promise<"moved" | "lost"> {
    if (!(await this.#output.commit(to, files, signal))) return "lost";
    this.#committedMs = this.#ports.clock.monotonicMs();
    this.#stats.rows += files.release?.rows ?? 0;
    if (files.corrections ?? files.violations) await this.#output.settle(signal);
    return "moved";
  }

  async #keep(position: JobPosition, signal: AbortSignal): Promise<void> {
    const place = { base: positionText(this.#output.position!), at: positionText(position) };
    const { size } = await this.#engine.ask({ order: "keep", place }, "kept", signal);
    this.#position = position;
    if (size) this.#stats.size = size;
  }

  async #next(): Promise<Next | "changed" | undefined> {
    if (this.#position.historyUs !== HISTORY_DONE) return this.#nextOfHistory();
    const steps = await Promise.all(this.#feeds.map((feed) => feed.next(this.#job.limits)));
    const places = steps.map(({ to }) => to);
    if (places.every(({ version }, i) => version === this.#feeds[i]!.place.version)) return undefined;
    const isChanged = places.some(({ metadata }, i) => {
      const { schemaString } = shapeOf(this.#plan, i, metadata);
      return typesOf(this.#plan, i, schemaString) !== typesOf(this.#plan, i, this.#shapes[i]!.schemaString);
    });
    if (isChanged) return "changed";
    const inputs = await this.#inputs(
      steps.map(({ files }) => files),
      () => null,
    );
    return { inputs, places, position: this.#positionAt(places, HISTORY_DONE, undefined) };
  }

  async #nextOfHistory(): Promise<Next> {
    this.#history ??= await Promise.all(this.#feeds.map((feed) => feed.whole()));
    const { historyUs } = this.#position;
    const slice = nextSlice(this.#history, historyUs, this.#job.limits.step_rows);
    const inputs = await this.#inputs(slice.files, () => sliceCondition(historyUs, slice));
    const places = this.#feeds.map(({ place }) => place);
    if (slice.untilUs === undefined) this.#history = undefined;
    const position = this.#positionAt(places, slice.untilUs ?? HISTORY_DONE, slice.untilUs);
    return { inputs, places, position };
  }

  #positionAt(places: readonly InputPlace[], historyUs: bigint, untilUs: bigint | undefined): JobPosition {
    const versions = Object.fromEntries(places.map(({ metadata, version }) => [metadata.id, version]));
    const lowestUs = lowestWatermark(places);
    const reached =
      untilUs !== undefined && lowestUs !== undefined && untilUs < lowestUs ? untilUs : lowestUs;
    const { releasedUs } = this.#position;
    const isFurther = reached !== undefined && (releasedUs === undefined || reached > releasedUs);
    return { versions, historyUs, releasedUs: isFurther ? reached : releasedUs };
  }

  #inputs(
    files: readonly (readonly AddFile[])[],
    where: (i: number) => string | null,
  ): Promise<readonly EngineInput[]> {
    return Promise.all(
      this.#shapes.map(async (shape, i) => {
        const local = await this.#files.take(this.#plan.inputs[i]!.table, files[i]!);
        return { ...shape, files: local, where: where(i) };
      }),
    );
  }

  /** State as it is at the place of the output table, from rows that may still count. */
  async #rebuild(signal: AbortSignal): Promise<void> {
    const { historyUs, releasedUs } = this.#position;
    const needsRows = this.#plan.state.length > 0 && historyUs !== undefined;
    const files = await Promise.all(this.#feeds.map(async (feed) => (needsRows ? feed.whole() : [])));
    const until = historyUs === undefined || historyUs === HISTORY_DONE ? null : notAfter(historyUs);
    const inputs = await this.#inputs(files, (i) => {
      const pending = releasedUs === undefined ? null : this.#plan.inputs[i]!.pending;
      return [pending, until].filter((one) => one !== null).join(") AND (") || null;
    });
    const at = positionText(this.#position);
    const times = { releasedTo: text(releasedUs), releaseTo: text(releasedUs) };
    await this.#engine.ask(
      { order: "rebuild", inputs, ...times, place: { base: at, at } },
      "rebuilt",
      signal,
    );
    this.#stats.rebuilds++;
    await this.#files.clear();
  }

  /** Whether a place without rows is to be committed now. */
  #isDue({ versions, historyUs }: JobPosition): boolean {
    const base = this.#output.position!;
    if (historyUs !== base.historyUs) return true;
    const passed = Object.entries(versions).reduce(
      (sum, [id, version]) => sum + version - base.versions[id]!,
      0,
    );
    return passed >= EMPTY_VERSIONS_MAX;
  }

  #isQuietFor(): boolean {
    if (this.#ports.clock.monotonicMs() - this.#committedMs < this.#options.quietMs) return false;
    return positionText(this.#output.position!) !== positionText(this.#position);
  }
}

/** By the schemas that the inputs have now. @throws job.refused */
async function planned(
  engine: EngineProcess,
  job: Job,
  inputs: readonly InputFeed[],
  signal: AbortSignal,
): Promise<JobPlan> {
  const tables = inputs.map(({ table, place }) => ({
    names: [table, sqlAlias(table)],
    columns: sqlColumns(place.metadata.schemaString),
  }));
  const answer = await engine.ask({ order: "plan", text: job.text, tables }, "planned", signal);
  if (answer.planned.kind === "planned") return answer.planned.plan;
  throw jobRefused(answer.planned.refusal);
}

/** Where the state cannot be read, it is thrown away: it is a cache. */
async function prepare(
  engine: EngineProcess,
  about: { ports: OutputPorts; plan: JobPlan; shapes: readonly EngineInput[]; folder: string },
  signal: AbortSignal,
) {
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

/** The first place of a job, committed before anything else: every attempt begins at the same one. */
async function begin(
  ports: OutputPorts,
  { start }: Job,
  newest: readonly InputFeed[],
  output: JobOutput,
  signal: AbortSignal,
): Promise<JobPosition> {
  const feeds = await Promise.all(
    newest.map(async (feed) => {
      const version = typeof start === "string" ? undefined : start[feed.table];
      return version === undefined ? feed : InputFeed.open(feed.table, ports.openTable(feed.table), version);
    }),
  );
  const places = feeds.map(({ place }) => place);
  const versions = Object.fromEntries(places.map(({ metadata, version }) => [metadata.id, version]));
  const isNow = start === "now";
  const historyUs = isNow ? HISTORY_DONE : undefined;
  const releasedUs = isNow ? lowestWatermark(places) : undefined;
  await output.commit({ versions, historyUs, releasedUs }, NO_RESULTS, signal);
  return output.position!;
}

function usable(place: StatePlace, base: JobPosition): JobPosition | undefined {
  const at = positionText(base);
  return place.base === at || place.at === at ? parsePosition(place.base === at ? place.at : at) : undefined;
}

/** µs; undefined where an input has none yet. */
function lowestWatermark(places: readonly InputPlace[]): bigint | undefined {
  const all = places.map(({ watermarkMs }) => watermarkMs);
  if (all.includes(undefined)) return undefined;
  return BigInt(Math.min(...(all as number[]))) * 1_000n;
}

/** @throws job.input_missing where the table lacks a column */
function shapeOf(
  plan: JobPlan,
  i: number,
  { schemaString, partitionColumns }: InputPlace["metadata"],
): EngineInput {
  const { table, columns } = plan.inputs[i]!;
  const present = new Set(sqlColumns(schemaString).map(({ name }) => name));
  const missing = columns.find((name) => !present.has(name));
  if (missing !== undefined)
    throw new MuaraError("job.input_missing", `The table "${table}" has no column "${missing}".`, {
      details: { table, column: missing },
    });
  return { schemaString, partitionColumns, files: [], where: null };
}

function typesOf(plan: JobPlan, i: number, schemaString: string): string {
  const wanted = new Set(plan.inputs[i]!.columns);
  return JSON.stringify(sqlColumns(schemaString).filter(({ name }) => wanted.has(name)));
}

function sliceCondition(afterUs: bigint | undefined, { untilUs }: HistorySlice): string | null {
  const after = afterUs === undefined ? [] : [`event_time > make_timestamptz(${afterUs}::BIGINT)`];
  const until = untilUs === undefined ? [] : [notAfter(untilUs)];
  return [...after, ...until].join(" AND ") || null;
}

function notAfter(us: bigint): string {
  return `event_time <= make_timestamptz(${us}::BIGINT)`;
}

function text(us: bigint | undefined): string | null {
  return us === undefined ? null : String(us);
}
