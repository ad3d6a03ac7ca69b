/**
 * The output table of a job: each step is one commit of its rows and of how far the job is, moved exactly from → to.
 * Of two owners, or a step and its repetition, one commit wins; the other is told, and its files go.
 *
 * Rows that came too late, and rows that break a CHECK, lie in a side file that the same commit names. They become
 * rows of tables of their own as projections do: a table that is behind is brought up before the next step.
 */
import type { Clock, Randomness } from "../../core/clock.ts";
import { isStoreTrouble, MuaraError } from "../../core/errors.ts";
import {
  CORRECTIONS_SUFFIX,
  HISTORY_DONE,
  type Job,
  JOB_PROPERTY,
  jobHistoryTxn,
  jobInputTxn,
  type JobPosition,
  jobPosition,
  jobWatermarkTxn,
  VIOLATIONS_SUFFIX,
} from "../../core/job.ts";
import { WATERMARK_TXN } from "../../core/landed.ts";
import type { Logger } from "../../core/logger.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { AddFile, TableCommit, TableLog, TableSnapshot, Txn } from "../../core/ports/table-log.ts";
import { tagsOf } from "../../lake/checksum.ts";
import { putLocalFile } from "../../lake/local-copy.ts";
import { addFile, checkYoung, dataFilePath, storePathOf } from "../../lake/table/add-file.ts";
import { createTableChange } from "../../lake/table/create-table.ts";
import { parseSchema } from "../../lake/table/delta-schema.ts";
import type { ResultFile, ResultName } from "./engine-orders.ts";
import { SideTable } from "./side-table.ts";

export interface OutputPorts {
  readonly store: ObjectStore;
  readonly openTable: (name: string) => TableLog;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
}

export type Schemas = Readonly<Record<ResultName, string | null>>;
export type ResultFiles = Readonly<Record<ResultName, ResultFile | null>>;
export const NO_RESULTS: ResultFiles = { release: null, corrections: null, violations: null };

/** Side files that a commit of an output table names: store paths, as add actions of tables to come. */
export interface JobInfo {
  readonly kind: "job";
  readonly job: string;
  readonly corrections?: AddFile;
  readonly violations?: AddFile;
}

export class JobOutput {
  readonly #ports: OutputPorts;
  readonly #job: Job;
  readonly #tableIds: readonly string[];
  readonly #latenessMs: number;
  readonly #log: TableLog;
  readonly #sides: readonly SideTable[];
  #snapshot: TableSnapshot;

  private constructor(
    ports: OutputPorts,
    job: Job,
    tableIds: readonly string[],
    latenessMs: number,
    log: TableLog,
    snapshot: TableSnapshot,
    sides: readonly SideTable[],
  ) {
    this.#ports = ports;
    this.#job = job;
    this.#tableIds = tableIds;
    this.#latenessMs = latenessMs;
    this.#log = log;
    this.#snapshot = snapshot;
    this.#sides = sides;
  }

  /**
   * Makes the tables where they do not exist.
   * @param tableIds of the inputs
   * @throws job.output_taken, store.unavailable
   */
  static async open(
    ports: OutputPorts,
    job: Job,
    { tableIds, latenessMs, schemas }: { tableIds: readonly string[]; latenessMs: number; schemas: Schemas },
  ): Promise<JobOutput> {
    const { output } = job;
    const [log, snapshot] = await ensureTable(ports, job, output, schemas.release!);
    const sides: SideTable[] = [];
    for (const [name, suffix] of [
      ["corrections", CORRECTIONS_SUFFIX],
      ["violations", VIOLATIONS_SUFFIX],
    ] as const) {
      const schema = schemas[name];
      if (schema === null) continue;
      const [sideLog, side] = await ensureTable(ports, job, output + suffix, schema);
      const about = { name: output + suffix, field: name, output, outputId: snapshot.metadata!.id };
      sides.push(new SideTable(ports, about, log, sideLog, side));
    }
    return new JobOutput(ports, job, tableIds, latenessMs, log, snapshot, sides);
  }

