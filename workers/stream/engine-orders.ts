/** What is said to the process of a job, and what it answers. JSON-ready; frames as lake/query/protocol.ts has them. */
import type { JobTable } from "../../lake/job/analysis.ts";
import type { Planned } from "../../lake/job/plan-job.ts";
import type { Exported } from "../../lake/job-export/export-job.ts";
import type { ExportOptions } from "../../lake/job-export/exported.ts";
import type { JobPlan } from "../../lake/job/plan.ts";
import type { RewriteInput } from "../../lake/rewrite-job.ts";

export interface EngineFile extends RewriteInput {
  readonly partitionValues: Readonly<Record<string, string | null>>;
}

/** What `new_<i>` is in a step. */
export interface EngineInput {
  /** Delta schema of the table, JSON text. */
  readonly schemaString: string;
  readonly partitionColumns: readonly string[];
  readonly files: readonly EngineFile[];
  /** SQL condition on its rows; null: all. */
  readonly where: string | null;
}

/** Before all others: parses and binds, reads nothing. */
export interface PlanOrder {
  readonly order: "plan";
  readonly text: string;
  readonly tables: readonly JobTable[];
}

/** As PlanOrder. */
export interface ExportOrder {
  readonly order: "export";
  readonly text: string;
  readonly tables: readonly JobTable[];
  readonly options: ExportOptions;
}

/** Once. */
export interface PrepareOrder {
  readonly order: "prepare";
  readonly plan: JobPlan;
  /** Without files. */
  readonly inputs: readonly EngineInput[];
  /** Absolute path of the file that state is kept in. */
  readonly stateFile: string;
  /** All that may be opened, absolute, each with all below it. */
  readonly folders: readonly string[];
}

/** Places, by what is in the state: `base` is that of the output table, `at` the same or further, without any row. */
export interface StatePlace {
  readonly base: string;
  readonly at: string;
}

interface Timed {
  readonly inputs: readonly EngineInput[];
  /** µs since 1970 UTC, text; null: before all time. */
  readonly releasedTo: string | null;
  readonly releaseTo: string | null;
}

/** Absorbs and releases. What it changes is kept by `keep` and forgotten by `drop`: one of them follows. */
export interface StepOrder extends Timed {
  readonly order: "step";
  /** For the files of results; absolute, empty. */
  readonly folder: string;
  /** Of the ids of the step's rows: no other step has it. */
  readonly rowPrefix: string;
  /** Of the output table before the step, ms since 1970 UTC; null: it has none. */
  readonly watermarkMs: number | null;
}

/** Makes state anew from whole snapshots, and keeps it. */
export interface RebuildOrder extends Timed {
  readonly order: "rebuild";
  readonly place: StatePlace;
}

export type EngineOrder =
  | PlanOrder
  | ExportOrder
  | PrepareOrder
  | StepOrder
  | RebuildOrder
  | { readonly order: "keep"; readonly place: StatePlace }
  | { readonly order: "drop" }
  | {
      readonly order: "preview";
      readonly rows: number;
      /** µs since 1970 UTC, text; null: nothing is released. */
      readonly releaseTo: string | null;
    };

/** Rows in a Parquet file. */
export interface ResultFile {
  /** Absolute. */
  readonly path: string;
  readonly bytes: number;
  /** CRC-32, hex. */
  readonly checksum: string;
  readonly rows: number;
  /** Delta statistics, JSON text. */
  readonly stats: string;
}

export interface StateSize {
  /** Kept. */
  readonly stateRows: number;
  /** That the state's file holds, deleted ones among them. */
  readonly storedRows: number;
}

export const RESULTS = ["release", "corrections", "violations"] as const;
export type ResultName = (typeof RESULTS)[number];

export type EngineReport =
  | { readonly report: "ready" }
  | { readonly report: "planned"; readonly planned: Planned }
  | { readonly report: "exported"; readonly exported: Exported }
  | {
      readonly report: "prepared";
      /** What is in the state; null: nothing that can be used. */
      readonly place: StatePlace | null;
      /** Delta schemas, JSON text; null: the plan has none. */
      readonly schemas: Readonly<Record<ResultName, string | null>>;
    }
  | {
      readonly report: "stepped";
      /** null: no rows. */
      readonly files: Readonly<Record<ResultName, ResultFile | null>>;
    }
  | { readonly report: "rebuilt" }
  | { readonly report: "kept"; readonly size: StateSize | null }
  | { readonly report: "dropped" }
  | {
      readonly report: "preview";
      readonly columns: readonly string[];
      readonly rows: readonly (readonly unknown[])[];
    }
  | {
      readonly report: "failed";
      readonly kind: "gone" | "unreadable" | "memory" | "full" | "unsupported" | "failed";
      readonly message: string;
    };
