/**
 * DDSketch (Masson, Rim and Lee, VLDB 2019): counts of values in bins whose bounds grow by a constant factor, so
 * that every quantile is within 1 % of a value at its rank. Bins are 35 to a factor of two (γ = 2^(1/35), which is
 * 0.99 %), and found by comparing the bits of a double with a table: no logarithm, whose last digit differs by
 * machine. The table holds the smallest double not below 2^(k/35), so a value never lands in a wrong bin.
 *
 * All numbers lie on one axis: negative bins, bin 0 for zero, positive ones; beyond them the infinities, and NaN as
 * the greatest, as SQL orders them. Only so many bins are kept: the lowest become one. What is kept then is the same
 * in whatever order values come, since it is always the highest bins that were ever hit.
 */
import { give, take } from "./pane-store";

// A sketch.
const LENGTH: usize = 0;
const CAPACITY: usize = 4;
/** Room that the running call has asked for. */
const WAITING: usize = 8;
const BINS: usize = 16;
// A bin: i32 number, u64 count.
const COUNT: usize = 8;
export const BIN_SHIFT: usize = 4;

const BINS_FIRST: u32 = 4;
const PER_OCTAVE: u32 = 35;
/** Behind a subnormal's exponent, so that bins of positive numbers are positive. */
const EXPONENT_SHIFT: i32 = 52;
const INFINITE_BIN: i32 = 1 << 20;
const NAN_BIN: i32 = INFINITE_BIN + 1;
const FRACTION: u64 = ((<u64>1) << 52) - 1;

/** u64: fraction bits of the smallest double not below 2^(k/35). */
const bounds = memory.data<u32>([
  0x0, 0x0, 0x35254d7b, 0x51ed, 0xe9c16bc8, 0xa57d, 0x81d4e5e0, 0xfaba, 0x8c56eea3, 0x151ab, 0xc4115e7e,
  0x1aa59, 0x10811782, 0x204ce, 0x86bae675, 0x26111, 0x6a54f7db, 0x2bf2d, 0x2e54f85d, 0x31f2b, 0x7622f887,
  0x38114, 0x16812c30, 0x3e4f3, 0x16889e7c, 0x44ad1, 0xb0aaf3c8, 0x4b2b8, 0x53b9536d, 0x51cb4, 0xa3f093be,
  0x588ce, 0x7c0ac32a, 0x5f712, 0xee5629f8, 0x6678a, 0x45d1e0ae, 0x6da43, 0x75017a0, 0x74f47, 0xf29e2ce7,
  0x7c6a1, 0x3b2ae5d, 0x84060, 0x73e16610, 0x8bc8d, 0xbb158fff, 0x93b36, 0x911258c0, 0x9bc68, 0xeeb9c533,
  0xa402f, 0xf5a241d, 0xac69a, 0x72022b1b, 0xb4fb4, 0xdadbe121, 0xbdb8c, 0x548e794e, 0xc6a31, 0x31a741a5,
  0xcfbb0, 0xe09c9e4, 0xd9018, 0xd0676771, 0xe2777, 0xabbe3c15, 0xec1de, 0x20dfe5f3, 0xf5f5c,
]);
/** u64: fraction bits of 2^(k/35) × 2γ/(1 + γ), the number that is at most 1 % from all of bin k. */
const middles = memory.data<u32>([
  0xc48c67ea, 0x288e, 0xa5be330b, 0x7b4b, 0x2dc4a483, 0xcfb0, 0xd5e5273c, 0x125c4, 0x42c8b609, 0x17d92,
  0x455a06f2, 0x1d721, 0xdba82811, 0x2327a, 0x31cda4d8, 0x28fa8, 0xa2dc4adc, 0x2eeb2, 0xb9cda5dd, 0x34fa3,
  0x32784b30, 0x3b285, 0xfa8a0d2f, 0x41760, 0x32872fc8, 0x47e41, 0x2eceb7c7, 0x4e730, 0x78a3ef12, 0x55238,
  0xcf3d386a, 0x5bf64, 0x28d84de9, 0x62ec0, 0xb3d40606, 0x6a055, 0xd7cfbb54, 0x71430, 0x36d073eb, 0x78a5d,
  0xae6be5e1, 0x802e6, 0x58f976d8, 0x87dd9, 0x8ec95547, 0x8fb41, 0xe761cab6, 0x97b2b, 0x3ac2e6c9, 0x9fda5,
  0xa2b0a39d, 0xa82ba, 0x7c03a49c, 0xb0a79, 0x6800b198, 0xb94ef, 0x4db710a8, 0xc222a, 0x5b65e1f3, 0xcb238,
  0x7e8a156, 0xd4528, 0x142af271, 0xddb08, 0x8ca3dc70, 0xe73e7, 0xcad89bb8, 0xf0fd5, 0x76e7302d, 0xfaee2,
]);
/** By the upper 6 fraction bits: the bin of the lowest such number. No such range meets more than two bins. */
const starts = memory.data<u8>([
  0, 0, 1, 2, 3, 3, 4, 5, 5, 6, 7, 8, 8, 9, 9, 10, 11, 11, 12, 13, 13, 14, 14, 15, 16, 16, 17, 17, 18, 18, 19,
  19, 20, 20, 21, 22, 22, 23, 23, 24, 24, 24, 25, 25, 26, 26, 27, 27, 28, 28, 29, 29, 30, 30, 30, 31, 31, 32,
  32, 32, 33, 33, 34, 34,
]);

