/**
 * Sealed parts: entries of one generation as a filter, about 2.3 bytes each instead of 24 to 48. A part answers "not
 * here" or "maybe"; a maybe is settled by the lake, which has the exact ids and times. A part has at most 4 M ids, cut
 * by their keys into shards of at most about 256 K, so that building one takes little memory at a time.
 *
 * The surprising rule: a part may be blind. Without memory for a filter it says maybe to everything within its times:
 * slow, but never wrong. Blind ones side by side become one.
 *
 * A part: its numbers, and a body of one heading of 16 bytes per shard (where its fingerprints begin in the body,
 * span, segment bits and attempt, count) and the fingerprints.
 */
import { give, NO_MEMORY, refuse, take } from "./identity-budget";
import {
  addKey,
  ATTEMPTS,
  begin,
  finish,
  keyOf,
  layOut,
  mayHold,
  scratchBytes,
  segmentBits,
  slots,
  span,
} from "./fuse";
import { fullSlots, identityIn, slotTime } from "./identity-table";

/** Address of the generation's next older part. */
export const PART_NEXT: usize = 0;
/** Address of the body; 0: blind. */
export const PART_BODY: usize = 4;
// What an image holds of a part, besides its body: five u32.
export const PART_COUNT: usize = 8;
/** ms within the generation, both inclusive. */
export const PART_FIRST: usize = 12;
export const PART_LAST: usize = 16;
/** 2 to this power shards. */
export const PART_BITS: usize = 20;
/** Of the body; 0: blind. */
export const PART_BYTES: usize = 24;
/** u64 */
export const PART_STAMP: usize = 32;
const PART: usize = 40;
/** Bytes of a shard's heading. */
export const SHARD: usize = 16;

/** Entries in a part. */
export const PART_MAX: u32 = 1 << 22;
const SHARD_MAX: u32 = 1 << 18;
export const SHARD_BITS_MAX: u32 = 8;
/** Small tables are cut, too, so that sealing takes little beside the table; a filter of fewer ids wastes too much. */
const SHARD_MIN: u32 = 1024;

const counts = memory.data(1024, 16);
const places = memory.data(1024, 16);

function bitsFor(count: u32): u32 {
  let bits: u32 = 0;
  while (count >> bits > SHARD_MAX - (SHARD_MAX >> 4) || (bits < 4 && count >> (bits + 1) >= SHARD_MIN))
    bits++;
  return bits;
}

/** @param key under the first attempt */
function shardOf(key: u64, bits: u32): u32 {
  return <u32>((key >> 32) >> (32 - bits));
}

/** Whether the part may hold an identity. `key` is its key under the first attempt. */
export function mayBeIn(part: usize, low: u64, high: u64, key: u64): bool {
  const body: usize = load<u32>(part, PART_BODY);
  if (body == 0) return true;
  const bits: u32 = load<u32>(part, PART_BITS);
  const shard = body + <usize>shardOf(key, bits) * SHARD;
  const spanOf: u32 = load<u32>(shard, 4);
  if (spanOf == 0) return false;
  const seeds: u32 = load<u32>(shard, 8);
  const own: u64 = seeds >> 8 == 0 ? key : keyOf(low, high, seeds >> 8);
  return mayHold(body + load<u32>(shard), seeds & 255, spanOf, bits, own);
}

/** Counts the entries of each shard and their times. */
function survey(part: usize, table: usize, capacity: u32, bits: u32): void {
  memory.fill(counts, 0, (<usize>4) << bits);
  let first: u32 = 0xffffffff;
  let last: u32 = 0;
  for (let group: u32 = 0; group < capacity; group += 16) {
    for (let full = fullSlots(table, group); full != 0; full &= full - 1) {
      const slot = group + <u32>ctz(full);
      const identity = identityIn(table, capacity, slot);
      const key = keyOf(load<u64>(identity), load<u64>(identity, 8), 0);
      const at = counts + ((<usize>shardOf(key, bits)) << 2);
      store<u32>(at, load<u32>(at) + 1);
      const ms: u32 = load<u32>(slotTime(table, capacity, slot));
      first = min(first, ms);
      last = max(last, ms);
    }
  }
  store<u32>(part, first, PART_FIRST);
  store<u32>(part, last, PART_LAST);
}

