/**
 * The bytes of a journal segment, little-endian, everything aligned to 8:
 *
 *   segment = header (64)  group*
 *   group   = header (32)  directory (72 × batches)  data
 *   data    = per batch: [offsets f64, ingest times f64, compacted only]  index (24 × records)  bytes  producer id
 *
 * Checksums cover every byte once: the header's own (seeded with the segment's random salt), the directory's in the
 * header, each batch's data in its directory entry. So a reader verifies only the batches that it reads, a payload
 * cannot pose as a group (it does not know the salt), and no byte is hashed twice.
 */
import { crc32 } from "node:zlib";

import { assert } from "../../core/assert.ts";
import { RECORD_WORDS } from "../../core/record.ts";

export const SEGMENT_HEADER_BYTES = 64;
export const GROUP_HEADER_BYTES = 32;
export const ENTRY_BYTES = 72;
/** Bytes of one record's index words. */
export const INDEX_BYTES = RECORD_WORDS * 4;

export const FORMAT_VERSION = 1;
const SEGMENT_MAGIC = Buffer.from("MUARALOG");
export const GROUP_MAGIC = 0x4755_4152; // "RAUG"

/** What a batch in a group is. */
export const KIND_RECORDS = 0;
/** JSON about the log itself: a stream was created. */
export const KIND_CONTROL = 1;
/** Records that keep the offsets and ingest times they had before their segment was removed. */
export const KIND_COMPACTED = 2;

assert(
  new Uint8Array(new Uint32Array([1]).buffer)[0] === 1,
  "the log's format needs a little-endian machine",
);

export interface SegmentHeader {
  readonly logId: string;
  /** Random; makes this segment's group headers recognisable. */
  readonly salt: number;
  readonly firstSequence: number;
}

export interface GroupHeader {
  readonly sequence: number;
  readonly batchCount: number;
  /** Bytes of directory and data. */
  readonly bodyLength: number;
  readonly directoryCrc: number;
}

/** One batch as its directory entry describes it. */
export interface BatchEntry {
  readonly kind: number;
  readonly stream: number;
  readonly partition: number;
  readonly count: number;
  readonly baseOffset: number;
  /** Offset of the last record + 1. */
  readonly endOffset: number;
  /** Of the batch; of its last record where compacted. */
  readonly ingestMs: number;
  /** The producer's; -1 without one. */
  readonly epoch: number;
  readonly sequence: number;
  readonly producerBytes: number;
  readonly bytesLength: number;
  crc: number;
}

export function align(length: number): number {
  return (length + 7) & ~7;
}

/** Bytes of a batch's data with padding. */
export function dataLengthOf(
  kind: number,
  count: number,
  bytesLength: number,
  producerBytes: number,
): number {
  const perRecord = kind === KIND_COMPACTED ? INDEX_BYTES + 16 : INDEX_BYTES;
  return align(count * perRecord + bytesLength + producerBytes);
}

export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(SEGMENT_MAGIC);
  view.setUint32(8, FORMAT_VERSION, true);
  view.setUint32(12, header.salt, true);
  view.setFloat64(16, header.firstSequence, true);
  bytes.set(Buffer.from(header.logId.replaceAll("-", ""), "hex"), 24);
  view.setUint32(60, crc32(bytes.subarray(0, 60)), true);
  return bytes;
}

/** @returns the version in an intact header of a newer format, which may be longer; undefined in any other */
export function newerFormat(bytes: Uint8Array): number | undefined {
  if (bytes.length < SEGMENT_HEADER_BYTES || !SEGMENT_MAGIC.equals(bytes.subarray(0, 8))) return undefined;
  const view = viewOf(bytes);
  const version = view.getUint32(8, true);
  const isIntact = view.getUint32(60, true) === crc32(bytes.subarray(0, 60));
  return isIntact && version > FORMAT_VERSION ? version : undefined;
}

/** @returns undefined where the bytes are no intact header of this format */
export function parseSegmentHeader(bytes: Uint8Array): SegmentHeader | undefined {
  if (bytes.length < SEGMENT_HEADER_BYTES) return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(60, true) !== crc32(bytes.subarray(0, 60))) return undefined;
  if (!SEGMENT_MAGIC.equals(bytes.subarray(0, 8)) || view.getUint32(8, true) !== FORMAT_VERSION)
    return undefined;
  const hex = Buffer.from(bytes.subarray(24, 40)).toString("hex");
  const logId = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  return { logId, salt: view.getUint32(12, true), firstSequence: view.getFloat64(16, true) };
}

export function writeGroupHeader(bytes: Uint8Array, at: number, header: GroupHeader, salt: number): void {
  const view = viewOf(bytes);
  view.setUint32(at, GROUP_MAGIC, true);
  view.setUint32(at + 4, header.batchCount, true);
  view.setFloat64(at + 8, header.sequence, true);
  view.setUint32(at + 16, header.bodyLength, true);
  view.setUint32(at + 20, header.directoryCrc, true);
  view.setUint32(at + 24, 0, true);
  view.setUint32(at + 28, crc32(bytes.subarray(at, at + 28), salt), true);
}

/** @returns undefined where no intact group header of the segment stands at `at` */
export function parseGroupHeader(bytes: Uint8Array, at: number, salt: number): GroupHeader | undefined {
  if (at + GROUP_HEADER_BYTES > bytes.length) return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(at, true) !== GROUP_MAGIC) return undefined;
  if (view.getUint32(at + 28, true) !== crc32(bytes.subarray(at, at + 28), salt)) return undefined;
  return {
    batchCount: view.getUint32(at + 4, true),
    sequence: view.getFloat64(at + 8, true),
    bodyLength: view.getUint32(at + 16, true),
    directoryCrc: view.getUint32(at + 20, true),
  };
}

export function writeEntry(view: DataView, at: number, entry: BatchEntry): void {
  view.setUint32(at, entry.kind, true);
  view.setUint32(at + 4, entry.stream, true);
  view.setUint32(at + 8, entry.partition, true);
  view.setUint32(at + 12, entry.count, true);
  view.setFloat64(at + 16, entry.baseOffset, true);
  view.setFloat64(at + 24, entry.endOffset, true);
  view.setFloat64(at + 32, entry.ingestMs, true);
  view.setFloat64(at + 40, entry.epoch, true);
  view.setFloat64(at + 48, entry.sequence, true);
  view.setUint32(at + 56, entry.producerBytes, true);
  view.setUint32(at + 60, entry.bytesLength, true);
  view.setUint32(at + 64, entry.crc, true);
  view.setUint32(at + 68, 0, true);
}

export function parseEntry(view: DataView, at: number): BatchEntry {
  return {
    kind: view.getUint32(at, true),
    stream: view.getUint32(at + 4, true),
    partition: view.getUint32(at + 8, true),
    count: view.getUint32(at + 12, true),
    baseOffset: view.getFloat64(at + 16, true),
    endOffset: view.getFloat64(at + 24, true),
    ingestMs: view.getFloat64(at + 32, true),
    epoch: view.getFloat64(at + 40, true),
    sequence: view.getFloat64(at + 48, true),
    producerBytes: view.getUint32(at + 56, true),
    bytesLength: view.getUint32(at + 60, true),
    crc: view.getUint32(at + 64, true),
  };
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
