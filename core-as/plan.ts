/**
 * A scan plan: limits, and up to 32 paths of object keys whose values the scan reports. The paths form a tree
 * of nodes; the scan holds the node of the object it is in, so a key costs one test of a bit when no path
 * continues with it.
 *
 * Results are columns (one array per path and property), laid out anew for each scan; the plan holds their
 * addresses, and the host reads them there: README.md has the layout.
 */
import { REGION_RESULTS, allocate, reserve } from "./memory";
import { hashKey } from "./keys";
import { isEqual } from "./text";

export const FIELDS_MAX: u32 = 32;

// The plan's head.
const MAX_BYTES: usize = 0;
const MAX_DEPTH: usize = 4;
const FIELD_COUNT: usize = 8;
const ROOT: usize = 12;
const FRAMES: usize = 16;
const VERDICTS: usize = 20;
const ERRORS: usize = 24;
const STARTS: usize = 28;
const LENGTHS: usize = 32;
const SHAPES: usize = 36;
const LAST_SHAPE: usize = 40;
const SHAPE_COUNT: usize = 44;
const MISSED: usize = 48;
const COLUMNS: usize = 52;
const CHECKS: usize = 56;
const VIOLATIONS: usize = 60;
const HEAD: usize = 64;

// A field: one path and its columns.
export const FIELD: usize = 48;
export const KIND: usize = 0;
export const OPTIONS: usize = 1;
export const SCOPE: usize = 2;
export const TYPES_COLUMN: usize = 4;
export const FLAGS_COLUMN: usize = 8;
export const STARTS_COLUMN: usize = 12;
export const LENGTHS_COLUMN: usize = 16;
export const JAVA_COLUMN: usize = 20;
export const IDENTITIES_COLUMN: usize = 24;
export const TIMES_COLUMN: usize = 28;
const NEXT_FIELD: usize = 32;

export const KIND_TEXT: u8 = 0;
export const KIND_ID: u8 = 1;
export const KIND_TIME: u8 = 2;
export const OPTION_JAVA_HASH: u8 = 1;
/** Of an id: only what its text is, no identity. */
export const OPTION_NO_IDENTITY: u8 = 2;

// A node: one key in the tree of paths.
export const NODE: usize = 80;
const NODE_HASH: usize = 0;
const NODE_KEY: usize = 8;
const NODE_LENGTH: usize = 12;
const FIRST_CHILD: usize = 16;
const NEXT_SIBLING: usize = 20;
const FIRST_FIELD: usize = 24;
/** One bit per hash of a child's key: most keys of an event are on no path. */
const CHILD_BITS: usize = 28;
// What columns.ts makes of the value; all 0 where the plan has no columns.
const COLUMN_KIND: usize = 32;
const PRECISION: usize = 33;
const SCALE: usize = 34;
const IS_QUOTED: usize = 35;
const LEVEL: usize = 36;
const REPETITION: usize = 37;
/** The leaf of a value; of a container the first of those inside of it, and how many there are. */
const FIRST_LEAF: usize = 40;
const LEAF_COUNT: usize = 42;
/** Of a list: the node of its elements. */
const ELEMENT: usize = 44;
// What check.ts asks of the value; all 0 where the plan has no checks.
const CHECK: usize = 48;
/** Whether a number that is the value is read, not only passed. */
const READS_NUMBERS: usize = 52;
/** The object around must have the key. */
const IS_NEEDED: usize = 53;
/** No keys but those of children. */
const IS_CLOSED: usize = 54;
// While records are scanned: the kind of column whose short way (quick.ts) leads from here, and what it leads to. Of
// CHECKED_TEXT: the least bytes, and how many more there may be.
const QUICK_KIND: usize = 55;
const QUICK_LEAF: usize = 56;
const QUICK_SLOTS: usize = 60;
const QUICK_DEFINITIONS: usize = 64;

/** A frame of the scan's stack. */
export const FRAME: usize = 48;

