/**
 * One JSON value, in one pass: checks everything that an event must be and picks out the values of a plan's
 * paths. It keeps no tree and makes no copies; only keys with escapes are rewritten.
 */
import { REGION_DEEP, REGION_TEXT, reserve } from "./memory";
import { DUPLICATE_KEY, NOT_OBJECT, OK, TOO_DEEP, broken, exhausted, note, verdict } from "./verdict";
import {
  hasEscapes,
  passPlain,
  skipNumber,
  skipSpace,
  skipString,
  skipWord,
  specialBits,
  unescape,
} from "./text";
import { KEY_NO_MEMORY, KEY_REPEATED, addKey, firstBytes, hashKey, hashShortKey, nextObject } from "./keys";
import {
  FRAME,
  checkOf,
  childOf,
  columnKind,
  elementOf,
  framesOf,
  isClosed,
  maxDepth,
  readsNumbers,
  rootNode,
} from "./plan";
import { checkEnd, checkStart, checkValue, isShortText, refusedNode } from "./check";
import { LIST, NONE } from "./column-kinds";
import { beginElement, endElement, enter, isOpen, leaveContainer, noteKey, unknownNode } from "./columns";
import { putBoolean, putNumber, putString } from "./quick";
import { take } from "./take";
import { readNumber } from "./number";
import {
  TYPE_ARRAY,
  TYPE_ESCAPED,
  TYPE_FALSE,
  TYPE_NULL,
  TYPE_NUMBER,
  TYPE_OBJECT,
  TYPE_STRING,
  TYPE_TRUE,
  capture,
} from "./fields";
import {
  beginShapes,
  follower,
  innerShape,
  isRepeated,
  learn,
  leave,
  predicted,
  spanOf,
  targetOf,
} from "./shapes";

// What the scan expects next.
const VALUE: i32 = 0;
const FIRST_ITEM: i32 = 1;
const KEY: i32 = 2;
const FIRST_KEY: i32 = 3;
const AFTER: i32 = 4;

// A frame: the object and node around a container, then the container's own node and start.
const OUTER_OBJECT: usize = 0;
const OUTER_NODE: usize = 4;
const OWN_NODE: usize = 8;
const OWN_START: usize = 12;
const OUTER_SHAPE: usize = 16;
/** Of an array with a node for its elements: the place of the one that is scanned. */
const INDEX: usize = 32;

let plan: usize = 0;
let root: usize = 0;
let shapes: usize = 0;
let frames: usize = 0;
let depthLimit: u32 = 0;
/** The end of the text, where a 0 stands. */
export let textEnd: usize = 0;
/** Unescaped keys of the record: [textStart, textTop). */
let textTop: usize = 0;

// What `scanKey` found: the node of the path that the key continues, and the shape after it.
let keyNode: usize = 0;
let keyShape: usize = 0;

/** Scans a key that was not predicted from its opening quote to behind its colon, and finds repeated keys. */
function scanKey(at: usize, object: u32, node: usize, shape: usize): usize {
  const start = at + 1;
  const bytes = v128.load(start);
  const special = specialBits(bytes);
  let length: u32 = <u32>ctz(special | 0x10000);
  let key = start;
  let end = start + length;
  let hash: u64;
  if (special != 0 && load<u8>(end) == 34) {
    hash = hashShortKey(firstBytes(bytes, length), length);
  } else {
    end = skipString(start);
    if (end == 0) return 0;
    length = <u32>(end - start);
    if (hasEscapes) {
      if (textTop == 0) textTop = reserve(REGION_TEXT, textEnd - start);
      if (textTop == 0) return exhausted();
      key = textTop;
      length = <u32>unescape(start, length, key);
      textTop += length;
    }
    hash = hashKey(key, length);
  }
  noteKey(at, <u32>(end + 1 - at));
  if (!enterKey(at, object, node, shape, hash, key, length, key == start)) return exhausted();
  let colon = end + 1;
  if (load<u8>(colon) != 58) {
    colon = skipSpace(colon);
    if (load<u8>(colon) != 58) return broken(colon);
  }
  return colon + 1;
}

/** Finds out what follows from a key that was not the predicted one. @returns false when there is no memory */
function enterKey(
  at: usize,
  object: u32,
  node: usize,
  shape: usize,
  hash: u64,
  key: usize,
  length: u32,
  isPlain: bool,
): bool {
  keyShape = 0;
  if (shape) {
    keyShape = follower(shape, hash, key, length);
    if (keyShape) {
      keyNode = targetOf(keyShape);
      return true;
    }
  }
  keyNode = node ? childOf(node, hash, key, length) : 0;
  if (keyNode == 0 && node != 0) {
    if (unknownNode != 0 && isOpen(node)) keyNode = unknownNode;
    if (isClosed(node)) keyNode = refusedNode(keyNode);
  }
  if (verdict != OK) return true;
  if (shape) {
    if (isRepeated(shape, hash, key, length)) {
      note(DUPLICATE_KEY, at);
      return true;
    }
    if (isPlain) keyShape = learn(plan, shape, keyNode, hash, key, length);
    if (keyShape) return true;
    if (!leave(plan, shape, object)) return false;
  }
  const answer = addKey(hash, object, key, length);
  if (answer == KEY_REPEATED) note(DUPLICATE_KEY, at);
  return answer != KEY_NO_MEMORY;
}

