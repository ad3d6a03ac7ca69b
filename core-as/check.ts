/**
 * Checks values against what a JSON Schema says of them, while they are scanned: for a plan whose host has put the
 * schema's simple keywords into a table (core/schema-plan.ts; a schema that says more is not checked here at all).
 * The answer is one bit per record; why a record is refused is for the host to find out.
 *
 * Surprising rules are those of the validator that this one must agree with: numbers are the doubles that JSON.parse
 * makes of them, 1.0 is an integer, and so is 1e999; lengths count code points.
 */
import { REGION_SCOPED, allocate, release, reserve } from "./memory";
import { CHECKED_TEXT, NONE, UNKNOWN } from "./column-kinds";
import { TYPE_ARRAY, TYPE_ESCAPED, TYPE_NUMBER, TYPE_OBJECT, TYPE_STRING } from "./fields";
import { isDate, isDateTime, isUuidText } from "./formats";
import { hashKey } from "./keys";
import { isBetween, isWhole, nearestDouble } from "./number";
import {
  FRAME,
  NODE,
  adopt,
  checkOf,
  checksOf,
  childOf,
  columnKind,
  elementOf,
  firstField,
  isNeeded,
  leafAt,
  nextChild,
  quickKind,
  rootNode,
  setCheck,
  setChecks,
  setClosed,
  setColumnKind,
  setElement,
  setNeeded,
  setQuick,
  slotsAt,
} from "./plan";
import { countCharacters, isEqual, unescape } from "./text";
import { TIME_OK, isTimeCut, readTime } from "./time";

// A check, as the host describes it; what it gives as 0 is filled in here.
/** One bit per TYPE_* that may be. */
const TYPES: usize = 0;
const FLAGS: usize = 2;
const FORMAT: usize = 3;
/** Strings and numbers that a value must be one of; none: no matter. */
const STRING_COUNT: usize = 4;
const NUMBER_COUNT: usize = 8;
const MIN_LENGTH: usize = 12;
const MAX_LENGTH: usize = 16;
const MIN_ITEMS: usize = 20;
const MAX_ITEMS: usize = 24;
const CHILD_COUNT: usize = 28;
const IS_CLOSED: usize = 30;
const HAS_ELEMENT: usize = 31;
const MINIMUM: usize = 32;
const MAXIMUM: usize = 40;
/** Keys that an object must have. */
const NEEDED: usize = 48;
/** Addresses of the strings by their hash, a power of two of them, given less 1; of the numbers in order. */
const TABLE: usize = 52;
const MASK: usize = 56;
const NUMBERS: usize = 60;
const CHECK: usize = 64;

const ONLY_INTEGERS: u8 = 1;
const MINIMUM_EXCLUDED: u8 = 2;
const MAXIMUM_EXCLUDED: u8 = 4;
const HAS_BOUNDS: u8 = 8;
const HAS_LENGTHS: u8 = 16;
/** Whatever the value, it is right. */
const ANYTHING: u8 = 32;

const FORMAT_DATE_TIME: u8 = 1;
const FORMAT_UUID: u8 = 2;

/** Of a frame (value.ts): how many of the keys that its object needs were there. */
const FOUND: usize = 36;

// The checks of a plan: what refuses any value, and the nodes that lead there.
const REFUSAL: usize = 0;
const REFUSED_NODE: usize = CHECK;
const REFUSED_UNKNOWN_NODE: usize = CHECK + NODE;
const HEAD: usize = CHECK + 2 * NODE;

let frames: usize = 0;
let refused: usize = 0;
/** Whether something in this record is not as the schema says. */
export let isViolated: bool = false;

export function beginChecks(plan: usize, scanFrames: usize): void {
  refused = checksOf(plan);
  frames = scanFrames;
}

export function beginCheckRow(): void {
  isViolated = false;
}

let nextNode: usize = 0;
let nextTable: usize = 0;

/**
 * Gives a plan checks; after its columns, if it has those. From: u32 nodes, u32 words of all tables; then the nodes, a
 * parent before its children: a check, its strings (u32 length, UTF-8), its numbers (f64, ascending), the node of an
 * array's items if there is one, and per key u16 length, UTF-8, u8 is needed, u8 is declared, its node.
 * @returns false when there is no memory; the plan is as before then
 */
export function createChecks(plan: usize, from: usize, length: usize): bool {
  const tablesAt = HEAD + (<usize>load<u32>(from) + 1) * NODE;
  const textAt = tablesAt + ((<usize>load<u32>(from, 4)) << 2);
  const made = allocate(textAt + length + 32);
  if (made == 0) return false;
  memory.fill(made, 0, textAt);
  memory.copy(made + textAt, from, length);
  memory.fill(made + textAt + length, 0, 32);
  setCheck(made + REFUSED_NODE, made + REFUSAL, false);
  setCheck(made + REFUSED_UNKNOWN_NODE, made + REFUSAL, false);
  setColumnKind(made + REFUSED_UNKNOWN_NODE, UNKNOWN);
  nextNode = made + HEAD;
  nextTable = made + tablesAt;
  describe(rootNode(plan), made + textAt + 8, made + REFUSAL);
  setChecks(plan, made);
  return true;
}

