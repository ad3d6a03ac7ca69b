/**
 * Finds drops in a series of counts by window: fewer orders than on a Monday at this time. After production practice
 * (robust weekly seasonality, one-sided, with a floor for what chance does to small counts), and explainable:
 *
 *     expected = median of the same slots in the last weeks × level
 *     level    = what the last hours had in relation to what they usually have, within bounds; without what was low
 *     spread   = max(1.4826 · median absolute deviation, √expected)
 *     low      ⇔ count < expected − z · spread, a share of min_drop is missing, and expected ≥ min_expected
 *     dropping ⇔ 2 of the last 3 closed windows are low
 *
 * Surprising rule: a window is judged alone and as the last of runs of 3, 9, 27, … windows. What comes twice an hour
 * tells nothing in five minutes; the shortest run that is low speaks, so that what is frequent is told at once.
 *
 * Only windows that the watermark has closed are judged: events under way look like none. While the watermark stands
 * still there is no data, which is another thing than a drop (`hasNoData`).
 */
import { assert } from "./assert.ts";
import { DropHistory, type DropHistoryState } from "./drop-history.ts";
import type { DropOptions } from "./drop-options.ts";
import { type DropVerdict, missingShare } from "./drop-verdict.ts";
import { median, robustSpread } from "./median.ts";
import { WeekClock } from "./week-slot.ts";

/** Runs grow so much from one to the next. */
const RUN_STEP = 3;
/** Events that the level is worth before anything is seen: of small counts chance says little about it. */
const LEVEL_PRIOR = 100;
/** While warming: of the latest window in the mean, and what a mean absolute deviation is of a standard one. */
const WARMING_SHARE = 0.1;
const SIGMA_PER_MEAN_DEVIATION = 1.2533;
const WARMING_WINDOWS_MIN = 12;
/** Of one call: more than two years of minutes. */
const WINDOWS_MAX = 1_100_000;

/** Mean of the latest windows, each half as old as weighty as the next. */
interface Warming {
  readonly mean: number;
  readonly deviation: number;
  readonly windows: number;
}

/** JSON-ready. */
export interface DropState {
  readonly version: 1;
  /** Start of the next window, ms since 1970 UTC; null before the first. */
  readonly nextMs: number | null;
  readonly history: DropHistoryState;
  /** The level that was known last. */
  readonly level: number;
  readonly warming: Warming;
}

export class DropDetector {
  readonly #options: DropOptions;
  readonly #clock: WeekClock;
  readonly #lengths: readonly number[];
  readonly #levelWindows: number;
  readonly #history: DropHistory;
  #knownLevel: number;
  #warming: Warming;
  #nextMs: number | null;