/** The bin of a number. */
export function binOf(value: f64): i32 {
  if (value != value) return NAN_BIN;
  const bits = reinterpret<u64>(value);
  let exponent = <i32>(bits >> 52) & 2047;
  let fraction = bits & FRACTION;
  let bin = INFINITE_BIN;
  if (exponent != 2047) {
    if (exponent == 0) {
      if (fraction == 0) return 0;
      const shift = clz<u64>(fraction) - 11;
      fraction = (fraction << shift) & FRACTION;
      exponent = 1 - <i32>shift;
    }
    let place: u32 = load<u8>(starts + <usize>(fraction >> 46));
    if (place < PER_OCTAVE - 1 && fraction >= load<u64>(bounds + ((<usize>(place + 1)) << 3))) place++;
    bin = (exponent + EXPONENT_SHIFT) * <i32>PER_OCTAVE + <i32>place + 1;
  }
  return <i64>bits < 0 ? -bin : bin;
}

/** The number that stands for all of a bin. */
export function middleOf(bin: i32): f64 {
  if (bin == 0) return 0;
  if (bin == NAN_BIN) return NaN;
  const magnitude = bin < 0 ? -bin : bin;
  let middle: f64 = Infinity;
  if (magnitude != INFINITE_BIN) {
    const exponent = (magnitude - 1) / <i32>PER_OCTAVE - EXPONENT_SHIFT;
    const fraction: u64 = load<u64>(middles + ((<usize>((magnitude - 1) % <i32>PER_OCTAVE)) << 3));
    if (exponent > 0) middle = reinterpret<f64>(((<u64>exponent) << 52) | fraction);
    else
      middle =
        reinterpret<f64>(((<u64>1) << 52) | fraction) * reinterpret<f64>((<u64>(1023 + exponent - 1)) << 52);
  }
  return bin < 0 ? -middle : middle;
}

/** Makes a sketch with room for so many bins. @returns its address, 0 when there is no memory */
export function createBins(panes: usize, capacity: u32): usize {
  const sketch = take(panes, BINS + ((<usize>capacity) << BIN_SHIFT));
  if (sketch == 0) return 0;
  memory.fill(sketch, 0, BINS);
  store<u32>(sketch, capacity, CAPACITY);
  return sketch;
}

export function clearBins(sketch: usize): void {
  store<u32>(sketch, 0, LENGTH);
}

export function binCount(sketch: usize): u32 {
  return load<u32>(sketch, LENGTH);
}

export function binsAt(sketch: usize): usize {
  return sketch + BINS;
}

/** Makes room for one more value of the running call. @returns false when there is no memory */
export function reserveBin(panes: usize, slot: usize, binsMost: u32): bool {
  const sketch: usize = load<u32>(slot);
  let capacity: u32 = 0;
  if (sketch) {
    capacity = load<u32>(sketch, CAPACITY);
    // one bin more than are kept has its place while the lowest two become one
    const needed: u32 = min<u32>(load<u32>(sketch, LENGTH) + load<u32>(sketch, WAITING) + 1, binsMost + 1);
    if (needed <= capacity) {
      store<u32>(sketch, load<u32>(sketch, WAITING) + 1, WAITING);
      return true;
    }
  }
  const fresh = createBins(panes, min<u32>(max<u32>(capacity << 1, BINS_FIRST), binsMost + 1));
  if (fresh == 0) return false;
  if (sketch) {
    const length: u32 = load<u32>(sketch, LENGTH);
    store<u32>(fresh, length, LENGTH);
    memory.copy(fresh + BINS, sketch + BINS, (<usize>length) << BIN_SHIFT);
    store<u32>(fresh, load<u32>(sketch, WAITING), WAITING);
    give(panes, sketch);
  }
  store<u32>(fresh, load<u32>(fresh, WAITING) + 1, WAITING);
  store<u32>(slot, <u32>fresh);
  return true;
}

/** Forgets what `reserveBin` asked for. */
export function settleBins(sketch: usize): void {
  if (sketch) store<u32>(sketch, 0, WAITING);
}

/** Counts a number, for which there is room. */
export function addNumber(sketch: usize, value: f64, binsMost: u32): void {
  const bin = binOf(value);
  const length: u32 = load<u32>(sketch, LENGTH);
  let low: u32 = 0;
  let high: u32 = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (load<i32>(sketch + ((<usize>middle) << BIN_SHIFT), BINS) < bin) low = middle + 1;
    else high = middle;
  }
  let at = sketch + BINS + ((<usize>low) << BIN_SHIFT);
  if (low < length && load<i32>(at) == bin) {
    store<u64>(at, load<u64>(at, COUNT) + 1, COUNT);
    return;
  }
  if (low == 0 && length == binsMost) {
    store<u64>(at, load<u64>(at, COUNT) + 1, COUNT); // lower than the lowest that is kept
    return;
  }
  memory.copy(at + 16, at, (<usize>(length - low)) << BIN_SHIFT);
  store<u64>(at, <u64>(<u32>bin));
  store<u64>(at, 1, COUNT);
  store<u32>(sketch, length + 1, LENGTH);
  if (length == binsMost) foldLowest(sketch, 1);
}

