/**
 * The leaves of JSON text (RFC 8259): white space, strings, numbers. Every function takes the address where
 * it starts and returns the address behind (of strings: of the closing quote), or 0 after a syntax error.
 *
 * There are no bounds to pass: the byte behind the text is 0, which no part of JSON can contain, so that
 * every scan stops there by itself. Strings are skipped 16 bytes at a time up to a quote, a backslash, a
 * control character or the first byte of a character beyond ASCII, which one signed comparison finds.
 */
import { SURROGATE, UTF8, broken, note } from "./verdict";

const QUOTE: u32 = 34;
const BACKSLASH: u32 = 92;

/** Whether the string last skipped holds a backslash. */
export let hasEscapes: bool = false;
let replacesLineBreaks: bool = false;

/** Line breaks outside of strings become spaces, in place. */
export function setReplaceLineBreaks(on: bool): void {
  replacesLineBreaks = on;
}

export function skipSpace(from: usize): usize {
  let at = from;
  while (true) {
    const c: u32 = load<u8>(at);
    if (c == 10 || c == 13) {
      if (replacesLineBreaks) store<u8>(at, 32);
    } else if (c != 32 && c != 9) {
      return at;
    }
    at++;
  }
}

/** Sixteen times 2, 33 and 92, to be read: an engine builds a vector that the code names anew at each use. */
const twos = memory.data<u8>([2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2], 16);
const marks = memory.data<u8>([33, 33, 33, 33, 33, 33, 33, 33, 33, 33, 33, 33, 33, 33, 33, 33], 16);
const slashes = memory.data<u8>([92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92, 92], 16);

/**
 * Of 16 bytes: one bit for each that does not simply belong to an ASCII string. With its second bit turned
 * around, a control character, the quote and, as a negative number, what is beyond ASCII is less than 33.
 */
export function specialBits(bytes: v128): i32 {
  return bitsOf(bytes, v128.load(twos), v128.load(marks), v128.load(slashes));
}

function bitsOf(bytes: v128, two: v128, mark: v128, slash: v128): i32 {
  return i8x16.bitmask(v128.or(i8x16.lt_s(v128.xor(bytes, two), mark), i8x16.eq(bytes, slash)));
}

/** The first byte that does not simply belong to an ASCII string. */
export function passPlain(from: usize): usize {
  const two = v128.load(twos);
  const mark = v128.load(marks);
  const slash = v128.load(slashes);
  let at = from;
  let special = bitsOf(v128.load(at), two, mark, slash);
  while (special == 0) {
    at += 16;
    special = bitsOf(v128.load(at), two, mark, slash);
  }
  return at + <usize>ctz(special);
}

/** @param from behind the opening quote */
export function skipString(from: usize): usize {
  let at = from;
  hasEscapes = false;
  while (true) {
    at = passPlain(at);
    const c: u32 = load<u8>(at);
    if (c == QUOTE) return at;
    if (c == BACKSLASH) {
      hasEscapes = true;
      at = skipEscape(at);
      if (at == 0) return 0;
    } else if (c < 32) {
      return broken(at);
    } else {
      at = skipCharacters(at);
    }
  }
}

/** 0 to 15, or a larger number when `c` is no hexadecimal digit. */
export function hexDigit(c: u32): u32 {
  if (c - 48 < 10) return c - 48;
  const letter: u32 = (c | 32) - 97;
  return letter < 6 ? letter + 10 : 0xffff;
}

/** The value of four hexadecimal digits; more than 0xffff when they are none. */
export function hexWord(at: usize): u32 {
  const a = hexDigit(load<u8>(at));
  if (a > 15) return 0x10000;
  const b = hexDigit(load<u8>(at, 1));
  if (b > 15) return 0x10000;
  const c = hexDigit(load<u8>(at, 2));
  if (c > 15) return 0x10000;
  const d = hexDigit(load<u8>(at, 3));
  if (d > 15) return 0x10000;
  return (a << 12) | (b << 8) | (c << 4) | d;
}

/** A low surrogate that continues a pair at `at` (`\uDC00` to `\uDFFF`), or 0. */
function lowSurrogate(at: usize): u32 {
  if (load<u8>(at) != BACKSLASH || load<u8>(at, 1) != 117) return 0;
  const unit = hexWord(at + 2);
  return unit >= 0xdc00 && unit <= 0xdfff ? unit : 0;
}

function skipEscape(at: usize): usize {
  const c: u32 = load<u8>(at, 1);
  if (c == 117) {
    const unit = hexWord(at + 2);
    if (unit > 0xffff) return broken(at);
    if (unit < 0xd800 || unit > 0xdfff) return at + 6;
    if (unit < 0xdc00 && lowSurrogate(at + 6) != 0) return at + 12;
    note(SURROGATE, at);
    return at + 6;
  }
  if (c == 34 || c == 92 || c == 47 || c == 98 || c == 102 || c == 110 || c == 114 || c == 116) return at + 2;
  return broken(at);
}

