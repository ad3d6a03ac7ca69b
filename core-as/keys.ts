/**
 * Keys of objects: their hash, and the table that finds a key that occurs twice in one object.
 *
 * The hash is NH (Black et al., "UMAC", 1999) over blocks of 16 bytes with key material that the host's seed
 * gives, so whoever writes the JSON cannot aim at collisions; equality is always decided on the bytes.
 *
 * One table serves all objects of a record: an entry carries the number of its object. Numbers only grow, so
 * an entry with a number below the record's first is as good as empty and nothing is ever cleared. A record
 * starts with a small table that stays in the CPU's first cache; one with many keys moves to a large one.
 */
import { NO_TAG, hashLow, sipHash } from "./siphash";
import { allocate, release } from "./memory";
import { isEqual } from "./text";

/** Blocks of 16 bytes that have key material of their own; longer keys are hashed by SipHash. */
const BLOCKS: u32 = 16;
const material = memory.data(256, 16);
/** Sixteen 0xff, then sixteen 0: loading from 16 - n gives a mask of n bytes. */
const masks = memory.data<u8>([
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  0, 0, 0, 0, 0, 0, 0,
]);
const counter = memory.data(16, 16);
let seedLow: u64 = 0;
let seedHigh: u64 = 0;
let lengthFactor: u64 = 1;
let objectFactor: u64 = 1;
let slotFactor: u64 = 1;

// An entry: object number, high half of the hash, address and length of the key.
const ENTRY: usize = 16;
const SMALL_BITS: u32 = 9;
/** A large table of more entries (1 MiB) is not kept for the next record. */
const KEPT_BITS: u32 = 16;
let smallTable: usize = 0;
let table: usize = 0;
let bits: u32 = SMALL_BITS;
let entries: u32 = 0;
let lastObject: u32 = 0;
let firstObject: u32 = 1;
/** Beyond this many objects the numbers start again, between two records. */
const OBJECTS_MAX: u32 = 0x7fff_ffff;
let largeTable: usize = 0;
let largeBits: u32 = 0;

function derive(index: u64): u64 {
  store<u64>(counter, index);
  sipHash(counter, 8, seedLow, seedHigh, NO_TAG, false);
  return hashLow;
}

/** Takes the host's seed (16 bytes). @returns false when there is no memory */
export function seedKeys(seed: usize): bool {
  seedLow = load<u64>(seed);
  seedHigh = load<u64>(seed, 8);
  for (let i: u32 = 0; i < BLOCKS * 2; i++) store<u64>(material + (i << 3), derive(i));
  lengthFactor = derive(100) | 1;
  objectFactor = derive(101) | 1;
  slotFactor = derive(102) | 1;
  if (smallTable == 0) {
    const bytes = ENTRY << SMALL_BITS;
    smallTable = allocate(bytes);
    if (smallTable == 0) return false;
    memory.fill(smallTable, 0, bytes);
  }
  return true;
}

/** The first `length` (at most 16) of 16 bytes, zeros behind. */
export function firstBytes(bytes: v128, length: u32): v128 {
  return v128.and(bytes, v128.load(masks + 16 - length));
}

function hashBlock(bytes: v128, block: u32): u64 {
  const mixed = i32x4.add(bytes, v128.load(material + (block << 4)));
  const product = i64x2.extmul_low_i32x4_u(mixed, i32x4.shuffle(mixed, mixed, 2, 3, 2, 3));
  return i64x2.extract_lane(product, 0) + i64x2.extract_lane(product, 1);
}

/** The hash of a key of at most 16 bytes, given as `firstBytes` gives it. */
export function hashShortKey(bytes: v128, length: u32): u64 {
  return hashBlock(bytes, 0) + <u64>length * lengthFactor;
}

