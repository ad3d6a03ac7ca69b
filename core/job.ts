/**
 * A job: a SELECT over event tables that goes on, and the table that its results are in. What is declared stands in the
 * registry; how far it is stands in the output table's own `txn`s, and nowhere else:
 *
 * `job:<job id>:<input table id>`   version of the input that is consumed
 * `job:<job id>:history`            of the rows that were there at the start: consumed up to this event time, µs since
 *                                   1970 UTC; `HISTORY_DONE` for all
 * `job:<job id>:watermark`          everything with a release time up to it is released, µs since 1970 UTC
 * `job:<job id>:version`            of the text that has made the newest step
 * `job:<job id>:lateness`           of that text, ms
 * `job:<job id>:from:<version>`     what is released by that text has a release time behind this, µs since 1970 UTC;
 *                                   absent where nothing was released before
 *
 * An input that a later text does not read any more has the version -1.
 */
import { z } from "zod";

const MIB = 1_048_576;

export const jobName = z
  .string()
  .regex(/^[A-Za-z_][\w.-]{0,63}$/, "letters, digits, _, - and ., up to 64, a letter or _ first");

export const jobLimitsSchema = z
  .strictObject({
    memory_bytes: z
      .int()
      .min(128 * MIB)
      .max(64 * 1_024 * MIB)
      .default(768 * MIB)
      .describe("resident memory of its process; beyond it it is killed"),
    threads: z.int().min(1).max(64).default(1),
    disk_bytes: z
      .int()
      .min(MIB)
      .default(2_048 * MIB)
      .describe("what its process may spill"),
    step_rows: z.int().min(1).default(500_000).describe("rows of one step, unless one commit has more"),
    step_bytes: z
      .int()
      .min(1)
      .default(256 * MIB)
      .describe("data files of one step, unless one commit has more"),
    step_versions: z.int().min(1).max(10_000).default(200).describe("commits of one input in one step"),
    step_ms: z.int().min(100).max(86_400_000).default(300_000).describe("a step is killed after this"),
  })
  .prefault({});

export type JobLimits = z.infer<typeof jobLimitsSchema>;

/**
 * Where it starts. `begin`: with all that its inputs have now. `now`: what is final already is not released again.
 * By table: with all that the inputs had at these versions.
 */
export const jobStartSchema = z
  .union([z.enum(["begin", "now"]), z.record(z.string(), z.int().nonnegative())])
  .default("begin");

export type JobStart = z.infer<typeof jobStartSchema>;

/** Texts of former versions that are kept, at most; the oldest go. */
export const JOB_VERSIONS_MAX = 20;
export const JOB_TEXTS_LENGTH_MAX = 262_144;

export const jobPlanRequestSchema = z.strictObject({
  /** `CREATE JOB … AS SELECT … EMIT ON WINDOW CLOSE INTO lake …` */
  text: z.string().min(1).max(65_536),
});

export const jobRequestSchema = jobPlanRequestSchema.extend({
  start: jobStartSchema,
  limits: jobLimitsSchema,
  /** Go on in the table that a job of this name has left, instead of beginning in one that does not exist. */
  continue: z.boolean().default(false),
});

/** Of one that runs: where it is, it goes on by another text. */
export const jobUpgradeSchema = jobPlanRequestSchema.extend({
  /** Those that change. */
  limits: z.record(z.string(), z.int()).default({}),
});

export const jobRollbackSchema = z.strictObject({
  /** Number of the version whose text it becomes; absent: the one before. */
  to: z.int().min(1).optional(),
});

/** A text that a job had, or has. */
export interface JobVersion {
  /** 1 for the first. */
  readonly version: number;
  readonly text: string;
  readonly by: string;
  readonly atMs: number;
}

