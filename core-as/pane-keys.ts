/**
 * The keys of a pane operator: each one's bytes, kept and compared whole, so two keys are never taken for one; a
 * table with linear probing finds them. The table's order depends on the process's seed; nothing that leaves the
 * kernel does: results and images follow the keys' byte order.
 *
 * A batch's keys are looked up many at once (`lookAhead`): what they need is read together, before any is compared,
 * so that the processor waits for memory once and not for each of them.
 *
 * Surprising: deleting moves later entries back (Knuth, TAOCP 6.4, algorithm R), so there are no tombstones, and
 * room for sorting is taken together with a key, so that sorting cannot fail.
 */
import {
  KEY_COUNT,
  SORTED,
  SORTED_CAPACITY,
  SORTED_LENGTH,
  TABLE,
  TABLE_BITS,
  bump,
  give,
  take,
} from "./pane-store";
import { hashKey } from "./keys";

// A key: its directory (hours or stretches of sessions) and its bytes, padded with zeros to 8.
export const DIRECTORY: usize = 0;
export const DIRECTORY_LENGTH: usize = 4;
export const DIRECTORY_CAPACITY: usize = 8;
export const KEY_LENGTH: usize = 12;
/** The minute that was found last, and its cell. */
export const LAST_TIME: usize = 16;
export const LAST_CELL: usize = 24;
/** Sessions that a release has written: stretches to remove. */
export const DONE: usize = 28;
export const KEY_BYTES: usize = 32;
/** Of a directory. */
export const ENTRY_SHIFT: usize = 5;
export const NO_TIME: i64 = i64.MIN_VALUE;

const FIRST_BITS: u32 = 4;
const BITS_MOST: u32 = 27;
const SPREAD: u64 = ((<u64>0x9e3779b9) << 32) | 0x7f4a7c15;
let wantedTag: u32 = 0;

function tagOf(key: usize, length: u32): u32 {
  return <u32>((hashKey(key, length) * SPREAD) >> 32);
}

function isKey(record: usize, key: usize, length: u32): bool {
  if (load<u32>(record, KEY_LENGTH) != length) return false;
  const kept = record + KEY_BYTES;
  let at: usize = 0;
  for (; at + 8 <= <usize>length; at += 8) if (load<u64>(kept + at) != load<u64>(key + at)) return false;
  const rest: u64 = (<u64>(length & 7)) << 3;
  if (rest == 0) return true;
  return (load<u64>(kept + at) ^ load<u64>(key + at)) << (64 - rest) == 0;
}

/** Keys that are looked up together: what they need stays in the first cache meanwhile. */
export const AHEAD: u32 = 64;
const tags = memory.data(256, 16);
/** The records that have those tags, 0 where there is none: most probably the ones. */
const candidates = memory.data(256, 16);
/** Where read bytes end up, so that no compiler leaves the reads out. */
const unused = memory.data(16, 16);

/**
 * Prepares `findAhead` for at most AHEAD keys. One that is not inside of the bytes is passed over.
 * @param keys u32 start, u32 length each
 */
export function lookAhead(panes: usize, bytes: usize, length: u32, keys: usize, count: u32): void {
  const table: usize = load<u32>(panes, TABLE);
  const bits: u32 = load<u32>(panes, TABLE_BITS);
  const shift: u32 = 32 - bits;
  let sum: u64 = 0;
  for (let i: usize = 0; i < <usize>count; i++) {
    const start: u32 = load<u32>(keys + (i << 3));
    const keyLength: u32 = load<u32>(keys + (i << 3), 4);
    const isInside = <u64>start + keyLength <= <u64>length;
    const tag: u32 = isInside ? tagOf(bytes + start, keyLength) : 0;
    store<u32>(tags + (i << 2), tag);
    store<u32>(candidates + (i << 2), 0);
    if (bits) sum += load<u64>(table + ((<usize>(tag >> shift)) << 3));
  }
  if (bits == 0) return;
  const mask: u32 = (1 << bits) - 1;
  for (let i: usize = 0; i < <usize>count; i++) {
    const tag: u32 = load<u32>(tags + (i << 2));
    let slot: u32 = tag >> shift;
    let entry: u64 = load<u64>(table + ((<usize>slot) << 3));
    while (entry != 0 && <u32>(entry >> 32) != tag) {
      slot = (slot + 1) & mask;
      entry = load<u64>(table + ((<usize>slot) << 3));
    }
    store<u32>(candidates + (i << 2), <u32>(entry & 0xffffffff));
  }
  // where there is none, this reads at address 0: nobody minds
  for (let i: usize = 0; i < <usize>count; i++) {
    const record: usize = load<u32>(candidates + (i << 2));
    sum += load<u32>(record, KEY_LENGTH) + load<u64>(record, KEY_BYTES + 8);
  }
  store<u64>(unused, sum);
}

