/** What the API says of tables, as far as pages show it. */

export interface TableAnswer {
  readonly name: string;
  readonly alias: string | null;
  readonly kind: "event_type" | "current" | "ledger" | "job" | "other" | "view";
  readonly version: number | null;
  readonly rows: number | null;
  readonly files: number | null;
  readonly bytes: number | null;
  readonly committed_at: string | null;
  readonly freshness_ms: number | null;
  readonly watermark: string | null;
  readonly paused_until?: string | null;
  readonly landing?: string | null;
  readonly problem?: string | null;
  readonly lag_ms?: number | null;
  readonly freshness_target_ms?: number | null;
  readonly is_fresh?: boolean | null;
  readonly description?: string | null;
  readonly duplicates?: { readonly identical: number; readonly different: number; readonly unknown: number };
}

export interface ColumnAnswer {
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
  readonly description: string | null;
}

export interface ShownTable extends TableAnswer {
  readonly location?: string | null;
  readonly partition_columns?: readonly string[];
  readonly columns: readonly ColumnAnswer[];
  readonly sql?: string | null;
  readonly retention?: { readonly log_ms: number | null; readonly rows_ms: number | null };
}

export interface LogPartition {
  readonly partition: number;
  readonly cursor: number;
  readonly end_offset: number;
  readonly lag_ms: number | null;
  readonly newest_event_time: string | null;
  readonly newest_ingest_time: string | null;
  readonly idle: boolean;
}

export interface PartitionsAnswer {
  readonly partition_columns: readonly string[];
  readonly count: number;
  readonly items: readonly {
    readonly values: Readonly<Record<string, string | null>>;
    readonly files: number;
    readonly bytes: number;
    readonly rows: number | null;
    readonly newest_file_at: string | null;
  }[];
  readonly lag_ms: number | null;
  readonly freshness_target_ms: number | null;
  readonly is_fresh: boolean | null;
  readonly log_partitions: readonly LogPartition[];
}

/** Muara's own: ledgers, and event types below `muara.`. */
export function isOfTheHouse({ name, kind }: Pick<TableAnswer, "name" | "kind">): boolean {
  return kind === "ledger" || name.startsWith("muara.");
}

export const KIND_WORDS: Readonly<Record<TableAnswer["kind"], string>> = {
  event_type: "events",
  current: "current state",
  ledger: "ledger",
  job: "results of a job",
  other: "table",
  view: "view",
};
