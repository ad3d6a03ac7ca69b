/**
 * DELTA_BINARY_PACKED of Parquet's encodings: blocks of 128 differences in four miniblocks of 32, each with the bit
 * width that it needs. Differences wrap, so every i64 has one; those of 32-bit columns wrap at 32 bits.
 */
import { putVarint, zigzag } from "./varint";

const BLOCK: u32 = 128;
const MINIBLOCKS: u32 = 4;
const MINIBLOCK: u32 = 32;

const differences = memory.data(1024, 16);

/** Bytes that `count` values take at most. */
export function deltaBytesMax(count: u32): usize {
  return 32 + (<usize>(count + BLOCK - 1) / BLOCK) * (14 + <usize>BLOCK * 8);
}

/**
 * @param values i64 each
 * @param isNarrow whether the column is INT32
 * @returns the address behind what was written
 */
export function encodeDelta(values: usize, count: u32, isNarrow: bool, to: usize): usize {
  let at = putVarint(to, BLOCK);
  at = putVarint(at, MINIBLOCKS);
  at = putVarint(at, count);
  let previous: i64 = count ? load<i64>(values) : 0;
  at = putVarint(at, zigzag(previous));
  for (let from: u32 = 1; from < count; from += BLOCK) {
    const size = min<u32>(BLOCK, count - from);
    let least: i64 = i64.MAX_VALUE;
    for (let i: u32 = 0; i < size; i++) {
      const value: i64 = load<i64>(values + ((<usize>(from + i)) << 3));
      let difference = value - previous;
      if (isNarrow) difference = <i64>(<i32>difference);
      store<i64>(differences + ((<usize>i) << 3), difference);
      if (difference < least) least = difference;
      previous = value;
    }
    at = putVarint(at, zigzag(least));
    const widths = at;
    at += MINIBLOCKS;
    store<u32>(widths, 0);
    for (let first: u32 = 0; first < size; first += MINIBLOCK) {
      const width = bitWidth(first, size, least, isNarrow);
      store<u8>(widths + first / MINIBLOCK, <u8>width);
      if (width) at = pack(first, width, at);
    }
  }
  return at;
}

/** Makes a miniblock's differences relative to the least. @returns bits per value */
function bitWidth(first: u32, size: u32, least: i64, isNarrow: bool): u32 {
  let all: u64 = 0;
  for (let i = first; i < first + MINIBLOCK; i++) {
    const at = differences + ((<usize>i) << 3);
    let relative: u64 = i < size ? <u64>(load<i64>(at) - least) : 0;
    if (isNarrow) relative &= 0xffffffff;
    store<u64>(at, relative);
    all |= relative;
  }
  return 64 - <u32>clz(all);
}

/** 32 values of `width` bits are 4 × width bytes. */
function pack(first: u32, width: u32, to: usize): usize {
  let at = to;
  let bits: u64 = 0;
  let used: u32 = 0;
  for (let i = first; i < first + MINIBLOCK; i++) {
    const value: u64 = load<u64>(differences + ((<usize>i) << 3));
    bits |= value << used;
    used += width;
    if (used >= 64) {
      store<u64>(at, bits);
      at += 8;
      used -= 64;
      bits = used ? value >> (width - used) : 0;
    }
  }
  if (used) store<u64>(at, bits);
  return to + ((<usize>width) << 2);
}
