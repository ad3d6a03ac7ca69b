/**
 * A job for as long as it is declared: attempts one after the other, with growing pauses where they fail. It ends for
 * nothing but its signal; where trying again cannot help it stays, and says what is wrong.
 */
import { isAssertion } from "../../core/assert.ts";
import { Backoff } from "../../core/backoff.ts";
import { BusyMeter } from "../../core/busy-meter.ts";
import type { CommitNotices } from "../../core/commit-notices.ts";
import { hasCode, MuaraError } from "../../core/errors.ts";
import { type Job, jobTables } from "../../core/job.ts";
import type { JobState } from "../../core/job-note.ts";
import type { Measures } from "../../core/measures.ts";
import type { MetricName } from "../../core/metric-catalogue.ts";
import type { Sample } from "../../core/open-metrics.ts";
import { OWNED_LOOK_MS, type Ownership } from "../../core/ports/ownership.ts";
import { StandBy } from "../../core/stand-by.ts";
import type { OutputPorts } from "./output-ports.ts";
import { FOLLOWED_MS, JobRun, type Preview, type RunOptions, type RunStats } from "./job-run.ts";

const PAUSE_MS_LEAST = 250;
const PROBLEM_LENGTH_MAX = 300;

export interface JobOptions extends RunOptions {
  /** Between two looks at the inputs where nobody tells of commits, ms. */
  readonly everyMs: number;
  /** Longest pause between two attempts, ms. */
  readonly pauseMsMax: number;
  /** Who finds that somebody else moves the job looks again after this, where nobody deals jobs out, ms. */
  readonly standbyMs: number;
}

export interface JobPorts extends OutputPorts {
  readonly commits: CommitNotices;
  readonly ownership: Pick<Ownership, "owns" | "isDealt">;
  readonly measures?: Measures | undefined;
  /** Whether a job reads that table. */
  readonly isFollowed?: (table: string) => boolean;
}

/** Counts since this process began with it. */
export interface JobActivity {
  /** Share of the time spent on steps, lately, 0 to 1. */
  readonly busy: number;
  readonly steps: number;
  readonly rows: number;
  readonly rebuilds: number;
  readonly lastStepMs: number | null;
  readonly stateRows: number | null;
  readonly storedRows: number | null;
}

export class JobLoop {
  readonly #ports: JobPorts;
  readonly #options: JobOptions;
  readonly #job: Job;
  readonly #pause: Backoff;
  readonly #standBys: StandBy;
  readonly #stats: RunStats = { steps: 0, rows: 0, size: null, rebuilds: 0 };
  readonly #busy: BusyMeter;
  #run: JobRun | undefined;
  #state: JobState = "starting";
  #problem: string | undefined;

  constructor(ports: JobPorts, options: JobOptions, job: Job) {
    this.#ports = ports;
    this.#options = options;
    this.#job = job;
    this.#pause = new Backoff(PAUSE_MS_LEAST, options.pauseMsMax, ports.randomness);
    this.#standBys = new StandBy(ports, options.standbyMs);
    this.#busy = new BusyMeter(ports.clock.monotonicMs());
  }

  get job(): Job {
    return this.#job;
  }

  /** `waiting`: another process has it. `stopped`: somebody has to act. */
  get state(): JobState {
    return this.#state;
  }

  /** What is wrong, where it fails or has stopped. */
  get problem(): string | undefined {
    return this.#problem;
  }

  get stats(): Readonly<RunStats> {
    return this.#stats;
  }

