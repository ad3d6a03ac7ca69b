/**
 * Reorder: records come in any order and leave in the order of event time, partition, offset, once the watermark has
 * passed them. A record is kept with its slice of event time and sorted only when the slice leaves, after StreamBox
 * (Miao et al., 2017), which orders epochs, not records.
 *
 * The surprising rule: what a record is told depends on the watermark alone, never on how far the release has come or
 * where the record lies. Below the frontier it is late; a whole ring or more ahead of the frontier it is held outside
 * of the ring, within a bound of its own: a wrong clock must neither be placed among others nor fill the memory.
 */
import {
  FRONT,
  FRONTIER,
  HAS_FRONTIER,
  AHEAD_CAPACITY,
  AHEAD_COUNT,
  AHEAD_FOR,
  BASE,
  CAPACITY,
  LEAST,
  LIMIT,
  OUTSIDE,
  OUTSIDE_COUNT,
  READY,
  READY_AT,
  READY_COUNT,
  RING_COUNT,
  SHIFT,
  SLICES,
  bump,
  chainOf,
  lowestSlice,
  markSlice,
  reorderSize,
  settleBytes,
} from "./reorder-state";
import {
  NO_MEMORY,
  PER_BLOCK,
  RECORD,
  append,
  appendInside,
  copyRecord,
  countIn,
  cutBehind,
  dropAll,
  dropFirst,
  firstBlock,
  giveBlocks,
  nextBlock,
  recordAt,
  split,
  unappend,
} from "./reorder-chain";

export const HELD: u8 = 0;
export const LATE: u8 = 1;
export const AHEAD: u8 = 2;

const DONE: i32 = 0;
const OUT_OF_MEMORY: i32 = -1;
const OVER_BUDGET: i32 = -2;
const OVER_AHEAD_BUDGET: i32 = -3;

/** Moves the frontier; it never moves back. */
export function advanceReorder(reorder: usize, watermark: i64): void {
  if (!load<u32>(reorder, HAS_FRONTIER)) {
    store<u32>(reorder, 1, HAS_FRONTIER);
    store<i32>(reorder, -1, AHEAD_COUNT);
  } else if (watermark <= load<i64>(reorder, FRONTIER)) {
    return;
  }
  store<i64>(reorder, watermark, FRONTIER);
  store<i64>(reorder, watermark >> load<i64>(reorder, SHIFT), FRONT);
}

// ---- records in

/**
 * Takes a batch. @param words partitions, then payload references, u32 each @param answers u8 each, also where refused
 * @returns DONE, or why nothing has changed
 */
export function pushRecords(
  reorder: usize,
  count: u32,
  times: usize,
  offsets: usize,
  words: usize,
  answers: usize,
  keepsAhead: bool,
): i32 {
  judgeAll(reorder, count, times, answers);
  let held: u32 = heldOfAll;
  let ahead: u32 = aheadOfAll;
  if (!keepsAhead) ahead = 0;
  if (ahead > 0 && <u64>countAhead(reorder) + ahead > load<u32>(reorder, AHEAD_CAPACITY))
    return OVER_AHEAD_BUDGET;
  if (<u64>reorderSize(reorder) + held + ahead > load<u32>(reorder, CAPACITY)) return OVER_BUDGET;
  turn(reorder);
  const least: i64 = load<i64>(reorder, LEAST);
  const shift: i64 = load<i64>(reorder, SHIFT);
  const base: i64 = load<i64>(reorder, BASE);
  // where memory ran out while the ring turned, the limit lies below the base
  const limit: i64 = load<i64>(reorder, LIMIT);
  const width: u64 = limit > base ? <u64>(limit - base) : 0;
  for (let i: usize = 0; i < <usize>count; i++) {
    const answer: u8 = load<u8>(answers + i);
    if (answer == LATE || (answer == AHEAD && !keepsAhead)) continue;
    const time: i64 = load<i64>(times + (i << 3));
    let record: usize = 0;
    const slice: i64 = time >> shift;
    if (<u64>(slice - base) < width) record = appendInside(chainOf(reorder, slice));
    if (record) bump(reorder, RING_COUNT, 1);
    else record = place(reorder, time);
    if (record == 0) {
      takeBack(reorder, <u32>i, times, answers, keepsAhead);
      store<i64>(reorder, least, LEAST);
      settleBytes(reorder);
      return OUT_OF_MEMORY;
    }
    store<i64>(record, time);
    store<u64>(record, <u64>(<i64>load<f64>(offsets + (i << 3))), 8);
    store<u32>(record, load<u32>(words + (i << 2)), 16);
    store<u32>(record, load<u32>(words + ((<usize>count + i) << 2)), 20);
  }
  if (load<i32>(reorder, AHEAD_COUNT) >= 0) bump(reorder, AHEAD_COUNT, ahead);
  settleBytes(reorder);
  return DONE;
}