export function destroyChecks(plan: usize): void {
  release(checksOf(plan));
}

/** @returns behind the description of the node and all below it */
function describe(node: usize, check: usize, refusal: usize): usize {
  const flags: u8 = load<u8>(check, FLAGS);
  if (!(flags & ANYTHING) || isNeeded(node)) setCheck(node, check, readsNumbers(check));
  shortenText(node, check);
  let at = putNumbers(check, putStrings(check));
  if (load<u8>(check, HAS_ELEMENT)) {
    let element = elementOf(node);
    if (element == 0) {
      element = nextNode;
      nextNode += NODE;
      setElement(node, element);
    }
    at = describe(element, at, refusal);
  }
  const isClosed = load<u8>(check, IS_CLOSED) != 0;
  // what other paths lead to is refused until it turns out to be declared
  if (isClosed)
    for (let child = nextChild(node, 0); child; child = nextChild(node, child))
      setCheck(child, refusal, false);
  for (let i: u32 = load<u16>(check, CHILD_COUNT); i; i--) {
    const size: u32 = load<u16>(at);
    const key = at + 2;
    at = key + size;
    const hash = hashKey(key, size);
    let child = childOf(node, hash, key, size);
    if (child == 0) {
      child = nextNode;
      nextNode += NODE;
      adopt(node, child, hash, key, size);
    }
    setNeeded(child, load<u8>(at) != 0);
    const isDeclared = load<u8>(at, 1) != 0;
    if (isDeclared || !isClosed) setCheck(child, 0, false);
    at = describe(child, at + 2, refusal);
    if (isClosed && !isDeclared) setCheck(child, refusal, false);
  }
  setClosed(node, isClosed);
  return at;
}

/** Of texts without escapes whose length alone is checked, so many bytes are right without a look at them. */
function shortenText(node: usize, check: usize): void {
  if (checkOf(node) != check || columnKind(node) != NONE || firstField(node) != 0) return;
  if (!((<u32>load<u16>(check, TYPES) >> TYPE_STRING) & 1)) return;
  if (load<u8>(check, FORMAT) || load<u32>(check, STRING_COUNT)) return;
  const hasLengths = (load<u8>(check, FLAGS) & HAS_LENGTHS) != 0;
  // a character takes at most four bytes
  const least: u64 = hasLengths ? (<u64>load<u32>(check, MIN_LENGTH)) << 2 : 0;
  const most: u64 = hasLengths ? load<u32>(check, MAX_LENGTH) : 0xffffffff;
  if (least <= most) setQuick(node, CHECKED_TEXT, <usize>least, <usize>(most - least), 0);
}

/** The short way of `checkValue` for a text without escapes. @returns whether it is right; else nothing is known */
export function isShortText(node: usize, depth: u32, length: usize): bool {
  if (quickKind(node) != CHECKED_TEXT || length - leafAt(node) > slotsAt(node)) return false;
  countNeeded(node, depth);
  return true;
}

function readsNumbers(check: usize): bool {
  return (load<u8>(check, FLAGS) & (ONLY_INTEGERS | HAS_BOUNDS)) != 0 || load<u32>(check, NUMBER_COUNT) != 0;
}

/** @returns behind the strings */
function putStrings(check: usize): usize {
  const mask: usize = load<u32>(check, MASK);
  const count: u32 = load<u32>(check, STRING_COUNT);
  let at = check + CHECK;
  if (count == 0) return at;
  const table = nextTable;
  nextTable += (mask + 1) << 2;
  store<u32>(check, <u32>table, TABLE);
  for (let i: u32 = 0; i < count; i++) {
    const size: u32 = load<u32>(at);
    let slot = slotOf(at + 4, size) & mask;
    while (load<u32>(table + (slot << 2))) slot = (slot + 1) & mask;
    store<u32>(table + (slot << 2), <u32>at);
    at += 4 + size;
  }
  return at;
}

function putNumbers(check: usize, at: usize): usize {
  store<u32>(check, <u32>at, NUMBERS);
  return at + ((<usize>load<u32>(check, NUMBER_COUNT)) << 3);
}

/** Where a key leads that a closed object has not declared. */
export function refusedNode(node: usize): usize {
  return refused + (node ? REFUSED_UNKNOWN_NODE : REFUSED_NODE);
}

/** Tells a needed key's object that it is there. */
function countNeeded(node: usize, depth: u32): void {
  if (!isNeeded(node)) return;
  const found = frames + <usize>(depth - 1) * FRAME + FOUND;
  store<u32>(found, load<u32>(found) + 1);
}

/** A container with a check begins: its frame is `depth`. */
export function checkStart(node: usize, depth: u32, isObject: bool): void {
  countNeeded(node, depth);
  store<u32>(frames + <usize>depth * FRAME, 0, FOUND);
  const type = isObject ? TYPE_OBJECT : TYPE_ARRAY;
  if (!((<u32>load<u16>(checkOf(node), TYPES) >> type) & 1)) isViolated = true;
}

