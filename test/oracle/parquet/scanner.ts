/**
 * The decoder's place in one event's text and what it has just read there. Values come back through fields
 * ("registers") instead of return values, so that reading a number makes no object; functions return where
 * the value ends, or -1 after a failure.
 *
 * Exactness: up to 15 digits are exact in a double and in each step below; whatever is longer, has an
 * exponent or a suspicious fraction takes the slow path through `decimal-text.ts`.
 */
import type { ErrorCode } from "../../../core/errors.ts";
import { type ParsedTime, parseDate, parseTime, TIME_MALFORMED, TIME_OK } from "./rfc3339.ts";
import { sameDecimal, scaledInteger } from "./decimal-text.ts";
import { Extra } from "./extra.ts";
import { endOfString, endOfValue, unescapeString } from "./json-text.ts";

export const FAILED = -1;
const DIGITS_EXACT = 15;
const LONG_DIGITS_MAX = 19;
const LONG_MIN = -(2n ** 63n);
const LONG_MAX = 2n ** 63n - 1n;
const SECONDS_SAFE = 9_000_000_000;
/** Below it a double has fewer than 15 digits. */
const DOUBLE_NORMAL = 1e-300;
const PLAIN_DECIMAL = /^-?\d+(?:\.\d+)?$/;
/** Powers of ten that a double holds exactly. */
const POWERS: readonly number[] = Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

export type RejectionCode = Extract<ErrorCode, `event.value_${string}`>;

export class Scanner {
  text = "";
  readonly extra: Extra = new Extra();
  /** The value just read, where it is not a number of at most 53 bits. */
  string = "";
  double = 0;
  /** An integer, unless `isBig`: then `big` holds it. */
  integer = 0;
  big = 0n;
  isBig = false;
  /** Whether the column holds less than the text said, so that the text must be kept in `extra`. */
  isCut = false;
  /** Any value, for structs and lists. */
  result: unknown = null;

  code: RejectionCode = "event.value_type";
  detail = "";
  /** JSON pointer, put together from the inside out while a failure is handed up. */
  pointer = "";

  readonly #time: ParsedTime = { seconds: 0, micros: 0, isCut: false };
  /** The first backslash at or behind the place last asked for. */
  #escape = -1;
  #window = "";
  #windowEscape = -1;
  /** Where the last event of the window began. */
  #windowAt = 0;
  #isInWindow = true;
  // Of the number just passed:
  #mantissa = 0;
  #digits = 0;
  #fraction = 0;
  #isNegative = false;
  #isPlain = true;

  /** Text of several events, best read from left to right, with events alone in between. */
  setWindow(text: string): void {
    this.#window = text;
    this.#windowEscape = -1;
    this.#windowAt = 0;
    this.text = text;
    this.#escape = -1;
    this.#isInWindow = true;
  }

