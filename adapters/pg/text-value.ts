/**
 * Text as a JSON string, bytes to bytes. Most of it needs no escapes, so four bytes at once are looked at and copied
 * until there is one that does; only then byte after byte.
 */
import { type ByteBuffer, type Bytes, WORD_BYTES } from "./byte-buffer.ts";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const ZERO = 0x30;
/** Longer texts are looked through first, and copied by a call where nothing has to be escaped. */
const SHORT_BYTES_MAX = 256;
/** Of one byte, `\u00XX`. */
const ESCAPED_BYTES_MAX = 6;

/** Per byte: 0 as it is, 1 as `\u00XX`, else the letter behind the backslash. */
const ESCAPES = new Uint8Array(256);
ESCAPES.fill(1, 0, 32);
for (const [byte, letter] of ['""', "\\\\", "\bb", "\tt", "\nn", "\ff", "\rr"]) {
  ESCAPES[byte!.charCodeAt(0)] = letter!.charCodeAt(0);
}
const HEX = new TextEncoder().encode("0123456789abcdef");

/** Writes source[start, end) in quotes, escaped. */
export function writeText(out: ByteBuffer, source: Bytes, start: number, end: number): void {
  const { bytes: from, view: words } = source;
  const length = end - start;
  if (length > SHORT_BYTES_MAX) return writeLongText(out, source, start, end);
  out.reserve(length * ESCAPED_BYTES_MAX + 2);
  const { bytes, view } = out;
  let at = out.length;
  let i = start;
  bytes[at++] = QUOTE;
  for (; i + WORD_BYTES <= end; i += WORD_BYTES, at += WORD_BYTES) {
    const word = words.getInt32(i, true);
    if (hasEscape(word)) break;
    view.setInt32(at, word, true);
  }
  out.length = at;
  writeRest(out, from, i, end);
}

function writeLongText(out: ByteBuffer, source: Bytes, start: number, end: number): void {
  const { bytes: from, view: words } = source;
  let plain = start;
  while (plain + WORD_BYTES <= end && !hasEscape(words.getInt32(plain, true))) plain += WORD_BYTES;
  let escaped = 0;
  for (let i = plain; i < end; i++) if (ESCAPES[from[i]!] !== 0) escaped++;
  out.reserve(end - start + escaped * (ESCAPED_BYTES_MAX - 1) + 2);
  out.bytes[out.length++] = QUOTE;
  if (escaped === 0) plain = end;
  out.bytes.set(from.subarray(start, plain), out.length);
  out.length += plain - start;
  writeRest(out, from, plain, end);
}

/** Byte after byte, and the closing quote. */
function writeRest(out: ByteBuffer, source: Uint8Array, start: number, end: number): void {
  const { bytes } = out;
  let at = out.length;
  for (let i = start; i < end; i++) {
    const byte = source[i]!;
    if (ESCAPES[byte] === 0) bytes[at++] = byte;
    else at = writeEscape(bytes, at, byte);
  }
  bytes[at++] = QUOTE;
  out.length = at;
}

/** Whether one of four bytes is below a space, a quote or a backslash (Warren, "Hacker's Delight", §6-1). */
function hasEscape(word: number): boolean {
  const control = word - 0x2020_2020;
  const quote = (word ^ 0x2222_2222) - 0x0101_0101;
  const backslash = (word ^ 0x5c5c_5c5c) - 0x0101_0101;
  return ((control | quote | backslash) & ~word & 0x8080_8080) !== 0;
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
