/**
 * Records as bytes. Between the door and the Parquet writer no object exists per event: a batch is one byte
 * array and an index of word positions into it, which the kernel scans in place.
 *
 * A record has a payload (the event as published, byte for byte), a key (decides compaction; often none) and
 * a header (UTF-8 JSON of what the door added: flow id, schema version). Records may share header bytes.
 */
import { assert } from "./assert.ts";

/** Words per record in `RecordBatch.index`. */
export const RECORD_WORDS = 6;
export const PAYLOAD_AT = 0;
export const PAYLOAD_LENGTH = 1;
export const KEY_AT = 2;
export const KEY_LENGTH = 3;
export const HEADER_AT = 4;
export const HEADER_LENGTH = 5;
/** As a KEY_LENGTH: no key. As a PAYLOAD_LENGTH: a tombstone, which deletes its key from a compacted stream. */
export const ABSENT = 0xffff_ffff;

export interface RecordBatch {
  readonly count: number;
  /** Payloads, keys and headers, anywhere in it. */
  readonly bytes: Uint8Array;
  /** [count × RECORD_WORDS] positions in and lengths of parts of `bytes`. */
  readonly index: Uint32Array;
  /** What the payloads are, told to others who read the log, where it has a place for that (Kafka: a header). */
  readonly contentType?: string;
}

/** Records of one partition as read back from a log, in offset order. */
export interface ReadBatch extends RecordBatch {
  readonly stream: string;
  readonly partition: number;
  /** [count] increasing; gaps are allowed (compaction, transaction markers). */
  readonly offsets: Float64Array;
  /** [count] ms since 1970 UTC, never decreasing. */
  readonly ingestMs: Float64Array;
  /** Where to read on. Beyond the last offset + 1 where the log holds offsets without records. */
  readonly next: number;
  /** The durable end when this was read: the offset that the next append will get. */
  readonly endOffset: number;
}

const encoder = new TextEncoder();

export interface RecordParts {
  readonly payload: Uint8Array | null;
  readonly key?: Uint8Array | string | null;
  readonly header?: Uint8Array | string;
}

/** Packs records given one by one. For tests, declarations and other small batches, not for the hot path. */
export function packRecords(records: readonly RecordParts[]): RecordBatch {
  const chunks: Uint8Array[] = [];
  const index = new Uint32Array(records.length * RECORD_WORDS);
  let at = 0;
  const place = (slot: number, value: Uint8Array | string | null | undefined): void => {
    const chunk = typeof value === "string" ? encoder.encode(value) : value;
    index[slot] = at;
    index[slot + 1] = chunk ? chunk.length : ABSENT;
    if (!chunk) return;
    chunks.push(chunk);
    at += chunk.length;
  };
  records.forEach((record, i) => {
    place(i * RECORD_WORDS + PAYLOAD_AT, record.payload);
    place(i * RECORD_WORDS + KEY_AT, record.key);
    place(i * RECORD_WORDS + HEADER_AT, record.header ?? "");
  });
  const bytes = new Uint8Array(at);
  let end = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, end);
    end += chunk.length;
  }
  return { count: records.length, bytes, index };
}

/** The payload of record `i`, a view; null for a tombstone. */
export function payloadOf(batch: RecordBatch, i: number): Uint8Array | null {
  return part(batch, i, PAYLOAD_AT);
}

/** The key of record `i`, a view; null where it has none. */
export function keyOf(batch: RecordBatch, i: number): Uint8Array | null {
  return part(batch, i, KEY_AT);
}

/** The header of record `i`, a view; empty where it has none. */
export function headerOf(batch: RecordBatch, i: number): Uint8Array {
  return part(batch, i, HEADER_AT) ?? new Uint8Array(0);
}

function part(batch: RecordBatch, i: number, word: number): Uint8Array | null {
  assert(i >= 0 && i < batch.count, `no record ${i} in a batch of ${batch.count}`);
  const at = batch.index[i * RECORD_WORDS + word]!;
  const length = batch.index[i * RECORD_WORDS + word + 1]!;
  return length === ABSENT ? null : batch.bytes.subarray(at, at + length);
}

/**
 * Makes tombstones of some records of a batch as logs store it, index before bytes: they have no payload, key and
 * header any more, and every byte that no other record points to is zero. Nothing changes its place or its length.
 * Header bytes that a record shares with others stay: they are of the request, not of the event.
 * @param stored [count × RECORD_WORDS words, then the bytes], changed in place
 */
export function blankRecords(stored: Uint8Array, count: number, gone: readonly number[]): void {
  const indexBytes = count * RECORD_WORDS * 4;
  const words = new Uint32Array(stored.slice(0, indexBytes).buffer);
  for (const i of gone) {
    const word = i * RECORD_WORDS;
    words[word + PAYLOAD_LENGTH] = ABSENT;
    words[word + KEY_LENGTH] = ABSENT;
    words[word + HEADER_LENGTH] = 0;
    for (const place of [PAYLOAD_AT, KEY_AT, HEADER_AT]) words[word + place] = 0;
  }
  const bytes = stored.subarray(indexBytes);
  const kept = bytes.slice();
  bytes.fill(0);
  for (let word = 0; word < words.length; word += 2) {
    const [at, length] = [words[word]!, words[word + 1]!];
    if (length !== ABSENT && length > 0) bytes.set(kept.subarray(at, at + length), at);
  }
  stored.set(new Uint8Array(words.buffer));
}
