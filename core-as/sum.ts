/**
 * Sums over a column, one loop each. Integers add up in 128 bits and decimals in 192, which no number of rows
 * that fits in memory can fill: so a sum is exact whatever the order, and only the total decides whether it has more
 * digits than a decimal holds.
 *
 * Doubles are summed with Neumaier's compensation (1974), only where that is declared: the error is a few
 * units in the last place, but the last bits depend on the order of rows in a cell. Cells are always merged in
 * order of time, so the order of rows is all that they depend on.
 */

/** 10^38 as two words: beyond the largest decimal. */
const LIMIT_HIGH: u64 = ((<u64>0x4b3b4ca8) << 32) | 0x5a86c47a;
const LIMIT_LOW: u64 = ((<u64>0x098a2240) << 32) | 0;

/** Values of rows and the cells that they go to (u32; 0: to none). */
export function sumIntegers(count: u32, cells: usize, values: usize, at: usize, bit: u32): void {
  const end = cells + ((<usize>count) << 2);
  let valueAt = values;
  for (let cellAt = cells; cellAt < end; cellAt += 4) {
    const cell: usize = load<u32>(cellAt);
    const value: i64 = load<i64>(valueAt);
    valueAt += 8;
    if (cell == 0) continue;
    const low: u64 = load<u64>(cell + at);
    const sum: u64 = low + <u64>value;
    store<u32>(cell, load<u32>(cell) | bit);
    store<u64>(cell + at, sum);
    store<i64>(cell + at, load<i64>(cell + at, 8) + (value >> 63) + <i64>(sum < low), 8);
  }
}

export function mergeIntegers(into: usize, from: usize): void {
  const low: u64 = load<u64>(into);
  const sum: u64 = low + load<u64>(from);
  store<u64>(into, sum);
  store<i64>(into, load<i64>(into, 8) + load<i64>(from, 8) + (sum < low ? 1 : 0), 8);
}

/** Adds three words. */
function addWide(into: usize, low: u64, middle: u64, high: u64): void {
  const low0: u64 = load<u64>(into);
  const low1: u64 = low0 + low;
  const middle0: u64 = load<u64>(into, 8);
  const middle1: u64 = middle0 + middle;
  const carry: u64 = low1 < low0 ? 1 : 0;
  const middle2: u64 = middle1 + carry;
  const carried: u64 = (middle1 < middle0 ? 1 : 0) + (middle2 < middle1 ? 1 : 0);
  store<u64>(into, low1);
  store<u64>(into, middle2, 8);
  store<u64>(into, load<u64>(into, 16) + high + carried, 16);
}

export function sumDecimals(count: u32, cells: usize, values: usize, at: usize, bit: u32): void {
  for (let i: usize = 0; i < <usize>count; i++) {
    const cell: usize = load<u32>(cells + (i << 2));
    if (cell == 0) continue;
    const high: i64 = load<i64>(values + (i << 4), 8);
    store<u32>(cell, load<u32>(cell) | bit);
    addWide(cell + at, load<u64>(values + (i << 4)), <u64>high, <u64>(high >> 63));
  }
}

export function mergeDecimals(into: usize, from: usize): void {
  addWide(into, load<u64>(from), load<u64>(from, 8), load<u64>(from, 16));
}

/** Whether a sum of decimals has at most 38 digits. */
export function fitsDecimal(sum: usize): bool {
  let low: u64 = load<u64>(sum);
  let middle: u64 = load<u64>(sum, 8);
  const high: i64 = load<i64>(sum, 16);
  if (high != <i64>middle >> 63) return false;
  if (high < 0) {
    low = 0 - low;
    middle = ~middle + (low == 0 ? 1 : 0);
  }
  return middle < LIMIT_HIGH || (middle == LIMIT_HIGH && low < LIMIT_LOW);
}

function addDouble(to: usize, value: f64): void {
  const sum: f64 = load<f64>(to);
  const total = sum + value;
  const lost = abs(sum) >= abs(value) ? sum - total + value : value - total + sum;
  store<f64>(to, total);
  store<f64>(to, load<f64>(to, 8) + lost, 8);
}

export function sumDoubles(count: u32, cells: usize, values: usize, at: usize, bit: u32): void {
  for (let i: usize = 0; i < <usize>count; i++) {
    const cell: usize = load<u32>(cells + (i << 2));
    if (cell == 0) continue;
    store<u32>(cell, load<u32>(cell) | bit);
    addDouble(cell + at, load<f64>(values + (i << 3)));
  }
}

export function mergeDoubles(into: usize, from: usize): void {
  addDouble(into, load<f64>(from));
  store<f64>(into, load<f64>(into, 8) + load<f64>(from, 8), 8);
}

/** Once infinite or NaN a sum stays so, and its compensation means nothing. */
export function totalOf(sum: usize): f64 {
  const total: f64 = load<f64>(sum);
  return total - total == 0 ? total + load<f64>(sum, 8) : total;
}
