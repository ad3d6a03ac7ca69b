/**
 * What a JSON number says, exactly: as a double, and whether that double says it back; as an integer, scaled or not.
 *
 * Reading: Lemire, "Number parsing at a gigabyte per second" (2021), with Clinger's fast path (1990). Of more than 19
 * significant digits the first 19 and their successor mostly have the same nearest double; where they do not, big
 * integers decide (halfway.ts). Saying back: Giulietti, "The Schubfach way to render doubles" (2020).
 */
import { isAboveHalfway } from "./halfway";
import { POWER_MIN, powerAt, productHigh, productLow } from "./powers";

export const EXACT: u8 = 0;
/** A double whose shortest text is another number; the value is the nearest double. */
export const ROUNDED: u8 = 1;
/** No integer once scaled. */
export const INEXACT: u8 = 2;
export const OUT_OF_RANGE: u8 = 3;

const DIGITS_MAX: u32 = 19;
/** So many digits are always what the shortest text of the double says. */
const DIGITS_SAFE: u32 = 15;
/** Below it a double has fewer than 15 digits. */
const SAFE_MIN: f64 = 1e-300;
const MASK_63: u64 = 0x7fffffffffffffff;

// The number last read: (isNegative ? -1 : 1) × mantissa × 10^exponent. Of more than 19 significant digits the mantissa
// is the first 19, and `digits` says how many there are: from `firstDigit` on, with a point among them.
let mantissa: u64 = 0;
let digits: u32 = 0;
let exponent: i32 = 0;
let isNegative: bool = false;
let firstDigit: usize = 0;

/** The result of the last conversion. */
export let double: f64 = 0;
export let integerLow: u64 = 0;
export let integerHigh: u64 = 0;

const tens = memory.data<f64>([
  1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
  1e20, 1e21, 1e22,
]);

/**
 * Reads a number that the scan has passed, or passes it itself.
 * @returns the address behind it, 0 where it is no JSON number
 */
export function readNumber(from: usize): usize {
  let at = from;
  isNegative = load<u8>(at) == 45;
  if (isNegative) at++;
  const first = at;
  let read: u64 = 0;
  let digit: u32 = <u32>load<u8>(at) - 48;
  if (digit > 9) return 0;
  if (digit == 0) {
    at++;
    digit = <u32>load<u8>(at) - 48;
  } else {
    do {
      read = read * 10 + digit;
      at++;
      digit = <u32>load<u8>(at) - 48;
    } while (digit < 10);
  }
  let count = <u32>(at - first);
  exponent = 0;
  let next: u32 = digit + 48;
  if (next == 46) {
    at++;
    const fraction = at;
    digit = <u32>load<u8>(at) - 48;
    if (digit > 9) return 0;
    let eight = load<u64>(at);
    while (areDigits(eight)) {
      read = read * 100000000 + valueOf(eight);
      at += 8;
      eight = load<u64>(at);
    }
    digit = <u32>(eight & 0xff) - 48;
    while (digit < 10) {
      read = read * 10 + digit;
      at++;
      digit = <u32>load<u8>(at) - 48;
    }
    const length = <u32>(at - fraction);
    count += length;
    exponent = -(<i32>length);
    next = digit + 48;
  }
  mantissa = read;
  digits = count;
  if (count > DIGITS_MAX) readLong(first, at);
  if ((next | 32) == 101) return readExponent(at + 1);
  return at;
}

/** Whether 8 bytes are digits. */
export function areDigits(bytes: u64): bool {
  const high: u64 = 0xf0f0f0f0f0f0f0f0;
  return ((bytes & high) | (((bytes + 0x0606060606060606) & high) >> 4)) == 0x3333333333333333;
}

/** What 8 digits say: pairs, then fours, then all of them. */
export function valueOf(bytes: u64): u64 {
  const pairs = ((bytes & 0x0f0f0f0f0f0f0f0f) * 2561) >> 8;
  const fours = ((pairs & 0x00ff00ff00ff00ff) * 6553601) >> 16;
  return ((fours & 0x0000ffff0000ffff) * 42949672960001) >> 32;
}

/** Reads [from, end) again, without the zeros at either end: only what is left over counts. */
function readLong(from: usize, end: usize): void {
  let first = from;
  let last = end;
  while (first < last && (load<u8>(first) == 48 || load<u8>(first) == 46)) first++;
  while (last > first && (load<u8>(last - 1) == 48 || load<u8>(last - 1) == 46)) {
    last--;
    if (load<u8>(last) == 48) exponent++;
  }
  firstDigit = first;
  digits = 0;
  mantissa = 0;
  for (let at = first; at < last; at++) {
    const digit: u32 = <u32>load<u8>(at) - 48;
    if (digit > 9) continue;
    if (digits < DIGITS_MAX) mantissa = mantissa * 10 + digit;
    digits++;
  }
}