/** Checks the syntax of a container that is nested too deeply for anything else. One bit per level. */
function skipContainer(from: usize): usize {
  const levels = reserve(REGION_DEEP, ((textEnd - from) >> 3) + 16);
  if (levels == 0) return exhausted();
  let depth: usize = 0;
  let at = from;
  let state = VALUE;
  let isObject = false;
  while (true) {
    at = skipSpace(at);
    const c: u32 = load<u8>(at);
    if (state == AFTER) {
      if (depth == 0) return at;
      if (c == 44) {
        at++;
        state = isObject ? KEY : VALUE;
        continue;
      }
      if (c != (isObject ? 125 : 93)) return broken(at);
    } else if (state >= KEY) {
      if (c == 34) {
        at = skipString(at + 1);
        if (at == 0) return 0;
        at = skipSpace(at + 1);
        if (load<u8>(at) != 58) return broken(at);
        at++;
        state = VALUE;
        continue;
      }
      if (c != 125 || state == KEY) return broken(at);
    } else if (c == 123 || c == 91) {
      const bit: u8 = (<u8>1) << (<u8>(depth & 7));
      const byte = levels + (depth >> 3);
      store<u8>(byte, isObject ? load<u8>(byte) | bit : load<u8>(byte) & ~bit);
      depth++;
      isObject = c == 123;
      state = isObject ? FIRST_KEY : FIRST_ITEM;
      at++;
      continue;
    } else if (c != 93 || state != FIRST_ITEM) {
      if (c == 34) at = skipString(at + 1);
      else if (c == 45 || c - 48 < 10) at = skipNumber(at);
      else at = skipWord(at);
      if (at == 0) return 0;
      if (c == 34) at++;
      state = AFTER;
      continue;
    }
    // a container ends here
    depth--;
    isObject = ((load<u8>(levels + (depth >> 3)) >> <u8>(depth & 7)) & 1) != 0;
    at++;
    state = AFTER;
  }
}

/** Scans a value that is neither string nor container, or a container that is nested too deeply. */
function scanLeaf(at: usize, c: u32, target: usize, depth: u32): usize {
  let end: usize;
  let type: u8;
  if (c == 123 || c == 91) {
    note(TOO_DEEP, at);
    end = skipContainer(at);
    type = c == 123 ? TYPE_OBJECT : TYPE_ARRAY;
  } else if (c == 45 || c - 48 < 10) {
    if (target != 0 && unknownNode != 0) {
      end = putNumber(target, at);
      if (end) return end;
    }
    end = target && readsNumbers(target) ? readNumber(at) : 0;
    if (end == 0) end = skipNumber(at); // or where it is broken
    type = TYPE_NUMBER;
  } else {
    end = skipWord(at);
    type = c == 116 ? TYPE_TRUE : c == 102 ? TYPE_FALSE : TYPE_NULL;
    if (target != 0 && c != 110 && putBoolean(target, c == 116)) return end;
  }
  if (end == 0 || target == 0) return end;
  const isFound =
    unknownNode == 0 ? see(target, depth, type, at, end - at) : found(target, depth, type, at, end - at);
  return isFound ? end : exhausted();
}

/** What a plan without columns makes of a value. @returns false when there is no memory */
function see(target: usize, depth: u32, type: u8, start: usize, length: usize): bool {
  capture(target, type, start, length);
  return checkOf(target) == 0 || checkValue(target, depth, type, start, length);
}

/** @returns false when there is no memory */
function found(target: usize, depth: u32, type: u8, start: usize, length: usize): bool {
  if (!see(target, depth, type, start, length)) return false;
  return columnKind(target) == NONE || take(target, depth, type, start, length);
}

export function beginValues(scanPlan: usize): void {
  plan = scanPlan;
  root = rootNode(plan);
  shapes = beginShapes(plan);
  frames = framesOf(plan);
  depthLimit = maxDepth(plan);
}

/** Begins a text that ends at `end`, where the caller has put a 0. */
export function beginText(end: usize): void {
  textEnd = end;
  textTop = 0;
}

/**
 * Scans one value. @returns the address behind it; 0 when it is broken or memory ran out
 *
 * The outer loop stands before a value, in an object before its key; the inner one stands behind a value. So what comes
 * next is known from where the code is, not from a state that is asked.
 */
