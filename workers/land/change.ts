/**
 * One landing commit: the rows' files, every partition's cursor and counters moved from → to, the watermark, and
 * in commitInfo the ledger and the side file's name. Rows and cursors become visible together or not at all.
 */
import { HOUR_MS, hourOf, type LedgerLine } from "../../core/books.ts";
import { partitionTxns, STEP_TXN, WATERMARK_TXN, type LandedPartition } from "../../core/landed.ts";
import type { AddFile, TableChange, TableCommit, Txn, Verdict } from "../../core/ports/table-log.ts";
import type { ReadBatch } from "../../core/record.ts";
import { DUPLICATE, LANDED, type Judged } from "./judge.ts";
import type { LandingState } from "./state.ts";

export interface LandInfo {
  readonly kind: "land" | "watermark";
  /** The landing commit that this one follows; null for the first. */
  readonly previous: string | null;
  readonly ledger: readonly LedgerLine[];
  /** Store path of the side file with dead letters and duplicates; null where there are none. */
  readonly side: string | null;
  /** Dead letters that were published again among the records, whatever became of them; absent: none. */
  readonly replays?: number;
}

/** @param after [partition] @param watermarkMs of the table once this is committed */
export function landChange(
  before: LandingState,
  after: readonly LandedPartition[],
  watermarkMs: number | undefined,
  add: readonly AddFile[],
  info: LandInfo,
): TableChange {
  const txns: Txn[] = [{ appId: STEP_TXN, version: before.step + 1n }];
  after.forEach((partition, i) => txns.push(...partitionTxns(before.partitions[i]!, partition)));
  if (watermarkMs !== undefined && watermarkMs !== before.watermarkMs)
    txns.push({ appId: WATERMARK_TXN, version: BigInt(watermarkMs) });
  return {
    operation: info.kind === "land" ? "WRITE" : "WATERMARK",
    add,
    remove: [],
    txns,
    info: { ...info },
  };
}

/**
 * Judges a version that came in between: a pure rewrite of files (compaction) does not touch what landing decided
 * on. Anything that moved landing's own counters, added or removed rows, or changed the schema does.
 */
export function judgeWinner(winner: TableCommit): Verdict {
  if (
    winner.metadata ||
    winner.add.some((file) => file.dataChange) ||
    winner.remove.some((file) => file.dataChange)
  )
    return "abandon";
  return winner.txns.some((txn) => txn.appId.startsWith("muara:")) ? "abandon" : "rebase";
}

interface Draft extends Omit<LedgerLine, "from" | "to"> {
  readonly from: number;
  to: number;
  landed: number;
  duplicates: number;
  dead: number;
}

/** Counts a batch hour by hour, without touching a line for each record. @param fates [record] and more */
function addToDrafts(
  lines: Draft[],
  { logId, topicId, partition, cursor }: LandedPartition,
  batch: ReadBatch,
  fates: Uint8Array,
): void {
  const { ingestMs, offsets, count } = batch;
  for (let i = 0; i < count;) {
    let line = lines.at(-1);
    const startMs = ingestMs[i]!;
    if (!line || startMs < line.hourMs || startMs >= line.hourMs + HOUR_MS) {
      const from = line ? line.to : cursor;
      const counts = { landed: 0, duplicates: 0, dead: 0, gap: 0 };
      line = { logId, topicId, partition, hourMs: hourOf(startMs), from, to: from, ...counts };
      lines.push(line);
    }
    const { hourMs } = line;
    let landed = 0;
    let duplicates = 0;
    const begin = i;
    for (; i < count && ingestMs[i]! >= hourMs && ingestMs[i]! < hourMs + HOUR_MS; i++) {
      if (fates[i] === LANDED) landed++;
      else if (fates[i] === DUPLICATE) duplicates++;
    }
    line.to = offsets[i - 1]! + 1;
    line.landed += landed;
    line.duplicates += duplicates;
    line.dead += i - begin - landed - duplicates;
  }
}

/** The ledger of one attempt: a line per partition and hour of acceptance, tiling [cursor, next) exactly. */
export function ledgerOf(
  before: readonly LandedPartition[],
  next: readonly number[],
  batches: readonly ReadBatch[],
  judged: Judged,
): LedgerLine[] {
  const drafts: Draft[][] = before.map(() => []);
  let first = 0;
  for (const batch of batches) {
    addToDrafts(drafts[batch.partition]!, before[batch.partition]!, batch, judged.fates.subarray(first));
    first += batch.count;
  }
  drafts.forEach((lines, partition) => {
    const { logId, topicId, cursor, ingestMs } = before[partition]!;
    const end = next[partition]!;
    if (lines.length > 0) lines.at(-1)!.to = end;
    // Offsets without any record (compaction, transaction markers) still have to be accounted for.
    else if (end > cursor)
      lines.push({
        logId,
        topicId,
        partition,
        hourMs: hourOf(ingestMs ?? 0),
        from: cursor,
        to: end,
        landed: 0,
        duplicates: 0,
        dead: 0,
        gap: 0,
      });
  });
  return drafts
    .flat()
    .map((line) => ({ ...line, gap: line.to - line.from - line.landed - line.duplicates - line.dead }));
}

/** Adds an attempt's ledger to the partitions' counters. */
export function countLedger(partition: LandedPartition, lines: readonly LedgerLine[]): LandedPartition {
  return lines
    .filter((line) => line.partition === partition.partition)
    .reduce(
      (sum, line) => ({
        ...sum,
        cursor: line.to,
        landed: sum.landed + line.landed,
        duplicates: sum.duplicates + line.duplicates,
        dead: sum.dead + line.dead,
        gap: sum.gap + line.gap,
      }),
      partition,
    );
}
