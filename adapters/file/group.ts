/**
 * Encodes one group: header, directory, and the batches' data, copied once from the callers' bytes. A batch is taken in
 * one piece where nothing but separators lies between its records, else gathered: what is stored with a partition is
 * only its own, so that erasing an event there erases it (one request may be split over partitions and streams, and
 * part of it refused).
 */
import { crc32 } from "node:zlib";

import { assert } from "../../core/assert.ts";
import { ABSENT, HEADER_AT, KEY_AT, PAYLOAD_AT, RECORD_WORDS, type RecordBatch } from "../../core/record.ts";
import {
  type BatchEntry,
  dataLengthOf,
  ENTRY_BYTES,
  GROUP_HEADER_BYTES,
  INDEX_BYTES,
  viewOf,
  writeEntry,
  writeGroupHeader,
} from "./journal-format.ts";

/** Bytes beside a separator for each record that may lie in a batch's stretch: less than any event. */
const SLACK_BYTES = 8;

/** How the bytes of a batch are stored. */
export interface Layout {
  /** First byte of the batch's stretch. */
  readonly from: number;
  /** Bytes to store. */
  readonly length: number;
  readonly isGathered: boolean;
}

/** Measures a batch; a record outside of its bytes is a bug of the caller. */
export function layoutOf(batch: RecordBatch): Layout {
  const { index, bytes, count } = batch;
  let low = bytes.length;
  let high = 0;
  let own = 0;
  let headerAt = -1;
  let payloadAt = 0;
  let payloadEnd = 0;
  for (let word = 0; word < count * RECORD_WORDS; word += 2) {
    const at = index[word]!;
    const length = index[word + 1]!;
    if (length === ABSENT || length === 0) continue;
    if (at < low) low = at;
    if (at + length > high) high = at + length;
    const slot = word % RECORD_WORDS;
    if (slot === PAYLOAD_AT) {
      own += length;
      payloadAt = at;
      payloadEnd = at + length;
    } else if (slot === KEY_AT) {
      if (at < payloadAt || at + length > payloadEnd) own += length;
    } else if (at !== headerAt) {
      own += length;
      headerAt = at;
    }
  }
  assert(
    index.length >= count * RECORD_WORDS && high <= bytes.length,
    "a record outside of its batch's bytes",
  );
  if (high === 0) return { from: 0, length: 0, isGathered: false };
  const isGathered = high - low - own > count + SLACK_BYTES;
  return { from: low, length: isGathered ? gatheredLength(batch) : high - low, isGathered };
}

/** Payload, key and header of every record in a row; a header shared with the record before is stored once. */
function gather(batch: RecordBatch, words: Uint32Array | undefined, target: Uint8Array | undefined): number {
  const { index, bytes, count } = batch;
  let end = 0;
  let header = { at: -1, length: -1, stored: 0 };
  for (let word = 0; word < count * RECORD_WORDS; word += 2) {
    const at = index[word]!;
    const length = index[word + 1]!;
    const slot = word % RECORD_WORDS;
    const isShared = slot === HEADER_AT && header.at === at && header.length === length;
    if (words) {
      words[word] = isShared ? header.stored : end;
      words[word + 1] = length;
    }
    if (isShared || length === ABSENT) continue;
    if (slot === HEADER_AT) header = { at, length, stored: end };
    target?.set(bytes.subarray(at, at + length), end);
    end += length;
  }
  return end;
}

function gatheredLength(batch: RecordBatch): number {
  return gather(batch, undefined, undefined);
}

/** What goes into a group: an entry, and its data. */
export interface GroupPart {
  readonly entry: BatchEntry;
  readonly batch: RecordBatch;
  readonly layout: Layout;
  readonly producer: Uint8Array;
}

export function partLength(part: GroupPart): number {
  const { kind, count, bytesLength, producerBytes } = part.entry;
  return dataLengthOf(kind, count, bytesLength, producerBytes);
}

export function groupLength(parts: readonly GroupPart[]): number {
  return parts.reduce((sum, part) => sum + ENTRY_BYTES + partLength(part), GROUP_HEADER_BYTES);
}

/**
 * Writes a group into `target` [groupLength(parts)]. Sets each entry's crc.
 * @param prefixes for compacted batches: what stands before the index (offsets and ingest times)
 * @returns where each part's data begins in the group
 */
export function encodeGroup(
  target: Uint8Array,
  parts: readonly GroupPart[],
  sequence: number,
  salt: number,
  prefixes?: readonly Uint8Array[],
): number[] {
  const view = viewOf(target);
  const directoryEnd = GROUP_HEADER_BYTES + parts.length * ENTRY_BYTES;
  const places: number[] = [];
  let at = directoryEnd;
  parts.forEach((part, i) => {
    const end = at + partLength(part);
    const prefix = prefixes?.[i];
    if (prefix) target.set(prefix, at);
    encodeData(target.subarray(at + (prefix?.length ?? 0), end), part);
    part.entry.crc = crc32(target.subarray(at, end));
    writeEntry(view, GROUP_HEADER_BYTES + i * ENTRY_BYTES, part.entry);
    places.push(at);
    at = end;
  });
  const directoryCrc = crc32(target.subarray(GROUP_HEADER_BYTES, directoryEnd));
  const bodyLength = target.length - GROUP_HEADER_BYTES;
  writeGroupHeader(target, 0, { sequence, batchCount: parts.length, bodyLength, directoryCrc }, salt);
  return places;
}

function encodeData(target: Uint8Array, { batch, layout, producer }: GroupPart): void {
  const indexBytes = batch.count * INDEX_BYTES;
  const words = new Uint32Array(target.buffer, target.byteOffset, batch.count * RECORD_WORDS);
  const { from, length, isGathered } = layout;
  if (isGathered) gather(batch, words, target.subarray(indexBytes));
  else {
    words.set(batch.index.subarray(0, batch.count * RECORD_WORDS));
    if (from > 0) shift(words, from);
    target.set(batch.bytes.subarray(from, from + length), indexBytes);
  }
  target.set(producer, indexBytes + length);
  target.fill(0, indexBytes + length + producer.length);
}

/** Makes positions relative to the batch's stretch. Those of absent and empty parts mean nothing. */
function shift(words: Uint32Array, from: number): void {
  for (let word = 0; word < words.length; word += 2) words[word] = Math.max(0, words[word]! - from);
}
