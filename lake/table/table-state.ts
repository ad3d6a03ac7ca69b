/**
 * A table at one version: the fold of its commits. Immutable; the next version shares what did not change.
 *
 * It is a pure function of the version, however it was reached (every commit from 0, or a table checkpoint and its
 * tail). So `dataChange`, which checkpoints do not keep, is false for all live files, and expired tombstones are
 * forgotten only at versions where a checkpoint is due.
 */
import { assert } from "../../core/assert.ts";
import { MuaraError } from "../../core/errors.ts";
import type { AddFile, TableChange, TableMetadata, TableSnapshot } from "../../core/ports/table-log.ts";
import type { Protocol } from "./actions.ts";
import type { CommitFile } from "./commit-file.ts";
import { SortedMap } from "./sorted-map.ts";
import { checkpointInterval, tombstoneRetentionMs } from "./table-properties.ts";

const ENTRIES_PER_INTERVAL = 1_000;
const INTERVALS_MAX = 8;

export interface TableStateFields {
  readonly version: number;
  readonly timestampMs: number;
  readonly protocol: Protocol | undefined;
  readonly metadata: TableMetadata | undefined;
  readonly files: SortedMap<AddFile>;
  readonly txns: SortedMap<bigint>;
  /** ms of removal by path, until `delta.deletedFileRetentionDuration` has passed since. */
  readonly tombstones: SortedMap<number>;
}

export class TableState implements TableSnapshot, TableStateFields {
  readonly version: number;
  readonly timestampMs: number;
  readonly protocol: Protocol | undefined;
  readonly metadata: TableMetadata | undefined;
  readonly files: SortedMap<AddFile>;
  readonly txns: SortedMap<bigint>;
  readonly tombstones: SortedMap<number>;

  constructor(fields: TableStateFields) {
    this.version = fields.version;
    this.timestampMs = fields.timestampMs;
    this.protocol = fields.protocol;
    this.metadata = fields.metadata;
    this.files = fields.files;
    this.txns = fields.txns;
    this.tombstones = fields.tombstones;
  }

  /** The same version with other facts about its files. */
  withFiles(files: SortedMap<AddFile>): TableState {
    const { version, timestampMs, protocol, metadata, txns, tombstones } = this;
    return new TableState({ version, timestampMs, protocol, metadata, files, txns, tombstones });
  }

  /** The state after the next commit. */
  apply(commit: CommitFile): TableState {
    assert(commit.version === this.version + 1, `commit ${commit.version} does not follow ${this.version}`);
    const timestampMs = Math.max(commit.timestampMs, this.timestampMs + 1);
    const metadata = commit.metadata ?? this.metadata;
    let { files, txns, tombstones } = this;
    for (const remove of commit.remove) {
      files = files.without(remove.path);
      tombstones = tombstones.with(remove.path, remove.deletionTimestamp);
    }
    for (const add of commit.add) {
      files = files.with(add.path, { ...add, dataChange: false });
      tombstones = tombstones.without(add.path);
    }
    for (const txn of commit.txns) txns = txns.with(txn.appId, txn.version);
    if (isCheckpointDue({ version: commit.version, metadata, files, tombstones })) {
      const expiredMs = timestampMs - tombstoneRetentionMs(metadata);
      const kept = [...tombstones].filter(([, deletionMs]) => deletionMs >= expiredMs);
      if (kept.length < tombstones.size) tombstones = SortedMap.from(kept);
    }
    const protocol = commit.protocol ?? this.protocol;
    return new TableState({
      version: commit.version,
      timestampMs,
      protocol,
      metadata,
      files,
      txns,
      tombstones,
    });
  }

  /**
   * What the log itself guarantees whatever the callers' checks say: a path is live at most once, and removed only
   * while it is live. (Re-adding files after a reload is a known way to double data.)
   * @throws table.commit_conflict, table.not_found, table.unsupported
   */
  checkApplicable(change: TableChange): void {
    if (this.metadata === undefined && change.metadata === undefined) {
      throw new MuaraError("table.not_found", "the first commit of a table carries its metadata");
    }
    this.#checkWriterFeatures(change);
    const gone = change.remove.find((remove) => !this.files.has(remove.path));
    if (gone) throw conflict("a file to be removed is not live", this.version, gone.path);
    const present = change.add.find((add) => this.files.has(add.path));
    if (present) throw conflict("a file to be added is live already", this.version, present.path);
  }

  /** What writer version 2 obliges a writer to respect; Muara's own tables have neither. */
  #checkWriterFeatures(change: TableChange): void {
    const { configuration, schemaString } = change.metadata ?? this.metadata ?? NO_FEATURES;
    if (configuration["delta.appendOnly"] === "true" && change.remove.some((remove) => remove.dataChange)) {
      throw new MuaraError("table.unsupported", "rows cannot be removed from an append-only table");
    }
    if (schemaString.includes('"delta.invariants"') && change.add.length > 0) {
      throw new MuaraError(
        "table.unsupported",
        "the table has column invariants, which Muara does not check",
      );
    }
  }
}

const NO_FEATURES: Pick<TableMetadata, "configuration" | "schemaString"> = {
  configuration: {},
  schemaString: "",
};

export const EMPTY_TABLE: TableState = new TableState({
  version: -1,
  timestampMs: 0,
  protocol: undefined,
  metadata: undefined,
  files: SortedMap.from(),
  txns: SortedMap.from(),
  tombstones: SortedMap.from(),
});

/** The state behind a snapshot that this log gave out. */
export function stateOf(snapshot: TableSnapshot): TableState {
  assert(snapshot instanceof TableState, "a snapshot comes from TableLog.snapshot or commit");
  return snapshot;
}

/**
 * A table checkpoint costs as much as it has entries. So beyond ENTRIES_PER_INTERVAL the table's interval doubles with
 * its size, and what a commit pays for checkpoints stays the same; at most to INTERVALS_MAX, for readers read every
 * commit behind one.
 */
export function isCheckpointDue(
  state: Pick<TableStateFields, "version" | "metadata" | "files" | "tombstones">,
): boolean {
  const { version, metadata, files, tombstones } = state;
  const size = (files.size + tombstones.size) / ENTRIES_PER_INTERVAL;
  // A power of two: who forgets tombstones here finds it due with what is left, too.
  const intervals = Math.min(2 ** Math.floor(Math.log2(Math.max(1, size))), INTERVALS_MAX);
  return version > 0 && version % (checkpointInterval(metadata) * intervals) === 0;
}

function conflict(message: string, version: number, path: string): MuaraError {
  return new MuaraError("table.commit_conflict", message, { details: { version, path } });
}
