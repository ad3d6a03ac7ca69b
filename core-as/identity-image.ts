/**
 * Sealing, and state images of an identity set: generation by generation, oldest first; entries one by one, sealed
 * parts as they lie in memory. A part is known by its place, newest first.
 */
import { DONE, give, refusal, sealing } from "./identity-budget";
import {
  addPart,
  blindPartOf,
  CAPACITY,
  generationAt,
  generationOf,
  LIST_LENGTH,
  LIVE,
  NUMBER,
  PARTS,
  replaceTable,
  resize,
  SLOTS_MAX,
  SLOTS_MIN,
  smallTable,
  SPAN,
  STAMP,
  TABLE,
  TENTATIVE,
} from "./identity-generation";
import { settle } from "./identity-set";
import { copyOut, ENTRY_BYTES } from "./identity-table";
import { buildPart, PART_BODY, PART_COUNT, PART_NEXT, PART_STAMP, restorePart } from "./sealed-part";

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

export const BAD_ENTRY: i32 = -2;

/**
 * Adds exported entries for good.
 * @returns how many, fewer when memory ran out; BAD_ENTRY where a time lies outside of the generation
 */
export function importEntries(set: usize, number: f64, count: u32, entries: usize): i32 {
  const generation = generationOf(set, <i64>number);
  if (generation == 0) return 0;
  const span: i64 = load<i64>(set, SPAN);
  for (let i: usize = 0; i < <usize>count; i++) {
    const entry = entries + i * ENTRY_BYTES;
    const ms: u32 = load<u32>(entry, 16);
    if (<i64>ms >= span) return BAD_ENTRY;
    if (!settle(set, generation, load<u64>(entry), load<u64>(entry, 8), ms)) return <i32>i;
  }
  return <i32>count;
}

// ---- sealed parts

/** Slots of a generation's table, by which the host chooses what to seal. */
export function generationSlots(set: usize, place: u32): u32 {
  return load<u32>(generationAt(set, place), CAPACITY);
}

/**
 * Turns the entries of a generation into a sealed part; nothing of the set may be tentative. Without entries only
 * the table shrinks.
 * @param isBlind without a filter, for want of memory
 * @param keepsTable it stays as large as it is: for a generation that goes on filling it
 * @returns DONE or why not: nothing has changed then
 */
export function seal(set: usize, place: u32, isBlind: bool, keepsTable: bool): i32 {
  const generation = generationAt(set, place);
  const live: u32 = load<u32>(generation, LIVE);
  if (load<u32>(set, TENTATIVE) != 0) return BAD_ENTRY;
  const capacity: u32 = load<u32>(generation, CAPACITY);
  const table: usize = load<u32>(generation, TABLE);
  sealing(true);
  const small: usize = keepsTable || capacity == SLOTS_MIN ? table : smallTable(set);
  const part: usize = small == 0 || live == 0 ? <usize>0 : buildPart(set, table, capacity, live, isBlind);
  sealing(false);
  if (small == 0 || (part == 0 && live != 0)) {
    if (small != table) give(set, small);
    return refusal;
  }
  replaceTable(set, generation, small);
  if (part != 0) addPart(set, generation, part);
  return DONE;
}

/** Address of a generation's newest part, 0 when it has none. Good until the set changes. */
export function newestPart(set: usize, place: u32): usize {
  return load<u32>(generationAt(set, place), PARTS);
}

/** Address of the next older part, 0 behind the oldest. */
export function olderPart(part: usize): usize {
  return load<u32>(part, PART_NEXT);
}

/** Equal stamps, equal parts: for as long as the kernel lives. */
export function partStamp(part: usize): u64 {
  return load<u64>(part, PART_STAMP);
}

/** Address of five u32: entries, first and last ms within the generation, shard bits, bytes of the body. */
export function partNumbers(part: usize): usize {
  return part + PART_COUNT;
}

/** Address of the body, 0 when the part is blind. */
export function partBody(part: usize): usize {
  return load<u32>(part, PART_BODY);
}

/** Gives the filter of a part back, newest first: from now on it says maybe to everything near. */
export function blindPart(set: usize, place: u32, index: u32): void {
  blindPartOf(set, generationAt(set, place), index);
}

/**
 * Adds a part: the five numbers and the body of an exported one.
 * @returns DONE, BAD_ENTRY when it is no part of such a generation, or why there is no memory
 */
export function importPart(set: usize, number: f64, image: usize, length: u32): i32 {
  const generation = generationOf(set, <i64>number);
  if (generation == 0) return refusal;
  const part = restorePart(set, image, length, load<i64>(set, SPAN));
  if (part == 0) return refusal;
  if (part == 1) return BAD_ENTRY;
  addPart(set, generation, part);
  return DONE;
}
