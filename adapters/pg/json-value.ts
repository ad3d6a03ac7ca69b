/** Whether a value of `json` or `jsonb` can be part of an event: PostgreSQL allows more than an event may have. */
import { parseJson } from "../../core/parse-json.ts";

/** An event may be 64 deep, and a value stands in `data`, or in an array in it, or in `before`. */
const DEPTH_MAX = 60;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const decoder = new TextDecoder();
const HALF_PAIR = /[\ud800-\udfff]/u;

/** Nested no deeper than an event allows. */
export function isJsonShallow(source: Uint8Array, start: number, end: number): boolean {
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