  /** @param at where the event begins; one before the last costs a new search for backslashes */
  turnToWindow(at: number): void {
    if (!this.#isInWindow) {
      this.#isInWindow = true;
      this.text = this.#window;
      this.#escape = this.#windowEscape;
    }
    if (at < this.#windowAt) this.#escape = -1;
    this.#windowAt = at;
  }

  turnToEvent(text: string): void {
    if (this.#isInWindow) this.#windowEscape = this.#escape;
    this.#isInWindow = false;
    this.text = text;
    this.#escape = -1;
  }

  /** The next event, somewhere in `text`. */
  begin(): void {
    this.isCut = false;
    this.pointer = "";
    this.extra.begin();
  }

  /** Lets go of all text. */
  release(): void {
    this.setWindow("");
    this.string = "";
    this.result = null;
  }

  fail(code: RejectionCode, detail: string): number {
    this.code = code;
    this.detail = detail;
    return FAILED;
  }

  mismatch(i: number, expected: string): number {
    return this.fail(
      "event.value_type",
      `${jsonType(this.text.charCodeAt(i))} where ${expected} is declared`,
    );
  }

  /** @returns behind white space */
  skipSpace(i: number): number {
    while (this.text.charCodeAt(i) <= 32) i++;
    return i;
  }

  endOfString(i: number): number {
    const quote = this.text.indexOf('"', i);
    return quote < this.#escapeFrom(i) && quote >= 0 ? quote : endOfString(this.text, i);
  }

  endOfValue(i: number): number {
    return endOfValue(this.text, i);
  }

  /** What the string inside `text[from, to)` says. */
  unescape(from: number, to: number): string {
    return this.#escapeFrom(from) < to ? unescapeString(this.text, from, to) : this.text.slice(from, to);
  }

  /** Asked from left to right, it passes over the text once, however many strings there are. */
  #escapeFrom(i: number): number {
    if (this.#escape < i) {
      const found = this.text.indexOf("\\", i);
      this.#escape = found < 0 ? this.text.length : found;
    }
    return this.#escape;
  }

  /** Into `string`. */
  scanString(i: number): number {
    if (this.text.charCodeAt(i) !== 34) return this.mismatch(i, "a string");
    const end = this.endOfString(i + 1);
    this.string = this.unescape(i + 1, end);
    return end + 1;
  }

  scanBoolean(i: number): number {
    const first = this.text.charCodeAt(i);
    if (first !== 116 && first !== 102) return this.mismatch(i, "a boolean");
    this.integer = first === 116 ? 1 : 0;
    return first === 116 ? i + 4 : i + 5;
  }

  /** Into `integer` or `big`. */
  scanLong(i: number): number {
    if (!isNumberStart(this.text.charCodeAt(i))) return this.mismatch(i, "an integer");
    const end = this.#passNumber(this.text, i);
    if (this.#isPlain && this.#fraction === 0 && this.#digits <= DIGITS_EXACT) {
      this.integer = this.#isNegative ? 0 - this.#mantissa : this.#mantissa;
      this.isBig = false;
      return end;
    }
    const exact = scaledInteger(this.text.slice(i, end), 0, LONG_DIGITS_MAX);
    if (exact === "inexact")
      return this.fail("event.value_inexact", "a fraction where an integer is declared");
    if (exact === "large" || exact < LONG_MIN || exact > LONG_MAX)
      return this.fail("event.value_out_of_range", "the integer does not fit 64 bits");
    this.big = exact;
    this.isBig = true;
    return end;
  }

  /** The nearest double into `double`; `isCut` where its shortest form is another number than the text. */
  scanDouble(i: number): number {
    if (!isNumberStart(this.text.charCodeAt(i))) return this.mismatch(i, "a number");
    const end = this.#passNumber(this.text, i);
    if (this.#isPlain && this.#digits <= DIGITS_EXACT && this.#fraction < POWERS.length) {
      // Both operands are exact, so the one rounding of the division is the right one (Clinger 1990).
      const value = this.#mantissa / POWERS[this.#fraction]!;
      this.double = this.#isNegative ? -value : value;
      return end;
    }
    const token = this.text.slice(i, end);
    const value = Number(token);
    if (!Number.isFinite(value))
      return this.fail("event.value_out_of_range", "the number does not fit a 64-bit float");
    this.double = value;
    const isShort = this.#digits <= DIGITS_EXACT && Math.abs(value) > DOUBLE_NORMAL;
    const shortest = String(value);
    this.isCut = !isShort && token !== shortest && !sameDecimal(token, shortest);
    return end;
  }

  /** The number × 10^scale into `integer` or `big`. */
  scanDecimal(i: number, precision: number, scale: number): number {
    if (!isNumberStart(this.text.charCodeAt(i))) return this.mismatch(i, "a number");
    const end = this.#passNumber(this.text, i);
    return this.#scaled(this.text, i, end, precision, scale) ? end : FAILED;
  }

  /** As `scanDecimal`, from a string. */
  scanQuotedDecimal(i: number, precision: number, scale: number): number {
    const end = this.scanString(i);
    if (end < 0) return end;
    const { string } = this;
    if (!PLAIN_DECIMAL.test(string))
      return this.fail("event.value_type", "the string is not a plain decimal");
    this.#passNumber(string, 0);
    return this.#scaled(string, 0, string.length, precision, scale) ? end : FAILED;
  }

  /** µs since 1970 UTC into `integer` or `big`; `isCut` where the text says more than microseconds. */
  scanTime(i: number): number {
    if (this.text.charCodeAt(i) !== 34) return this.mismatch(i, "a date-time string");
    const end = this.endOfString(i + 1);
    const time = this.#time;
    let outcome = parseTime(this.text, i + 1, end, time);
    if (outcome === TIME_MALFORMED) {
      const said = this.unescape(i + 1, end);
      outcome = parseTime(said, 0, said.length, time);
    }
    if (outcome === TIME_MALFORMED)
      return this.fail("event.value_type", "the string is not an RFC 3339 time");
    if (outcome !== TIME_OK) return this.fail("event.value_out_of_range", "the year is not 0001 to 9999");
    this.isBig = Math.abs(time.seconds) > SECONDS_SAFE;
    if (this.isBig) this.big = BigInt(time.seconds) * 1_000_000n + BigInt(time.micros);
    else this.integer = time.seconds * 1_000_000 + time.micros;
    this.isCut = time.isCut;
    return end + 1;
  }

  /** Days since 1970 into `integer`. */
  scanDate(i: number): number {
    const end = this.scanString(i);
    if (end < 0) return end;
    const days = this.string.length === 10 ? parseDate(this.string, 0) : Number.NaN;
    if (Number.isNaN(days)) return this.fail("event.value_type", "the string is not an RFC 3339 date");
    this.integer = days;
    return end;
  }

  #scaled(text: string, from: number, to: number, precision: number, scale: number): boolean {
    const shift = scale - this.#fraction;
    const digitsMax = precision < DIGITS_EXACT ? precision : DIGITS_EXACT;
    if (this.#isPlain && shift >= 0 && this.#digits + shift <= digitsMax) {
      const value = this.#mantissa * POWERS[shift]!;
      this.integer = this.#isNegative ? 0 - value : value;
      this.isBig = false;
      return true;
    }
    const exact = scaledInteger(text.slice(from, to), scale, precision);
    if (exact === "inexact") this.fail("event.value_inexact", `more than ${scale} decimal places`);
    else if (exact === "large")
      this.fail("event.value_out_of_range", `the number does not fit decimal(${precision},${scale})`);
    else {
      this.big = exact;
      this.isBig = true;
      return true;
    }
    return false;
  }

