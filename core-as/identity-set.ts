/**
 * Sets of identities with ingest times: what dedup knows. A set holds one hash table per generation of ingest
 * time, so that old ones leave as a whole; inside a generation an identity can occur only once, because a
 * generation is no longer than the horizon.
 *
 * Load never exceeds 7/8, tombstones included, so every probe ends (identity-table.ts).
 *
 * What `admit` adds is tentative: each generation keeps a journal of it until `keep` or `undo`.
 */
import { allocate, blockBytes, release } from "./memory";

import {
  EMPTY,
  ENTRY_BYTES,
  NOWHERE,
  SLOT_BYTES,
  copyEntries,
  copyOut,
  eraseSlot,
  fillSlot,
  findSlot,
  freeSlot,
  mixIdentity,
  raiseTime,
  slotTime,
} from "./identity-table";

// A set.
const HORIZON: usize = 0;
const SPAN: usize = 8;
const LIST: usize = 16;
const LIST_LENGTH: usize = 20;
const LIST_CAPACITY: usize = 24;
const SIZE: usize = 28;
const BYTES: usize = 32;
const TENTATIVE: usize = 36;
const SET: usize = 48;

// A generation: the number of its span of ingest time, its table and its journal.
const NUMBER: usize = 0;
const TABLE: usize = 8;
const CAPACITY: usize = 12;
const LIVE: usize = 16;
/** Live entries and tombstones. */
const FILLED: usize = 20;
const JOURNAL: usize = 24;
const JOURNAL_LENGTH: usize = 28;
const JOURNAL_CAPACITY: usize = 32;
/** The journal's length before the call that is running. */
const MARK: usize = 36;
/** u64: drawn anew at every change, never twice in a kernel. */
const STAMP: usize = 40;
const GENERATION: usize = 48;

const SLOTS_MIN: u32 = 16;
const SLOTS_MAX: u32 = 0x08000000;
let stamps: u64 = 0;

function bump(address: usize, offset: usize, by: i32): void {
  store<u32>(address + offset, load<u32>(address + offset) + <u32>by);
}

function touch(generation: usize): void {
  store<u64>(generation, ++stamps, STAMP);
}

function take(set: usize, bytes: usize): usize {
  const address = allocate(bytes);
  bump(set, BYTES, <i32>blockBytes(address));
  return address;
}

function give(set: usize, address: usize): void {
  bump(set, BYTES, -(<i32>blockBytes(address)));
  release(address);
}

/** @returns the set's handle, 0 when there is no memory */
export function createSet(horizonMs: f64, generationMs: f64): usize {
  const set = allocate(SET);
  if (set == 0) return 0;
  memory.fill(set, 0, SET);
  store<i64>(set, <i64>horizonMs, HORIZON);
  store<i64>(set, <i64>generationMs, SPAN);
  store<u32>(set, <u32>blockBytes(set), BYTES);
  return set;
}

/** Removes every entry. */
export function clearSet(set: usize): void {
  for (let i: u32 = 0; i < load<u32>(set, LIST_LENGTH); i++) dropGeneration(set, generationAt(set, i));
  store<u32>(set, 0, LIST_LENGTH);
  store<u32>(set, 0, SIZE);
  store<u32>(set, 0, TENTATIVE);
}

export function destroySet(set: usize): void {
  clearSet(set);
  release(load<u32>(set, LIST));
  release(set);
}

export function setSize(set: usize): u32 {
  return load<u32>(set, SIZE);
}

export function setBytes(set: usize): u32 {
  return load<u32>(set, BYTES);
}

export function tentativeCount(set: usize): u32 {
  return load<u32>(set, TENTATIVE);
}

function generationAt(set: usize, i: u32): usize {
  return load<u32>(<usize>load<u32>(set, LIST) + (i << 2));
}

function dropGeneration(set: usize, generation: usize): void {
  give(set, load<u32>(generation, TABLE));
  give(set, load<u32>(generation, JOURNAL));
  give(set, generation);
}

