/** What is asked of a reconciliation, and what it finds (decision 042). */

/** Differences that are named, per table. */
export const NAMED_DEFAULT = 20;
export const NAMED_MAX = 1_000;
/** Of a table. Both sides write each column down several times in one statement. */
export const COLUMNS_MAX = 500;

export interface ReconcileRequest {
  readonly capture: string;
  /** `schema.table`; undefined: all. */
  readonly tables?: readonly string[] | undefined;
  readonly named?: number | undefined;
  /** How long the source's open transactions, the capture and landing are waited for, ms each. */
  readonly waitMs: number;
}

export interface Difference {
  /** `missing`: the source alone has it; `extra`: the source has it not. */
  readonly kind: "missing" | "extra" | "different";
  /** Values of the key; without a key, of all columns. */
  readonly key: Readonly<Record<string, string | null>>;
  /** Columns that differ, of a row that both have. */
  readonly columns: Readonly<
    Record<string, { readonly source: string | null; readonly lake: string | null }>
  >;
}

export interface SideSums {
  readonly rows: number;
  /** 32 hexadecimal digits (core/row-text.ts). */
  readonly checksum: string;
}

export interface Comparison {
  readonly isEqual: boolean;
  readonly source: SideSums;
  readonly lake: SideSums;
  readonly slices: number;
  readonly differingSlices: number;
  /** Keys that differ in the slices that were looked into. */
  readonly differingRows: number;
  /** Some of them. */
  readonly differences: readonly Difference[];
  /** Whether there may be more than those. */
  readonly isCut: boolean;
}

export type TableReport = Comparison & { readonly table: string; readonly eventType: string };

/** What is told while it goes on. */
export type Progress =
  | { readonly at: "snapshot"; readonly lsn: string }
  | { readonly at: "captured" }
  | { readonly at: "table"; readonly table: string }
  | { readonly at: "compared"; readonly report: TableReport };

export interface Reconciliation {
  readonly capture: string;
  readonly shard: string;
  readonly incarnation: number;
  /** Place in the source's log at which both were compared, text of an integer. */
  readonly lsn: string;
  readonly isEqual: boolean;
  readonly startMs: number;
  readonly endMs: number;
  readonly tables: readonly TableReport[];
}

/** What is kept of one: no values of rows (registry, kind `reconciliation`, by capture). */
export interface KeptReconciliation extends Omit<Reconciliation, "tables"> {
  readonly by: string;
  readonly tables: readonly (Omit<TableReport, "differences"> & { readonly differences?: undefined })[];
}

/** Of a capture, the newest first. */
export const KEPT_MAX = 10;

export type Reconcile = (
  request: ReconcileRequest,
  onProgress: (progress: Progress) => void,
  signal: AbortSignal,
) => Promise<Reconciliation>;
