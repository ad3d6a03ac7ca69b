/**
 * `npm run proof:drops -- [--seed N] [--series 3]`: drop detection on seeded, labelled series against a static
 * threshold, an EWMA and the same time last week. Each, ours too, gets for every volume the setting that finds most in
 * the first weeks (of those that find nearly as much, the soonest) within the same number of false alerts a week; the
 * figures are of the weeks after these, by which nothing was chosen. Ours as it comes, untuned, is told beside it.
 */
import { parseArgs } from "node:util";
import { DropDetector } from "../../core/drop-detector.ts";
import { dropOptionsSchema } from "../../core/drop-options.ts";
import { median } from "../../core/median.ts";
import {
  combine,
  ewmaSettings,
  lastWeekSettings,
  staticSettings,
  type Firing,
  type Setting,
} from "./drop-rivals.ts";
import {
  DROP_KINDS,
  makeSeries,
  START_MS,
  TIME_ZONE,
  WEEK_WINDOWS,
  WINDOW_MS,
  type Drop,
  type Series,
} from "./drop-series.ts";

export const VOLUMES = [0.5, 5, 50, 1_000, 10_000];
export const BUDGETS = [0.25, 1];
/** Two alerts that are not further apart are one. */
const APART = 12;
/** So many windows of false firing count as one false alert more. */
const FALSE_WINDOWS = 72;
/** Settings that find so nearly as much as the best are as good; of these the soonest is taken. */
const NEARLY = 0.02;

export interface Plan {
  readonly seed: number;
  readonly volumes: readonly number[];
  readonly seriesPerVolume: number;
  readonly warmWeeks: number;
  /** End of the first part and of the second. */
  readonly trainedWeeks: number;
  readonly weeks: number;
}

export const LONG: Omit<Plan, "seed" | "seriesPerVolume"> = {
  volumes: VOLUMES,
  warmWeeks: 6,
  trainedWeeks: 16,
  weeks: 32,
};

/** A detector on one volume: every setting makes a firing of a series. */
export interface Contender {
  readonly name: string;
  settings(): readonly { readonly name: string; fire(series: Series, trained: number): Firing }[];
}

const fromCounts = (settings: readonly Setting[]): ReturnType<Contender["settings"]> =>
  settings.map((setting) => ({
    name: setting.name,
    fire: (series, trained) => setting.fire(series.counts, trained),
  }));

export const CONTENDERS: readonly Contender[] = [
  { name: "ours", settings: ourSettings },
  {
    name: "ours, as it comes",
    settings: () => [{ name: "defaults", fire: (series) => ourFiring(series, {}) }],
  },
  { name: "static threshold", settings: () => fromCounts(staticSettings()) },
  { name: "EWMA", settings: () => fromCounts(ewmaSettings()) },
  { name: "same time last week", settings: () => fromCounts(lastWeekSettings()) },
];

function ourSettings(): ReturnType<Contender["settings"]> {
  const waits = [
    [1, 1],
    [2, 3],
  ] as const;
  return combine([3, 4, 5], [0.3, 0.4], [1.25, 2], waits).map(([z, minDrop, levelMax, [hits, of]]) => ({
    name: `z ${z}, min_drop ${minDrop}, level at most ${levelMax}, ${hits} of ${of}`,
    fire: (series) => ourFiring(series, { z, minDrop, levelMax, hits, of }),
  }));
}

export function ourFiring(series: Series, settings: Readonly<Record<string, unknown>>): Firing {
  const options = { timeZone: TIME_ZONE, holidays: series.calendar, windowMs: WINDOW_MS, ...settings };
  const detector = new DropDetector(dropOptionsSchema.parse(options));
  return Uint8Array.from(series.counts, (count, i) =>
    detector.judge(START_MS + i * WINDOW_MS, count).isDropping ? 1 : 0,
  );
}

export interface Score {
  drops: number;
  found: number;
  falseAlerts: number;
  weeks: number;
  /** [drop] windows from its first to the one that fires; Infinity where none does. */
  delays: number[];
  kinds: Record<Drop["kind"], { drops: number; found: number }>;
}

export function emptyScore(): Score {
  const kinds = Object.fromEntries(DROP_KINDS.map((kind) => [kind, { drops: 0, found: 0 }]));
  return { drops: 0, found: 0, falseAlerts: 0, weeks: 0, delays: [], kinds: kinds as Score["kinds"] };
}

/** Adds what a detector did between two windows. A drop is found where firing begins in it. */
export function addScore(score: Score, { drops }: Series, firing: Firing, from: number, to: number): void {
  const edges: number[] = [];
  let quiet = APART;
  for (let i = from; i < to; i++) {
    if (firing[i] === 1 && quiet >= APART) edges.push(i);
    quiet = firing[i] === 1 ? 0 : quiet + 1;
  }
  const isExcused = new Uint8Array(to);
  for (const drop of drops) {
    if (drop.from < from || drop.to > to) continue;
    const grace = Math.max(24, Math.ceil((drop.to - drop.from) / 2));
    isExcused.fill(1, drop.from, Math.min(to, drop.to + grace));
    const edge = edges.find((at) => at >= drop.from && at < drop.to);
    score.drops++;
    score.kinds[drop.kind].drops++;
    score.delays.push(edge === undefined ? Infinity : edge + 1 - drop.from);
    if (edge === undefined) continue;
    score.found++;
    score.kinds[drop.kind].found++;
  }
  score.weeks += (to - from) / WEEK_WINDOWS;
  score.falseAlerts += falseAlerts(firing, isExcused, from, to);
}

