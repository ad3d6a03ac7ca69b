/**
 * The values that a plan asks for: where they are, and, once the record has been scanned, what ids and times
 * among them mean.
 */
import { REGION_SCOPED, REGION_TEXT, reserve } from "./memory";
import { hashHigh, hashLow } from "./siphash";
import { identify, isUuid, isUuidAt } from "./identity";
import { TIME_OK, isTimeCut, readTime, timeMicros } from "./time";
import { SCOPE_ROOM, joinScope, joinedAt, joinedLength } from "./scope";
import { javaHash, unescape } from "./text";
import {
  FLAGS_COLUMN,
  IDENTITIES_COLUMN,
  JAVA_COLUMN,
  KIND,
  KIND_TEXT,
  KIND_TIME,
  LENGTHS_COLUMN,
  OPTIONS,
  OPTION_JAVA_HASH,
  OPTION_NO_IDENTITY,
  SCOPE,
  STARTS_COLUMN,
  TIMES_COLUMN,
  TYPES_COLUMN,
  columnOf,
  fieldAt,
  fieldCount,
  firstField,
  nextField,
} from "./plan";

export const TYPE_ABSENT: u8 = 0;
export const TYPE_STRING: u8 = 1;
export const TYPE_ESCAPED: u8 = 2;
export const TYPE_NUMBER: u8 = 3;
export const TYPE_TRUE: u8 = 4;
export const TYPE_FALSE: u8 = 5;
export const TYPE_NULL: u8 = 6;
export const TYPE_OBJECT: u8 = 7;
export const TYPE_ARRAY: u8 = 8;

/** No such key (of an id with a scope: or no usable scope). */
const MISSING: u8 = 1;
/** Not a string. */
const WRONG_TYPE: u8 = 2;
/** An empty id; text that is no date-time. */
const MALFORMED: u8 = 4;
const IS_UUID: u8 = 8;
/** A time with digits beyond the microsecond, or a leap second. */
const CUT: u8 = 16;
/** Not a flag. */
const NO_MEMORY: u8 = 255;

let plan: usize = 0;
let origin: usize = 0;
let row: usize = 0;
let secretLow: u64 = 0;
let secretHigh: u64 = 0;

/** @param bytes what the starts of values are relative to */
export function beginFields(scanPlan: usize, bytes: usize, secret: usize): void {
  plan = scanPlan;
  origin = bytes;
  secretLow = load<u64>(secret);
  secretHigh = load<u64>(secret, 8);
}

export function beginRow(next: usize): void {
  row = next;
}

/** Notes a value for every path that ends at `node`. Of a repeated key the last value stays. */
export function capture(node: usize, type: u8, start: usize, length: usize): void {
  let field = firstField(node);
  while (field) {
    store<u8>(columnOf(field, TYPES_COLUMN) + row, type);
    store<u32>(columnOf(field, STARTS_COLUMN) + (row << 2), <u32>(start - origin));
    store<u32>(columnOf(field, LENGTHS_COLUMN) + (row << 2), <u32>length);
    field = nextField(field);
  }
}

// The text of a string without its escapes.
let textAt: usize = 0;
let textLength: usize = 0;

/** Finds the text of a captured value. @returns false when there is no memory */
function readText(field: usize): bool {
  textAt = origin + load<u32>(columnOf(field, STARTS_COLUMN) + (row << 2));
  textLength = load<u32>(columnOf(field, LENGTHS_COLUMN) + (row << 2));
  if (load<u8>(columnOf(field, TYPES_COLUMN) + row) != TYPE_ESCAPED) return true;
  const plain = reserve(REGION_TEXT, textLength);
  if (plain == 0) return false;
  textLength = unescape(textAt, textLength, plain);
  textAt = plain;
  return true;
}

/** Of a record that cannot be read: no id or time has a meaning. */
export function abandonFields(): void {
  const fields = fieldCount(plan);
  for (let i: u32 = 0; i < fields; i++) {
    const field = fieldAt(plan, i);
    if (load<u8>(field, KIND) != KIND_TEXT) store<u8>(columnOf(field, FLAGS_COLUMN) + row, MISSING);
  }
}

/** Works out what the captured ids and times mean. @returns false when there is no memory */
export function finishFields(): bool {
  const fields = fieldCount(plan);
  for (let i: u32 = 0; i < fields; i++) {
    const field = fieldAt(plan, i);
    if (load<u16>(field) == 0) continue; // a text without options
    const kind: u8 = load<u8>(field, KIND);
    const options: u8 = load<u8>(field, OPTIONS);
    const type: u8 = load<u8>(columnOf(field, TYPES_COLUMN) + row);
    if (type != TYPE_ABSENT && !readText(field)) return false;
    if (options & OPTION_JAVA_HASH && type != TYPE_ABSENT) {
      store<i32>(columnOf(field, JAVA_COLUMN) + (row << 2), javaHash(textAt, textLength));
    }
    if (kind == KIND_TEXT) continue;
    let flags: u8 = 0;
    if (type == TYPE_ABSENT) flags = MISSING;
    else if (type > TYPE_ESCAPED) flags = WRONG_TYPE;
    else if (kind == KIND_TIME) flags = finishTime(field);
    else if (textLength == 0) flags = MALFORMED;
    else flags = finishId(field, options);
    if (flags == NO_MEMORY) return false;
    store<u8>(columnOf(field, FLAGS_COLUMN) + row, flags);
  }
  return true;
}

function finishTime(field: usize): u8 {
  if (readTime(textAt, textLength) != TIME_OK) return MALFORMED;
  store<i64>(columnOf(field, TIMES_COLUMN) + (row << 3), timeMicros);
  return isTimeCut ? CUT : 0;
}

function finishId(field: usize, options: u8): u8 {
  const scope: u32 = load<u8>(field, SCOPE);
  if (scope) {
    const answer = prependScope(fieldAt(plan, scope - 1));
    if (answer) return answer;
  }
  if (options & OPTION_NO_IDENTITY) return textLength == 36 && isUuidAt(textAt) ? IS_UUID : 0;
  identify(textAt, textLength, secretLow, secretHigh);
  const to: usize = columnOf(field, IDENTITIES_COLUMN) + (row << 4);
  store<u64>(to, hashLow);
  store<u64>(to, hashHigh, 8);
  return isUuid ? IS_UUID : 0;
}

/** Makes the text of a scoped id. @returns 0, or the flags of an id without identity */
function prependScope(scope: usize): u8 {
  const type: u8 = load<u8>(columnOf(scope, TYPES_COLUMN) + row);
  const size: usize = load<u32>(columnOf(scope, LENGTHS_COLUMN) + (row << 2));
  if ((type != TYPE_STRING && type != TYPE_ESCAPED) || size == 0) return MISSING;
  const start: usize = origin + load<u32>(columnOf(scope, STARTS_COLUMN) + (row << 2));
  // the id may itself be in the text region: the whole gets a region of its own
  const room = reserve(REGION_SCOPED, SCOPE_ROOM + size + textLength);
  if (room == 0) return NO_MEMORY;
  joinScope(room, start, size, type == TYPE_ESCAPED, textAt, textLength, false);
  textAt = joinedAt;
  textLength = joinedLength;
  return 0;
}
