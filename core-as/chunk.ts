/**
 * One column chunk of Parquet from a leaf and the order in which its rows are written: gathered, put into a dictionary
 * where that pays, and encoded page by page, so that the host can compress one page while no more than one exists.
 *
 * Pages are of the first version (levels before the values, in the compressed part), which every reader knows; values
 * are PLAIN, RLE_DICTIONARY, DELTA_BINARY_PACKED or DELTA_LENGTH_BYTE_ARRAY.
 *
 * Texts that are still escaped lose their escapes all at once where they are few, else on their way into a page.
 */
import { REGION_CHUNK, REGION_PAGE, REGION_SCOPED, reserve } from "./memory";
import { BLOCK_BYTES, bloomAddId, bloomBlocks } from "./bloom";
import { deltaBytesMax, encodeDelta } from "./delta";
import {
  buildDictionary,
  dictionaryCount,
  entryLength,
  entryText,
  noteUsed,
  plainBytes,
  usedTexts,
} from "./dictionary";
import { encodeHybrid, hybridBytesMax } from "./hybrid";
import { copyText, unescape } from "./text";
import {
  BOOLEAN,
  DOUBLE,
  ESCAPED,
  INTEGER,
  NARROW_INTEGER,
  TEXT,
  WIDE,
  definitionsOf,
  hasStatistics,
  kindOf,
  maxDefinition,
  maxRepetition,
  repetitionsOf,
  slotsOf,
  startsOf,
  widthOf,
} from "./leaf";
import { keepTexts, noteBounds, resetBounds } from "./bounds";
import { beginTexts, lengthBytesMax, plainTexts, putBytes, putLengths, textBytes } from "./text-page";

export const PLAIN: u32 = 0;
export const RLE_DICTIONARY: u32 = 8;
export const DELTA_BINARY_PACKED: u32 = 5;
export const DELTA_LENGTH_BYTE_ARRAY: u32 = 6;

/** Uncompressed bytes after which a page ends: up to 128 KiB the tables of zstd's level 3 fit into a CPU's cache. */
const PAGE_BYTES: usize = 124 << 10;
/** Of so many bytes of escaped texts the escapes are removed before a dictionary is tried. */
const UNESCAPED_MAX: u64 = 1 << 20;

let leaf: usize = 0;
let kind: u8 = 0;
let entries: u32 = 0;
let values: u32 = 0;
// Gathered: levels per entry, then what is not null, in order.
let definitions: usize = 0;
let repetitions: usize = 0;
let gathered: usize = 0;
let indices: usize = 0;
let encoding: u32 = PLAIN;
// Where the next page begins.
let entryAt: u32 = 0;
let valueAt: u32 = 0;

/** The page last encoded. */
export let pageAt: usize = 0;
export let pageLength: usize = 0;
export let pageEntries: u32 = 0;
export let pageValues: u32 = 0;
export let pageRows: u32 = 0;

export function chunkEncoding(): u32 {
  return encoding;
}
export function chunkEntries(): u32 {
  return entries;
}
export function chunkValues(): u32 {
  return values;
}

function entriesOf(rows: usize, count: u32): u32 {
  if (maxRepetition(leaf) == 0) return count;
  const starts = startsOf(leaf);
  let total: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const row: usize = load<u32>(rows + ((<usize>i) << 2));
    total += load<u32>(starts + (row << 2), 4) - load<u32>(starts + (row << 2));
  }
  return total;
}

/** Bytes that the escaped texts among the entries take without escapes, at most. */
function escapedBytes(rows: usize, count: u32): u64 {
  let total: u64 = 0;
  const slots = slotsOf(leaf);
  const isFlat = maxRepetition(leaf) == 0;
  const starts = startsOf(leaf);
  for (let i: u32 = 0; i < count; i++) {
    const row: usize = load<u32>(rows + ((<usize>i) << 2));
    let entry: usize = isFlat ? row : load<u32>(starts + (row << 2));
    const end: usize = isFlat ? row + 1 : load<u32>(starts + (row << 2), 4);
    for (; entry < end; entry++) {
      if (load<u8>(definitionsOf(leaf) + entry) != maxDefinition(leaf)) continue;
      const length: u32 = load<u32>(slots + (entry << 3), 4);
      if (length & ESCAPED) total += length & ~ESCAPED;
    }
  }
  return total;
}

