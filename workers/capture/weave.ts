/** Parts of batches, cut and thinned out without touching their bytes. */
import { changeLsn } from "../../core/change-head.ts";
import type { SourcePart } from "../../core/ports/source.ts";
import { KEY_AT, payloadOf, RECORD_WORDS, type RecordBatch } from "../../core/record.ts";

/** Records [from, to). */
export function slicePart(part: SourcePart, from: number, to: number): SourcePart {
  const { records } = part;
  if (from === 0 && to === records.count) return part;
  const index = records.index.subarray(from * RECORD_WORDS, to * RECORD_WORDS);
  return { ...part, records: { ...records, count: to - from, index } };
}

/** Place, from `from` on, of the first record that is at this place of the source's log or behind it; else the end. */
export function firstFrom(records: RecordBatch, lsn: bigint, from: number): number {
  let [low, high] = [from, records.count];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (changeLsn(payloadOf(records, middle)!) < lsn) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The key of each record, as text; null for none. */
export function* keysOf(records: RecordBatch): Generator<string | null> {
  for (let i = 0; i < records.count; i++) yield keyText(records, i);
}

const decoder = new TextDecoder();

export function keyText({ bytes, index }: RecordBatch, i: number): string | null {
  const at = index[i * RECORD_WORDS + KEY_AT]!;
  const length = index[i * RECORD_WORDS + KEY_AT + 1]!;
  return length === 0xffff_ffff ? null : decoder.decode(bytes.subarray(at, at + length));
}

/** Without the records of these keys. */
export function withoutKeys(records: RecordBatch, keys: ReadonlySet<string>): RecordBatch {
  if (keys.size === 0) return records;
  const index = new Uint32Array(records.index.length);
  let count = 0;
  for (let i = 0; i < records.count; i++) {
    const key = keyText(records, i);
    if (key !== null && keys.has(key)) continue;
    index.set(records.index.subarray(i * RECORD_WORDS, (i + 1) * RECORD_WORDS), count * RECORD_WORDS);
    count++;
  }
  return { ...records, count, index: index.subarray(0, count * RECORD_WORDS) };
}
