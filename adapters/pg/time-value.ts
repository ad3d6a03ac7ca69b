/** Whether bytes are a date or a time as PostgreSQL shows them, four at once: digits and separators in their places. */

/** `2026-11-22` */
export const DATE_BYTES = 10;
/** `2026-11-22 13:45:00` */
export const SECOND_BYTES = 19;

/** Of four bytes, little-endian. A digit has 3 in its upper half, and still has it with 6 added: so it is below ten. */
interface Pattern {
  /** Bits that say what a byte is. */
  readonly mask: number;
  readonly value: number;
  /** 6 for each digit. */
  readonly add: number;
}

/** @param text four letters, 0 for any digit */
function patternOf(text: string): Pattern {
  let [mask, value, add] = [0, 0, 0];
  for (let i = 0; i < 4; i++) {
    const isDigit = text[i] === "0";
    mask |= (isDigit ? 0xf0 : 0xff) << (8 * i);
    value |= text.charCodeAt(i) << (8 * i);
    add |= (isDigit ? 6 : 0) << (8 * i);
  }
  return { mask, value, add };
}
const DIGITS = patternOf("0000");
const MONTH = patternOf("-00-");
const DAY_AT_END = patternOf("0-00");
const DAY = patternOf("00 0");
const MINUTE = patternOf("0:00");

/** @param at of DATE_BYTES bytes */
export function isDate(words: DataView, at: number): boolean {
  return (
    isLike(words.getInt32(at, true), DIGITS) &&
    isLike(words.getInt32(at + 4, true), MONTH) &&
    isLike(words.getInt32(at + 6, true), DAY_AT_END)
  );
}

/** @param at of SECOND_BYTES bytes */
export function isSecond(words: DataView, at: number): boolean {
  return (
    isLike(words.getInt32(at, true), DIGITS) &&
    isLike(words.getInt32(at + 4, true), MONTH) &&
    isLike(words.getInt32(at + 8, true), DAY) &&
    isLike(words.getInt32(at + 12, true), MINUTE) &&
    isLike(words.getInt32(at + 15, true), MINUTE)
  );
}

function isLike(word: number, { mask, value, add }: Pattern): boolean {
  return (word & mask) === value && ((word + add) & mask) === value;
}
