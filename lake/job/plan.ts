/**
 * What the planner makes of a job's text, and all that the runtime knows of it: statements of the job's own engine, by
 * step. JSON-ready.
 *
 * The engine has, before any of them runs:
 * - `new_<i>`: of input i the rows of this step: its wanted columns and `watermark`, by the types of the lake's SQL;
 * - variables: `released_to` (W0) and `release_to` (W1), TIMESTAMPTZ: the windows, intervals and times to be released
 *   are those whose release time is in (W0, W1]; `lateness`, INTERVAL;
 * - the tables of `state`, which hold what steps before have kept.
 *
 * A step is: `absorb`, then `release` (its rows are the output), `corrections`, then `forget`. State after it is a pure
 * function of the vector of input versions. `rebuild` makes it from whole snapshots, in the place of `new_<i>`, with
 * `release_to` the watermark to which everything was released.
 */
export const JOB_KINDS = ["rows", "windows", "interval", "asof", "dedup", "pattern"] as const;
export type JobKind = (typeof JOB_KINDS)[number];

export interface JobInput {
  /** Table of the lake. */
  readonly table: string;
  /** Columns that `new_<i>` has, beside `watermark`: names of the table's own. */
  readonly columns: readonly string[];
  /**
   * Condition on rows of a snapshot that may still count for a release behind `release_to`, for reading less of it;
   * null: all.
   */
  readonly pending: string | null;
}

export interface JobState {
  readonly name: string;
  /** A SELECT without rows that has its columns, over `new_<i>`. */
  readonly like: string;
}

export interface JobPlan {
  /** Of the planner that made it: state of another is made anew. */
  readonly version: number;
  readonly name: string;
  readonly kind: JobKind;
  readonly inputs: readonly JobInput[];
  readonly latenessMs: number;
  readonly state: readonly JobState[];
  /** Macros and views, once per engine. */
  readonly prepare: readonly string[];
  /** After `new_<i>` are there. */
  readonly absorb: readonly string[];
  /** One SELECT: the rows that are final now. */
  readonly release: string;
  /** SELECTs of rows that came too late for something, with the columns of CORRECTION_COLUMNS. */
  readonly corrections: readonly string[];
  readonly forget: readonly string[];
  /** One SELECT over what is kept: results as they would be now; null: none. */
  readonly preview: string | null;
  /** SELECTs over `new_<i>` of rows that break a CHECK: its name, and the row's identity. */
  readonly violations: readonly string[];
  /** The whole as a batch over the lake's tables, with admission, for whoever checks it. */
  readonly batch: { readonly prepare: readonly string[]; readonly select: string };
}

/** Why a job is refused, and where. */
export interface JobRefusal {
  /** 1-based, of the job's file. */
  readonly line: number;
  readonly column: number;
  readonly reason: string;
  /** The nearest form that is supported; null where there is none. */
  readonly instead: string | null;
}
