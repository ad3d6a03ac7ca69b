/**
 * When one table may land what it has: at once where a commit would be full, else the present interval after the
 * round that last landed it. Keeps what the commit budget needs to know of the table: how long after a commit it
 * has something again.
 */
import type { TableLanding } from "./table-landing.ts";

export class Turn {
  /** Monotonic ms of the round that last landed it; -Infinity before. */
  #landedMs = -Infinity;
  /** Monotonic ms of the round that first saw what is waiting; undefined where nothing is. */
  #waitingSinceMs: number | undefined;
  /** How long after its last commit it had something again, ms; Infinity where that is not known yet. */
  #gapMs = Infinity;
  #isFull = false;
  /** The log's count of appends when its end was last looked at. */
  #seenAppends = -1;
  /** Monotonic ms of the last attempt, whatever came of it. */
  triedMs = -Infinity;

  /** Whether a commit would be full: a backlog, which waits for nobody. */
  get isFull(): boolean {
    return this.#isFull;
  }

  get isWaiting(): boolean {
    return this.#waitingSinceMs !== undefined || this.#isFull;
  }

  /** Looks whether the table has something to land, unless nothing was appended since the last look. */
  async look(landing: TableLanding, appendCount: number, nowMs: number): Promise<void> {
    if (this.#seenAppends === appendCount) return;
    try {
      const { offsets, isFull } = await landing.waiting();
      this.#seenAppends = appendCount;
      this.#isFull ||= isFull; // what a commit left over stays urgent, however little it is
      if (offsets === 0) return;
    } catch {
      // The attempt, which is due now, finds the same and says what it means.
      this.#isFull = true;
    }
    if (this.#waitingSinceMs !== undefined) return;
    this.#waitingSinceMs = nowMs;
    this.#gapMs = nowMs - this.#landedMs;
  }

  /** How long after a commit the table has something again, as far as is known, ms; Infinity for never so far. */
  gapMs(nowMs: number): number {
    return this.isWaiting ? this.#gapMs : Math.max(this.#gapMs, nowMs - this.#landedMs);
  }

  /** Monotonic ms at which it may land what waits. */
  dueMs(intervalMs: number, nowMs: number): number {
    if (this.#isFull || this.#waitingSinceMs === undefined) return nowMs;
    return Math.max(this.#waitingSinceMs, this.#landedMs + intervalMs);
  }

  /** How long its oldest event has been waiting, as far as was seen, ms. */
  waitedMs(nowMs: number): number {
    return nowMs - (this.#waitingSinceMs ?? nowMs);
  }

  /** A commit was made in the round that began at `roundMs`. What it left over is a backlog. */
  landed(roundMs: number, hasBacklog: boolean): void {
    this.forget();
    this.#landedMs = roundMs;
    if (!hasBacklog) return;
    this.#waitingSinceMs = roundMs;
    this.#gapMs = 0;
    this.#isFull = true;
  }

  /** Nothing is known of what waits. */
  forget(): void {
    this.#waitingSinceMs = undefined;
    this.#isFull = false;
    this.#seenAppends = -1;
  }
}
