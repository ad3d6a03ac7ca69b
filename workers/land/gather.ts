/**
 * Reads byte batches after the cursors, partition by partition, up to a budget of bytes and rows shared fairly. The
 * rows are a hard bound: a batch of tiny records is cut, its rest is read again by the next attempt.
 */
import type { ByteSupply } from "../../core/byte-pool.ts";
import type { LandedPartition } from "../../core/landed.ts";
import type { Log } from "../../core/ports/log.ts";
import { RECORD_WORDS, type ReadBatch } from "../../core/record.ts";
import { checkBounds } from "./state.ts";
import { withoutTombstones } from "./without-tombstones.ts";

/** Bytes asked of the log at once; bounds what the kernel copies into its memory. */
const READ_BYTES = 1_048_576;

export interface Gathered {
  /** In (partition, offset) order; batches without records are left out. */
  readonly batches: readonly ReadBatch[];
  /** Records in all batches. */
  readonly count: number;
  /** [partition] where the next attempt reads on. */
  readonly next: readonly number[];
  /** [partition] whether the log's end was reached. */
  readonly isAtEnd: readonly boolean[];
  /** Nothing accepted from now on has an ingest time below this, ms since 1970 UTC. */
  readonly ingestFloorMs: number;
}

/**
 * @param isCompacted of the stream: records without a payload are no events, but offsets that hold nothing
 * @param supply of the batches' bytes
 * @throws log.offset_out_of_range where retention removed a cursor's offset, log.identity where the log ends before it
 */
export async function gather(
  log: Log,
  stream: string,
  partitions: readonly LandedPartition[],
  bytesMax: number,
  rowsMax: number,
  isCompacted = false,
  supply?: ByteSupply,
): Promise<Gathered> {
  const batches: ReadBatch[] = [];
  const next: number[] = [];
  const isAtEnd: boolean[] = [];
  let ingestFloorMs = Infinity;
  let budget = bytesMax;
  let count = 0;
  for (const { partition, cursor } of partitions) {
    // A backlog in one partition must not starve the others: each may take its share of what is left, and at least
    // a record, since one large read may have used more than its share.
    const waiting = partitions.length - partition;
    let share = Math.max(1, Math.ceil(budget / waiting));
    const countMax = count + Math.max(1, Math.ceil((rowsMax - count) / waiting));
    let offset = cursor;
    const bounds = await log.bounds(stream, partition);
    checkBounds(stream, partition, cursor, bounds);
    ingestFloorMs = Math.min(ingestFloorMs, bounds.ingestFloorMs);
    let { endOffset } = bounds;
    while (offset < endOffset && share > 0 && count < countMax) {
      const read = await log.read(stream, partition, offset, Math.min(READ_BYTES, share), supply);
      const batch = firstOf(read, countMax - count);
      const events = isCompacted ? withoutTombstones(batch) : batch;
      if (events.count > 0) batches.push(events);
      if (batch.next <= offset) break;
      offset = batch.next;
      endOffset = batch.endOffset;
      share -= batch.bytes.length;
      budget -= batch.bytes.length;
      count += events.count;
    }
    next.push(offset);
    isAtEnd.push(offset >= endOffset);
  }
  return { batches, count, next, isAtEnd, ingestFloorMs };
}

/** The first `count` records of a batch; what follows is read again. */
export function firstOf(batch: ReadBatch, count: number): ReadBatch {
  if (batch.count <= count) return batch;
  return {
    ...batch,
    count,
    index: batch.index.subarray(0, count * RECORD_WORDS),
    offsets: batch.offsets.subarray(0, count),
    ingestMs: batch.ingestMs.subarray(0, count),
    next: batch.offsets[count]!,
  };
}