/**
 * Begins the chunk of the given rows (u32 each), in this order.
 * @param isPlain no encoding but PLAIN
 * @returns false when there is no memory
 */
export function beginChunk(column: usize, rows: usize, count: u32, isPlain: bool): bool {
  leaf = column;
  kind = kindOf(leaf);
  entries = entriesOf(rows, count);
  entryAt = 0;
  valueAt = 0;
  values = 0;
  const escaped: u64 = kind == TEXT ? escapedBytes(rows, count) : 0;
  const isLate = escaped > UNESCAPED_MAX && !isPlain;
  const unescaped: u64 = isLate ? 0 : escaped;
  const total: u64 = <u64>entries * 14 + unescaped + 256;
  if (total > 0xfff00000) return false;
  definitions = reserve(REGION_CHUNK, <usize>total);
  if (definitions == 0) return false;
  repetitions = (definitions + entries + 31) & ~15;
  gathered = (repetitions + entries + 31) & ~15;
  indices = gathered + ((<usize>entries) << 3) + 16;
  const texts = indices + ((<usize>entries) << 2) + 64;
  if (maxRepetition(leaf)) gatherLists(rows, count);
  else gatherFlat(rows, count);
  if (unescaped) unescapeAll(texts);
  encoding = PLAIN;
  resetBounds();
  if (isPlain) return true;
  if (kind == INTEGER || kind == NARROW_INTEGER) encoding = DELTA_BINARY_PACKED;
  else if (kind == TEXT) {
    const isDictionary = !isLate && values != 0 && buildDictionary(gathered, values, indices);
    encoding = isDictionary ? RLE_DICTIONARY : DELTA_LENGTH_BYTE_ARRAY;
  }
  return true;
}

function gatherFlat(rows: usize, count: u32): void {
  const slots = slotsOf(leaf);
  const levels = definitionsOf(leaf);
  const most = maxDefinition(leaf);
  let to = gathered;
  for (let i: u32 = 0; i < count; i++) {
    const row: usize = load<u32>(rows + ((<usize>i) << 2));
    const level: u8 = load<u8>(levels + row);
    store<u8>(definitions + i, level);
    store<u64>(to, load<u64>(slots + (row << 3)));
    to += level == most ? 8 : 0;
  }
  values = <u32>((to - gathered) >> 3);
}

function gatherLists(rows: usize, count: u32): void {
  const slots = slotsOf(leaf);
  const starts = startsOf(leaf);
  const most = maxDefinition(leaf);
  let to = gathered;
  let at: usize = 0;
  for (let i: u32 = 0; i < count; i++) {
    const row: usize = load<u32>(rows + ((<usize>i) << 2));
    const end: usize = load<u32>(starts + (row << 2), 4);
    for (let entry: usize = load<u32>(starts + (row << 2)); entry < end; entry++) {
      const level: u8 = load<u8>(definitionsOf(leaf) + entry);
      store<u8>(definitions + at, level);
      store<u8>(repetitions + at, load<u8>(repetitionsOf(leaf) + entry));
      at++;
      store<u64>(to, load<u64>(slots + (entry << 3)));
      to += level == most ? 8 : 0;
    }
  }
  values = <u32>((to - gathered) >> 3);
}

function unescapeAll(from: usize): void {
  let to = from;
  for (let i: u32 = 0; i < values; i++) {
    const at = gathered + ((<usize>i) << 3);
    const length: u32 = load<u32>(at, 4);
    if ((length & ESCAPED) == 0) continue;
    const plain = <u32>unescape(load<u32>(at), length & ~ESCAPED, to);
    store<u32>(at, <u32>to);
    store<u32>(at, plain, 4);
    to += plain;
  }
}

