/**
 * What the planner makes of a job's text, and all that the runtime knows of it: statements of the job's own engine, by
 * step. JSON-ready.
 *
 * The engine has, before any of them runs:
 * - `new_<i>`: of input i the rows of this step: the columns that it names, by the types of the lake's SQL;
 * - variables: `released_to` (W0) and `release_to` (W1), TIMESTAMPTZ, at first '-infinity': the windows, intervals and
 *   times to be released are those whose release time is in (W0, W1];
 * - the tables of `state`, which hold what steps before have kept;
 * - the time zone UTC.
 *
 * A step is: `absorb`, then `release` (its rows are the output), `corrections`, `violations`, then `forget`, and at
 * times `compact`. State after it is a pure function of the vector of input versions. It is made anew by `absorb` and
 * `forget` over whole snapshots in the place of `new_<i>`, with W0 = W1 = the watermark to which everything was
 * released; to release history, too, W0 = W1 = '-infinity', and then steps without new rows. (Of the kind `rows` a
 * step's rows are released with it, whatever W0 and W1 are, and there is no state.)
 */
export const JOB_KINDS = ["rows", "windows", "interval", "asof", "dedup", "pattern"] as const;
export type JobKind = (typeof JOB_KINDS)[number];

/** Bound to the version of the planner: state that another has made is made anew. */
export const PLANNER_VERSION = 4;

/** Of rows that were landed and not admitted, by the window that they are too late for. */
export const CORRECTION_COLUMNS = [
  /** Table or CTE that the window is over. */
  { name: "source", type: "VARCHAR" },
  { name: "window_start", type: "TIMESTAMP WITH TIME ZONE" },
  { name: "window_end", type: "TIMESTAMP WITH TIME ZONE" },
  /** JSON. */
  { name: "late_row", type: "VARCHAR" },
] as const;

/** Of rows that break a CHECK. */
export const VIOLATION_COLUMNS = [
  { name: "check_name", type: "VARCHAR" },
  { name: "input", type: "VARCHAR" },
  { name: "event_id", type: "VARCHAR" },
  { name: "event_time", type: "TIMESTAMP WITH TIME ZONE" },
  { name: "log_partition", type: "BIGINT" },
  { name: "log_offset", type: "BIGINT" },
] as const;

export interface JobInput {
  /** Table of the lake. */
  readonly table: string;
  /** Columns that `new_<i>` has: the table's own names, in its order. */
  readonly columns: readonly string[];
  /**
   * Condition on rows of a snapshot that may still count for a release behind `released_to`, for reading less of it;
   * null: all.
   */
  readonly pending: string | null;
}

export interface JobState {
  readonly name: string;
  /** A SELECT without rows that has its columns, over `new_<i>`. */
  readonly like: string;
}

/** Puts pieces of state together that steps have appended. */
export interface JobCompaction {
  /** A SELECT of one number: rows that it would take in. */
  readonly pending: string;
  readonly statements: readonly string[];
}

export interface JobKeeps {
  /** Table or CTE. */
  readonly source: string;
  /** `slices`: partial aggregates by slice and group. */
  readonly form: "rows" | "slices";
  /** Why rows, where slices might have been. */
  readonly why: string | null;
}

export interface JobPlan {
  /** Of the planner that made it: state of another is made anew. */
  readonly version: number;
  readonly name: string;
  readonly kind: JobKind;
  readonly inputs: readonly JobInput[];
  readonly latenessMs: number;
  /**
   * Whether all that is released goes by the column `event_time` of the inputs. Only then may history come in slices of
   * it, each released as far as it goes.
   */
  readonly goesByEventTime: boolean;
  readonly state: readonly JobState[];
  /** Macros and views, once per engine. */
  readonly prepare: readonly string[];
  /** After `new_<i>` are there. */
  readonly absorb: readonly string[];
  /** Of the result, by types that the lake has. */
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  /** One SELECT: the rows that are final now. */
  readonly release: string;
  /**
   * Release times are such: `offsetMs` and multiples of `everyMs` since 1970 UTC, of one of them. Between two of them
   * `release` gives no rows. null: at any time.
   */
  readonly ticks: readonly { readonly everyMs: number; readonly offsetMs: number }[] | null;
  /** SELECTs of rows that came too late for something, with the columns of CORRECTION_COLUMNS. */
  readonly corrections: readonly string[];
  readonly forget: readonly string[];
  /** After `forget`, in the same transaction, now and then: what is kept says the same before and after. */
  readonly compact: readonly JobCompaction[];
  /** SELECTs of what is kept: where these give the same, all later steps do. */
  readonly content: readonly string[];
  /** For those who want to know: by what each source is kept. */
  readonly keeps: readonly JobKeeps[];
  /** One SELECT over what is kept, after a step: results that are not final, as they would be now; null: none. */
  readonly preview: string | null;
  /** SELECTs over `new_<i>` of rows that break a CHECK, with the columns of VIOLATION_COLUMNS. */
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