/** The place of the first generation whose number is at least `number`. Looks from the newest. */
function lowerBound(set: usize, number: i64): u32 {
  let i: u32 = load<u32>(set, LIST_LENGTH);
  while (i > 0 && load<i64>(generationAt(set, i - 1), NUMBER) >= number) i--;
  return i;
}

function floorDivide(value: i64, by: i64): i64 {
  const quotient = value / by;
  return value < 0 && quotient * by != value ? quotient - 1 : quotient;
}

// ---- entries of one generation

function find(generation: usize, low: u64, high: u64, hash: u64): u32 {
  return findSlot(load<u32>(generation, TABLE), load<u32>(generation, CAPACITY), low, high, hash);
}

/** Makes room for one more entry. @returns false when there is no memory: nothing has changed then */
function makeRoom(set: usize, generation: usize): bool {
  const capacity: u32 = load<u32>(generation, CAPACITY);
  const live: u32 = load<u32>(generation, LIVE);
  const allowed: u32 = capacity - (capacity >> 3);
  if (load<u32>(generation, FILLED) < allowed) return true;
  // where tombstones are what fills it, a table of the same size is enough
  const fresh: u32 = live > capacity - (capacity >> 2) ? capacity << 1 : capacity;
  return resize(set, generation, fresh);
}

/** Moves a generation's entries to a table of another capacity. @returns false when there is no memory */
function resize(set: usize, generation: usize, fresh: u32): bool {
  if (fresh > SLOTS_MAX) return false;
  const capacity: u32 = load<u32>(generation, CAPACITY);
  const live: u32 = load<u32>(generation, LIVE);
  const from: usize = load<u32>(generation, TABLE);
  const table = take(set, <usize>fresh * SLOT_BYTES);
  if (table == 0) return false;
  memory.fill(table, EMPTY, fresh);
  copyEntries(from, capacity, table, fresh);
  give(set, from);
  store<u32>(generation, <u32>table, TABLE);
  store<u32>(generation, fresh, CAPACITY);
  store<u32>(generation, live, FILLED);
  return true;
}

/** Adds an identity that is not there. @returns false when there is no memory */
function addEntry(set: usize, generation: usize, low: u64, high: u64, ms: u32, hash: u64): bool {
  if (!makeRoom(set, generation)) return false;
  const table: usize = load<u32>(generation, TABLE);
  const capacity: u32 = load<u32>(generation, CAPACITY);
  const slot = freeSlot(table, capacity, hash);
  if (load<u8>(table + slot) == EMPTY) bump(generation, FILLED, 1);
  fillSlot(table, capacity, slot, low, high, ms, hash);
  bump(generation, LIVE, 1);
  bump(set, SIZE, 1);
  touch(generation);
  return true;
}

function removeEntry(set: usize, generation: usize, low: u64, high: u64): void {
  const slot = find(generation, low, high, mixIdentity(low, high));
  if (slot == NOWHERE) return;
  if (eraseSlot(load<u32>(generation, TABLE), slot)) bump(generation, FILLED, -1);
  bump(generation, LIVE, -1);
  bump(set, SIZE, -1);
  touch(generation);
}

// ---- generations

/** Finds or makes the generation of `number`. @returns 0 when there is no memory */
function generationOf(set: usize, number: i64): usize {
  const place = lowerBound(set, number);
  const count: u32 = load<u32>(set, LIST_LENGTH);
  if (place < count) {
    const found = generationAt(set, place);
    if (load<i64>(found, NUMBER) == number) return found;
  }
  if (count == load<u32>(set, LIST_CAPACITY)) {
    const capacity: u32 = count ? count << 1 : 8;
    const list = take(set, (<usize>capacity) << 2);
    if (list == 0) return 0;
    memory.copy(list, load<u32>(set, LIST), (<usize>count) << 2);
    give(set, load<u32>(set, LIST));
    store<u32>(set, <u32>list, LIST);
    store<u32>(set, capacity, LIST_CAPACITY);
  }
  const generation = take(set, GENERATION);
  if (generation == 0) return 0;
  const table = take(set, <usize>SLOTS_MIN * SLOT_BYTES);
  if (table == 0) {
    give(set, generation);
    return 0;
  }
  memory.fill(table, EMPTY, SLOTS_MIN);
  memory.fill(generation, 0, GENERATION);
  store<i64>(generation, number, NUMBER);
  store<u32>(generation, <u32>table, TABLE);
  store<u32>(generation, SLOTS_MIN, CAPACITY);
  touch(generation);
  const at: usize = <usize>load<u32>(set, LIST) + ((<usize>place) << 2);
  memory.copy(at + 4, at, (<usize>(count - place)) << 2);
  store<u32>(at, <u32>generation);
  bump(set, LIST_LENGTH, 1);
  return generation;
}

