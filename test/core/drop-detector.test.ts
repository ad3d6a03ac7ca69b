/**
 * Drop detection against a model that keeps the whole series and works every window out anew from the formula, with
 * local time from another function of the runtime; and its edges.
 */
import { describe, expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import { DropDetector, hasNoData, type DropState } from "../../core/drop-detector.ts";
import { dropOptionsSchema, type DropOptions } from "../../core/drop-options.ts";
import { dropEvidence, type DropVerdict } from "../../core/drop-verdict.ts";
import { WeekClock } from "../../core/week-slot.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MONDAY_MS = Date.UTC(2026, 0, 5);
const SEED = Number(process.env["SEED"] ?? 20_261_121);

const options = (more: Record<string, unknown> = {}): DropOptions =>
  dropOptionsSchema.parse({ windowMs: HOUR_MS, ...more });

/** Noise around a level of the hour, with drops to nearly nothing, or to two thirds. */
function noisy(seed: number, length: number): number[] {
  const randomness = seededRandomness(seed);
  let [drop, left] = [0, 1];
  return Array.from({ length }, (_, i) => {
    if (randomness.fraction() < 0.01) [drop, left] = [6, randomness.fraction() < 0.5 ? 0.2 : 0.65];
    const usual = 60 + 40 * Math.sin((i / 24) * 2 * Math.PI);
    const count = Math.round(usual * (0.85 + 0.3 * randomness.fraction()) * (drop > 0 ? left : 1));
    drop--;
    return count;
  });
}

function judgeAll(of: DropOptions, startMs: number, counts: readonly number[]): DropVerdict[] {
  const detector = new DropDetector(of);
  return counts.map((count, i) => detector.judge(startMs + i * of.windowMs, count));
}

/** The formula, from the whole series, one window after the other. */
function model(of: DropOptions, startMs: number, counts: readonly number[]): Partial<DropVerdict>[] {
  const seen = new Map<string, { day: string; count: number }[]>();
  const [weeksOf, isLevel, isLow]: [(number[] | null)[], boolean[], boolean[]] = [[], [], []];
  let known = 1;
  return counts.map((count, i) => {
    const local = new Date(startMs + i * of.windowMs).toLocaleString("sv-SE", { timeZone: of.timeZone });
    const [day, time] = [local.slice(0, 10), local.slice(11, 16)];
    const slot = `${new Date(`${day}T00:00:00Z`).getUTCDay()} ${time}`;
    const before = seen.get(slot) ?? [];
    const last = before.slice(-of.weeks).map((one) => one.count);
    weeksOf.push(last.length < 3 ? null : last);
    isLevel.push(true);
    let verdict: Partial<DropVerdict> = {};
    let low = 0;
    for (let run = 1; weeksOf[i] && run * of.windowMs <= of.reachMs && run <= i + 1; run *= 3) {
      const windows = Array.from({ length: run }, (_, back) => i - back);
      if (windows.some((w) => weeksOf[w] === null)) break;
      const sums = Array.from({ length: of.weeks }, (_, week) =>
        sum(windows.map((w) => weeksOf[w]!.at(week - of.weeks) ?? middle(weeksOf[w]!))),
      );
      const hours = Array.from({ length: of.levelMs / of.windowMs }, (_, k) => i - run - k).filter(
        (w) => w >= 0 && isLevel[w] && weeksOf[w] !== null,
      );
      const usual = sum(hours.map((w) => middle(weeksOf[w]!)));
      if (usual > 0) {
        const ratio = (sum(hours.map((w) => counts[w]!)) + 100) / (usual + 100);
        known = Math.min(of.levelMax, Math.max(of.levelMin, ratio));
      }
      const expected = middle(sums) * known;
      const off = middle(sums.map((value) => Math.abs(value - middle(sums))));
      const spread = Math.max(1.4826 * off * known, Math.sqrt(expected));
      const saw = sum(windows.map((w) => counts[w]!));
      const missing = 1 - saw / expected;
      const isBelow = saw < expected - of.z * spread && missing >= of.minDrop && expected >= of.minExpected;
      if (isBelow || run === 1) verdict = { windows: run, count: saw, expected, spread, isLow: isBelow };
      if (isBelow) low = run;
      if (isBelow || (expected >= of.minExpected && missing < of.minDrop)) break;
    }
    for (let back = 0; back < low; back++) isLevel[i - back] = false;
    isLow.push(low > 0);
    const latest = before.at(-1);
    if (!latest || Date.parse(day) - Date.parse(latest.day) >= 3 * DAY_MS) before.push({ day, count });
    seen.set(slot, before);
    return { ...verdict, isDropping: isLow.slice(-of.of).filter(Boolean).length >= of.hits };
  });
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const middle = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)]! + sorted[Math.ceil((sorted.length - 1) / 2)]!) / 2;
};