// What the last `judgeAll` counted.
let heldOfAll: u32 = 0;
let aheadOfAll: u32 = 0;

/** Judges a batch, as `judge` does one. */
function judgeAll(reorder: usize, count: u32, times: usize, answers: usize): void {
  heldOfAll = count;
  aheadOfAll = 0;
  if (!load<u32>(reorder, HAS_FRONTIER)) {
    memory.fill(answers, HELD, count);
    return;
  }
  const frontier: i64 = load<i64>(reorder, FRONTIER);
  const front: i64 = load<i64>(reorder, FRONT);
  const shift: i64 = load<i64>(reorder, SHIFT);
  const slices: u64 = <u64>load<u32>(reorder, SLICES);
  let held: u32 = 0;
  let ahead: u32 = 0;
  for (let i: usize = 0; i < <usize>count; i++) {
    const time: i64 = load<i64>(times + (i << 3));
    const isLate: u32 = <u32>(time < frontier);
    const isAhead: u32 = <u32>(<u64>((time >> shift) - front) >= slices) & (isLate ^ 1);
    store<u8>(answers + i, <u8>(isLate | (isAhead << 1)));
    held += (isLate | isAhead) ^ 1;
    ahead += isAhead;
  }
  heldOfAll = held;
  aheadOfAll = ahead;
}

function judge(reorder: usize, time: i64): u8 {
  if (!load<u32>(reorder, HAS_FRONTIER)) return HELD;
  if (time < load<i64>(reorder, FRONTIER)) return LATE;
  const distance: u64 = <u64>((time >> load<i64>(reorder, SHIFT)) - load<i64>(reorder, FRONT));
  return distance < <u64>load<u32>(reorder, SLICES) ? HELD : AHEAD;
}

/** Records held a ring or more ahead of the frontier. */
export function countAhead(reorder: usize): u32 {
  if (!load<u32>(reorder, HAS_FRONTIER)) return 0;
  const front: i64 = load<i64>(reorder, FRONT);
  if (load<i32>(reorder, AHEAD_COUNT) >= 0 && load<i64>(reorder, AHEAD_FOR) == front)
    return load<u32>(reorder, AHEAD_COUNT);
  let count: u32 = 0;
  for (let block = firstBlock(reorder + OUTSIDE); block; block = nextBlock(block))
    for (let i: u32 = 0; i < countIn(block); i++)
      count += <u32>(judge(reorder, load<i64>(recordAt(block, i))) == AHEAD);
  store<u32>(reorder, count, AHEAD_COUNT);
  store<i64>(reorder, front, AHEAD_FOR);
  return count;
}

/** Whether the ring takes records of this slice. */
function isInRing(reorder: usize, slice: i64): bool {
  const base: i64 = load<i64>(reorder, BASE);
  return slice >= base && slice < load<i64>(reorder, LIMIT);
}

/** Room for a record of this time. @returns 0 when there is no memory */
function place(reorder: usize, time: i64): usize {
  const slice: i64 = time >> load<i64>(reorder, SHIFT);
  if (isInRing(reorder, slice)) return placeInRing(reorder, slice);
  const record = append(reorder + OUTSIDE);
  if (record == 0) return 0;
  const isFirst = load<u32>(reorder, OUTSIDE_COUNT) == 0;
  if (isFirst || time < load<i64>(reorder, LEAST)) store<i64>(reorder, time, LEAST);
  bump(reorder, OUTSIDE_COUNT, 1);
  return record;
}

function placeInRing(reorder: usize, slice: i64): usize {
  const chain = chainOf(reorder, slice);
  const isFirst = firstBlock(chain) == 0;
  const record = append(chain);
  if (record == 0) return 0;
  if (isFirst) markSlice(reorder, slice, true);
  bump(reorder, RING_COUNT, 1);
  return record;
}

