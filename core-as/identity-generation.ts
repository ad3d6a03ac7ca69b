/**
 * Generations of an identity set: the entries whose ingest time lies in one span, a journal of those that are
 * tentative, and sealed parts (sealed-part.ts).
 *
 * Load of a table never exceeds 7/8, tombstones included, so every probe ends (identity-table.ts).
 */
import { FULL, give, hasBudget, NO_MEMORY, refuse, take } from "./identity-budget";
import {
  EMPTY,
  NOWHERE,
  SLOT_BYTES,
  copyEntries,
  eraseSlot,
  fillSlot,
  findSlot,
  freeSlot,
  mixIdentity,
} from "./identity-table";
import { absorbOlder, dropPart, makeBlind, PART_COUNT, PART_MAX, PART_NEXT, PART_STAMP } from "./sealed-part";

// A set.
export const HORIZON: usize = 0;
export const SPAN: usize = 8;
export const LIST: usize = 16;
export const LIST_LENGTH: usize = 20;
export const LIST_CAPACITY: usize = 24;
export const SIZE: usize = 28;
export const TENTATIVE: usize = 36;
/** Entries in sealed parts. */
export const SEALED: usize = 40;
export const SET: usize = 48;

// A generation: the number of its span of ingest time, its table and its journal.
export const NUMBER: usize = 0;
export const TABLE: usize = 8;
export const CAPACITY: usize = 12;
export const LIVE: usize = 16;
/** Live entries and tombstones. */
export const FILLED: usize = 20;
export const JOURNAL: usize = 24;
export const JOURNAL_LENGTH: usize = 28;
export const JOURNAL_CAPACITY: usize = 32;
/** The journal's length before the call that is running. */
export const MARK: usize = 36;
/** u64: drawn anew at every change, never twice in a kernel. */
export const STAMP: usize = 40;
/** Address of the newest sealed part. */
export const PARTS: usize = 48;
/** Entries in sealed parts. */
export const PARTS_COUNT: usize = 52;
export const GENERATION: usize = 56;

export const SLOTS_MIN: u32 = 16;
export const SLOTS_MAX: u32 = 0x08000000;
let stamps: u64 = 0;

export function bump(address: usize, offset: usize, by: i32): void {
  store<u32>(address + offset, load<u32>(address + offset) + <u32>by);
}

export function newStamp(): u64 {
  return ++stamps;
}

export function touch(generation: usize): void {
  store<u64>(generation, newStamp(), STAMP);
}

export function generationAt(set: usize, i: u32): usize {
  return load<u32>(<usize>load<u32>(set, LIST) + (i << 2));
}

export function dropGeneration(set: usize, generation: usize): void {
  give(set, load<u32>(generation, TABLE));
  give(set, load<u32>(generation, JOURNAL));
  let part: usize = load<u32>(generation, PARTS);
  while (part != 0) {
    const next: usize = load<u32>(part, PART_NEXT);
    dropPart(set, part);
    part = next;
  }
  give(set, generation);
}

/** An empty table of the smallest size, 0 when there is no memory. */
export function smallTable(set: usize): usize {
  const table = take(set, <usize>SLOTS_MIN * SLOT_BYTES);
  if (table != 0) memory.fill(table, EMPTY, SLOTS_MIN);
  return table;
}

/** The place of the first generation whose number is at least `number`. Looks from the newest. */
export function lowerBound(set: usize, number: i64): u32 {
  let i: u32 = load<u32>(set, LIST_LENGTH);
  while (i > 0 && load<i64>(generationAt(set, i - 1), NUMBER) >= number) i--;
  return i;
}

export function floorDivide(value: i64, by: i64): i64 {
  const quotient = value / by;
  return value < 0 && quotient * by != value ? quotient - 1 : quotient;
}

// ---- entries of one generation

export function find(generation: usize, low: u64, high: u64, hash: u64): u32 {
  return findSlot(load<u32>(generation, TABLE), load<u32>(generation, CAPACITY), low, high, hash);
}

/** Makes room for one more entry. @returns false when there is no memory: nothing has changed then */
export function makeRoom(set: usize, generation: usize): bool {
  const capacity: u32 = load<u32>(generation, CAPACITY);
  const live: u32 = load<u32>(generation, LIVE);
  const allowed: u32 = capacity - (capacity >> 3);
  if (load<u32>(generation, FILLED) < allowed) return true;
  // where tombstones are what fills it, a table of the same size is enough
  const fresh: u32 = live > capacity - (capacity >> 2) ? capacity << 1 : capacity;
  return resize(set, generation, fresh);
}

