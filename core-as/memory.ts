/**
 * Memory of the kernel: a two-level segregated fit allocator (Masmano et al., "TLSF", 2004) over the heap,
 * and named regions of scratch memory that the host asks for before a call and that later calls use again.
 * Nothing here traps: without memory `allocate` returns 0 and the caller reports it.
 *
 * A block is a header of 16 bytes (its size and a free bit; the size of the block before it) and its payload.
 */

const HEADER: usize = 16;
const SMALLEST: usize = 16;
const FREE: u32 = 1;
const PAGE: usize = 65536;
/** Memory grows by at least this many pages at once: 1 MiB. */
const GROWTH: i32 = 16;
/** Loads of 16 bytes may reach behind the last byte that counts. */
const MARGIN: usize = 64;

const BINS: u32 = 128;
const bins = memory.data(512, 16);
let occupiedLow: u64 = 0;
let occupiedHigh: u64 = 0;

let limitPages: i32 = 65535;
let heapStart: usize = 0;
let heapEnd: usize = 0;
let lastBlock: usize = 0;
let used: usize = 0;

/** The most pages (64 KiB each) that the kernel may use; less than it uses already: no further growth. */
export function setMemoryLimit(pages: u32): void {
  limitPages = pages > 65535 ? 65535 : <i32>pages;
}

/** Bytes in blocks that are in use, headers included. */
export function usedBytes(): usize {
  return used;
}

function sizeOf(block: usize): usize {
  return load<u32>(block) & ~FREE;
}

function isFree(block: usize): bool {
  return (load<u32>(block) & FREE) != 0;
}

function after(block: usize): usize {
  return block + HEADER + sizeOf(block);
}

/** Four bins per power of two. */
function binOf(size: usize): u32 {
  const power: u32 = 31 - clz<u32>(<u32>size);
  return ((power << 2) | ((<u32>size >> (power - 2)) & 3)) & (BINS - 1);
}

function mark(bin: u32, occupied: bool): void {
  const bit: u64 = (<u64>1) << (bin & 63);
  if (bin < 64) occupiedLow = occupied ? occupiedLow | bit : occupiedLow & ~bit;
  else occupiedHigh = occupied ? occupiedHigh | bit : occupiedHigh & ~bit;
}

function link(block: usize): void {
  store<u32>(block, <u32>sizeOf(block) | FREE);
  const bin = binOf(sizeOf(block));
  const head: usize = load<u32>(bins + (bin << 2));
  store<u32>(block, <u32>head, HEADER);
  store<u32>(block, 0, HEADER + 4);
  if (head) store<u32>(head, <u32>block, HEADER + 4);
  store<u32>(bins + (bin << 2), <u32>block);
  mark(bin, true);
}

function unlink(block: usize): void {
  const size = sizeOf(block);
  const bin = binOf(size);
  const next: usize = load<u32>(block, HEADER);
  const previous: usize = load<u32>(block, HEADER + 4);
  if (next) store<u32>(next, <u32>previous, HEADER + 4);
  if (previous) {
    store<u32>(previous, <u32>next, HEADER);
  } else {
    store<u32>(bins + (bin << 2), <u32>next);
    if (next == 0) mark(bin, false);
  }
  store<u32>(block, <u32>size);
}

/** A free block of at least `size` bytes, unlinked; 0 when there is none. */
function takeFree(size: usize): usize {
  const bin = binOf(size);
  // tables grow through the same few sizes again and again: look for an exact fit first
  let block: usize = load<u32>(bins + (bin << 2));
  for (let tries = 0; block != 0 && tries < 8; tries++) {
    if (sizeOf(block) >= size) {
      unlink(block);
      return block;
    }
    block = load<u32>(block, HEADER);
  }
  const larger = bin + 1; // every block in a higher bin is large enough
  const low: u64 = larger < 64 ? occupiedLow & (~(<u64>0) << larger) : 0;
  let high: u64 = occupiedHigh;
  if (larger >= 128) high = 0;
  else if (larger > 64) high &= ~(<u64>0) << (larger - 64);
  if (low == 0 && high == 0) return 0;
  const found: u32 = low != 0 ? <u32>ctz(low) : 64 + <u32>ctz(high);
  block = load<u32>(bins + (found << 2));
  unlink(block);
  return block;
}

/** A new block of at least `size` bytes at the end of the heap; 0 when memory cannot grow so far. */
function extend(size: usize): usize {
  if (heapStart == 0) {
    heapStart = (__heap_base + 15) & ~15;
    heapEnd = heapStart;
  }
  let start = heapEnd;
  let previous: usize = lastBlock ? sizeOf(lastBlock) : 0;
  const merged = lastBlock != 0 && isFree(lastBlock);
  if (merged) {
    start = lastBlock;
    previous = load<u32>(lastBlock, 4);
  }
  const end: u64 = <u64>start + HEADER + size;
  const have: u64 = <u64>memory.size() * PAGE;
  if (end + MARGIN > have) {
    const needed = <i32>((end + MARGIN - have + PAGE - 1) / PAGE);
    const room = limitPages - memory.size();
    if (needed > room) return 0;
    if (memory.grow(min(max(needed, GROWTH), room)) < 0 && memory.grow(needed) < 0) return 0;
  }
  if (merged) unlink(start);
  store<u32>(start, <u32>size);
  store<u32>(start, <u32>previous, 4);
  lastBlock = start;
  heapEnd = start + HEADER + size;
  return start;
}

