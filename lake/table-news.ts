/**
 * That a table has a new commit, told within the process that made it, at once. A hint: commits of other processes are
 * not heard of here, and whoever waits looks again after a while.
 */
import type { Clock } from "../core/clock.ts";
import type { TableLog } from "../core/ports/table-log.ts";
import { Waiters } from "../core/waiters.ts";

export class TableNews {
  readonly #waiters = new Map<string, Waiters>();

  /** The log, which tells of its commits from now on. */
  watch(name: string, log: TableLog): TableLog {
    return {
      snapshot: (at) => log.snapshot(at),
      read: (version) => log.read(version),
      commit: async (request) => {
        const outcome = await log.commit(request);
        this.#waiters.get(name)?.wake();
        return outcome;
      },
    };
  }

  /** Resolves at the next commit of one of the tables, after `ms`, or when the signal is aborted. */
  async wait(names: readonly string[], clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    const heard = names.map((name) => this.#of(name).wait(either));
    await Promise.race([...heard, clock.sleep(ms, either)]);
    over.abort();
  }

  #of(name: string): Waiters {
    let waiters = this.#waiters.get(name);
    if (!waiters) this.#waiters.set(name, (waiters = new Waiters()));
    return waiters;
  }
}