  /** @param state of a detector with the same windows, zone, weeks, reach and time of the level */
  constructor(options: DropOptions, state?: DropState) {
    this.#options = options;
    this.#clock = new WeekClock(options.windowMs, options.timeZone, options.holidays);
    this.#lengths = runLengths(options);
    this.#levelWindows = Math.floor(options.levelMs / options.windowMs);
    const capacity = Math.max(this.#lengths.at(-1)! + this.#levelWindows, options.of);
    this.#history = new DropHistory(this.#clock.count, options.weeks, capacity, state?.history);
    this.#knownLevel = state?.level ?? 1;
    this.#warming = state?.warming ?? { mean: 0, deviation: 0, windows: 0 };
    this.#nextMs = state?.nextMs ?? null;
  }

  get clock(): WeekClock {
    return this.#clock;
  }

  /** Start of the next window, ms since 1970 UTC; null before the first. */
  get nextMs(): number | null {
    return this.#nextMs;
  }

  /**
   * Judges, in order, every window that the watermark has closed since the last call; the first call of all begins
   * with the first window in `counts`.
   * @param counts window's start (ms since 1970 UTC) → events; a window that it lacks had none
   */
  judgeClosed(watermarkMs: number, counts: ReadonlyMap<number, number>): DropVerdict[] {
    const { windowMs } = this.#options;
    let startMs = this.#nextMs ?? Math.min(...counts.keys());
    if (startMs === Infinity) return [];
    assert(watermarkMs - startMs <= WINDOWS_MAX * windowMs, "the watermark is not years ahead");
    const verdicts: DropVerdict[] = [];
    for (; startMs + windowMs <= watermarkMs; startMs += windowMs)
      verdicts.push(this.judge(startMs, counts.get(startMs) ?? 0));
    return verdicts;
  }

  /** Judges the next window. @param count a whole number */
  judge(startMs: number, count: number): DropVerdict {
    const { windowMs, hits, of } = this.#options;
    assert(startMs % windowMs === 0, "windows begin at multiples of their length");
    assert(this.#nextMs === null || startMs === this.#nextMs, "windows come in order, without gaps");
    assert(Number.isSafeInteger(count) && count >= 0, "a count is a whole number");
    const { slot, day, isHoliday } = this.#clock.at(startMs);
    const weeks = slot === undefined ? null : this.#history.weeksOf(slot);
    this.#history.push({ count, weeks, isLevel: true, isLow: false });
    const place = {
      startMs,
      isHoliday,
      slot: slot ?? null,
      weekCount: slot === undefined ? 0 : this.#history.weekCount(slot),
    };
    const judged = weeks ? this.#seasonal() : slot === undefined ? undefined : this.#warm(count);
    if (judged?.isLow === true) this.#history.markLow(judged.windows);
    this.#learn(count);
    // What a holiday has says nothing about the weekday that it runs like, nor about its own.
    if (slot !== undefined && !isHoliday) this.#history.remember(slot, day, count);
    this.#nextMs = startMs + windowMs;
    const isDropping = this.#history.lowAmong(of) >= hits;
    return { ...(judged ?? nothing(count)), ...place, isDropping };
  }

  state(): DropState {
    return {
      version: 1,
      nextMs: this.#nextMs,
      history: this.#history.state(),
      level: this.#knownLevel,
      warming: this.#warming,
    };
  }

  /** The shortest run that is low; where none is, this window alone. */
  #seasonal(): Judged {
    let alone: Judged | undefined;
    for (const run of this.#history.runs(this.#lengths)) {
      const level = this.#level(run.length);
      const middle = median(run.weeks);
      const expected = middle * level;
      const spread = Math.max(robustSpread(run.weeks, middle) * level, Math.sqrt(expected));
      const facts = {
        baseline: "seasonal",
        windows: run.length,
        count: run.count,
        expected,
        spread,
      } as const;
      const isLow = this.#isLow(facts);
      const judged: Judged = { ...facts, isLow, level, weeks: run.weeks };
      if (isLow) return judged;
      alone ??= judged;
      // A run that ends with what is usual tells of a drop that is over; one that is too short tells nothing: one event
      // where half an event is expected is no end.
      if (expected >= this.#options.minExpected && missingShare(facts) < this.#options.minDrop) break;
    }
    return alone!;
  }

  #isLow({ count, expected, spread }: Pick<Judged, "count" | "expected" | "spread">): boolean {
    const { z, minDrop, minExpected } = this.#options;
    return (
      count < expected - z * spread && missingShare({ count, expected }) >= minDrop && expected >= minExpected
    );
  }

  /** Of the time before a run; where nothing of it counts, as it was. */
  #level(length: number): number {
    const { count, usual } = this.#history.level(length, this.#levelWindows);
    if (usual === 0) return this.#knownLevel;
    const { levelMin, levelMax } = this.#options;
    const level = (count + LEVEL_PRIOR) / (usual + LEVEL_PRIOR);
    this.#knownLevel = Math.min(levelMax, Math.max(levelMin, level));
    return this.#knownLevel;
  }

  #warm(count: number): Judged {
    const { mean, deviation, windows } = this.#warming;
    const spread = Math.max(SIGMA_PER_MEAN_DEVIATION * deviation, Math.sqrt(mean));
    const facts = { windows: 1, count, expected: mean, spread, level: 1, weeks: [] };
    if (windows < WARMING_WINDOWS_MIN) return { ...facts, baseline: "none", isLow: false };
    return { ...facts, baseline: "warming", isLow: this.#isLow(facts) };
  }

  #learn(count: number): void {
    const { mean, deviation, windows } = this.#warming;
    const share = Math.max(WARMING_SHARE, 1 / (windows + 1));
    this.#warming = {
      mean: mean + share * (count - mean),
      deviation: windows === 0 ? 0 : deviation + share * (Math.abs(count - mean) - deviation),
      windows: Math.min(windows + 1, WARMING_WINDOWS_MIN),
    };
  }
}

type Judged = Omit<DropVerdict, "startMs" | "slot" | "isHoliday" | "isDropping" | "weekCount">;

function nothing(count: number): Judged {
  return { baseline: "none", isLow: false, windows: 1, count, expected: 0, spread: 0, level: 1, weeks: [] };
}

/** 1, 3, 9, … windows, none longer than the reach. */
function runLengths({ windowMs, reachMs }: DropOptions): number[] {
  const lengths = [1];
  while (lengths.at(-1)! * RUN_STEP * windowMs <= reachMs) lengths.push(lengths.at(-1)! * RUN_STEP);
  return lengths;
}

/**
 * Whether nothing can be said: the watermark stands behind by more than `afterMs`. A pure comparison of two times that
 * the caller has.
 */
export function hasNoData(watermarkMs: number | undefined, nowMs: number, afterMs: number): boolean {
  return watermarkMs === undefined || nowMs - watermarkMs > afterMs;
}