const facts = (verdict: Partial<DropVerdict>): unknown[] => {
  const { windows, count, isLow, isDropping, expected: mean = 0, spread = 0 } = verdict;
  return [windows, count, isLow, isDropping, mean.toFixed(6), spread.toFixed(6)];
};

describe("against the formula over the whole series", () => {
  test.each([
    ["UTC", MONDAY_MS],
    ["Europe/Berlin", Date.UTC(2026, 1, 9)],
    ["America/New_York", Date.UTC(2025, 8, 22)],
  ])("%s", (timeZone, startMs) => {
    const of = options({ timeZone, z: 3 });
    const counts = noisy(SEED, 10 * 168);
    const found = judgeAll(of, startMs, counts);
    const expected = model(of, startMs, counts);
    expect(found.filter(({ isDropping }) => isDropping).length).toBeGreaterThan(20);
    expect(new Set(found.filter(({ isLow }) => isLow).map(({ windows }) => windows)).size).toBeGreaterThan(1);
    const isSeasonal = found.map(({ baseline }) => baseline === "seasonal");
    expect(isSeasonal).toEqual(expected.map(({ windows }) => windows !== undefined));
    expect(found.filter((_, i) => isSeasonal[i]).map(facts)).toEqual(
      expected.filter((_, i) => isSeasonal[i]).map(facts),
    );
  });
});

const slotAt = (zone: string, iso: string, windowMs = 1_800_000): [number | undefined, string] => {
  const clock = new WeekClock(windowMs, zone, {});
  return [clock.at(Date.parse(iso)).slot, clock.textOf(Date.parse(iso))];
};

const isTaken = (more: Record<string, unknown>): boolean => dropOptionsSchema.safeParse(more).success;

describe("slots", () => {
  test("are local: Monday 10:00 before and after clocks change, in both halves of the world", () => {
    expect(slotAt("Europe/Berlin", "2026-03-23T09:00Z")).toEqual([20, "2026-03-23 10:00"]);
    expect(slotAt("Europe/Berlin", "2026-03-30T08:00Z")).toEqual([20, "2026-03-30 10:00"]);
    expect(slotAt("Australia/Lord_Howe", "2026-03-29T23:00Z")).toEqual([20, "2026-03-30 10:00"]);
    expect(slotAt("Australia/Lord_Howe", "2026-04-05T23:30Z")).toEqual([20, "2026-04-06 10:00"]);
    expect(slotAt("Asia/Kathmandu", "2026-03-30T04:15Z", 900_000)).toEqual([40, "2026-03-30 10:00"]);
    expect(slotAt("UTC", "1969-12-29T10:00Z")).toEqual([20, "1969-12-29 10:00"]);
  });

  test("the hour that clocks repeat is remembered once, the one that they skip keeps its weeks", () => {
    const detector = new DropDetector(options({ timeZone: "Europe/Berlin" }));
    const startMs = Date.UTC(2025, 9, 26);
    for (let hour = 0; hour < 24; hour++) detector.judge(startMs + hour * HOUR_MS, hour);
    const { counts } = detector.state().history;
    // 00:00 and 01:00 UTC are both 02:00 on Sunday.
    expect([counts[6 * 24 + 2], counts[6 * 24 + 3]]).toEqual([[0], [2]]);
  });

  test("a holiday has the slots of another weekday and is remembered for none; a date can be like no other", () => {
    const detector = new DropDetector(
      options({ holidays: { "2026-01-06": "sunday", "2026-01-07": "none" } }),
    );
    const verdicts = Array.from({ length: 96 }, (_, hour) => detector.judge(MONDAY_MS + hour * HOUR_MS, 7));
    expect(verdicts[24 + 5]).toMatchObject({ slot: 6 * 24 + 5, isHoliday: true });
    expect(verdicts[48 + 5]).toMatchObject({ slot: null, isHoliday: true, baseline: "none", isLow: false });
    const { counts } = detector.state().history;
    expect([0, 1, 2, 3, 6].map((day) => counts[day * 24 + 5]!.length)).toEqual([1, 0, 0, 1, 0]);
  });

  test("only whole minutes that divide a day are windows, and only known zones", () => {
    expect(
      [60_000, 90_000, 420_000, 480_000, DAY_MS, 2 * DAY_MS].map((windowMs) => isTaken({ windowMs })),
    ).toEqual([true, false, false, true, true, false]);
    expect(["Europe/Berlin", "Mars/Olympus"].map((timeZone) => isTaken({ timeZone }))).toEqual([true, false]);
    expect([isTaken({ hits: 3, of: 3 }), isTaken({ hits: 4, of: 3 })]).toEqual([true, false]);
    expect(isTaken({ holidays: { "2026-02-30": "sunday" } })).toBe(false);
  });
});

