/**
 * What drop detection is held against, each with the settings among which its best is looked for. All of them may, as
 * ours does, judge sums of several windows, and wait for some of the latest windows to be low.
 */
import { WEEK_WINDOWS } from "./drop-series.ts";

/** [window] whether it fires. */
export type Firing = Uint8Array;
export interface Setting {
  readonly name: string;
  fire(counts: Int32Array, trained: number): Firing;
}

const RUNS = [1, 3, 9, 27, 81];
const WAITS = [
  [1, 1],
  [2, 3],
] as const;
const SHARES = [0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8];
const SPREADS = [2, 3, 4, 5, 8];

/** A threshold for the whole series: a share of its mean, which `trained` windows tell. */
export function staticSettings(): Setting[] {
  return combine(RUNS, [...SHARES, 0.002, 0.02, 0.9], WAITS).map(([run, share, wait]) => ({
    name: `sum of ${run} < ${share} of the mean, ${wait.join(" of ")}`,
    fire: (counts, trained) => {
      const sums = sumsOf(counts, run);
      const mean = sumsOf(counts, trained)[trained - 1]! / trained;
      const low = new Uint8Array(sums.length);
      for (let i = 0; i < sums.length; i++) if (sums[i]! < share * mean * run) low[i] = 1;
      return afterWait(low, wait);
    },
  }));
}

/** Mean and variance of the sums, each weighted by age. */
export function ewmaSettings(): Setting[] {
  const ages = [0.3, 0.1, 0.03, 0.01, 0.001];
  return combine(RUNS, ages, SPREADS, [0, 0.3, 0.5, 0.8], WAITS).map(([run, age, z, share, wait]) => ({
    name: `sum of ${run} < mean − ${z} σ, ${share} missing, weight ${age}, ${wait.join(" of ")}`,
    fire: (counts) => {
      const sums = sumsOf(counts, run);
      const low = new Uint8Array(counts.length);
      let [mean, variance] = [sums[run]!, sums[run]!];
      for (let i = run; i < sums.length; i++) {
        const off = sums[i]! - mean;
        if (off < -z * Math.sqrt(Math.max(variance, mean)) && -off >= share * mean) low[i] = 1;
        mean += age * off;
        variance = (1 - age) * (variance + age * off * off);
      }
      return afterWait(low, wait);
    },
  }));
}

/** Against the same time a week ago, by UTC, as `offset 1w` has it. */
export function lastWeekSettings(): Setting[] {
  return combine(RUNS, SHARES, [0, 3, 6], [0, 10, 30, 100], WAITS).map(([run, share, z, least, wait]) => ({
    name: `sum of ${run} < ${share} of last week's and ${z} √ below, ${least} at least, ${wait.join(" of ")}`,
    fire: (counts) => {
      const sums = sumsOf(counts, run);
      const low = new Uint8Array(counts.length);
      for (let i = WEEK_WINDOWS; i < sums.length; i++) {
        const before = sums[i - WEEK_WINDOWS]!;
        if (before >= least && sums[i]! < share * before && sums[i]! < before - z * Math.sqrt(before))
          low[i] = 1;
      }
      return afterWait(low, wait);
    },
  }));
}

/** [window] sum of the `run` windows that end with it; of fewer at the beginning. */
function sumsOf(counts: Int32Array, run: number): Float64Array {
  const sums = new Float64Array(counts.length);
  let sum = 0;
  for (let i = 0; i < counts.length; i++) {
    sum += counts[i]! - (i >= run ? counts[i - run]! : 0);
    sums[i] = sum;
  }
  return sums;
}

function afterWait(low: Uint8Array, [hits, of]: readonly [number, number]): Firing {
  const firing = new Uint8Array(low.length);
  let among = 0;
  for (let i = 0; i < low.length; i++) {
    among += low[i]! - (i >= of ? low[i - of]! : 0);
    if (among >= hits) firing[i] = 1;
  }
  return firing;
}

type Values<T extends readonly (readonly unknown[])[]> = { [K in keyof T]: T[K][number] };

/** Every combination. */
export function combine<T extends readonly (readonly unknown[])[]>(...lists: T): Values<T>[] {
  return lists.reduce<unknown[][]>(
    (rows, list) => rows.flatMap((row) => list.map((value) => [...row, value])),
    [[]],
  ) as Values<T>[];
}
