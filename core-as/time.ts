/**
 * RFC 3339 dates and times, strictly: `YYYY-MM-DDTHH:MM:SS[.digits](Z|±HH:MM)`, T and Z in either case, the proleptic
 * Gregorian calendar. Days by Howard Hinnant, "chrono-compatible date algorithms".
 *
 * Surprising rules: a space may stand for the T (§5.6, note). A leap second is the next second. Years 0001 to 9999 in
 * UTC, since that is what every reader of the lake can show.
 *
 * Times of events are close together: the days of dates that were read lately are remembered.
 */
import { areDigits, valueOf } from "./number";

const NO_NUMBER: u32 = 255;

/** Two digits, or NO_NUMBER. */
function twoDigits(at: usize): u32 {
  const tens: u32 = <u32>load<u8>(at) - 48;
  const ones: u32 = <u32>load<u8>(at, 1) - 48;
  return tens < 10 && ones < 10 ? tens * 10 + ones : NO_NUMBER;
}

function daysInMonth(year: u32, month: u32): u32 {
  if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/** Days since 1970-01-01. */
function daysFromCivil(year: i32, month: i32, day: i32): i32 {
  const y = month <= 2 ? year + 399 : year + 400; // one era later: never negative
  const era = y / 400;
  const yearOfEra = y - era * 400;
  const dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
  const dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear;
  return (era - 1) * 146097 + dayOfEra - 719468;
}

/** What `readTime` answers. */
export const TIME_OK: u8 = 0;
export const TIME_MALFORMED: u8 = 1;
export const TIME_OUT_OF_RANGE: u8 = 2;
export const NO_DATE: i32 = 0x7fffffff;

/** Microseconds since 1970 UTC. `isTimeCut`: the text says more, digits below the microsecond or a leap second. */
export let timeMicros: i64 = 0;
export let isTimeCut: bool = false;

/** A date that was read: its first eight bytes, its last two and KNOWN, its days. One for each last digit of a day. */
const MEMO: usize = 16;
const KNOWN: u32 = 0x10000;
const memos = memory.data(256, 16);

/** Days since 1970 of the date in the ten bytes at `from`; or NO_DATE. */
export function readDate(from: usize): i32 {
  const memo = memos + <usize>(load<u8>(from, 9) & 15) * MEMO;
  const front = load<u64>(from);
  const back = <u32>load<u16>(from, 8) | KNOWN;
  if (load<u64>(memo) == front && load<u32>(memo, 8) == back) return load<i32>(memo, 12);
  const days = daysOf(from);
  if (days == NO_DATE) return NO_DATE;
  store<u64>(memo, front);
  store<u32>(memo, back, 8);
  store<i32>(memo, days, 12);
  return days;
}

function daysOf(from: usize): i32 {
  if (load<u8>(from, 4) != 45 || load<u8>(from, 7) != 45) return NO_DATE;
  const century = twoDigits(from);
  const rest = twoDigits(from + 2);
  const month = twoDigits(from + 5);
  const day = twoDigits(from + 8);
  if (century > 99 || rest > 99 || month < 1 || month > 12) return NO_DATE;
  const year = century * 100 + rest;
  if (year == 0 || day < 1 || day > daysInMonth(year, month)) return NO_DATE;
  return daysFromCivil(<i32>year, <i32>month, <i32>day);
}

/** `HH:MM:SS`, the digits as their values: where a byte has bits that neither has, it is another text. */
const CLOCK: u64 = 0x30303a30303a3030;
const CLOCK_HIGH: u64 = 0xf0f0fff0f0fff0f0;
/** Makes a value beyond 9 reach into the upper half of its byte. */
const BEYOND_NINE: u64 = 0x0606000606000606;

/** Reads the whole of a text. @returns TIME_OK, TIME_MALFORMED, TIME_OUT_OF_RANGE */
export function readTime(from: usize, length: usize): u8 {
  isTimeCut = false;
  if (length < 20) return TIME_MALFORMED;
  const days = readDate(from);
  const separator: u32 = load<u8>(from, 10);
  if ((separator | 32) != 116 && separator != 32) return TIME_MALFORMED;
  const clock = load<u64>(from, 11) ^ CLOCK;
  if (((clock | (clock + BEYOND_NINE)) & CLOCK_HIGH) != 0) return TIME_MALFORMED;
  const hour = <u32>(clock & 15) * 10 + <u32>((clock >> 8) & 15);
  const minute = <u32>((clock >> 24) & 15) * 10 + <u32>((clock >> 32) & 15);
  const second = <u32>((clock >> 48) & 15) * 10 + <u32>(clock >> 56);
  if (days == NO_DATE || hour > 23 || minute > 59 || second > 60) return TIME_MALFORMED;
  const end = from + length;
  fraction = 0;
  const at = load<u8>(from, 19) == 46 ? readFraction(from + 20, end) : from + 19;
  if (at == 0) return TIME_MALFORMED;
  const offset = zoneMinutes(at, end);
  if (offset == NO_ZONE) return TIME_MALFORMED;
  const minutes: i64 = (<i64>days * 24 + <i64>hour) * 60 + <i64>minute - <i64>offset;
  const seconds = minutes * 60 + <i64>second;
  if (second == 60) {
    // it ends a UTC day and stands for the next second; its fraction has no place of its own
    if (seconds % 86400 != 0) return TIME_MALFORMED;
    isTimeCut = true;
    fraction = 0;
  }
  timeMicros = seconds * 1000000 + fraction;
  return seconds >= SECONDS_MIN && seconds <= SECONDS_MAX ? TIME_OK : TIME_OUT_OF_RANGE;
}

/** 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z. */
const SECONDS_MIN: i64 = -62135596800;
const SECONDS_MAX: i64 = 253402300799;
let fraction: i64 = 0;

/** @returns where the digits end, 0 where there is none */
function readFraction(from: usize, end: usize): usize {
  const length = end - from;
  // three or six digits and one more byte, which is no digit: what most clocks write
  if (length == 7 && areDigits((load<u64>(from) & 0xffffffffffff) | 0x3030000000000000)) {
    fraction = <i64>valueOf((load<u64>(from) << 16) | 0x3030);
    return from + 6;
  }
  if (length == 4 && areDigits((<u64>load<u32>(from) & 0xffffff) | 0x3030303030000000)) {
    fraction = <i64>valueOf(((<u64>load<u32>(from)) << 40) | 0x3030303030) * 1000;
    return from + 3;
  }
  let at = from;
  let scale: i64 = 100000;
  while (at < end) {
    const digit: u32 = <u32>load<u8>(at) - 48;
    if (digit > 9) break;
    fraction += <i64>digit * scale;
    if (scale == 0 && digit != 0) isTimeCut = true;
    scale /= 10;
    at++;
  }
  return at == from ? 0 : at;
}

const NO_ZONE: i32 = 0x7fff;

/** Minutes east of UTC, of a zone that takes exactly the bytes from `at` to `end`; or NO_ZONE. */
function zoneMinutes(at: usize, end: usize): i32 {
  if (at >= end) return NO_ZONE;
  const sign: u32 = load<u8>(at);
  if ((sign | 32) == 122) return at + 1 == end ? 0 : NO_ZONE;
  if ((sign != 43 && sign != 45) || at + 6 != end || load<u8>(at, 3) != 58) return NO_ZONE;
  const hours = twoDigits(at + 1);
  const minutes = twoDigits(at + 4);
  if (hours > 23 || minutes > 59) return NO_ZONE;
  const offset = <i32>(hours * 60 + minutes);
  return sign == 45 ? -offset : offset;
}
