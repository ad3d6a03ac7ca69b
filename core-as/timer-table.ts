/**
 * Timers as they lie in memory, and the hash table that finds them by rule and key: linear probing over slots of a
 * 32-bit hash and an address, without tombstones (what follows a deleted slot moves up), at most 3/4 full.
 */
import { allocate, blockBytes, release, shrink } from "./memory";
import { mixIdentity } from "./identity-table";

// A timer. The first 32 bytes are what sort-entries.ts sorts by.
/** When the wheel has to look at it: its deadline, or the end of its retention. */
export const DUE: usize = 0;
export const LOW: usize = 8;
export const RULE: usize = 16;
export const FLAGS: usize = 20;
export const HIGH: usize = 24;
export const DEADLINE: usize = 32;
/** Event time of the opening that holds. */
export const OPENED_AT: usize = 40;
/** The parts that count, a bit each, and how many of them it takes. */
export const MASK: usize = 48;
export const NEED: usize = 56;
export const TIMES_CAPACITY: usize = 60;
/** Earliest event time of a completion or cancellation as a whole. */
export const CLOSED_AT: usize = 64;
/** The parts that have come. */
export const GOT: usize = 72;
/** GOT, and during an update what will have come. */
export const WANTED: usize = 80;
/** The newest event time that it has seen. */
export const NEWEST: usize = 88;
/** Earliest event time of each part that has come, in the order of bits; 0: they are inside of the timer. */
export const TIMES: usize = 96;
export const NEXT: usize = 100;
/** The address of the word that holds this timer's address. */
export const LINK: usize = 104;
/** The next of the timers that have something to say. */
export const NEXT_TOUCHED: usize = 108;
const INSIDE: usize = 112;
const TIMES_INSIDE: u32 = 2;
const TIMER: usize = 128;

export const IS_OPEN: u32 = 1;
/** Its breach has been told. */
export const HAS_BREACHED: u32 = 2;
/** Its completion in time has been told. */
export const HAS_COMPLETED: u32 = 4;
/** Its completion after a breach has been told. */
export const HAS_RESOLVED: u32 = 8;
export const IS_CLOSED: u32 = 16;
export const IS_CANCELLED: u32 = 32;
/** Those that a state image keeps. */
export const LASTING: u32 = 63;
export const IS_NEW: u32 = 64;
export const IS_TOUCHED: u32 = 128;
export const IS_SETTLED: u32 = HAS_COMPLETED | HAS_RESOLVED;

// What all timers share; timer-wheel.ts has the rest of it.
export const SIZE: usize = 0;
export const BYTES: usize = 4;
const SLOTS: usize = 8;
const CAPACITY: usize = 12;
/** u64: bytes that the timers count for, and the most that they may. */
export const COST: usize = 16;
export const MAX_COST: usize = 24;
/** The most bytes that may be taken, whatever they count for. */
export const ROOM: usize = 92;

const SLOTS_MIN: u32 = 64;
const SLOTS_MAX: u32 = 0x08000000;
const SLOT: usize = 8;
/** The most that the allocator keeps of a block: a header, and what it does not split off. */
const BLOCK_COST: u64 = 16 + 64;
/** A timer, and its share of a table that is least filled while it is rebuilt. */
export const TIMER_COST: u64 = 128 + BLOCK_COST + 48;

export function bump(address: usize, offset: usize, by: i32): void {
  store<u32>(address + offset, load<u32>(address + offset) + <u32>by);
}

/**
 * What is counted never takes more than the budget. Where memory has run out, what was taken for nothing may not be
 * given back at once (a table that cannot be moved to a smaller one): then this bound holds.
 */
export function take(timers: usize, bytes: usize): usize {
  const address = allocate(bytes);
  const size = blockBytes(address);
  if (<u64>load<u32>(timers, BYTES) + size > <u64>load<u32>(timers, ROOM)) {
    release(address);
    return 0;
  }
  bump(timers, BYTES, <i32>size);
  return address;
}

export function give(timers: usize, address: usize): void {
  bump(timers, BYTES, -(<i32>blockBytes(address)));
  release(address);
}

export function has(timer: usize, flag: u32): bool {
  return (load<u32>(timer, FLAGS) & flag) != 0;
}

export function raise(timer: usize, flag: u32): void {
  store<u32>(timer, load<u32>(timer, FLAGS) | flag, FLAGS);
}

export function lower(timer: usize, flag: u32): void {
  store<u32>(timer, load<u32>(timer, FLAGS) & ~flag, FLAGS);
}

