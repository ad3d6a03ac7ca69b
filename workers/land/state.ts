/**
 * Landing's state at a table version: step, watermark and one cursor per log partition. It is read from the
 * snapshot alone, and held against the log that it is about to read: another log, a recreated stream, a lost
 * tail or fewer partitions stop the table with an error that says so. Nothing is ever skipped silently.
 */
import { MuaraError } from "../../core/errors.ts";
import type { Kernel } from "../../core/kernel.ts";
import {
  freshPartition,
  landedPartitions,
  STEP_TXN,
  watermarkOf,
  type LandedPartition,
} from "../../core/landed.ts";
import type { Log, StreamInfo } from "../../core/ports/log.ts";
import type { TableSnapshot } from "../../core/ports/table-log.ts";
import { payloadOf } from "../../core/record.ts";

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
  const recorded = landedPartitions(snapshot.txns);
  const foreign = recorded.find(
    (partition) => partition.logId !== log.id || partition.topicId !== stream.topicId,
  );
  if (foreign) {
    throw identityError(stream, "was landed from another log or another incarnation of its stream", {
      recorded: `${foreign.logId}:${foreign.topicId}`,
      present: `${log.id}:${stream.topicId}`,
    });
  }
  const lost = recorded.find((partition) => partition.partition >= stream.partitions);
  if (lost) throw identityError(stream, `has a cursor for partition ${lost.partition}, which is gone`, {});
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
    const { startOffset, endOffset } = await log.bounds(stream.name, partition);
    if (endOffset < cursor)
      throw identityError(
        stream,
        `ends at offset ${endOffset} of partition ${partition}, the table is at ${cursor}`,
        {},
      );
    if (startOffset > cursor) {
      throw new MuaraError(
        "log.offset_out_of_range",
        `${stream.name}: retention removed offsets ${cursor} to ${startOffset - 1} of partition ${partition} before they landed.`,
        { details: { table: stream.name, partition, from: cursor, to: startOffset } },
      );
    }
    if (witness === undefined || cursor === 0 || startOffset >= cursor) continue;
    const batch = await log.read(stream.name, partition, cursor - 1, 1);
    const payload = batch.count > 0 && batch.offsets[0] === cursor - 1 ? payloadOf(batch, 0) : null;
    if (payload && kernel.hash64(payload) !== witness)
      throw identityError(
        stream,
        `holds another record at offset ${cursor - 1} of partition ${partition} than was landed`,
        {},
      );
  }
}

function identityError(stream: StreamInfo, what: string, details: Record<string, unknown>): MuaraError {
  return new MuaraError(
    "log.identity",
    `${stream.name}: the log ${what}. Landing of this table stops; nothing was skipped.`,
    {
      details: { table: stream.name, ...details },
    },
  );
}
