/**
 * HyperLogLog (Flajolet et al., 2007) with the estimator of Ertl ("New cardinality estimation algorithms for
 * HyperLogLog sketches", 2017, algorithm 6), which needs no tables of measured corrections. A register keeps the
 * largest rank seen, so the order of adding and merging never shows.
 *
 * Few registers are kept as a sorted list, more as a byte each. Hashes have a fixed key: the same values must give
 * the same registers in every process and after every restore, else sketches of two of them could not be merged.
 * Who chooses the values can therefore aim at an estimate; what has to be safe from that is counted exactly.
 */
import { give, take } from "./pane-store";

// A sketch.
const LENGTH: usize = 0;
/** Of the list; 0 when there is a byte for each register. */
const CAPACITY: usize = 4;
/** Room that the running call has asked for. */
const WAITING: usize = 8;
const ENTRIES: usize = 16;

const LIST_FIRST: u32 = 4;
const RANKS: u32 = 64;
const histogram = memory.data(256, 16);

/** SplitMix64's finaliser (Steele et al., 2014) behind a constant: a bijection, so integers never collide. */
export function mixValue(value: u64): u64 {
  let x = value + (((<u64>0x9e3779b9) << 32) | 0x7f4a7c15);
  x = (x ^ (x >> 30)) * (((<u64>0xbf58476d) << 32) | 0x1ce4e5b9);
  x = (x ^ (x >> 27)) * (((<u64>0x94d049bb) << 32) | 0x133111eb);
  return x ^ (x >> 31);
}

/** The longest list: beyond it the bytes are smaller in most cases and always quicker. */
export function listMost(bits: u32): u32 {
  return (1 << bits) >> 4;
}

export function denseBytes(bits: u32): usize {
  return ENTRIES + ((<usize>1) << bits);
}

/** Makes a sketch with a byte per register, all 0. @returns its address, 0 when there is no memory */
export function createDense(panes: usize, bits: u32): usize {
  const sketch = take(panes, denseBytes(bits));
  if (sketch) memory.fill(sketch, 0, denseBytes(bits));
  return sketch;
}

export function clearDense(sketch: usize, bits: u32): void {
  memory.fill(sketch, 0, denseBytes(bits));
}

/** Makes room for one more value of the running call. @returns false when there is no memory */
export function reserveRegister(panes: usize, slot: usize, bits: u32): bool {
  const sketch: usize = load<u32>(slot);
  let capacity: u32 = 0;
  let needed: u32 = 1;
  if (sketch) {
    capacity = load<u32>(sketch, CAPACITY);
    if (capacity == 0) return true;
    needed = load<u32>(sketch, LENGTH) + load<u32>(sketch, WAITING) + 1;
    if (needed <= capacity) {
      store<u32>(sketch, load<u32>(sketch, WAITING) + 1, WAITING);
      return true;
    }
  }
  let fresh: usize = 0;
  if (needed > listMost(bits)) {
    fresh = createDense(panes, bits);
    if (fresh == 0) return false;
    if (sketch) mergeRegisters(fresh, sketch, bits);
  } else {
    capacity = min<u32>(max<u32>(capacity << 1, LIST_FIRST), max<u32>(listMost(bits), 1));
    fresh = take(panes, ENTRIES + ((<usize>capacity) << 2));
    if (fresh == 0) return false;
    memory.fill(fresh, 0, ENTRIES);
    if (sketch) memory.copy(fresh, sketch, ENTRIES + ((<usize>load<u32>(sketch, LENGTH)) << 2));
    store<u32>(fresh, capacity, CAPACITY);
    store<u32>(fresh, load<u32>(fresh, WAITING) + 1, WAITING);
  }
  give(panes, sketch);
  store<u32>(slot, <u32>fresh);
  return true;
}

/** Forgets what `reserveRegister` asked for. */
export function settleRegisters(sketch: usize): void {
  if (sketch) store<u32>(sketch, 0, WAITING);
}