  /** Passes over a number and notes its parts. `#mantissa` means something for at most 15 `#digits`. */
  #passNumber(text: string, i: number): number {
    let character = text.charCodeAt(i);
    this.#isNegative = character === 45;
    if (this.#isNegative) character = text.charCodeAt(++i);
    let mantissa = 0;
    let digits = 0;
    let fraction = 0;
    while (character >= 48 && character <= 57) {
      mantissa = mantissa * 10 + (character - 48);
      if (mantissa !== 0) digits++;
      character = text.charCodeAt(++i);
    }
    if (character === 46) {
      const dot = i;
      character = text.charCodeAt(++i);
      while (character >= 48 && character <= 57) {
        mantissa = mantissa * 10 + (character - 48);
        if (mantissa !== 0) digits++;
        character = text.charCodeAt(++i);
      }
      fraction = i - dot - 1;
    }
    this.#mantissa = mantissa;
    this.#digits = digits;
    this.#fraction = fraction;
    this.#isPlain = character !== 101 && character !== 69;
    return this.#isPlain ? i : endOfExponent(text, i + 1);
  }
}

function endOfExponent(text: string, i: number): number {
  for (;;) {
    const character = text.charCodeAt(i);
    const isPart = (character >= 48 && character <= 57) || character === 43 || character === 45;
    if (!isPart) return i;
    i++;
  }
}

function isNumberStart(character: number): boolean {
  return (character >= 48 && character <= 57) || character === 45;
}

function jsonType(character: number): string {
  switch (character) {
    case 34:
      return "a string";
    case 123:
      return "an object";
    case 91:
      return "an array";
    case 116:
    case 102:
      return "a boolean";
    case 110:
      return "null";
    default:
      return "a number";
  }
}
