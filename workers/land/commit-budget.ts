/**
 * How many commits a process makes, and how often each table may: a budget of commits per second over all tables
 * and projections, shared fairly. Within the budget every table commits each `commitMs`. Beyond it one interval
 * holds for all: the shortest at which what the tables want fits (max-min fairness: a table that wants less than
 * its share gets what it wants, and at once; the others get the same share each, however much they want).
 *
 * The surprising rules: no event waits longer than `commitMsMax` whatever the budget says, and a full commit waits
 * for nobody, since it is the cheapest there is per event.
 */
import type { Clock } from "../../core/clock.ts";

/** Over which the commits of others than tables (projections, new tables) are averaged, ms. */
const OTHERS_WINDOW_MS = 10_000;
/** Halvings in the search for the interval: to a millionth of its range. */
const HALVINGS = 20;

export interface PaceOptions {
  /** The interval within the budget, ms. */
  readonly commitMs: number;
  /** The longest, ms. */
  readonly commitMsMax: number;
  /** Of the whole process. */
  readonly commitsPerSecond: number;
}

export interface Pace {
  /** Present interval of a table's commits, ms. */
  readonly intervalMs: number;
  /** What the tables would make at `commitMs`, commits/s. */
  readonly wantedPerSecond: number;
  /** What was left for them, commits/s. */
  readonly allowedPerSecond: number;
}

/**
 * @param gapsMs [table] how long after a commit the table has something to commit again; 0 for a table that always
 *   has. Infinity: never.
 */
export function paceOf(gapsMs: readonly number[], allowedPerSecond: number, options: PaceOptions): Pace {
  const { commitMs, commitMsMax } = options;
  const rateAt = (intervalMs: number): number =>
    gapsMs.reduce((sum, gapMs) => sum + 1_000 / Math.max(intervalMs, gapMs, 1), 0);
  const wantedPerSecond = rateAt(commitMs);
  if (wantedPerSecond <= allowedPerSecond || commitMsMax <= commitMs)
    return { intervalMs: commitMs, wantedPerSecond, allowedPerSecond };
  let low = commitMs;
  let high = commitMsMax;
  // The rate only falls with the interval.
  if (rateAt(high) < allowedPerSecond)
    for (let i = 0; i < HALVINGS; i++) {
      const middle = (low + high) / 2;
      if (rateAt(middle) > allowedPerSecond) low = middle;
      else high = middle;
    }
  return { intervalMs: Math.ceil(high), wantedPerSecond, allowedPerSecond };
}

export interface CommitBudget {
  readonly options: PaceOptions;
  /** Until a table may commit, ms; 0 for now. */
  waitMs(): number;
  /** Notes commits of tables. */
  spend(count: number): void;
  /** Notes commits of projections and of new tables, which ask nobody. */
  spendOther(count: number): void;
  /** Commits/s that are left for event tables. */
  readonly forTables: number;
}

export function createCommitBudget(clock: Clock, options: PaceOptions): CommitBudget {
  return new RefillingBudget(clock, options);
}

/**
 * Refilled steadily up to what one interval may bring at once, so that a budget that is fully used in step still
 * fits. Debts are kept, up to the same amount: what was made in any case is saved afterwards.
 */
class RefillingBudget implements CommitBudget {
  readonly options: PaceOptions;
  readonly #clock: Clock;
  readonly #capacity: number;
  #level: number;
  #atMs: number;
  #others = 0;
  #othersSinceMs: number;
  #othersPerSecond = 0;

  constructor(clock: Clock, options: PaceOptions) {
    this.#clock = clock;
    this.options = options;
    this.#capacity = Math.max(1, (options.commitsPerSecond * options.commitMs) / 1_000);
    this.#level = this.#capacity;
    this.#atMs = clock.monotonicMs();
    this.#othersSinceMs = this.#atMs;
  }

  spend(count: number): void {
    this.#refill();
    this.#level = Math.max(-this.#capacity, this.#level - count);
  }

  spendOther(count: number): void {
    this.#others += count;
    this.spend(count);
  }

  waitMs(): number {
    this.#refill();
    return this.#level >= 1 ? 0 : ((1 - this.#level) * 1_000) / this.options.commitsPerSecond;
  }

  get forTables(): number {
    const nowMs = this.#clock.monotonicMs();
    const elapsedMs = nowMs - this.#othersSinceMs;
    if (elapsedMs >= OTHERS_WINDOW_MS) {
      this.#othersPerSecond = (this.#others * 1_000) / elapsedMs;
      this.#others = 0;
      this.#othersSinceMs = nowMs;
    }
    // Others never take all of it: landing goes first.
    return this.options.commitsPerSecond - Math.min(this.#othersPerSecond, this.options.commitsPerSecond / 2);
  }

  #refill(): void {
    const nowMs = this.#clock.monotonicMs();
    const grown = ((nowMs - this.#atMs) * this.options.commitsPerSecond) / 1_000;
    this.#level = Math.min(this.#capacity, this.#level + grown);
    this.#atMs = nowMs;
  }
}