/** Six weeks of 400 an hour, and then these. */
function after(of: DropOptions, ...counts: readonly number[]): DropVerdict[] {
  const steady = Array.from({ length: 6 * 168 }, () => 400);
  return judgeAll(of, MONDAY_MS, [...steady, ...counts]).slice(6 * 168);
}

const lows = (of: DropOptions, ...counts: readonly number[]): boolean[] =>
  after(of, ...counts).map(({ isLow }) => isLow);

describe("edges", () => {
  test("z spreads: the spread of a steady series is that of chance, √400 = 20", () => {
    const of = options({ z: 4, minDrop: 0 });
    expect([lows(of, 320), lows(of, 319)]).toEqual([[false], [true]]);
  });

  test("min_drop: the share that must be missing", () => {
    const of = options({ z: 1, minDrop: 0.3 });
    expect([lows(of, 281), lows(of, 280)]).toEqual([[false], [true]]);
  });

  test("min_expected", () => {
    const judged = [400, 401].map((minExpected) => lows(options({ minExpected, reachMs: 0 }), 0));
    expect(judged).toEqual([[true], [false]]);
  });

  test("2 of the last 3 are a drop, and it ends when they are not", () => {
    const dropping = after(options(), 0, 400, 0, 400, 400, 400).map(({ isDropping }) => isDropping);
    expect(dropping).toEqual([false, false, true, false, false, false]);
  });

  test("what is low does not move the level, what is high does within its bounds", () => {
    const low = after(options(), 0, 0, 0, 0, 0);
    expect(low.every(({ level, expected }) => level === 1 && expected === 400)).toBe(true);
    const high = after(options({ levelMax: 1.25 }), 1_000, 1_000, 1_000, 1_000);
    expect(high.at(-1)!.level).toBe(1.25);
  });

  test("what is rare is judged in runs: 2 an hour, and half a day without any", () => {
    const steady = Array.from({ length: 6 * 168 }, () => 2);
    const rare = judgeAll(options(), MONDAY_MS, [...steady, ...Array.from({ length: 12 }, () => 0)]).slice(
      -12,
    );
    expect(rare.map(({ isLow }) => isLow).indexOf(true)).toBe(8);
    expect(rare[8]).toMatchObject({ windows: 9, count: 0, expected: 18 });
  });

  test("counts are whole numbers, windows come in order and without gaps", () => {
    const detector = new DropDetector(options());
    detector.judge(MONDAY_MS, 1);
    expect(() => detector.judge(MONDAY_MS + 2 * HOUR_MS, 1)).toThrow("without gaps");
    expect(() => detector.judge(MONDAY_MS + HOUR_MS, 0.5)).toThrow("whole number");
    expect(() => new DropDetector(options()).judge(MONDAY_MS + 1, 1)).toThrow("multiples");
  });
});

test("while three weeks are not there the latest windows are the baseline, and it says so", () => {
  const detector = new DropDetector(options());
  const counts = [...Array.from({ length: 40 }, () => 100), 5, 5, 5, 100, 100];
  const verdicts = counts.map((count, i) => detector.judge(MONDAY_MS + i * HOUR_MS, count));
  expect(verdicts.map(({ baseline }) => baseline).slice(10, 14)).toEqual([
    "none",
    "none",
    "warming",
    "warming",
  ]);
  expect(verdicts.map(({ isLow }) => isLow).indexOf(true)).toBe(40);
  expect(verdicts.map(({ isDropping }) => isDropping).indexOf(true)).toBe(41);
  expect(dropEvidence(verdicts[40]!, detector.clock)).toBe(
    "expected 100 (16:00, the level of the latest windows: baseline=warming, 0 of 3 weeks), saw 5, −95 %",
  );
});