function addToJournal(set: usize, generation: usize, low: u64, high: u64): bool {
  const length: u32 = load<u32>(generation, JOURNAL_LENGTH);
  if (length == load<u32>(generation, JOURNAL_CAPACITY)) {
    const capacity: u32 = length ? length << 1 : 64;
    const journal = take(set, (<usize>capacity) << 4);
    if (journal == 0) return false;
    memory.copy(journal, load<u32>(generation, JOURNAL), (<usize>length) << 4);
    give(set, load<u32>(generation, JOURNAL));
    store<u32>(generation, <u32>journal, JOURNAL);
    store<u32>(generation, capacity, JOURNAL_CAPACITY);
  }
  const at: usize = <usize>load<u32>(generation, JOURNAL) + ((<usize>length) << 4);
  store<u64>(at, low);
  store<u64>(at, high, 8);
  store<u32>(generation, length + 1, JOURNAL_LENGTH);
  bump(set, TENTATIVE, 1);
  return true;
}

function emptyJournal(set: usize, generation: usize): void {
  bump(set, TENTATIVE, -(<i32>load<u32>(generation, JOURNAL_LENGTH)));
  give(set, load<u32>(generation, JOURNAL));
  store<u32>(generation, 0, JOURNAL);
  store<u32>(generation, 0, JOURNAL_LENGTH);
  store<u32>(generation, 0, JOURNAL_CAPACITY);
}

/** Removes what the journal gained since it had `length` entries. */
function undoTo(set: usize, generation: usize, length: u32): void {
  const journal: usize = load<u32>(generation, JOURNAL);
  let i: u32 = load<u32>(generation, JOURNAL_LENGTH);
  while (i > length) {
    i--;
    const entry = journal + ((<usize>i) << 4);
    removeEntry(set, generation, load<u64>(entry), load<u64>(entry, 8));
    bump(set, TENTATIVE, -1);
  }
  store<u32>(generation, length, JOURNAL_LENGTH);
}

// ---- what the host calls

/** Makes all tentative entries permanent. */
export function keepTentative(set: usize): void {
  for (let i: u32 = 0; i < load<u32>(set, LIST_LENGTH); i++) emptyJournal(set, generationAt(set, i));
}

/** Removes exactly the tentative entries. */
export function undoTentative(set: usize): void {
  let i: u32 = load<u32>(set, LIST_LENGTH);
  while (i > 0) {
    i--;
    const generation = generationAt(set, i);
    undoTo(set, generation, 0);
    emptyJournal(set, generation);
    if (load<u32>(generation, LIVE) == 0) removeGeneration(set, i);
  }
}

function removeGeneration(set: usize, place: u32): void {
  dropGeneration(set, generationAt(set, place));
  const count: u32 = load<u32>(set, LIST_LENGTH);
  const at: usize = <usize>load<u32>(set, LIST) + ((<usize>place) << 2);
  memory.copy(at, at + 4, (<usize>(count - place - 1)) << 2);
  store<u32>(set, count - 1, LIST_LENGTH);
}

