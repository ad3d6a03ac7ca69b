/**
 * The records of one batch, as an index into its own bytes: they are scanned where they lie, and nothing is made of
 * each. Headers that are not ours are kept, too, as JSON: `{"headers": [[name, text or null or {"base64"}], …]}`; but
 * those that make a CloudEvent of the record become its payload, in the one form that all readers know (cloudevent.ts).
 */
import { foreignHeader } from "../../core/foreign-header.ts";
import {
  ABSENT,
  HEADER_AT,
  HEADER_LENGTH,
  KEY_AT,
  KEY_LENGTH,
  PAYLOAD_AT,
  PAYLOAD_LENGTH,
  RECORD_WORDS,
} from "../../core/record.ts";
import { BATCH } from "./batch-format.ts";
import { type BatchHead, corrupt } from "./batch-head.ts";
import { cloudEventOf, type Header } from "./cloudevent.ts";
import { decompress } from "./compression.ts";
import { HEADER_NAME, PRODUCER_NAME } from "./encode-batch.ts";

const NAME = Buffer.from(HEADER_NAME);
const PRODUCER = Buffer.from(PRODUCER_NAME);

export interface DecodedBatch {
  readonly count: number;
  /**
   * What the index points into; a record's own bytes lie from its start to the next one's, but for its header, which
   * may be that of a record before it.
   */
  readonly bytes: Uint8Array;
  readonly index: Uint32Array;
  /** [count] */
  readonly offsets: Float64Array;
  /** [count] as stored, ms; -1 where the batch has the broker's time for all. */
  readonly timestampsMs: Float64Array;
  /** [count + 1] */
  readonly starts: Uint32Array;
  /** What its named producer noted with the first record. */
  readonly note: Buffer | undefined;
}

/**
 * Of a batch whose checksum was checked.
 * @throws log.corrupt
 */
export function decodeBatch(source: Buffer, head: BatchHead, place: string): DecodedBatch {
  const packed = source.subarray(head.at + BATCH.head, head.end);
  return new Decoder(unpack(packed, head, place), head, place).decode();
}

function unpack(packed: Buffer, { compression, baseOffset }: BatchHead, place: string): Buffer {
  if (compression === 0) return packed;
  try {
    return decompress(packed, compression);
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw corrupt(place, baseOffset, `records that cannot be decompressed (${words})`);
  }
}

class Decoder {
  readonly #bytes: Buffer;
  readonly #head: BatchHead;
  readonly #place: string;
  #at = 0;
  /** Headers and payloads made here, behind the records. */
  readonly #made: Uint8Array[] = [];
  #end: number;
  #note: Buffer | undefined;
  /**
   * The headers of a record as they were read last, and ours among them. Records of one request have the same ones,
   * which are read once; ours has one place then.
   */
  #sectionAt = 0;
  #sectionEnd = -1;
  #headerAt = 0;
  #headerLength = 0;

  constructor(bytes: Buffer, head: BatchHead, place: string) {
    this.#bytes = bytes;
    this.#head = head;
    this.#place = place;
    this.#end = bytes.length;
  }