/** The first entry of the list whose register is at least `register`. */
function lowerBound(sketch: usize, register: u32): u32 {
  let low: u32 = 0;
  let high: u32 = load<u32>(sketch, LENGTH);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (load<u32>(sketch + ((<usize>middle) << 2), ENTRIES) >> 8 < register) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Adds a hash, for which there is room. */
export function addHash(sketch: usize, hash: u64, bits: u32): void {
  const register: u32 = <u32>(hash >> (64 - <u64>bits));
  const rest: u64 = hash << (<u64>bits);
  const rank: u32 = rest == 0 ? 65 - bits : <u32>clz<u64>(rest) + 1;
  if (load<u32>(sketch, CAPACITY) == 0) {
    const at = sketch + register;
    if (<u32>load<u8>(at, ENTRIES) < rank) store<u8>(at, <u8>rank, ENTRIES);
    return;
  }
  setInList(sketch, register, rank);
}

function setInList(sketch: usize, register: u32, rank: u32): void {
  const place = lowerBound(sketch, register);
  const length: u32 = load<u32>(sketch, LENGTH);
  const at = sketch + ENTRIES + ((<usize>place) << 2);
  if (place < length && load<u32>(at) >> 8 == register) {
    if ((load<u32>(at) & 255) < rank) store<u32>(at, (register << 8) | rank);
    return;
  }
  memory.copy(at + 4, at, (<usize>(length - place)) << 2);
  store<u32>(at, (register << 8) | rank);
  store<u32>(sketch, length + 1, LENGTH);
}

/** Takes the larger of each register into a dense sketch. */
export function mergeRegisters(into: usize, from: usize, bits: u32): void {
  if (load<u32>(from, CAPACITY) == 0) {
    const end: usize = ENTRIES + ((<usize>1) << bits);
    for (let at: usize = ENTRIES; at < end; at += 16)
      v128.store(into + at, i8x16.max_u(v128.load(into + at), v128.load(from + at)));
    return;
  }
  const length: u32 = load<u32>(from, LENGTH);
  for (let i: u32 = 0; i < length; i++) {
    const entry: u32 = load<u32>(from + ((<usize>i) << 2), ENTRIES);
    const at = into + ENTRIES + (entry >> 8);
    if (<u32>load<u8>(at) < (entry & 255)) store<u8>(at, <u8>(entry & 255));
  }
}

/** Registers that are not 0. */
export function registersUsed(sketch: usize, bits: u32): u32 {
  if (load<u32>(sketch, CAPACITY)) return load<u32>(sketch, LENGTH);
  let used: u32 = 0;
  const end = sketch + ENTRIES + ((<usize>1) << bits);
  for (let at = sketch + ENTRIES; at < end; at += 16)
    used += 16 - <u32>popcnt(i8x16.bitmask(i8x16.eq(v128.load(at), i8x16.splat(0))));
  return used;
}

/** A copy of a dense sketch in the smaller form. @returns its address, 0 when there is no memory */
export function cloneRegisters(panes: usize, from: usize, bits: u32): usize {
  const used = registersUsed(from, bits);
  if (used > listMost(bits)) {
    const copy = take(panes, denseBytes(bits));
    if (copy) memory.copy(copy, from, denseBytes(bits));
    return copy;
  }
  const copy = take(panes, ENTRIES + ((<usize>max<u32>(used, 1)) << 2));
  if (copy == 0) return 0;
  memory.fill(copy, 0, ENTRIES);
  store<u32>(copy, max<u32>(used, 1), CAPACITY);
  store<u32>(copy, used, LENGTH);
  writeList(from, bits, copy + ENTRIES);
  return copy;
}

/** Writes the used registers, in order, as u32: register × 256 + rank. */
export function writeList(sketch: usize, bits: u32, out: usize): void {
  if (load<u32>(sketch, CAPACITY)) {
    memory.copy(out, sketch + ENTRIES, (<usize>load<u32>(sketch, LENGTH)) << 2);
    return;
  }
  for (let register: u32 = 0; register < 1 << bits; register++) {
    const rank: u32 = load<u8>(sketch + register, ENTRIES);
    if (rank == 0) continue;
    store<u32>(out, (register << 8) | rank);
    out += 4;
  }
}

/** Makes a sketch of what `writeList` wrote. @returns 0 when there is no memory, 1 when the list is none */
export function readList(panes: usize, list: usize, count: u32, bits: u32): usize {
  const isList = count <= listMost(bits);
  const bytes = isList ? ENTRIES + ((<usize>max<u32>(count, 1)) << 2) : denseBytes(bits);
  const sketch = take(panes, bytes);
  if (sketch == 0) return 0;
  memory.fill(sketch, 0, bytes);
  let next: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const entry: u32 = load<u32>(list + ((<usize>i) << 2));
    const register: u32 = entry >> 8;
    const rank: u32 = entry & 255;
    if (register < next || register >= 1 << bits || rank == 0 || rank > 65 - bits) {
      give(panes, sketch);
      return 1;
    }
    next = register + 1;
    if (isList) store<u32>(sketch + ((<usize>i) << 2), entry, ENTRIES);
    else store<u8>(sketch + register, <u8>rank, ENTRIES);
  }
  if (isList) {
    store<u32>(sketch, max<u32>(count, 1), CAPACITY);
    store<u32>(sketch, count, LENGTH);
  }
  return sketch;
}

/** Ertl's σ: corrects for registers that are still 0. */
function sigma(share: f64): f64 {
  if (share == 1) return Infinity;
  let x = share;
  let y: f64 = 1;
  let z = x;
  let before: f64 = -1;
  while (z != before) {
    x *= x;
    before = z;
    z += x * y;
    y += y;
  }
  return z;
}

/** Ertl's τ: corrects for registers that can rise no more. */
function tau(share: f64): f64 {
  if (share == 0 || share == 1) return 0;
  let x = share;
  let y: f64 = 1;
  let z: f64 = 1 - x;
  let before: f64 = -1;
  while (z != before) {
    x = sqrt(x);
    before = z;
    y *= 0.5;
    z -= (1 - x) * (1 - x) * y;
  }
  return z / 3;
}

/** The estimated number of different values of a dense sketch. */
export function estimateDistinct(sketch: usize, bits: u32): f64 {
  memory.fill(histogram, 0, RANKS << 2);
  const registers: u32 = 1 << bits;
  for (let register: u32 = 0; register < registers; register++) {
    const cell = histogram + ((<usize>load<u8>(sketch + register, ENTRIES)) << 2);
    store<u32>(cell, load<u32>(cell) + 1);
  }
  const m = <f64>registers;
  const most: u32 = 64 - bits;
  let z: f64 = m * tau(1 - <f64>load<u32>(histogram + ((<usize>(most + 1)) << 2)) / m);
  for (let rank = most; rank > 0; rank--) {
    z += <f64>load<u32>(histogram + ((<usize>rank) << 2));
    z *= 0.5;
  }
  z += m * sigma(<f64>load<u32>(histogram) / m);
  return (0.7213475204444817 * m * m) / z;
}