function readExponent(from: usize): usize {
  let at = from;
  const sign: u32 = load<u8>(at);
  if (sign == 43 || sign == 45) at++;
  let digit: u32 = <u32>load<u8>(at) - 48;
  if (digit > 9) return 0;
  let value: i32 = 0;
  do {
    if (value < 100000000) value = value * 10 + <i32>digit;
    at++;
    digit = <u32>load<u8>(at) - 48;
  } while (digit < 10);
  exponent += sign == 45 ? -value : value;
  return at;
}

/** The nearest double; infinite where there is none. */
export function nearestDouble(): f64 {
  const value = magnitude();
  return isNegative ? -value : value;
}

/**
 * Whether the nearest double is between two others for sure, and neither of them: seen from the digits alone, without
 * their point. False says nothing.
 */
export function isBetween(least: f64, most: f64): bool {
  if (isNegative || mantissa == 0 || exponent > 0 || digits > DIGITS_MAX) return false;
  // a positive number, and none so small that its double is 0
  return least <= 0 && exponent > -22 && <f64>mantissa < most;
}

/** Whether the nearest double is an integer, or infinite. */
export function isWhole(): bool {
  if (exponent >= 0 || mantissa == 0) return true;
  const value = magnitude();
  return value == floor<f64>(value);
}

/** The nearest double into `double`. @returns EXACT, ROUNDED or OUT_OF_RANGE */
export function toDouble(): u8 {
  const value = magnitude();
  double = isNegative ? -value : value;
  if (value == Infinity) return OUT_OF_RANGE;
  if (mantissa == 0) return EXACT;
  if (digits > DIGITS_MAX || value == 0) return ROUNDED;
  if (digits <= DIGITS_SAFE && value > SAFE_MIN) return EXACT;
  return isShortest(value) ? EXACT : ROUNDED;
}

function magnitude(): f64 {
  if (mantissa == 0) return 0;
  if (digits > DIGITS_MAX) return longMagnitude();
  if (mantissa <= 0x20000000000000 && exponent >= -22 && exponent <= 22) {
    const value = <f64>mantissa;
    if (exponent < 0) return value / load<f64>(tens + ((<usize>-exponent) << 3));
    return value * load<f64>(tens + ((<usize>exponent) << 3));
  }
  return nearest(mantissa, exponent);
}

/** Between the nearest doubles of the first 19 digits and of their successor. */
function longMagnitude(): f64 {
  const scale = exponent + <i32>(digits - DIGITS_MAX);
  const low = nearest(mantissa, scale);
  const high = nearest(mantissa + 1, scale);
  if (low == high) return low;
  return isAboveHalfway(firstDigit, digits, exponent, low) ? high : low;
}

/** The double nearest to w × 10^q, ties to even (Lemire's algorithm, whole). */
function nearest(significand: u64, q: i32): f64 {
  if (q < POWER_MIN) return 0;
  if (q > 308) return Infinity;
  const zeros = <u64>clz(significand);
  const w = significand << zeros;
  const power = powerAt(q);
  let high = productHigh(w, load<u64>(power));
  let low = productLow;
  if ((high & 0x1ff) == 0x1ff) {
    const more = productHigh(w, load<u64>(power, 8));
    low += more;
    if (more > low) high++;
  }
  const upper = high >> 63;
  let bits = high >> (upper + 9);
  let binary = ((217706 * q) >> 16) + 63 + <i32>upper - <i32>zeros + 1023;
  if (binary <= 0) {
    if (binary <= -63) return 0;
    bits >>= <u64>(1 - binary);
    bits += bits & 1;
    return reinterpret<f64>(bits >> 1); // subnormal, or rounded up to the least normal one
  }
  if (low <= 1 && q >= -4 && q <= 23 && (bits & 3) == 1 && bits << (upper + 9) == high) bits &= ~(<u64>1);
  bits += bits & 1;
  bits >>= 1;
  if (bits >= (<u64>2) << 52) {
    bits = (<u64>1) << 52;
    binary++;
  }
  if (binary >= 0x7ff) return Infinity;
  return reinterpret<f64>((bits & 0xfffffffffffff) | ((<u64>binary) << 52));
}

/** g × c, of whose 2^126-fold the upper part is kept; a sticky last bit (Schubfach's `rop`). */
function roundedToOdd(g1: u64, g0: u64, c: u64): u64 {
  const x1 = productHigh(g0, c);
  const y1 = productHigh(g1, c);
  const z = (productLow >> 1) + x1;
  const w = y1 + (z >> 63);
  return w | (((z & MASK_63) + MASK_63) >> 63);
}

