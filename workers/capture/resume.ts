/**
 * Where a capture goes on: whatever its log has already of what the source sends again is left out. The last own
 * change of each partition is read from there; of a partition the source sends nothing but what follows the last
 * cursor that was saved, so it is looked for among what was appended since.
 */
import { type ChangePlace, changePlace } from "../../core/change.ts";
import type { SourcePart } from "../../core/ports/source.ts";
import type { Log } from "../../core/ports/log.ts";
import { PAYLOAD_AT, payloadOf, RECORD_WORDS, type RecordBatch } from "../../core/record.ts";

const READ_BYTES = 8 * 1_048_576;
/** Clocks of two machines may differ by so much, ms. */
const MARGIN_MS = 60_000;
/** A record begins so, and its id follows (core/change.ts). */
const ID_AT = '{"metadata":{"eid":"'.length;
const ID_LENGTH = 36;

const decoder = new TextDecoder();

export class Resume {
  /** By stream and partition. */
  readonly #last = new Map<string, ChangePlace>();

  private constructor() {}

  /** @param sinceMs when the cursor was saved from which the source sends again */
  static async read(
    log: Log,
    places: readonly { readonly stream: string; readonly partition: number }[],
    incarnation: number,
    sinceMs: number,
  ): Promise<Resume> {
    const resume = new Resume();
    for (const { stream, partition } of places) {
      const last = await lastOwn(log, stream, partition, incarnation, sinceMs);
      if (last) resume.#last.set(`${stream}/${partition}`, last);
    }
    return resume;
  }

  /** Without the records that are there; undefined where all are. */
  without(part: SourcePart): SourcePart | undefined {
    const key = `${part.stream}/${part.partition}`;
    const last = this.#last.get(key);
    if (!last) return part;
    const { records } = part;
    let known = 0;
    while (known < records.count) {
      const place = placeOf(records, known);
      if (place && isAfter(place, last)) break;
      known++;
    }
    if (known === records.count) return undefined;
    this.#last.delete(key);
    if (known === 0) return part;
    const index = records.index.subarray(known * RECORD_WORDS);
    return { ...part, records: { ...records, count: records.count - known, index } };
  }
}

async function lastOwn(
  log: Log,
  stream: string,
  partition: number,
  incarnation: number,
  sinceMs: number,
): Promise<ChangePlace | undefined> {
  let last: ChangePlace | undefined;
  let offset = await log.offsetAt(stream, partition, sinceMs - MARGIN_MS);
  const { endOffset } = await log.bounds(stream, partition);
  while (offset < endOffset) {
    const batch = await log.read(stream, partition, offset, READ_BYTES);
    for (let i = 0; i < batch.count; i++) {
      const place = placeOf(batch, i);
      if (place?.incarnation === incarnation && (!last || isAfter(place, last))) last = place;
    }
    if (batch.next <= offset) break;
    offset = batch.next;
  }
  return last;
}

function placeOf(batch: RecordBatch, i: number): ChangePlace | undefined {
  if (payloadOf(batch, i) === null) return undefined;
  const at = batch.index[i * RECORD_WORDS + PAYLOAD_AT]! + ID_AT;
  return changePlace(decoder.decode(batch.bytes.subarray(at, at + ID_LENGTH)));
}

function isAfter(a: ChangePlace, b: ChangePlace): boolean {
  if (a.incarnation !== b.incarnation) return a.incarnation > b.incarnation;
  return a.lsn === b.lsn ? a.index > b.index : a.lsn > b.lsn;
}
