/**
 * Where the batches of one segment lie: per partition a table of rows in offset order, kept as columns, because a
 * segment of small batches has some hundred thousand of them.
 */
import { assert } from "../../core/assert.ts";
import { type BatchEntry, dataLengthOf } from "./journal-format.ts";

const ROW_BYTES = 56;

/** Partitions are known by one number: stream number and partition. */
export const PARTITIONS_MAX = 65_536;

export function partitionKey(stream: number, partition: number): number {
  return stream * PARTITIONS_MAX + partition;
}

/** One row: a batch and where its data begins in the file. */
export interface IndexRow {
  readonly kind: number;
  readonly baseOffset: number;
  readonly endOffset: number;
  readonly ingestMs: number;
  readonly position: number;
  readonly count: number;
  readonly bytesLength: number;
  readonly producerBytes: number;
  readonly crc: number;
}

export class PartitionIndex {
  #rows = 0;
  #floats = new Float64Array(4 * 16); // [row × 4] base offset, end offset, ingest time, position
  #words = new Uint32Array(5 * 16); // [row × 5] kind, count, bytes, producer bytes, crc

  get length(): number {
    return this.#rows;
  }

  add(entry: BatchEntry, position: number): void {
    if (this.#rows * 4 === this.#floats.length) this.#grow();
    const { baseOffset, endOffset, ingestMs, kind, count, bytesLength, producerBytes, crc } = entry;
    this.#floats.set([baseOffset, endOffset, ingestMs, position], this.#rows * 4);
    this.#words.set([kind, count, bytesLength, producerBytes, crc], this.#rows * 5);
    this.#rows++;
  }

  row(i: number): IndexRow {
    assert(i >= 0 && i < this.#rows, `no batch ${i} of ${this.#rows}`);
    return {
      baseOffset: this.#floats[i * 4]!,
      endOffset: this.#floats[i * 4 + 1]!,
      ingestMs: this.#floats[i * 4 + 2]!,
      position: this.#floats[i * 4 + 3]!,
      kind: this.#words[i * 5]!,
      count: this.#words[i * 5 + 1]!,
      bytesLength: this.#words[i * 5 + 2]!,
      producerBytes: this.#words[i * 5 + 3]!,
      crc: this.#words[i * 5 + 4]!,
    };
  }

  /** The first row with a record at or after `offset`; `length` when there is none. */
  findOffset(offset: number): number {
    return this.#first(1, offset + 1);
  }

  /** The first row whose (last) ingest time is ≥ `ingestMs`; `length` when there is none. */
  findIngest(ingestMs: number): number {
    return this.#first(2, ingestMs);
  }

  /** The first row whose column is ≥ `value`. */
  #first(column: number, value: number): number {
    let low = 0;
    let high = this.#rows;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#floats[middle * 4 + column]! >= value) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #grow(): void {
    const floats = new Float64Array(this.#floats.length * 2);
    const words = new Uint32Array(this.#words.length * 2);
    floats.set(this.#floats);
    words.set(this.#words);
    this.#floats = floats;
    this.#words = words;
  }

  /** Bytes of `encode`. */
  static encodedLength(rows: number): number {
    return rows * ROW_BYTES;
  }

  encode(): Uint8Array {
    const bytes = new Uint8Array(this.#rows * ROW_BYTES);
    bytes.set(new Uint8Array(this.#floats.buffer, 0, this.#rows * 32));
    bytes.set(new Uint8Array(this.#words.buffer, 0, this.#rows * 20), this.#rows * 32);
    return bytes;
  }

  static decode(bytes: Uint8Array, rows: number): PartitionIndex {
    assert(bytes.length === rows * ROW_BYTES, "an encoded index of another length");
    const index = new PartitionIndex();
    const capacity = Math.max(16, rows);
    index.#floats = new Float64Array(capacity * 4);
    index.#words = new Uint32Array(capacity * 5);
    new Uint8Array(index.#floats.buffer).set(bytes.subarray(0, rows * 32));
    new Uint8Array(index.#words.buffer).set(bytes.subarray(rows * 32, rows * 52));
    index.#rows = rows;
    return index;
  }
}

/** All partitions of one segment. */
export class SegmentIndex {
  readonly partitions = new Map<number, PartitionIndex>();

  add(entry: BatchEntry, position: number): void {
    const key = partitionKey(entry.stream, entry.partition);
    let index = this.partitions.get(key);
    if (!index) this.partitions.set(key, (index = new PartitionIndex()));
    index.add(entry, position);
  }

  /** Bytes that it takes in memory, about. */
  get memoryBytes(): number {
    let bytes = 0;
    for (const index of this.partitions.values()) bytes += index.length * ROW_BYTES;
    return bytes;
  }
}

/** Bytes of a row's data in the file, padding included. */
export function rowDataLength(row: IndexRow): number {
  return dataLengthOf(row.kind, row.count, row.bytesLength, row.producerBytes);
}