/** Works out where the shards' fingerprints lie. @returns bytes of the body */
function placeShards(bits: u32): usize {
  let bytes: usize = SHARD << bits;
  for (let shard: usize = 0; shard < (<usize>1) << bits; shard++) {
    store<u32>(places + (shard << 2), <u32>bytes);
    layOut(load<u32>(counts + (shard << 2)));
    bytes += (<usize>slots) << 1;
  }
  return bytes;
}

function buildShard(
  table: usize,
  capacity: u32,
  bits: u32,
  shard: u32,
  attempt: u32,
  scratch: usize,
  out: usize,
): bool {
  begin(scratch, load<u32>(counts + ((<usize>shard) << 2)), bits);
  for (let group: u32 = 0; group < capacity; group += 16) {
    for (let full = fullSlots(table, group); full != 0; full &= full - 1) {
      const identity = identityIn(table, capacity, group + <u32>ctz(full));
      const low: u64 = load<u64>(identity);
      const high: u64 = load<u64>(identity, 8);
      const key = keyOf(low, high, 0);
      if (shardOf(key, bits) != shard) continue;
      if (!addKey(attempt == 0 ? key : keyOf(low, high, attempt))) return false;
    }
  }
  return finish(out);
}

function buildShards(table: usize, capacity: u32, bits: u32, scratch: usize, body: usize): bool {
  for (let shard: u32 = 0; shard < (<u32>1) << bits; shard++) {
    const count: u32 = load<u32>(counts + ((<usize>shard) << 2));
    const at: u32 = load<u32>(places + ((<usize>shard) << 2));
    let attempt: u32 = 0;
    if (count > 0)
      while (!buildShard(table, capacity, bits, shard, attempt, scratch, body + at))
        if (++attempt == ATTEMPTS) return false;
    layOut(count);
    const heading = body + <usize>shard * SHARD;
    store<u32>(heading, at);
    store<u32>(heading, span, 4);
    store<u32>(heading, segmentBits | (attempt << 8), 8);
    store<u32>(heading, count, 12);
  }
  return true;
}

/** @returns the body's address, 0 when there is no memory (or, hardly ever, no seed) */
function buildBody(set: usize, part: usize, table: usize, capacity: u32): usize {
  const bits: u32 = load<u32>(part, PART_BITS);
  const bytes = placeShards(bits);
  let largest: u32 = 0;
  for (let shard: usize = 0; shard < (<usize>1) << bits; shard++)
    largest = max(largest, load<u32>(counts + (shard << 2)));
  const body = take(set, bytes);
  const scratch: usize = body == 0 ? <usize>0 : take(set, scratchBytes(largest));
  const isBuilt = scratch != 0 && buildShards(table, capacity, bits, scratch, body);
  give(set, scratch);
  if (!isBuilt) {
    give(set, body);
    return 0;
  }
  store<u32>(part, <u32>bytes, PART_BYTES);
  return body;
}

/**
 * A part of a table's entries; the table stays as it is.
 * @returns its address, 0 when there is no memory
 */
export function buildPart(set: usize, table: usize, capacity: u32, live: u32, isBlind: bool): usize {
  if (live > PART_MAX) {
    refuse(NO_MEMORY);
    return 0;
  }
  const part = take(set, PART);
  if (part != 0) {
    memory.fill(part, 0, PART);
    const bits = isBlind ? 0 : bitsFor(live);
    store<u32>(part, live, PART_COUNT);
    store<u32>(part, bits, PART_BITS);
    survey(part, table, capacity, bits);
    if (!isBlind) store<u32>(part, <u32>buildBody(set, part, table, capacity), PART_BODY);
  }
  if (part == 0 || isBlind || load<u32>(part, PART_BODY) != 0) return part;
  give(set, part);
  return 0;
}

