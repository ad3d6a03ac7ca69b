/**
 * A dictionary of texts in the order of their first appearance, with the index of each. Given up as soon as it does
 * not pay: most values are new, or there are too many. The hash is keyed (keys.ts), so nobody can aim at collisions.
 */
import { REGION_DICTIONARY, REGION_USED, reserve } from "./memory";
import { hashKey } from "./keys";
import { isEqual, prefixOf } from "./text";

/** Entries and their bytes; both far from where a reader would suffer. */
const ENTRIES_MAX: u32 = 32768;
const BYTES_MAX: u32 = 1 << 20;
/** After so many values half of them must have been known. */
const TRIAL: u32 = 1024;

const ENTRY: usize = 16;

/**
 * The entry last seen for each of so many mixes of length, first and last bytes: most columns have few values. It only
 * saves the hash; what it says is compared.
 */
const CACHE_BITS: u64 = 9;
const cache = memory.data(2048, 16);
const CACHE_FACTOR: u64 = 0x9e3779b97f4a7c15;

let entries: usize = 0;
let table: usize = 0;
let mask: u32 = 0;
let count: u32 = 0;
/** What the entries take as PLAIN values, with their lengths. */
export let plainBytes: u32 = 0;

export function dictionaryCount(): u32 {
  return count;
}
/** The address and length of an entry's text. */
export function entryText(i: u32): usize {
  return load<u32>(entries + <usize>i * ENTRY);
}
export function entryLength(i: u32): u32 {
  return load<u32>(entries + <usize>i * ENTRY, 4);
}

/**
 * Tries a dictionary of `total` texts (u32 address, u32 length).
 * @param indices where each one's index goes, u32
 * @returns false where PLAIN is better, or there is no memory
 */
export function buildDictionary(texts: usize, total: u32, indices: usize): bool {
  const most = min<u32>(ENTRIES_MAX, max<u32>(TRIAL, total >> 1) + 1);
  const slots = (<u32>1) << (33 - <u32>clz(most));
  table = reserve(REGION_DICTIONARY, ((<usize>slots) << 2) + <usize>most * ENTRY);
  if (table == 0) return false;
  entries = table + ((<usize>slots) << 2);
  mask = slots - 1;
  count = 0;
  plainBytes = 0;
  memory.fill(table, 0, (<usize>slots) << 2);
  memory.fill(cache, 0, (<usize>4) << (<usize>CACHE_BITS));
  let previous: u32 = 0;
  for (let i: u32 = 0; i < total; i++) {
    const at = texts + ((<usize>i) << 3);
    const text: usize = load<u32>(at);
    const length: u32 = load<u32>(at, 4);
    if (i == 0 || !isEntry(previous, text, length)) {
      const place = cachePlace(text, length);
      const known: u32 = load<u32>(place);
      if (known != 0 && isEntry(known - 1, text, length)) {
        previous = known - 1;
        store<u32>(indices + ((<usize>i) << 2), previous);
        continue;
      }
      previous = find(text, length);
      store<u32>(place, previous + 1);
      if (count > most - 1 || plainBytes > BYTES_MAX || (i >= TRIAL && count > i >> 1)) return false;
    }
    store<u32>(indices + ((<usize>i) << 2), previous);
  }
  return total >= TRIAL || count <= total >> 1;
}

function cachePlace(text: usize, length: u32): usize {
  const last: u64 = length >= 8 ? load<u64>(text + length - 8) : 0;
  const mix = ((prefixOf(text, length) ^ <u64>length) * CACHE_FACTOR) ^ last;
  return cache + ((<usize>((mix * CACHE_FACTOR) >> (64 - CACHE_BITS))) << 2);
}

function isEntry(i: u32, text: usize, length: u32): bool {
  return entryLength(i) == length && isEqual(entryText(i), text, length);
}

/** The texts that the last `noteUsed` found (u32 address, u32 length). */
export let usedTexts: usize = 0;

/**
 * Finds the entries that so many indices name: the least and greatest text of a page are among these few.
 * @returns how many, 0 without memory
 */
export function noteUsed(indices: usize, total: u32): u32 {
  usedTexts = reserve(REGION_USED, <usize>count * 9);
  if (usedTexts == 0) return 0;
  const marks = usedTexts + ((<usize>count) << 3);
  memory.fill(marks, 0, count);
  for (let i: u32 = 0; i < total; i++) store<u8>(marks + load<u32>(indices + ((<usize>i) << 2)), 1);
  let found: usize = 0;
  for (let i: usize = 0; i < <usize>count; i++) {
    if (load<u8>(marks + i) == 0) continue;
    store<u64>(usedTexts + (found << 3), load<u64>(entries + i * ENTRY));
    found++;
  }
  return <u32>found;
}

/** The index of a text, which is added where it is new. */
function find(text: usize, length: u32): u32 {
  const hash = hashKey(text, length);
  const tag = <u32>hash;
  let slot = <u32>(hash >> 32) & mask;
  while (true) {
    const found: u32 = load<u32>(table + ((<usize>slot) << 2));
    if (found == 0) break;
    const entry = entries + <usize>(found - 1) * ENTRY;
    if (load<u32>(entry, 8) == tag && isEntry(found - 1, text, length)) return found - 1;
    slot = (slot + 1) & mask;
  }
  store<u32>(table + ((<usize>slot) << 2), count + 1);
  const entry = entries + <usize>count * ENTRY;
  store<u32>(entry, <u32>text);
  store<u32>(entry, length, 4);
  store<u32>(entry, tag, 8);
  plainBytes += length + 4;
  return count++;
}
