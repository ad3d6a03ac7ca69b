/**
 * Least and greatest values, and the first and last by (event time, partition, offset): each a choice between two
 * candidates by a total order, so that no order of rows or of merging shows. Doubles are ordered as SQL engines sort
 * them, -0 before 0 and NaN (all of them one) behind infinity.
 */
import { DECIMAL, DOUBLE, INTEGER } from "./pane-store";

// The state of first and last: time, partition (u32), offset, value of 16 bytes.
const PARTITION: usize = 8;
const OFFSET: usize = 16;
const VALUE: usize = 24;
export const PLACED_BYTES: u32 = 40;

const SIGN: u64 = (<u64>1) << 63;
const CANONICAL_NAN: u64 = (<u64>0x7ff80000) << 32;

// A candidate, taken from a column or from another cell.
let low: u64 = 0;
let high: i64 = 0;

/** One NaN for all of them. */
export function canonicalBits(bits: u64): u64 {
  return (bits & ~SIGN) > (<u64>0x7ff00000) << 32 ? CANONICAL_NAN : bits;
}

/** Takes a value of 8 or 16 bytes as two words. */
function read(from: usize, type: u32): void {
  low = load<u64>(from);
  if (type == DOUBLE) low = canonicalBits(low);
  high = type == DECIMAL ? load<i64>(from, 8) : <i64>low >> 63;
}

/** A double's bits as a signed number of the same order. */
function rank(bits: u64): i64 {
  return <i64>bits < 0 ? <i64>(bits ^ ~SIGN) : <i64>bits;
}

/** Whether the candidate comes before a value of 8 or 16 bytes. */
function isLess(than: usize, type: u32): bool {
  if (type == DOUBLE) return rank(low) < rank(load<u64>(than));
  if (type != DECIMAL) return <i64>low < load<i64>(than);
  const other: i64 = load<i64>(than, 8);
  return high < other || (high == other && low < load<u64>(than));
}

function isGreater(than: usize, type: u32): bool {
  if (type == DOUBLE) return rank(low) > rank(load<u64>(than));
  if (type != DECIMAL) return <i64>low > load<i64>(than);
  const other: i64 = load<i64>(than, 8);
  return high > other || (high == other && low > load<u64>(than));
}

function put(to: usize, type: u32): void {
  store<u64>(to, low);
  if (type == DECIMAL) store<i64>(to, high, 8);
}

function chooseExtreme(cell: usize, at: usize, bit: u32, type: u32, isMax: bool): void {
  const seen: u32 = load<u32>(cell);
  if ((seen & bit) == 0 || (isMax ? isGreater(cell + at, type) : isLess(cell + at, type)))
    put(cell + at, type);
  store<u32>(cell, seen | bit);
}

/** Rows into cells, as in sum.ts. */
export function takeExtremes(
  count: u32,
  cells: usize,
  values: usize,
  at: usize,
  bit: u32,
  type: u32,
  isMax: bool,
): void {
  if (type == INTEGER) {
    const end = cells + ((<usize>count) << 2);
    let valueAt = values;
    for (let cellAt = cells; cellAt < end; cellAt += 4) {
      const cell: usize = load<u32>(cellAt);
      const value: i64 = load<i64>(valueAt);
      valueAt += 8;
      if (cell != 0) chooseInteger(cell, at, bit, value, isMax);
    }
    return;
  }
  const shift: usize = type == DECIMAL ? 4 : 3;
  for (let i: usize = 0; i < <usize>count; i++) {
    const cell: usize = load<u32>(cells + (i << 2));
    if (cell == 0) continue;
    read(values + (i << shift), type);
    chooseExtreme(cell, at, bit, type, isMax);
  }
}

function chooseInteger(cell: usize, at: usize, bit: u32, value: i64, isMax: bool): void {
  const seen: u32 = load<u32>(cell);
  const flip: i64 = isMax ? -1 : 0; // turns the order around
  if ((seen & bit) == 0 || (value ^ flip) < (load<i64>(cell + at) ^ flip)) store<i64>(cell + at, value);
  store<u32>(cell, seen | bit);
}

/** `from` has seen a value. */
export function mergeExtreme(into: usize, from: usize, at: usize, bit: u32, type: u32, isMax: bool): void {
  if (type == INTEGER) {
    chooseInteger(into, at, bit, load<i64>(from + at), isMax);
    return;
  }
  read(from + at, type);
  chooseExtreme(into, at, bit, type, isMax);
}

/** Of two values at one and the same place the lesser stays. */
function choosePlaced(
  cell: usize,
  at: usize,
  bit: u32,
  type: u32,
  isLast: bool,
  time: i64,
  partition: u32,
  offset: i64,
): void {
  const to = cell + at;
  const seen: u32 = load<u32>(cell);
  if (seen & bit) {
    const hadTime: i64 = load<i64>(to);
    const hadPartition: u32 = load<u32>(to, PARTITION);
    const hadOffset: i64 = load<i64>(to, OFFSET);
    let isBetter: bool;
    if (time != hadTime) isBetter = time < hadTime != isLast;
    else if (partition != hadPartition) isBetter = partition < hadPartition != isLast;
    else if (offset != hadOffset) isBetter = offset < hadOffset != isLast;
    else isBetter = isLess(to + VALUE, type);
    if (!isBetter) return;
  }
  store<u32>(cell, seen | bit);
  store<i64>(to, time);
  store<u32>(to, partition, PARTITION);
  store<i64>(to, offset, OFFSET);
  put(to + VALUE, type);
}

/** Rows into cells; a batch without partitions or offsets (address 0) has 0 for all. */
export function takePlaced(
  count: u32,
  cells: usize,
  values: usize,
  at: usize,
  bit: u32,
  type: u32,
  isLast: bool,
  times: usize,
  partitions: usize,
  offsets: usize,
): void {
  const shift: usize = type == DECIMAL ? 4 : 3;
  for (let i: usize = 0; i < <usize>count; i++) {
    const cell: usize = load<u32>(cells + (i << 2));
    if (cell == 0) continue;
    read(values + (i << shift), type);
    const partition: u32 = partitions ? load<u32>(partitions + (i << 2)) : 0;
    const offset: i64 = offsets ? load<i64>(offsets + (i << 3)) : 0;
    choosePlaced(cell, at, bit, type, isLast, load<i64>(times + (i << 3)), partition, offset);
  }
}

/** `from` has seen a value. */
export function mergePlaced(into: usize, from: usize, at: usize, bit: u32, type: u32, isLast: bool): void {
  const place = from + at;
  read(place + VALUE, type);
  const partition: u32 = load<u32>(place, PARTITION);
  choosePlaced(into, at, bit, type, isLast, load<i64>(place), partition, load<i64>(place, OFFSET));
}

/** Where the value of a first or last lies in its state. */
export function placedValue(state: usize): usize {
  return state + VALUE;
}
