/**
 * Seeded, labelled series of counts by five minutes, as a shop or an office makes them in Berlin: seasons of the day
 * and the week in local time, noise that hangs together, weeks that grow, holidays, clocks that change, and drops of
 * four kinds, which are the labels. A drop is labelled only where at least so many events are missing that chance
 * would not do it.
 */
import { seededRandomness, type Randomness } from "../../core/clock.ts";
import { type DayLike, WeekClock } from "../../core/week-slot.ts";

export const WINDOW_MS = 300_000;
export const TIME_ZONE = "Europe/Berlin";
export const WEEK_WINDOWS = 2_016;
/** A Monday. Clocks go back at the end of the eighth week, and forward at the end of the thirtieth. */
export const START_MS = Date.UTC(2025, 8, 1);
export const DROP_KINDS = ["outage", "partial", "slow", "after a spike"] as const;
const MISSING_MIN = 30;
const DAY_WINDOWS = 288;
const SHAPES = ["shop", "office", "machine"] as const;

export interface Drop {
  readonly kind: (typeof DROP_KINDS)[number];
  /** Windows: the first and the one after the last. */
  readonly from: number;
  readonly to: number;
}

export interface Series {
  readonly volume: number;
  readonly shape: (typeof SHAPES)[number];
  readonly counts: Int32Array;
  readonly drops: readonly Drop[];
  /** Holidays that a calendar knows; there are more. */
  readonly calendar: Readonly<Record<string, DayLike>>;
}

/** @param volume mean of events in a window @param warmWeeks without drops @param weeks with those */
export function makeSeries(seed: number, volume: number, warmWeeks: number, weeks: number): Series {
  const randomness = seededRandomness(seed);
  const shape = SHAPES[seed % SHAPES.length]!;
  const length = weeks * WEEK_WINDOWS;
  const holidays = drawHolidays(randomness, weeks);
  const rates = usualRates(randomness, shape, volume, length, holidays);
  const drops: Drop[] = [];
  let at = warmWeeks * WEEK_WINDOWS;
  while (true) {
    at += Math.round(DAY_WINDOWS * (1.5 + 5 * randomness.fraction()));
    if (at + 3 * DAY_WINDOWS >= length) break;
    const drop = drawDrop(randomness, rates, volume, at);
    if (drop) drops.push(drop);
    else drawSpike(randomness, rates, at);
    at = drop?.to ?? at + 24;
  }
  const counts = Int32Array.from(rates, (rate) => poisson(randomness, rate));
  const known = [...holidays].filter(() => randomness.fraction() < 0.75);
  const calendar = Object.fromEntries(known.map((day) => [dateOf(day), "sunday" as const]));
  return { volume, shape, counts, drops, calendar };
}

/** Days since the start; about one in three weeks, never on a Sunday. */
function drawHolidays(randomness: Randomness, weeks: number): Set<number> {
  const days = new Set<number>();
  for (let week = 0; week < weeks; week++)
    if (randomness.fraction() < 1 / 3) days.add(week * 7 + Math.floor(randomness.fraction() * 6));
  return days;
}

function dateOf(day: number): string {
  return new Date(START_MS + day * 86_400_000).toISOString().slice(0, 10);
}

