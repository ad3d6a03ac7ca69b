/** What is said of a window that has closed, and the sentence that shows why. */
import type { WeekClock } from "./week-slot.ts";

export interface DropVerdict {
  /** Of the window, ms since 1970 UTC. */
  readonly startMs: number;
  /**
   * `seasonal`: the same slots of the weeks before. `warming`: fewer than three weeks are there, and the latest windows
   * stand for them. `none`: neither, or the calendar says that the date is like no other.
   */
  readonly baseline: "seasonal" | "warming" | "none";
  /** This window, with those before it that it was judged with, is too low. */
  readonly isLow: boolean;
  /** Enough of the latest windows are. */
  readonly isDropping: boolean;
  /** Windows judged as one, this the last. */
  readonly windows: number;
  readonly count: number;
  readonly expected: number;
  /** One standard deviation of what is expected. */
  readonly spread: number;
  /** How much there was lately in relation to the weeks before, 1 for as much. */
  readonly level: number;
  /** [week, the oldest first] counts of the same windows; empty unless seasonal. */
  readonly weeks: readonly number[];
  /** Weeks that the slot of this window has. */
  readonly weekCount: number;
  readonly slot: number | null;
  readonly isHoliday: boolean;
}

/** Missing share of what is expected, 0 where nothing is missing. */
export function missingShare({ count, expected }: Pick<DropVerdict, "count" | "expected">): number {
  return expected <= 0 ? 0 : Math.max(0, 1 - count / expected);
}

/** `expected 412 (6 Mondays 10:05: 380..430), saw 120, −71 %` */
export function dropEvidence(verdict: DropVerdict, clock: WeekClock): string {
  const { baseline, count, expected } = verdict;
  if (baseline === "none") return `saw ${count}, not judged: ${reasonOf(verdict)}`;
  const share = expected <= 0 ? 0 : (count - expected) / expected;
  const percent = Math.round(Math.abs(share) * 100);
  const change = percent === 0 ? "±0" : `${share < 0 ? "−" : "+"}${percent}`;
  return `expected ${rounded(expected)} (${whereFrom(verdict, clock)}), saw ${count}, ${change} %`;
}

function reasonOf({ isHoliday }: DropVerdict): string {
  return isHoliday ? "the calendar says that this date is like no other" : "too little is known yet";
}

function whereFrom(verdict: DropVerdict, clock: WeekClock): string {
  const { baseline, weekCount, weeks, level } = verdict;
  const time = timeText(verdict, clock);
  if (baseline === "warming")
    return `${time}, the level of the latest windows: baseline=warming, ${weekCount} of 3 weeks`;
  const range = `${rounded(Math.min(...weeks))}..${rounded(Math.max(...weeks))}`;
  const [day, times] = [dayText(verdict, clock), `${time}: ${range}`];
  const now = Math.abs(level - 1) < 0.05 ? "" : `; lately ${Math.round(level * 100)} % of that`;
  return `${weekCount} ${day} ${times}${now}`;
}

function dayText({ slot, isHoliday, weekCount }: DropVerdict, clock: WeekClock): string {
  const name = clock.weekdayOf(slot!);
  const capital = `${name[0]!.toUpperCase()}${name.slice(1)}${weekCount === 1 ? "" : "s"}`;
  return isHoliday ? `${capital}, as the calendar says,` : capital;
}

/** Where several windows are one: from the first's start to the last's end. */
function timeText({ startMs, windows }: DropVerdict, clock: WeekClock): string {
  const from = clock.textOf(startMs - (windows - 1) * clock.windowMs).slice(11);
  return windows === 1 ? from : `${from}–${clock.textOf(startMs + clock.windowMs).slice(11)}`;
}

function rounded(value: number): string {
  return value >= 10 ? String(Math.round(value)) : String(Math.round(value * 10) / 10);
}
