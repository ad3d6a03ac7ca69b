/**
 * What of a compacted stream is no event: a record without a payload says that a key goes, from the log alone. To
 * landing it is an offset that holds nothing. (Of other streams it is what an erasure left: a dead letter.)
 */
import { ABSENT, PAYLOAD_LENGTH, type ReadBatch, RECORD_WORDS } from "../../core/record.ts";

export function withoutTombstones(batch: ReadBatch): ReadBatch {
  const { index, count } = batch;
  let kept = 0;
  for (let i = 0; i < count; i++) if (index[i * RECORD_WORDS + PAYLOAD_LENGTH] !== ABSENT) kept++;
  if (kept === count) return batch;
  const words = new Uint32Array(kept * RECORD_WORDS);
  const offsets = new Float64Array(kept);
  const ingestMs = new Float64Array(kept);
  let at = 0;
  for (let i = 0; i < count; i++) {
    if (index[i * RECORD_WORDS + PAYLOAD_LENGTH] === ABSENT) continue;
    words.set(index.subarray(i * RECORD_WORDS, (i + 1) * RECORD_WORDS), at * RECORD_WORDS);
    offsets[at] = batch.offsets[i]!;
    ingestMs[at] = batch.ingestMs[i]!;
    at++;
  }
  return { ...batch, count: kept, index: words, offsets, ingestMs };
}
