/**
 * From the text of a value, as PostgreSQL shows it under the settings of adapters/pg/connection.ts, to JSON: bytes
 * to bytes. Used for changes and for copies alike, so both give the same.
 *
 * Surprising rule: every function is total. What a form cannot hold (an infinity, a year before Christ, text that is
 * not of the form at all) is refused by `false`, and goes beside as text (core/change.ts).
 */
import type { SourceField } from "../../core/ports/source.ts";
import { writeArray } from "./array-value.ts";
import { type ByteBuffer, type Bytes, phraseOf } from "./byte-buffer.ts";
import { isJsonHeld, writeJson, writeShallowJson } from "./json-value.ts";
import { writeText } from "./text-value.ts";
import { DATE_BYTES, isDate, isSecond, SECOND_BYTES } from "./time-value.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;

const BASE64 = new TextEncoder().encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
const NIBBLES = new Uint8Array(256).fill(255);
for (let i = 0; i < 16; i++) NIBBLES[i.toString(16).charCodeAt(0)] = i;

/**
 * Writes source[start, end) as a JSON value.
 * @returns false where the form cannot hold it; nothing has been written then
 */
export function writeValue(
  out: ByteBuffer,
  field: SourceField,
  source: Bytes,
  start: number,
  end: number,
): boolean {
  switch (field.form) {
    case "integer":
      return writeInteger(out, source, start, end);
    case "text":
      writeText(out, source, start, end);
      return true;
    case "decimal":
      return writeDecimal(out, source, start, end);
    case "boolean":
      return writeBoolean(out, source, start, end);
    case "instant":
      return writeInstant(out, source, start, end);
    case "float":
      return writeFloat(out, source, start, end);
    case "date":
      return writeDate(out, source, start, end);
    case "bytes":
      return writeBase64(out, source, start, end);
    case "json":
      return writeShallowJson(out, source, start, end);
    case "loose-json":
      return isJsonHeld(source.bytes, start, end) && writeJson(out, source, start, end);
    case "array":
      return writeArray(
        out,
        { name: field.name, form: field.element ?? "text" },
        source,
        start,
        end,
        writeValue,
      );
    default:
      return false;
  }
}

function writeInteger(out: ByteBuffer, { bytes: source }: Bytes, start: number, end: number): boolean {
  const first = source[start] === MINUS ? start + 1 : start;
  if (first >= end) return false;
  out.reserve(end - start);
  const { bytes } = out;
  let at = out.length;
  if (first > start) bytes[at++] = MINUS;
  for (let i = first; i < end; i++) {
    const byte = source[i]!;
    if (byte < ZERO || byte > NINE) return false;
    bytes[at++] = byte;
  }
  out.length = at;
  return true;
}

function writeDecimal(out: ByteBuffer, { bytes: source }: Bytes, start: number, end: number): boolean {
  const first = source[start] === MINUS ? start + 1 : start;
  if (first >= end || source[first] === POINT || source[end - 1] === POINT) return false;
  out.reserve(end - start + 2);
  const { bytes } = out;
  let at = out.length;
  let points = 0;
  bytes[at++] = QUOTE;
  if (first > start) bytes[at++] = MINUS;
  for (let i = first; i < end; i++) {
    const byte = source[i]!;
    if (byte === POINT) points++;
    else if (byte < ZERO || byte > NINE) return false;
    bytes[at++] = byte;
  }
  bytes[at++] = QUOTE;
  if (points > 1) return false;
  out.length = at;
  return true;
}

function writeBoolean(out: ByteBuffer, { bytes: source }: Bytes, start: number, end: number): boolean {
  const letter = source[start];
  if (end - start !== 1 || (letter !== 0x74 && letter !== 0x66)) return false;
  out.say(letter === 0x74 ? TRUE : FALSE);
  return true;
}
const TRUE = phraseOf("true");
const FALSE = phraseOf("false");

