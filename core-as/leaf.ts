/**
 * A leaf column: the values of one Parquet column in the order of the rows as they were read, before anybody knows in
 * which order they are written. Levels are Dremel's (Melnik et al., 2010). Without a list around it a leaf has one
 * entry per row; inside of lists it also knows where each row's entries begin.
 *
 * An entry is a slot of 8 bytes: an integer, a double, 0 or 1, or where a text is (u32 address, u32 length, whose
 * highest bit says that it has escapes). Wide decimals are big-endian bytes somewhere else.
 */
import { allocate, release } from "./memory";
import { copyText, unescape } from "./text";

export const BOOLEAN: u8 = 0;
export const INTEGER: u8 = 1;
export const NARROW_INTEGER: u8 = 2;
export const DOUBLE: u8 = 3;
export const TEXT: u8 = 4;
/** Fixed length, big-endian two's complement. */
export const WIDE: u8 = 5;

const LEAF: usize = 64;
const KIND: usize = 0;
const MAX_DEFINITION: usize = 1;
const MAX_REPETITION: usize = 2;
const WIDTH: usize = 3;
const HAS_STATISTICS: usize = 4;
const SLOTS: usize = 8;
const DEFINITIONS: usize = 12;
const REPETITIONS: usize = 16;
const STARTS: usize = 20;
const CAPACITY: usize = 24;
const COUNT: usize = 28;
const ROW_CAPACITY: usize = 32;
/** While rows are read: the level of the innermost container around the leaf, and its entries at the last element. */
const PENDING: usize = 36;
const MARK: usize = 40;
/** Blocks of texts, each with the address of the one before it at its start. */
const TEXT_BLOCK: usize = 44;
const TEXT_TOP: usize = 48;
const TEXT_END: usize = 52;

/** Whether a text was left in the input since `beginInput`. */
export let isInputKept: bool = false;

export function beginInput(): void {
  isInputKept = false;
}

/** Longer texts stay where they were scanned. */
const SHORT_TEXT: usize = 128;
const FIRST_BLOCK: usize = 2048;
const LARGEST_BLOCK: usize = 1 << 17;
/** Copies and texts without escapes may write so much behind their end. */
const SPILL: usize = 32;

export const ESCAPED: u32 = 0x80000000;

export function createLeaf(kind: u8, definition: u8, repetition: u8, width: u8, isBounded: bool): usize {
  const leaf = allocate(LEAF);
  if (leaf == 0) return 0;
  memory.fill(leaf, 0, LEAF);
  store<u8>(leaf, kind, KIND);
  store<u8>(leaf, definition, MAX_DEFINITION);
  store<u8>(leaf, repetition, MAX_REPETITION);
  store<u8>(leaf, width, WIDTH);
  store<u8>(leaf, isBounded ? 1 : 0, HAS_STATISTICS);
  return leaf;
}

export function destroyLeaf(leaf: usize): void {
  clearLeaf(leaf);
  release(leaf);
}

/** Forgets all entries and gives their memory back: most tables of a thousand have nothing to write. */
export function clearLeaf(leaf: usize): void {
  release(slotsOf(leaf));
  release(definitionsOf(leaf));
  release(repetitionsOf(leaf));
  release(startsOf(leaf));
  let block: usize = load<u32>(leaf, TEXT_BLOCK);
  while (block) {
    const before: usize = load<u32>(block);
    release(block);
    block = before;
  }
  memory.fill(leaf + SLOTS, 0, LEAF - SLOTS);
}

/**
 * Puts a text into a slot. Short ones are copied, without escapes: those of a column side by side are read again and
 * again while it is encoded, where those of the input would be fetched from far apart.
 * @returns false when there is no memory
 */
export function storeText(leaf: usize, slot: usize, isEscaped: bool, start: usize, length: usize): bool {
  if (length > SHORT_TEXT) {
    isInputKept = true;
    store<u32>(slot, <u32>start);
    store<u32>(slot, <u32>length | (isEscaped ? ESCAPED : 0), 4);
    return true;
  }
  const to = textRoom(leaf, SHORT_TEXT);
  if (to == 0) return false;
  let plain = length;
  if (isEscaped) plain = unescape(start, length, to);
  else copyText(to, start, length);
  keepText(leaf, slot, to, plain);
  return true;
}

/** Puts a text that was made in the leaf's own room into a slot. */
export function keepText(leaf: usize, slot: usize, at: usize, length: usize): void {
  store<u32>(leaf, <u32>(at + length), TEXT_TOP);
  store<u32>(slot, <u32>at);
  store<u32>(slot, <u32>length, 4);
}