export function scanValue(from: usize): usize {
  let at = from;
  let depth: u32 = 0;
  let object: u32 = 0; // the number of the object that the scan is in; 0 in an array
  let node: usize = 0; // where that object is in the tree of paths; 0 when it is on none
  let target: usize = root; // the node of the value that comes
  let shape: usize = shapes; // in an object, of its keys so far; in an array, what stands for its items
  if (load<u8>(at) != 123) note(NOT_OBJECT, at);
  while (true) {
    let isEmpty = false;
    if (object) {
      if (load<u8>(at) != 34) return broken(at);
      const next = shape ? predicted(shape, at + 1) : 0;
      if (next) {
        shape = next;
        target = targetOf(next);
        if (unknownNode) noteKey(at, <u32>spanOf(next));
        at += 1 + spanOf(next);
      } else {
        at = scanKey(at, object, node, shape);
        if (at == 0) return 0;
        target = keyNode;
        shape = keyShape;
      }
      at = pastSpace(at);
    }
    const c: u32 = load<u8>(at);
    if (c == 34) {
      at = scanText(at + 1, target, depth);
      if (at == 0 || depth == 0) return at;
    } else if ((c == 123 || c == 91) && depth != depthLimit) {
      openFrame(depth, object, node, target, at, shape);
      shape = innerShape(plan, shape);
      depth++;
      at = pastSpace(at + 1);
      object = c == 123 ? nextObject() : 0;
      node = target != 0 && (object != 0 || elementOf(target) != 0) ? target : 0;
      if (load<u8>(at) != (object ? 125 : 93)) {
        target = object == 0 && node != 0 ? firstElement(node, depth - 1) : 0;
        continue;
      }
      isEmpty = true;
    } else {
      at = scanLeaf(at, c, target, depth);
      if (at == 0 || depth == 0) return at;
    }
    while (true) {
      at = pastSpace(at);
      const next: u32 = load<u8>(at);
      if (next == 44 && !isEmpty) {
        at = pastSpace(at + 1);
        if (object) break;
        target = node ? nextElement(node, depth - 1) : 0;
        if (node != 0 && target == 0) return exhausted();
        break;
      }
      if (next != (object ? 125 : 93)) return broken(at);
      depth--;
      at++;
      const frame = frames + <usize>depth * FRAME;
      const own: usize = load<u32>(frame, OWN_NODE);
      if (own != 0 && !closeFrame(depth, own, node, object != 0, isEmpty, at)) return exhausted();
      if (depth == 0) return at;
      object = load<u32>(frame, OUTER_OBJECT);
      node = load<u32>(frame, OUTER_NODE);
      shape = load<u32>(frame, OUTER_SHAPE);
      isEmpty = false;
    }
  }
}

function pastSpace(at: usize): usize {
  return load<u8>(at) > 32 ? at : skipSpace(at);
}

/** Scans a string from behind its opening quote. */
function scanText(start: usize, target: usize, depth: u32): usize {
  let end = passPlain(start);
  let type = TYPE_STRING;
  if (load<u8>(end) != 34) {
    end = skipString(end);
    if (end == 0) return 0;
    if (hasEscapes) type = TYPE_ESCAPED;
  }
  if (target == 0) return end + 1;
  const length = end - start;
  if (unknownNode == 0) {
    if (type == TYPE_STRING && isShortText(target, depth, length)) return end + 1;
    return see(target, depth, type, start, length) ? end + 1 : exhausted();
  }
  if (type == TYPE_STRING && putString(target, start, length)) return end + 1;
  return found(target, depth, type, start, length) ? end + 1 : exhausted();
}

/** The first element of an array begins. @returns its node */
function firstElement(list: usize, depth: u32): usize {
  store<u32>(frames + <usize>depth * FRAME, 0, INDEX);
  if (columnKind(list) == LIST) beginElement(list, 0);
  return elementOf(list);
}

/** One element of a list ends, the next begins. @returns its node, 0 without memory */
function nextElement(list: usize, depth: u32): usize {
  const isColumn = columnKind(list) == LIST;
  if (isColumn && !endElement(list)) return 0;
  const frame = frames + <usize>depth * FRAME;
  const index: u32 = load<u32>(frame, INDEX) + 1;
  store<u32>(frame, index, INDEX);
  if (isColumn) beginElement(list, index);
  return elementOf(list);
}

function openFrame(depth: u32, object: u32, node: usize, target: usize, start: usize, shape: usize): void {
  const frame = frames + <usize>depth * FRAME;
  store<u32>(frame, object, OUTER_OBJECT);
  store<u32>(frame, <u32>node, OUTER_NODE);
  store<u32>(frame, <u32>target, OWN_NODE);
  store<u32>(frame, <u32>start, OWN_START);
  store<u32>(frame, <u32>shape, OUTER_SHAPE);
  if (target == 0) return;
  if (unknownNode) enter(target, depth, start);
  if (checkOf(target)) checkStart(target, depth, load<u8>(start) == 123);
}

/** A container on a path ends at `end`. @returns false when there is no memory */
function closeFrame(depth: u32, own: usize, node: usize, isObject: bool, isEmpty: bool, end: usize): bool {
  const frame = frames + <usize>depth * FRAME;
  const start: usize = load<u32>(frame, OWN_START);
  capture(own, isObject ? TYPE_OBJECT : TYPE_ARRAY, start, end - start);
  const isInList = !isObject && node != 0 && !isEmpty && columnKind(node) == LIST;
  if (isInList && !endElement(node)) return false;
  if (checkOf(own)) checkEnd(own, depth, isObject, isEmpty ? 0 : load<u32>(frame, INDEX) + 1);
  return unknownNode == 0 || leaveContainer(own, depth, isEmpty, start, end);
}