/**
 * Skips characters beyond ASCII and notes the first ill-formed one (Unicode, table 3-7: no overlong forms,
 * no surrogates, nothing beyond U+10FFFF).
 */
function skipCharacters(from: usize): usize {
  let at = from;
  while (true) {
    const c: u32 = load<u8>(at);
    if (c < 0x80) return at;
    const length = wellFormed(at, c);
    if (length == 0) {
      note(UTF8, at);
      at++;
    } else {
      at += length;
    }
  }
}

/** The length of the character at `at`, whose first byte is `c` >= 0x80; 0 when it is ill-formed. */
function wellFormed(at: usize, c: u32): usize {
  const second: u32 = load<u8>(at, 1);
  if (c < 0xe0) return c >= 0xc2 && (second & 0xc0) == 0x80 ? 2 : 0;
  const third: u32 = load<u8>(at, 2);
  if ((third & 0xc0) != 0x80) return 0;
  if (c < 0xf0) {
    const lowest: u32 = c == 0xe0 ? 0xa0 : 0x80;
    const highest: u32 = c == 0xed ? 0x9f : 0xbf;
    return second >= lowest && second <= highest ? 3 : 0;
  }
  if ((<u32>load<u8>(at, 3) & 0xc0) != 0x80) return 0;
  const lowest: u32 = c == 0xf0 ? 0x90 : 0x80;
  const highest: u32 = c == 0xf4 ? 0x8f : 0xbf;
  return c <= 0xf4 && second >= lowest && second <= highest ? 4 : 0;
}

function isDigit(at: usize): bool {
  return <u32>load<u8>(at) - 48 < 10;
}

const seventies = memory.data<u8>([70, 70, 70, 70, 70, 70, 70, 70, 70, 70, 70, 70, 70, 70, 70, 70], 16);
const belowDigits = memory.data<u8>(
  [117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117, 117],
  16,
);

/** Most numbers end within 16 bytes and have no exponent: then one look at those bytes is all. */
export function skipNumber(from: usize): usize {
  const start = load<u8>(from) == 45 ? from + 1 : from;
  // moved by 70, digits are the bytes from 118 to 127, the greatest that there are with a sign
  const moved = i8x16.add(v128.load(start), v128.load(seventies));
  const digits = i8x16.bitmask(i8x16.gt_s(moved, v128.load(belowDigits)));
  let length: usize = <usize>ctz(~digits);
  if (length == 0) return broken(start);
  if (length > 1 && load<u8>(start) == 48) return start + 1;
  let next: u32 = load<u8>(start + length);
  if (next == 46) {
    const fraction: usize = <usize>ctz(~(digits >> (<i32>length + 1)));
    if (fraction == 0) return skipLongNumber(start);
    length += 1 + fraction;
    next = load<u8>(start + length);
  }
  if (length > 14 || (next | 32) == 101) return skipLongNumber(start);
  return start + length;
}

/** @param from behind the sign */
function skipLongNumber(from: usize): usize {
  let at = from;
  if (load<u8>(at) == 48) at++;
  else while (isDigit(at)) at++;
  if (load<u8>(at) == 46) {
    at++;
    if (!isDigit(at)) return broken(at);
    while (isDigit(at)) at++;
  }
  if ((load<u8>(at) | 32) == 101) {
    at++;
    const sign: u32 = load<u8>(at);
    if (sign == 43 || sign == 45) at++;
    if (!isDigit(at)) return broken(at);
    while (isDigit(at)) at++;
  }
  return at;
}

/** `true`, `false` or `null`. */
export function skipWord(at: usize): usize {
  const start: u32 = load<u32>(at);
  if (start == 0x65757274 || start == 0x6c6c756e) return at + 4;
  if (start == 0x736c6166 && load<u8>(at, 4) == 101) return at + 5;
  return broken(at);
}

export function isEqual(a: usize, b: usize, length: usize): bool {
  if (length < 8) return length == 0 || (load<u64>(a) ^ load<u64>(b)) << ((8 - <u64>length) << 3) == 0;
  let at: usize = 0;
  while (at + 8 <= length) {
    if (load<u64>(a + at) != load<u64>(b + at)) return false;
    at += 8;
  }
  return load<u64>(a + length - 8) == load<u64>(b + length - 8);
}

/** The first eight bytes of a text, zeros behind its end. */
export function prefixOf(text: usize, length: usize): u64 {
  if (length >= 8) return load<u64>(text);
  return length == 0 ? 0 : load<u64>(text) & (~(<u64>0) >> ((8 - <u64>length) << 3));
}