/** Takes the first `count` records of a batch out again, the last one first. */
function takeBack(reorder: usize, count: u32, times: usize, answers: usize, keepsAhead: bool): void {
  for (let i: usize = <usize>count; i > 0;) {
    i--;
    const answer: u8 = load<u8>(answers + i);
    if (answer == LATE || (answer == AHEAD && !keepsAhead)) continue;
    const slice: i64 = load<i64>(times + (i << 3)) >> load<i64>(reorder, SHIFT);
    if (isInRing(reorder, slice)) {
      const chain = chainOf(reorder, slice);
      unappend(chain);
      if (firstBlock(chain) == 0) markSlice(reorder, slice, false);
      bump(reorder, RING_COUNT, -1);
    } else {
      unappend(reorder + OUTSIDE);
      bump(reorder, OUTSIDE_COUNT, -1);
    }
  }
}

/**
 * Adds exported records to a buffer whose frontier is that of the exporting one: what the frontier has passed, too.
 * @returns false when there is no memory, with some of them added
 */
export function importRecords(reorder: usize, count: u32, records: usize): bool {
  turn(reorder);
  store<i32>(reorder, -1, AHEAD_COUNT);
  for (let i: usize = 0; i < <usize>count; i++) {
    const from = records + i * RECORD;
    const to = place(reorder, load<i64>(from));
    if (to == 0) return false;
    copyRecord(to, from);
  }
  settleBytes(reorder);
  return true;
}

// ---- the ring turns

/** Moves the ring as far as the frontier and what it still holds allow. */
function turn(reorder: usize): void {
  if (!load<u32>(reorder, HAS_FRONTIER)) return;
  let base: i64 = load<i64>(reorder, FRONT);
  if (load<u32>(reorder, RING_COUNT) > 0) base = min(base, lowestSlice(reorder));
  store<i64>(reorder, base, BASE);
  const slices: i64 = <i64>load<u32>(reorder, SLICES);
  const limit: i64 = load<i64>(reorder, LIMIT);
  if (load<u32>(reorder, OUTSIDE_COUNT) == 0) store<i64>(reorder, ringEnd(reorder), LIMIT);
  else if (limit < base || limit - base < slices >> 1) bringIn(reorder);
}

/** The slice behind the last that the ring could hold; at the end of all time it holds one less. */
function ringEnd(reorder: usize): i64 {
  const base: i64 = load<i64>(reorder, BASE);
  const slices: i64 = <i64>load<u32>(reorder, SLICES);
  return base > i64.MAX_VALUE - slices ? i64.MAX_VALUE : base + slices;
}

/**
 * Brings what lies outside into the ring as far as it reaches, in order of arrival.
 * @returns false when memory ran out; what came in stays in, and the limit where it was
 */
function bringIn(reorder: usize): bool {
  const outside = reorder + OUTSIDE;
  const shift: i64 = load<i64>(reorder, SHIFT);
  const base: i64 = load<i64>(reorder, BASE);
  const end = ringEnd(reorder);
  let isDone = true;
  let least: i64 = i64.MAX_VALUE;
  let kept: u32 = 0;
  let target = firstBlock(outside);
  let filled: u32 = 0;
  for (let block = target; block; block = nextBlock(block)) {
    for (let i: u32 = 0; i < countIn(block); i++) {
      const from = recordAt(block, i);
      const time: i64 = load<i64>(from);
      const slice: i64 = time >> shift;
      if (isDone && slice >= base && slice < end) {
        const to = placeInRing(reorder, slice);
        if (to) {
          copyRecord(to, from);
          continue;
        }
        isDone = false; // all behind stays out: order of arrival
      }
      if (filled == PER_BLOCK) {
        target = nextBlock(target);
        filled = 0;
      }
      if (recordAt(target, filled) != from) copyRecord(recordAt(target, filled), from);
      filled++;
      kept++;
      least = min(least, time);
    }
  }
  if (kept == 0) dropAll(outside);
  else giveBlocks(cutBehind(outside, target, filled));
  store<u32>(reorder, kept, OUTSIDE_COUNT);
  store<i64>(reorder, least, LEAST);
  if (isDone) store<i64>(reorder, end, LIMIT);
  return isDone;
}

// ---- records out

