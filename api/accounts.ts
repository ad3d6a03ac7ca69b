/**
 * The books of one event type: accepted = landed + duplicates + dead letters + in flight.
 *
 * Accepted is counted by the log, the rest by the table's own `txn`s, so neither side can cover up for the other.
 * In flight is what is left; offsets are the second witness: it must equal the end of the log minus the cursor
 * (records may arrive between the two looks, so between both ends). A disagreement is reported, never smoothed.
 */
import { HOUR_MS } from "../core/books.ts";
import { landedPartitions, type LandedPartition, type RemovalReason, removedRows } from "../core/landed.ts";
import type { AcceptedCount, Log, StreamInfo } from "../core/ports/log.ts";
import type { TableSnapshot } from "../core/ports/table-log.ts";
import { statedRows } from "../lake/table/add-file.ts";

export interface Account {
  readonly accepted: number;
  readonly landed: number;
  readonly duplicates: number;
  readonly deadLetters: number;
  readonly inFlight: number;
  readonly isBalanced: boolean;
}

/** What became of what landed: landed = removed + live rows. */
export interface RowAccount {
  /** Live rows; null where a file does not say. */
  readonly rows: number | null;
  /** By reason; null where rows were removed and nobody counted them. */
  readonly removed: Readonly<Record<RemovalReason, number>> | null;
  /** True where the rows are not known, too. */
  readonly isBalanced: boolean;
}

export interface PartitionAccount extends Account {
  readonly partition: number;
  readonly gap: number;
  readonly cursor: number;
  readonly endOffset: number;
}

export interface HourAccount extends Account {
  readonly partition: number;
  readonly hourMs: number;
}

/** What the table `books` sums up for one partition and hour. */
export interface LedgerSum {
  readonly partition: number;
  readonly hourMs: number;
  readonly landed: number;
  readonly duplicates: number;
  readonly deadLetters: number;
}

/** @param snapshot must be older than this call: the log is looked at afterwards */
export async function partitionAccounts(
  log: Log,
  stream: StreamInfo,
  snapshot: TableSnapshot,
): Promise<readonly PartitionAccount[]> {
  const landed = new Map<number, LandedPartition>();
  for (const one of landedPartitions(snapshot.txns))
    if (one.logId === log.id && one.topicId === stream.topicId) landed.set(one.partition, one);
  const partitions = Array.from({ length: stream.partitions }, (_, partition) => partition);
  const ends = await Promise.all(partitions.map((partition) => endOf(log, stream.name, partition)));
  const accepted = sumByPartition(await log.accepted(stream.name));
  const endsAfter = await Promise.all(partitions.map((partition) => endOf(log, stream.name, partition)));
  return partitions.map((partition) =>
    partitionAccount(
      partition,
      accepted.get(partition) ?? 0,
      landed.get(partition),
      ends[partition]!,
      endsAfter[partition]!,
      stream.cleanup !== "delete",
    ),
  );
}

function partitionAccount(
  partition: number,
  accepted: number,
  counted: LandedPartition | undefined,
  endBefore: number,
  endAfter: number,
  isCompacted: boolean,
): PartitionAccount {
  const { landed, duplicates, dead, gap, cursor } = counted ?? NOTHING;
  const open = accepted - landed - duplicates - dead;
  // Tombstones, and what compaction took before it landed, were accepted and are gaps: no more of them than gaps.
  const inFlight = isCompacted ? Math.max(0, Math.min(open, endAfter - cursor)) : open;
  const isExplained = !isCompacted || open - inFlight <= gap;
  const isTiled = cursor === landed + duplicates + dead + gap;
  // Offsets ahead of the cursor may hold no record, so there are at most as many records as offsets.
  const hasGaps = gap > 0;
  const agrees = inFlight <= endAfter - cursor && (hasGaps || inFlight >= endBefore - cursor);
  return {
    partition,
    accepted,
    landed,
    duplicates,
    deadLetters: dead,
    gap,
    inFlight,
    cursor,
    endOffset: endAfter,
    isBalanced: inFlight >= 0 && isTiled && agrees && isExplained,
  };
}

export function rowAccount({ txns, files }: TableSnapshot): RowAccount {
  const removed = removedRows(txns) ?? null;
  const counts = [...files.values()].map(statedRows);
  if (counts.includes(undefined)) return { rows: null, removed, isBalanced: true };
  const rows = counts.reduce<number>((sum, count) => sum + count!, 0);
  const landed = landedPartitions(txns).reduce((sum, one) => sum + one.landed, 0);
  const gone = removed === null ? undefined : removed.retention + removed.erasure + removed.rollback;
  return { rows, removed, isBalanced: gone === undefined || landed - gone === rows };
}

const NOTHING = { landed: 0, duplicates: 0, dead: 0, gap: 0, cursor: 0 };

export function totalAccount(parts: readonly Account[]): Account {
  const total = { accepted: 0, landed: 0, duplicates: 0, deadLetters: 0, inFlight: 0, isBalanced: true };
  for (const part of parts) {
    total.accepted += part.accepted;
    total.landed += part.landed;
    total.duplicates += part.duplicates;
    total.deadLetters += part.deadLetters;
    total.inFlight += part.inFlight;
    total.isBalanced &&= part.isBalanced;
  }
  return total;
}

/** By hour of acceptance. The ledger follows the commits by about a second; until then its events are in flight. */
export function hourAccounts(
  accepted: readonly AcceptedCount[],
  ledger: readonly LedgerSum[],
): readonly HourAccount[] {
  const sums = new Map(ledger.map((sum) => [hourKey(sum), sum]));
  const counts = new Map(accepted.map((count) => [hourKey(count), count]));
  const hours: HourAccount[] = [];
  for (const id of new Set([...counts.keys(), ...sums.keys()])) {
    const [partition, hourMs] = id.split(":").map(Number) as [number, number];
    const count = counts.get(id)?.count ?? 0;
    const { landed, duplicates, deadLetters } = sums.get(id) ?? { landed: 0, duplicates: 0, deadLetters: 0 };
    const inFlight = count - landed - duplicates - deadLetters;
    const isBalanced = inFlight >= 0 && hourMs % HOUR_MS === 0;
    hours.push({ partition, hourMs, accepted: count, landed, duplicates, deadLetters, inFlight, isBalanced });
  }
  return hours.sort((a, b) => a.hourMs - b.hourMs || a.partition - b.partition);
}

function hourKey(one: { readonly partition: number; readonly hourMs: number }): string {
  return `${one.partition}:${one.hourMs}`;
}

async function endOf(log: Log, stream: string, partition: number): Promise<number> {
  return (await log.bounds(stream, partition)).endOffset;
}

function sumByPartition(counts: readonly AcceptedCount[]): Map<number, number> {
  const sums = new Map<number, number>();
  for (const { partition, count } of counts) sums.set(partition, (sums.get(partition) ?? 0) + count);
  return sums;
}