// ---- the table

export function createTable(timers: usize): bool {
  return rebuild(timers, SLOTS_MIN);
}

export function destroyTable(timers: usize): void {
  const slots: usize = load<u32>(timers, SLOTS);
  const end = slots + <usize>load<u32>(timers, CAPACITY) * SLOT;
  for (let slot = slots; slot < end; slot += SLOT) {
    const timer: usize = load<u32>(slot, 4);
    if (timer) giveTimer(timers, timer);
  }
  give(timers, slots);
}

/** Not 0. */
function hashOf(rule: u32, low: u64, high: u64): u32 {
  return <u32>mixIdentity(low + <u64>rule * 0x9e3779b1, high) | 1;
}

function homeOf(hash: u32, capacity: u32): u32 {
  return (hash >> 1) & (capacity - 1);
}

/** Moves all to a table of another capacity. @returns false when there is no memory */
function rebuild(timers: usize, capacity: u32): bool {
  if (capacity > SLOTS_MAX) return false;
  const fresh = take(timers, <usize>capacity * SLOT);
  if (fresh == 0) return false;
  memory.fill(fresh, 0, <usize>capacity * SLOT);
  const old: usize = load<u32>(timers, SLOTS);
  const end = old + <usize>load<u32>(timers, CAPACITY) * SLOT;
  for (let slot = old; slot < end; slot += SLOT)
    if (load<u32>(slot, 4)) putInto(fresh, capacity, load<u64>(slot));
  give(timers, old);
  store<u32>(timers, <u32>fresh, SLOTS);
  store<u32>(timers, capacity, CAPACITY);
  return true;
}

/** How many places the table has. */
export function tableSize(timers: usize): u32 {
  return load<u32>(timers, CAPACITY);
}

/** Gives the table the size that it had before timers came that have gone again; without memory it stays larger. */
export function restoreTable(timers: usize, size: u32): void {
  if (load<u32>(timers, CAPACITY) > size) rebuild(timers, size);
}

function putInto(slots: usize, capacity: u32, content: u64): void {
  let place = homeOf(<u32>content, capacity);
  while (load<u32>(slots + <usize>place * SLOT, 4)) place = (place + 1) & (capacity - 1);
  store<u64>(slots + <usize>place * SLOT, content);
}

/** The slot of a timer; 0: there is none. */
function slotOf(timers: usize, hash: u32, rule: u32, low: u64, high: u64): usize {
  const slots: usize = load<u32>(timers, SLOTS);
  const capacity: u32 = load<u32>(timers, CAPACITY);
  let place = homeOf(hash, capacity);
  while (true) {
    const slot = slots + <usize>place * SLOT;
    const timer: usize = load<u32>(slot, 4);
    if (timer == 0) return 0;
    if (
      load<u32>(slot) == hash &&
      load<u64>(timer, LOW) == low &&
      load<u64>(timer, HIGH) == high &&
      load<u32>(timer, RULE) == rule
    )
      return slot;
    place = (place + 1) & (capacity - 1);
  }
}

/** Finds a timer or makes a blank one. @returns 0 when there is no memory */
export function timerOf(timers: usize, rule: u32, low: u64, high: u64): usize {
  const hash = hashOf(rule, low, high);
  const slot = slotOf(timers, hash, rule, low, high);
  if (slot) return load<u32>(slot, 4);
  const capacity: u32 = load<u32>(timers, CAPACITY);
  if (load<u32>(timers, SIZE) >= capacity - (capacity >> 2) && !rebuild(timers, capacity << 1)) return 0;
  const timer = take(timers, TIMER);
  if (timer == 0) return 0;
  memory.fill(timer, 0, TIMER);
  store<u64>(timer, low, LOW);
  store<u64>(timer, high, HIGH);
  store<u32>(timer, rule, RULE);
  store<u32>(timer, IS_NEW, FLAGS);
  store<u32>(timer, TIMES_INSIDE, TIMES_CAPACITY);
  putInto(load<u32>(timers, SLOTS), load<u32>(timers, CAPACITY), ((<u64>timer) << 32) | hash);
  bump(timers, SIZE, 1);
  return timer;
}

function giveTimer(timers: usize, timer: usize): void {
  give(timers, load<u32>(timer, TIMES));
  give(timers, timer);
}

