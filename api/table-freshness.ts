/**
 * How fresh a table is, per partition of its log: how long the oldest event that was accepted and has not landed has
 * been waiting. A quiet event type is fresh, however long ago its last event was; one partition that is stuck is not
 * hidden by the others. The target is what the event type declares (`muara/freshness`, decision 064).
 */
import { freshnessTargetMs } from "../core/event-type-annotations.ts";
import { landedPartitions, type LandedPartition } from "../core/landed.ts";
import { hasCode } from "../core/errors.ts";
import type { Log, StreamInfo } from "../core/ports/log.ts";
import type { TableSnapshot } from "../core/ports/table-log.ts";
import type { CatalogTable } from "../lake/catalog.ts";

export interface PartitionFreshness {
  readonly partition: number;
  /** Next offset to land. */
  readonly cursor: number;
  readonly endOffset: number;
  /** Age of the oldest event that waits, ms; 0 where none does, null where the log has it no more. */
  readonly lagMs: number | null;
  /** ms since 1970 UTC; null before the first event. */
  readonly newestEventMs: number | null;
  readonly newestIngestMs: number | null;
  /** Whether it is left out of the watermark's minimum, since nothing came for a while. */
  readonly isIdle: boolean;
}

export interface Freshness {
  /** Of the partition that is furthest behind, ms; null where one is not known. */
  readonly lagMs: number | null;
  /** Declared; null: none. */
  readonly targetMs: number | null;
  /** null without a target, or a lag that is not known. */
  readonly isFresh: boolean | null;
  readonly partitions: readonly PartitionFreshness[];
}

/** @param snapshot must be older than this call @returns undefined for what no log feeds */
export async function freshnessOf(
  log: Log,
  { eventType }: CatalogTable,
  snapshot: TableSnapshot,
  nowMs: number,
): Promise<Freshness | undefined> {
  const stream = eventType && (await log.stream(eventType.name));
  if (!stream) return undefined;
  const landed = new Map<number, LandedPartition>();
  for (const one of landedPartitions(snapshot.txns))
    if (one.logId === log.id && one.topicId === stream.topicId) landed.set(one.partition, one);
  const numbers = Array.from({ length: stream.partitions }, (_, partition) => partition);
  const partitions = await Promise.all(
    numbers.map((partition) => freshnessOfPartition(log, stream, partition, landed.get(partition), nowMs)),
  );
  const lagMs = partitions.some((one) => one.lagMs === null)
    ? null
    : partitions.reduce((most, one) => Math.max(most, one.lagMs!), 0);
  const targetMs = freshnessTargetMs(eventType) ?? null;
  const isFresh = lagMs === null || targetMs === null ? null : lagMs <= targetMs;
  return { lagMs, targetMs, isFresh, partitions };
}

async function freshnessOfPartition(
  log: Log,
  { name }: StreamInfo,
  partition: number,
  landed: LandedPartition | undefined,
  nowMs: number,
): Promise<PartitionFreshness> {
  const { endOffset } = await log.bounds(name, partition);
  const cursor = landed?.cursor ?? 0;
  return {
    partition,
    cursor,
    endOffset,
    lagMs: cursor >= endOffset ? 0 : waitOf(await waitsSince(log, name, partition, cursor), nowMs),
    newestEventMs: landed?.newestUs === undefined ? null : Number(landed.newestUs / 1_000n),
    newestIngestMs: landed?.ingestMs ?? null,
    isIdle: landed?.isIdle ?? false,
  };
}

function waitOf(sinceMs: number | null | undefined, nowMs: number): number | null {
  return sinceMs === null ? null : Math.max(0, nowMs - (sinceMs ?? nowMs));
}

/**
 * @returns when the first record from the cursor on was accepted, ms since 1970 UTC; undefined where there is none
 * (offsets ahead of the cursor may hold no record), null where the log has it no more
 */
export async function waitsSince(
  log: Log,
  name: string,
  partition: number,
  cursor: number,
): Promise<number | null | undefined> {
  try {
    const { count, ingestMs } = await log.read(name, partition, cursor, 1);
    return count === 0 ? undefined : ingestMs[0];
  } catch (error) {
    if (hasCode(error, "log.offset_out_of_range")) return null;
    throw error;
  }
}