/**
 * Writes the next records whose times the frontier has passed, at most `most`.
 * @param out columns of `most`: times i64, offsets f64, partitions u32, payload references u32
 * @returns how many; OUT_OF_MEMORY when there are some, but none could be sorted
 */
export function releaseRecords(reorder: usize, most: u32, out: usize): i32 {
  let written: u32 = 0;
  while (written < most) {
    if (load<u32>(reorder, READY_COUNT) == 0) {
      const status = makeReady(reorder);
      settleBytes(reorder);
      if (status < 0 && written == 0) return OUT_OF_MEMORY;
      if (status <= 0) break;
    }
    written += writeReady(reorder, written, most, out);
  }
  settleBytes(reorder);
  return <i32>written;
}

/** Sorts the next records to leave. @returns how many, OUT_OF_MEMORY */
function makeReady(reorder: usize): i32 {
  if (!load<u32>(reorder, HAS_FRONTIER)) return 0;
  const front: i64 = load<i64>(reorder, FRONT);
  const frontier: i64 = load<i64>(reorder, FRONTIER);
  const shift: i64 = load<i64>(reorder, SHIFT);
  const lowest: i64 = load<u32>(reorder, RING_COUNT) > 0 ? lowestSlice(reorder) : i64.MAX_VALUE;
  const first = min(lowest, front);
  if (load<u32>(reorder, OUTSIDE_COUNT) > 0 && load<i64>(reorder, LEAST) < frontier) {
    const slice: i64 = load<i64>(reorder, LEAST) >> shift;
    if (slice < first) {
      const count = split(reorder + OUTSIDE, first << shift, false, reorder + READY);
      if (count == NO_MEMORY) return OUT_OF_MEMORY;
      bump(reorder, OUTSIDE_COUNT, -(<i32>count));
      findLeast(reorder);
      return makeFirst(reorder, count);
    }
    if (slice == first) {
      store<i64>(reorder, first, BASE);
      if (load<i64>(reorder, LIMIT) < first) store<i64>(reorder, first, LIMIT);
      if (!bringIn(reorder)) return OUT_OF_MEMORY;
    }
  }
  if (load<u32>(reorder, RING_COUNT) == 0) return 0;
  const next = lowestSlice(reorder);
  if (next > front) return 0;
  const chain = chainOf(reorder, next);
  const count = split(chain, frontier, next < front, reorder + READY);
  if (count == NO_MEMORY) return OUT_OF_MEMORY;
  if (firstBlock(chain) == 0) markSlice(reorder, next, false);
  bump(reorder, RING_COUNT, -(<i32>count));
  return makeFirst(reorder, count);
}

function makeFirst(reorder: usize, count: u32): i32 {
  store<u32>(reorder, count, READY_COUNT);
  store<u32>(reorder, 0, READY_AT);
  return <i32>count;
}

function findLeast(reorder: usize): void {
  let least: i64 = i64.MAX_VALUE;
  for (let block = firstBlock(reorder + OUTSIDE); block; block = nextBlock(block))
    for (let i: u32 = 0; i < countIn(block); i++) least = min(least, load<i64>(recordAt(block, i)));
  store<i64>(reorder, least, LEAST);
}

/** Writes of the first block of what is ready. @returns how many */
function writeReady(reorder: usize, written: u32, most: u32, out: usize): u32 {
  const chain = reorder + READY;
  const block = firstBlock(chain);
  const at: u32 = load<u32>(reorder, READY_AT);
  const count = min(countIn(block) - at, most - written);
  const offsets = out + ((<usize>most) << 3);
  const partitions = offsets + ((<usize>most) << 3);
  const payloads = partitions + ((<usize>most) << 2);
  let from = recordAt(block, at);
  for (let i: usize = <usize>written; i < <usize>(written + count); i++) {
    store<i64>(out + (i << 3), load<i64>(from));
    store<f64>(offsets + (i << 3), <f64>load<u64>(from, 8));
    store<u32>(partitions + (i << 2), load<u32>(from, 16));
    store<u32>(payloads + (i << 2), load<u32>(from, 20));
    from += RECORD;
  }
  if (at + count == countIn(block)) {
    dropFirst(chain);
    store<u32>(reorder, 0, READY_AT);
  } else {
    store<u32>(reorder, at + count, READY_AT);
  }
  bump(reorder, READY_COUNT, -(<i32>count));
  return count;
}
