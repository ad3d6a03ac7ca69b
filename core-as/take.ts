/**
 * Values that are no containers, as they become entries of leaf columns: exactly, or the record is rejected. Of a
 * double with more digits than it has, and of a time with digits below the microsecond, the text is kept in `extra`.
 */
import {
  BOOLEAN,
  DATE,
  DECIMAL,
  DOUBLE,
  IGNORED,
  IGNORED_TIME,
  JSON,
  LONG,
  NONE,
  STRING,
  TIME,
  UNKNOWN,
  WIDE_DECIMAL,
} from "./column-kinds";
import { MALFORMED, VALUE_INEXACT, VALUE_OUT_OF_RANGE, WRONG_TYPE } from "./columns";
import { isRejected, keyAt, keyLength, leafAt, reject, slotFor, takeRaw } from "./columns";
import { addExtra } from "./extra";
import { TYPE_ESCAPED, TYPE_FALSE, TYPE_NULL, TYPE_NUMBER, TYPE_STRING, TYPE_TRUE } from "./fields";
import { storeText, widthOf } from "./leaf";
import { REGION_PLAIN, REGION_SCOPED, reserve } from "./memory";
import { EXACT, INEXACT, double, integerHigh, integerLow, isBelowZero } from "./number";
import { OUT_OF_RANGE, readNumber, toDouble, toLong, toScaled } from "./number";
import { columnKind, firstLeafOf, isQuoted, precisionOf, scaleOf } from "./plan";
import { unescape } from "./text";
import { NO_DATE, TIME_OK, TIME_OUT_OF_RANGE, isTimeCut, readDate, readTime, timeMicros } from "./time";
import { allocateWide } from "./wide";

/**
 * Takes a value that is no container; of a number with a numeric column, the one that was read last.
 * @param depth of the frame that is free: one more than that of the container around
 * @param start of a string behind its quote
 * @returns false when there is no memory
 */
export function take(node: usize, depth: u32, type: u8, start: usize, length: usize): bool {
  const kind = columnKind(node);
  if (isRejected || kind == NONE || kind == IGNORED) return true;
  const isString = type == TYPE_STRING || type == TYPE_ESCAPED;
  const from = isString ? start - 1 : start;
  const size = isString ? length + 2 : length;
  if (kind == UNKNOWN) return takeRaw(node, depth, from, size);
  if (type == TYPE_NULL) return true;
  switch (kind) {
    case JSON:
      return takeRaw(node, depth, from, size);
    case STRING: {
      if (!isString) break;
      return putText(node, type == TYPE_ESCAPED, start, length);
    }
    case BOOLEAN: {
      if (type != TYPE_TRUE && type != TYPE_FALSE) break;
      return putInteger(node, type == TYPE_TRUE ? 1 : 0);
    }
    case LONG: {
      if (type != TYPE_NUMBER) break;
      const outcome = toLong();
      if (outcome == EXACT) return putInteger(node, integerLow);
      reject(outcome == INEXACT ? VALUE_INEXACT : VALUE_OUT_OF_RANGE, from);
      return true;
    }
    case DOUBLE: {
      if (type != TYPE_NUMBER) break;
      return takeDouble(node, depth, from, size);
    }
    case DECIMAL:
    case WIDE_DECIMAL: {
      if (isQuoted(node) ? !isString : type != TYPE_NUMBER) break;
      return takeDecimal(node, type, start, length, from);
    }
    case TIME:
    case IGNORED_TIME: {
      if (!isString) break;
      return takeTime(node, depth, type, start, length);
    }
    case DATE: {
      if (!isString) break;
      return takeDate(node, type, start, length);
    }
  }
  if (kind != IGNORED_TIME) reject(WRONG_TYPE, from);
  return true;
}

function putText(node: usize, isEscaped: bool, start: usize, length: usize): bool {
  const slot = slotFor(node);
  if (slot == 0) return false;
  return storeText(leafAt(firstLeafOf(node)), slot, isEscaped, start, length);
}

function putInteger(node: usize, value: u64): bool {
  const slot = slotFor(node);
  if (slot == 0) return false;
  store<u64>(slot, value);
  return true;
}

function takeDouble(node: usize, depth: u32, from: usize, size: usize): bool {
  const outcome = toDouble();
  if (outcome == OUT_OF_RANGE) {
    reject(VALUE_OUT_OF_RANGE, from);
    return true;
  }
  if (!putInteger(node, reinterpret<u64>(double))) return false;
  return outcome == EXACT || addExtra(depth - 1, keyAt, keyLength, from, size);
}

