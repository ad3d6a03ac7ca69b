/**
 * The reorder buffer as it lies in memory: a ring of chains, one per slice of event time; a chain for what the ring
 * cannot hold; a chain of what is sorted and leaves next.
 *
 * The ring holds slices from BASE on, and a record goes into it only below LIMIT, which is at most BASE + slices: two
 * slices never meet in one place. What lies in between waits outside like everything beyond, so that records of one
 * slice are either all outside or all in the ring, and those outside need to be looked through only once per half
 * turn of the ring.
 */
import { allocate, blockBytes, release } from "./memory";
import { BLOCK_BYTES, PER_BLOCK, dropAll, takeBalance } from "./reorder-chain";

/** A slice takes 2^SHIFT µs. */
export const SHIFT: usize = 0;
export const SLICES: usize = 8;
/** Whether there has been a watermark. */
export const HAS_FRONTIER: usize = 12;
export const FRONTIER: usize = 16;
/** The frontier's slice. */
export const FRONT: usize = 24;
export const BASE: usize = 32;
export const LIMIT: usize = 40;
/** Where OUTSIDE_COUNT is not 0: the lowest event time outside of the ring. */
export const LEAST: usize = 48;
/** For which FRONT AHEAD_COUNT was counted. */
export const AHEAD_FOR: usize = 56;
export const RING: usize = 64;
export const BITS: usize = 68;
export const RING_COUNT: usize = 72;
export const OUTSIDE_COUNT: usize = 76;
export const READY_COUNT: usize = 80;
/** The next record in the first block of READY. */
export const READY_AT: usize = 84;
/** Records a whole ring or more ahead of the frontier; -1: to be counted. */
export const AHEAD_COUNT: usize = 88;
export const CAPACITY: usize = 92;
export const AHEAD_CAPACITY: usize = 96;
export const BYTES: usize = 100;
export const OUTSIDE: usize = 104;
export const READY: usize = 112;
// Where an export stands.
export const RING_BLOCK: usize = 120;
export const RING_AT: usize = 124;
export const RING_STEP: usize = 128;
export const OUTSIDE_BLOCK: usize = 132;
export const OUTSIDE_AT: usize = 136;
const STATE: usize = 144;

/** Blocks that may be partly filled: one per slice, outside, at both ends of what is ready, one spare. */
const PARTIAL_BLOCKS: u64 = 4;

export function bump(address: usize, offset: usize, by: i32): void {
  store<u32>(address + offset, load<u32>(address + offset) + <u32>by);
}

function fixedBytes(slices: u32): u64 {
  return (
    <u64>STATE +
    192 +
    ((<u64>slices) << 3) +
    <u64>(slices >> 3) +
    (<u64>slices + PARTIAL_BLOCKS) * BLOCK_BYTES
  );
}

/** How many records `bytes` can hold, however they lie. */
export function reorderCapacity(slices: u32, bytes: f64): u32 {
  const total: u64 = <u64>bytes;
  const fixed = fixedBytes(slices);
  if (total <= fixed) return 0;
  return recordsIn(total - fixed);
}

function recordsIn(bytes: u64): u32 {
  return <u32>min<u64>((bytes / BLOCK_BYTES) * PER_BLOCK, 0x07ffffff);
}

/**
 * @param slices a power of two, at least 64 @param maxAheadBytes of records a ring or more ahead
 * @returns 0 when there is no memory
 */
export function createReorder(shift: u32, slices: u32, maxBytes: f64, maxAheadBytes: f64): usize {
  const reorder = allocate(STATE);
  if (reorder == 0) return 0;
  memory.fill(reorder, 0, STATE);
  const ringBytes = ((<usize>slices) << 3) + <usize>(slices >> 3);
  const ring = allocate(ringBytes);
  if (ring == 0) {
    release(reorder);
    return 0;
  }
  memory.fill(ring, 0, ringBytes);
  store<u64>(reorder, shift, SHIFT);
  store<u32>(reorder, slices, SLICES);
  store<u32>(reorder, <u32>ring, RING);
  store<u32>(reorder, <u32>(ring + ((<usize>slices) << 3)), BITS);
  store<i64>(reorder, i64.MIN_VALUE, BASE);
  store<i64>(reorder, i64.MIN_VALUE, LIMIT);
  store<u32>(reorder, reorderCapacity(slices, maxBytes), CAPACITY);
  store<u32>(reorder, recordsIn(<u64>maxAheadBytes), AHEAD_CAPACITY);
  store<u32>(reorder, <u32>(blockBytes(reorder) + blockBytes(ring)), BYTES);
  return reorder;
}

export function destroyReorder(reorder: usize): void {
  for (let i: u32 = 0; i < load<u32>(reorder, SLICES); i++) dropAll(chainOf(reorder, <i64>i));
  dropAll(reorder + OUTSIDE);
  dropAll(reorder + READY);
  takeBalance();
  release(load<u32>(reorder, RING));
  release(reorder);
}

export function reorderSize(reorder: usize): u32 {
  return load<u32>(reorder, RING_COUNT) + load<u32>(reorder, OUTSIDE_COUNT) + load<u32>(reorder, READY_COUNT);
}

export function reorderBytes(reorder: usize): u32 {
  return load<u32>(reorder, BYTES);
}

/** Notes the blocks that a call has taken and given back. */
export function settleBytes(reorder: usize): void {
  bump(reorder, BYTES, takeBalance());
}

/** Where the ring keeps a slice. */
export function chainOf(reorder: usize, slice: i64): usize {
  const place: u32 = <u32>slice & (load<u32>(reorder, SLICES) - 1);
  return <usize>load<u32>(reorder, RING) + ((<usize>place) << 3);
}

export function markSlice(reorder: usize, slice: i64, isFull: bool): void {
  const place: u32 = <u32>slice & (load<u32>(reorder, SLICES) - 1);
  const word = <usize>load<u32>(reorder, BITS) + ((<usize>(place >> 6)) << 3);
  const bit: u64 = (<u64>1) << (place & 63);
  store<u64>(word, isFull ? load<u64>(word) | bit : load<u64>(word) & ~bit);
}

/** The distance from slice `from` to the first that is not empty, going once around; at least `slices`: none. */
export function distanceToFull(reorder: usize, from: i64): u32 {
  const slices: u32 = load<u32>(reorder, SLICES);
  const start: u32 = <u32>from & (slices - 1);
  const bits: usize = load<u32>(reorder, BITS);
  let word = start >> 6;
  let found: u64 = load<u64>(bits + ((<usize>word) << 3)) & (~(<u64>0) << (start & 63));
  let around: u32 = (word << 6) - start;
  for (let steps = slices >> 6; found == 0 && steps > 0; steps--) {
    around += 64;
    word++;
    if (word == slices >> 6) word = 0;
    found = load<u64>(bits + ((<usize>word) << 3));
  }
  return found == 0 ? slices : around + <u32>ctz(found);
}

/** The lowest slice in the ring, which is not empty. */
export function lowestSlice(reorder: usize): i64 {
  const base: i64 = load<i64>(reorder, BASE);
  return base + <i64>distanceToFull(reorder, base);
}