/** A firing that goes on is one more for every six hours: whoever always fires finds nothing for free. */
function falseAlerts(firing: Firing, isExcused: Uint8Array, from: number, to: number): number {
  let [count, quiet, length] = [0, APART, 0];
  for (let i = from; i < to; i++) {
    if (firing[i] === 0 || isExcused[i] === 1) {
      quiet++;
      continue;
    }
    length = quiet >= APART ? 0 : length + 1;
    if (length % FALSE_WINDOWS === 0) count++;
    quiet = 0;
  }
  return count;
}

export interface Result {
  readonly contender: string;
  readonly volume: number;
  readonly budget: number;
  readonly setting: string;
  readonly trained: Score;
  readonly tested: Score;
}

export function runDropsProof(plan: Plan, tell: (line: string) => void = () => undefined): Result[] {
  const { seed, volumes, seriesPerVolume, warmWeeks, trainedWeeks, weeks } = plan;
  const [first, middle, last] = [warmWeeks, trainedWeeks, weeks].map((week) => week * WEEK_WINDOWS);
  return volumes.flatMap((volume, v) => {
    const all = Array.from({ length: seriesPerVolume }, (_, i) =>
      makeSeries(seed + v * 1_000 + i, volume, warmWeeks, weeks),
    );
    return CONTENDERS.flatMap((contender) => {
      const tried = contender.settings().map((setting) => {
        const score = emptyScore();
        // Nothing behind the middle is seen before the choice.
        for (const series of all) {
          const half = { ...series, counts: series.counts.slice(0, middle) };
          addScore(score, series, setting.fire(half, middle!), first!, middle!);
        }
        return { setting, score };
      });
      return BUDGETS.map((budget) => {
        const { setting, score: trained } = bestOf(tried, budget);
        const tested = emptyScore();
        for (const series of all) addScore(tested, series, setting.fire(series, middle!), middle!, last!);
        tell(line({ contender: contender.name, volume, budget, setting: setting.name, trained, tested }));
        return { contender: contender.name, volume, budget, setting: setting.name, trained, tested };
      });
    });
  });
}

function bestOf<T extends { readonly score: Score }>(tried: readonly T[], budget: number): T {
  const within = tried.filter(({ score }) => score.falseAlerts / score.weeks <= budget);
  const least = Math.min(...tried.map(({ score }) => score.falseAlerts));
  const allowed = within.length > 0 ? within : tried.filter(({ score }) => score.falseAlerts === least);
  const most = Math.max(...allowed.map(({ score }) => score.found));
  const among = allowed.filter(({ score }) => score.found >= most - NEARLY * score.drops);
  return among.toSorted(
    (a, b) => meanDelay(a.score) - meanDelay(b.score) || b.score.found - a.score.found,
  )[0]!;
}

/** Of those that were found, windows; only to choose between settings that find as many. */
function meanDelay({ delays }: Score): number {
  const found = delays.filter(Number.isFinite);
  return found.reduce((sum, delay) => sum + delay, 0) / Math.max(1, found.length);
}

/** Minutes; one that is missed counts as endless, so Infinity where half of them are. */
export function medianDelayMinutes({ delays }: Score): number {
  const middle = median(delays);
  return Number.isNaN(middle) ? Infinity : (middle * WINDOW_MS) / 60_000;
}

const rate = (score: Score): string => (score.falseAlerts / score.weeks).toFixed(2);

export function line({ contender, volume, budget, setting, tested, trained }: Result): string {
  const kinds = DROP_KINDS.map((kind) => `${tested.kinds[kind].found}/${tested.kinds[kind].drops}`).join(" ");
  return [
    `${volume} | ${budget} | ${contender} | ${((100 * tested.found) / tested.drops).toFixed(0)} %`,
    `${medianDelayMinutes(tested)} min | ${rate(tested)} (${rate(trained)}) | ${kinds} | ${setting}`,
  ].join(" | ");
}

/** All volumes as one. */
export function pooled(results: readonly Result[], contender: string, budget: number): Score {
  const total = emptyScore();
  for (const { tested } of results.filter((one) => one.contender === contender && one.budget === budget)) {
    total.drops += tested.drops;
    total.found += tested.found;
    total.falseAlerts += tested.falseAlerts;
    total.weeks += tested.weeks;
    total.delays.push(...tested.delays);
    for (const kind of DROP_KINDS) {
      total.kinds[kind].drops += tested.kinds[kind].drops;
      total.kinds[kind].found += tested.kinds[kind].found;
    }
  }
  return total;
}

function main(): void {
  const { values } = parseArgs({
    options: {
      seed: { type: "string" },
      series: { type: "string", default: "3" },
      volumes: { type: "string" },
    },
  });
  const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`seed ${seed}`);
  console.log(
    "volume | false alerts allowed | detector | recall | median delay | false alerts a week (trained)",
  );
  const before = process.cpuUsage();
  const volumes = values.volumes?.split(",").map(Number) ?? LONG.volumes;
  const plan = { ...LONG, volumes, seed, seriesPerVolume: Number(values.series) };
  const results = runDropsProof(plan, (text) => console.log(text));
  for (const budget of BUDGETS)
    for (const { name } of CONTENDERS) {
      const tested = pooled(results, name, budget);
      console.log(
        line({ contender: name, volume: Number.NaN, budget, setting: "all", trained: tested, tested }),
      );
    }
  const { user, system } = process.cpuUsage(before);
  console.log(`${Math.round((user + system) / 1e6)} s of CPU time`);
}

if (process.argv[1] === import.meta.filename) main();
