/**
 * Exact decimal arithmetic on the text of a JSON number. Slow paths of the decoder come here: what a double
 * or 15 digits cannot settle. Cost is linear in the text's length; no power of ten is ever built that the
 * target does not have room for.
 */

/** value = (isNegative ? -1 : 1) × digits × 10^exponent; digits without zeros at either end, "" is zero. */
export interface Decimal {
  readonly isNegative: boolean;
  readonly digits: string;
  readonly exponent: number;
}

const ZERO = 48;

/** @param token a JSON number, or digits with leading zeros */
export function parseDecimal(token: string): Decimal {
  const isNegative = token.startsWith("-");
  let exponentAt = token.length;
  for (let i = 0; i < token.length; i++) {
    const character = token.charCodeAt(i);
    if (character === 101 || character === 69) {
      exponentAt = i;
      break;
    }
  }
  const dot = token.indexOf(".");
  const whole = token.slice(isNegative ? 1 : 0, dot < 0 ? exponentAt : dot);
  const fraction = dot < 0 ? "" : token.slice(dot + 1, exponentAt);
  const all = whole + fraction;
  let from = 0;
  while (from < all.length && all.charCodeAt(from) === ZERO) from++;
  let to = all.length;
  while (to > from && all.charCodeAt(to - 1) === ZERO) to--;
  if (from === to) return { isNegative, digits: "", exponent: 0 };
  const written = exponentAt < token.length ? Number(token.slice(exponentAt + 1)) : 0;
  return { isNegative, digits: all.slice(from, to), exponent: written - fraction.length + all.length - to };
}

/** Whether two numbers written differently are the same one. Zero has no sign here. */
export function sameDecimal(a: string, b: string): boolean {
  const left = parseDecimal(a);
  const right = parseDecimal(b);
  if (left.digits !== right.digits) return false;
  return left.digits === "" || (left.isNegative === right.isNegative && left.exponent === right.exponent);
}

/**
 * The number × 10^scale as an integer of at most `digitsMax` digits.
 * @returns "inexact" where it is no integer, "large" where it has more digits
 */
export function scaledInteger(token: string, scale: number, digitsMax: number): bigint | "inexact" | "large" {
  const { isNegative, digits, exponent } = parseDecimal(token);
  if (digits === "") return 0n;
  const zeros = exponent + scale;
  if (digits.length + zeros > digitsMax) return "large";
  if (zeros < 0) return "inexact";
  const magnitude = BigInt(digits + "0".repeat(zeros));
  return isNegative ? -magnitude : magnitude;
}
