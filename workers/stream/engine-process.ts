/**
 * The process of a job from the outside: within its limits of memory and time, killed beyond them. Where it has ended,
 * another one is started by whoever needs it; its state lies in a file, and is made anew where it does not fit.
 */
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, systemClock } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type { JobLimits } from "../../core/job.ts";
import { endOf, failureOf, isAnswer } from "../../lake/child-answer.ts";
import { childLaunch } from "../../lake/child-launch.ts";
import { QueryProcess, type Spawn } from "../../lake/query/query-process.ts";
import type { EngineOrder, EngineReport } from "./engine-orders.ts";

/** The rest of a process's memory is for the runtime, and for what the engine does not count. */
const ENGINE_SHARE = 0.6;
const START_MS_MAX = 60_000;
const RUN = "run-";

type Said = EngineReport["report"];
type Answer<Kind extends Said> = Extract<EngineReport, { readonly report: Kind }>;
type Child = QueryProcess<EngineOrder, EngineReport>;

export interface EngineOptions {
  readonly job: string;
  /** Of this job and this process alone; absolute. */
  readonly folder: string;
  readonly limits: JobLimits;
  /** For tests. */
  readonly spawn?: Spawn;
  /** A real process is watched by the real clock, whatever clock its work goes by. */
  readonly clock?: Clock;
}

export class EngineProcess {
  /** Of this process: what it reads and writes; goes with it. */
  readonly folder: string;
  readonly #options: EngineOptions;
  readonly #child: Child;

  private constructor(options: EngineOptions, folder: string) {
    this.#options = options;
    this.folder = folder;
    const { memory_bytes: memoryBytes, disk_bytes: diskBytes, threads } = options.limits;
    const launch = childLaunch(import.meta.url, "engine-child", [
      Math.floor(memoryBytes * ENGINE_SHARE),
      diskBytes,
      threads,
    ]);
    const { clock = systemClock, spawn } = options;
    this.#child = new QueryProcess({ folder, launch, memoryBytes, clock, ...(spawn ? { spawn } : {}) });
  }

  /** @throws job.engine_failed */
  static async start(options: EngineOptions): Promise<EngineProcess> {
    await mkdir(options.folder, { recursive: true });
    // Of processes that were killed with their parent.
    for (const name of await readdir(options.folder))
      if (name.startsWith(RUN)) await rm(join(options.folder, name), { recursive: true, force: true });
    const engine = new EngineProcess(options, await mkdtemp(join(options.folder, RUN)));
    try {
      await engine.#answer("ready", START_MS_MAX, new AbortController().signal);
    } catch (error) {
      await engine.close(); // nobody else knows of it
      throw error;
    }
    return engine;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get isAlive(): boolean {
    return this.#child.isAlive;
  }

  /**
   * @throws job.engine_failed where it failed, was killed or takes too much; job.unsupported; table.corrupt and
   *   table.version_not_found for a file that is not what the log says
   */
  async ask<Kind extends Said>(
    order: EngineOrder,
    expected: Kind,
    signal: AbortSignal,
  ): Promise<Answer<Kind>> {
    signal.throwIfAborted();
    this.#child.send(order);
    return this.#answer(expected, this.#options.limits.step_ms, signal);
  }

  async close(): Promise<void> {
    this.#child.kill(new MuaraError("sql.failed", "It has no more work."));
    await this.#child.gone();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #answer<Kind extends Said>(
    expected: Kind,
    limitMs: number,
    signal: AbortSignal,
  ): Promise<Answer<Kind>> {
    const release = this.#child.guard(limitMs, signal);
    try {
      const answer = await this.#child.next();
      if (isAnswer(answer, expected)) return answer;
      throw troubleOf(this.#options.job, answer as EngineReport);
    } catch (error) {
      throw signal.aborted ? signal.reason : this.#asTrouble(error);
    } finally {
      release();
    }
  }

  /** What happened to the process, in words of this work. */
  #asTrouble(error: unknown): unknown {
    const { job, limits } = this.#options;
    const end = endOf(error);
    if (end === undefined) return error;
    const why = {
      memory: `it was killed: limits.memory_bytes is ${limits.memory_bytes}`,
      timeout: `it was killed: limits.step_ms is ${limits.step_ms}`,
      ended: "it ended",
    }[end];
    return new MuaraError("job.engine_failed", `${job}: the process of the job has ended: ${why}.`, {
      details: { job },
      cause: error,
    });
  }
}

function troubleOf(job: string, answer: EngineReport): MuaraError {
  if (answer.report !== "failed")
    return new MuaraError("job.engine_failed", `${job}: the process of the job said ${answer.report}.`);
  const { kind, message } = answer;
  const details = { job };
  if (kind === "unsupported")
    return new MuaraError("job.unsupported", `${job}: no table can hold the result: ${message}.`, {
      details,
      cause: message,
    });
  return failureOf(kind, message, {
    whose: job,
    unreadable: "a data file is not what the table's log says",
    failed: "a step cannot be done",
    code: "job.engine_failed",
    details,
  });
}