/** Digits, a point with digits, an exponent with digits: RFC 8259 §6, of which PostgreSQL never leaves out a part. */
function writeFloat(out: ByteBuffer, from: Bytes, start: number, end: number): boolean {
  const { bytes: source } = from;
  let at = source[start] === MINUS ? start + 1 : start;
  const integer = at;
  at = afterDigits(source, at, end);
  // A leading zero stands alone.
  if (at === integer || (source[integer] === ZERO && at > integer + 1)) return false;
  if (source[at] === POINT && at < end) {
    const fraction = at + 1;
    at = afterDigits(source, fraction, end);
    if (at === fraction) return false;
  }
  if (at < end && (source[at]! | 0x20) === 0x65) {
    at++;
    if (source[at] === MINUS || source[at] === 0x2b) at++;
    const exponent = at;
    at = afterDigits(source, exponent, end);
    if (at === exponent) return false;
  }
  if (at !== end) return false;
  out.copy(from, start, end);
  return true;
}

function afterDigits(source: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && source[at]! >= ZERO && source[at]! <= NINE) at++;
  return at;
}

function writeDate(out: ByteBuffer, source: Bytes, start: number, end: number): boolean {
  if (end - start !== DATE_BYTES || !isDate(source.view, start)) return false;
  out.bytes[out.length++] = QUOTE;
  out.copy(source, start, end);
  out.bytes[out.length++] = QUOTE;
  out.reserve(0);
  return true;
}

/** From `2026-11-22 13:45:00.1+00` to `"2026-11-22T13:45:00.100000Z"`. */
function writeInstant(out: ByteBuffer, from: Bytes, start: number, end: number): boolean {
  const { bytes: source } = from;
  const fraction = start + SECOND_BYTES;
  const zone = end - 3;
  if (zone < fraction || !isSecond(from.view, start)) return false;
  if (source[zone] !== 0x2b || source[zone + 1] !== ZERO || source[zone + 2] !== ZERO) return false;
  const digits = Math.max(0, zone - fraction - 1);
  if (zone > fraction && (source[fraction] !== POINT || digits === 0 || digits > 6)) return false;
  if (afterDigits(source, fraction + 1, zone) < zone) return false;
  out.bytes[out.length++] = QUOTE;
  const second = out.length;
  out.copy(from, start, fraction);
  const { bytes } = out;
  bytes[second + DATE_BYTES] = 0x54;
  let at = out.length;
  bytes[at++] = POINT;
  for (let i = 1; i <= 6; i++) bytes[at++] = i <= digits ? source[fraction + i]! : ZERO;
  bytes[at++] = 0x5a;
  bytes[at++] = QUOTE;
  out.length = at;
  out.reserve(0);
  return true;
}

/** From `\x00ff` to `"AP8="`. */
function writeBase64(out: ByteBuffer, { bytes: source }: Bytes, start: number, end: number): boolean {
  const length = end - start - 2;
  if (length < 0 || length % 2 !== 0 || source[start] !== BACKSLASH || source[start + 1] !== 0x78)
    return false;
  const count = length / 2;
  out.reserve(Math.ceil(count / 3) * 4 + 2);
  const { bytes } = out;
  let at = out.length;
  let bad = 0;
  const byteAt = (i: number): number => {
    const [high, low] = [NIBBLES[source[start + 2 + i * 2]!]!, NIBBLES[source[start + 3 + i * 2]!]!];
    bad |= high | low;
    return (high << 4) | low;
  };
  bytes[at++] = QUOTE;
  for (let i = 0; i < count; i += 3) {
    const left = count - i;
    const word = (byteAt(i) << 16) | ((left > 1 ? byteAt(i + 1) : 0) << 8) | (left > 2 ? byteAt(i + 2) : 0);
    bytes[at++] = BASE64[(word >> 18) & 63]!;
    bytes[at++] = BASE64[(word >> 12) & 63]!;
    bytes[at++] = left > 1 ? BASE64[(word >> 6) & 63]! : 0x3d;
    bytes[at++] = left > 2 ? BASE64[word & 63]! : 0x3d;
  }
  bytes[at++] = QUOTE;
  if (bad > 15) return false;
  out.length = at;
  return true;
}
