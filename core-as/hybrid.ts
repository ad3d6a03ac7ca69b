/**
 * The RLE and bit-packing hybrid of Parquet's encodings, for levels (bytes) and dictionary indices (u32): eight equal
 * values begin a run, everything else is packed in groups of eight. Writes up to 8 bytes behind its result.
 */
import { putVarint } from "./varint";

const GROUP: u32 = 8;

/** Bytes that `count` values of `width` bits take at most. */
export function hybridBytesMax(count: u32, width: u32): usize {
  return 32 + ((<usize>count + 7) >> 3) * (<usize>width + 6);
}

function valueAt(values: usize, i: u32, isWide: bool): u32 {
  return isWide ? load<u32>(values + ((<usize>i) << 2)) : load<u8>(values + i);
}

function isUniform(values: usize, i: u32, isWide: bool): bool {
  if (!isWide) {
    const bytes: u64 = load<u64>(values + i);
    return bytes == rotl(bytes, 8);
  }
  const at = values + ((<usize>i) << 2);
  const first = i32x4.splat(load<i32>(at));
  const equal = v128.and(i32x4.eq(v128.load(at), first), i32x4.eq(v128.load(at, 16), first));
  return i32x4.all_true(equal);
}

/**
 * @param values readable up to the next multiple of 8
 * @param width bits per value, at most 32; 0 writes runs without values
 * @returns the address behind what was written
 */
export function encodeHybrid(values: usize, count: u32, width: u32, isWide: bool, to: usize): usize {
  let at = to;
  let packedFrom: u32 = 0;
  let i: u32 = 0;
  while (i + GROUP <= count) {
    if (!isUniform(values, i, isWide)) {
      i += GROUP;
      continue;
    }
    const value = valueAt(values, i, isWide);
    let end = i + GROUP;
    while (end + GROUP <= count && valueAt(values, end, isWide) == value && isUniform(values, end, isWide))
      end += GROUP;
    while (end < count && valueAt(values, end, isWide) == value) end++;
    // what follows must start with a group: a run may only end off one where the values end
    const run = end == count ? end - i : (end - i) & ~(GROUP - 1);
    at = putPacked(values, packedFrom, i, width, isWide, at);
    at = putRun(run, value, width, at);
    i += run;
    packedFrom = i;
  }
  return putPacked(values, packedFrom, count, width, isWide, at);
}

function putRun(length: u32, value: u32, width: u32, to: usize): usize {
  const at = putVarint(to, (<u64>length) << 1);
  store<u32>(at, value);
  return at + ((width + 7) >> 3);
}

function putPacked(values: usize, from: u32, end: u32, width: u32, isWide: bool, to: usize): usize {
  if (from >= end) return to;
  const groups = (end - from + GROUP - 1) / GROUP;
  let at = putVarint(to, ((<u64>groups) << 1) | 1);
  const last = from + groups * GROUP;
  let bits: u64 = 0;
  let used: u32 = 0;
  for (let i = from; i < last; i++) {
    const value: u64 = i < end ? valueAt(values, i, isWide) : 0;
    bits |= value << used;
    used += width;
    if (used >= 64) {
      store<u64>(at, bits);
      at += 8;
      used -= 64;
      bits = used ? value >> (width - used) : 0;
    }
  }
  store<u64>(at, bits);
  return at + (used >> 3);
}