export function maxBytes(plan: usize): u32 {
  return load<u32>(plan, MAX_BYTES);
}
export function maxDepth(plan: usize): u32 {
  return load<u32>(plan, MAX_DEPTH);
}
export function fieldCount(plan: usize): u32 {
  return load<u32>(plan, FIELD_COUNT);
}
export function rootNode(plan: usize): usize {
  return load<u32>(plan, ROOT);
}
export function framesOf(plan: usize): usize {
  return load<u32>(plan, FRAMES);
}
export function verdictsOf(plan: usize): usize {
  return load<u32>(plan, VERDICTS);
}
export function errorsOf(plan: usize): usize {
  return load<u32>(plan, ERRORS);
}
export function startsOf(plan: usize): usize {
  return load<u32>(plan, STARTS);
}
export function lengthsOf(plan: usize): usize {
  return load<u32>(plan, LENGTHS);
}
/** What stands for a record among the shapes (shapes.ts). */
export function shapesOf(plan: usize): usize {
  return load<u32>(plan, SHAPES);
}
export function setShapes(plan: usize, shapes: usize): void {
  store<u32>(plan, <u32>shapes, SHAPES);
}
export function lastShape(plan: usize): usize {
  return load<u32>(plan, LAST_SHAPE);
}
export function setLastShape(plan: usize, shape: usize): void {
  store<u32>(plan, <u32>shape, LAST_SHAPE);
}
export function shapeCount(plan: usize): u32 {
  return load<u32>(plan, SHAPE_COUNT);
}
export function setShapeCount(plan: usize, count: u32): void {
  store<u32>(plan, count, SHAPE_COUNT);
}
/** Objects that had no shape since the shapes were last forgotten. */
export function missedShapes(plan: usize): u32 {
  return load<u32>(plan, MISSED);
}
export function setMissedShapes(plan: usize, count: u32): void {
  store<u32>(plan, count, MISSED);
}
export function fieldAt(plan: usize, i: u32): usize {
  return plan + HEAD + <usize>i * FIELD;
}
/** The address of a field's column, given as one of the `_COLUMN`s. */
export function columnOf(field: usize, column: usize): usize {
  return load<u32>(field + column);
}
export function firstField(node: usize): usize {
  return load<u32>(node, FIRST_FIELD);
}
export function nextField(field: usize): usize {
  return load<u32>(field, NEXT_FIELD);
}

/** The columns of a plan (columns.ts); 0 for none. */
export function columnsOf(plan: usize): usize {
  return load<u32>(plan, COLUMNS);
}
export function setColumns(plan: usize, columns: usize): void {
  store<u32>(plan, <u32>columns, COLUMNS);
}
/** The checks of a plan (check.ts); 0 for none. */
export function checksOf(plan: usize): usize {
  return load<u32>(plan, CHECKS);
}
export function setChecks(plan: usize, checks: usize): void {
  store<u32>(plan, <u32>checks, CHECKS);
}
export function violationsOf(plan: usize): usize {
  return load<u32>(plan, VIOLATIONS);
}
export function checkOf(node: usize): usize {
  return load<u32>(node, CHECK);
}
export function setCheck(node: usize, check: usize, readsNumber: bool): void {
  store<u32>(node, <u32>check, CHECK);
  store<u8>(node, 0, QUICK_KIND);
  if (readsNumber) store<u8>(node, 1, READS_NUMBERS);
}
export function readsNumbers(node: usize): bool {
  return load<u8>(node, READS_NUMBERS) != 0;
}
export function setReadsNumbers(node: usize): void {
  store<u8>(node, 1, READS_NUMBERS);
}
export function isNeeded(node: usize): bool {
  return load<u8>(node, IS_NEEDED) != 0;
}
export function setNeeded(node: usize, isTrue: bool): void {
  store<u8>(node, isTrue ? 1 : 0, IS_NEEDED);
}
export function isClosed(node: usize): bool {
  return load<u8>(node, IS_CLOSED) != 0;
}
export function setClosed(node: usize, isTrue: bool): void {
  store<u8>(node, isTrue ? 1 : 0, IS_CLOSED);
}
export function setColumnKind(node: usize, kind: u8): void {
  store<u8>(node, kind, COLUMN_KIND);
}
export function columnKind(node: usize): u8 {
  return load<u8>(node, COLUMN_KIND);
}
/** The kind of column that the short way (quick.ts) leads to; 0 where there is none. */
export function quickKind(node: usize): u8 {
  return load<u8>(node, QUICK_KIND);
}
export function leafAt(node: usize): usize {
  return load<u32>(node, QUICK_LEAF);
}
export function slotsAt(node: usize): usize {
  return load<u32>(node, QUICK_SLOTS);
}
export function definitionsAt(node: usize): usize {
  return load<u32>(node, QUICK_DEFINITIONS);
}
export function setQuick(node: usize, kind: u8, leaf: usize, slots: usize, definitions: usize): void {
  store<u8>(node, kind, QUICK_KIND);
  store<u32>(node, <u32>leaf, QUICK_LEAF);
  store<u32>(node, <u32>slots, QUICK_SLOTS);
  store<u32>(node, <u32>definitions, QUICK_DEFINITIONS);
}
export function precisionOf(node: usize): i32 {
  return load<u8>(node, PRECISION);
}
export function scaleOf(node: usize): i32 {
  return load<u8>(node, SCALE);
}
export function isQuoted(node: usize): bool {
  return load<u8>(node, IS_QUOTED) != 0;
}
export function levelOf(node: usize): u8 {
  return load<u8>(node, LEVEL);
}
export function repetitionOf(node: usize): u8 {
  return load<u8>(node, REPETITION);
}
export function firstLeafOf(node: usize): u32 {
  return load<u16>(node, FIRST_LEAF);
}
export function leafCountOf(node: usize): u32 {
  return load<u16>(node, LEAF_COUNT);
}
export function elementOf(node: usize): usize {
  return load<u32>(node, ELEMENT);
}
export function setElement(node: usize, element: usize): void {
  store<u32>(node, <u32>element, ELEMENT);
}
/** Takes kind, precision, scale, is quoted, level, repetition, u16 first leaf, u16 leaves from a description. */
export function describeNode(node: usize, from: usize): void {
  store<u32>(node, load<u32>(from), COLUMN_KIND);
  store<u16>(node, load<u16>(from, 4), LEVEL);
  store<u32>(node, load<u32>(from, 6), FIRST_LEAF);
}

