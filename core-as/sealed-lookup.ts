/**
 * What sealed parts say of many records at once. A filter is larger than the caches, so each of its three reads is a
 * miss where records come as they are. So a block of them is sorted by key and asked part by part: each filter is read
 * from its begin to its end, and the misses of neighbours overlap instead of waiting for one another.
 *
 * The surprising rule: all of a batch is asked before the first record is judged. What parts say does not depend on
 * the records before, and parts do not change meanwhile.
 */
import { keyOf, mayHold } from "./fuse";
import { generationAt, HORIZON, LIST_LENGTH, NUMBER, PARTS, SPAN } from "./identity-generation";
import { REGION_ASKED, reserve } from "./memory";
import { PART_BITS, PART_BODY, PART_FIRST, PART_LAST, PART_NEXT, SHARD, SHARD_BITS_MAX } from "./sealed-part";

/** Rows of a block; fewer where there is no memory for so many. */
const BLOCK_MAX: u32 = 262_144;
const BLOCK_MIN: u32 = 256;
/** Piles to sort into are 2 to this power: no shard ends within one. */
const PILE_BITS_MAX: u32 = 17;
/** Key and row. */
const ROW_BYTES: usize = 12;

const small = memory.data(12 * 256 + 4 * 257, 16);

// The block: keys under the first attempt in order of their uppermost bits, their rows, where each pile ends.
let keys: usize = 0;
let rows: usize = 0;
let ends: usize = 0;
let pileBits: u32 = 0;
/** The earliest and the latest time of the block. */
let least: i64 = 0;
let most: i64 = 0;

/**
 * @param settled [record] u8; where not 0, nobody asks
 * @param out [record] u8: 1 where a sealed part may have it within the horizon, else 0
 */
export function askParts(
  set: usize,
  count: u32,
  identities: usize,
  ingest: usize,
  settled: usize,
  out: usize,
): void {
  memory.fill(out, 0, count);
  const block = placeBlock(min(count, BLOCK_MAX));
  for (let from: u32 = 0; from < count; from += block) {
    sortBlock(from, min(count - from, block), identities, ingest, settled);
    askBlock(set, identities, ingest, out);
  }
}

/** Places a block of so many rows in memory. @returns its rows, perhaps fewer */
function placeBlock(wanted: u32): u32 {
  let block = max(wanted, BLOCK_MIN);
  pileBits = min(max(31 - <u32>clz(block), SHARD_BITS_MAX), PILE_BITS_MAX);
  keys = 0;
  if (block > BLOCK_MIN)
    keys = reserve(REGION_ASKED, <usize>block * ROW_BYTES + ((<usize>4) << pileBits) + 4);
  if (keys == 0) {
    keys = small;
    block = BLOCK_MIN;
    pileBits = SHARD_BITS_MAX;
  }
  rows = keys + ((<usize>block) << 3);
  ends = rows + ((<usize>block) << 2);
  return block;
}

function keyAt(identities: usize, row: u32, attempt: u32): u64 {
  const identity = identities + ((<usize>row) << 4);
  return keyOf(load<u64>(identity), load<u64>(identity, 8), attempt);
}

/** Takes rows that nobody has settled, in order of their piles: first counts them, then puts each in its place. */
function sortBlock(from: u32, length: u32, identities: usize, ingest: usize, settled: usize): void {
  const to = from + length;
  memory.fill(ends, 0, ((<usize>4) << pileBits) + 4);
  least = i64.MAX_VALUE;
  most = i64.MIN_VALUE;
  for (let row = from; row < to; row++) {
    if (load<u8>(settled + row) != 0) continue;
    const time: i64 = <i64>load<f64>(ingest + ((<usize>row) << 3));
    least = min(least, time);
    most = max(most, time);
    const next = ends + ((<usize>(keyAt(identities, row, 0) >> (64 - pileBits))) << 2);
    store<u32>(next, load<u32>(next, 4) + 1, 4);
  }
  for (let at = ends; at < ends + ((<usize>4) << pileBits); at += 4)
    store<u32>(at, load<u32>(at) + load<u32>(at, 4), 4);
  for (let row = from; row < to; row++) {
    if (load<u8>(settled + row) != 0) continue;
    const key = keyAt(identities, row, 0);
    const end = ends + ((<usize>(key >> (64 - pileBits))) << 2);
    const place: usize = load<u32>(end);
    store<u32>(end, <u32>place + 1);
    store<u64>(keys + (place << 3), key);
    store<u32>(rows + (place << 2), row);
  }
}

function askBlock(set: usize, identities: usize, ingest: usize, out: usize): void {
  const horizon: i64 = load<i64>(set, HORIZON);
  for (let g: u32 = 0; g < load<u32>(set, LIST_LENGTH); g++) {
    const generation = generationAt(set, g);
    const start: i64 = load<i64>(generation, NUMBER) * load<i64>(set, SPAN);
    let part: usize = load<u32>(generation, PARTS);
    for (; part != 0; part = load<u32>(part, PART_NEXT)) {
      // times that are near some entry of the part, as far as the part knows
      const from: i64 = start + <i64>load<u32>(part, PART_FIRST) - horizon;
      const to: i64 = start + <i64>load<u32>(part, PART_LAST) + horizon;
      if (most < from || least > to) continue;
      if (load<u32>(part, PART_BODY) == 0) markNear(0, endOf(0, 0), from, to, ingest, out);
      else askPart(part, from, to, identities, ingest, out);
    }
  }
}

/** Where the block's rows of a shard end, one of 2 to the power of `bits`. */
function endOf(shard: u32, bits: u32): u32 {
  const pile: usize = ((<usize>(shard + 1)) << (pileBits - bits)) - 1;
  return load<u32>(ends + (pile << 2));
}

function askPart(part: usize, from: i64, to: i64, identities: usize, ingest: usize, out: usize): void {
  const body: usize = load<u32>(part, PART_BODY);
  const bits: u32 = load<u32>(part, PART_BITS);
  let i: u32 = 0;
  for (let shard: u32 = 0; shard < (<u32>1) << bits; shard++) {
    const heading = body + <usize>shard * SHARD;
    const fingerprints = body + <usize>load<u32>(heading);
    const spanOf: u32 = load<u32>(heading, 4);
    const segmentBits: u32 = load<u32>(heading, 8) & 255;
    const attempt: u32 = load<u32>(heading, 8) >> 8;
    const end = endOf(shard, bits);
    if (spanOf == 0) i = end; // it has no entry
    for (; i < end; i++) {
      const at = <usize>i;
      const key: u64 =
        attempt == 0 ? load<u64>(keys + (at << 3)) : keyAt(identities, load<u32>(rows + (at << 2)), attempt);
      if (mayHold(fingerprints, segmentBits, spanOf, bits, key)) markNear(i, i + 1, from, to, ingest, out);
    }
  }
}

/** Marks those of the block's rows [first, last) whose times are in [from, to]. */
function markNear(first: u32, last: u32, from: i64, to: i64, ingest: usize, out: usize): void {
  for (let i = first; i < last; i++) {
    const row: usize = load<u32>(rows + ((<usize>i) << 2));
    const time: i64 = <i64>load<f64>(ingest + (row << 3));
    if (time >= from && time <= to) store<u8>(out + row, 1);
  }
}
