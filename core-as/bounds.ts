/**
 * The least and greatest value of a page and of its chunk. Doubles never are NaN (JSON has none); of the two zeros the
 * least is written -0 and the greatest +0, as Parquet asks. Texts are compared by their UTF-8 bytes, which is the
 * order of code points.
 */
import { DOUBLE, INTEGER, TEXT, WIDE } from "./leaf";
import { REGION_GREATEST, REGION_LEAST, reserve } from "./memory";
import { prefixOf } from "./text";

/** Two sets of bounds, least and greatest: of the page, of the chunk; as slots. */
const bounds = memory.data(32, 16);
const CHUNK: usize = 16;
export let hasPageBounds: bool = false;
export let hasChunkBounds: bool = false;

export function resetBounds(): void {
  hasPageBounds = false;
  hasChunkBounds = false;
}

/** The address of the page's two slots, least and greatest; the chunk's stand 16 bytes behind. */
export function boundsAt(): usize {
  return bounds;
}

function compareTexts(a: u64, b: u64): i32 {
  const lengthA = <u32>(a >> 32);
  const lengthB = <u32>(b >> 32);
  const shared = min(lengthA, lengthB);
  const from = <usize>(<u32>a);
  const to = <usize>(<u32>b);
  let at: u32 = 0;
  for (; at + 8 <= shared; at += 8) {
    const x = bswap<u64>(load<u64>(from + at));
    const y = bswap<u64>(load<u64>(to + at));
    if (x != y) return x < y ? -1 : 1;
  }
  for (; at < shared; at++) {
    const x = <i32>load<u8>(from + at);
    const y = <i32>load<u8>(to + at);
    if (x != y) return x - y;
  }
  return lengthA < lengthB ? -1 : lengthA > lengthB ? 1 : 0;
}

/** Big-endian two's complement. */
function compareWide(a: usize, b: usize, width: usize): i32 {
  const signs = <i32>load<i8>(a) - <i32>load<i8>(b);
  if (signs) return signs;
  for (let i: usize = 1; i < width; i++) {
    const difference = <i32>load<u8>(a + i) - <i32>load<u8>(b + i);
    if (difference) return difference;
  }
  return 0;
}

function isBelow(kind: u8, a: u64, b: u64, width: usize): bool {
  if (kind == TEXT) return compareTexts(a, b) < 0;
  if (kind == WIDE) return compareWide(<usize>a, <usize>b, width) < 0;
  if (kind == DOUBLE) return reinterpret<f64>(a) < reinterpret<f64>(b);
  return <i64>a < <i64>b;
}

/**
 * Takes the bounds of a page's values, which stay where they are until the chunk ends; texts that do not are kept by
 * `keepTexts`.
 */
export function noteBounds(kind: u8, values: usize, count: u32, width: usize): void {
  hasPageBounds = count > 0;
  if (count == 0) return;
  let least: u64 = load<u64>(values);
  let greatest = least;
  if (kind == TEXT) {
    noteTexts(values, count);
    return;
  }
  if (kind != DOUBLE && kind != WIDE) {
    noteIntegers(values, count);
    return;
  }
  for (let i: u32 = 1; i < count; i++) {
    const value: u64 = load<u64>(values + ((<usize>i) << 3));
    if (value == least || value == greatest) continue;
    if (isBelow(kind, value, least, width)) least = value;
    else if (isBelow(kind, greatest, value, width)) greatest = value;
  }
  if (kind == DOUBLE) {
    if (reinterpret<f64>(least) == 0) least = 0x8000000000000000;
    if (reinterpret<f64>(greatest) == 0) greatest = 0;
  }
  keep(kind, least, greatest, width);
}

/** Copies the chunk's bounds, texts, where they were replaced by those of the page. @returns false without memory */
export function keepTexts(): bool {
  return keepText(CHUNK, 0, REGION_LEAST) && keepText(CHUNK + 8, 8, REGION_GREATEST);
}

function keepText(slot: usize, pageSlot: usize, region: u32): bool {
  if (!hasChunkBounds || load<u64>(bounds + slot) != load<u64>(bounds + pageSlot)) return true;
  const length: u32 = load<u32>(bounds + slot, 4);
  const to = reserve(region, length);
  if (to == 0) return false;
  memory.copy(to, load<u32>(bounds + slot), length);
  store<u32>(bounds + slot, <u32>to);
  return true;
}

function noteIntegers(values: usize, count: u32): void {
  let least: i64 = load<i64>(values);
  let greatest = least;
  const end = values + ((<usize>count) << 3);
  for (let at = values + 8; at < end; at += 8) {
    const value: i64 = load<i64>(at);
    least = value < least ? value : least;
    greatest = value > greatest ? value : greatest;
  }
  keep(INTEGER, least, greatest, 0);
}

/** Most texts differ in their first bytes. */
function noteTexts(values: usize, count: u32): void {
  let least: u64 = load<u64>(values);
  let greatest = least;
  let low = orderedPrefix(least);
  let high = low;
  for (let i: u32 = 1; i < count; i++) {
    const value: u64 = load<u64>(values + ((<usize>i) << 3));
    const prefix = orderedPrefix(value);
    if (prefix > low && prefix < high) continue;
    if (prefix < low || (prefix == low && compareTexts(value, least) < 0)) {
      least = value;
      low = prefix;
    }
    if (prefix > high || (prefix == high && compareTexts(greatest, value) < 0)) {
      greatest = value;
      high = prefix;
    }
  }
  keep(TEXT, least, greatest, 0);
}

function orderedPrefix(text: u64): u64 {
  return bswap<u64>(prefixOf(<usize>(<u32>text), <usize>(text >> 32)));
}

function keep(kind: u8, least: u64, greatest: u64, width: usize): void {
  store<u64>(bounds, least);
  store<u64>(bounds, greatest, 8);
  if (!hasChunkBounds || isBelow(kind, least, load<u64>(bounds, CHUNK), width))
    store<u64>(bounds, least, CHUNK);
  if (!hasChunkBounds || isBelow(kind, load<u64>(bounds, CHUNK + 8), greatest, width))
    store<u64>(bounds, greatest, CHUNK + 8);
  hasChunkBounds = true;
}