/** The record of the `i`-th key that was prepared, 0 when it is not there. Reads up to 16 bytes behind the key. */
export function findAhead(panes: usize, key: usize, length: u32, i: u32): usize {
  const record: usize = load<u32>(candidates + ((<usize>i) << 2));
  if (record != 0 && isKey(record, key, length)) return record;
  return findTagged(panes, key, length, load<u32>(tags + ((<usize>i) << 2)));
}

/** The key's record, 0 when it is not there. Reads up to 16 bytes behind the key. */
export function findKey(panes: usize, key: usize, length: u32): usize {
  return findTagged(panes, key, length, tagOf(key, length));
}

function findTagged(panes: usize, key: usize, length: u32, tag: u32): usize {
  wantedTag = tag;
  const table: usize = load<u32>(panes, TABLE);
  const bits: u32 = load<u32>(panes, TABLE_BITS);
  if (bits == 0) return 0;
  const mask: u32 = (1 << bits) - 1;
  let slot: u32 = tag >> (32 - bits);
  while (true) {
    const entry: u64 = load<u64>(table + ((<usize>slot) << 3));
    if (entry == 0) return 0;
    if (<u32>(entry >> 32) == tag && isKey(<usize>(entry & 0xffffffff), key, length))
      return <usize>(entry & 0xffffffff);
    slot = (slot + 1) & mask;
  }
}

function fill(table: usize, bits: u32, entry: u64): void {
  const mask: u32 = (1 << bits) - 1;
  let slot: u32 = <u32>(entry >> 32) >> (32 - bits);
  while (load<u64>(table + ((<usize>slot) << 3)) != 0) slot = (slot + 1) & mask;
  store<u64>(table + ((<usize>slot) << 3), entry);
}

/** Makes room for `count` keys in all. @returns false when there is no memory: nothing has changed then */
export function reserveKeys(panes: usize, count: u32): bool {
  const bits: u32 = load<u32>(panes, TABLE_BITS);
  let more: u32 = max<u32>(bits, FIRST_BITS);
  while (more <= BITS_MOST && count > (1 << more) - (1 << (more - 2))) more++;
  if (more != bits) {
    if (more > BITS_MOST) return false;
    const table = take(panes, (<usize>8) << more);
    if (table == 0) return false;
    memory.fill(table, 0, (<usize>8) << more);
    const old: usize = load<u32>(panes, TABLE);
    if (bits) {
      for (let at = old; at < old + ((<usize>8) << bits); at += 8)
        if (load<u64>(at)) fill(table, more, load<u64>(at));
    }
    give(panes, old);
    store<u32>(panes, <u32>table, TABLE);
    store<u32>(panes, more, TABLE_BITS);
  }
  const capacity: u32 = load<u32>(panes, SORTED_CAPACITY);
  if (count > capacity) {
    let fresh: u32 = max<u32>(capacity, 8);
    while (fresh < count) fresh <<= 1;
    const list = take(panes, (<usize>fresh) << 3);
    if (list == 0) return false;
    memory.copy(list, load<u32>(panes, SORTED), (<usize>load<u32>(panes, KEY_COUNT)) << 2);
    give(panes, load<u32>(panes, SORTED));
    store<u32>(panes, <u32>list, SORTED);
    store<u32>(panes, fresh, SORTED_CAPACITY);
  }
  return true;
}

