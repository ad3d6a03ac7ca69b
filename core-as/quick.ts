/**
 * The short way of a value into its column, for what most values are: a column of the record's own or of its objects,
 * no list around it, and nobody else who asks for the value. Whatever is not as simple as its column hopes (escapes, a
 * longer number, another type) goes the way of take.ts, with the same result: these functions only ever say no.
 */
import { BOOLEAN, DOUBLE, LONG, STRING, TIME } from "./column-kinds";
import { isRejected, row } from "./columns";
import { storeText } from "./leaf";
import { EXACT, areDigits, double, readNumber, toDouble, valueOf } from "./number";
import { definitionsAt, leafAt, levelOf, quickKind, slotsAt } from "./plan";
import { TIME_OK, isTimeCut, readTime, timeMicros } from "./time";

function put(node: usize, value: u64): void {
  store<u8>(definitionsAt(node) + row, levelOf(node));
  store<u64>(slotsAt(node) + (row << 3), value);
}

/** A string without escapes. @returns whether it is where it belongs */
export function putString(node: usize, start: usize, length: usize): bool {
  if (isRejected) return false;
  const kind = quickKind(node);
  if (kind == STRING) {
    if (!storeText(leafAt(node), slotsAt(node) + (row << 3), false, start, length)) return false;
    store<u8>(definitionsAt(node) + row, levelOf(node));
    return true;
  }
  if (kind != TIME || readTime(start, length) != TIME_OK || isTimeCut) return false;
  put(node, timeMicros);
  return true;
}

/** @returns whether it is where it belongs */
export function putBoolean(node: usize, isTrue: bool): bool {
  if (isRejected || quickKind(node) != BOOLEAN) return false;
  put(node, isTrue ? 1 : 0);
  return true;
}

/** Reads a number whose column takes it. @returns the address behind it; 0 where it is not where it belongs */
export function putNumber(node: usize, from: usize): usize {
  if (isRejected) return 0;
  const kind = quickKind(node);
  if (kind == LONG) return putLong(node, from);
  if (kind != DOUBLE) return 0;
  const end = readNumber(from);
  if (end == 0 || toDouble() != EXACT) return 0;
  put(node, reinterpret<u64>(double));
  return end;
}

/** At most 19 digits, without point and exponent. */
function putLong(node: usize, from: usize): usize {
  const isMinus = load<u8>(from) == 45;
  const first = isMinus ? from + 1 : from;
  let at = first;
  let value: u64 = 0;
  let eight = load<u64>(at);
  while (areDigits(eight)) {
    value = value * 100000000 + valueOf(eight);
    at += 8;
    eight = load<u64>(at);
  }
  let digit: u32 = <u32>(eight & 0xff) - 48;
  while (digit < 10) {
    value = value * 10 + digit;
    at++;
    digit = <u32>load<u8>(at) - 48;
  }
  const length = at - first;
  const next: u32 = digit + 48;
  if (length - 1 > 18 || next == 46 || (next | 32) == 101) return 0;
  if (length > 1 && load<u8>(first) == 48) return 0;
  if (value > <u64>i64.MAX_VALUE + (isMinus ? 1 : 0)) return 0;
  put(node, isMinus ? 0 - value : value);
  return at;
}
