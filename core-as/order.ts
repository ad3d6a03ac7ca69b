/** Order and newest event time. The sort is stable, and times close together take few passes (sort-entries.ts). */
import { REGION_SORT, reserve } from "./memory";
import { PAIR, rank, sortPairs } from "./sort-entries";

/** Below this many an insertion sort is faster. */
const FEW: u32 = 48;

/**
 * Writes `selected` (positions in `times`) to `out`, ordered by time, then as given.
 * @returns false when there is no memory
 */
export function order(times: usize, selected: usize, count: u32, out: usize): bool {
  let isSorted = true;
  for (let i: u32 = 1; i < count; i++) {
    const before: u32 = load<u32>(selected + ((i - 1) << 2));
    const next: u32 = load<u32>(selected + (i << 2));
    if (load<i64>(times + (before << 3)) > load<i64>(times + (next << 3))) {
      isSorted = false;
      break;
    }
  }
  if (isSorted) {
    memory.copy(out, selected, (<usize>count) << 2);
    return true;
  }
  if (count < FEW) {
    insertionSort(times, selected, count, out);
    return true;
  }
  return radixSort(times, selected, count, out);
}

function insertionSort(times: usize, selected: usize, count: u32, out: usize): void {
  for (let i: u32 = 0; i < count; i++) {
    const position: u32 = load<u32>(selected + (i << 2));
    const time: i64 = load<i64>(times + (position << 3));
    let to = out + (i << 2);
    while (to > out && load<i64>(times + (load<u32>(to - 4) << 3)) > time) {
      store<u32>(to, load<u32>(to - 4));
      to -= 4;
    }
    store<u32>(to, position);
  }
}

function radixSort(times: usize, selected: usize, count: u32, out: usize): bool {
  const bytes = <usize>count * PAIR;
  if (<u64>count * PAIR * 2 > 0xfff00000) return false;
  const pairs = reserve(REGION_SORT, bytes * 2);
  if (pairs == 0) return false;
  for (let i: usize = 0; i < <usize>count; i++) {
    const position: u32 = load<u32>(selected + (i << 2));
    store<u64>(pairs + i * PAIR, rank(load<i64>(times + ((<usize>position) << 3))));
    store<u32>(pairs + i * PAIR, position, 8);
  }
  const from = sortPairs(pairs, pairs + bytes, count);
  for (let i: usize = 0; i < <usize>count; i++) store<u32>(out + (i << 2), load<u32>(from + i * PAIR, 8));
  return true;
}

/** Whether the last `newest` found any time. */
export let hasNewest: bool = false;

/**
 * The newest of the selected event times (µs) that is at most `skewMs` ahead of its ingest time (f64, ms).
 * One further ahead is a wrong clock: it must not move a watermark.
 */
export function newest(times: usize, ingest: usize, selected: usize, count: u32, skewMs: f64): i64 {
  hasNewest = false;
  let best: i64 = i64.MIN_VALUE;
  for (let i: usize = 0; i < <usize>count; i++) {
    const position: usize = load<u32>(selected + (i << 2));
    const time: i64 = load<i64>(times + (position << 3));
    const limit: i64 = <i64>((load<f64>(ingest + (position << 3)) + skewMs) * 1000);
    if (time > limit || (hasNewest && time <= best)) continue;
    best = time;
    hasNewest = true;
  }
  return best;
}
