/**
 * Fills the leaf columns of a plan while its records are scanned: one pass checks a value, finds out what it says
 * exactly, and puts it where the encoder takes it from. A value that its column cannot hold exactly rejects the
 * record; of a double with more digits than it has, and of a time with digits below the microsecond, the text is kept
 * in `extra`, as is whatever no column is for.
 *
 * Nothing has to be done for what is absent: every leaf knows the level of the innermost container around it that was
 * there (Dremel's definition level), and a row or an element that ends without a value of it gets that level.
 */
import { allocate, release } from "./memory";
import {
  LIST,
  IGNORED,
  IGNORED_TIME,
  JSON,
  NONE,
  SECTION,
  STRUCT,
  UNKNOWN,
  isNumeric,
  isValue,
} from "./column-kinds";
import {
  addExtra,
  beginExtra,
  beginTexts,
  closeExtra,
  extraLength,
  finishExtra,
  releaseTexts,
} from "./extra";
import { lastBlock, sizeTexts, usedTexts } from "./extra";
import { KEY_AT, KEY_LENGTH } from "./extra";
import {
  appendEntry,
  beginInput,
  clearLeaf,
  createLeaf,
  definitionsOf,
  destroyLeaf,
  entryCount,
  hasGrown,
  markEntries,
  maxRepetition,
  pendingOf,
  reserveEntries,
  reserveRows,
  setEntryCount,
  setPending,
  slotsOf,
  startsOf,
  storeText,
} from "./leaf";
import {
  FRAME,
  NODE,
  adopt,
  checkOf,
  childOf,
  columnKind,
  columnsOf,
  describeNode,
  firstField,
  firstLeafOf,
  framesOf,
  leafCountOf,
  levelOf,
  repetitionOf,
  rootNode,
  setColumns,
  setElement,
  setQuick,
  setReadsNumbers,
} from "./plan";
import { hashKey } from "./keys";
import { beginWide, wideBlock, wideTop } from "./wide";

// Why a record has no row.
export const WRONG_TYPE: u8 = 1;
export const VALUE_INEXACT: u8 = 2;
export const VALUE_OUT_OF_RANGE: u8 = 3;
/** A string that is no plain decimal, no time, no date. */
export const MALFORMED: u8 = 4;

// The columns of a plan.
const LEAVES: usize = 0;
const LEAF_COUNT: usize = 4;
const UNKNOWN_NODE: usize = 12;
const TEXT_BLOCK: usize = 16;
const TEXT_USED: usize = 20;
const TEXT_SIZE: usize = 24;
const REPEATED: usize = 28;
const REPEATED_COUNT: usize = 32;
const ROWS: usize = 36;
const WIDE_BLOCK: usize = 40;
const WIDE_TOP: usize = 44;
/** Per leaf the node whose value it takes; 0 where there is none. */
const NODES: usize = 48;
const HEAD: usize = 64;

/** The first leaf says of each row why there is none: as definition a code, as slot where the value starts. */
const REJECTIONS: u32 = 0;
/** The second one is `extra`. */
const EXTRA: u32 = 1;

let columns: usize = 0;
let leaves: usize = 0;
let frames: usize = 0;
/** The row that is filled. */
export let row: usize = 0;
let repetition: u8 = 0;
export let isRejected: bool = false;
/** What a key that no column is for leads to. */
export let unknownNode: usize = 0;
// The raw key of the value that comes, in an object.
export let keyAt: usize = 0;
export let keyLength: u32 = 0;

export function leafAt(i: u32): usize {
  return load<u32>(leaves + ((<usize>i) << 2));
}

/**
 * Gives a plan columns, from: u32 nodes, leaves; per leaf u8 kind, definition level, repetition level, width, has
 * statistics, three 0; then the nodes, a parent before its children: as `describeNode` takes them, u16 children, and
 * but for the record's own and a list's element u16 length and UTF-8 of the key.
 * @returns false when there is no memory; the plan is as before then
 */
