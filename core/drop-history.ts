/**
 * What drop detection remembers of a series: of each slot of the week the counts of the last weeks, and the latest
 * windows with what the weeks before had in their slots, so that runs of windows can be summed up week by week.
 */
import { assert } from "./assert.ts";
import { median } from "./median.ts";

/** A slot that was remembered so few days ago is met again since clocks went back. */
const DAYS_BETWEEN_MIN = 3;
const WEEKS_MIN = 3;

/** A window that has closed. */
export interface ClosedWindow {
  readonly count: number;
  /** [week, the oldest first] counts of its slot; null: fewer than three, or the date is like no other. */
  readonly weeks: readonly number[] | null;
  /** Whether it counts for the level; what was low does not. */
  isLevel: boolean;
  isLow: boolean;
}

/** JSON-ready. */
export interface DropHistoryState {
  /** [slot] counts, the oldest first. */
  readonly counts: readonly (readonly number[])[];
  /** [slot] local day of the latest; null before the first. */
  readonly days: readonly (number | null)[];
  /** The latest windows, the oldest first. */
  readonly recent: readonly ClosedWindow[];
}

export interface Run {
  /** Windows. */
  readonly length: number;
  readonly count: number;
  /** [week] sums of the same windows; a week that a slot lacks has that slot's median there. */
  readonly weeks: readonly number[];
}

export class DropHistory {
  readonly #weeks: number;
  readonly #counts: number[][];
  readonly #days: (number | null)[];
  readonly #recent: ClosedWindow[];
  /** [window of `recent`] median of its weeks, from which it follows. */
  readonly #usual: (number | null)[];
  readonly #capacity: number;

  constructor(slots: number, weeks: number, capacity: number, state?: DropHistoryState) {
    this.#weeks = weeks;
    this.#capacity = capacity;
    this.#counts = state
      ? state.counts.map((counts) => [...counts])
      : Array.from({ length: slots }, () => []);
    assert(this.#counts.length === slots, "the state is of windows of another length");
    this.#days = state ? [...state.days] : Array.from({ length: slots }, () => null);
    this.#recent = state ? state.recent.map((window) => ({ ...window })) : [];
    this.#usual = this.#recent.map(({ weeks: counts }) => (counts ? median(counts) : null));
  }

  /** Counts of a slot; null while there are fewer than three. */
  weeksOf(slot: number): readonly number[] | null {
    const counts = this.#counts[slot]!;
    return counts.length < WEEKS_MIN ? null : [...counts];
  }

  weekCount(slot: number): number {
    return this.#counts[slot]!.length;
  }

  remember(slot: number, day: number, count: number): void {
    const before = this.#days[slot]!;
    if (before !== null && day - before < DAYS_BETWEEN_MIN) return;
    const counts = this.#counts[slot]!;
    counts.push(count);
    if (counts.length > this.#weeks) counts.shift();
    this.#days[slot] = day;
  }

  push(window: ClosedWindow): void {
    this.#recent.push(window);
    this.#usual.push(window.weeks ? median(window.weeks) : null);
    if (this.#recent.length <= this.#capacity) return;
    this.#recent.shift();
    this.#usual.shift();
  }

  /**
   * The latest windows as one, for each of `lengths` (ascending), until one reaches behind a window without a baseline.
   * Worked out as they are asked for: most often the shortest is enough.
   */
  *runs(lengths: readonly number[]): Generator<Run> {
    const weeks = Array.from({ length: this.#weeks }, () => 0);
    let [count, given] = [0, 0];
    for (let at = this.#recent.length - 1; given < lengths.length && at >= 0; at--) {
      const window = this.#recent[at]!;
      const middle = this.#usual[at]!;
      if (window.weeks === null || middle === null) return;
      count += window.count;
      const lacking = this.#weeks - window.weeks.length;
      for (let week = 0; week < this.#weeks; week++)
        weeks[week]! += week < lacking ? middle : window.weeks[week - lacking]!;
      const length = this.#recent.length - at;
      if (lengths[given] !== length) continue;
      given++;
      yield { length, count, weeks: [...weeks] };
    }
  }

  /** Sums of the `length` windows before the latest `skipped`, without those that were low. */
  level(skipped: number, length: number): { readonly count: number; readonly usual: number } {
    const to = this.#recent.length - skipped;
    let [count, usual] = [0, 0];
    for (let i = Math.max(0, to - length); i < to; i++) {
      const middle = this.#usual[i]!;
      if (middle === null || !this.#recent[i]!.isLevel) continue;
      count += this.#recent[i]!.count;
      usual += middle;
    }
    return { count, usual };
  }

  /** The latest `length` windows were low as one: none of them says how much there is today. */
  markLow(length: number): void {
    this.#recent.at(-1)!.isLow = true;
    for (const window of this.#recent.slice(-length)) window.isLevel = false;
  }

  /** How many of the latest `of` were low. */
  lowAmong(of: number): number {
    return this.#recent.slice(-of).filter(({ isLow }) => isLow).length;
  }

  state(): DropHistoryState {
    return {
      counts: this.#counts.map((counts) => [...counts]),
      days: [...this.#days],
      recent: this.#recent.map((window) => ({ ...window })),
    };
  }
}
