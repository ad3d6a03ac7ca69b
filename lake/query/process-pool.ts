/**
 * Query processes that wait for work, each used once, and a bound on how many work at a time. The next one is
 * started when a query has ended or has gone on for a while: starting (engine and runtime, a fifth of a second of CPU)
 * must not slow down the query that somebody waits for.
 */
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { Clock } from "../../core/clock.ts";
import type { Config } from "../../core/config.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import { confinedLaunch, plainLaunch, planWalls, type LaunchOptions, type Walls } from "./launcher.ts";
import { QueryProcess, type Spawn } from "./query-process.ts";
import { makeTempFolder, sweepTempFolders } from "./temp-folder.ts";

const THREADS_MAX = 4;
/** How long a query waits for a free slot before it is told to come back. */
const SLOT_WAIT_MS = 2_000;
const WAITING_PER_SLOT = 4;
const REFILL_AFTER_MS = 100;
/** Of the memory limit, the engine's own; the rest is the runtime's and what the engine does not count. */
const ENGINE_SHARE = 0.6;
const PRIMING_MS_MAX = 15_000;
/** Of a folder in which somebody still writes. Linear: 5.5 s in all. */
const AGAIN = { maxRetries: 10, retryDelay: 100 };

export interface PoolOptions {
  readonly options: Config["query"];
  readonly clock: Clock;
  readonly logger: Logger;
  /** Folder of the lake's tables; absent where they are no local files. */
  readonly lake?: string | undefined;
  readonly spawn?: Spawn;
}

/** What is decided once, before the first query process. */
interface Ground {
  readonly launch: LaunchOptions;
  /** Absent: the processes have the view of the machine that this one has. */
  readonly walls: Walls | undefined;
}

export class ProcessPool {
  readonly #services: PoolOptions;
  readonly #warm: Promise<QueryProcess>[] = [];
  readonly #all = new Set<QueryProcess>();
  readonly #starts = new Set<Promise<QueryProcess>>();
  readonly #queue: (() => void)[] = [];
  #busy = 0;
  #ground: Promise<Ground> | undefined;
  #isClosed = false;

  constructor(services: PoolOptions) {
    this.#services = services;
    this.#fill();
  }

