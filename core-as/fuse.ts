/**
 * Binary fuse filters (Graf and Lemire, "Binary fuse filters: fast and smaller than xor filters", 2022): 3-wise, 16-bit
 * fingerprints, about 18.5 bits a key for large filters. A key is the XOR of three fingerprints in neighbouring
 * segments; a key that is not there passes once in 65,536.
 *
 * The surprising rule: the bytes depend on the set of keys alone, not on their order, since peeling starts from
 * XORs in order of position and the seeds of retries are fixed.
 *
 * Building is `begin`, `addKey` for every key, `finish`; when one of them says no, again with the next attempt.
 */

/** Attempts with seeds of their own; each succeeds with more than 0.9, small ones with more than 0.5. */
export const ATTEMPTS: u32 = 128;
const SEGMENT_BITS_MAX: u32 = 18;
/** A slot counts up to 63 keys in a byte whose lowest two bits are an XOR of 0, 1, 2. */
const COUNT_MAX: u32 = 252;

// The layout of a filter of `count` keys: set by `layOut`.
export let segmentBits: u32 = 0;
/** Fingerprints that the first of three positions can take: a multiple of the segment. */
export let span: u32 = 0;
/** Fingerprints. */
export let slots: u32 = 0;

/** A pure function of the count, so that a stored filter's layout can be checked. */
export function layOut(count: u32): void {
  segmentBits = 0;
  span = 0;
  slots = 0;
  if (count == 0) return;
  const power: u32 = 31 - <u32>clz(count);
  // the logarithm to base 2, linear between powers: never too large, so that a filter is never too small
  const log: f64 = max<f64>(1, <f64>power + (<f64>count / <f64>((<u32>1) << power) - 1));
  segmentBits = min(SEGMENT_BITS_MAX, <u32>(log / 1.7355 + 2.25));
  const factor: f64 = max<f64>(1.125, 0.875 + (0.25 * 19.931568569324174) / log);
  const segments: u32 = (<u32>(<f64>count * factor) + ((<u32>1) << segmentBits)) >> segmentBits;
  span = (segments > 3 ? segments - 2 : 1) << segmentBits;
  slots = span + (2 << segmentBits);
}

const FIRST: u64 = ((<u64>0xff51afd7) << 32) | 0xed558ccd;
const SECOND: u64 = ((<u64>0xc4ceb9fe) << 32) | 0x1a85ec53;
const STEP: u64 = ((<u64>0x9e3779b9) << 32) | 0x7f4a7c15;

/** The key of an identity under the seed of an attempt: two identities that meet under one do not under the next. */
export function keyOf(low: u64, high: u64, attempt: u32): u64 {
  let key: u64 = (low ^ (<u64>(attempt + 1) * STEP)) * FIRST;
  key ^= key >> 32;
  key = (key ^ high) * SECOND;
  key ^= key >> 29;
  key *= FIRST;
  return key ^ (key >> 32);
}

function fingerprint(key: u64): u32 {
  return <u32>(key ^ (key >> 32)) & 0xffff;
}

/** @param common the key's uppermost bits that all keys of a filter may share */
function firstOf(key: u64, spanOf: u32, common: u32): u32 {
  return <u32>((((key << common) >> 32) * <u64>spanOf) >> 32);
}

function secondOf(key: u64, first: u32, bits: u32): u32 {
  return (first + ((<u32>1) << bits)) ^ (<u32>(key >> 18) & (((<u32>1) << bits) - 1));
}

function thirdOf(key: u64, first: u32, bits: u32): u32 {
  return (first + ((<u32>2) << bits)) ^ (<u32>key & (((<u32>1) << bits) - 1));
}

/**
 * Whether a key may be in the filter; never false for one that is. Keys in ascending order read it from its begin to
 * its end.
 */
export function mayHold(fingerprints: usize, bits: u32, spanOf: u32, common: u32, key: u64): bool {
  const first = firstOf(key, spanOf, common);
  const second = secondOf(key, first, bits);
  const third = thirdOf(key, first, bits);
  const found: u32 =
    <u32>load<u16>(fingerprints + ((<usize>first) << 1)) ^
    <u32>load<u16>(fingerprints + ((<usize>second) << 1)) ^
    <u32>load<u16>(fingerprints + ((<usize>third) << 1));
  return found == fingerprint(key);
}

// ---- building

// Scratch memory: XOR of the keys at each slot (u64), keys in the order in which they were peeled (u64),
// slots that hold one key (u32), how many keys each slot holds (u8), which of its three a peeled key gives (u8).
let keysAt: usize = 0;
let peeledAt: usize = 0;
let aloneAt: usize = 0;
let countsAt: usize = 0;
let placesAt: usize = 0;
let added: u32 = 0;
let commonBits: u32 = 0;

