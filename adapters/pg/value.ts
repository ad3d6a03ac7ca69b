/**
 * From the text of a value, as PostgreSQL shows it under the settings of adapters/pg/connection.ts, to JSON: bytes
 * to bytes. Used for changes and for copies alike, so both give the same.
 *
 * Surprising rule: every function is total. What a form cannot hold (an infinity, a year before Christ, text that is
 * not of the form at all) is refused by `false`, and goes beside as text (core/change.ts).
 */
import type { SourceField } from "../../core/ports/source.ts";
import { writeArray } from "./array-value.ts";
import type { ByteBuffer } from "./byte-buffer.ts";
import { isJsonHeld, isJsonShallow } from "./json-value.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
/** Longer texts are looked through first, and copied at once where nothing has to be escaped. */
const SHORT_BYTES_MAX = 256;

/** Per byte: 0 as it is, 1 as `\u00XX`, else the letter behind the backslash. */
const ESCAPES = new Uint8Array(256);
ESCAPES.fill(1, 0, 32);
for (const [byte, letter] of ['""', "\\\\", "\bb", "\tt", "\nn", "\ff", "\rr"]) {
  ESCAPES[byte!.charCodeAt(0)] = letter!.charCodeAt(0);
}
const HEX = new TextEncoder().encode("0123456789abcdef");
const BASE64 = new TextEncoder().encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
const NIBBLES = new Uint8Array(256).fill(255);
for (let i = 0; i < 16; i++) NIBBLES[HEX[i]!] = i;

/**
 * Writes source[start, end) as a JSON value.
 * @returns false where the form cannot hold it; nothing has been written then
 */