/** Adds the key that `findKey` has just not found. @returns its record, 0 when there is no memory */
export function addKey(panes: usize, key: usize, length: u32): usize {
  const tag = wantedTag;
  if (!reserveKeys(panes, load<u32>(panes, KEY_COUNT) + 1)) return 0;
  const padded: usize = (<usize>length + 7) & ~7;
  const record = take(panes, KEY_BYTES + padded);
  if (record == 0) return 0;
  memory.fill(record, 0, KEY_BYTES + padded);
  store<i64>(record, NO_TIME, LAST_TIME);
  store<u32>(record, length, KEY_LENGTH);
  memory.copy(record + KEY_BYTES, key, length);
  fill(load<u32>(panes, TABLE), load<u32>(panes, TABLE_BITS), ((<u64>tag) << 32) | <u64>record);
  store<u32>(<usize>load<u32>(panes, SORTED) + ((<usize>load<u32>(panes, KEY_COUNT)) << 2), <u32>record);
  bump(panes, KEY_COUNT, 1);
  return record;
}

function removeFromTable(panes: usize, record: usize): void {
  const table: usize = load<u32>(panes, TABLE);
  const bits: u32 = load<u32>(panes, TABLE_BITS);
  const mask: u32 = (1 << bits) - 1;
  let hole: u32 = tagOf(record + KEY_BYTES, load<u32>(record, KEY_LENGTH)) >> (32 - bits);
  while (<usize>(load<u64>(table + ((<usize>hole) << 3)) & 0xffffffff) != record) hole = (hole + 1) & mask;
  let slot = hole;
  while (true) {
    slot = (slot + 1) & mask;
    const entry: u64 = load<u64>(table + ((<usize>slot) << 3));
    if (entry == 0) break;
    const home: u32 = <u32>(entry >> 32) >> (32 - bits);
    if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
    store<u64>(table + ((<usize>hole) << 3), entry);
    hole = slot;
  }
  store<u64>(table + ((<usize>hole) << 3), 0);
}

function drop(panes: usize, record: usize): void {
  removeFromTable(panes, record);
  give(panes, load<u32>(record, DIRECTORY));
  give(panes, record);
}

/** Removes the key that was added last and never sorted. */
export function dropNewestKey(panes: usize): void {
  bump(panes, KEY_COUNT, -1);
  drop(panes, keyAt(panes, load<u32>(panes, KEY_COUNT)));
  giveEmpty(panes);
}

/** Removes the keys whose directory is empty. */
export function dropEmptyKeys(panes: usize): void {
  const count: u32 = load<u32>(panes, KEY_COUNT);
  const list: usize = load<u32>(panes, SORTED);
  let kept: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const record = keyAt(panes, i);
    if (load<u32>(record, DIRECTORY_LENGTH) == 0) {
      drop(panes, record);
    } else {
      store<u32>(list + ((<usize>kept) << 2), <u32>record);
      kept++;
    }
  }
  store<u32>(panes, kept, KEY_COUNT);
  store<u32>(panes, kept, SORTED_LENGTH);
  giveEmpty(panes);
}

/** An operator without keys has no tables either. */
function giveEmpty(panes: usize): void {
  if (load<u32>(panes, KEY_COUNT) != 0) return;
  give(panes, load<u32>(panes, TABLE));
  give(panes, load<u32>(panes, SORTED));
  for (let field: usize = TABLE; field <= SORTED_LENGTH; field += 4) store<u32>(panes + field, 0);
}

export function keyAt(panes: usize, place: u32): usize {
  return load<u32>(<usize>load<u32>(panes, SORTED) + ((<usize>place) << 2));
}

/** Whether one key comes before another: bytes as unsigned numbers, a prefix first. */
export function isBefore(a: usize, b: usize): bool {
  const lengthA: u32 = load<u32>(a, KEY_LENGTH);
  const lengthB: u32 = load<u32>(b, KEY_LENGTH);
  const common: usize = <usize>min<u32>(lengthA, lengthB);
  for (let at: usize = 0; at < common; at += 8) {
    const wordA = bswap<u64>(load<u64>(a + KEY_BYTES + at));
    const wordB = bswap<u64>(load<u64>(b + KEY_BYTES + at));
    if (wordA != wordB) return wordA < wordB;
  }
  return lengthA < lengthB;
}

function sink(list: usize, from: u32, count: u32): void {
  let at = from;
  const moved: u32 = load<u32>(list + ((<usize>at) << 2));
  while (true) {
    let child: u32 = (at << 1) + 1;
    if (child >= count) break;
    let best: u32 = load<u32>(list + ((<usize>child) << 2));
    if (child + 1 < count) {
      const other: u32 = load<u32>(list + ((<usize>(child + 1)) << 2));
      if (isBefore(best, other)) {
        best = other;
        child++;
      }
    }
    if (!isBefore(moved, best)) break;
    store<u32>(list + ((<usize>at) << 2), best);
    at = child;
  }
  store<u32>(list + ((<usize>at) << 2), moved);
}

