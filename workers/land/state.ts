/**
 * Landing's state at a table version: step, watermark and one cursor per log partition. It is read from the
 * snapshot alone, and held against the log that it is about to read: another log, a recreated stream, a lost
 * tail or fewer partitions stop the table with an error that says so. Nothing is ever skipped silently.
 */
import { hasCode, MuaraError } from "../../core/errors.ts";
import type { Kernel } from "../../core/kernel.ts";
import {
  freshPartition,
  landedPartitions,
  retiredTxn,
  STEP_TXN,
  watermarkOf,
  type LandedPartition,
} from "../../core/landed.ts";
import type { Log, PartitionBounds, StreamInfo } from "../../core/ports/log.ts";
import type { TableSnapshot } from "../../core/ports/table-log.ts";
import { payloadOf, type ReadBatch } from "../../core/record.ts";

export interface LandingState {
  readonly snapshot: TableSnapshot;
  readonly step: bigint;
  /** ms since 1970 UTC; undefined before the first. */
  readonly watermarkMs: number | undefined;
  /** [partition] of the log's stream as it is now. */
  readonly partitions: readonly LandedPartition[];
}

/** @throws log.identity where the table was landed from another log, another stream or more partitions */
export function stateOf(snapshot: TableSnapshot, log: Log, stream: StreamInfo): LandingState {
  const isOurs = ({ logId, topicId }: LandedPartition): boolean =>
    logId === log.id && topicId === stream.topicId;
  const recorded = landedPartitions(snapshot.txns).filter(
    (one) => isOurs(one) || !snapshot.txns.has(retiredTxn(one.logId, one.topicId)),
  );
  const foreign = recorded.find((partition) => !isOurs(partition));
  if (foreign) {
    throw identityError(
      stream.name,
      "is another one, or its stream was created anew, since the table was landed",
      {
        recorded: `${foreign.logId}:${foreign.topicId}`,
        present: `${log.id}:${stream.topicId}`,
      },
    );
  }
  const lost = recorded.find((partition) => partition.partition >= stream.partitions);
  if (lost) throw identityError(stream.name, `has lost partition ${lost.partition}, which was landed`);
  const byNumber = new Map(recorded.map((partition) => [partition.partition, partition]));
  return {
    snapshot,
    step: snapshot.txns.get(STEP_TXN) ?? 0n,
    watermarkMs: watermarkOf(snapshot.txns),
    partitions: Array.from(
      { length: stream.partitions },
      (_, partition) => byNumber.get(partition) ?? freshPartition(log.id, stream.topicId, partition),
    ),
  };
}

/**
 * Compares the last landed record of every partition with its witness in the table.
 * @throws log.identity where the log ends before the cursor or holds another record there
 */
export async function verifyWitnesses(
  state: LandingState,
  log: Log,
  stream: StreamInfo,
  kernel: Kernel,
): Promise<void> {
  for (const { partition, cursor, witness } of state.partitions) {
    const bounds = await log.bounds(stream.name, partition);
    checkBounds(stream.name, partition, cursor, bounds);
    if (witness === undefined || cursor === 0 || bounds.startOffset >= cursor) continue;
    const batch = await readLanded(log, stream.name, partition, cursor);
    // Where nothing is at that offset any more (or never was: a gap) there is nothing to compare.
    if (!batch || batch.count === 0 || batch.offsets[0] !== cursor - 1) continue;
    const payload = payloadOf(batch, 0);
    // Erased since. The next record that lands is a witness again.
    if (payload === null) continue;
    if (kernel.hash64(payload) !== witness)
      throw identityError(
        stream.name,
        `holds another record at offset ${cursor - 1} of partition ${partition} than was landed`,
      );
  }
}

/** The record before the cursor; undefined where retention, which may remove what has landed, took it just now. */
async function readLanded(
  log: Log,
  stream: string,
  partition: number,
  cursor: number,
): Promise<ReadBatch | undefined> {
  try {
    return await log.read(stream, partition, cursor - 1, 1);
  } catch (error) {
    const { startOffset } = await log.bounds(stream, partition);
    if (hasCode(error, "log.offset_out_of_range") && startOffset >= cursor) return undefined;
    throw error;
  }
}

/**
 * Holds a cursor against the offsets that the log has.
 * @throws log.identity where the log ends before the cursor, log.offset_out_of_range where it starts behind it
 */
export function checkBounds(
  stream: string,
  partition: number,
  cursor: number,
  { startOffset, endOffset }: PartitionBounds,
): void {
  if (endOffset < cursor)
    throw identityError(
      stream,
      `ends at offset ${endOffset} of partition ${partition}, the table is at ${cursor}`,
    );
  if (startOffset > cursor) {
    throw new MuaraError(
      "log.offset_out_of_range",
      `${stream}: offsets ${cursor} to ${startOffset - 1} of partition ${partition} were removed before they landed.`,
      { details: { table: stream, partition, from: cursor, to: startOffset } },
    );
  }
}

function identityError(stream: string, what: string, details: Record<string, unknown> = {}): MuaraError {
  return new MuaraError(
    "log.identity",
    `${stream}: the log ${what}. Landing of this table stops; nothing was skipped.`,
    { details: { table: stream, ...details } },
  );
}
