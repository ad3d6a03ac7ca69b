/**
 * RFC 3339 date-times, strictly: `YYYY-MM-DDTHH:MM:SS[.digits](Z|±HH:MM)`, T and Z in either case, the
 * proleptic Gregorian calendar, years 0000 to 9999. A leap second is taken only as `:59:60`, and stands for
 * the last microsecond before the next second. Days by Howard Hinnant, "chrono-compatible date algorithms".
 */

/** What the last `parseTime` found. `isCut`: the text says more than its microseconds can hold. */
export let isTime: bool = false;
export let isCut: bool = false;

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

/** @returns microseconds since 1970 UTC, rounded down; sets `isTime` and `isCut` */
export function parseTime(from: usize, length: usize): i64 {
  isTime = false;
  isCut = false;
  if (length < 20) return 0;
  const century = twoDigits(from);
  const rest = twoDigits(from + 2);
  if (century > 99 || rest > 99) return 0;
  const year = century * 100 + rest;
  const month = twoDigits(from + 5);
  const day = twoDigits(from + 8);
  const hour = twoDigits(from + 11);
  const minute = twoDigits(from + 14);
  let second = twoDigits(from + 17);
  if (load<u8>(from, 4) != 45 || load<u8>(from, 7) != 45) return 0;
  if ((load<u8>(from, 10) | 32) != 116 || load<u8>(from, 13) != 58 || load<u8>(from, 16) != 58) return 0;
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return 0;
  if (hour > 23 || minute > 59 || second > 60 || (second == 60 && minute != 59)) return 0;
  const end = from + length;
  let at = from + 19;
  let micros: i64 = 0;
  if (load<u8>(at) == 46) {
    const first = ++at;
    let scale: i64 = 100000;
    while (at < end) {
      const digit: u32 = <u32>load<u8>(at) - 48;
      if (digit > 9) break;
      micros += <i64>digit * scale;
      if (scale == 0 && digit != 0) isCut = true;
      scale /= 10;
      at++;
    }
    if (at == first) return 0;
  }
  if (second == 60) {
    second = 59;
    micros = 999999;
    isCut = true;
  }
  const offset = zoneMinutes(at, end);
  if (offset == NO_ZONE) return 0;
  isTime = true;
  const days: i64 = daysFromCivil(<i32>year, <i32>month, <i32>day);
  const minutes: i64 = (days * 24 + <i64>hour) * 60 + <i64>minute - <i64>offset;
  return (minutes * 60 + <i64>second) * 1000000 + micros;
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
