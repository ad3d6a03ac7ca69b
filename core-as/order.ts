/** Order and newest event time. The sort is stable, and times close together take few passes (sort-entries.ts). */
import { REGION_SORT, reserve } from "./memory";
import { PAIR, rank, sortPairs, sortWords } from "./sort-entries";

/** Below this many an insertion sort is faster. */
const FEW: u32 = 48;

/**
 * Writes `selected` (positions in `times`) to `out`, ordered by time, then as given.
 * @returns false when there is no memory
 */
export function order(times: usize, selected: usize, count: u32, out: usize): bool {
  let isSorted = true;
  let before: i64 = i64.MIN_VALUE;
  let least: i64 = i64.MAX_VALUE;
  let most: i64 = i64.MIN_VALUE;
  for (let i: usize = 0; i < <usize>count; i++) {
    const time: i64 = load<i64>(times + ((<usize>load<u32>(selected + (i << 2))) << 3));
    isSorted = isSorted && before <= time;
    before = time;
    least = min(least, time);
    most = max(most, time);
  }
  if (isSorted) {
    memory.copy(out, selected, (<usize>count) << 2);
    return true;
  }
  if (count < FEW) {
    insertionSort(times, selected, count, out);
    return true;
  }
  const range: u64 = <u64>(most - least);
  if (range >> 32 == 0) return sortNear(times, selected, count, out, least, 64 - <u32>clz<u64>(range));
  return sortFar(times, selected, count, out);
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

/** Times within 2^32 µs: a word holds the distance from the least and the position. */
function sortNear(times: usize, selected: usize, count: u32, out: usize, least: i64, bits: u32): bool {
  const bytes: usize = (<usize>count) << 3;
  if (<u64>count * 16 > 0xfff00000) return false;
  const words = reserve(REGION_SORT, bytes * 2);
  if (words == 0) return false;
  for (let i: usize = 0; i < <usize>count; i++) {
    const position: u32 = load<u32>(selected + (i << 2));
    const distance: u64 = <u64>(load<i64>(times + ((<usize>position) << 3)) - least);
    store<u64>(words + (i << 3), (distance << 32) | <u64>position);
  }
  const from = sortWords(words, words + bytes, count, bits);
  for (let i: usize = 0; i < <usize>count; i++) store<u32>(out + (i << 2), load<u32>(from + (i << 3)));
  return true;
}

function sortFar(times: usize, selected: usize, count: u32, out: usize): bool {
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
