/**
 * A table's log: versions 0, 1, 2 … each one atomic commit of actions (Delta Lake protocol, reader 1 / writer 2).
 *
 * Contract, held by test/conformance/table-log.ts:
 * - of several writers of one version exactly one wins; readers see a version whole or not at all.
 * - `commit` calls `check` for every version committed by others since the caller's base, in order, before it
 *   tries again. `rebase` goes on; `abandon` gives up the whole attempt, nothing of it is visible.
 * - an unknown outcome is settled by reading back that same version; until then nothing else is tried.
 */
export interface AddFile {
  /** Relative URI as in the Delta log. */
  readonly path: string;
  readonly partitionValues: Readonly<Record<string, string | null>>;
  readonly size: number;
  readonly modificationTime: number;
  readonly dataChange: boolean;
  /** Delta statistics, JSON text. */
  readonly stats?: string;
  readonly tags?: Readonly<Record<string, string>>;
}

export interface RemoveFile {
  readonly path: string;
  readonly deletionTimestamp: number;
  readonly dataChange: boolean;
}

export interface TableMetadata {
  /** UUID of this incarnation of the table. */
  readonly id: string;
  readonly name: string;
  /** Delta schema, JSON text of a struct type. */
  readonly schemaString: string;
  readonly partitionColumns: readonly string[];
  readonly configuration: Readonly<Record<string, string>>;
  readonly createdTime: number;
}

/** One idempotency counter: the newest value per appId survives checkpoints. A signed 64-bit integer. */
export interface Txn {
  readonly appId: string;
  readonly version: bigint;
}

/** What one commit does. `info` goes to commitInfo, which checkpoints do not keep. */
export interface TableChange {
  readonly operation: string;
  readonly metadata?: TableMetadata;
  readonly add: readonly AddFile[];
  readonly remove: readonly RemoveFile[];
  readonly txns: readonly Txn[];
  readonly info: Readonly<Record<string, unknown>>;
}

export interface TableCommit extends TableChange {
  readonly version: number;
  /** Unique per attempt: by it a writer recognises its own commit. */
  readonly commitId: string;
  /** ms since 1970 UTC; grows with the version. */
  readonly timestampMs: number;
}

export interface TableSnapshot {
  /** -1 for a table that does not exist yet. */
  readonly version: number;
  readonly timestampMs: number;
  readonly metadata: TableMetadata | undefined;
  /** Live files by path. */
  readonly files: ReadonlyMap<string, AddFile>;
  readonly txns: ReadonlyMap<string, bigint>;
}

export type Verdict = "rebase" | "abandon";

export interface CommitRequest {
  /** What the change was decided on. */
  readonly base: TableSnapshot;
  readonly change: TableChange;
  /** Judges one version that came in between. */
  readonly check: (winner: TableCommit) => Verdict;
  readonly signal?: AbortSignal;
}

export type CommitOutcome =
  | { readonly outcome: "committed"; readonly snapshot: TableSnapshot; readonly commit: TableCommit }
  /** Another commit prevented it; `snapshot` includes that one. */
  | { readonly outcome: "abandoned"; readonly snapshot: TableSnapshot; readonly winner: TableCommit };

export interface TableLog {
  /** Newest version, or the one asked for. `from` makes it incremental: only newer versions are read. */
  snapshot(at?: {
    readonly version?: number;
    readonly timeMs?: number;
    readonly from?: TableSnapshot;
  }): Promise<TableSnapshot>;
  /** @throws table.commit_unknown when the signal ends the settling of an unknown outcome */
  commit(request: CommitRequest): Promise<CommitOutcome>;
  /**
   * One version as committed.
   * @returns undefined where it does not exist (yet)
   * @throws table.version_not_found when it was cleaned up
   */
  read(version: number): Promise<TableCommit | undefined>;
}
