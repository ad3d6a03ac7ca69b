/**
 * 5^q for q from -342 to 324 as 128 significant bits, which is what reading and checking doubles needs (Lemire,
 * "Number parsing at a gigabyte per second", 2021). The table is computed at the first use, exactly, in a tenth of a
 * millisecond, so the module need not carry it. Truncated; from -27 to -1 rounded up, as Lemire's proof wants.
 */

export const POWER_MIN: i32 = -342;
export const POWER_MAX: i32 = 324;
const ROUNDED_UP_FROM: i32 = -27;

const table = memory.data(667 * 16, 16);
/** A natural number, u32 limbs, least first: room for 2^1824 and for 5^324. */
const LIMBS: i32 = 58;
const number = memory.data(58 * 4, 16);
let isReady = false;

/** The address of 5^q: the upper 64 bits, then the lower. */
export function powerAt(q: i32): usize {
  if (!isReady) fillPowers();
  return table + ((<usize>(q - POWER_MIN)) << 4);
}

function limb(i: i32): u64 {
  return load<u32>(number + ((<usize>i) << 2));
}

function multiplyByFive(): void {
  let carry: u64 = 0;
  for (let i = 0; i < LIMBS; i++) {
    const product = limb(i) * 5 + carry;
    store<u32>(number + ((<usize>i) << 2), <u32>product);
    carry = product >> 32;
  }
}

function divideByFive(): void {
  let rest: u64 = 0;
  for (let i = LIMBS - 1; i >= 0; i--) {
    const dividend = (rest << 32) | limb(i);
    store<u32>(number + ((<usize>i) << 2), <u32>(dividend / 5));
    rest = dividend % 5;
  }
}

/** 64 bits of the number from bit `from` on; bits below 0 are 0. */
function bitsFrom(from: i32): u64 {
  let bits: u64 = 0;
  const first = from >> 5;
  const shift = from & 31;
  for (let i = 0; i < 3; i++) {
    const word: u64 = first + i < 0 || first + i >= LIMBS ? 0 : limb(first + i);
    const place = (i << 5) - shift;
    if (place < 0) bits |= word >> <u64>-place;
    else if (place < 64) bits |= word << (<u64>place);
  }
  return bits;
}

function storeTop(q: i32): void {
  let top = LIMBS - 1;
  while (limb(top) == 0) top--;
  const length = (top << 5) + 32 - <i32>clz(<u32>limb(top));
  let high = bitsFrom(length - 64);
  let low = bitsFrom(length - 128);
  if (q < 0 && q >= ROUNDED_UP_FROM) {
    low++;
    if (low == 0) high++;
  }
  const at = table + ((<usize>(q - POWER_MIN)) << 4);
  store<u64>(at, high);
  store<u64>(at, low, 8);
}

function fillPowers(): void {
  isReady = true;
  store<u32>(number, 1);
  for (let q = 0; q <= POWER_MAX; q++) {
    storeTop(q);
    multiplyByFive();
  }
  memory.fill(number, 0, (<usize>LIMBS) << 2);
  store<u32>(number + ((<usize>(LIMBS - 1)) << 2), 1);
  for (let q = -1; q >= POWER_MIN; q--) {
    divideByFive();
    storeTop(q);
  }
}

/** The upper 64 of the 128 bits of a product; the lower ones in `productLow`. */
export let productLow: u64 = 0;
export function productHigh(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff;
  const aHigh = a >> 32;
  const bLow = b & 0xffffffff;
  const bHigh = b >> 32;
  const low = aLow * bLow;
  const cross = aHigh * bLow + (low >> 32);
  const middle = aLow * bHigh + (cross & 0xffffffff);
  productLow = (middle << 32) | (low & 0xffffffff);
  return aHigh * bHigh + (cross >> 32) + (middle >> 32);
}