/** The dictionary page's body. @returns its length; 0 without memory */
export function encodeDictionary(): usize {
  const to = reserve(REGION_PAGE, plainBytes);
  if (to == 0) return 0;
  pageAt = to;
  let at = to;
  const count = dictionaryCount();
  for (let i: u32 = 0; i < count; i++) at = putText(entryText(i), entryLength(i), at);
  pageLength = at - to;
  pageValues = count;
  return pageLength;
}

function putText(text: usize, length: u32, to: usize): usize {
  store<u32>(to, length);
  copyText(to + 4, text, length);
  return to + 4 + length;
}

/** How many entries the next page takes: whole rows, about PAGE_BYTES. Sets `pageValues` and `pageRows`. */
function measure(): u32 {
  const most = maxDefinition(leaf);
  const isFlat = maxRepetition(leaf) == 0;
  const fixed: usize =
    kind == BOOLEAN ? 1 : kind == WIDE ? widthOf(leaf) : encoding == RLE_DICTIONARY ? 4 : 8;
  let bytes: usize = 0;
  let i = entryAt;
  let value = valueAt;
  pageRows = 0;
  for (; i < entries; i++) {
    const begins = isFlat || load<u8>(repetitions + i) == 0;
    if (begins) {
      if (bytes >= PAGE_BYTES) break;
      pageRows++;
    }
    bytes++;
    if (load<u8>(definitions + i) != most) continue;
    if (kind != TEXT || encoding == RLE_DICTIONARY) bytes += fixed;
    else bytes += textBytes(gathered + ((<usize>value) << 3)) + (encoding == PLAIN ? 3 : 0);
    value++;
  }
  pageValues = value - valueAt;
  return i - entryAt;
}

/** Room for a page of what `measure` found. */
function bytesMax(count: u32): usize {
  let body: usize = 16;
  if (encoding == DELTA_BINARY_PACKED) body += deltaBytesMax(pageValues);
  else if (encoding == RLE_DICTIONARY) body += hybridBytesMax(pageValues, 32);
  else if (kind == TEXT) {
    body += encoding == PLAIN ? (<usize>pageValues) << 2 : lengthBytesMax(pageValues);
    for (let i: u32 = 0; i < pageValues; i++) body += textBytes(gathered + ((<usize>(valueAt + i)) << 3));
  } else body += <usize>pageValues * (kind == WIDE ? widthOf(leaf) : 8);
  return body + hybridBytesMax(count, 8) * 2;
}

/** @returns false when there is no memory, or no page is left: then `pageEntries` is 0 */
export function encodePage(): bool {
  pageEntries = measure();
  if (pageEntries == 0) return false;
  const to = reserve(REGION_PAGE, bytesMax(pageEntries));
  if (to == 0) return false;
  const from = gathered + ((<usize>valueAt) << 3);
  if (encoding == DELTA_LENGTH_BYTE_ARRAY) return encodeTexts(from, to);
  let at = putLevels(repetitions + entryAt, maxRepetition(leaf), to);
  at = putLevels(definitions + entryAt, maxDefinition(leaf), at);
  if (hasStatistics(leaf) && !noteStatistics(from)) return false;
  if (encoding == DELTA_BINARY_PACKED) at = encodeDelta(from, pageValues, kind == NARROW_INTEGER, at);
  else if (encoding == RLE_DICTIONARY) at = putIndices(at);
  else at = putPlain(from, at);
  endPage(to, at);
  return true;
}

function endPage(from: usize, end: usize): void {
  pageAt = from;
  pageLength = end - from;
  entryAt += pageEntries;
  valueAt += pageValues;
}

