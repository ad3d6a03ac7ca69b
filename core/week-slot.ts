/**
 * The slot of the week that a window belongs to, in local time: Monday 10:05 is Monday 10:05 before and after clocks
 * change. A calendar gives dates the slots of another weekday (a holiday runs like a Sunday), or none.
 *
 * Surprising rules: in the week in which clocks go forward the slots of the skipped hour have no window; in the one in
 * which they go back, those of the repeated hour have two.
 */
import { assert } from "./assert.ts";

export const WEEKDAYS = [
  "monday",
  "tuesday",
  "wednesday",
  "thursday",
  "friday",
  "saturday",
  "sunday",
] as const;
export type Weekday = (typeof WEEKDAYS)[number];
/** What a date runs like; `none`: like nothing that was before. */
export type DayLike = Weekday | "none";

const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
/** No zone's clocks change within a quarter of an hour of UTC, only between two. */
const QUARTER_MS = 900_000;
/** 1970-01-01 was a Thursday. */
const WEEKDAY_OF_DAY_0 = 3;

export interface WeekSlot {
  /** 0 for Monday 00:00 local time; undefined: the date is like no other. */
  readonly slot: number | undefined;
  /** Local date, days since 1970-01-01. */
  readonly day: number;
  /** Whether the calendar names the date. */
  readonly isHoliday: boolean;
}

export class WeekClock {
  readonly windowMs: number;
  /** Slots of a week. */
  readonly count: number;
  readonly #format: Intl.DateTimeFormat;
  readonly #holidays: ReadonlyMap<number, DayLike>;
  #quarter = Number.NaN;
  #offsetMs = 0;

  /**
   * @param windowMs a part of a day, whole minutes
   * @param timeZone name of the IANA database
   * @param holidays local date (2026-12-25) → what it runs like
   * @throws RangeError for a time zone that nobody knows
   */
  constructor(windowMs: number, timeZone: string, holidays: Readonly<Record<string, DayLike>>) {
    assert(isPartOfDay(windowMs), "a window is a part of a day, in whole minutes");
    this.windowMs = windowMs;
    this.count = (7 * DAY_MS) / windowMs;
    this.#format = new Intl.DateTimeFormat("en-GB", {
      timeZone,
      calendar: "gregory",
      numberingSystem: "latn",
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    });
    this.#holidays = new Map(
      Object.entries(holidays).map(([date, like]) => [Date.parse(`${date}T00:00:00Z`) / DAY_MS, like]),
    );
  }

  /** @param startMs of the window, ms since 1970 UTC */
  at(startMs: number): WeekSlot {
    const localMs = startMs + this.#offsetAt(startMs);
    const day = Math.floor(localMs / DAY_MS);
    const like = this.#holidays.get(day);
    if (like === "none") return { slot: undefined, day, isHoliday: true };
    const weekday = like === undefined ? (((day + WEEKDAY_OF_DAY_0) % 7) + 7) % 7 : WEEKDAYS.indexOf(like);
    const ofDay = Math.floor((localMs - day * DAY_MS) / this.windowMs);
    return { slot: weekday * (DAY_MS / this.windowMs) + ofDay, day, isHoliday: like !== undefined };
  }

  /** `2026-03-29 10:05`, local time. */
  textOf(atMs: number): string {
    return new Date(atMs + this.#offsetAt(atMs)).toISOString().slice(0, 16).replace("T", " ");
  }

  weekdayOf(slot: number): Weekday {
    return WEEKDAYS[Math.floor((slot * this.windowMs) / DAY_MS)]!;
  }

  /** Local minus UTC. */
  #offsetAt(atMs: number): number {
    const quarter = Math.floor(atMs / QUARTER_MS);
    if (quarter === this.#quarter) return this.#offsetMs;
    const fromMs = quarter * QUARTER_MS;
    const parts = new Map(this.#format.formatToParts(fromMs).map(({ type, value }) => [type, Number(value)]));
    const [year, month, day] = [parts.get("year")!, parts.get("month")!, parts.get("day")!];
    const [hour, minute, second] = [parts.get("hour")!, parts.get("minute")!, parts.get("second")!];
    this.#offsetMs = Date.UTC(year, month - 1, day, hour, minute, second) - fromMs;
    this.#quarter = quarter;
    return this.#offsetMs;
  }
}

export function isPartOfDay(windowMs: number): boolean {
  return windowMs >= MINUTE_MS && windowMs % MINUTE_MS === 0 && DAY_MS % windowMs === 0;
}
