/**
 * Chains of blocks: how the reorder buffer keeps records of one slice of event time. Records are appended in order of
 * arrival; all blocks of a chain but the last are full, so how many blocks it has depends on its length alone.
 * A chain is sorted in place, by way of scratch memory.
 */
import { REGION_SORT, allocate, blockBytes, release, reserve } from "./memory";
import { PAIR, rank, sortEntries } from "./sort-entries";

// A record: event time i64, offset u64, partition u32, payload reference u32.
export const RECORD: usize = 24;

// A block.
const NEXT: usize = 0;
const PREVIOUS: usize = 4;
const COUNT: usize = 8;
const RECORDS: usize = 16;
/** Records per block. */
export const PER_BLOCK: u32 = 41;
const BLOCK: usize = RECORDS + 41 * RECORD;
/** A block and the most that the allocator keeps of it: a header, and up to 64 bytes that it does not split off. */
export const BLOCK_BYTES: u32 = 1088;

// A chain: two words.
const FIRST: usize = 0;
const LAST: usize = 4;

/** Bytes of all blocks that were taken and not given back, of the buffer at work. */
export let blockBalance: i32 = 0;

/** Returns what was added to the balance since the last call. */
export function takeBalance(): i32 {
  const balance = blockBalance;
  blockBalance = 0;
  return balance;
}

function takeBlock(): usize {
  const block = allocate(BLOCK);
  blockBalance += <i32>blockBytes(block);
  return block;
}

function giveBlock(block: usize): void {
  blockBalance -= <i32>blockBytes(block);
  release(block);
}

export function firstBlock(chain: usize): usize {
  return load<u32>(chain, FIRST);
}

export function nextBlock(block: usize): usize {
  return load<u32>(block, NEXT);
}

export function countIn(block: usize): u32 {
  return load<u32>(block, COUNT);
}

export function recordAt(block: usize, i: u32): usize {
  return block + RECORDS + <usize>i * RECORD;
}

/** Puts an empty block at a chain's end. */
function link(chain: usize, block: usize): void {
  const last: usize = load<u32>(chain, LAST);
  store<u32>(block, 0, NEXT);
  store<u32>(block, <u32>last, PREVIOUS);
  store<u32>(block, 0, COUNT);
  if (last) store<u32>(last, <u32>block, NEXT);
  else store<u32>(chain, <u32>block, FIRST);
  store<u32>(chain, <u32>block, LAST);
}

/** Room for one more record at the end. @returns its address, 0 when there is no memory */
export function append(chain: usize): usize {
  let last: usize = load<u32>(chain, LAST);
  if (last == 0 || load<u32>(last, COUNT) == PER_BLOCK) {
    last = takeBlock();
    if (last == 0) return 0;
    link(chain, last);
  }
  const count: u32 = load<u32>(last, COUNT);
  store<u32>(last, count + 1, COUNT);
  return recordAt(last, count);
}

/** Room for one more record in a chain's last block; 0 where there is none. */
export function appendInside(chain: usize): usize {
  const last: usize = load<u32>(chain, LAST);
  if (last == 0) return 0;
  const count: u32 = load<u32>(last, COUNT);
  if (count == PER_BLOCK) return 0;
  store<u32>(last, count + 1, COUNT);
  return recordAt(last, count);
}

/** Takes back the last `append`. */
export function unappend(chain: usize): void {
  const last: usize = load<u32>(chain, LAST);
  const count: u32 = load<u32>(last, COUNT) - 1;
  store<u32>(last, count, COUNT);
  if (count > 0) return;
  const previous: usize = load<u32>(last, PREVIOUS);
  giveBlock(last);
  store<u32>(chain, <u32>previous, LAST);
  if (previous) store<u32>(previous, 0, NEXT);
  else store<u32>(chain, 0, FIRST);
}

/** Gives the first block back. */
export function dropFirst(chain: usize): void {
  const first = firstBlock(chain);
  const next = nextBlock(first);
  giveBlock(first);
  store<u32>(chain, <u32>next, FIRST);
  if (next) store<u32>(next, 0, PREVIOUS);
  else store<u32>(chain, 0, LAST);
}

export function dropAll(chain: usize): void {
  while (firstBlock(chain)) dropFirst(chain);
}

export function lengthOf(chain: usize): u32 {
  let length: u32 = 0;
  for (let block = firstBlock(chain); block; block = nextBlock(block)) length += countIn(block);
  return length;
}

function countBelow(chain: usize, limit: i64): u32 {
  let count: u32 = 0;
  for (let block = firstBlock(chain); block; block = nextBlock(block)) {
    const end = recordAt(block, countIn(block));
    for (let at = recordAt(block, 0); at < end; at += RECORD) count += <u32>(load<i64>(at) < limit);
  }
  return count;
}

export function copyRecord(to: usize, from: usize): void {
  v128.store(to, v128.load(from));
  store<u64>(to, load<u64>(from, 16), 16);
}

