/**
 * Commits of tables, told to who waits for them in the same process. Other processes' commits are not told: who waits
 * looks now and then all the same.
 */
import type { Clock } from "./clock.ts";
import { Waiters } from "./waiters.ts";

interface Told {
  count: number;
  readonly waiters: Waiters;
}

export class CommitNotices {
  readonly #tables = new Map<string, Told>();

  /** A version of the table is there. */
  tell(table: string): void {
    const told = this.#of(table);
    told.count++;
    told.waiters.wake();
  }

  /** How many were told of a table. Asked before the table is read: what comes meanwhile is not missed. */
  count(table: string): number {
    return this.#of(table).count;
  }

  /** Resolves once more than `seen` were told, after `ms`, or when the signal is aborted. */
  async wait(table: string, seen: number, ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
    const { count, waiters } = this.#of(table);
    if (count !== seen || signal.aborted) return;
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    await Promise.race([waiters.wait(either), clock.sleep(ms, either)]);
    over.abort();
  }

  #of(table: string): Told {
    let told = this.#tables.get(table);
    if (!told) this.#tables.set(table, (told = { count: 0, waiters: new Waiters() }));
    return told;
  }
}