export function writeValue(
  out: ByteBuffer,
  field: SourceField,
  source: Uint8Array,
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
      return isDate(source, start, end) && writeQuoted(out, source, start, end);
    case "bytes":
      return writeBase64(out, source, start, end);
    case "json":
      return isJsonShallow(source, start, end) && writeJson(out, source, start, end);
    case "loose-json":
      return isJsonHeld(source, start, end) && writeJson(out, source, start, end);
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

/** As a JSON string, escaped. */
export function writeText(out: ByteBuffer, source: Uint8Array, start: number, end: number): void {
  const length = end - start;
  if (length > SHORT_BYTES_MAX) return writeLongText(out, source, start, end);
  out.reserve(length * 6 + 2);
  const { bytes } = out;
  let at = out.length;
  bytes[at++] = QUOTE;
  for (let i = start; i < end; i++) {
    const byte = source[i]!;
    if (ESCAPES[byte] === 0) bytes[at++] = byte;
    else at = writeEscape(bytes, at, byte);
  }
  bytes[at++] = QUOTE;
  out.length = at;
}

function writeLongText(out: ByteBuffer, source: Uint8Array, start: number, end: number): void {
  let escaped = 0;
  for (let i = start; i < end; i++) if (ESCAPES[source[i]!] !== 0) escaped++;
  out.reserve(end - start + escaped * 5 + 2);
  const { bytes } = out;
  let at = out.length;
  bytes[at++] = QUOTE;
  if (escaped === 0) {
    bytes.set(source.subarray(start, end), at);
    at += end - start;
  } else {
    for (let i = start; i < end; i++) {
      const byte = source[i]!;
      if (ESCAPES[byte] === 0) bytes[at++] = byte;
      else at = writeEscape(bytes, at, byte);
    }
  }
  bytes[at++] = QUOTE;
  out.length = at;
}

function writeEscape(bytes: Uint8Array, start: number, byte: number): number {
  let at = start;
  const letter = ESCAPES[byte]!;
  bytes[at++] = BACKSLASH;
  if (letter !== 1) {
    bytes[at++] = letter;
    return at;
  }
  bytes[at++] = 0x75;
  bytes[at++] = ZERO;
  bytes[at++] = ZERO;
  bytes[at++] = HEX[byte >> 4]!;
  bytes[at++] = HEX[byte & 15]!;
  return at;
}

function writeInteger(out: ByteBuffer, source: Uint8Array, start: number, end: number): boolean {
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

function writeDecimal(out: ByteBuffer, source: Uint8Array, start: number, end: number): boolean {
  const first = source[start] === MINUS ? start + 1 : start;
  if (first >= end || source[first] === POINT || source[end - 1] === POINT) return false;
  let points = 0;
  for (let i = first; i < end; i++) {
    const byte = source[i]!;
    if (byte === POINT) points++;
    else if (byte < ZERO || byte > NINE) return false;
  }
  return points <= 1 && writeQuoted(out, source, start, end);
}

function writeBoolean(out: ByteBuffer, source: Uint8Array, start: number, end: number): boolean {
  const letter = source[start];
  if (end - start !== 1 || (letter !== 0x74 && letter !== 0x66)) return false;
  out.reserve(5);
  const { bytes } = out;
  const text = letter === 0x74 ? TRUE : FALSE;
  for (let i = 0; i < text.length; i++) bytes[out.length + i] = text[i]!;
  out.length += text.length;
  return true;
}
const TRUE = new TextEncoder().encode("true");
const FALSE = new TextEncoder().encode("false");

/** Digits, a point with digits, an exponent with digits: RFC 8259 §6, of which PostgreSQL never leaves out a part. */
function writeFloat(out: ByteBuffer, source: Uint8Array, start: number, end: number): boolean {
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
  out.copy(source, start, end);
  return true;
}

function afterDigits(source: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && source[at]! >= ZERO && source[at]! <= NINE) at++;
  return at;
}

/** Whether digits stand where the pattern has them, and its other bytes where they are. */
function isLike(source: Uint8Array, start: number, pattern: Uint8Array): boolean {
  for (let i = 0; i < pattern.length; i++) {
    const byte = source[start + i]!;
    if (pattern[i] === ZERO ? byte < ZERO || byte > NINE : byte !== pattern[i]) return false;
  }
  return true;
}
const DATE = new TextEncoder().encode("0000-00-00");
const SECOND = new TextEncoder().encode("0000-00-00 00:00:00");

function isDate(source: Uint8Array, start: number, end: number): boolean {
  return end - start === DATE.length && isLike(source, start, DATE);
}

/** From `2026-11-22 13:45:00.1+00` to `"2026-11-22T13:45:00.100000Z"`. */
function writeInstant(out: ByteBuffer, source: Uint8Array, start: number, end: number): boolean {
  const fraction = start + SECOND.length;
  const zone = end - 3;
  if (zone < fraction || !isLike(source, start, SECOND)) return false;
  if (source[zone] !== 0x2b || source[zone + 1] !== ZERO || source[zone + 2] !== ZERO) return false;
  const digits = Math.max(0, zone - fraction - 1);
  if (zone > fraction && (source[fraction] !== POINT || digits === 0 || digits > 6)) return false;
  if (afterDigits(source, fraction + 1, zone) < zone) return false;
  out.reserve(29);
  const { bytes } = out;
  let at = out.length;
  bytes[at++] = QUOTE;
  for (let i = 0; i < SECOND.length; i++) bytes[at++] = i === 10 ? 0x54 : source[start + i]!;
  bytes[at++] = POINT;
  for (let i = 0; i < 6; i++) bytes[at++] = i < digits ? source[fraction + 1 + i]! : ZERO;
  bytes[at++] = 0x5a;
  bytes[at++] = QUOTE;
  out.length = at;
  return true;
}

/** From `\x00ff` to `"AP8="`. */
function writeBase64(out: ByteBuffer, source: Uint8Array, start: number, end: number): boolean {
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

/** Text that needs no escapes. */
function writeQuoted(out: ByteBuffer, source: Uint8Array, start: number, end: number): true {
  out.reserve(end - start + 2);
  const { bytes } = out;
  let at = out.length;
  bytes[at++] = QUOTE;
  for (let i = start; i < end; i++) bytes[at++] = source[i]!;
  bytes[at++] = QUOTE;
  out.length = at;
  return true;
}

/** Line breaks, which in JSON only stand outside of strings, become spaces, as in every payload. */
function writeJson(out: ByteBuffer, source: Uint8Array, start: number, end: number): true {
  const from = out.length;
  out.copy(source, start, end);
  const { bytes } = out;
  for (let at = from; at < out.length; at++) if (bytes[at] === 0x0a || bytes[at] === 0x0d) bytes[at] = 0x20;
  return true;
}