/** Whether the shortest text that reads as `value` (positive) is the number last read, of at most 19 digits. */
function isShortest(value: f64): bool {
  const bits = reinterpret<u64>(value);
  const fraction = bits & 0xfffffffffffff;
  const isNormal = bits >> 52 != 0;
  const c = fraction | (isNormal ? (<u64>1) << 52 : 0);
  const q: i64 = isNormal ? <i64>(bits >> 52) - 1075 : -1074;
  const isRegular = fraction != 0 || bits >> 52 <= 1;
  const k = <i32>((q * 661971961083 - (isRegular ? 0 : 274743187321)) >> 41);
  const h = <u64>(q + ((<i64>-k * 913124641741) >> 38) + 2);
  const power = powerAt(-k);
  let upper = load<u64>(power);
  let lower = load<u64>(power, 8);
  if (-k < 0 && -k >= -27) {
    if (lower == 0) upper--;
    lower--;
  }
  lower = (lower >> 2) | (upper << 62);
  upper >>= 2;
  lower++;
  if (lower == 0) upper++;
  const g1 = (upper << 1) | (lower >> 63);
  const g0 = lower & MASK_63;
  const isOdd = c & 1;
  const around = c << 2;
  const middle = roundedToOdd(g1, g0, around << h);
  const left = roundedToOdd(g1, g0, (around - (isRegular ? 2 : 1)) << h) + isOdd;
  const right = roundedToOdd(g1, g0, (around + 2) << h) - isOdd;
  const s = middle >> 2;
  const short = s - (s % 10);
  const isShortBelow = left <= short << 2;
  const isShortAbove = (short + 10) << 2 <= right;
  if (isShortBelow != isShortAbove) return isSame(isShortBelow ? short : short + 10, k);
  const isBelow = left <= s << 2;
  const isAbove = (s + 1) << 2 <= right;
  if (isBelow != isAbove) return isSame(isBelow ? s : s + 1, k);
  const half = (s << 1) + 1;
  const isDown = middle >> 1 < half || (middle == half << 1 && (s & 1) == 0);
  return isSame(isDown ? s : s + 1, k);
}

/** Whether s × 10^k is the number last read. */
function isSame(s: u64, k: i32): bool {
  let a = s;
  let b = mantissa;
  let i = k;
  let j = exponent;
  while (i < j && a % 10 == 0) {
    a /= 10;
    i++;
  }
  while (j < i && b % 10 == 0) {
    b /= 10;
    j++;
  }
  return a == b && i == j;
}

/**
 * The number × 10^scale as a magnitude of at most `digitsMax` (38) digits into `integerHigh` and `integerLow`.
 * @returns EXACT, INEXACT or OUT_OF_RANGE
 */
export function toScaled(scale: i32, digitsMax: i32): u8 {
  integerHigh = 0;
  integerLow = 0;
  if (mantissa == 0) return EXACT;
  let zeros = exponent + scale;
  if (digits > DIGITS_MAX) {
    if (<i32>digits + zeros > digitsMax) return OUT_OF_RANGE;
    if (zeros < 0) return INEXACT; // its last digit is not 0
    readWide();
    multiplyBy(zeros);
    return EXACT;
  }
  let m = mantissa;
  while (zeros < 0 && m % 10 == 0) {
    m /= 10;
    zeros++;
  }
  if (<i32>lengthOf(m) + zeros > digitsMax) return OUT_OF_RANGE;
  if (zeros < 0) return INEXACT;
  integerLow = m;
  multiplyBy(zeros);
  return EXACT;
}

/** All digits of the text, at most 38, into the integer. */
function readWide(): void {
  integerLow = mantissa;
  let at = firstDigit;
  let passed: u32 = 0;
  let rest: u64 = 0;
  let factor: u64 = 1;
  for (; passed < digits; at++) {
    const digit: u32 = <u32>load<u8>(at) - 48;
    if (digit > 9) continue;
    passed++;
    if (passed <= DIGITS_MAX) continue;
    rest = rest * 10 + digit;
    factor *= 10;
  }
  const high = productHigh(integerLow, factor);
  integerLow = productLow + rest;
  integerHigh = high + (integerLow < rest ? 1 : 0);
}

/** The integer × 10^zeros. */
function multiplyBy(zeros: i32): void {
  let rest = zeros;
  while (rest > 0) {
    const factor = tenTo(min(rest, 19));
    const carried = productHigh(integerLow, factor);
    integerLow = productLow;
    integerHigh = integerHigh * factor + carried;
    rest -= 19;
  }
}

/** As an integer of 64 bits into `integerLow`, two's complement. @returns EXACT, INEXACT or OUT_OF_RANGE */
export function toLong(): u8 {
  const outcome = toScaled(0, 19);
  if (outcome != EXACT) return outcome;
  if (integerLow > MASK_63 + (isNegative ? 1 : 0)) return OUT_OF_RANGE;
  if (isNegative) integerLow = 0 - integerLow;
  return EXACT;
}

export function isBelowZero(): bool {
  return isNegative;
}

function tenTo(zeros: i32): u64 {
  let power: u64 = 1;
  for (let i = 0; i < zeros; i++) power *= 10;
  return power;
}

/** Decimal digits of a number that is not 0. */
function lengthOf(m: u64): u32 {
  let length: u32 = 1;
  let rest = m;
  while (rest >= 10) {
    rest /= 10;
    length++;
  }
  return length;
}
