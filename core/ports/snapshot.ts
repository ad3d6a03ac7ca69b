/**
 * Rows as sums of them: what reconciliation compares, whoever holds them. A row is known by the text of its key and by
 * that of all its columns (`core/row-text.ts`); only sums and, where they differ, digests travel.
 */
import type { SliceSum, RowColumn, RowDigest, RowValues } from "../row-text.ts";

export interface SummedRows {
  /** Sums of a part of the rows at a time; those of one slice may come several times. @param slices a power of two */
  sums(slices: number): AsyncIterable<readonly SliceSum[]>;
  /** Of the rows in some of the slices. */
  digests(slices: number, wanted: readonly number[]): AsyncIterable<readonly RowDigest[]>;
  /** The rows whose keys have these digests. */
  values(keys: readonly string[]): AsyncIterable<readonly RowValues[]>;
}

export interface SnapshotTable extends SummedRows {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly RowColumn[];
  /** Names in `columns`, in their order; [] where the table has no key. */
  readonly key: readonly string[];
  /** As the source estimates; a partitioned table's are those of its partitions. */
  readonly rows: number;
}

/**
 * A database at one place of its log: everything that committed up to `lsn`, and nothing after it. Reading takes no
 * lock but that of a SELECT, and a table's only while the table is read.
 */
export interface DatabaseSnapshot {
  readonly lsn: bigint;
  /** @throws source.statement where it is not there, or cannot be read */
  table(schema: string, name: string): Promise<SnapshotTable>;
  close(): Promise<void>;
}

export interface SnapshotTerms {
  /** How long the source's open transactions are waited for, ms: a snapshot is known only when they have ended. */
  readonly waitMs: number;
  /** Rest after each part that was read, as a share of the time that it took. */
  readonly restShare: number;
}