function takeDecimal(node: usize, type: u8, start: usize, length: usize, from: usize): bool {
  if (isQuoted(node) && !readPlainDecimal(type, start, length)) {
    if (hasNoMemory) return false;
    reject(MALFORMED, from);
    return true;
  }
  const outcome = toScaled(scaleOf(node), precisionOf(node));
  if (outcome != EXACT) {
    reject(outcome == INEXACT ? VALUE_INEXACT : VALUE_OUT_OF_RANGE, from);
    return true;
  }
  if (columnKind(node) == DECIMAL) return putInteger(node, isBelowZero() ? 0 - integerLow : integerLow);
  return putWide(node);
}

/** Big-endian two's complement of the leaf's width. */
function putWide(node: usize): bool {
  let low = integerLow;
  let high = integerHigh;
  if (isBelowZero()) {
    low = 0 - low;
    high = ~high + (low == 0 ? 1 : 0);
  }
  const width = widthOf(leafAt(firstLeafOf(node)));
  const bytes = allocateWide(width);
  if (bytes == 0) return false;
  for (let i: usize = 0; i < width; i++) {
    const byte = width - 1 - i;
    const word: u64 = i < 8 ? low >> <u64>(i << 3) : high >> <u64>((i - 8) << 3);
    store<u8>(bytes + byte, i < 16 ? <u8>word : <u8>(<i64>high >> 63));
  }
  return putInteger(node, bytes);
}

let hasNoMemory: bool = false;
/** The text that was unescaped last. */
let plainAt: usize = 0;
let plainLength: usize = 0;

function readPlain(type: u8, start: usize, length: usize): bool {
  plainAt = start;
  plainLength = length;
  hasNoMemory = false;
  if (type != TYPE_ESCAPED) return true;
  plainAt = reserve(REGION_SCOPED, length);
  hasNoMemory = plainAt == 0;
  if (plainAt) plainLength = unescape(start, length, plainAt);
  return plainAt != 0;
}

/** A string that is a plain decimal, leading zeros allowed, becomes the number last read. */
function readPlainDecimal(type: u8, start: usize, length: usize): bool {
  if (!readPlain(type, start, length)) return false;
  const end = plainAt + plainLength;
  const isMinus = plainLength > 0 && load<u8>(plainAt) == 45;
  const first = plainAt + (isMinus ? 1 : 0);
  let at = passDigits(first, end);
  if (at == first) return false;
  if (at < end && load<u8>(at) == 46) {
    const fraction = at + 1;
    at = passDigits(fraction, end);
    if (at == fraction) return false;
  }
  if (at != end) return false;
  let significant = first;
  while (significant + 1 < end && load<u8>(significant) == 48 && load<u8>(significant, 1) != 46)
    significant++;
  if (significant == first && plainAt == start) return readNumber(start) != 0; // the closing quote ends it
  const copy = reserve(REGION_PLAIN, plainLength + 2);
  hasNoMemory = copy == 0;
  if (hasNoMemory) return false;
  store<u8>(copy, 45);
  const digits = copy + (isMinus ? 1 : 0);
  memory.copy(digits, significant, end - significant);
  store<u8>(digits + (end - significant), 0);
  return readNumber(copy) != 0;
}

function passDigits(from: usize, end: usize): usize {
  let at = from;
  while (at < end && <u32>load<u8>(at) - 48 < 10) at++;
  return at;
}

function takeTime(node: usize, depth: u32, type: u8, start: usize, length: usize): bool {
  if (!readPlain(type, start, length)) return false;
  const outcome = readTime(plainAt, plainLength);
  if (columnKind(node) == TIME) {
    if (outcome != TIME_OK) {
      reject(outcome == TIME_OUT_OF_RANGE ? VALUE_OUT_OF_RANGE : MALFORMED, start - 1);
      return true;
    }
    if (!putInteger(node, timeMicros)) return false;
  }
  if (outcome == TIME_OK && !isTimeCut) return true;
  return addExtra(depth - 1, keyAt, keyLength, start - 1, length + 2);
}

function takeDate(node: usize, type: u8, start: usize, length: usize): bool {
  if (!readPlain(type, start, length)) return false;
  const days = plainLength == 10 ? readDate(plainAt) : NO_DATE;
  if (days != NO_DATE) return putInteger(node, <u64>(<i64>days));
  reject(MALFORMED, start - 1);
  return true;
}
