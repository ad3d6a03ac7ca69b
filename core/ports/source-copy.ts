/**
 * Copies of tables as a source has them now, as changes of the kind `copy` (core/change.ts). Two ways: a whole table
 * as of the snapshot that a new slot exports, and chunks in the order of the key, each in a snapshot of its own, which
 * can be resumed (decision 039).
 *
 * Contract, held by test/adapters/pg/copy*.test.ts:
 * - a row has the same bytes in `data` as the stream gives it, and the same key.
 * - no lock beyond ACCESS SHARE, none that outlives a chunk, and nothing is written.
 * - memory is bounded by what was asked for, and one row.
 * - all reject with source.*.
 */
import type { RecordBatch } from "../record.ts";
import type { TransactionSnapshot } from "../transaction-snapshot.ts";
import type { BindRelation, SourcePart } from "./source.ts";

export interface CopyTable {
  readonly schema: string;
  readonly name: string;
  readonly shard: string;
  readonly incarnation: number;
  /** As the stream's: asked before the first row, and when the relation has changed since. */
  readonly bind: BindRelation;
}

export interface SnapshotRequest {
  /** Consistent point of the slot that exported the snapshot. */
  readonly at: bigint;
  /** Whether rows of a former slot may be there: a truncate comes first. */
  readonly isAgain: boolean;
  /** Rows that are handed over at once, as events, bytes. */
  readonly batchBytes: number;
}

export interface SnapshotCopy {
  /** The next batch is read when it is asked for; its bytes are valid until then. Several tables at a time. */
  rows(table: CopyTable, request: SnapshotRequest): AsyncIterable<SourcePart>;
  close(): Promise<void>;
}

export interface ChunkRequest {
  /** Rows behind this key, texts as the source shows them; null: from the first one. */
  readonly after: readonly string[] | null;
  /** Instead of them the rows of these keys, written as records have them. */
  readonly again?: readonly string[];
  readonly rows: number;
  /** The chunk ends with the row that reaches it; bytes of events. */
  readonly bytes: number;
  /** Of the first row (core/copy-place.ts). */
  readonly number: number;
}

/** What a chunk, or a look, has seen. */
export interface CopyView {
  readonly snapshot: TransactionSnapshot;
  /** End of the log right after the snapshot was taken. */
  readonly highLsn: bigint;
}

export interface CopyChunk extends CopyView {
  readonly stream: string;
  readonly partition: number;
  readonly records: RecordBatch;
  /** Its last key; that of the request where there are no rows. */
  readonly to: readonly string[] | null;
  /** Nothing is behind it. */
  readonly isLast: boolean;
}

/** Watched by whoever asked: both are called in order, before the chunk is there. */
export interface ChunkWatch {
  /** From now on the snapshot may be taken at any time. */
  taking(): void;
  taken(view: CopyView): void;
}

export interface CopyLook extends CopyView {
  /** Ids, of 32 bits, of transactions of this database that were under way; read before the snapshot. */
  readonly running: readonly number[];
}

/** One session; one thing at a time. */
export interface ChunkCopy {
  look(): Promise<CopyLook>;
  /** `unbound`: the table is bound to nothing. `unaskable`: one of the keys cannot be asked for. */
  chunk(
    table: CopyTable,
    request: ChunkRequest,
    watch: ChunkWatch,
  ): Promise<CopyChunk | "unbound" | "unaskable">;
  /** A truncate, to stand before a copy where rows of a former one are. @param at where the stream begins */
  emptied(table: CopyTable, at: bigint): Promise<SourcePart | null>;
  /**
   * An empty transaction, so that the end of the log reaches the disk: the stream tells nothing before. Servers leave
   * the last bytes of an idle log in memory for up to 15 s.
   */
  nudge(): Promise<void>;
  close(): Promise<void>;
}

export interface SourceCopy {
  /** @throws source.lost (the snapshot is gone) */
  inSnapshot(name: string): Promise<SnapshotCopy>;
  inChunks(): Promise<ChunkCopy>;
}