/** Removes a timer that is in no list any more. */
export function forgetTimer(timers: usize, timer: usize): void {
  const low: u64 = load<u64>(timer, LOW);
  const high: u64 = load<u64>(timer, HIGH);
  const rule: u32 = load<u32>(timer, RULE);
  const slots: usize = load<u32>(timers, SLOTS);
  const capacity: u32 = load<u32>(timers, CAPACITY);
  const mask = capacity - 1;
  let hole: u32 = <u32>((slotOf(timers, hashOf(rule, low, high), rule, low, high) - slots) / SLOT);
  let place = hole;
  while (true) {
    place = (place + 1) & mask;
    const content: u64 = load<u64>(slots + <usize>place * SLOT);
    if (content == 0) break;
    // it moves up unless its home lies behind the hole
    if (((place - homeOf(<u32>content, capacity)) & mask) < ((place - hole) & mask)) continue;
    store<u64>(slots + <usize>hole * SLOT, content);
    hole = place;
  }
  store<u64>(slots + <usize>hole * SLOT, 0);
  giveTimer(timers, timer);
  bump(timers, SIZE, -1);
  if (capacity > SLOTS_MIN && load<u32>(timers, SIZE) < capacity >> 2) rebuild(timers, capacity >> 1);
}

/** Calls for every timer: the first at or behind slot `place`. @returns 0 at the end; `placeBehind` goes on */
export function timerFrom(timers: usize, place: u32): usize {
  const slots: usize = load<u32>(timers, SLOTS);
  const capacity: u32 = load<u32>(timers, CAPACITY);
  for (let i = place; i < capacity; i++) {
    const timer: usize = load<u32>(slots + <usize>i * SLOT, 4);
    if (timer == 0) continue;
    placeBehind = i + 1;
    return timer;
  }
  return 0;
}

export let placeBehind: u32 = 0;

// ---- times of parts

function capacityFor(count: u32): u32 {
  let capacity = TIMES_INSIDE;
  while (capacity < count) capacity <<= 1;
  return capacity;
}

/** What the times of so many parts count for. */
export function partsCost(count: u32): u64 {
  return count <= TIMES_INSIDE ? 0 : ((<u64>capacityFor(count)) << 3) + BLOCK_COST;
}

export function timesOf(timer: usize): usize {
  const outside: usize = load<u32>(timer, TIMES);
  return outside ? outside : timer + INSIDE;
}

/** Makes room for the times of so many parts. @returns false when there is no memory */
export function growTimes(timers: usize, timer: usize, count: u32): bool {
  const had: u32 = load<u32>(timer, TIMES_CAPACITY);
  if (count <= had) return true;
  const capacity = capacityFor(count);
  const fresh = take(timers, (<usize>capacity) << 3);
  if (fresh == 0) return false;
  memory.copy(fresh, timesOf(timer), (<usize>had) << 3);
  give(timers, load<u32>(timer, TIMES));
  store<u32>(timer, <u32>fresh, TIMES);
  store<u32>(timer, capacity, TIMES_CAPACITY);
  return true;
}

/** Takes `growTimes` back: room for the times that are there and no more. Cannot fail. */
export function shrinkTimes(timers: usize, timer: usize): void {
  const outside: usize = load<u32>(timer, TIMES);
  if (outside == 0) return;
  const count = <u32>popcnt<u64>(load<u64>(timer, GOT));
  if (count <= TIMES_INSIDE) {
    memory.copy(timer + INSIDE, outside, (<usize>count) << 3);
    give(timers, outside);
    store<u32>(timer, 0, TIMES);
    store<u32>(timer, TIMES_INSIDE, TIMES_CAPACITY);
    return;
  }
  const capacity = capacityFor(count);
  const before = blockBytes(outside);
  shrink(outside, (<usize>capacity) << 3);
  bump(timers, BYTES, <i32>blockBytes(outside) - <i32>before);
  store<u32>(timer, capacity, TIMES_CAPACITY);
}

/** Notes parts, for which there is room; of two times of one part the earlier stays. */
export function notePart(timer: usize, parts: u64, time: i64): void {
  let left = parts;
  while (left) {
    const bit: u64 = left & (0 - left);
    left ^= bit;
    const got: u64 = load<u64>(timer, GOT);
    const before: u32 = <u32>popcnt<u64>(got & (bit - 1));
    const at = timesOf(timer) + ((<usize>before) << 3);
    if (got & bit) {
      store<i64>(at, min(load<i64>(at), time));
      continue;
    }
    const behind = <u32>popcnt<u64>(got) - before;
    memory.copy(at + 8, at, (<usize>behind) << 3);
    store<i64>(at, time);
    store<u64>(timer, got | bit, GOT);
  }
}
