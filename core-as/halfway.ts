/**
 * Which of two neighbouring doubles a long decimal is nearer to, by comparing it with the number half way between them
 * as big integers. Asked once in some thousand numbers of more than 19 digits.
 */

/** Beyond so many digits only whether there are more matters: no half way has more (the most are 767). */
const DIGITS_MAX: u32 = 800;
/** u32 limbs: 10^800 × 2^1100, or 5^1200 × 2^60. */
const LIMBS: i32 = 128;
const decimal = memory.data(128 * 4, 16);
const half = memory.data(128 * 4, 16);

function multiplyAdd(number: usize, factor: u32, more: u32): void {
  let carry: u64 = more;
  for (let i: usize = 0; i < <usize>LIMBS; i++) {
    const product = <u64>load<u32>(number + (i << 2)) * factor + carry;
    store<u32>(number + (i << 2), <u32>product);
    carry = product >> 32;
  }
}

function multiplyByPower(number: usize, base: u32, exponent: i32): void {
  for (let i = 0; i < exponent; i++) multiplyAdd(number, base, 0);
}

function shiftLeft(number: usize, bits: i32): void {
  const limbs: i32 = bits >> 5;
  const rest: u32 = bits & 31;
  for (let i: i32 = LIMBS - 1; i >= 0; i--) {
    const from = i - limbs;
    let word: u64 = from < 0 ? 0 : (<u64>load<u32>(number + ((<usize>from) << 2))) << 32;
    if (from >= 1) word |= load<u32>(number + ((<usize>(from - 1)) << 2));
    store<u32>(number + ((<usize>i) << 2), <u32>((word << rest) >> 32));
  }
}

function compare(): i32 {
  for (let i: i32 = LIMBS - 1; i >= 0; i--) {
    const a: u32 = load<u32>(decimal + ((<usize>i) << 2));
    const b: u32 = load<u32>(half + ((<usize>i) << 2));
    if (a != b) return a < b ? -1 : 1;
  }
  return 0;
}

/**
 * Whether the decimal (`digits` digits from `text` on, with a point among them, × 10^exponent) rounds to the double
 * above `low`, not to `low`; of a tie, to the even one.
 */
export function isAboveHalfway(text: usize, digits: u32, exponent: i32, low: f64): bool {
  memory.fill(decimal, 0, (<usize>LIMBS) << 2);
  memory.fill(half, 0, (<usize>LIMBS) << 2);
  const kept = min(digits, DIGITS_MAX);
  let at = text;
  let passed: u32 = 0;
  while (passed < kept) {
    const digit: u32 = <u32>load<u8>(at++) - 48;
    if (digit > 9) continue;
    multiplyAdd(decimal, 10, digit);
    passed++;
  }
  // what was left out is more than nothing: it only matters where all else is equal
  const isMore = kept < digits;
  const power = exponent + <i32>(digits - kept);
  const bits = reinterpret<u64>(low);
  const biased = <i32>(bits >> 52);
  const mantissa: u64 = (bits & 0xfffffffffffff) | (biased ? (<u64>1) << 52 : 0);
  const middle = (mantissa << 1) | 1;
  store<u64>(half, middle);
  const binary = (biased ? biased : 1) - 1076;
  if (power >= 0) multiplyByPower(decimal, 5, power);
  else multiplyByPower(half, 5, -power);
  const shift = power - binary;
  if (shift >= 0) shiftLeft(decimal, shift);
  else shiftLeft(half, -shift);
  const order = compare();
  if (order != 0) return order > 0;
  return isMore || (mantissa & 1) != 0;
}
