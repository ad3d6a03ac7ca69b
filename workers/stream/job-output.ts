/**
 * The output table of a job: each step is one commit of its rows and of how far the job is, moved exactly from → to.
 * Of two owners, or a step and its repetition, one commit wins; the other is told, and its files go.
 *
 * Rows that came too late, and rows that break a CHECK, lie in a side file that the same commit names. They become
 * rows of tables of their own as projections do: a table that is behind is brought up before the next step.
 */
import { isStoreTrouble } from "../../core/errors.ts";
import {
  CORRECTIONS_SUFFIX,
  HISTORY_DONE,
  type Job,
  jobFromTxn,
  jobHistoryTxn,
  jobInputTxn,
  jobLatenessTxn,
  type JobPosition,
  jobPosition,
  jobVersion,
  jobVersionTxn,
  jobWatermarkTxn,
  VIOLATIONS_SUFFIX,
} from "../../core/job.ts";
import { WATERMARK_TXN, watermarkOf } from "../../core/landed.ts";
import type { AddFile, TableCommit, TableLog, TableSnapshot, Txn } from "../../core/ports/table-log.ts";
import { tagsOf } from "../../lake/checksum.ts";
import { putLocalFile } from "../../lake/local-copy.ts";
import { addFile, checkYoung, dataFilePath, storePathOf } from "../../lake/table/add-file.ts";
import type { ResultFile, ResultName } from "./engine-orders.ts";
import { ensureTable } from "./job-table.ts";
import { SideTable } from "./side-table.ts";
import type { OutputPorts } from "./output-ports.ts";

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
      const [sideLog, side] = await ensureTable(ports, job, output + suffix, schema, snapshot);
      const about = { name: output + suffix, field: name, output, outputId: snapshot.metadata!.id };
      sides.push(new SideTable(ports, about, log, sideLog, side));
    }
    return new JobOutput(ports, job, tableIds, latenessMs, log, snapshot, sides);
  }

  /** undefined before the first commit, and where another text was at work. */
  get position(): JobPosition | undefined {
    return jobPosition(this.#snapshot.txns, this.#job.id, this.#tableIds);
  }

  /** Of the text that has written last; undefined where none has. */
  get version(): number | undefined {
    return writtenBy(this.#snapshot.txns, this.#job.id);
  }

  /** Of the text at work now, ms. */
  get latenessMs(): number {
    return this.#latenessMs;
  }

  /** By rows' times all is there up to then, ms since 1970 UTC; undefined where it is not known. */
  get watermarkMs(): number | undefined {
    return watermarkOf(this.#snapshot.txns);
  }

  /** Where the text before has come to; `latenessMs` undefined: it did not say. */
  get former(): JobPosition & { readonly latenessMs: number | undefined } {
    const { txns } = this.#snapshot;
    const { id } = this.#job;
    const lateness = txns.get(jobLatenessTxn(id));
    return {
      versions: inputVersions(txns, id),
      historyUs: txns.get(jobHistoryTxn(id)),
      releasedUs: txns.get(jobWatermarkTxn(id)),
      latenessMs: lateness === undefined ? undefined : Number(lateness),
    };
  }

  /** The table as it is known here. */
  get snapshot(): TableSnapshot {
    return this.#snapshot;
  }

  async refresh(): Promise<void> {
    this.#snapshot = await this.#log.snapshot({ from: this.#snapshot });
  }

  /** Side tables take what commits have named for them. */
  async settle(signal: AbortSignal): Promise<void> {
    for (const side of this.#sides) await side.catchUp(this.#snapshot.version, signal);
  }

  /**
   * From here on this text is at work: its place, and what it does not read any more.
   * @returns as `commit`
   */
  async takeOver(to: JobPosition, signal: AbortSignal): Promise<boolean> {
    const { id } = this.#job;
    const dropped = Object.keys(inputVersions(this.#snapshot.txns, id)).filter(
      (key) => !(key in to.versions),
    );
    const txns = dropped.map((tableId): Txn => ({ appId: jobInputTxn(id, tableId), version: -1n }));
    if (to.releasedUs !== undefined)
      txns.push({ appId: jobFromTxn(id, jobVersion(this.#job)), version: to.releasedUs });
    return this.#write([...txns, ...this.#txnsOf(to)], NO_RESULTS, signal);
  }

  /**
   * Rows and place in one commit.
   * @returns false where somebody else has moved the job; then nothing of it is there
   * @throws table.commit_conflict, table.commit_unknown, table.paused, store.unavailable, store.full
   */
  commit(to: JobPosition, files: ResultFiles, signal: AbortSignal): Promise<boolean> {
    return this.#write(this.#txnsOf(to), files, signal);
  }

  async #write(txns: readonly Txn[], files: ResultFiles, signal: AbortSignal): Promise<boolean> {
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
      change: { operation: "WRITE", add, remove: [], txns, info: { ...info } },
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
    txns.push({ appId: jobVersionTxn(id), version: BigInt(jobVersion(this.#job)) });
    txns.push({ appId: jobLatenessTxn(id), version: BigInt(this.#latenessMs) });
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

/** Of the text that has written last into a table; undefined where none has. */
function writtenBy(txns: ReadonlyMap<string, bigint>, jobId: string): number | undefined {
  const version = txns.get(jobVersionTxn(jobId));
  if (version !== undefined) return Number(version);
  return [...txns.keys()].some((appId) => appId.startsWith(`job:${jobId}:`)) ? 1 : undefined;
}

/** By table id: of the inputs that the text reads which has written last. */
function inputVersions(txns: ReadonlyMap<string, bigint>, jobId: string): Readonly<Record<string, number>> {
  const prefix = `job:${jobId}:`;
  const own = new Set(
    [jobHistoryTxn, jobWatermarkTxn, jobVersionTxn, jobLatenessTxn].map((name) => name(jobId)),
  );
  const found = [...txns].filter(
    ([appId, version]) =>
      appId.startsWith(prefix) && !own.has(appId) && !appId.startsWith(`${prefix}from:`) && version >= 0n,
  );
  return Object.fromEntries(found.map(([appId, version]) => [appId.slice(prefix.length), Number(version)]));
}