export function createColumns(plan: usize, from: usize, length: usize): bool {
  const nodeCount: u32 = load<u32>(from);
  const leafCount: u32 = load<u32>(from, 4);
  const nodesAt = (HEAD + <usize>leafCount * 12 + 15) & ~15;
  const textAt = nodesAt + (<usize>nodeCount + 1) * NODE;
  const made = allocate(textAt + length + 32);
  if (made == 0) return false;
  memory.fill(made, 0, textAt);
  memory.copy(made + textAt, from, length);
  memory.fill(made + textAt + length, 0, 32);
  store<u32>(made, <u32>(made + HEAD), LEAVES);
  store<u32>(made, leafCount, LEAF_COUNT);
  store<u32>(made, <u32>(made + HEAD + ((<usize>leafCount) << 2)), REPEATED);
  nodes = made + HEAD + ((<usize>leafCount) << 3);
  store<u32>(made, <u32>nodes, NODES);
  let at = made + textAt + 8;
  leaves = made + HEAD;
  let repeated: u32 = 0;
  for (let i: u32 = 0; i < leafCount; i++) {
    const leaf = createLeaf(
      load<u8>(at),
      load<u8>(at, 1),
      load<u8>(at, 2),
      load<u8>(at, 3),
      load<u8>(at, 4) != 0,
    );
    if (leaf == 0) {
      destroy(made);
      return false;
    }
    store<u32>(leaves + ((<usize>i) << 2), <u32>leaf);
    if (maxRepetition(leaf)) {
      store<u32>(<usize>load<u32>(made, REPEATED) + ((<usize>repeated) << 2), <u32>leaf);
      repeated++;
    }
    at += 8;
  }
  store<u32>(made, repeated, REPEATED_COUNT);
  nextNode = made + nodesAt;
  store<u32>(made, <u32>nextNode, UNKNOWN_NODE);
  const unknown: u64 = UNKNOWN;
  store<u64>(nextNode, unknown, 32);
  nextNode += NODE;
  describe(rootNode(plan), at);
  setColumns(plan, made);
  return true;
}

let nextNode: usize = 0;
let nodes: usize = 0;

/** @returns behind the description of the node and all below it */
function describe(node: usize, from: usize): usize {
  describeNode(node, from);
  if (isNumeric(node)) setReadsNumbers(node);
  if (isValue(node)) store<u32>(nodes + ((<usize>firstLeafOf(node)) << 2), <u32>node);
  const children: u32 = load<u16>(from, 10);
  let at = from + 12;
  if (columnKind(node) == LIST) {
    const element = nextNode;
    nextNode += NODE;
    setElement(node, element);
    return describe(element, at);
  }
  for (let i: u32 = 0; i < children; i++) {
    const size: u32 = load<u16>(at);
    const key = at + 2;
    const hash = hashKey(key, size);
    let child = childOf(node, hash, key, size);
    if (child == 0) {
      child = nextNode;
      nextNode += NODE;
      adopt(node, child, hash, key, size);
    }
    at = describe(child, key + size);
  }
  return at;
}

function destroy(made: usize): void {
  const count: u32 = load<u32>(made, LEAF_COUNT);
  const all: usize = load<u32>(made, LEAVES);
  for (let i: u32 = 0; i < count; i++) {
    const leaf: usize = load<u32>(all + ((<usize>i) << 2));
    if (leaf) destroyLeaf(leaf);
  }
  releaseTexts(load<u32>(made, TEXT_BLOCK));
  releaseTexts(load<u32>(made, WIDE_BLOCK));
  release(made);
}

export function destroyColumns(plan: usize): void {
  if (columnsOf(plan)) destroy(columnsOf(plan));
}

/** Forgets all rows. */
export function resetColumns(plan: usize): void {
  const made = columnsOf(plan);
  const all: usize = load<u32>(made, LEAVES);
  for (let i: u32 = 0; i < load<u32>(made, LEAF_COUNT); i++) clearLeaf(load<u32>(all + ((<usize>i) << 2)));
  releaseTexts(load<u32>(made, TEXT_BLOCK));
  releaseTexts(load<u32>(made, WIDE_BLOCK));
  memory.fill(made + TEXT_BLOCK, 0, 12);
  memory.fill(made + ROWS, 0, 12);
}

/**
 * Prepares to fill `count` rows more. @returns false when there is no memory
 */