function childBit(hash: u64): u32 {
  return (<u32>1) << (<u32>(hash ^ (hash >> 32)) & 31);
}

/** The node that a key leads to, or 0. */
export function childOf(node: usize, hash: u64, key: usize, length: u32): usize {
  if ((load<u32>(node, CHILD_BITS) & childBit(hash)) == 0) return 0;
  let child: usize = load<u32>(node, FIRST_CHILD);
  while (child) {
    if (
      load<u64>(child, NODE_HASH) == hash &&
      load<u32>(child, NODE_LENGTH) == length &&
      isEqual(load<u32>(child, NODE_KEY), key, length)
    ) {
      return child;
    }
    child = load<u32>(child, NEXT_SIBLING);
  }
  return 0;
}

/** The child of `node` after `child`; after 0 the first; 0 at the end. */
export function nextChild(node: usize, child: usize): usize {
  return child ? load<u32>(child, NEXT_SIBLING) : load<u32>(node, FIRST_CHILD);
}

/** Makes `child`, whose bytes are 0, the node behind a key that `node` has no child for. */
export function adopt(node: usize, child: usize, hash: u64, key: usize, length: u32): void {
  store<u64>(child, hash, NODE_HASH);
  store<u32>(child, <u32>key, NODE_KEY);
  store<u32>(child, length, NODE_LENGTH);
  store<u32>(child, load<u32>(node, FIRST_CHILD), NEXT_SIBLING);
  store<u32>(node, <u32>child, FIRST_CHILD);
  store<u32>(node, load<u32>(node, CHILD_BITS) | childBit(hash), CHILD_BITS);
}

/**
 * Builds a plan from: u32 max bytes, max depth, paths; per path u8 kind, options, scope (1 + index of a path,
 * or 0), keys; per key u16 length, UTF-8.
 * @returns its address, 0 when there is no memory
 */
export function createPlan(from: usize, length: usize): usize {
  const depth: u32 = load<u32>(from, 4);
  const paths: u32 = load<u32>(from, 8);
  // every key takes at least two bytes of the description, so this many nodes are enough
  const nodesAt = HEAD + <usize>paths * FIELD;
  const framesAt = (nodesAt + (1 + (length >> 1)) * NODE + 15) & ~15;
  const textAt = framesAt + (<usize>depth + 2) * FRAME;
  const plan = allocate(textAt + length + 32);
  if (plan == 0) return 0;
  memory.fill(plan, 0, textAt);
  memory.copy(plan + textAt, from, length);
  memory.fill(plan + textAt + length, 0, 32);
  store<u32>(plan, load<u32>(from), MAX_BYTES);
  store<u32>(plan, depth, MAX_DEPTH);
  store<u32>(plan, paths, FIELD_COUNT);
  store<u32>(plan, <u32>(plan + nodesAt), ROOT);
  store<u32>(plan, <u32>(plan + framesAt), FRAMES);
  let fresh = plan + nodesAt + NODE;
  let at = plan + textAt + 12;
  for (let i: u32 = 0; i < paths; i++) {
    const field = fieldAt(plan, i);
    store<u32>(field, load<u32>(at) & 0xffffff);
    const keys: u32 = load<u8>(at, 3);
    at += 4;
    let node = rootNode(plan);
    for (let k: u32 = 0; k < keys; k++) {
      const size: u32 = load<u16>(at);
      const hash = hashKey(at + 2, size);
      let child = childOf(node, hash, at + 2, size);
      if (child == 0) {
        child = fresh;
        fresh += NODE;
        adopt(node, child, hash, at + 2, size);
      }
      node = child;
      at += 2 + size;
    }
    store<u32>(field, load<u32>(node, FIRST_FIELD), NEXT_FIELD);
    store<u32>(node, <u32>field, FIRST_FIELD);
  }
  return plan;
}

