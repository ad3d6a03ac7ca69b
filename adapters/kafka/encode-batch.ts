/**
 * Records as a broker stores them: one record batch of version 2 (KIP-98), written in one pass into one array. Kafka
 * knows no header as ours: it becomes the value of one Kafka header, `muara`; a record without one has none. What the
 * payloads are, if somebody says, becomes another.
 */
import { assert } from "../../core/assert.ts";
import {
  ABSENT,
  HEADER_AT,
  HEADER_LENGTH,
  KEY_AT,
  KEY_LENGTH,
  PAYLOAD_AT,
  PAYLOAD_LENGTH,
  RECORD_WORDS,
  type RecordBatch,
} from "../../core/record.ts";
import { BATCH, checksum, ZSTD } from "./batch-format.ts";
import { compress } from "./compression.ts";

/** The Kafka header that holds a record's header. */
export const HEADER_NAME = "muara";
/** The one that says of a batch which of its named producer's it is; its first record has it. */
export const PRODUCER_NAME = "muara.producer";
const NAME = Buffer.from(HEADER_NAME);
const PRODUCER = Buffer.from(PRODUCER_NAME);
const NAMED_BYTES = 1 + NAME.length;
/** What the payload is, as the CloudEvents binding and others have it. */
const CONTENT_TYPE = Buffer.from("content-type");
/** Fewer are copied one by one, which is faster than a call. */
const COPY_BYTES = 24;
/** Lengths, attributes and the header's name around the bytes of one record, at most. */
const FRAME_BYTES = 48;
/** Not worth the attempt. */
const COMPRESS_BYTES_MIN = 256;

/** Who writes, as the broker recognises a batch that it has already. */
export interface Producer {
  readonly id: bigint;
  readonly epoch: number;
  /** Of the batch's first record. */
  readonly sequence: number;
}

/** A batch without its place in a producer's sequence. */
export interface EncodedRecords {
  readonly count: number;
  readonly isCompressed: boolean;
  /** Room for the batch's head, then the records. */
  readonly bytes: Buffer;
}

/** The bytes that records will take, about. */
export function recordBytes({ count, index, contentType }: RecordBatch): number {
  let bytes = contentType === undefined ? 0 : count * (contentTypeHeader(contentType).length + 1);
  for (let at = 0; at < count * RECORD_WORDS; at += RECORD_WORDS) {
    bytes += FRAME_BYTES;
    for (const word of [PAYLOAD_LENGTH, KEY_LENGTH, HEADER_LENGTH]) {
      const length = index[at + word]!;
      if (length !== ABSENT) bytes += length;
    }
  }
  return bytes;
}

/**
 * Records of several appends as one batch.
 * @param note goes with the first record, as its producer's header
 */
export async function encodeRecords(batches: readonly RecordBatch[], note?: Buffer): Promise<EncodedRecords> {
  const noteBytes = note ? FRAME_BYTES + note.length : 0;
  const room = batches.reduce<number>((sum, batch) => sum + recordBytes(batch), BATCH.head + noteBytes);
  const writer = new RecordWriter(Buffer.allocUnsafe(room), BATCH.head, note);
  for (const batch of batches) writer.write(batch);
  const { count, at } = writer;
  const bytes = writer.target.subarray(0, at);
  const length = at - BATCH.head;
  if (length < COMPRESS_BYTES_MIN) return { count, isCompressed: false, bytes };
  const packed = await compress(bytes.subarray(BATCH.head));
  if (packed.length >= length) return { count, isCompressed: false, bytes };
  return { count, isCompressed: true, bytes: Buffer.concat([bytes.subarray(0, BATCH.head), packed]) };
}

/** Writes the head. The same records may be given another place later. */
export function sealBatch(
  { count, isCompressed, bytes }: EncodedRecords,
  producer: Producer,
  nowMs: number,
): Buffer {
  bytes.writeBigInt64BE(0n, BATCH.baseOffset);
  bytes.writeInt32BE(bytes.length - BATCH.leaderEpoch, BATCH.length);
  bytes.writeInt32BE(-1, BATCH.leaderEpoch);
  bytes.writeInt8(2, BATCH.magic);
  bytes.writeInt16BE(isCompressed ? ZSTD : 0, BATCH.attributes);
  bytes.writeInt32BE(count - 1, BATCH.lastOffsetDelta);
  bytes.writeBigInt64BE(BigInt(nowMs), BATCH.firstTimestamp);
  bytes.writeBigInt64BE(BigInt(nowMs), BATCH.maxTimestamp);
  bytes.writeBigInt64BE(producer.id, BATCH.producerId);
  bytes.writeInt16BE(producer.epoch, BATCH.producerEpoch);
  bytes.writeInt32BE(producer.sequence, BATCH.sequence);
  bytes.writeInt32BE(count, BATCH.count);
  bytes.writeUInt32BE(checksum(bytes.subarray(BATCH.attributes)), BATCH.crc);
  return bytes;
}