export function beginColumns(plan: usize, count: u32): bool {
  columns = columnsOf(plan);
  unknownNode = 0;
  if (columns == 0) return true;
  leaves = load<u32>(columns, LEAVES);
  frames = framesOf(plan);
  const first: u32 = load<u32>(columns, ROWS);
  beginInput();
  row = first;
  for (let i: u32 = 0; i < load<u32>(columns, LEAF_COUNT); i++) {
    const leaf = leafAt(i);
    if (maxRepetition(leaf)) {
      if (!reserveRows(leaf, first + count)) return false;
      continue;
    }
    if (!reserveEntries(leaf, first + count)) return false;
    memory.fill(definitionsOf(leaf) + first, 0, count);
    setEntryCount(leaf, first + count);
    const node: usize = load<u32>(<usize>load<u32>(columns, NODES) + ((<usize>i) << 2));
    if (node) paveWay(node, leaf);
  }
  unknownNode = load<u32>(columns, UNKNOWN_NODE);
  beginWide(load<u32>(columns, WIDE_BLOCK), load<u32>(columns, WIDE_TOP));
  beginTexts(
    frames,
    load<u32>(columns, TEXT_BLOCK),
    load<u32>(columns, TEXT_USED),
    load<u32>(columns, TEXT_SIZE),
  );
  return true;
}

/** Makes the short way (quick.ts) to a leaf ready: its arrays lie where they will be filled. */
function paveWay(node: usize, leaf: usize): void {
  const isShort = firstField(node) == 0 && checkOf(node) == 0 && maxRepetition(leaf) == 0;
  setQuick(node, isShort ? columnKind(node) : 0, leaf, slotsOf(leaf), definitionsOf(leaf));
}

/** @param isDone whether all rows count; where not, none of them does */
export function endColumns(isDone: bool): void {
  if (columns == 0) return;
  if (isDone) store<u32>(columns, <u32>row, ROWS);
  store<u32>(columns, <u32>lastBlock, TEXT_BLOCK);
  store<u32>(columns, <u32>usedTexts(), TEXT_USED);
  store<u32>(columns, <u32>sizeTexts(), TEXT_SIZE);
  store<u32>(columns, <u32>wideBlock, WIDE_BLOCK);
  store<u32>(columns, <u32>wideTop, WIDE_TOP);
}

function repeatedAt(i: u32): usize {
  return load<u32>(<usize>load<u32>(columns, REPEATED) + ((<usize>i) << 2));
}

export function beginColumnRow(): void {
  if (columns == 0) return;
  repetition = 0;
  isRejected = false;
  beginExtra();
  for (let i: u32 = 0; i < load<u32>(columns, REPEATED_COUNT); i++) {
    const leaf = repeatedAt(i);
    store<u32>(startsOf(leaf) + (row << 2), entryCount(leaf));
    markEntries(leaf);
    setPending(leaf, 0);
  }
}

/** @returns false when there is no memory */
export function endColumnRow(): bool {
  if (columns == 0) return true;
  repetition = 0;
  for (let i: u32 = 0; i < load<u32>(columns, REPEATED_COUNT); i++) {
    const leaf = repeatedAt(i);
    if (!hasGrownSince(leaf) && !push(leaf, pendingOf(leaf))) return false;
    store<u32>(startsOf(leaf) + (row << 2), entryCount(leaf), 4);
  }
  const text = finishExtra();
  if (text && !isRejected) putText(leafAt(EXTRA), text, extraLength, 1);
  row++;
  return true;
}

function hasGrownSince(leaf: usize): bool {
  return entryCount(leaf) != load<u32>(startsOf(leaf) + (row << 2));
}

export function reject(code: u8, at: usize): void {
  if (isRejected) return;
  isRejected = true;
  store<u8>(definitionsOf(leafAt(REJECTIONS)) + row, code);
  store<u64>(slotsOf(leafAt(REJECTIONS)) + (row << 3), at);
}

/** Adds an entry without a value. */
function push(leaf: usize, level: u8): bool {
  if (!reserveEntries(leaf, entryCount(leaf) + 1)) return false;
  appendEntry(leaf, level, repetition);
  return true;
}

/** The slot of a value that is there; 0 without memory. */
export function slotFor(node: usize): usize {
  const leaf = leafAt(firstLeafOf(node));
  if (maxRepetition(leaf) == 0) {
    store<u8>(definitionsOf(leaf) + row, levelOf(node));
    return slotsOf(leaf) + (row << 3);
  }
  if (!reserveEntries(leaf, entryCount(leaf) + 1)) return 0;
  return appendEntry(leaf, levelOf(node), repetition);
}

