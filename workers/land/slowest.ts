import type { LandedPartition } from "../../core/landed.ts";

/**
 * The ingest time that every partition which counts has reached, ms since 1970 UTC; ids are forgotten by it, never
 * by a clock. Idle partitions do not hold it: what they receive next is accepted later than what the others read.
 */
export function slowestIngestMs(partitions: readonly LandedPartition[]): number {
  const known = (some: readonly LandedPartition[]): number[] => some.map(({ ingestMs }) => ingestMs ?? 0);
  const active = partitions.filter((partition) => !partition.isIdle);
  return active.length > 0 ? Math.min(...known(active)) : Math.max(0, ...known(partitions));
}
