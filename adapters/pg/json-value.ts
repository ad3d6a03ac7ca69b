/** Values of `json` and `jsonb`, and whether they can be part of an event: PostgreSQL allows more than an event may have. */
import { parseJson } from "../../core/parse-json.ts";
import type { ByteBuffer, Bytes } from "./byte-buffer.ts";

/** An event may be 64 deep, and a value stands in `data`, or in an array in it, or in `before`. */
const DEPTH_MAX = 60;
const QUOTE = 0x22;
const SPACE = 0x20;
const BACKSLASH = 0x5c;
const decoder = new TextDecoder();
const HALF_PAIR = /[\ud800-\udfff]/u;

/** Per byte: whether it is more than a letter, within a string or outside. */
const MARKS = new Uint8Array(256);
for (const letter of '{}[]"\\\n\r') MARKS[letter.charCodeAt(0)] = 1;

/**
 * Writes a value that no key repeats in, as it is; line breaks, which in JSON only stand outside of strings, become
 * spaces, as in every payload.
 * @returns false where it is nested deeper than an event allows; nothing has been written then
 */
export function writeShallowJson(
  out: ByteBuffer,
  { bytes: source }: Bytes,
  start: number,
  end: number,
): boolean {
  out.reserve(end - start);
  const { bytes } = out;
  let at = out.length;
  let depth = 0;
  let isString = false;
  for (let i = start; i < end; i++) {
    const byte = source[i]!;
    bytes[at++] = byte;
    if (MARKS[byte] === 0) continue;
    if (byte === QUOTE) isString = !isString;
    else if (byte === 0x0a || byte === 0x0d) bytes[at - 1] = SPACE;
    else if (byte === BACKSLASH) {
      if (isString && i + 1 < end) bytes[at++] = source[++i]!;
    } else if (isString) continue;
    else if (byte === 0x7d || byte === 0x5d) depth--;
    else if (++depth > DEPTH_MAX) return false;
  }
  if (end === start) return false;
  out.length = at;
  return true;
}

/** Writes a value that is held. */
export function writeJson(out: ByteBuffer, source: Bytes, start: number, end: number): true {
  const from = out.length;
  out.copy(source, start, end);
  const { bytes } = out;
  for (let at = from; at < out.length; at++) if (bytes[at] === 0x0a || bytes[at] === 0x0d) bytes[at] = SPACE;
  return true;
}

/** Nested no deeper than an event allows. */
function isJsonShallow(source: Uint8Array, start: number, end: number): boolean {
  let depth = 0;
  for (let at = start; at < end; at++) {
    const byte = source[at]!;
    if (byte === QUOTE) at = afterString(source, at, end) - 1;
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > DEPTH_MAX) return false;
    } else if (byte === 0x7d || byte === 0x5d) depth--;
  }
  return end > start;
}

/** Also with every key once in its object, and no half of a surrogate pair. */
export function isJsonHeld(source: Uint8Array, start: number, end: number): boolean {
  if (!isJsonShallow(source, start, end)) return false;
  /** Keys of the objects around; null for arrays. */
  const open: (Set<string> | null)[] = [];
  let isKey = false;
  for (let at = start; at < end; at++) {
    const byte = source[at]!;
    if (byte === QUOTE) {
      const next = afterString(source, at, end);
      const keys = isKey ? open.at(-1) : undefined;
      const text = keys || hasEscape(source, at, next) ? stringOf(source, at, next) : "";
      if (text === undefined || HALF_PAIR.test(text) || keys?.has(text)) return false;
      keys?.add(text);
      isKey = false;
      at = next - 1;
    } else if (byte === 0x7b || byte === 0x5b) {
      open.push(byte === 0x7b ? new Set() : null);
      isKey = byte === 0x7b;
    } else if (byte === 0x7d || byte === 0x5d) {
      open.pop();
      isKey = false;
    } else if (byte === 0x2c) isKey = (open.at(-1) ?? null) !== null;
  }
  return true;
}

/** @param at of the opening quote. @returns where the string has ended, or `end` */
function afterString(source: Uint8Array, at: number, end: number): number {
  for (let i = at + 1; i < end; i++) {
    if (source[i] === BACKSLASH) i++;
    else if (source[i] === QUOTE) return i + 1;
  }
  return end;
}

function hasEscape(source: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (source[i] === BACKSLASH) return true;
  return false;
}

/** undefined: no JSON string. */
function stringOf(source: Uint8Array, start: number, end: number): string | undefined {
  const quoted = decoder.decode(source.subarray(start, end));
  if (!quoted.includes("\\")) return quoted.slice(1, -1);
  try {
    return String(parseJson(quoted));
  } catch {
    return undefined;
  }
}