/** It ends. `items` counts those of an array. */
export function checkEnd(node: usize, depth: u32, isObject: bool, items: u32): void {
  const check = checkOf(node);
  if (isObject) {
    if (load<u32>(frames + <usize>depth * FRAME, FOUND) != load<u32>(check, NEEDED)) isViolated = true;
  } else if (items < load<u32>(check, MIN_ITEMS) || items > load<u32>(check, MAX_ITEMS)) {
    isViolated = true;
  }
}

/**
 * Checks a value that is no container; of a number, where the node reads numbers, the one that was read last.
 * @param depth one more than that of the container around
 * @param start of a string behind its quote
 * @returns false when there is no memory
 */
export function checkValue(node: usize, depth: u32, type: u8, start: usize, length: usize): bool {
  const check = checkOf(node);
  countNeeded(node, depth);
  if (!((<u32>load<u16>(check, TYPES) >> type) & 1)) {
    isViolated = true;
  } else if (type <= TYPE_ESCAPED) {
    return checkText(check, type == TYPE_ESCAPED, start, length);
  } else if (type == TYPE_NUMBER) {
    if (!isNumberRight(check)) isViolated = true;
  }
  return true;
}

function isNumberRight(check: usize): bool {
  const flags: u8 = load<u8>(check, FLAGS);
  if (flags & ONLY_INTEGERS && !isWhole()) return false;
  const numbers: u32 = load<u32>(check, NUMBER_COUNT);
  if (!(flags & HAS_BOUNDS) && numbers == 0) return true;
  if (numbers == 0 && isBetween(load<f64>(check, MINIMUM), load<f64>(check, MAXIMUM))) return true;
  const value = nearestDouble();
  if (flags & HAS_BOUNDS) {
    const minimum = load<f64>(check, MINIMUM);
    const maximum = load<f64>(check, MAXIMUM);
    if (flags & MINIMUM_EXCLUDED ? value <= minimum : value < minimum) return false;
    if (flags & MAXIMUM_EXCLUDED ? value >= maximum : value > maximum) return false;
  }
  return numbers == 0 || isListed(load<u32>(check, NUMBERS), numbers, value);
}

function isListed(numbers: usize, count: u32, value: f64): bool {
  let from: u32 = 0;
  let to = count;
  while (from < to) {
    const middle = (from + to) >> 1;
    const listed = load<f64>(numbers + ((<usize>middle) << 3));
    if (listed == value) return true;
    if (listed < value) from = middle + 1;
    else to = middle;
  }
  return false;
}

function checkText(check: usize, isEscaped: bool, start: usize, length: usize): bool {
  if (load<u8>(check, FLAGS) & HAS_LENGTHS && !isLengthRight(check, isEscaped, start, length))
    isViolated = true;
  const format: u8 = load<u8>(check, FORMAT);
  const strings: u32 = load<u32>(check, STRING_COUNT);
  if (format == 0 && strings == 0) return true;
  let text = start;
  let size = length;
  if (isEscaped) {
    text = reserve(REGION_SCOPED, length + 1);
    if (text == 0) return false;
    size = unescape(start, length, text);
    store<u8>(text + size, 0);
  }
  if (format && !hasFormat(format, text, size)) isViolated = true;
  if (strings && !isOneOf(check, text, <u32>size)) isViolated = true;
  return true;
}

function isLengthRight(check: usize, isEscaped: bool, start: usize, length: usize): bool {
  const least: u64 = load<u32>(check, MIN_LENGTH);
  const most: u64 = load<u32>(check, MAX_LENGTH);
  // a character takes at least one byte, at most four, or twelve as two escapes
  const isShort = length <= <usize>most;
  if (isShort && <u64>length >= least * (isEscaped ? 12 : 4)) return true;
  const characters: u64 = countCharacters(start, length, isEscaped);
  return characters >= least && characters <= most;
}

function hasFormat(format: u8, text: usize, length: usize): bool {
  if (format == FORMAT_DATE_TIME) {
    // what columns take is right here, too, but for leap seconds
    return (readTime(text, length) == TIME_OK && !isTimeCut) || isDateTime(text, length);
  }
  if (format == FORMAT_UUID) return isUuidText(text, length);
  return length == 10 && isDate(text);
}

function slotOf(text: usize, length: u32): usize {
  const hash = hashKey(text, length);
  return <usize>(hash ^ (hash >> 32));
}

function isOneOf(check: usize, text: usize, length: u32): bool {
  const table: usize = load<u32>(check, TABLE);
  const mask: usize = load<u32>(check, MASK);
  let slot = slotOf(text, length) & mask;
  while (true) {
    const entry: usize = load<u32>(table + (slot << 2));
    if (entry == 0) return false;
    if (load<u32>(entry) == length && isEqual(entry + 4, text, length)) return true;
    slot = (slot + 1) & mask;
  }
}