/** Bytes of scratch memory to build a filter of `count` keys. */
export function scratchBytes(count: u32): usize {
  layOut(count);
  return <usize>slots * 13 + <usize>count * 9 + 16;
}

/**
 * Lays the filter of `count` keys out and empties the scratch memory.
 * @param common uppermost bits that all keys share under the first attempt
 */
export function begin(scratch: usize, count: u32, common: u32): void {
  layOut(count);
  commonBits = common;
  keysAt = scratch;
  peeledAt = keysAt + ((<usize>slots) << 3);
  aloneAt = peeledAt + ((<usize>count) << 3);
  countsAt = aloneAt + ((<usize>slots) << 2);
  placesAt = countsAt + <usize>slots;
  memory.fill(keysAt, 0, (<usize>slots) << 3);
  memory.fill(countsAt, 0, slots);
  added = 0;
}

function addAt(slot: u32, key: u64, place: u32): u32 {
  const at = keysAt + ((<usize>slot) << 3);
  store<u64>(at, load<u64>(at) ^ key);
  const count: u32 = (<u32>load<u8>(countsAt + slot) + 4) ^ place;
  store<u8>(countsAt + slot, <u8>count);
  return count;
}

/** @returns false when too many keys meet in one slot */
export function addKey(key: u64): bool {
  const first = firstOf(key, span, commonBits);
  const most = max(
    addAt(first, key, 0),
    max(addAt(secondOf(key, first, segmentBits), key, 1), addAt(thirdOf(key, first, segmentBits), key, 2)),
  );
  added++;
  return most < COUNT_MAX;
}

/** Takes a peeled key away from another slot of its. @returns slots that hold one key, with it */
function leave(slot: u32, key: u64, place: u32, alone: u32): u32 {
  const at = keysAt + ((<usize>slot) << 3);
  store<u64>(at, load<u64>(at) ^ key);
  const count: u32 = (<u32>load<u8>(countsAt + slot) - 4) ^ place;
  store<u8>(countsAt + slot, <u8>count);
  if (count >> 2 != 1) return alone;
  store<u32>(aloneAt + ((<usize>alone) << 2), slot);
  return alone + 1;
}

/** Peels the keys. @returns how many could be */
function peel(): u32 {
  let alone: u32 = 0;
  for (let slot: u32 = 0; slot < slots; slot++) {
    if (<u32>load<u8>(countsAt + slot) >> 2 != 1) continue;
    store<u32>(aloneAt + ((<usize>alone) << 2), slot);
    alone++;
  }
  let peeled: u32 = 0;
  while (alone > 0) {
    const slot: u32 = load<u32>(aloneAt + ((<usize>--alone) << 2));
    const count: u32 = load<u8>(countsAt + slot);
    if (count >> 2 != 1) continue;
    const key: u64 = load<u64>(keysAt + ((<usize>slot) << 3));
    const place: u32 = count & 3;
    store<u64>(peeledAt + ((<usize>peeled) << 3), key);
    store<u8>(placesAt + peeled, <u8>place);
    peeled++;
    store<u8>(countsAt + slot, 0);
    const first = firstOf(key, span, commonBits);
    if (place != 0) alone = leave(first, key, 0, alone);
    if (place != 1) alone = leave(secondOf(key, first, segmentBits), key, 1, alone);
    if (place != 2) alone = leave(thirdOf(key, first, segmentBits), key, 2, alone);
  }
  return peeled;
}

/** Writes the fingerprints of the added keys. @returns false when these keys need another seed */
export function finish(fingerprints: usize): bool {
  let left = peel();
  if (left != added) return false;
  memory.fill(fingerprints, 0, (<usize>slots) << 1);
  while (left > 0) {
    left--;
    const key: u64 = load<u64>(peeledAt + ((<usize>left) << 3));
    const first = firstOf(key, span, commonBits);
    const second = secondOf(key, first, segmentBits);
    const third = thirdOf(key, first, segmentBits);
    const place: u32 = load<u8>(placesAt + left);
    const own = place == 0 ? first : place == 1 ? second : third;
    // its own slot is still 0: no key that was peeled later has it
    const value: u32 =
      fingerprint(key) ^
      <u32>load<u16>(fingerprints + ((<usize>first) << 1)) ^
      <u32>load<u16>(fingerprints + ((<usize>second) << 1)) ^
      <u32>load<u16>(fingerprints + ((<usize>third) << 1));
    store<u16>(fingerprints + ((<usize>own) << 1), <u16>value);
  }
  return true;
}
