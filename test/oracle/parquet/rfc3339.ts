/**
 * RFC 3339 dates and times to numbers, without `Date`: exact to the microsecond, strict, no object per value.
 * Days from civil dates after Howard Hinnant's `days_from_civil`.
 *
 * Surprising rules: a space may stand for the T (§5.6 note). A leap second is the next second. Years 0001 to
 * 9999 in UTC, since that is what every reader of the lake can show.
 */

const DIGIT_0 = 48;
/** 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z. */
export const SECONDS_MIN: number = -62_135_596_800;
export const SECONDS_MAX: number = 253_402_300_799;

export const TIME_OK = 0;
export const TIME_MALFORMED = 1;
export const TIME_OUT_OF_RANGE = 2;

/** What a text says, filled by `parseTime`; reused from value to value. */
export interface ParsedTime {
  /** Whole seconds since 1970 UTC, rounded down. */
  seconds: number;
  /** 0..999,999 */
  micros: number;
  /** Whether the text says more than seconds and micros hold: digits below the microsecond, a leap second. */
  isCut: boolean;
}

/** Days since 1970 of the date at `text[at, at + 10)`; NaN where there is none. */
export function parseDate(text: string, at: number): number {
  if (text.charCodeAt(at + 4) !== 45 || text.charCodeAt(at + 7) !== 45) return Number.NaN;
  const year = twoDigits(text, at) * 100 + twoDigits(text, at + 2);
  const month = twoDigits(text, at + 5);
  const day = twoDigits(text, at + 8);
  // Comparisons with NaN are false, so a non-digit anywhere ends here.
  if (!(year >= 1 && month >= 1 && month <= 12 && day >= 1)) return Number.NaN;
  if (day > 28 && day > daysInMonth(year, month)) return Number.NaN;
  return daysFromCivil(year, month, day);
}

/** Reads `text[at, end)` into `out`. @returns TIME_OK, TIME_MALFORMED or TIME_OUT_OF_RANGE */
export function parseTime(text: string, at: number, end: number, out: ParsedTime): number {
  if (end - at < 20) return TIME_MALFORMED;
  const days = parseDate(text, at);
  const separator = text.charCodeAt(at + 10);
  const hour = twoDigits(text, at + 11);
  const minute = twoDigits(text, at + 14);
  const second = twoDigits(text, at + 17);
  if (separator !== 84 && separator !== 116 && separator !== 32) return TIME_MALFORMED;
  if (text.charCodeAt(at + 13) !== 58 || text.charCodeAt(at + 16) !== 58) return TIME_MALFORMED;
  if (Number.isNaN(days) || !(hour <= 23 && minute <= 59 && second <= 60)) return TIME_MALFORMED;

  let i = at + 19;
  out.micros = 0;
  out.isCut = second === 60;
  if (text.charCodeAt(i) === 46) {
    i = parseFraction(text, i + 1, end, out);
    if (i < 0) return TIME_MALFORMED;
  }
  const offset = parseOffset(text, i, end);
  if (Number.isNaN(offset)) return TIME_MALFORMED;
  out.seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset;
  if (second === 60) {
    // Leap seconds end a UTC day; their fraction has no place of its own.
    if (out.seconds % 86_400 !== 0) return TIME_MALFORMED;
    out.micros = 0;
  }
  return out.seconds >= SECONDS_MIN && out.seconds <= SECONDS_MAX ? TIME_OK : TIME_OUT_OF_RANGE;
}

/** @returns where the fraction ends, -1 where it has no digit */
function parseFraction(text: string, from: number, end: number, out: ParsedTime): number {
  let i = from;
  let micros = 0;
  let weight = 100_000;
  let isCut = out.isCut;
  for (; i < end; i++) {
    const digit = text.charCodeAt(i) - DIGIT_0;
    if (digit < 0 || digit > 9) break;
    if (weight >= 1) {
      micros += digit * weight;
      weight /= 10;
    } else if (digit !== 0) isCut = true;
  }
  out.micros = micros;
  out.isCut = isCut;
  return i === from ? -1 : i;
}

/** Seconds east of UTC of the zone that fills `text[i, end)`; NaN where there is none. */
function parseOffset(text: string, i: number, end: number): number {
  const sign = text.charCodeAt(i);
  if ((sign === 90 || sign === 122) && end - i === 1) return 0;
  if ((sign !== 43 && sign !== 45) || end - i !== 6 || text.charCodeAt(i + 3) !== 58) return Number.NaN;
  const hours = twoDigits(text, i + 1);
  const minutes = twoDigits(text, i + 4);
  if (!(hours <= 23 && minutes <= 59)) return Number.NaN;
  const seconds = hours * 3_600 + minutes * 60;
  return sign === 45 ? -seconds : seconds;
}

function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - DIGIT_0;
  const ones = text.charCodeAt(at + 1) - DIGIT_0;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function daysFromCivil(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}