function usualRates(
  randomness: Randomness,
  shape: Series["shape"],
  volume: number,
  length: number,
  holidays: ReadonlySet<number>,
): Float64Array {
  const clock = new WeekClock(
    WINDOW_MS,
    TIME_ZONE,
    Object.fromEntries([...holidays].map((day) => [dateOf(day), "sunday" as const])),
  );
  const weekly = Float64Array.from({ length: WEEK_WINDOWS }, (_, slot) => shapeOf(shape, slot));
  const mean = weekly.reduce((sum, rate) => sum + rate, 0) / WEEK_WINDOWS;
  const growth = (randomness.fraction() * 5 - 1) / 100; // a week
  const noise = 0.02 + 0.06 * randomness.fraction();
  const rates = new Float64Array(length);
  let [drift, dayFactor, day] = [0, 1, -1];
  for (let i = 0; i < length; i++) {
    const at = clock.at(START_MS + i * WINDOW_MS);
    if (at.day !== day) [day, dayFactor] = [at.day, Math.exp(0.05 * gaussian(randomness))];
    drift = 0.92 * drift + noise * Math.sqrt(1 - 0.92 ** 2) * gaussian(randomness);
    const trend = (1 + growth) ** (i / WEEK_WINDOWS);
    rates[i] = ((volume * weekly[at.slot!]!) / mean) * trend * dayFactor * Math.exp(drift);
  }
  return rates;
}

/** @param slot five minutes of the week, 0 on Monday 00:00 */
function shapeOf(shape: Series["shape"], slot: number): number {
  const [hour, isWeekend] = [(slot % DAY_WINDOWS) / 12, slot >= 5 * DAY_WINDOWS];
  const bell = (middle: number, width: number): number => Math.exp(-(((hour - middle) / width) ** 2));
  if (shape === "machine") return 1 + 0.1 * Math.sin((hour / 24) * 2 * Math.PI);
  if (shape === "office") return (0.03 + bell(10.5, 2.5) + bell(15, 2.5)) * (isWeekend ? 0.15 : 1);
  return (0.12 + 0.8 * bell(12.5, 3) + bell(20, 2.5)) * (isWeekend ? 1.3 : 1);
}

/** Changes the rates. Undefined where too little would be missing to be told from chance. */
function drawDrop(
  randomness: Randomness,
  rates: Float64Array,
  volume: number,
  from: number,
): Drop | undefined {
  const kind = DROP_KINDS[Math.floor(randomness.fraction() * DROP_KINDS.length)]!;
  // Of what is rare only long drops can be told.
  const stretch = Math.min(8, Math.max(1, 30 / volume));
  const span = (least: number, most: number): number =>
    Math.round(stretch * (least + (most - least) * randomness.fraction()));
  const left = kind === "outage" ? 0 : 0.3 + 0.3 * randomness.fraction();
  const length = Math.min(2 * DAY_WINDOWS, kind === "outage" ? span(4, 24) : span(12, 48));
  const ramp = kind === "slow" ? Math.min(2 * DAY_WINDOWS - 1, span(24, 72)) : 0;
  const spike = kind === "after a spike" ? 12 : 0;
  const factors = Float64Array.from({ length: ramp + length }, (_, i) =>
    i < ramp ? 1 - (1 - left) * ((i + 1) / ramp) : left,
  );
  const start = from + spike;
  const missing = factors.reduce((sum, factor, i) => sum + (1 - factor) * (rates[start + i] ?? 0), 0);
  if (missing < MISSING_MIN || start + factors.length > rates.length) return undefined;
  for (let i = 0; i < spike; i++) rates[from + i]! *= 3;
  factors.forEach((factor, i) => (rates[start + i]! *= factor));
  return { kind, from: start, to: start + factors.length };
}

/** Nothing that anybody should be woken for. */
function drawSpike(randomness: Randomness, rates: Float64Array, from: number): void {
  const factor = 2 + 2 * randomness.fraction();
  for (let i = 0; i < 12; i++) rates[from + i]! *= factor;
}

function gaussian(randomness: Randomness): number {
  const radius = Math.sqrt(-2 * Math.log(1 - randomness.fraction()));
  return radius * Math.cos(2 * Math.PI * randomness.fraction());
}

function poisson(randomness: Randomness, rate: number): number {
  if (rate > 40) return Math.max(0, Math.round(rate + Math.sqrt(rate) * gaussian(randomness)));
  const limit = Math.exp(-rate);
  let count = 0;
  for (let product = randomness.fraction(); product > limit; product *= randomness.fraction()) count++;
  return count;
}
