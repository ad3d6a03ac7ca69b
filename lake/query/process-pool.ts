/**
 * Query processes that wait for work, each used once, and a bound on how many work at a time. The next one is
 * started when one is taken, so that starting (engine and runtime, a fifth of a second) overlaps with the query.
 */
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { Clock } from "../../core/clock.ts";
import type { Config } from "../../core/config.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import { QueryProcess, type Spawn } from "./query-process.ts";

const THREADS_MAX = 4;
/** How long a query waits for a free slot before it is told to come back. */
const SLOT_WAIT_MS = 2_000;
const WAITING_PER_SLOT = 4;

export interface PoolOptions {
  readonly options: Config["query"];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly spawn?: Spawn;
}

export class ProcessPool {
  readonly #services: PoolOptions;
  readonly #warm: Promise<QueryProcess>[] = [];
  readonly #all = new Set<QueryProcess>();
  readonly #queue: (() => void)[] = [];
  #busy = 0;
  #root: Promise<string> | undefined;
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
        const waiting = this.#warm.shift() ?? this.#start();
        this.#fill();
        const ready = await waiting;
        if (!ready.isAlive) continue;
        // The slot belongs to the process, so nobody can forget to give it back.
        void ready.gone().then(() => this.#release());
        return ready;
      }
    } catch (error) {
      this.#release();
      throw error;
    }
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
    await Promise.allSettled(this.#warm);
    if (this.#root) await fs.rm(await this.#root, { recursive: true, force: true });
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
      starting.catch((error: unknown) =>
        this.#services.logger.warn("query process did not start", { error }),
      );
      this.#warm.push(starting);
    }
  }

  async #start(): Promise<QueryProcess> {
    this.#root ??= fs.mkdtemp(path.join(os.tmpdir(), "muara-query-"));
    const root = await this.#root;
    const folder = await fs.mkdtemp(path.join(root, "q-"));
    const { options, clock, spawn } = this.#services;
    if (this.#isClosed) throw new MuaraError("log.closed", "The service is shutting down.");
    const child = new QueryProcess({
      folder,
      codeCache: path.join(root, "code"),
      clock,
      memoryBytes: options.memoryBytes,
      threads: Math.min(THREADS_MAX, os.availableParallelism()),
      ...(spawn ? { spawn } : {}),
    });
    this.#all.add(child);
    void child.gone().then(() => this.#all.delete(child));
    const first = await child.next();
    if (first.report !== "ready") throw new MuaraError("sql.failed", "The query process did not start.");
    return child;
  }
}
