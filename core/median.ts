/** The median and the median absolute deviation: what half of the values can be wrong about without moving it far. */
import { assert } from "./assert.ts";

/** A normal distribution's standard deviation over its median absolute deviation. */
const SIGMA_PER_DEVIATION = 1.4826;

/** Of an even number of values the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  assert(values.length > 0, "a median needs values");
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >>> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** Standard deviation as the median absolute deviation from `centre` tells it (×1.4826). */
export function robustSpread(values: readonly number[], centre: number): number {
  return SIGMA_PER_DEVIATION * median(values.map((value) => Math.abs(value - centre)));
}