/** Writes records one behind the other. Each byte counts here: what is in a local variable costs half. */
class RecordWriter {
  readonly target: Buffer;
  at: number;
  /** Records so far. */
  count = 0;
  #note: Buffer | undefined;

  constructor(target: Buffer, at: number, note: Buffer | undefined) {
    this.target = target;
    this.at = at;
    this.#note = note;
  }

  write({ count, bytes, index, contentType }: RecordBatch): void {
    const typed = contentType === undefined ? undefined : contentTypeHeader(contentType);
    const typedBytes = typed ? typed.length : 0;
    const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const { target } = this;
    let { at } = this;
    for (let i = 0; i < count; i++) {
      const words = i * RECORD_WORDS;
      const [keyLength, payloadLength] = [index[words + KEY_LENGTH]!, index[words + PAYLOAD_LENGTH]!];
      const header = index[words + HEADER_LENGTH]!;
      const headerLength = header === ABSENT ? 0 : header;
      const note = this.#note;
      this.#note = undefined;
      const body =
        3 + // attributes, time since the batch's, number of headers
        varintBytes(this.count) +
        partBytes(keyLength) +
        partBytes(payloadLength) +
        (headerLength > 0 ? NAMED_BYTES + partBytes(headerLength) : 0) +
        typedBytes +
        (note ? partBytes(PRODUCER.length) + partBytes(note.length) : 0);
      at = writeVarint(target, at, body);
      target[at++] = 0;
      target[at++] = 0;
      at = writeVarint(target, at, this.count++);
      at = writePart(target, at, source, index[words + KEY_AT]!, keyLength);
      at = writePart(target, at, source, index[words + PAYLOAD_AT]!, payloadLength);
      at = writeVarint(target, at, (headerLength > 0 ? 1 : 0) + (typed ? 1 : 0) + (note ? 1 : 0));
      if (headerLength > 0) {
        at = writePart(target, at, NAME, 0, NAME.length);
        at = writePart(target, at, source, index[words + HEADER_AT]!, headerLength);
      }
      if (typed) at += typed.copy(target, at);
      if (!note) continue;
      at = writePart(target, at, PRODUCER, 0, PRODUCER.length);
      at = writePart(target, at, note, 0, note.length);
    }
    this.at = at;
  }
}

/** The whole header, which is the same for all records. */
function contentTypeHeader(contentType: string): Buffer {
  const value = Buffer.from(contentType);
  const header = Buffer.alloc(partBytes(CONTENT_TYPE.length) + partBytes(value.length));
  writePart(header, writePart(header, 0, CONTENT_TYPE, 0, CONTENT_TYPE.length), value, 0, value.length);
  return header;
}

function writePart(target: Buffer, start: number, source: Buffer, from: number, length: number): number {
  if (length === ABSENT) {
    target[start] = 1; // the varint of −1
    return start + 1;
  }
  assert(from + length <= source.length, "a record outside of its batch's bytes");
  const at = writeVarint(target, start, length);
  if (length > COPY_BYTES) source.copy(target, at, from, from + length);
  else for (let i = 0; i < length; i++) target[at + i] = source[from + i]!;
  return at + length;
}

/** Of a number ≥ 0, zigzag as all of the records' numbers. */
function writeVarint(target: Buffer, start: number, value: number): number {
  let rest = value * 2;
  let at = start;
  for (; rest > 127; rest = Math.floor(rest / 128)) target[at++] = (rest & 127) | 128;
  target[at++] = rest;
  return at;
}

function partBytes(length: number): number {
  return length === ABSENT ? 1 : varintBytes(length) + length;
}

function varintBytes(value: number): number {
  let rest = value * 2;
  let bytes = 1;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}