/** In place, by heap: new keys are few and no order of theirs is a bad one. */
function heapSort(list: usize, count: u32): void {
  let i: u32 = count >> 1;
  while (i > 0) sink(list, --i, count);
  for (let end: u32 = count; end > 1;) {
    end--;
    const last: u32 = load<u32>(list + ((<usize>end) << 2));
    store<u32>(list + ((<usize>end) << 2), load<u32>(list));
    store<u32>(list, last);
    sink(list, 0, end);
  }
}

/** Brings the list of keys into byte order. */
export function sortKeys(panes: usize): void {
  const count: u32 = load<u32>(panes, KEY_COUNT);
  let head: u32 = load<u32>(panes, SORTED_LENGTH);
  let tail: u32 = count - head;
  if (tail == 0) return;
  const list: usize = load<u32>(panes, SORTED);
  heapSort(list + ((<usize>head) << 2), tail);
  const fresh = list + ((<usize>load<u32>(panes, SORTED_CAPACITY)) << 2);
  memory.copy(fresh, list + ((<usize>head) << 2), (<usize>tail) << 2);
  let to = count;
  while (tail > 0) {
    const candidate: usize = load<u32>(fresh + ((<usize>(tail - 1)) << 2));
    to--;
    if (head > 0 && isBefore(candidate, keyAt(panes, head - 1))) {
      head--;
      store<u32>(list + ((<usize>to) << 2), load<u32>(list + ((<usize>head) << 2)));
    } else {
      tail--;
      store<u32>(list + ((<usize>to) << 2), <u32>candidate);
    }
  }
  store<u32>(panes, count, SORTED_LENGTH);
}

/** Inserts 32 zeroed bytes at `place` of a key's directory. @returns their address, 0 when there is no memory */
export function insertEntry(panes: usize, record: usize, at: u32): usize {
  const length: u32 = load<u32>(record, DIRECTORY_LENGTH);
  let directory: usize = load<u32>(record, DIRECTORY);
  if (length == load<u32>(record, DIRECTORY_CAPACITY)) {
    const capacity: u32 = length ? length << 1 : 1;
    const fresh = take(panes, (<usize>capacity) << ENTRY_SHIFT);
    if (fresh == 0) return 0;
    memory.copy(fresh, directory, (<usize>length) << ENTRY_SHIFT);
    give(panes, directory);
    directory = fresh;
    store<u32>(record, <u32>fresh, DIRECTORY);
    store<u32>(record, capacity, DIRECTORY_CAPACITY);
  }
  const entry = directory + ((<usize>at) << ENTRY_SHIFT);
  memory.copy(entry + 32, entry, (<usize>(length - at)) << ENTRY_SHIFT);
  memory.fill(entry, 0, 32);
  bump(record, DIRECTORY_LENGTH, 1);
  return entry;
}

/** Removes `count` entries from `place` on. */
export function removeEntries(record: usize, at: u32, count: u32): void {
  const length: u32 = load<u32>(record, DIRECTORY_LENGTH);
  const entry: usize = <usize>load<u32>(record, DIRECTORY) + ((<usize>at) << ENTRY_SHIFT);
  memory.copy(entry, entry + ((<usize>count) << ENTRY_SHIFT), (<usize>(length - at - count)) << ENTRY_SHIFT);
  store<u32>(record, length - count, DIRECTORY_LENGTH);
}

/** How many entries of a key's directory begin (their first 8 bytes) at or before a time. */
export function entriesUpTo(record: usize, time: i64): u32 {
  const directory: usize = load<u32>(record, DIRECTORY);
  let high: u32 = load<u32>(record, DIRECTORY_LENGTH);
  if (high == 0 || load<i64>(directory + ((<usize>(high - 1)) << ENTRY_SHIFT)) <= time) return high;
  let low: u32 = 0;
  high--;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (load<i64>(directory + ((<usize>middle) << ENTRY_SHIFT)) <= time) low = middle + 1;
    else high = middle;
  }
  return low;
}