/** Scratch memory for sorting `count` records. @returns 0 when there is none */
function reserveSort(count: u32): usize {
  const bytes: u64 = <u64>count * (PAIR + RECORD);
  return bytes > 0xfff00000 ? 0 : reserve(REGION_SORT, <usize>bytes);
}

/**
 * Writes the records of a chain whose times are below `limit` (or all) in their order to scratch memory, which
 * `reserveSort` gave. @returns where
 */
function sortBelow(chain: usize, limit: i64, isAll: bool, count: u32, scratch: usize): usize {
  const sorted = scratch + <usize>count * PAIR; // behind the pairs; first their spare half
  let pair = scratch;
  for (let block = firstBlock(chain); block; block = nextBlock(block)) {
    const end = recordAt(block, countIn(block));
    for (let at = recordAt(block, 0); at < end; at += RECORD) {
      const time: i64 = load<i64>(at);
      if (!isAll && time >= limit) continue;
      store<u64>(pair, rank(time));
      store<u32>(pair, <u32>at, 8);
      pair += PAIR;
    }
  }
  if (sortEntries(scratch, sorted, count, false) == sorted) memory.copy(scratch, sorted, <usize>count * PAIR);
  let to = sorted;
  for (let from = scratch; from < pair; from += PAIR) {
    copyRecord(to, load<u32>(from, 8));
    to += RECORD;
  }
  return sorted;
}

/** Fills the blocks of a chain with records, of which it has room for as many. */
function refill(chain: usize, records: usize): void {
  let from = records;
  for (let block = firstBlock(chain); block; block = nextBlock(block)) {
    const bytes = <usize>countIn(block) * RECORD;
    memory.copy(recordAt(block, 0), from, bytes);
    from += bytes;
  }
}

/** Sorts a chain by time, partition, offset; equals stay in order of arrival. @returns false without memory */
export function sortChain(chain: usize): bool {
  const count = lengthOf(chain);
  if (count < 2) return true;
  const scratch = reserveSort(count);
  if (scratch == 0) return false;
  refill(chain, sortBelow(chain, 0, true, count, scratch));
  return true;
}

export const NO_MEMORY: u32 = 0xffffffff;

/**
 * Moves the records with times below `limit` (or all) to an empty chain, in their order.
 * @returns how many, or NO_MEMORY: then nothing has changed
 */
export function split(chain: usize, limit: i64, isAll: bool, into: usize): u32 {
  const total = lengthOf(chain);
  const count = isAll ? total : countBelow(chain, limit);
  if (count == 0) return 0;
  const scratch = reserveSort(count);
  if (scratch == 0) return NO_MEMORY;
  if (count == total) {
    refill(chain, sortBelow(chain, 0, true, count, scratch));
    store<u64>(into, load<u64>(chain));
    store<u64>(chain, 0);
    return count;
  }
  const spare = takeBlock(); // two chains may need one block more than one
  if (spare == 0) return NO_MEMORY;
  const sorted = sortBelow(chain, limit, false, count, scratch);
  let unused = compact(chain, limit);
  store<u32>(spare, <u32>unused, NEXT);
  unused = spare;
  let left = count;
  let from = sorted;
  while (left > 0) {
    const block = unused;
    unused = nextBlock(block);
    link(into, block);
    const here = min(left, PER_BLOCK);
    store<u32>(block, here, COUNT);
    memory.copy(recordAt(block, 0), from, <usize>here * RECORD);
    from += <usize>here * RECORD;
    left -= here;
  }
  while (unused) {
    const next = nextBlock(unused);
    giveBlock(unused);
    unused = next;
  }
  return count;
}

/** Closes the gaps that records below `limit` leave. @returns the blocks that are left over, linked by their NEXT */
function compact(chain: usize, limit: i64): usize {
  let target = firstBlock(chain);
  let filled: u32 = 0;
  for (let block = target; block; block = nextBlock(block)) {
    const end = recordAt(block, countIn(block));
    for (let at = recordAt(block, 0); at < end; at += RECORD) {
      if (load<i64>(at) < limit) continue;
      if (filled == PER_BLOCK) {
        target = nextBlock(target);
        filled = 0;
      }
      copyRecord(recordAt(target, filled), at);
      filled++;
    }
  }
  return cutBehind(chain, target, filled);
}

/** Ends a chain with `count` (not 0) records in `block`; all blocks before are full. @returns the blocks behind */
export function cutBehind(chain: usize, block: usize, count: u32): usize {
  const rest = nextBlock(block);
  for (let full = firstBlock(chain); full != block; full = nextBlock(full))
    store<u32>(full, PER_BLOCK, COUNT);
  store<u32>(block, count, COUNT);
  store<u32>(block, 0, NEXT);
  store<u32>(chain, <u32>block, LAST);
  return rest;
}

/** Gives back blocks that are linked by their NEXT. */
export function giveBlocks(first: usize): void {
  let block = first;
  while (block) {
    const next = nextBlock(block);
    giveBlock(block);
    block = next;
  }
}
