/** By what ids are forgotten: the cursors, never a clock. */
import type { LandedPartition } from "./landed.ts";

/**
 * An idle partition's next record may have been accepted while the others were read, or by a broker whose clock is
 * behind.
 */
const IDLE_SLACK_MS = 600_000;

/**
 * The ingest time that every partition has reached, ms since 1970 UTC: no record still to land has an earlier one.
 * Partitions that were read to their end do not hold it back; what they receive next is accepted about when the
 * newest record of the others was, or later.
 */
export function slowestIngestMs(partitions: readonly LandedPartition[]): number {
  let newestMs = 0;
  let slowestMs = Infinity;
  for (const { ingestMs = 0, isIdle } of partitions) {
    newestMs = Math.max(newestMs, ingestMs);
    if (!isIdle) slowestMs = Math.min(slowestMs, ingestMs);
  }
  const hasIdle = partitions.some((partition) => partition.isIdle);
  return Math.max(0, Math.min(slowestMs, hasIdle ? newestMs - IDLE_SLACK_MS : Infinity));
}