/** @returns the address of `bytes` bytes, a multiple of 16, not zeroed; 0 when there is no memory */
export function allocate(bytes: usize): usize {
  if (bytes > 0xfff00000) return 0;
  const size = max<usize>((bytes + 15) & ~15, SMALLEST);
  let block = takeFree(size);
  if (block == 0) block = extend(size);
  if (block == 0) return 0;
  const rest = sizeOf(block) - size;
  if (rest >= HEADER + 64) {
    store<u32>(block, <u32>size);
    const tail = after(block);
    store<u32>(tail, <u32>(rest - HEADER));
    store<u32>(tail, <u32>size, 4);
    const behind = after(tail);
    if (behind < heapEnd) store<u32>(behind, <u32>(rest - HEADER), 4);
    else lastBlock = tail;
    link(tail);
  }
  used += HEADER + sizeOf(block);
  return block + HEADER;
}

/** Gives a block back; 0 is allowed. Free neighbours become one block. */
export function release(address: usize): void {
  if (address == 0) return;
  let block = address - HEADER;
  let size = sizeOf(block);
  used -= HEADER + size;
  const next = block + HEADER + size;
  if (next < heapEnd && isFree(next)) {
    unlink(next);
    if (next == lastBlock) lastBlock = block;
    size += HEADER + sizeOf(next);
  }
  if (block > heapStart) {
    const previous = block - HEADER - load<u32>(block, 4);
    if (isFree(previous)) {
      unlink(previous);
      if (block == lastBlock) lastBlock = previous;
      size += HEADER + sizeOf(previous);
      block = previous;
    }
  }
  store<u32>(block, <u32>size);
  const behind = block + HEADER + size;
  if (behind < heapEnd) store<u32>(behind, <u32>size, 4);
  link(block);
}

/** The size in bytes of an allocated block, its header included. */
export function blockBytes(address: usize): usize {
  return address ? HEADER + sizeOf(address - HEADER) : 0;
}

/**
 * Whether the heap is what it should be: blocks without gaps that know their neighbours, no two free ones side by
 * side, and each free one in the list of its bin. For tests.
 */
export function isSound(): bool {
  let block = heapStart;
  let previous: usize = 0;
  let wasFree = false;
  let inUse: usize = 0;
  let free = 0;
  let last: usize = 0;
  while (block < heapEnd) {
    if (<usize>load<u32>(block, 4) != previous || (wasFree && isFree(block))) return false;
    if (isFree(block)) free++;
    else inUse += HEADER + sizeOf(block);
    wasFree = isFree(block);
    previous = sizeOf(block);
    last = block;
    block = after(block);
  }
  for (let bin: u32 = 0; bin < BINS; bin++) {
    let listed: usize = load<u32>(bins + (bin << 2));
    const bits = bin < 64 ? occupiedLow : occupiedHigh;
    if ((listed != 0) != (((bits >> (bin & 63)) & 1) != 0)) return false;
    while (listed) {
      if (!isFree(listed) || binOf(sizeOf(listed)) != bin) return false;
      free--;
      listed = load<u32>(listed, HEADER);
    }
  }
  return block == heapEnd && last == lastBlock && inUse == used && free == 0;
}

// Regions: one block each, kept between calls.
export const REGION_INPUT: u32 = 0;
export const REGION_ARGUMENTS: u32 = 1;
export const REGION_RESULTS: u32 = 2;
export const REGION_SORT: u32 = 3;
export const REGION_TEXT: u32 = 4;
export const REGION_SCOPED: u32 = 5;
export const REGION_DEEP: u32 = 6;
export const REGION_DICTIONARY: u32 = 7;
export const REGION_CHUNK: u32 = 8;
export const REGION_PAGE: u32 = 9;
export const REGION_PLAIN: u32 = 10;
export const REGION_USED: u32 = 11;
export const REGION_PANES: u32 = 12;
export const REGION_LENGTHS: u32 = 13;
export const REGION_LEAST: u32 = 14;
export const REGION_GREATEST: u32 = 15;
export const REGION_ASKED: u32 = 16;
const REGIONS: u32 = 17;
const regions = memory.data(128, 16);
const capacities = memory.data(128, 16);
/** A region larger than this is given back as soon as a call needs less than an eighth of it. */
const GENEROUS: usize = 8 << 20;

/**
 * Makes `region` at least `bytes` bytes (and a margin) large. Its content is lost when it moves.
 * @returns its address, 0 when there is no memory
 */
export function reserve(region: u32, bytes: usize): usize {
  if (region >= REGIONS || bytes > 0xfff00000) return 0;
  const slot: usize = (<usize>region) << 2;
  const capacity: usize = load<u32>(capacities + slot);
  const address: usize = load<u32>(regions + slot);
  if (address != 0 && bytes <= capacity && (capacity <= GENEROUS || bytes >= capacity >> 3)) return address;
  release(address);
  store<u32>(regions + slot, 0);
  const wanted: usize = max<usize>(bytes + (bytes < GENEROUS ? bytes >> 2 : 0), 1024);
  let got = wanted;
  let fresh = allocate(wanted + MARGIN);
  if (fresh == 0) {
    got = bytes;
    fresh = allocate(bytes + MARGIN);
  }
  if (fresh == 0) return 0;
  store<u32>(regions + slot, <u32>fresh);
  store<u32>(capacities + slot, <u32>got);
  return fresh;
}