function behind(at: usize, bytes: usize): usize {
  return (at + bytes + 15) & ~15;
}

/** Zeroes records' entries in all columns: for a scan that does not know how many records will come. */
export function clearRows(plan: usize, first: usize, count: usize): void {
  memory.fill(verdictsOf(plan) + first, 0, count);
  memory.fill(errorsOf(plan) + (first << 2), 0, count << 2);
  if (checksOf(plan)) memory.fill(violationsOf(plan) + first, 0, count);
  const fields = fieldCount(plan);
  for (let i: u32 = 0; i < fields; i++) {
    const field = fieldAt(plan, i);
    const kind: u8 = load<u8>(field, KIND);
    memory.fill(columnOf(field, TYPES_COLUMN) + first, 0, count);
    memory.fill(columnOf(field, FLAGS_COLUMN) + first, 0, count);
    memory.fill(columnOf(field, STARTS_COLUMN) + (first << 2), 0, count << 2);
    memory.fill(columnOf(field, LENGTHS_COLUMN) + (first << 2), 0, count << 2);
    if (load<u8>(field, OPTIONS) & OPTION_JAVA_HASH)
      memory.fill(columnOf(field, JAVA_COLUMN) + (first << 2), 0, count << 2);
    if (kind == KIND_ID) memory.fill(columnOf(field, IDENTITIES_COLUMN) + (first << 4), 0, count << 4);
    if (kind == KIND_TIME) memory.fill(columnOf(field, TIMES_COLUMN) + (first << 3), 0, count << 3);
  }
}

/**
 * Lays out result columns for up to `count` records, zeroed or to be zeroed by `clearRows`.
 * @returns false when there is no memory
 */
export function layOut(plan: usize, count: usize, isZeroed: bool): bool {
  const fields = fieldCount(plan);
  // an upper bound per record: verdict, violation, three words; per field two bytes, three words, identity, time
  const total: u64 = (<u64>count + 16) * (14 + <u64>fields * 38) + (<u64>fields * 8 + 9) * 16;
  if (total > 0xfff00000) return false;
  let at = reserve(REGION_RESULTS, <usize>total);
  if (at == 0) return false;
  const start = at;
  store<u32>(plan, <u32>at, VERDICTS);
  at = behind(at, count);
  store<u32>(plan, <u32>at, ERRORS);
  at = behind(at, count << 2);
  store<u32>(plan, <u32>at, STARTS);
  at = behind(at, count << 2);
  store<u32>(plan, <u32>at, LENGTHS);
  at = behind(at, count << 2);
  store<u32>(plan, <u32>at, VIOLATIONS);
  if (checksOf(plan)) at = behind(at, count);
  for (let i: u32 = 0; i < fields; i++) {
    const field = fieldAt(plan, i);
    const kind: u8 = load<u8>(field, KIND);
    store<u32>(field, <u32>at, TYPES_COLUMN);
    at = behind(at, count);
    store<u32>(field, <u32>at, FLAGS_COLUMN);
    at = behind(at, count);
    store<u32>(field, <u32>at, STARTS_COLUMN);
    at = behind(at, count << 2);
    store<u32>(field, <u32>at, LENGTHS_COLUMN);
    at = behind(at, count << 2);
    store<u32>(field, <u32>at, JAVA_COLUMN);
    if (load<u8>(field, OPTIONS) & OPTION_JAVA_HASH) at = behind(at, count << 2);
    store<u32>(field, <u32>at, IDENTITIES_COLUMN);
    if (kind == KIND_ID) at = behind(at, count << 4);
    store<u32>(field, <u32>at, TIMES_COLUMN);
    if (kind == KIND_TIME) at = behind(at, count << 3);
  }
  if (isZeroed) memory.fill(start, 0, at - start);
  return true;
}
