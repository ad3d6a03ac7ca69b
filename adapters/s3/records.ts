/**
 * Records as they are stored: gathered one after the other, so that a batch takes no more room than its own bytes,
 * and merged again into one contiguous batch for a reader.
 */
import { assert } from "../../core/assert.ts";
import {
  ABSENT,
  HEADER_AT,
  KEY_AT,
  PAYLOAD_AT,
  PAYLOAD_LENGTH,
  RECORD_WORDS,
  type RecordBatch,
} from "../../core/record.ts";

const INDEX_BYTES = RECORD_WORDS * 4;

/** Records with their places in a partition. */
export interface PlacedBatch extends RecordBatch {
  /** [count] */
  readonly offsets: Float64Array;
  /** [count] */
  readonly ingestMs: Float64Array;
}

/** Some records of a batch: [from, to). */
export interface Slice {
  readonly batch: PlacedBatch;
  readonly from: number;
  readonly to: number;
}

/** Index and data in one array, as `unpackRecords` takes them. A header shared with the record before is kept once. */
export function storedRecords({ count, bytes, index }: RecordBatch): Uint8Array {
  const words = new Uint32Array(count * RECORD_WORDS);
  const pieces: Uint8Array[] = [];
  let end = 0;
  let header = { at: -1, length: -1, stored: 0 };
  for (let word = 0; word < words.length; word += 2) {
    const at = index[word]!;
    const length = index[word + 1]!;
    const isHeader = word % RECORD_WORDS === HEADER_AT;
    const isShared = isHeader && header.at === at && header.length === length;
    words[word] = isShared ? header.stored : end;
    words[word + 1] = length;
    if (isShared || length === ABSENT) continue;
    assert(at + length <= bytes.length, "a record outside of its batch's bytes");
    if (isHeader) header = { at, length, stored: end };
    pieces.push(bytes.subarray(at, at + length));
    end += length;
  }
  const stored = new Uint8Array(words.byteLength + end);
  stored.set(new Uint8Array(words.buffer));
  let at = words.byteLength;
  for (const piece of pieces) {
    stored.set(piece, at);
    at += piece.length;
  }
  return stored;
}

/** The inverse; the data stays a view. */
export function unpackRecords(stored: Uint8Array, count: number): RecordBatch {
  const indexBytes = count * INDEX_BYTES;
  return {
    count,
    index: new Uint32Array(stored.slice(0, indexBytes).buffer),
    bytes: stored.subarray(indexBytes),
  };
}

/** One contiguous copy. */
export function mergeSlices(slices: readonly Slice[]): PlacedBatch {
  const count = slices.reduce((sum, { from, to }) => sum + to - from, 0);
  const bytes = new Uint8Array(slices.reduce((sum, { batch }) => sum + batch.bytes.length, 0));
  const index = new Uint32Array(count * RECORD_WORDS);
  const offsets = new Float64Array(count);
  const ingestMs = new Float64Array(count);
  let record = 0;
  let base = 0;
  for (const { batch, from, to } of slices) {
    bytes.set(batch.bytes, base);
    offsets.set(batch.offsets.subarray(from, to), record);
    ingestMs.set(batch.ingestMs.subarray(from, to), record);
    index.set(batch.index.subarray(from * RECORD_WORDS, to * RECORD_WORDS), record * RECORD_WORDS);
    for (let i = record; i < record + to - from; i++)
      for (const word of [PAYLOAD_AT, KEY_AT, HEADER_AT]) index[i * RECORD_WORDS + word]! += base;
    record += to - from;
    base += batch.bytes.length;
  }
  return { count, bytes, index, offsets, ingestMs };
}

export function payloadLength(batch: RecordBatch, i: number): number {
  const length = batch.index[i * RECORD_WORDS + PAYLOAD_LENGTH]!;
  return length === ABSENT ? 0 : length;
}

export function isTombstone(batch: RecordBatch, i: number): boolean {
  return batch.index[i * RECORD_WORDS + PAYLOAD_LENGTH] === ABSENT;
}

/** Some records of a batch with their own bytes only. */
function cut(batch: PlacedBatch, from: number, to: number): Slice {
  if (from === 0 && to === batch.count) return { batch, from, to };
  const count = to - from;
  const index = batch.index.subarray(from * RECORD_WORDS, to * RECORD_WORDS);
  const own = {
    ...unpackRecords(storedRecords({ count, index, bytes: batch.bytes }), count),
    offsets: batch.offsets.subarray(from, to),
    ingestMs: batch.ingestMs.subarray(from, to),
  };
  return { batch: own, from: 0, to: count };
}

/** Takes records for a reader until about `maxBytes` of payload, at least one. */
export class Picker {
  readonly #slices: Slice[] = [];
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** @returns the offset of the first record that has no room; undefined where all were taken */
  take(batch: PlacedBatch, offset: number): number | undefined {
    let from = 0;
    while (from < batch.count && batch.offsets[from]! < offset) from++;
    for (let i = from; i < batch.count; i++) {
      const length = payloadLength(batch, i);
      if (this.#bytes > 0 && this.#bytes + length > this.#maxBytes) {
        if (i > from) this.#slices.push(cut(batch, from, i));
        return batch.offsets[i]!;
      }
      this.#bytes += Math.max(1, length);
    }
    if (batch.count > from) this.#slices.push(cut(batch, from, batch.count));
    return undefined;
  }

  /** Whether nothing more will fit, most likely. */
  get isFull(): boolean {
    return this.#bytes >= Math.max(1, this.#maxBytes);
  }

  picked(): PlacedBatch {
    return mergeSlices(this.#slices);
  }
}