/** Where a text of at most `length` bytes fits, and as many behind it as are written with it; 0 without memory. */
export function textRoom(leaf: usize, length: usize): usize {
  const top: usize = load<u32>(leaf, TEXT_TOP);
  if (top != 0 && top + length + SPILL <= <usize>load<u32>(leaf, TEXT_END)) return top;
  const last: usize = load<u32>(leaf, TEXT_BLOCK);
  const usual = last
    ? min<usize>((<usize>load<u32>(leaf, TEXT_END) - last) << 1, LARGEST_BLOCK)
    : FIRST_BLOCK;
  const size = max<usize>(usual, length + SPILL + 16);
  const block = allocate(size);
  if (block == 0) return 0;
  store<u32>(block, <u32>last);
  store<u32>(leaf, <u32>block, TEXT_BLOCK);
  store<u32>(leaf, <u32>(block + size), TEXT_END);
  return block + 16;
}

export function kindOf(leaf: usize): u8 {
  return load<u8>(leaf, KIND);
}
export function maxDefinition(leaf: usize): u8 {
  return load<u8>(leaf, MAX_DEFINITION);
}
export function maxRepetition(leaf: usize): u8 {
  return load<u8>(leaf, MAX_REPETITION);
}
export function widthOf(leaf: usize): usize {
  return load<u8>(leaf, WIDTH);
}
export function hasStatistics(leaf: usize): bool {
  return load<u8>(leaf, HAS_STATISTICS) != 0;
}
export function slotsOf(leaf: usize): usize {
  return load<u32>(leaf, SLOTS);
}
export function definitionsOf(leaf: usize): usize {
  return load<u32>(leaf, DEFINITIONS);
}
export function repetitionsOf(leaf: usize): usize {
  return load<u32>(leaf, REPETITIONS);
}
export function startsOf(leaf: usize): usize {
  return load<u32>(leaf, STARTS);
}
export function entryCount(leaf: usize): u32 {
  return load<u32>(leaf, COUNT);
}

function grown(old: usize, used: usize, bytes: usize): usize {
  const fresh = allocate(bytes);
  if (fresh == 0) return 0;
  if (used) memory.copy(fresh, old, used);
  release(old);
  return fresh;
}

export function pendingOf(leaf: usize): u8 {
  return load<u8>(leaf, PENDING);
}
export function setPending(leaf: usize, level: u8): void {
  store<u8>(leaf, level, PENDING);
}
/** Remembers how many entries there are now. */
export function markEntries(leaf: usize): void {
  store<u32>(leaf, entryCount(leaf), MARK);
}
export function hasGrown(leaf: usize): bool {
  return entryCount(leaf) != load<u32>(leaf, MARK);
}

/** Room for entries up to `capacity`. @returns false when there is no memory; nothing is lost then */
export function reserveEntries(leaf: usize, capacity: u32): bool {
  if (capacity <= load<u32>(leaf, CAPACITY)) return true;
  const used: usize = entryCount(leaf);
  const wanted: usize = max<usize>(capacity, used << 1);
  const slots = grown(slotsOf(leaf), used << 3, wanted << 3);
  if (slots == 0) return false;
  store<u32>(leaf, <u32>slots, SLOTS);
  const definitions = grown(definitionsOf(leaf), used, wanted);
  if (definitions == 0) return false;
  store<u32>(leaf, <u32>definitions, DEFINITIONS);
  if (maxRepetition(leaf)) {
    const repetitions = grown(repetitionsOf(leaf), used, wanted);
    if (repetitions == 0) return false;
    store<u32>(leaf, <u32>repetitions, REPETITIONS);
  }
  store<u32>(leaf, <u32>wanted, CAPACITY);
  return true;
}

/** Room to say where the entries of `rows` rows begin, of a leaf inside of lists. */
export function reserveRows(leaf: usize, rows: u32): bool {
  if (rows <= load<u32>(leaf, ROW_CAPACITY)) return true;
  const starts = grown(
    startsOf(leaf),
    (<usize>load<u32>(leaf, ROW_CAPACITY) + 1) << 2,
    (<usize>rows + 1) << 2,
  );
  if (starts == 0) return false;
  store<u32>(leaf, <u32>starts, STARTS);
  store<u32>(leaf, rows, ROW_CAPACITY);
  return true;
}

/** Of a leaf whose entries are its rows: so many there are now. */
export function setEntryCount(leaf: usize, count: u32): void {
  store<u32>(leaf, count, COUNT);
}

/** Appends an entry of a leaf inside of lists; room was reserved. @returns the address of its slot */
export function appendEntry(leaf: usize, definition: u8, repetition: u8): usize {
  const entry: usize = entryCount(leaf);
  store<u8>(definitionsOf(leaf) + entry, definition);
  store<u8>(repetitionsOf(leaf) + entry, repetition);
  store<u32>(leaf, <u32>entry + 1, COUNT);
  return slotsOf(leaf) + (entry << 3);
}
