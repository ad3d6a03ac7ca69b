/**
 * What a landing commit records about each log partition, and under which names. Landing's whole state is a pure
 * function of a table version, because everything here is a `txn` action: one signed 64-bit integer per name,
 * which survives table checkpoints (commitInfo does not).
 *
 * `muara:land`                               step, grows by one per landing commit
 * `muara:watermark`                          the table's watermark, ms since 1970 UTC
 * `muara:land:<log>:<topic>:<partition>`     cursor: the next offset to land; suffixes of it are below
 * `muara:retired:<log>:<topic>`              1: the stream has landed to its end, and was deleted
 * `muara:removed`                            number of the file with the ids of removed rows
 * `muara:removed:<reason>`                   rows removed for that reason, ever
 * `muara:expired`                            of changes: those accepted before may be gone, ms since 1970 UTC
 */
import { MuaraError } from "./errors.ts";
import type { Txn } from "./ports/table-log.ts";

export const STEP_TXN = "muara:land";
export const WATERMARK_TXN = "muara:watermark";
/** Moved by every commit that removes rows (retention, erasure, rollback). */
export const REMOVED_TXN = "muara:removed";
/** Moved by retention of captured types. */
export const EXPIRED_TXN = "muara:expired";
/** Why rows go away. */
export const REMOVAL_REASONS = ["retention", "erasure", "rollback"] as const;
export type RemovalReason = (typeof REMOVAL_REASONS)[number];

/** The name under which a table counts the rows that were removed for a reason. */
export function removedTxn(reason: RemovalReason): string {
  return `${REMOVED_TXN}:${reason}`;
}

/**
 * Rows that were removed from a table, by reason; landed − these = live rows.
 * @returns undefined where rows were removed and nobody counted them
 */
export function removedRows(
  txns: ReadonlyMap<string, bigint>,
): Readonly<Record<RemovalReason, number>> | undefined {
  const counts = REMOVAL_REASONS.map((reason) => txns.get(removedTxn(reason)));
  if (txns.has(REMOVED_TXN) && counts.every((count) => count === undefined)) return undefined;
  const [retention, erasure, rollback] = counts.map((count) => Number(count ?? 0n));
  return { retention: retention!, erasure: erasure!, rollback: rollback! };
}

/** The name under which landing of a table holds the log's records that have not landed. */
export function landConsumer(table: string): string {
  return `land:${table}`;
}

/** Says that a stream landed to its end and goes: another one of its name is no surprise. */
export function retiredTxn(logId: string, topicId: string): string {
  return `muara:retired:${logId}:${topicId}`;
}

export interface LandedPartition {
  readonly logId: string;
  readonly topicId: string;
  readonly partition: number;
  /** Next offset to land. */
  readonly cursor: number;
  readonly landed: number;
  readonly duplicates: number;
  readonly dead: number;
  /** Offsets that held no record. */
  readonly gap: number;
  /** Newest event time landed that was not beyond the allowed skew, µs since 1970 UTC; undefined before the first. */
  readonly newestUs: bigint | undefined;
  /** Newest ingest time read, ms since 1970 UTC; undefined before the first. */
  readonly ingestMs: number | undefined;
  /** Whether it had left the watermark's minimum. */
  readonly isIdle: boolean;
  /** 63 bits of the hash of the record at cursor − 1; undefined where there is none. */
  readonly witness: bigint | undefined;
}

export function freshPartition(logId: string, topicId: string, partition: number): LandedPartition {
  return {
    logId,
    topicId,
    partition,
    cursor: 0,
    landed: 0,
    duplicates: 0,
    dead: 0,
    gap: 0,
    newestUs: undefined,
    ingestMs: undefined,
    isIdle: false,
    witness: undefined,
  };
}

const SUFFIXES = ["landed", "duplicates", "dead", "gap", "newest", "ingest", "idle", "witness"] as const;
type Suffix = (typeof SUFFIXES)[number];
const PARTITION_TXN = /^muara:land:([^:]+):([^:]+):(\d+)(?::([a-z]+))?$/;

function valueOf(partition: LandedPartition, suffix: Suffix): bigint | undefined {
  switch (suffix) {
    case "newest":
      return partition.newestUs;
    case "ingest":
      return partition.ingestMs === undefined ? undefined : BigInt(partition.ingestMs);
    case "idle":
      return partition.isIdle ? 1n : 0n;
    case "witness":
      return partition.witness;
    default:
      return BigInt(partition[suffix]);
  }
}

/** The `txn` actions that move a partition from one state to the next: only what changed. */
export function partitionTxns(before: LandedPartition, after: LandedPartition): Txn[] {
  const base = `${STEP_TXN}:${after.logId}:${after.topicId}:${after.partition}`;
  const txns: Txn[] = [];
  if (before.cursor !== after.cursor) txns.push({ appId: base, version: BigInt(after.cursor) });
  for (const suffix of SUFFIXES) {
    const version = valueOf(after, suffix);
    if (version === undefined || version === valueOf(before, suffix)) continue;
    txns.push({ appId: `${base}:${suffix}`, version });
  }
  return txns;
}

/** Every partition that a table was ever landed from. @throws table.unsupported */
export function landedPartitions(txns: ReadonlyMap<string, bigint>): LandedPartition[] {
  const found = new Map<string, LandedPartition>();
  for (const [appId, version] of txns) {
    const match = PARTITION_TXN.exec(appId);
    if (!match) continue;
    const [, logId, topicId, partition, suffix] = match;
    const key = `${logId}:${topicId}:${partition}`;
    const known = found.get(key) ?? freshPartition(logId!, topicId!, Number(partition));
    found.set(key, withValue(known, suffix, version));
  }
  return [...found.values()].sort((a, b) => a.partition - b.partition);
}

function withValue(partition: LandedPartition, suffix: string | undefined, version: bigint): LandedPartition {
  switch (suffix as Suffix | undefined) {
    case undefined:
      return { ...partition, cursor: Number(version) };
    case "newest":
      return { ...partition, newestUs: version };
    case "ingest":
      return { ...partition, ingestMs: Number(version) };
    case "idle":
      return { ...partition, isIdle: version === 1n };
    case "witness":
      return { ...partition, witness: version };
    case "landed":
    case "duplicates":
    case "dead":
    case "gap":
      return { ...partition, [suffix!]: Number(version) };
    default:
      // A later Muara has landed here; what its counter means for this one nobody knows.
      throw new MuaraError("table.unsupported", `the table has a landing counter "${suffix}"`, {
        details: { counter: suffix },
      });
  }
}

/** The table's watermark at a version, ms since 1970 UTC; undefined before the first. */
export function watermarkOf(txns: ReadonlyMap<string, bigint>): number | undefined {
  const version = txns.get(WATERMARK_TXN);
  return version === undefined ? undefined : Number(version);
}
