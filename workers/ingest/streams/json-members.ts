/**
 * Walks members of JSON objects in place. Only for JSON that is known to be well-formed (the door's scan judged it
 * before it was stored): nothing is checked, and no object is made per event.
 */
import { isEqual } from "../../../core/bytes.ts";

const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

const decoder = new TextDecoder();

/** One walk at a time; its numbers are those of the member that `next` moved to. */
export class MemberWalk {
  /** Places in the bytes: of the key's first quote, behind its last, of the value, behind it. */
  keyAt = 0;
  keyEnd = 0;
  valueAt = 0;
  valueEnd = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;

  /** @param at of the object, white space before it allowed @returns whether there is an object */
  enter(bytes: Uint8Array, at: number): boolean {
    this.#bytes = bytes;
    this.#at = skipSpace(bytes, at);
    if (bytes[this.#at] !== OPEN_OBJECT) return false;
    this.#at++;
    return true;
  }

  /** @returns false at the object's end */
  next(): boolean {
    const bytes = this.#bytes;
    let at = skipSpace(bytes, this.#at);
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1);
    if (bytes[at] !== QUOTE) return false;
    this.keyAt = at;
    this.keyEnd = skipString(bytes, at);
    this.valueAt = skipSpace(bytes, skipSpace(bytes, this.keyEnd) + 1);
    this.valueEnd = skipValue(bytes, this.valueAt);
    this.#at = this.valueEnd;
    return true;
  }

  /** @param name with its quotes; plain ASCII */
  isKey(name: Uint8Array): boolean {
    const { keyAt, keyEnd } = this;
    if (isEqual(this.#bytes, keyAt, keyEnd, name)) return true;
    if (!hasEscape(this.#bytes, keyAt, keyEnd)) return false;
    return textOf(this.#bytes.subarray(keyAt, keyEnd)) === textOf(name);
  }
}

/** Not by `indexOf`, which would look through all events behind the key (measured: 15 times the cost of a stream). */
function hasEscape(bytes: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i] === BACKSLASH) return true;
  return false;
}

function textOf(quoted: Uint8Array): unknown {
  return JSON.parse(decoder.decode(quoted));
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length && bytes[at]! <= 0x20) at++;
  return at;
}

/** @param at of the first quote @returns the place behind the last */
function skipString(bytes: Uint8Array, at: number): number {
  for (let i = at + 1; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === QUOTE) return i + 1;
    if (byte === BACKSLASH) i++;
  }
  return bytes.length;
}

function skipValue(bytes: Uint8Array, from: number): number {
  const first = bytes[from];
  if (first === QUOTE) return skipString(bytes, from);
  if (first === OPEN_OBJECT || first === OPEN_ARRAY) return skipNested(bytes, from);
  let at = from;
  while (at < bytes.length) {
    const byte = bytes[at]!;
    if (byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_ARRAY || byte <= 0x20) break;
    at++;
  }
  return at;
}

function skipNested(bytes: Uint8Array, from: number): number {
  let depth = 0;
  for (let at = from; at < bytes.length;) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = skipString(bytes, at);
      continue;
    }
    at++;
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++;
    else if ((byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) && --depth === 0) return at;
  }
  return bytes.length;
}
