/**
 * What comes into a job: of each input the files that landing, or the job whose results they are, has added, version by
 * version, with the watermark that the table has then. Commits that rewrite files, or take rows away, are passed.
 *
 * What was there at the start comes in slices of event time, each as large as a step: the file list of the snapshot
 * says by its statistics where to cut. So history is released as live rows are, window after window, and never all at
 * once.
 */
import { hasCode, MuaraError } from "../../core/errors.ts";
import { JOB_PROPERTY, type JobLimits } from "../../core/job.ts";
import { watermarkOf } from "../../core/landed.ts";
import type {
  AddFile,
  TableCommit,
  TableLog,
  TableMetadata,
  TableSnapshot,
} from "../../core/ports/table-log.ts";
import { statedRows } from "../../lake/table/add-file.ts";
import { latestTimeUs } from "./event-times.ts";

/** Of an input at a version. */
export interface InputPlace {
  readonly version: number;
  readonly metadata: TableMetadata;
  /** ms since 1970 UTC; undefined: it has none yet. */
  readonly watermarkMs: number | undefined;
  /** Whether its rows are another job's results. */
  readonly isOfJob: boolean;
}

/** What the next step has of an input. */
export interface InputStep {
  readonly table: string;
  readonly to: InputPlace;
  readonly files: readonly AddFile[];
}

export interface HistorySlice {
  readonly files: readonly (readonly AddFile[])[];
  /** Rows up to this event time, µs; undefined: all that are left. */
  readonly untilUs: bigint | undefined;
}

export class InputFeed {
  readonly table: string;
  readonly #log: TableLog;
  #place: InputPlace;

  private constructor(table: string, log: TableLog, place: InputPlace) {
    this.table = table;
    this.#log = log;
    this.#place = place;
  }

  /** At the newest version, or that one. @throws job.input_missing, job.overtaken */
  static async open(table: string, log: TableLog, version?: number): Promise<InputFeed> {
    const snapshot = await snapshotAt(table, log, version);
    return new InputFeed(table, log, placeOf(table, snapshot));
  }

  get place(): InputPlace {
    return this.#place;
  }

  /** The whole table as it was then. @throws job.overtaken */
  async whole(): Promise<readonly AddFile[]> {
    const { files } = await snapshotAt(this.table, this.#log, this.#place.version);
    return [...files.values()];
  }

  /**
   * What came since, within the limits: one commit at least, where there is one.
   * @throws job.overtaken, table.corrupt, store.unavailable
   */
  async next(limits: Pick<JobLimits, "step_rows" | "step_bytes" | "step_versions">): Promise<InputStep> {
    let to = this.#place;
    const files: AddFile[] = [];
    let rows = 0;
    let bytes = 0;
    for (let versions = 0; versions < limits.step_versions; versions++) {
      const commit = await this.#read(to.version + 1);
      if (!commit) break;
      const added = addedBy(commit);
      rows += added.reduce((sum, file) => sum + (statedRows(file) ?? 0), 0);
      bytes += added.reduce((sum, file) => sum + file.size, 0);
      if (files.length > 0 && added.length > 0 && (rows > limits.step_rows || bytes > limits.step_bytes))
        break;
      files.push(...added);
      to = placeAfter(this.table, to, commit);
    }
    return { table: this.table, to, files };
  }

  /** The step is done. */
  moveTo(place: InputPlace): void {
    this.#place = place;
  }

  async #read(version: number): Promise<TableCommit | undefined> {
    try {
      return await this.#log.read(version);
    } catch (error) {
      throw asOvertaken(error, this.table, version);
    }
  }
}

/** Where history is cut next: after about so many rows, in order of event time. */
export function nextSlice(
  inputs: readonly (readonly AddFile[])[],
  afterUs: bigint | undefined,
  rowsMax: number,
): HistorySlice {
  const left = inputs.map((files) => files.filter((file) => isAfter(file, afterUs)));
  const ends = left
    .flat()
    .map((file) => ({ us: latestTimeUs(file), rows: statedRows(file) ?? 0 }))
    .filter((end): end is { us: bigint; rows: number } => end.us !== undefined)
    .sort((a, b) => (a.us < b.us ? -1 : a.us > b.us ? 1 : 0));
  let rows = 0;
  for (const [i, { us, rows: more }] of ends.entries()) {
    rows += more;
    if (rows < rowsMax || i === ends.length - 1) continue;
    return { files: left, untilUs: us };
  }
  return { files: left, untilUs: undefined };
}

function isAfter(file: AddFile, afterUs: bigint | undefined): boolean {
  const latest = latestTimeUs(file);
  return afterUs === undefined || latest === undefined || latest > afterUs;
}

/** What stays of a file that a commit took rows from was there before. */
function addedBy({ add, info }: TableCommit): readonly AddFile[] {
  return info["kind"] === "land" || info["kind"] === "job" ? add.filter(({ dataChange }) => dataChange) : [];
}

async function snapshotAt(table: string, log: TableLog, version: number | undefined): Promise<TableSnapshot> {
  try {
    return await log.snapshot(version === undefined ? {} : { version });
  } catch (error) {
    throw asOvertaken(error, table, version ?? -1);
  }
}

function placeOf(table: string, { version, metadata, txns }: TableSnapshot): InputPlace {
  if (!metadata)
    throw new MuaraError("job.input_missing", `Nothing has landed in the table "${table}" yet.`, {
      details: { table },
    });
  const isOfJob = metadata.configuration[JOB_PROPERTY] !== undefined;
  return { version, metadata, watermarkMs: watermarkOf(txns), isOfJob };
}

function placeAfter(table: string, before: InputPlace, { version, metadata, txns }: TableCommit): InputPlace {
  if (metadata && metadata.id !== before.metadata.id)
    throw new MuaraError("job.overtaken", `The table "${table}" was deleted and made again.`, {
      details: { table },
    });
  const watermarkMs = watermarkOf(new Map(txns.map((txn) => [txn.appId, txn.version])));
  return {
    ...before,
    version,
    metadata: metadata ?? before.metadata,
    watermarkMs: watermarkMs ?? before.watermarkMs,
  };
}

function asOvertaken(error: unknown, table: string, version: number): unknown {
  if (!hasCode(error, "table.version_not_found")) return error;
  return new MuaraError("job.overtaken", `Version ${version} of the table "${table}" is no longer kept.`, {
    details: { table, version },
    cause: error,
  });
}
