/**
 * One attempt of a job, from where its output table says that it is: commits of the inputs go through the engine, and
 * what is final goes into the output table. What fails ends the attempt; the next one begins at the table again.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Job, type JobPosition, positionText } from "../../core/job.ts";
import { traced } from "../../core/trace.ts";
import type { JobPlan } from "../../lake/job/plan.ts";
import type { StateSize } from "./engine-orders.ts";
import { EngineProcess } from "./engine-process.ts";
import { InputFeed } from "./job-feed.ts";
import { JobInputs, type Next, shapeOf } from "./job-inputs.ts";
import { beginAt, planned, prepare, usable } from "./job-open.ts";
import { toldOfCommit } from "./job-lineage.ts";
import { JobOutput, NO_RESULTS, type ResultFiles } from "./job-output.ts";
import type { OutputPorts } from "./output-ports.ts";
import { LocalFiles } from "./local-files.ts";

/** Versions that gave no row are committed together, once there are so many, or after so long. */
const EMPTY_VERSIONS_MAX = 100;
/** Where another job follows, it hears of a watermark that has moved without rows after this, ms. */
export const FOLLOWED_MS = 500;

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
  /** Whether another job reads the results; absent: none does. */
  readonly isFollowed?: (() => boolean) | undefined;
}

export interface RunStats {
  steps: number;
  rows: number;
  size: StateSize | null;
  rebuilds: number;
}

export interface Preview {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly unknown[])[];
  /** What is released is no part of it. */
  readonly position: JobPosition;
}

/** `lost`: somebody else has moved the job. `changed`: an input has other types; begin again. */
export type StepOutcome = "moved" | "idle" | "lost" | "changed";

interface Parts {
  readonly engine: EngineProcess;
  readonly output: JobOutput;
  readonly inputs: JobInputs;
  readonly files: LocalFiles;
}

export class JobRun {
  readonly #ports: OutputPorts;
  readonly #options: RunOptions;
  readonly #about: RunAbout;
  readonly #parts: Parts;
  #position: JobPosition;
  #committedMs: number;
  /** Steps and previews follow each other: a step leaves a transaction open. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(
    ports: OutputPorts,
    options: RunOptions,
    about: RunAbout,
    parts: Parts,
    position: JobPosition,
  ) {
    this.#ports = ports;
    this.#options = options;
    this.#about = about;
    this.#parts = parts;
    this.#position = position;
    this.#committedMs = ports.clock.monotonicMs();
  }

  /**
   * @throws job.input_missing, job.output_taken, job.overtaken, job.superseded, job.unsupported, job.engine_failed,
   *   table.corrupt, store.unavailable
   */
  static async open(
    ports: OutputPorts,
    options: RunOptions,
    about: RunAbout,
    signal: AbortSignal,
  ): Promise<JobRun> {
    const { job } = about;
    const { limits } = job;
    const read = await Promise.all(job.inputs.map((table) => InputFeed.open(table, ports.openTable(table))));
    const folder = join(options.folder, job.id);
    const engine = await EngineProcess.start({ job: job.name, folder, limits });
    try {
      const plan = about.plan ?? (await planned(engine, job, read, signal));
      const newest = plan.inputs.map(({ table }) => read.find((feed) => feed.table === table)!);
      const shapes = newest.map((feed, i) => shapeOf(plan, i, feed.place.metadata));
      const { place: state, schemas } = await prepare(engine, { ports, plan, shapes, folder }, signal);
      const tableIds = newest.map((feed) => feed.place.metadata.id);
      const output = await JobOutput.open(ports, job, { tableIds, latenessMs: plan.latenessMs, schemas });
      const base = await beginAt(ports, job, newest, output, signal);
      const known = state && usable(state, base);
      const feeds = await Promise.all(
        newest.map(async (feed) => {
          const version = (known ?? base).versions[feed.place.metadata.id]!;
          return version === feed.place.version
            ? feed
            : InputFeed.open(feed.table, ports.openTable(feed.table), version);
        }),
      );
      const files = new LocalFiles(ports.store, engine.folder);
      const inputs = new JobInputs({ plan, limits, feeds, shapes, files });
      const run = new JobRun(ports, options, about, { engine, output, inputs, files }, known ?? base);
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
    return this.#parts.engine.pid;
  }

  /** Whether there is something to commit that others wait for, though it has no row. */
  get isWaitedFor(): boolean {
    return this.#isFollowed() && positionText(this.#parts.output.position!) !== positionText(this.#position);
  }

  /** Results as they would be now, of what is kept; between two steps. @throws job.engine_failed */
  preview(rows: number, signal: AbortSignal): Promise<Preview> {
    return this.#inTurn(async () => {
      const { releasedUs } = this.#position;
      const order = { order: "preview", rows, releaseTo: text(releasedUs) } as const;
      const { columns, rows: found } = await this.#parts.engine.ask(order, "preview", signal);
      return { columns, rows: found, position: this.#position };
    });
  }

