/**
 * Removes the oldest segments that nobody needs: every record expired by its stream's age (or the log too large),
 * and no consumer's hold inside. In this order, so that a stop anywhere leaves a correct log:
 * the compacted file, durable; the base that covers the segments, which is the moment it counts; then the deletion.
 */
import { basename } from "node:path";

import type { Clock, Randomness } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import { compactSegments, hasCompacted } from "./compaction.ts";
import type { Holds } from "./holds.ts";
import { writeBase } from "./log-base.ts";
import type { ReadSource } from "./log-read.ts";
import type { LogState } from "./log-state.ts";
import { attachCompacted } from "./recovery.ts";
import type { SegmentSet } from "./segment-set.ts";
import { SegmentTally } from "./segment-tally.ts";
import type { Segment } from "./segment.ts";

export interface RetentionOptions {
  readonly source: ReadSource;
  readonly state: LogState;
  readonly segments: SegmentSet;
  readonly holds: Holds;
  readonly directory: string;
  readonly logId: string;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
  /** Seals the segment that is written to. */
  readonly roll: () => Promise<void>;
  /** Age at which a segment is sealed however small it is, so that retention can take it, ms. */
  readonly segmentAgeMs: number;
  /** Above this the oldest segments go before their age, bytes. */
  readonly retentionBytes: number;
  /** How long tombstones of compacted streams stay readable, ms. */
  readonly tombstoneMs: number;
}

/** @returns bytes freed */
export async function retainSegments(options: RetentionOptions): Promise<number> {
  const { segments, holds, logger, clock } = options;
  const nowMs = clock.nowMs();
  const { firstIngestMs } = segments.active.tally;
  if (firstIngestMs !== undefined && firstIngestMs + options.segmentAgeMs <= nowMs) await options.roll();
  await segments.sealingDone();
  if (holds.awaited.length > 0) {
    logger.warn("retention waits for consumers to declare what they need", { consumers: holds.awaited });
    return 0;
  }
  const count = countRemovable(options, nowMs);
  if (count === 0) return 0;
  const before = segments.diskBytes;
  await removeOldest(options, count, nowMs);
  const freed = Math.max(0, before - segments.diskBytes);
  logger.info("retention removed segments", { segments: count, freed_bytes: freed });
  return freed;
}

function countRemovable(options: RetentionOptions, nowMs: number): number {
  const { segments, retentionBytes } = options;
  let excess = segments.diskBytes - retentionBytes;
  let count = 0;
  for (const segment of segments.sealed) {
    if (!isReleased(options, segment)) break;
    if (excess <= 0 && !isExpired(options, segment, nowMs)) break;
    excess -= segment.diskBytes;
    count++;
  }
  return count;
}

function isReleased({ holds, state }: RetentionOptions, segment: Segment): boolean {
  for (const [key, { endOffset, partition }] of segment.tally.partitions) {
    const { stream, isDeleted } = state.byKey(key)!;
    if (!isDeleted && holds.lowest(stream.name, partition) < endOffset) return false;
  }
  return true;
}

function isExpired({ state }: RetentionOptions, segment: Segment, nowMs: number): boolean {
  for (const [key, { lastIngestMs }] of segment.tally.partitions) {
    const { stream, isDeleted } = state.byKey(key)!;
    if (!isDeleted && stream.cleanup !== "compact" && lastIngestMs + stream.retentionMs > nowMs) return false;
  }
  return true;
}

async function removeOldest(options: RetentionOptions, count: number, nowMs: number): Promise<void> {
  const { source, state, segments, directory, holds } = options;
  const removed = segments.all.slice(0, count);
  const tally = SegmentTally.fromJson(segments.base.toJson());
  for (const segment of removed) tally.absorb(segment.tally);
  tally.dropDeleted();
  const former = segments.compacted;
  const isRewritten = removed.some((segment) => hasCompacted(state, segment));
  const compacted = isRewritten
    ? await compactSegments({
        ...options,
        inputs: former ? [former, ...removed] : removed,
        through: tally.lastSequence,
        tombstonesAfterMs: nowMs - options.tombstoneMs,
      })
    : former;
  await holds.save();
  const kept = compacted && { name: basename(compacted.path), length: compacted.length };
  await writeBase(source.disk, directory, { tally, compacted: kept });

  segments.base = tally;
  segments.drop(count);
  if (isRewritten) segments.replaceCompacted(compacted);
  const gone = new Set<Segment>(removed);
  if (isRewritten && former) gone.add(former);
  forget(state, gone);
  if (isRewritten) attachCompacted(state, segments);
  for (const segment of gone) await deleteSegment(options, segment);
  await source.disk.syncDirectory(directory);
}

function forget(state: LogState, gone: ReadonlySet<Segment>): void {
  for (const partition of state.partitions()) {
    const last = partition.runs.findLast((run) => gone.has(run.segment));
    if (!last) continue;
    partition.runs = partition.runs.filter((run) => !gone.has(run.segment));
    if (partition.stream.cleanup !== "compact") partition.startOffset = last.endOffset;
  }
}

/** The name goes only when nobody reads the segment, since its descriptor may have to be opened by name. */
async function deleteSegment({ source, segments }: RetentionOptions, segment: Segment): Promise<void> {
  await segments.files.release(segment);
  await source.disk.remove(segment.path);
  await source.disk.remove(segment.sidecarPath);
}