/** Makes the lowest `count` bins part of the one above them. */
function foldLowest(sketch: usize, count: u32): void {
  let sum: u64 = 0;
  for (let i: u32 = 0; i < count; i++) sum += load<u64>(sketch + BINS + ((<usize>i) << BIN_SHIFT), COUNT);
  const left: u32 = load<u32>(sketch, LENGTH) - count;
  memory.copy(sketch + BINS, sketch + BINS + ((<usize>count) << BIN_SHIFT), (<usize>left) << BIN_SHIFT);
  store<u64>(sketch, load<u64>(sketch, BINS + COUNT) + sum, BINS + COUNT);
  store<u32>(sketch, left, LENGTH);
}

/** Adds all of `from`; `into` has room for twice the bins that are kept. */
export function mergeBins(into: usize, from: usize, binsMost: u32): void {
  let a: u32 = load<u32>(into, LENGTH);
  let b: u32 = load<u32>(from, LENGTH);
  let both: u32 = 0;
  for (let i: u32 = 0, j: u32 = 0; i < a && j < b;) {
    const binA = load<i32>(into + ((<usize>i) << BIN_SHIFT), BINS);
    const binB = load<i32>(from + ((<usize>j) << BIN_SHIFT), BINS);
    if (binA == binB) both++;
    if (binA <= binB) i++;
    if (binB <= binA) j++;
  }
  const length = a + b - both;
  let to = length;
  while (b > 0) {
    const binB = load<i32>(from + ((<usize>(b - 1)) << BIN_SHIFT), BINS);
    const target = into + BINS + ((<usize>(to - 1)) << BIN_SHIFT);
    const left = into + BINS + ((<usize>(a - 1)) << BIN_SHIFT);
    to--;
    if (a > 0 && load<i32>(left) > binB) {
      v128.store(target, v128.load(left));
      a--;
      continue;
    }
    let count: u64 = load<u64>(from + ((<usize>(b - 1)) << BIN_SHIFT), BINS + COUNT);
    if (a > 0 && load<i32>(left) == binB) {
      count += load<u64>(left, COUNT);
      a--;
    }
    store<u64>(target, <u64>(<u32>binB));
    store<u64>(target, count, COUNT);
    b--;
  }
  store<u32>(into, length, LENGTH);
  if (length > binsMost) foldLowest(into, length - binsMost);
}

/** A copy without spare room. @returns its address, 0 when there is no memory */
export function cloneBins(panes: usize, from: usize): usize {
  const length: u32 = load<u32>(from, LENGTH);
  const copy = createBins(panes, max<u32>(length, 1));
  if (copy == 0) return 0;
  store<u32>(copy, length, LENGTH);
  memory.copy(copy + BINS, from + BINS, (<usize>length) << BIN_SHIFT);
  return copy;
}

/** Makes a sketch of bins as they lie in one. @returns 0 when there is no memory, 1 when they cannot be bins */
export function readBins(panes: usize, bins: usize, count: u32, binsMost: u32): usize {
  if (count > binsMost) return 1;
  for (let i: u32 = 0; i < count; i++) {
    const at = bins + ((<usize>i) << BIN_SHIFT);
    const bin = load<i32>(at);
    if (load<u32>(at, 4) != 0 || load<u64>(at, COUNT) == 0 || bin > NAN_BIN || bin < -INFINITE_BIN) return 1;
    if (i > 0 && load<i32>(at - 16) >= bin) return 1;
  }
  const sketch = createBins(panes, max<u32>(count, 1));
  if (sketch == 0) return 0;
  store<u32>(sketch, count, LENGTH);
  memory.copy(sketch + BINS, bins, (<usize>count) << BIN_SHIFT);
  return sketch;
}

/** The number at rank ⌊share × (count − 1)⌋, within 1 %; 0 when there is none. */
export function quantileOf(sketch: usize, share: f64): f64 {
  const length: u32 = load<u32>(sketch, LENGTH);
  let total: u64 = 0;
  for (let i: u32 = 0; i < length; i++) {
    total += load<u64>(sketch + ((<usize>i) << BIN_SHIFT), BINS + COUNT);
  }
  if (total == 0) return 0;
  const rank = <u64>floor(share * <f64>(total - 1));
  let seen: u64 = 0;
  for (let i: u32 = 0; i < length; i++) {
    const at = sketch + ((<usize>i) << BIN_SHIFT);
    seen += load<u64>(at, BINS + COUNT);
    if (seen > rank) return middleOf(load<i32>(at, BINS));
  }
  return 0;
}