  get activity(): JobActivity {
    const { steps, rows, rebuilds, size } = this.#stats;
    const { stateRows = null, storedRows = null } = size ?? {};
    const busy = this.#busy.share(this.#ports.clock.monotonicMs());
    return { busy, steps, rows, rebuilds, lastStepMs: this.#busy.lastMs, stateRows, storedRows };
  }

  /** undefined while none runs. */
  get enginePid(): number | undefined {
    return this.#run?.enginePid;
  }

  /** Until the signal is aborted. @throws assertions alone */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#ports;
    while (!signal.aborted) {
      if (!this.#owns()) {
        this.#state = "waiting";
        this.#problem = undefined;
        await clock.sleep(Math.min(this.#options.standbyMs, OWNED_LOOK_MS), signal);
        continue;
      }
      if (this.#state === "waiting") this.#state = "starting";
      try {
        await this.#attempt(signal);
      } catch (error) {
        if (isAssertion(error)) throw error;
        if (signal.aborted) break;
        await this.#failed(error, signal);
      }
    }
  }

  /**
   * Results as they would be now.
   * @throws job.not_running where it does not run here now; job.engine_failed
   */
  async preview(rows: number, signal: AbortSignal): Promise<Preview> {
    if (this.#run) return this.#run.preview(rows, signal);
    throw new MuaraError("job.not_running", `The job "${this.#job.name}" does not run in this process now.`);
  }

  samples(): readonly Sample[] {
    const { steps, rows, size, rebuilds } = this.#stats;
    const releasedUs = this.#run?.position.releasedUs;
    const values: readonly (readonly [MetricName, number | undefined])[] = [
      ["muara_job_rows", rows],
      ["muara_job_steps", steps],
      ["muara_job_rebuilds", rebuilds],
      ["muara_job_failing", this.#problem === undefined ? 0 : 1],
      ["muara_job_state_rows", size?.stateRows],
      ["muara_job_stored_rows", size?.storedRows],
      ["muara_job_released_seconds", releasedUs === undefined ? undefined : Number(releasedUs) / 1_000_000],
    ];
    const labels = { job: this.#job.name };
    return values.flatMap(([name, value]) => (value === undefined ? [] : [{ name, labels, value }]));
  }

  #noteStep(startMs: number): void {
    const { clock, measures } = this.#ports;
    const seconds = (clock.monotonicMs() - startMs) / 1_000;
    measures?.observe("muara_job_step_seconds", seconds, { job: this.#job.name });
  }

  #owns(): boolean {
    return this.#ports.ownership.owns(this.#job.output);
  }

  /** Ends where somebody else has moved the job, an input has changed, or this process is not to do it any more. */
  async #attempt(signal: AbortSignal): Promise<void> {
    const { clock, commits, logger } = this.#ports;
    const job = this.#job;
    const isFollowed = (): boolean => this.#ports.isFollowed?.(job.output) ?? false;
    const about = { job, stats: this.#stats, isFollowed };
    const run = await JobRun.open(this.#ports, this.#options, about, signal);
    this.#run = run;
    try {
      while (!signal.aborted && this.#owns()) {
        const seen = job.inputs.map((table) => commits.count(table));
        const startMs = clock.monotonicMs();
        const outcome = await run.step(signal);
        if (outcome === "moved") {
          this.#noteStep(startMs);
          this.#busy.worked(startMs, clock.monotonicMs());
        }
        if (this.#state !== "running") logger.info("a job goes on", { job: job.name });
        this.#state = "running";
        this.#problem = undefined;
        this.#pause.reset();
        if (outcome === "idle") await this.#waitForCommits(seen, run.isWaitedFor, signal);
        if (outcome === "changed") return;
        if (outcome === "lost") return await this.#standBy(signal);
      }
    } finally {
      this.#run = undefined;
      await run.close();
    }
  }

  /** Of any input. @param seen [input] commits that were told of before the last look */
  async #waitForCommits(seen: readonly number[], isWaitedFor: boolean, signal: AbortSignal): Promise<void> {
    const { clock, commits } = this.#ports;
    const everyMs = isWaitedFor ? Math.min(this.#options.everyMs, FOLLOWED_MS) : this.#options.everyMs;
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    await Promise.race(
      this.#job.inputs.map((table, i) => commits.wait(table, seen[i]!, everyMs, clock, either)),
    );
    over.abort();
  }

  /** Two that move one job only make each other's work void. */
  async #standBy(signal: AbortSignal): Promise<void> {
    const { clock, logger, ownership } = this.#ports;
    logger.warn("another process moves the job", { job: this.#job.name, tables: jobTables(this.#job) });
    this.#state = "waiting";
    await clock.sleep(this.#standBys.met(ownership.isDealt), signal);
  }

  async #failed(error: unknown, signal: AbortSignal): Promise<void> {
    const { logger } = this.#ports;
    const problem = error instanceof Error ? error.message : String(error);
    const isFinal =
      error instanceof MuaraError && (!error.retryable || hasCode(error, "table.version_not_found"));
    this.#problem = problem.slice(0, PROBLEM_LENGTH_MAX);
    this.#state = isFinal ? "stopped" : "failing";
    const fields = { job: this.#job.name, error };
    if (isFinal) {
      logger.error("a job has stopped; somebody has to act", fields);
      return this.#rest(Infinity, signal);
    }
    logger.warn("a job cannot go on for now", fields);
    await this.#rest(this.#pause.next(), signal);
  }

  /** For so long, unless the job becomes another process's before. */
  async #rest(ms: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#ports;
    const untilMs = clock.monotonicMs() + ms;
    while (!signal.aborted && this.#owns()) {
      const leftMs = untilMs - clock.monotonicMs();
      if (leftMs <= 0) return;
      await clock.sleep(Math.min(leftMs, OWNED_LOOK_MS), signal);
    }
  }
}