/** What the registry keeps under its name. */
export interface Job {
  /** Of this declaration: one declared again under its name begins anew. */
  readonly id: string;
  readonly name: string;
  readonly text: string;
  /** Tables that the text reads. */
  readonly inputs: readonly string[];
  /** Table of the lake that is this job's alone. */
  readonly output: string;
  readonly start: JobStart;
  readonly limits: JobLimits;
  readonly isPaused: boolean;
  readonly by: string;
  readonly createdMs: number;
  /** Of the text; absent: 1. */
  readonly version?: number;
  /** The newest texts, this one last; absent: this one alone. */
  readonly versions?: readonly JobVersion[];
}

export function jobVersion({ version }: Job): number {
  return version ?? 1;
}

export function jobVersions(job: Job): readonly JobVersion[] {
  const { text, by, createdMs: atMs } = job;
  return job.versions ?? [{ version: jobVersion(job), text, by, atMs }];
}

/** Property of an output table, and of those beside it: whose it is. */
export const JOB_PROPERTY = "muara.job";
/** Of `history`: beyond every time. */
export const HISTORY_DONE = 4_611_686_018_427_387_904n;

export function jobInputTxn(jobId: string, tableId: string): string {
  return `job:${jobId}:${tableId}`;
}

export function jobHistoryTxn(jobId: string): string {
  return `job:${jobId}:history`;
}

export function jobWatermarkTxn(jobId: string): string {
  return `job:${jobId}:watermark`;
}

export function jobVersionTxn(jobId: string): string {
  return `job:${jobId}:version`;
}

export function jobLatenessTxn(jobId: string): string {
  return `job:${jobId}:lateness`;
}

export function jobFromTxn(jobId: string, version: number): string {
  return `job:${jobId}:from:${version}`;
}

/** Whose table it is, by its `txn`s; undefined where no job has written into it. */
export function jobIdIn(txns: ReadonlyMap<string, bigint>): string | undefined {
  for (const appId of txns.keys()) {
    const match = /^job:([^:]+):version$/.exec(appId);
    if (match) return match[1];
  }
  return undefined;
}

/**
 * Columns of an output table beside the result's: an id that no two rows of the table share, and the table's own
 * watermark before the commit that brought the row, as rows that land have it.
 */
export const ROW_ID_COLUMN = "row_id";
export const ROW_WATERMARK_COLUMN = "watermark";

export const CORRECTIONS_SUFFIX = ".corrections";
export const VIOLATIONS_SUFFIX = ".violations";

/** The tables of a job: its results, and what lies beside them. */
export function jobTables({ output }: Pick<Job, "output">): readonly string[] {
  return [output, output + CORRECTIONS_SUFFIX, output + VIOLATIONS_SUFFIX];
}

/** How far a job is. */
export interface JobPosition {
  /** By input table id. */
  readonly versions: Readonly<Record<string, number>>;
  /** undefined: nothing of it. */
  readonly historyUs: bigint | undefined;
  /** undefined: nothing is released. */
  readonly releasedUs: bigint | undefined;
}

/** @returns undefined where it has not started @param txns of the output table */
export function jobPosition(
  txns: ReadonlyMap<string, bigint>,
  jobId: string,
  tableIds: readonly string[],
): JobPosition | undefined {
  const found = tableIds.flatMap((id) => {
    const version = txns.get(jobInputTxn(jobId, id));
    return version === undefined || version < 0n ? [] : [[id, Number(version)] as const];
  });
  if (found.length < tableIds.length) return undefined;
  return {
    versions: Object.fromEntries(found),
    historyUs: txns.get(jobHistoryTxn(jobId)),
    releasedUs: txns.get(jobWatermarkTxn(jobId)),
  };
}

/** As text that is the same for the same place. */
export function positionText({ versions, historyUs, releasedUs }: JobPosition): string {
  const ordered = Object.entries(versions).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([ordered, String(historyUs ?? ""), String(releasedUs ?? "")]);
}

/** @throws SyntaxError for anything but such a text */
export function parsePosition(text: string): JobPosition {
  const [ordered, history, released] = JSON.parse(text) as [[string, number][], string, string];
  return { versions: Object.fromEntries(ordered), historyUs: timeOf(history), releasedUs: timeOf(released) };
}

function timeOf(text: string): bigint | undefined {
  return text === "" ? undefined : BigInt(text);
}