function putText(leaf: usize, text: usize, length: u32, level: u8): void {
  store<u8>(definitionsOf(leaf) + row, level);
  store<u32>(slotsOf(leaf) + (row << 3), <u32>text);
  store<u32>(slotsOf(leaf) + (row << 3), length, 4);
}

/** The raw key, quotes included, of the value that comes. */
export function noteKey(at: usize, length: u32): void {
  keyAt = at;
  keyLength = length;
}

/** Whether a key without a node is to be kept. */
export function isOpen(node: usize): bool {
  const kind = columnKind(node);
  return kind == SECTION || kind == STRUCT;
}

/** A container begins: its frame is `depth`, that of the container around it `depth - 1`. */
export function enter(node: usize, depth: u32, start: usize): void {
  const kind = columnKind(node);
  const frame = frames + <usize>depth * FRAME;
  store<u32>(frame, <u32>keyAt, KEY_AT);
  store<u32>(frame, keyLength, KEY_LENGTH);
  store<u8>(frame, repetition, OUTER_REPETITION);
  if (kind == NONE || kind == JSON || kind == IGNORED || kind == UNKNOWN || isRejected) return;
  const isObject = load<u8>(start) == 123;
  if (kind == IGNORED_TIME) return;
  if (kind > LIST || isObject != (kind != LIST)) {
    reject(WRONG_TYPE, start);
    return;
  }
  if (kind == SECTION) return;
  const first = firstLeafOf(node);
  const level = levelOf(node);
  for (let i = first; i < first + leafCountOf(node); i++) {
    const leaf = leafAt(i);
    if (maxRepetition(leaf)) setPending(leaf, level);
    else store<u8>(definitionsOf(leaf) + row, level);
  }
}
const OUTER_REPETITION: usize = 28;

/** An element of a list begins. `index` counts from 0. */
export function beginElement(node: usize, index: u32): void {
  keyAt = 0;
  keyLength = index;
  if (isRejected) return;
  if (index) repetition = repetitionOf(node);
  const level = levelOf(node) + 1;
  const first = firstLeafOf(node);
  for (let i = first; i < first + leafCountOf(node); i++) {
    markEntries(leafAt(i));
    setPending(leafAt(i), level);
  }
}

/** @returns false when there is no memory */
export function endElement(node: usize): bool {
  if (isRejected) return true;
  const first = firstLeafOf(node);
  for (let i = first; i < first + leafCountOf(node); i++) {
    const leaf = leafAt(i);
    if (!hasGrown(leaf) && !push(leaf, pendingOf(leaf))) return false;
  }
  return true;
}

/** A container with a column ends, after its last element. @returns false when there is no memory */
export function leaveContainer(node: usize, depth: u32, isEmpty: bool, start: usize, end: usize): bool {
  const kind = columnKind(node);
  const frame = frames + <usize>depth * FRAME;
  keyAt = load<u32>(frame, KEY_AT);
  keyLength = load<u32>(frame, KEY_LENGTH);
  repetition = load<u8>(frame, OUTER_REPETITION);
  if (isRejected) return true;
  if (kind == JSON || kind == UNKNOWN) return takeRaw(node, depth, start, end - start);
  if (kind == LIST && isEmpty) {
    const first = firstLeafOf(node);
    for (let i = first; i < first + leafCountOf(node); i++) if (!push(leafAt(i), levelOf(node))) return false;
  }
  if (kind <= LIST && depth) closeExtra(depth);
  return true;
}

export function takeRaw(node: usize, depth: u32, start: usize, length: usize): bool {
  if (columnKind(node) == UNKNOWN) return addExtra(depth - 1, keyAt, keyLength, start, length);
  const slot = slotFor(node);
  return slot != 0 && storeText(leafAt(firstLeafOf(node)), slot, false, start, length);
}
/** Rows that were filled. */
export function rowCount(plan: usize): u32 {
  return load<u32>(columnsOf(plan), ROWS);
}
/** A plan's leaf by its place in the description. */
export function leafOf(plan: usize, i: u32): usize {
  return load<u32>(<usize>load<u32>(columnsOf(plan), LEAVES) + ((<usize>i) << 2));
}