  /** @throws sql.busy */
  async take(): Promise<QueryProcess> {
    await this.#slot();
    try {
      for (;;) {
        const ready = await (this.#warm.shift() ?? this.#start());
        if (!ready.isAlive) continue;
        // The slot belongs to the process, so nobody can forget to give it back.
        void ready.gone().then(() => this.#release());
        void Promise.race([ready.gone(), this.#services.clock.sleep(REFILL_AFTER_MS)]).then(() =>
          this.#fill(),
        );
        return ready;
      }
    } catch (error) {
      this.#release();
      this.#fill();
      throw error;
    }
  }

  /**
   * What stands between a query and the machine, outermost first.
   * @throws sql.unavailable where it is less than the configuration requires
   */
  async layers(): Promise<readonly string[]> {
    const { walls } = await this.#grounded();
    const common = [
      "grants",
      "gate",
      "locked engine",
      "own process",
      "limits of time, memory, rows and bytes",
    ];
    return walls ? [...common, "namespaces"] : common;
  }

  /** Queries that have a slot, and that wait for one. */
  get load(): { readonly running: number; readonly waiting: number } {
    return { running: this.#busy, waiting: this.#queue.length };
  }

  #release(): void {
    this.#busy--;
    this.#queue.shift()?.();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const closing = new MuaraError("log.closed", "The service is shutting down.");
    for (const child of this.#all) child.kill(closing);
    await Promise.all([...this.#all].map((child) => child.gone()));
    await Promise.allSettled(this.#starts);
    const ground = await this.#ground?.catch(() => undefined);
    if (ground) await remove(ground.launch.root);
  }

  async #slot(): Promise<void> {
    const { concurrency } = this.#services.options;
    const busy = new MuaraError("sql.busy", `All ${concurrency} query slots are in use.`);
    if (this.#busy >= concurrency) {
      if (this.#queue.length >= concurrency * WAITING_PER_SLOT) throw busy;
      const found = new AbortController();
      const wake = (): void => found.abort();
      this.#queue.push(wake);
      await this.#services.clock.sleep(SLOT_WAIT_MS, found.signal);
      if (!found.signal.aborted) {
        this.#queue.splice(this.#queue.indexOf(wake), 1);
        throw busy;
      }
    }
    this.#busy++;
  }

  #fill(): void {
    while (!this.#isClosed && this.#warm.length < this.#services.options.warm) {
      const starting = this.#start();
      // Whoever takes it sees the error; until then it must not end the run.
      starting.catch((error: unknown) => {
        if (!this.#isClosed) this.#services.logger.warn("query process did not start", { error });
      });
      this.#warm.push(starting);
    }
  }

  #start(): Promise<QueryProcess> {
    const starting = this.#grounded().then((ground) => this.#spawn(ground, false));
    this.#starts.add(starting);
    const forget = (): boolean => this.#starts.delete(starting);
    starting.then(forget, forget);
    return starting;
  }

  /** @param isPrimer it fills the store of compiled code and sees no query */
  async #spawn({ launch, walls }: Ground, isPrimer: boolean): Promise<QueryProcess> {
    const folder = await fs.mkdtemp(path.join(launch.root, "q-"));
    const { options, clock, spawn } = this.#services;
    const line = walls ? await confinedLaunch(launch, walls, folder, isPrimer) : plainLaunch(launch);
    // From here to where it is known to all without a pause: nothing starts that `close` would not end.
    if (this.#isClosed) throw new MuaraError("log.closed", "The service is shutting down.");
    const child = new QueryProcess({
      folder,
      launch: line,
      clock,
      memoryBytes: options.memoryBytes,
      ...(spawn ? { spawn } : {}),
    });
    this.#all.add(child);
    void child.gone().then(() => this.#all.delete(child));
    if (isPrimer) child.guard(PRIMING_MS_MAX, new AbortController().signal);
    const first = await child.next();
    if (first.report !== "ready") throw new MuaraError("sql.failed", "The query process did not start.");
    return child;
  }

  /** @throws sql.unavailable */
  async #grounded(): Promise<Ground> {
    // One that failed is no answer to the next query.
    const prepared = (this.#ground ??= this.#prepare());
    const ground = await prepared.catch((error: unknown) => {
      if (this.#ground === prepared) this.#ground = undefined;
      throw error;
    });
    if (this.#services.options.namespace === "required" && !ground.walls)
      throw new MuaraError(
        "sql.unavailable",
        "SQL is off: this machine gives no namespaces to query processes.",
      );
    return ground;
  }

  async #prepare(): Promise<Ground> {
    const removed = await sweepTempFolders();
    if (removed.length > 0)
      this.#services.logger.info("removed what a killed service has left", { folders: removed.length });
    const root = await makeTempFolder();
    try {
      return await this.#prepareIn(root);
    } catch (error) {
      await remove(root);
      throw error;
    }
  }

  async #prepareIn(root: string): Promise<Ground> {
    const { options, logger, lake } = this.#services;
    const launch: LaunchOptions = {
      root,
      lake,
      memoryBytes: options.memoryBytes,
      engineBytes: Math.floor(options.memoryBytes * ENGINE_SHARE),
      threads: Math.min(THREADS_MAX, os.availableParallelism()),
      spillBytes: options.spillBytes,
      fileBytes: Math.max(options.answerBytes, options.spillBytes),
    };
    const walls = options.namespace === "off" ? "switched off (query.namespace)" : await this.#walls(launch);
    if (typeof walls !== "string") {
      logger.info("query processes run in namespaces of their own");
      return { launch, walls };
    }
    const say = options.namespace === "auto" ? "warn" : options.namespace === "required" ? "error" : "info";
    logger[say]("query processes run without namespaces of their own", { reason: walls });
    return { launch, walls: undefined };
  }

  /** Plans the walls and starts one process behind them. @returns the reason where that does not work */
  async #walls(launch: LaunchOptions): Promise<Walls | string> {
    try {
      const walls = await planWalls(launch);
      if (typeof walls === "string") return walls;
      const primer = await this.#spawn({ launch, walls }, true);
      const isWatched = primer.pid !== undefined;
      primer.kill(new MuaraError("log.closed", "It was only to fill the store of compiled code."));
      await primer.gone();
      // Without it nobody could watch the memory of what runs inside.
      return isWatched ? walls : "the system does not tell the children of a process (/proc/PID/task)";
    } catch (error) {
      if (this.#isClosed) throw error;
      const cause = error instanceof MuaraError ? error.cause : undefined;
      return String(cause ?? error);
    }
  }
}

/** What ran behind walls ends a moment after its wrapper, and may still write. */
async function remove(root: string): Promise<void> {
  await fs.rm(root, { recursive: true, force: true, ...AGAIN });
}