/** The hash of any key; the same as `hashShortKey` of a short one. Reads 16 bytes behind it. */
export function hashKey(key: usize, length: u32): u64 {
  if (length > BLOCKS << 4) {
    sipHash(key, length, seedLow, seedHigh, NO_TAG, false);
    return hashLow;
  }
  let hash: u64 = <u64>length * lengthFactor;
  let block: u32 = 0;
  let at: u32 = 0;
  for (; at + 16 <= length; at += 16) hash += hashBlock(v128.load(key + at), block++);
  if (at < length || length == 0) hash += hashBlock(firstBytes(v128.load(key + at), length - at), block);
  return hash;
}

function dropLargeTable(): void {
  if (largeBits) release(largeTable);
  largeBits = 0;
}

/** Begins a record: forgets the keys of the one before. */
export function beginKeys(): void {
  if (lastObject > OBJECTS_MAX) {
    memory.fill(smallTable, 0, ENTRY << SMALL_BITS);
    dropLargeTable();
    lastObject = 0;
  }
  if (largeBits > KEPT_BITS) dropLargeTable();
  firstObject = lastObject + 1;
  table = smallTable;
  bits = SMALL_BITS;
  entries = 0;
}

/** A number for an object that begins here. Never 0. */
export function nextObject(): u32 {
  return ++lastObject;
}

function slotOf(hash: u64, object: u32): usize {
  return <usize>(((hash + <u64>object * objectFactor) * slotFactor) >> (64 - <u64>bits));
}

/** Moves this record's entries to a larger table. @returns false when there is no memory */
function growTable(): bool {
  const from = table;
  const count: usize = (<usize>1) << bits;
  const isFirst = bits == SMALL_BITS;
  if (isFirst && largeBits != 0) {
    bits = largeBits;
    table = largeTable;
  } else {
    const wanted = isFirst ? bits + 3 : bits + 1;
    const fresh = allocate(ENTRY << wanted);
    if (fresh == 0) return false;
    memory.fill(fresh, 0, ENTRY << wanted);
    bits = wanted;
    table = fresh;
  }
  for (let i: usize = 0; i < count; i++) {
    const entry = from + i * ENTRY;
    const object: u32 = load<u32>(entry);
    if (object < firstObject) continue;
    const slot = freeSlot(<u64>load<u32>(entry, 4), object);
    v128.store(slot, v128.load(entry));
  }
  if (!isFirst) release(from);
  largeTable = table;
  largeBits = bits;
  return true;
}

function freeSlot(hash: u64, object: u32): usize {
  const mask: usize = ((<usize>1) << bits) - 1;
  let slot = slotOf(hash, object);
  let step: usize = 0;
  while (load<u32>(table + slot * ENTRY) >= firstObject) slot = (slot + ++step) & mask;
  return table + slot * ENTRY;
}

// What `addKey` answers.
export const KEY_NEW: i32 = 0;
export const KEY_REPEATED: i32 = 1;
export const KEY_NO_MEMORY: i32 = 2;

/** Notes a key (its bytes without escapes, which must stay where they are) of an object. */
export function addKey(hash: u64, object: u32, key: usize, length: u32): i32 {
  const short: u32 = <u32>(hash ^ (hash >> 32));
  const mask: usize = ((<usize>1) << bits) - 1;
  let slot = slotOf(short, object);
  let step: usize = 0;
  let entry = table + slot * ENTRY;
  while (load<u32>(entry) >= firstObject) {
    if (
      load<u32>(entry) == object &&
      load<u32>(entry, 4) == short &&
      load<u32>(entry, 12) == length &&
      isEqual(load<u32>(entry, 8), key, length)
    ) {
      return KEY_REPEATED;
    }
    slot = (slot + ++step) & mask;
    entry = table + slot * ENTRY;
  }
  store<u32>(entry, object);
  store<u32>(entry, short, 4);
  store<u32>(entry, <u32>key, 8);
  store<u32>(entry, length, 12);
  entries++;
  if (entries > (<u32>1) << (bits - 1) && !growTable()) return KEY_NO_MEMORY;
  return KEY_NEW;
}