/** Drops generations that end before `slowestMs` less the horizon: nothing to come can meet them. */
export function expire(set: usize, slowestMs: f64): void {
  const span: i64 = load<i64>(set, SPAN);
  const oldest: i64 = <i64>slowestMs - load<i64>(set, HORIZON);
  while (load<u32>(set, LIST_LENGTH) > 0) {
    const generation = generationAt(set, 0);
    if ((load<i64>(generation, NUMBER) + 1) * span > oldest) return;
    bump(set, SIZE, -(<i32>load<u32>(generation, LIVE)));
    bump(set, TENTATIVE, -(<i32>load<u32>(generation, JOURNAL_LENGTH)));
    removeGeneration(set, 0);
  }
}

export const DUPLICATE: u8 = 0;
export const ADMITTED: u8 = 1;
export const UNKNOWN: u8 = 2;

/**
 * Judges records in order: DUPLICATE (the same identity has an ingest time at most the horizon away),
 * ADMITTED (new: tentative from now on), or UNKNOWN (new, but its verdict is not 0: not added).
 * @returns false when memory ran out: then nothing of this call stays in the set
 */
export function admit(
  set: usize,
  count: u32,
  identities: usize,
  ingest: usize,
  verdicts: usize,
  out: usize,
): bool {
  const span: i64 = load<i64>(set, SPAN);
  const horizon: i64 = load<i64>(set, HORIZON);
  for (let i: u32 = 0; i < load<u32>(set, LIST_LENGTH); i++) {
    const generation = generationAt(set, i);
    store<u32>(generation, load<u32>(generation, JOURNAL_LENGTH), MARK);
  }
  // all that depends on the time alone holds for times in [from, to)
  let from: i64 = 0;
  let to: i64 = 0;
  let own: i64 = 0;
  let ownGeneration: usize = 0;
  let first: u32 = 0;
  let last: u32 = 0;
  for (let i: usize = 0; i < <usize>count; i++) {
    const time: i64 = <i64>load<f64>(ingest + (i << 3));
    if (time < from || time >= to) {
      own = floorDivide(time, span);
      const oldest = floorDivide(time - horizon, span);
      const newest = floorDivide(time + horizon, span);
      from = max(own * span, max(oldest * span + horizon, newest * span - horizon));
      to = min((own + 1) * span, min((oldest + 1) * span + horizon, (newest + 1) * span - horizon));
      first = lowerBound(set, oldest);
      last = lowerBound(set, newest + 1);
      ownGeneration = 0;
    }
    const low: u64 = load<u64>(identities + (i << 4));
    const high: u64 = load<u64>(identities + (i << 4), 8);
    const hash = mixIdentity(low, high);
    let answer: u8 = ADMITTED;
    for (let g = first; g < last; g++) {
      const generation = generationAt(set, g);
      const slot = find(generation, low, high, hash);
      if (slot == NOWHERE) continue;
      const ms: u32 = load<u32>(
        slotTime(load<u32>(generation, TABLE), load<u32>(generation, CAPACITY), slot),
      );
      const distance: i64 = load<i64>(generation, NUMBER) * span + <i64>ms - time;
      if (distance <= horizon && distance >= -horizon) {
        answer = DUPLICATE;
        break;
      }
    }
    if (answer == ADMITTED && load<u8>(verdicts + i) != 0) answer = UNKNOWN;
    if (answer == ADMITTED) {
      if (ownGeneration == 0) {
        ownGeneration = generationOf(set, own);
        if (ownGeneration == 0) return abandon(set);
        first = lowerBound(set, floorDivide(time - horizon, span));
        last = lowerBound(set, floorDivide(time + horizon, span) + 1);
      }
      const ms = <u32>(time - own * span);
      if (!addEntry(set, ownGeneration, low, high, ms, hash)) return abandon(set);
      if (!addToJournal(set, ownGeneration, low, high)) {
        removeEntry(set, ownGeneration, low, high);
        return abandon(set);
      }
    }
    store<u8>(out + i, answer);
  }
  return true;
}

/** Takes back what the running call has added. */
function abandon(set: usize): bool {
  for (let i: u32 = 0; i < load<u32>(set, LIST_LENGTH); i++) {
    const generation = generationAt(set, i);
    undoTo(set, generation, load<u32>(generation, MARK));
  }
  return false;
}