/** Moves a generation's entries to a table of another capacity. @returns false when there is no memory */
export function resize(set: usize, generation: usize, fresh: u32): bool {
  if (fresh > SLOTS_MAX) return refuse(NO_MEMORY);
  if (fresh > PART_MAX && hasBudget()) return refuse(FULL);
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

/** Adds an identity that is not there; the caller touches the generation. @returns false when there is no memory */
export function addEntry(set: usize, generation: usize, low: u64, high: u64, ms: u32, hash: u64): bool {
  if (!makeRoom(set, generation)) return false;
  const table: usize = load<u32>(generation, TABLE);
  const capacity: u32 = load<u32>(generation, CAPACITY);
  const slot = freeSlot(table, capacity, hash);
  if (load<u8>(table + slot) == EMPTY) bump(generation, FILLED, 1);
  fillSlot(table, capacity, slot, low, high, ms, hash);
  bump(generation, LIVE, 1);
  bump(set, SIZE, 1);
  return true;
}

export function removeEntry(set: usize, generation: usize, low: u64, high: u64): void {
  const slot = find(generation, low, high, mixIdentity(low, high));
  if (slot == NOWHERE) return;
  if (eraseSlot(load<u32>(generation, TABLE), slot)) bump(generation, FILLED, -1);
  bump(generation, LIVE, -1);
  bump(set, SIZE, -1);
  touch(generation);
}

// ---- generations

/** Finds or makes the generation of `number`. @returns 0 when there is no memory */
export function generationOf(set: usize, number: i64): usize {
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
  const table = smallTable(set);
  if (table == 0) {
    give(set, generation);
    return 0;
  }
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

export function addToJournal(set: usize, generation: usize, low: u64, high: u64): bool {
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

export function emptyJournal(set: usize, generation: usize): void {
  bump(set, TENTATIVE, -(<i32>load<u32>(generation, JOURNAL_LENGTH)));
  give(set, load<u32>(generation, JOURNAL));
  store<u32>(generation, 0, JOURNAL);
  store<u32>(generation, 0, JOURNAL_LENGTH);
  store<u32>(generation, 0, JOURNAL_CAPACITY);
}

/** Empties a generation whose entries are elsewhere now. `table` is its own, or one of the smallest size instead. */
export function replaceTable(set: usize, generation: usize, table: usize): void {
  const before: usize = load<u32>(generation, TABLE);
  const capacity: u32 = before == table ? load<u32>(generation, CAPACITY) : SLOTS_MIN;
  if (before != table) give(set, before);
  memory.fill(table, EMPTY, capacity);
  bump(set, SIZE, -(<i32>load<u32>(generation, LIVE)));
  store<u32>(generation, <u32>table, TABLE);
  store<u32>(generation, capacity, CAPACITY);
  store<u32>(generation, 0, LIVE);
  store<u32>(generation, 0, FILLED);
  touch(generation);
}

/** Adds a part as the newest. Blind ones side by side are one. */
export function addPart(set: usize, generation: usize, part: usize): void {
  store<u64>(part, newStamp(), PART_STAMP);
  store<u32>(part, load<u32>(generation, PARTS), PART_NEXT);
  store<u32>(generation, <u32>part, PARTS);
  bump(generation, PARTS_COUNT, <i32>load<u32>(part, PART_COUNT));
  bump(set, SEALED, <i32>load<u32>(part, PART_COUNT));
  absorbOlder(set, part);
}

/** Gives the filter of the part at `index` back, newest first. */
export function blindPartOf(set: usize, generation: usize, index: u32): void {
  let newer: usize = 0;
  let part: usize = load<u32>(generation, PARTS);
  for (let i: u32 = 0; i < index; i++) {
    newer = part;
    part = load<u32>(part, PART_NEXT);
  }
  makeBlind(set, part);
  store<u64>(part, newStamp(), PART_STAMP);
  absorbOlder(set, part);
  if (newer != 0) absorbOlder(set, newer);
}

/** Removes what the journal gained since it had `length` entries. */
export function undoTo(set: usize, generation: usize, length: u32): void {
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
