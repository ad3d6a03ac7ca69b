/**
 * What a subscriber gets of a record: the payload byte for byte, and in its `metadata` what Nakadi adds when it accepts
 * an event (`event_type`, `partition`, `received_at`, `flow_id`, `version`, `published_by`), spliced in from the
 * record's header. Events of category `undefined` have no metadata and stay as they are.
 *
 * Surprising rule: a record without a header, or with headers of its own, was written by somebody else's Kafka client.
 * Nobody has judged it, so it is parsed, and left out where it is no JSON: a broken line would break the stream, which
 * is why line breaks between its tokens become spaces. Nothing is added to it. What was refused and is kept for the
 * dead letters alone is left out, too.
 */
import { concatenate, isEqual } from "../../../core/bytes.ts";
import type { EventType } from "../../../core/event-type.ts";
import {
  ABSENT,
  HEADER_AT,
  HEADER_LENGTH,
  PAYLOAD_AT,
  PAYLOAD_LENGTH,
  type ReadBatch,
  RECORD_WORDS,
} from "../../../core/record.ts";
import { isForeignHeader } from "../../../core/foreign-header.ts";
import { hasRefusalNote } from "../../../core/refusal-note.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { MemberWalk } from "./json-members.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
const METADATA = encoder.encode('"metadata"');
const EVENT_TYPE = encoder.encode('"event_type"');
const PARTITION = encoder.encode('"partition"');
const COMMA = encoder.encode(",");
const CLOSE_OBJECT = 0x7d;
/** Members of a record's header (workers/ingest/publish.ts) and what they are called in an event. */
const HEADER_MEMBERS: readonly (readonly [Uint8Array, Uint8Array])[] = [
  [encoder.encode('"flow_id"'), encoder.encode(',"flow_id":')],
  [encoder.encode('"schema_version"'), encoder.encode(',"version":')],
  [encoder.encode('"published_by"'), encoder.encode(',"published_by":')],
];

/** What became of a record. */
export type Written = "event" | "tombstone" | "unreadable" | "refused";

/** Writes the events of one partition. */
export class EventWriter {
  readonly #isPlain: boolean;
  readonly #eventType: Uint8Array;
  readonly #partition: Uint8Array;
  readonly #partitionValue: Uint8Array;
  readonly #walk = new MemberWalk();
  /** The header that `#ofHeader` was made of: neighbours often have the same. */
  #header: Uint8Array = new Uint8Array(0);
  #ofHeader: Uint8Array = new Uint8Array(0);
  #receivedMs = Number.NaN;
  #received: Uint8Array = new Uint8Array(0);

  constructor({ name, category }: Pick<EventType, "name" | "category">, partition: number) {
    this.#isPlain = category === "undefined";
    this.#eventType = encoder.encode(`"event_type":${JSON.stringify(name)},`);
    this.#partition = encoder.encode(`"partition":"${partition}",`);
    this.#partitionValue = encoder.encode(`"${partition}"`);
  }

  /** Writes record `i`, with `before` in front where it is an event. */
  write(out: ByteWriter, before: Uint8Array, batch: ReadBatch, i: number): Written {
    const { bytes, index } = batch;
    const word = i * RECORD_WORDS;
    const length = index[word + PAYLOAD_LENGTH]!;
    if (length === ABSENT) return "tombstone";
    const from = index[word + PAYLOAD_AT]!;
    const to = from + length;
    const headerLength = index[word + HEADER_LENGTH]!;
    const hasHeader = headerLength !== ABSENT && headerLength > 0;
    const headerAt = index[word + HEADER_AT]!;
    const isForeign = !hasHeader || isForeignHeader(bytes, headerAt, headerLength);
    if (hasHeader && hasRefusalNote(bytes, headerAt, headerLength)) return "refused";
    if (isForeign && !isJson(bytes.subarray(from, to))) return "unreadable";
    out.write(before);
    if (this.#isPlain || isForeign || !this.#findMetadata(bytes, from)) {
      const at = out.length;
      out.copy(bytes, from, to);
      if (isForeign) out.unbreak(at);
      return "event";
    }
    this.#readHeader(bytes, headerAt, headerAt + headerLength);
    this.#readTime(batch.ingestMs[i]!);
    this.#splice(out, bytes, from, to);
    return "event";
  }

  /** Leaves the walk at the member `metadata`, where there is one that is an object. */
  #findMetadata(bytes: Uint8Array, from: number): boolean {
    const walk = this.#walk;
    if (!walk.enter(bytes, from)) return false;
    while (walk.next()) if (walk.isKey(METADATA)) return bytes[walk.valueEnd - 1] === CLOSE_OBJECT;
    return false;
  }

  #splice(out: ByteWriter, bytes: Uint8Array, from: number, to: number): void {
    const walk = this.#walk;
    const { valueAt: metadataAt, valueEnd: metadataEnd } = walk;
    let hasType = false;
    let hasPartition = false;
    let isEmpty = true;
    let dropAt = -1;
    let dropEnd = -1;
    walk.enter(bytes, metadataAt);
    let beforeEnd = metadataAt + 1;
    while (walk.next()) {
      isEmpty = false;
      if (dropAt >= 0 && dropEnd < 0) dropEnd = walk.keyAt;
      if (walk.isKey(EVENT_TYPE)) hasType = true;
      else if (walk.isKey(PARTITION)) {
        hasPartition = isEqual(bytes, walk.valueAt, walk.valueEnd, this.#partitionValue);
        // It goes with the comma behind it, or, where it is the last, with the one before.
        if (!hasPartition) dropAt = walk.keyAt;
      }
      if (dropAt < 0) beforeEnd = walk.valueEnd;
    }
    out.copy(bytes, from, metadataAt + 1);
    if (!hasType) out.write(this.#eventType);
    if (!hasPartition) out.write(this.#partition);
    out.write(this.#received);
    out.write(this.#ofHeader);
    if (dropAt < 0) {
      if (!isEmpty) out.write(COMMA);
      out.copy(bytes, metadataAt + 1, to);
      return;
    }
    const isFirst = beforeEnd === metadataAt + 1;
    if (!isFirst) {
      out.write(COMMA);
      out.copy(bytes, metadataAt + 1, beforeEnd);
    }
    if (dropEnd >= 0) out.write(COMMA);
    out.copy(bytes, dropEnd >= 0 ? dropEnd : metadataEnd - 1, to);
  }

  #readTime(ingestMs: number): void {
    if (ingestMs === this.#receivedMs) return;
    this.#receivedMs = ingestMs;
    this.#received = encoder.encode(`"received_at":"${new Date(ingestMs).toISOString()}"`);
  }

  #readHeader(bytes: Uint8Array, from: number, to: number): void {
    if (isEqual(bytes, from, to, this.#header)) return;
    this.#header = bytes.slice(from, to);
    const parts: Uint8Array[] = [];
    const walk = new MemberWalk();
    if (walk.enter(this.#header, 0))
      while (walk.next())
        for (const [name, written] of HEADER_MEMBERS)
          if (walk.isKey(name)) parts.push(written, this.#header.subarray(walk.valueAt, walk.valueEnd));
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    this.#ofHeader = concatenate(parts, length);
  }
}

function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(decoder.decode(bytes));
    return true;
  } catch {
    return false;
  }
}
