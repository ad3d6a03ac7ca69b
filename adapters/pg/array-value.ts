/**
 * Arrays of PostgreSQL, as text: `{1,NULL,"a \"quoted\" one",{2}}` (its manual, §8.15.6). Those with other lower
 * bounds than 1 begin with them (`[0:1]={1,2}`) and have no place in JSON.
 */
import type { SourceField } from "../../core/ports/source.ts";
import { ByteBuffer, type Bytes, phraseOf } from "./byte-buffer.ts";

export type WriteValue = (
  out: ByteBuffer,
  field: SourceField,
  source: Bytes,
  start: number,
  end: number,
) => boolean;

const OPEN = 0x7b;
const CLOSE = 0x7d;
const COMMA = 0x2c;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NULL_TEXT = new TextEncoder().encode("NULL");
const NULL_JSON = phraseOf("null");
/** PostgreSQL's MAXDIM. */
const DIMENSIONS_MAX = 6;
const SCRATCH_BYTES = 65_536;

/** Of the quoted element that is being read, without its escapes. Nothing here waits, so there is one at a time. */
const scratch = new ByteBuffer(SCRATCH_BYTES);

/** @returns false where it is no such array, or one that an element's form cannot hold; nothing is written then */
export function writeArray(
  out: ByteBuffer,
  element: SourceField,
  source: Bytes,
  start: number,
  end: number,
  writeValue: WriteValue,
): boolean {
  const from = out.length;
  const isWritten = writeItems(out, element, source, start, end, writeValue);
  if (!isWritten) out.length = from;
  return isWritten;
}

function writeItems(
  out: ByteBuffer,
  element: SourceField,
  source: Bytes,
  start: number,
  end: number,
  writeValue: WriteValue,
): boolean {
  const { bytes } = source;
  let depth = 0;
  /** An element or an inner array may come. */
  let isValueNext = true;
  let at = start;
  while (at < end) {
    const byte = bytes[at]!;
    out.reserve(1);
    if (byte === OPEN && isValueNext && depth < DIMENSIONS_MAX) {
      out.bytes[out.length++] = 0x5b;
      depth++;
      at++;
    } else if (byte === CLOSE && depth > 0) {
      // `{}` is empty; a comma before it is none of PostgreSQL's.
      if (isValueNext && bytes[at - 1] !== OPEN) return false;
      out.bytes[out.length++] = 0x5d;
      depth--;
      isValueNext = false;
      at++;
      if (depth === 0) return at === end;
    } else if (byte === COMMA && !isValueNext) {
      out.bytes[out.length++] = COMMA;
      isValueNext = true;
      at++;
    } else if (isValueNext && depth > 0) {
      const from = at;
      const isQuoted = byte === QUOTE;
      at = isQuoted ? unquote(bytes, at + 1, end) : afterPlain(bytes, at, end);
      if (at <= from) return false;
      if (isQuoted) {
        if (!writeValue(out, element, scratch, 0, scratch.length)) return false;
      } else if (isNull(bytes, from, at)) out.say(NULL_JSON);
      else if (!writeValue(out, element, source, from, at)) return false;
      isValueNext = false;
    } else return false;
  }
  return false;
}

/** @returns behind the closing quote; -1 where there is none */
function unquote(source: Uint8Array, start: number, end: number): number {
  let close = start;
  while (close < end && source[close] !== QUOTE) close += source[close] === BACKSLASH ? 2 : 1;
  if (close >= end) return -1;
  scratch.clear(SCRATCH_BYTES);
  scratch.reserve(close - start);
  const { bytes } = scratch;
  let length = 0;
  for (let at = start; at < close; at++) {
    if (source[at] === BACKSLASH) at++;
    bytes[length++] = source[at]!;
  }
  scratch.length = length;
  return close + 1;
}

/** @returns behind an element that is not quoted and so has no escapes */
function afterPlain(source: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && source[at] !== COMMA && source[at] !== CLOSE && source[at] !== OPEN) at++;
  return at;
}

function isNull(source: Uint8Array, start: number, end: number): boolean {
  if (end - start !== NULL_TEXT.length) return false;
  for (let i = 0; i < NULL_TEXT.length; i++) if (source[start + i] !== NULL_TEXT[i]) return false;
  return true;
}