  /** @throws as `open` */
  step(signal: AbortSignal): Promise<StepOutcome> {
    return this.#inTurn(() => this.#step(signal));
  }

  async close(): Promise<void> {
    await this.#parts.engine.close();
  }

  async #step(signal: AbortSignal): Promise<StepOutcome> {
    const { inputs, files } = this.#parts;
    await files.clear();
    const next = await inputs.next(this.#position);
    if (next === "changed") return "changed";
    if (!next) return this.#isQuietFor() ? this.#commit(this.#position, NO_RESULTS, signal) : "idle";
    const { name, output: table } = this.#about.job;
    const attributes = { "muara.job": name, "muara.table": table };
    return traced(
      "job step",
      () => ({ attributes }),
      () => this.#take(next, signal),
    );
  }

  async #take(next: Next, signal: AbortSignal): Promise<StepOutcome> {
    const { engine, output, inputs } = this.#parts;
    const { position } = next;
    const { files: results } = await engine.ask(
      {
        order: "step",
        inputs: next.inputs,
        releasedTo: text(this.#position.releasedUs),
        releaseTo: text(position.releasedUs),
        folder: this.#resultFolder,
        rowPrefix: this.#ports.randomness.uuid().replaceAll("-", "").slice(0, 16),
        watermarkMs: output.watermarkMs ?? null,
      },
      "stepped",
      signal,
    );
    this.#about.stats.steps++;
    const isEmpty = Object.values(results).every((file) => file === null);
    if (!isEmpty || this.#isDue(position)) {
      const outcome = await this.#commit(position, results, signal);
      if (outcome === "lost") return "lost";
    }
    await this.#keep(position, signal);
    inputs.moveTo(next.places);
    return "moved";
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  get #resultFolder(): string {
    return join(this.#parts.engine.folder, "results");
  }

  #isFollowed(): boolean {
    return this.#about.isFollowed?.() ?? false;
  }

  async #commit(to: JobPosition, files: ResultFiles, signal: AbortSignal): Promise<"moved" | "lost"> {
    const { output } = this.#parts;
    const { lineage } = this.#ports;
    const told = { job: this.#about.job, files, output };
    const isMoved = await toldOfCommit(lineage, told, () => output.commit(to, files, signal));
    if (!isMoved) return "lost";
    this.#committedMs = this.#ports.clock.monotonicMs();
    this.#about.stats.rows += files.release?.rows ?? 0;
    if (files.corrections ?? files.violations) await output.settle(signal);
    return "moved";
  }

  async #keep(position: JobPosition, signal: AbortSignal): Promise<void> {
    const { engine, output } = this.#parts;
    const place = { base: positionText(output.position!), at: positionText(position) };
    const { size } = await engine.ask({ order: "keep", place }, "kept", signal);
    this.#position = position;
    if (size) this.#about.stats.size = size;
  }

  /** State as it is at the place of the output table, from rows that may still count. */
  async #rebuild(signal: AbortSignal): Promise<void> {
    const { engine, inputs, files } = this.#parts;
    const { releasedUs } = this.#position;
    const at = positionText(this.#position);
    const times = { releasedTo: text(releasedUs), releaseTo: text(releasedUs) };
    const pending = await inputs.pending(this.#position);
    await engine.ask(
      { order: "rebuild", inputs: pending, ...times, place: { base: at, at } },
      "rebuilt",
      signal,
    );
    this.#about.stats.rebuilds++;
    await files.clear();
  }

  /** Whether a place without rows is to be committed now. */
  #isDue({ versions, historyUs, releasedUs }: JobPosition): boolean {
    const base = this.#parts.output.position!;
    if (historyUs !== base.historyUs) return true;
    if (releasedUs !== base.releasedUs && this.#isFollowed() && this.#sinceCommit() >= FOLLOWED_MS)
      return true;
    const passed = Object.entries(versions).reduce(
      (sum, [id, version]) => sum + version - base.versions[id]!,
      0,
    );
    return passed >= EMPTY_VERSIONS_MAX;
  }

  #isQuietFor(): boolean {
    const { quietMs } = this.#options;
    if (this.#sinceCommit() < (this.#isFollowed() ? Math.min(quietMs, FOLLOWED_MS) : quietMs)) return false;
    return positionText(this.#parts.output.position!) !== positionText(this.#position);
  }

  #sinceCommit(): number {
    return this.#ports.clock.monotonicMs() - this.#committedMs;
  }
}

function text(us: bigint | undefined): string | null {
  return us === undefined ? null : String(us);
}