/** Gives the filter back. */
export function makeBlind(set: usize, part: usize): void {
  give(set, load<u32>(part, PART_BODY));
  store<u32>(part, 0, PART_BODY);
  store<u32>(part, 0, PART_BITS);
  store<u32>(part, 0, PART_BYTES);
}

/** Makes a blind part and the next older one the same part, where that is blind, too: so they never get many. */
export function absorbOlder(set: usize, part: usize): void {
  const older: usize = load<u32>(part, PART_NEXT);
  if (older == 0 || load<u32>(part, PART_BODY) != 0 || load<u32>(older, PART_BODY) != 0) return;
  store<u32>(part, load<u32>(part, PART_COUNT) + load<u32>(older, PART_COUNT), PART_COUNT);
  store<u32>(part, min(load<u32>(part, PART_FIRST), load<u32>(older, PART_FIRST)), PART_FIRST);
  store<u32>(part, max(load<u32>(part, PART_LAST), load<u32>(older, PART_LAST)), PART_LAST);
  store<u32>(part, load<u32>(older, PART_NEXT), PART_NEXT);
  dropPart(set, older);
}

export function dropPart(set: usize, part: usize): void {
  give(set, load<u32>(part, PART_BODY));
  give(set, part);
}

/**
 * A part as it was stored: its five numbers and its body, which has `length` bytes. Nothing of it is believed that
 * could lead outside of it.
 * @returns its address; 0 when there is no memory; 1 when it is no part
 */
export function restorePart(set: usize, image: usize, length: u32, spanMs: i64): usize {
  const bits: u32 = load<u32>(image, PART_BITS - PART_COUNT);
  const bytes: u32 = load<u32>(image, PART_BYTES - PART_COUNT);
  const last: u32 = load<u32>(image, PART_LAST - PART_COUNT);
  if (bytes + 20 != length || <i64>last >= spanMs || load<u32>(image, PART_FIRST - PART_COUNT) > last)
    return 1;
  if (bits > SHARD_BITS_MAX || (bytes != 0 && load<u32>(image) > PART_MAX)) return 1;
  if (bytes == 0 ? bits != 0 : !isBody(image + 20, bytes, bits, load<u32>(image))) return 1;
  const part = take(set, PART);
  const body: usize = part == 0 || bytes == 0 ? <usize>0 : take(set, bytes);
  if (part == 0 || (body == 0 && bytes != 0)) {
    give(set, part);
    return 0;
  }
  memory.fill(part, 0, PART);
  memory.copy(part + PART_COUNT, image, 20);
  memory.copy(body, image + 20, bytes);
  store<u32>(part, <u32>body, PART_BODY);
  return part;
}

/** Whether the shards lie where their counts say. */
function isBody(body: usize, bytes: u32, bits: u32, count: u32): bool {
  if (bytes >> 4 < (<u32>1) << bits) return false;
  let sum: u64 = 0;
  for (let shard: usize = 0; shard < (<usize>1) << bits; shard++) {
    const own: u32 = load<u32>(body + shard * SHARD, 12);
    if (own > PART_MAX) return false;
    sum += own;
    store<u32>(counts + (shard << 2), own);
  }
  if (sum != <u64>count || placeShards(bits) != <usize>bytes) return false;
  for (let shard: usize = 0; shard < (<usize>1) << bits; shard++) {
    const heading = body + shard * SHARD;
    layOut(load<u32>(heading, 12));
    const seeds: u32 = load<u32>(heading, 8);
    if (load<u32>(heading) != load<u32>(places + (shard << 2)) || load<u32>(heading, 4) != span) return false;
    if ((seeds & 255) != segmentBits || seeds >> 8 >= ATTEMPTS) return false;
  }
  return true;
}