  decode(): DecodedBatch {
    const { count, baseOffset, firstTimestampMs, isAppendTime } = this.#head;
    const index = new Uint32Array(count * RECORD_WORDS);
    const offsets = new Float64Array(count);
    const timestampsMs = new Float64Array(count);
    const starts = new Uint32Array(count + 1);
    for (let i = 0; i < count; i++) {
      starts[i] = this.#at;
      const length = this.#varint();
      const end = this.#at + length;
      if (length < 0 || end > this.#bytes.length) throw this.#damaged();
      this.#at++; // attributes, of which there are none
      const timeDelta = this.#varint();
      timestampsMs[i] = isAppendTime ? -1 : firstTimestampMs + timeDelta;
      offsets[i] = baseOffset + this.#varint();
      this.#part(index, i * RECORD_WORDS + KEY_AT, i * RECORD_WORDS + KEY_LENGTH);
      this.#part(index, i * RECORD_WORDS + PAYLOAD_AT, i * RECORD_WORDS + PAYLOAD_LENGTH);
      this.#headers(index, i * RECORD_WORDS, end);
      if (this.#at !== end) throw this.#damaged();
    }
    starts[count] = this.#at;
    const bytes = this.#made.length === 0 ? this.#bytes : Buffer.concat([this.#bytes, ...this.#made]);
    return { count, bytes, index, offsets, timestampsMs, starts, note: this.#note };
  }

  #part(index: Uint32Array, at: number, lengthAt: number): void {
    const length = this.#varint();
    index[at] = this.#at;
    index[lengthAt] = length < 0 ? ABSENT : length;
    if (length > 0) this.#at += length;
    if (this.#at > this.#bytes.length) throw this.#damaged();
  }

  /** @param end of the record */
  #headers(index: Uint32Array, words: number, end: number): void {
    const start = this.#at;
    if (this.#isLikeLast(start, end)) {
      this.#at = end;
      index[words + HEADER_AT] = this.#headerAt;
      index[words + HEADER_LENGTH] = this.#headerLength;
      return;
    }
    const count = this.#varint();
    let others: Header[] | undefined;
    let isOurs = false;
    for (let i = 0; i < count; i++) {
      const nameLength = this.#varint();
      const name = this.#at;
      this.#at += nameLength;
      const length = this.#varint();
      const value = this.#at;
      if (length > 0) this.#at += length;
      if (nameLength < 0 || this.#at > this.#bytes.length) throw this.#damaged();
      const isNamed = (wanted: Buffer): boolean =>
        length >= 0 &&
        nameLength === wanted.length &&
        wanted.compare(this.#bytes, name, name + nameLength) === 0;
      if (isNamed(PRODUCER)) {
        this.#note ??= this.#bytes.subarray(value, value + length);
      } else if (!isOurs && isNamed(NAME)) {
        isOurs = true;
        index[words + HEADER_AT] = value;
        index[words + HEADER_LENGTH] = length;
        [this.#sectionAt, this.#sectionEnd, this.#headerAt, this.#headerLength] = [start, end, value, length];
      } else if (!isOurs) {
        const text = this.#bytes.toString("utf8", name, name + nameLength);
        const bytes = length < 0 ? null : this.#bytes.subarray(value, value + length);
        (others ??= []).push([text, bytes]);
      }
    }
    if (!isOurs && others) this.#foreign(others, index, words);
  }

  #isLikeLast(start: number, end: number): boolean {
    const last = this.#sectionAt;
    const length = end - start;
    if (length !== this.#sectionEnd - last) return false;
    const bytes = this.#bytes;
    for (let i = 0; i < length; i++) if (bytes[start + i] !== bytes[last + i]) return false;
    return true;
  }

  /** Of a record that none of us wrote. */
  #foreign(headers: readonly Header[], index: Uint32Array, words: number): void {
    const at = index[words + PAYLOAD_AT]!;
    const length = index[words + PAYLOAD_LENGTH]!;
    const value = length === ABSENT ? this.#bytes.subarray(0, 0) : this.#bytes.subarray(at, at + length);
    const event = cloudEventOf(headers, value);
    if (event) this.#make(event.payload, index, words + PAYLOAD_AT);
    const others = event?.others ?? headers;
    if (others.length === 0) return;
    const header = foreignHeader(others.map(([name, bytes]) => [name, bytes && shown(bytes)]));
    this.#make(Buffer.from(header), index, words + HEADER_AT);
  }

  /** @param word of the index, for where it begins; its length's follows */
  #make(bytes: Uint8Array, index: Uint32Array, word: number): void {
    index[word] = this.#end;
    index[word + 1] = bytes.length;
    this.#made.push(bytes);
    this.#end += bytes.length;
  }

  #varint(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.#at++]!;
    if (byte < 128) return (byte >>> 1) ^ -(byte & 1);
    let value = byte & 127;
    for (let scale = 128; ; scale *= 128) {
      byte = bytes[this.#at++]!;
      // oxlint-disable-next-line no-unnecessary-condition -- undefined behind the end
      if (byte === undefined || scale > 2 ** 56) throw this.#damaged();
      value += (byte & 127) * scale;
      if (byte < 128) break;
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  #damaged(): Error {
    return corrupt(this.#place, this.#head.baseOffset, "records that do not fit their lengths");
  }
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function shown(bytes: Buffer): unknown {
  try {
    return strict.decode(bytes);
  } catch {
    return { base64: bytes.toString("base64") };
  }
}
