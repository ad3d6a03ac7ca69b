/**
 * What is said to the process that rewrites data files, and what it answers. JSON-ready. One protocol, several kinds of
 * job: `rewrite` puts files together, the others look for some rows of one file, and write it without them or with
 * other values in them.
 */

import type { OffsetRange } from "./current/current-table.ts";
import type { FoldColumn } from "./current/fold.ts";

export interface RewriteInput {
  /** Absolute. */
  readonly path: string;
  /** As the table's log says; both are checked. */
  readonly bytes: number;
  readonly checksum?: string;
}

/** How a file is read: by the schema of its table, whatever the file itself says. */
export interface InputSchema {
  /** Delta schema of the table, JSON text; null: as the file itself says. */
  readonly schemaString: string | null;
  /** Not stored in files. */
  readonly partitionColumns: readonly string[];
}

export interface PutTogetherJob {
  readonly order: "rewrite";
  readonly inputs: readonly RewriteInput[];
  /** What the new file has. */
  readonly schemaString: string;
  readonly partitionColumns: readonly string[];
  /** Columns by which rows are sorted; none: the order of the inputs and of their rows. */
  readonly orderBy: readonly string[];
  /** Absolute path of the new file. */
  readonly output: string;
}

/** The file without the rows for which `gone`, SQL, holds. */
export interface FilterJob extends InputSchema {
  readonly order: "filter";
  readonly input: RewriteInput;
  readonly gone: string;
  /** null: only counts. Not written where all rows stay or none. */
  readonly output: string | null;
}

/** Notes the ids, in lower case, of the rows for which `wanted` holds, in `noted_ids (event_id)` of this process. */
export interface NoteJob extends InputSchema {
  readonly order: "note";
  readonly input: RewriteInput;
  readonly wanted: string;
  /** Of which of them the answer says where in the log they came from, SQL; null: of none. */
  readonly placed: string | null;
}

/** The file with other values in the rows for which `wanted`, SQL over its columns and `noted_ids`, holds. */
export interface ReplaceJob extends InputSchema {
  readonly order: "replace";
  readonly input: RewriteInput;
  readonly wanted: string;
  /** SQL by column. */
  readonly values: Readonly<Record<string, string>>;
  /** As in `NoteJob`. */
  readonly placed: string | null;
  /** null: only counts. Not written where no row is wanted. */
  readonly output: string | null;
}

/** Whether a condition can be asked of rows of a schema. */
export interface JudgeJob {
  readonly order: "judge";
  readonly schemaString: string;
  readonly condition: string;
}

/** Takes the changes of the ranges from files of a change table, for the `FoldJob` that follows. */
export interface GatherJob {
  readonly order: "gather";
  readonly inputs: readonly RewriteInput[];
  /** Delta schema of the change table, JSON text. */
  readonly schemaString: string;
  readonly partitionColumns: readonly string[];
  readonly columns: readonly FoldColumn[];
  /** With an end. */
  readonly ranges: readonly OffsetRange[];
  /** Whether they end where they do, whatever stands there. */
  readonly isFixed: boolean;
  readonly slices: number;
}

/** Folds what was gathered over the rows of the files: all of some slices. */
export interface FoldJob {
  readonly order: "fold";
  readonly inputs: readonly SliceInput[];
  /** Delta schema of the current state, JSON text. */
  readonly schemaString: string;
  readonly columns: readonly FoldColumn[];
  readonly slices: number;
  /** Rows and changes beyond which slices are folded one by one, and a slice in parts, to a file each. */
  readonly rowsAtOnce: number;
  /** Those to be written anew. Rows of the others are not needed for it. */
  readonly touched: readonly string[];
  /** Whether what was gathered is not needed after this. */
  readonly isLast: boolean;
  /** Where new files go; absolute. */
  readonly folder: string;
}

export interface SliceInput extends RewriteInput {
  readonly slice: string;
}

export type RewriteJob = PutTogetherJob | FilterJob | NoteJob | ReplaceJob | JudgeJob | GatherJob | FoldJob;

/** Rows of a slice; a large one has several files. */
export interface FoldedSlice {
  readonly slice: string;
  readonly path: string;
  readonly file: NewFile;
  /** Delta statistics, JSON text. */
  readonly stats: string;
}

/** A file as it was written. */
export interface NewFile {
  readonly bytes: number;
  /** CRC-32, hex. */
  readonly checksum: string;
  readonly rows: number;
}

/** Partition and offset of a record of the log. */
export type LogPlace = readonly [number, number];

export type RewriteReport =
  | { readonly report: "ready" }
  /** `stats`: Delta statistics, JSON text. */
  | { readonly report: "rewritten"; readonly file: NewFile; readonly stats: string }
  | {
      readonly report: "filtered";
      /** What stays; null where it is all rows or none, or rows were only counted. */
      readonly file: NewFile | null;
      /** Statistics of what stays, JSON text; of the envelope's times alone, so that they say nothing of what went. */
      readonly stats: string;
      readonly rowsKept: number;
      readonly rowsGone: number;
      /** Of those kept: the condition is NULL for them. */
      readonly rowsUnknown: number;
    }
  | { readonly report: "noted"; readonly rows: number; readonly places: readonly LogPlace[] }
  | {
      readonly report: "replaced";
      readonly file: NewFile | null;
      readonly rows: number;
      readonly places: readonly LogPlace[];
    }
  | {
      readonly report: "gathered";
      readonly rows: number;
      /** Newest event time, µs since 1970 UTC, text; null without rows. */
      readonly timeUs: string | null;
      /** Rows that no row can be found for. */
      readonly unkeyed: number;
      /** Those touched; null: all, because a shard was emptied. */
      readonly slices: readonly string[] | null;
      /** Changes by slice. */
      readonly counts: Readonly<Record<string, number>>;
      /** Pairs of slices that have to be folded together: a row of the one goes on in the other. */
      readonly linked: readonly (readonly [string, string])[];
      /** Of each shard the newest change's lsn, text. */
      readonly newest: readonly { readonly shard: string; readonly lsn: string }[];
      /** Of each range: where it ends now, and the newest ingest time in it, ms. */
      readonly ends: readonly { readonly to: number; readonly ingestMs: number | null }[];
    }
  | { readonly report: "folded"; readonly files: readonly FoldedSlice[] }
  /** `problem`: what is wrong; null where it can be asked. */
  | { readonly report: "judged"; readonly problem: string | null }
  | {
      readonly report: "failed";
      /** `gone`: an input does not exist. `unreadable`: an input is not what the log says. */
      readonly kind: "gone" | "unreadable" | "memory" | "full" | "failed";
      readonly message: string;
      readonly path?: string;
    };
