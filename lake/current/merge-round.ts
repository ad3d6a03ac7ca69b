/**
 * Rounds of merging: a range of changes that goes into all the slices that it touches, some slices per commit. A small
 * round is one commit. Of a longer one each commit says where the round ends and which slices have it, so whoever
 * comes next goes on with the other slices, and a merge that is killed loses one step. Until all have it, the changes
 * count as not merged: queries lay them over the rows again, and retention waits.
 */
import type { TableSnapshot, Txn } from "../../core/ports/table-log.ts";
import type { RewriteReport } from "../rewrite-job.ts";
import {
  CURRENT_ROUND,
  CURRENT_STEP,
  CURRENT_TIME,
  CURRENT_UNKEYED,
  lsnTxn,
  mergedIngestTxn,
  mergedTxn,
  roundEndTxn,
  sliceTxn,
  type StreamRange,
  unmergedRanges,
} from "./current-table.ts";

/** Changes of a round, as long as the table is small: each round writes all of a table whose rows change at random. */
const ROWS_MIN = 250_000;
/** Beyond that, of the table's rows. */
const SHARE_OF_TABLE = 0.5;

export interface Round {
  readonly number: bigint;
  /** With an end. */
  readonly ranges: readonly StreamRange[];
  /** Whether a commit has said where it ends. */
  readonly isBegun: boolean;
  /** Slices that have it. */
  readonly done: ReadonlySet<string>;
  /** Whether more has landed beyond it. */
  readonly hasMore: boolean;
}

export type Gathered = Extract<RewriteReport, { readonly report: "gathered" }>;

/**
 * The round that is under way, or a new one.
 * @returns undefined where nothing is to be merged, or where the change table is older than the round
 */
export function nextRound(
  changes: TableSnapshot,
  current: TableSnapshot,
  rowsMax: number,
): Round | undefined {
  const open = unmergedRanges(changes, current).filter(({ from, to }) => from < to!);
  const begun = open.flatMap((range) => {
    const to = Number(current.txns.get(roundEndTxn(range)) ?? 0n);
    return to > range.from ? [{ landed: range.to!, range: { ...range, to } }] : [];
  });
  const last = current.txns.get(CURRENT_ROUND) ?? 0n;
  if (begun.length > 0) {
    // Slices would be counted as merged that lack what this snapshot does not know yet.
    if (begun.some(({ landed, range }) => landed < range.to)) return undefined;
    const ranges = begun.map(({ range }) => range);
    const hasMore = open.length > begun.length || begun.some(({ landed, range }) => landed > range.to);
    return { number: last, ranges, isBegun: true, done: slicesOf(current, last), hasMore };
  }
  if (open.length === 0) return undefined;
  const backlog = open.reduce((sum, { from, to }) => sum + to! - from, 0);
  const part = Math.min(1, Math.min(rowsMax, rowsOfRound(current)) / backlog);
  const ranges = open.map((range) => {
    const to = range.from + Math.ceil((range.to! - range.from) * part);
    return { ...range, to };
  });
  return { number: last + 1n, ranges, isBegun: false, done: new Set(), hasMore: part < 1 };
}

function rowsOfRound({ files }: TableSnapshot): number {
  let rows = 0;
  for (const { stats } of files.values()) rows += numRecords(stats);
  return Math.max(ROWS_MIN, rows * SHARE_OF_TABLE);
}

/** @param stats Delta statistics, JSON text */
export function numRecords(stats: string | undefined): number {
  return stats === undefined ? 0 : ((JSON.parse(stats) as { numRecords?: number }).numRecords ?? 0);
}

function slicesOf({ txns }: TableSnapshot, round: bigint): ReadonlySet<string> {
  const prefix = sliceTxn("");
  const done = [...txns].filter(([appId, number]) => appId.startsWith(prefix) && number === round);
  return new Set(done.map(([appId]) => appId.slice(prefix.length)));
}

/** What a commit says. @param done slices that it brings the round to @param isLast whether all have it then */
export function roundTxns(
  base: TableSnapshot,
  round: Round,
  gathered: Gathered,
  done: readonly string[],
  isLast: boolean,
): Txn[] {
  const begins = round.isBegun ? [] : newestTxns(base, gathered);
  if (isLast) return [...begins, ...mergedTxns(round, gathered)];
  const ends = round.ranges.flatMap((range, i): Txn[] => {
    const { to } = gathered.ends[i]!;
    return to === range.from ? [] : [{ appId: roundEndTxn(range), version: BigInt(to) }];
  });
  const marks = done.map((slice): Txn => ({ appId: sliceTxn(slice), version: round.number }));
  const number: Txn = { appId: CURRENT_ROUND, version: round.number };
  return [...begins, ...(round.isBegun ? [] : [number, ...ends]), ...marks];
}

function mergedTxns({ ranges }: Round, gathered: Gathered): Txn[] {
  return ranges.flatMap((range, i): Txn[] => {
    const { to, ingestMs } = gathered.ends[i]!;
    if (to === range.from) return [];
    const txn: Txn = { appId: mergedTxn(range), version: BigInt(to) };
    return ingestMs === null ? [txn] : [txn, { appId: mergedIngestTxn(range), version: BigInt(ingestMs) }];
  });
}

/** What the table has of the newest from the first commit of a round on. */
function newestTxns(base: TableSnapshot, gathered: Gathered): Txn[] {
  const newest = gathered.newest.map(({ shard, lsn }): Txn => ({
    appId: lsnTxn(shard),
    version: BigInt(lsn),
  }));
  const timeUs = gathered.timeUs === null ? undefined : BigInt(gathered.timeUs);
  const time = base.txns.get(CURRENT_TIME);
  const isNewer = timeUs !== undefined && (time === undefined || timeUs > time);
  const unkeyed = (base.txns.get(CURRENT_UNKEYED) ?? 0n) + BigInt(gathered.unkeyed);
  return [
    ...newest,
    ...(isNewer ? [{ appId: CURRENT_TIME, version: timeUs }] : []),
    ...(gathered.unkeyed > 0 ? [{ appId: CURRENT_UNKEYED, version: unkeyed }] : []),
  ];
}

/** Moved by whatever changes rows of a current state: it makes merges void that are under way. */
export function stepTxn({ txns }: TableSnapshot): Txn {
  return { appId: CURRENT_STEP, version: (txns.get(CURRENT_STEP) ?? 0n) + 1n };
}