  /** undefined before the first commit. */
  get position(): JobPosition | undefined {
    return jobPosition(this.#snapshot.txns, this.#job.id, this.#tableIds);
  }

  async refresh(): Promise<void> {
    this.#snapshot = await this.#log.snapshot({ from: this.#snapshot });
  }

  /** Side tables take what commits have named for them. */
  async settle(signal: AbortSignal): Promise<void> {
    for (const side of this.#sides) await side.catchUp(this.#snapshot.version, signal);
  }

  /**
   * Rows and place in one commit.
   * @returns false where somebody else has moved the job; then nothing of it is there
   * @throws table.commit_conflict, table.commit_unknown, table.paused, store.unavailable, store.full
   */
  async commit(to: JobPosition, files: ResultFiles, signal: AbortSignal): Promise<boolean> {
    const add = files.release ? [await this.#put(files.release)] : [];
    const corrections = files.corrections && (await this.#putSide(files.corrections));
    const violations = files.violations && (await this.#putSide(files.violations));
    const info: JobInfo = {
      kind: "job",
      job: this.#job.name,
      ...(corrections ? { corrections } : {}),
      ...(violations ? { violations } : {}),
    };
    const named = [...add, ...[corrections, violations].filter((file) => file !== null)];
    checkYoung(named, this.#ports.clock.nowMs());
    const outcome = await this.#log.commit({
      base: this.#snapshot,
      change: { operation: "WRITE", add, remove: [], txns: this.#txnsOf(to), info: { ...info } },
      check: (winner) => (this.#isInTheWay(winner) ? "abandon" : "rebase"),
      signal,
    });
    this.#snapshot = outcome.snapshot;
    if (outcome.outcome === "committed") return true;
    await this.#takeBack(named);
    return false;
  }

  #txnsOf({ versions, historyUs, releasedUs }: JobPosition): Txn[] {
    const { id } = this.#job;
    const before = this.#snapshot.txns;
    const txns = Object.entries(versions).map(([tableId, version]): Txn => {
      return { appId: jobInputTxn(id, tableId), version: BigInt(version) };
    });
    if (historyUs !== undefined) txns.push({ appId: jobHistoryTxn(id), version: historyUs });
    if (releasedUs !== undefined) txns.push({ appId: jobWatermarkTxn(id), version: releasedUs });
    // For those who ask the table how complete it is: by its rows' times all is there up to then.
    if (releasedUs !== undefined && historyUs === HISTORY_DONE) {
      const completeMs = BigInt.asIntN(64, releasedUs / 1_000n) - BigInt(this.#latenessMs);
      if (completeMs > (before.get(WATERMARK_TXN) ?? -1n << 62n))
        txns.push({ appId: WATERMARK_TXN, version: completeMs });
    }
    return txns.filter(({ appId, version }) => before.get(appId) !== version);
  }

  #isInTheWay({ metadata, txns }: TableCommit): boolean {
    const own = `job:${this.#job.id}:`;
    return metadata !== undefined || txns.some(({ appId }) => appId.startsWith(own));
  }

  async #put(file: ResultFile): Promise<AddFile> {
    return this.#written(file, dataFilePath({}, this.#ports.randomness.uuid()));
  }

  async #putSide(file: ResultFile): Promise<AddFile> {
    return this.#written(file, `_muara/side-${this.#ports.randomness.uuid()}.parquet`);
  }

  async #written({ path: from, bytes, checksum, stats }: ResultFile, path: string): Promise<AddFile> {
    const { store, clock } = this.#ports;
    await putLocalFile(store, storePathOf(this.#job.output, path), from, bytes);
    const file = { path, partitionValues: {}, bytes, modifiedMs: clock.nowMs(), tags: tagsOf(checksum) };
    return { ...addFile(file), stats };
  }

  /** Only after a proven refusal: no version names these files. */
  async #takeBack(files: readonly AddFile[]): Promise<void> {
    const { store, logger } = this.#ports;
    for (const { path } of files)
      try {
        await store.delete(storePathOf(this.#job.output, path));
      } catch (error) {
        if (!isStoreTrouble(error)) throw error;
        logger.warn("a file of a void step stays for the sweeper", { job: this.#job.name, path, error });
      }
  }
}

async function ensureTable(
  { openTable, randomness, clock }: OutputPorts,
  job: Job,
  name: string,
  schemaString: string,
): Promise<[TableLog, TableSnapshot]> {
  const log = openTable(name);
  let snapshot = await log.snapshot();
  if (snapshot.version < 0) {
    const change = createTableChange({
      id: randomness.uuid(),
      name,
      schema: parseSchema(schemaString),
      partitionColumns: [],
      configuration: { [JOB_PROPERTY]: job.name },
      createdTime: clock.nowMs(),
      info: { kind: "create" },
    });
    ({ snapshot } = await log.commit({ base: snapshot, change, check: () => "abandon" }));
  }
  const { configuration, schemaString: present } = snapshot.metadata!;
  const owner = configuration[JOB_PROPERTY];
  if (owner !== job.name)
    throw taken(name, owner === undefined ? "is no table of a job" : `belongs to the job "${owner}"`, job);
  if (present !== schemaString) throw taken(name, "has other columns than the job's result", job);
  return [log, snapshot];
}

function taken(table: string, why: string, { name: job }: Job): MuaraError {
  return new MuaraError("job.output_taken", `The table "${table}" ${why}.`, { details: { table, job } });
}
