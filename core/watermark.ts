/**
 * The watermark of a table: the event time up to which its input is taken as complete. It is the minimum over
 * the log partitions of (newest event time − disorder), after Akidau et al., "The Dataflow Model" (VLDB 2015),
 * and never moves back. A row is late ⇔ its event time is below the watermark before its own commit.
 *
 * The surprising rule: silence alone never moves it. A partition leaves the minimum only when landing has read
 * the log to its end for `idleAfterMs`; a backlog or a missing owner holds it, however long that takes.
 */
import type { LandedPartition } from "./landed.ts";

/** @returns ms since 1970 UTC; undefined while some partition that counts has not spoken */
export function advanceWatermark(
  currentMs: number | undefined,
  partitions: readonly LandedPartition[],
  disorderMs: number,
): number | undefined {
  const counting = partitions.filter((partition) => !partition.isIdle);
  if (counting.length === 0 || counting.some((partition) => partition.newestUs === undefined))
    return currentMs;
  const lowestUs = counting.reduce<bigint>(
    (lowest, { newestUs }) => (newestUs! < lowest ? newestUs! : lowest),
    1n << 62n,
  );
  return Math.max(currentMs ?? -Infinity, floorToMs(lowestUs) - disorderMs);
}

/**
 * When every partition is idle nothing counts any more, and wall time takes over: what is accepted from now on is
 * expected to have happened after the silence began. Only for tables that have landed something.
 */
export function idleWatermark(
  currentMs: number | undefined,
  partitions: readonly LandedPartition[],
  nowMs: number,
  idleAfterMs: number,
  disorderMs: number,
): number | undefined {
  const hasSpoken = partitions.some((partition) => partition.newestUs !== undefined);
  if (!hasSpoken || partitions.some((partition) => !partition.isIdle)) return currentMs;
  return Math.max(currentMs ?? -Infinity, nowMs - idleAfterMs - disorderMs);
}

function floorToMs(us: bigint): number {
  const ms = us / 1_000n;
  return Number(us < 0n && us % 1_000n !== 0n ? ms - 1n : ms);
}