test("the evidence says what was expected, from which weeks, and what was seen", () => {
  const detector = new DropDetector(options({ windowMs: 300_000, timeZone: "Europe/Berlin" }));
  const weeks = [380, 430, 410, 414, 400, 425];
  const startMs = Date.UTC(2026, 0, 4, 23); // Monday in Berlin
  let verdict: DropVerdict | undefined;
  for (let i = 0; i <= 6 * 2_016 + 121; i++) {
    const usual = weeks[Math.floor(i / 2_016)] ?? 412;
    verdict = detector.judge(startMs + i * 300_000, i === 6 * 2_016 + 121 ? 120 : usual);
  }
  expect(dropEvidence(verdict!, detector.clock)).toBe(
    "expected 412 (6 Mondays 10:05: 380..430), saw 120, −71 %",
  );
  expect(verdict).toMatchObject({ isLow: true, isDropping: false, weekCount: 6 });
});

describe("state and watermark", () => {
  const counts = noisy(SEED + 1, 6 * 168);
  const starts = counts.map((_, i) => MONDAY_MS + i * HOUR_MS);
  const byStart = new Map(starts.map((startMs, i) => [startMs, counts[i]!]));
  const whole = judgeAll(options(), MONDAY_MS, counts);

  test("a state that went through JSON goes on as if nothing was", () => {
    const randomness = seededRandomness(SEED);
    let detector = new DropDetector(options());
    const verdicts = counts.map((count, i) => {
      if (randomness.fraction() < 0.02)
        detector = new DropDetector(options(), JSON.parse(JSON.stringify(detector.state())) as DropState);
      return detector.judge(starts[i]!, count);
    });
    expect(verdicts).toEqual(whole);
  });

  test("only closed windows are judged; a watermark that stands still is no drop but no data", () => {
    const detector = new DropDetector(options());
    const verdicts: DropVerdict[] = [];
    let stalls = 0;
    for (let hour = 0; hour <= counts.length; hour++) {
      const nowMs = MONDAY_MS + hour * HOUR_MS + 1_000;
      // The input is away for a day, and comes after it.
      const isAway = hour >= 800 && hour < 824;
      const watermarkMs = isAway ? MONDAY_MS + 800 * HOUR_MS - 1 : nowMs - 1_000;
      verdicts.push(...detector.judgeClosed(watermarkMs, byStart));
      if (hasNoData(watermarkMs, nowMs, 2 * HOUR_MS)) stalls++;
    }
    expect(verdicts).toEqual(whole);
    expect(stalls).toBe(22);
  });

  test("a window is judged when the watermark reaches its end; without events it has none", () => {
    const detector = new DropDetector(options());
    const one = new Map([[MONDAY_MS, 5]]);
    expect(detector.judgeClosed(MONDAY_MS + HOUR_MS - 1, new Map())).toEqual([]);
    expect(detector.judgeClosed(MONDAY_MS + HOUR_MS - 1, one)).toEqual([]);
    expect(detector.judgeClosed(MONDAY_MS + 3 * HOUR_MS, one).map(({ count }) => count)).toEqual([5, 0, 0]);
    expect([1_000, 1_001].map((nowMs) => hasNoData(0, nowMs, 1_000))).toEqual([false, true]);
    expect(hasNoData(undefined, 0, 1_000)).toBe(true);
  });
});

test("a rare event in the middle of an outage is no end of it", () => {
  const of = options({ windowMs: 300_000, weeks: 4 });
  const week = (7 * DAY_MS) / of.windowMs;
  const detector = new DropDetector(of);
  const verdicts: DropVerdict[] = [];
  const outage = 4 * week + 1_000;
  for (let i = 0; i < outage + 140; i++) {
    // One in two windows; in the outage one in twenty, the last window among them.
    const count = i < outage ? i % 2 : (i - outage) % 20 === 19 ? 1 : 0;
    verdicts.push(detector.judge(MONDAY_MS + i * of.windowMs, count));
  }
  const atEvent = verdicts[outage + 119]!;
  expect(atEvent).toMatchObject({ isLow: true, isDropping: true });
  expect(atEvent.windows).toBeGreaterThan(27);
  expect(verdicts.slice(0, outage).some(({ isLow }) => isLow)).toBe(false);
});