/**
 * Adds an entry for good. Of two times of one identity in one generation the later stays, so that the result does
 * not depend on the order. @returns false when there is no memory
 */
function settle(set: usize, generation: usize, low: u64, high: u64, ms: u32): bool {
  const hash = mixIdentity(low, high);
  const slot = find(generation, low, high, hash);
  if (slot == NOWHERE) return addEntry(set, generation, low, high, ms, hash);
  if (raiseTime(load<u32>(generation, TABLE), load<u32>(generation, CAPACITY), slot, ms)) touch(generation);
  return true;
}

/** Adds entries for good: rebuilding a set from a table. @returns false when memory ran out */
export function insert(set: usize, count: u32, identities: usize, ingest: usize): bool {
  const span: i64 = load<i64>(set, SPAN);
  for (let i: usize = 0; i < <usize>count; i++) {
    const time: i64 = <i64>load<f64>(ingest + (i << 3));
    const number = floorDivide(time, span);
    const generation = generationOf(set, number);
    if (generation == 0) return false;
    const low: u64 = load<u64>(identities + (i << 4));
    const high: u64 = load<u64>(identities + (i << 4), 8);
    if (!settle(set, generation, low, high, <u32>(time - number * span))) return false;
  }
  return true;
}

// ---- state images: generation by generation, oldest first

export function generationCount(set: usize): u32 {
  return load<u32>(set, LIST_LENGTH);
}

export function generationNumber(set: usize, place: u32): f64 {
  return <f64>load<i64>(generationAt(set, place), NUMBER);
}

export function generationSize(set: usize, place: u32): u32 {
  return load<u32>(generationAt(set, place), LIVE);
}

/** Equal stamps, equal entries: for as long as the kernel lives. */
export function generationStamp(set: usize, place: u32): u64 {
  return load<u64>(generationAt(set, place), STAMP);
}

/** The slot at which the next `exportEntries` of the same generation goes on. */
export let nextSlot: u32 = 0;

/**
 * Writes entries (identity, u32 ms within the generation) in the order of their slots: put back in that order they
 * touch memory in sequence. @returns how many, at most `most` (at least 16); 0 at the end
 */
export function exportEntries(set: usize, place: u32, fromSlot: u32, most: u32, out: usize): u32 {
  const generation = generationAt(set, place);
  const capacity: u32 = load<u32>(generation, CAPACITY);
  const table: usize = load<u32>(generation, TABLE);
  let count: u32 = 0;
  let slot = fromSlot;
  while (slot < capacity && count + 16 <= most) {
    count += copyOut(table, capacity, slot, out + <usize>count * ENTRY_BYTES);
    slot += 16;
  }
  nextSlot = slot;
  return count;
}

/** Makes room for a generation of `count` entries. @returns false when there is no memory */
export function reserveGeneration(set: usize, number: f64, count: u32): bool {
  const generation = generationOf(set, <i64>number);
  if (generation == 0) return false;
  let capacity: u32 = load<u32>(generation, CAPACITY);
  const had = capacity;
  while (capacity <= SLOTS_MAX && count > capacity - (capacity >> 3)) capacity <<= 1;
  return capacity == had || resize(set, generation, capacity);
}

export const IMPORTED: i32 = 0;
export const NO_MEMORY: i32 = -1;
export const BAD_ENTRY: i32 = -2;

/** Adds exported entries for good. BAD_ENTRY where a time lies outside of the generation. */
export function importEntries(set: usize, number: f64, count: u32, entries: usize): i32 {
  const generation = generationOf(set, <i64>number);
  if (generation == 0) return NO_MEMORY;
  const span: i64 = load<i64>(set, SPAN);
  for (let i: usize = 0; i < <usize>count; i++) {
    const entry = entries + i * ENTRY_BYTES;
    const ms: u32 = load<u32>(entry, 16);
    if (<i64>ms >= span) return BAD_ENTRY;
    if (!settle(set, generation, load<u64>(entry), load<u64>(entry, 8), ms)) return NO_MEMORY;
  }
  return IMPORTED;
}
