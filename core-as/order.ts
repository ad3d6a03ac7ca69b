/**
 * Order and newest event time. The sort is a least-significant-digit radix sort of (time, position) pairs: it
 * is stable by construction, and digits in which all times agree cost nothing, so that times close together
 * take few passes.
 */
import { REGION_SORT, reserve } from "./memory";

const histogram = memory.data(8192, 16);
const PAIR: usize = 16;
/** Below this many an insertion sort is faster. */
const FEW: u32 = 48;

/** A signed time as an unsigned number of the same order. */
function rank(time: i64): u64 {
  return <u64>time ^ 0x8000000000000000;
}

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
  let from = reserve(REGION_SORT, bytes * 2);
  if (from == 0) return false;
  let to = from + bytes;
  memory.fill(histogram, 0, 8192);
  for (let i: usize = 0; i < <usize>count; i++) {
    const position: u32 = load<u32>(selected + (i << 2));
    const key = rank(load<i64>(times + ((<usize>position) << 3)));
    store<u64>(from + i * PAIR, key);
    store<u32>(from + i * PAIR, position, 8);
    for (let digit: usize = 0; digit < 8; digit++) {
      const cell = histogram + (digit << 10) + ((<usize>((key >> <u64>(digit << 3)) & 255)) << 2);
      store<u32>(cell, load<u32>(cell) + 1);
    }
  }
  for (let digit: usize = 0; digit < 8; digit++) {
    const cells = histogram + (digit << 10);
    const shift: u64 = <u64>(digit << 3);
    const first = <usize>((load<u64>(from) >> shift) & 255);
    if (load<u32>(cells + (first << 2)) == count) continue;
    let sum: u32 = 0;
    for (let value: usize = 0; value < 256; value++) {
      const here: u32 = load<u32>(cells + (value << 2));
      store<u32>(cells + (value << 2), sum);
      sum += here;
    }
    for (let pair = from; pair < from + bytes; pair += PAIR) {
      const cell = cells + ((<usize>((load<u64>(pair) >> shift) & 255)) << 2);
      const place: usize = load<u32>(cell);
      store<u32>(cell, <u32>place + 1);
      v128.store(to + place * PAIR, v128.load(pair));
    }
    const swap = from;
    from = to;
    to = swap;
  }
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
