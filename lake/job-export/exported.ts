/** A job on its way to another engine. */
import type { JobExportOptions } from "../../core/job-export.ts";

export interface ExportOptions extends Readonly<JobExportOptions> {
  /** How far a partition may deliver behind its newest event, ms. */
  readonly disorderMs: number;
}

/** What is the same for all engines. Types and names are the engine's. */
export interface ExportedJob {
  readonly name: string;
  readonly inputs: readonly {
    /** Event type, which folders and Kafka's topics are named after. */
    readonly type: string;
    /** In the engine. */
    readonly name: string;
    /** Fields of the payload that the job reads. */
    readonly fields: readonly { readonly name: string; readonly type: string }[];
  }[];
  readonly output: string;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** SELECT with those columns, not yet cast to their types. */
  readonly query: string;
  /** How far the watermark stays behind the newest event: disorder and lateness. */
  readonly delayMs: number;
  /** What the job has and the export has not, a sentence each. */
  readonly notes: readonly string[];
}

/** Columns of the envelope that lines have. */
export const ENVELOPE = ["event_id", "event_time"] as const;