/** Levels and lengths move up to the bytes, which stay where their bounds have been noted. */
function encodeTexts(from: usize, to: usize): bool {
  if (!beginTexts(pageValues)) return false;
  const bytes = to + frontBytesMax();
  const end = putBytes(from, pageValues, bytes);
  if (hasStatistics(leaf)) {
    noteBounds(TEXT, plainTexts, pageValues, 0);
    if (!keepTexts()) return false;
  }
  let at = putLevels(repetitions + entryAt, maxRepetition(leaf), to);
  at = putLevels(definitions + entryAt, maxDefinition(leaf), at);
  at = putLengths(pageValues, at);
  const front = bytes - (at - to);
  memory.copy(front, to, at - to);
  endPage(front, end);
  return true;
}

/** Bytes of levels and lengths at most. */
function frontBytesMax(): usize {
  return lengthBytesMax(pageValues) + hybridBytesMax(pageEntries, 8) * 2 + 16;
}

/** @returns false when there is no memory */
function noteStatistics(from: usize): bool {
  if (encoding != RLE_DICTIONARY || pageValues == 0) {
    noteBounds(kind, from, pageValues, widthOf(leaf));
    return true;
  }
  const count = noteUsed(indices + ((<usize>valueAt) << 2), pageValues);
  if (count) noteBounds(kind, usedTexts, count, 0);
  return count != 0;
}

function putLevels(levels: usize, most: u8, to: usize): usize {
  if (most == 0) return to;
  const width = 32 - <u32>clz(<u32>most);
  const end = encodeHybrid(levels, pageEntries, width, false, to + 4);
  store<u32>(to, <u32>(end - to - 4));
  return end;
}

function putIndices(to: usize): usize {
  const last = dictionaryCount() - 1;
  const width = last ? 32 - <u32>clz(last) : 1;
  store<u8>(to, <u8>width);
  return encodeHybrid(indices + ((<usize>valueAt) << 2), pageValues, width, true, to + 1);
}

function putPlain(from: usize, to: usize): usize {
  const count: usize = pageValues;
  if (kind == DOUBLE || kind == INTEGER) {
    memory.copy(to, from, count << 3);
    return to + (count << 3);
  }
  if (kind == NARROW_INTEGER) {
    for (let i: usize = 0; i < count; i++) store<u32>(to + (i << 2), load<u32>(from + (i << 3)));
    return to + (count << 2);
  }
  if (kind == BOOLEAN) {
    memory.fill(to, 0, (count + 7) >> 3);
    for (let i: usize = 0; i < count; i++) {
      const byte = to + (i >> 3);
      store<u8>(byte, load<u8>(byte) | <u8>(load<u8>(from + (i << 3)) << (<u8>i & 7)));
    }
    return to + ((count + 7) >> 3);
  }
  let at = to;
  for (let i: usize = 0; i < count; i++) {
    const slot = from + (i << 3);
    if (kind == TEXT) at = putText(load<u32>(slot), load<u32>(slot, 4), at);
    else {
      memory.copy(at, load<u32>(slot), widthOf(leaf));
      at += widthOf(leaf);
    }
  }
  return at;
}

/**
 * A bloom filter of the chunk's texts, UUIDs also in lower case, in the page region.
 * @returns its bytes; 0 without memory
 */
export function encodeBloom(): usize {
  const blocks = bloomBlocks(values);
  const bytes = <usize>blocks * BLOCK_BYTES;
  const to = reserve(REGION_PAGE, bytes);
  if (to == 0) return 0;
  memory.fill(to, 0, bytes);
  for (let i: u32 = 0; i < values; i++) {
    const slot = gathered + ((<usize>i) << 3);
    let text: usize = load<u32>(slot);
    let length: u32 = load<u32>(slot, 4);
    if (length & ESCAPED) {
      const plain = reserve(REGION_SCOPED, length & ~ESCAPED);
      if (plain == 0) return 0;
      length = <u32>unescape(text, length & ~ESCAPED, plain);
      text = plain;
    }
    bloomAddId(to, blocks, text, length);
  }
  pageAt = to;
  return bytes;
}