/** Copies a text that mostly is short; up to 15 bytes behind it are written, too. */
export function copyText(to: usize, from: usize, length: usize): void {
  if (length > 256) {
    memory.copy(to, from, length);
    return;
  }
  for (let at: usize = 0; at < length; at += 16) v128.store(to + at, v128.load(from + at));
}

function putCharacter(code: u32, to: usize): usize {
  if (code < 0x80) {
    store<u8>(to, code);
    return to + 1;
  }
  if (code < 0x800) {
    store<u8>(to, 0xc0 | (code >> 6));
    store<u8>(to, 0x80 | (code & 63), 1);
    return to + 2;
  }
  if (code < 0x10000) {
    store<u8>(to, 0xe0 | (code >> 12));
    store<u8>(to, 0x80 | ((code >> 6) & 63), 1);
    store<u8>(to, 0x80 | (code & 63), 2);
    return to + 3;
  }
  store<u8>(to, 0xf0 | (code >> 18));
  store<u8>(to, 0x80 | ((code >> 12) & 63), 1);
  store<u8>(to, 0x80 | ((code >> 6) & 63), 2);
  store<u8>(to, 0x80 | (code & 63), 3);
  return to + 4;
}

/** The code points of a string that `skipString` accepted. */
export function countCharacters(from: usize, length: usize, isEscaped: bool): usize {
  const end = from + length;
  let at = from;
  let count: usize = 0;
  if (!isEscaped) {
    for (; at + 16 <= end; at += 16) count += <usize>popcnt(firstBytesOfCharacters(at));
    return count + <usize>popcnt(firstBytesOfCharacters(at) & ((1 << (<i32>(end - at))) - 1));
  }
  while (at < end) {
    const c: u32 = load<u8>(at);
    if (c != BACKSLASH) {
      if ((c & 0xc0) != 0x80) count++;
      at++;
      continue;
    }
    count++;
    if (load<u8>(at, 1) != 117) {
      at += 2;
      continue;
    }
    const unit = hexWord(at + 2);
    at += unit >= 0xd800 && unit < 0xdc00 && lowSurrogate(at + 6) != 0 ? 12 : 6;
  }
  return count;
}

/** Of 16 bytes: one bit for each that begins a character. */
function firstBytesOfCharacters(at: usize): i32 {
  return i8x16.bitmask(i8x16.gt_s(v128.load(at), i8x16.splat(-65)));
}

/** What a one-letter escape stands for. */
function escaped(c: u32): u32 {
  if (c == 110) return 10;
  if (c == 116) return 9;
  if (c == 114) return 13;
  if (c == 98) return 8;
  if (c == 102) return 12;
  return c;
}

/**
 * Writes the text of a string that `skipString` accepted, without escapes, as UTF-8.
 * @returns its length, which is never more than `length`
 */
export function unescape(from: usize, length: usize, to: usize): usize {
  const end = from + length;
  let at = from;
  let put = to;
  while (at < end) {
    const bytes = v128.load(at);
    v128.store(put, bytes);
    const plain = <usize>ctz(<u32>i8x16.bitmask(i8x16.eq(bytes, i8x16.splat(92))) | 0x10000);
    at += plain;
    put += plain;
    if (plain == 16) continue;
    if (at >= end) break;
    const letter: u32 = load<u8>(at, 1);
    if (letter != 117) {
      store<u8>(put++, escaped(letter));
      at += 2;
      continue;
    }
    const unit = hexWord(at + 2);
    const low = unit >= 0xd800 && unit < 0xdc00 ? lowSurrogate(at + 6) : 0;
    put = putCharacter(low ? 0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff) : unit, put);
    at += low ? 12 : 6;
  }
  return put - to - (at - end);
}

/** Java's `String.hashCode` of UTF-8 text: over UTF-16 code units, with 32-bit overflow. */
export function javaHash(from: usize, length: usize): i32 {
  const end = from + length;
  let at = from;
  let hash: i32 = 0;
  while (at < end) {
    const c: u32 = load<u8>(at);
    if (c < 0x80) {
      hash = hash * 31 + <i32>c;
      at++;
    } else if (c < 0xe0) {
      hash = hash * 31 + <i32>(((c & 31) << 6) | (load<u8>(at, 1) & 63));
      at += 2;
    } else if (c < 0xf0) {
      hash = hash * 31 + <i32>(((c & 15) << 12) | ((load<u8>(at, 1) & 63) << 6) | (load<u8>(at, 2) & 63));
      at += 3;
    } else {
      const code: u32 =
        (((c & 7) << 18) |
          ((<u32>load<u8>(at, 1) & 63) << 12) |
          ((<u32>load<u8>(at, 2) & 63) << 6) |
          (<u32>load<u8>(at, 3) & 63)) -
        0x10000;
      hash = hash * 31 + <i32>(0xd800 | (code >> 10));
      hash = hash * 31 + <i32>(0xdc00 | (code & 0x3ff));
      at += 4;
    }
  }
  return hash;
}
