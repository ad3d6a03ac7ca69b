/**
 * Formats of strings that a JSON Schema may ask for, exactly as the door's validator (ajv-formats, its full forms)
 * decides them, which is neither RFC 3339 nor what columns take (time.ts): any white space may stand for the T, a zone
 * needs no minutes and no colon, year 0000 is one, and a leap second is right where its zone says 23:59, whatever hour
 * and minute that takes.
 */
import { isUuidAt } from "./identity";
import { nearestDouble, readNumber } from "./number";

const NO_NUMBER: u32 = 255;
/** So many digits behind 59 or 60 seconds do not round up to the next. */
const DIGITS_SAFE: usize = 12;

function pair(at: usize): u32 {
  const tens: u32 = <u32>load<u8>(at) - 48;
  const ones: u32 = <u32>load<u8>(at, 1) - 48;
  return tens < 10 && ones < 10 ? tens * 10 + ones : NO_NUMBER;
}

/** Whether the ten bytes at `from` are a date. */
export function isDate(from: usize): bool {
  if (load<u8>(from, 4) != 45 || load<u8>(from, 7) != 45) return false;
  const century = pair(from);
  const rest = pair(from + 2);
  const month = pair(from + 5);
  const day = pair(from + 8);
  if (century > 99 || rest > 99 || month < 1 || month > 12 || day < 1) return false;
  if (month == 2) {
    const isLeap = rest % 4 == 0 && (rest != 0 || century % 4 == 0);
    return day <= (isLeap ? 29 : 28);
  }
  return day <= (month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31);
}

/** The bytes of one `t` or white-space character; 0 where there is none. */
function separatorBytes(at: usize): usize {
  const c: u32 = load<u8>(at);
  if ((c | 32) == 116 || c == 32 || (c >= 9 && c <= 13)) return 1;
  const second: u32 = load<u8>(at, 1);
  if (c == 0xc2) return second == 0xa0 ? 2 : 0;
  const both: u32 = (second << 8) | load<u8>(at, 2);
  if (c == 0xe1) return both == 0x9a80 ? 3 : 0; // U+1680
  if (c == 0xe2) {
    // U+2000 to U+200A, U+2028, U+2029, U+202F, U+205F
    const isSpace = (both >= 0x8080 && both <= 0x808a) || both == 0x80a8 || both == 0x80a9 || both == 0x80af;
    return isSpace || both == 0x819f ? 3 : 0;
  }
  if (c == 0xe3) return both == 0x8080 ? 3 : 0; // U+3000
  return c == 0xef && both == 0xbbbf ? 3 : 0; // U+FEFF
}

/** @param length the byte behind is a quote or 0 */
export function isDateTime(from: usize, length: usize): bool {
  if (length < 20 || !isDate(from)) return false;
  const gap = separatorBytes(from + 10);
  return gap != 0 && isTime(from + 10 + gap, from + length);
}

function isTime(from: usize, end: usize): bool {
  const hour = pair(from);
  const minute = pair(from + 3);
  const second = pair(from + 6);
  if (hour > 99 || minute > 99 || second > 99) return false;
  if (load<u8>(from, 2) != 58 || load<u8>(from, 5) != 58) return false;
  let at = from + 8;
  let digits: usize = 0;
  if (load<u8>(at) == 46) {
    at++;
    while (<u32>load<u8>(at + digits) - 48 < 10) digits++;
    if (digits == 0) return false;
    at += digits;
  }
  if (!readZone(at, end)) return false;
  if (second > 60) return false;
  let value: f64 = second;
  if (digits > DIGITS_SAFE && second >= 59) {
    readNumber(from + 6);
    value = nearestDouble();
  }
  if (hour <= 23 && minute <= 59 && value < 60) return true;
  const utcMinute = <i32>minute - zoneMinutes;
  const utcHour = <i32>hour - zoneHours - (utcMinute < 0 ? 1 : 0);
  if (utcHour != 23 && utcHour != -1) return false;
  return (utcMinute == 59 || utcMinute == -1) && value < 61;
}

let zoneHours: i32 = 0;
let zoneMinutes: i32 = 0;

/** Whether [at, end) is a zone. */
function readZone(at: usize, end: usize): bool {
  zoneHours = 0;
  zoneMinutes = 0;
  if (at >= end) return false;
  const sign: u32 = load<u8>(at);
  if ((sign | 32) == 122) return at + 1 == end;
  if (sign != 43 && sign != 45) return false;
  const hours = pair(at + 1);
  let minutes: u32 = 0;
  if (at + 3 != end) {
    const colon: usize = load<u8>(at, 3) == 58 ? 1 : 0;
    if (at + 5 + colon != end) return false;
    minutes = pair(at + 3 + colon);
  }
  if (hours > 23 || minutes > 59) return false;
  zoneHours = sign == 45 ? -(<i32>hours) : <i32>hours;
  zoneMinutes = sign == 45 ? -(<i32>minutes) : <i32>minutes;
  return true;
}

/** `urn:uuid:`, less the case of its letters. */
const urn = memory.data<u8>([117, 114, 110, 58, 117, 117, 105, 100, 58]);
const URN_BYTES: usize = 9;

/** A UUID, with or without `urn:uuid:`. */
export function isUuidText(from: usize, length: usize): bool {
  let start = from;
  if (length == 36 + URN_BYTES) {
    for (let i: usize = 0; i < URN_BYTES; i++) {
      const c: u32 = load<u8>(from + i);
      const letter: u32 = load<u8>(urn + i);
      if (c != letter && (letter == 58 || c + 32 != letter)) return false;
    }
    start += URN_BYTES;
  } else if (length != 36) {
    return false;
  }
  return isUuidAt(start);
}
