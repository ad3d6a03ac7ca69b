/**
 * Clean-up of a Delta log: commit files and table checkpoints that nobody needs any more are deleted, oldest first.
 *
 * What stays is always a log that begins at a readable table checkpoint and has every commit from there on, and it
 * reaches back at least to the second newest readable checkpoint, so that one may be damaged. A crash between two
 * deletes leaves the same kind of log, only longer. Two cleaners do the same work twice.
 *
 * The surprising rule: the log is cut at a checkpoint, never between two. The versions between a cut and the next
 * checkpoint could not be read any more, though their files were there.
 */
import type { Clock } from "../../core/clock.ts";
import { hasCode } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { ObjectStore, StoredObject } from "../../core/ports/object-store.ts";
import {
  type CheckpointHint,
  hintOfFileName,
  logFolder,
  readCheckpoint,
  readHint,
  writeHint,
} from "./table-checkpoint.ts";
import { logRetentionMs } from "./table-properties.ts";
import type { TableState } from "./table-state.ts";

const DELETABLE = /^(\d{20})\.(?:json|crc|checkpoint(?:\.\d{10}\.\d{10})?\.parquet)$/;
const COMMIT = /^\d{20}\.json$/;

export interface CleanUpPorts {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Somebody who reads a table commit by commit. */
export interface LogConsumer {
  readonly name: string;
  /** The last version that it has consumed; -1 for none. */
  readonly version: number;
}

export interface CleanUpRequest {
  readonly consumers: readonly LogConsumer[];
  /** Beyond its retention a commit is kept this long for consumers that have not seen it, ms. */
  readonly holdMs: number;
  readonly signal?: AbortSignal;
}

export interface CleanedUp {
  /** Files deleted. */
  readonly deleted: number;
  /** The oldest version that can be read. */
  readonly oldestVersion: number;
  /** Consumers that were not waited for any longer: they have to begin again from a snapshot. */
  readonly overtaken: readonly LogConsumer[];
}

interface LogFile {
  readonly name: string;
  readonly version: number;
  readonly modifiedMs: number;
}

/** @returns undefined where nothing can be deleted yet @throws store.unavailable */
export async function cleanUpLog(
  ports: CleanUpPorts,
  tablePath: string,
  { consumers, holdMs, signal }: CleanUpRequest,
): Promise<CleanedUp | undefined> {
  const folder = logFolder(tablePath);
  const files = logFilesOf(await ports.store.list(folder), folder);
  const checkpoints = new Checkpoints(ports, tablePath, files);
  const kept = await checkpoints.newestTwo();
  if (!kept || !isWhole(files, kept.older.version)) return undefined;
  const ages = commitAges(files, ports.clock.nowMs());
  const retentionMs = logRetentionMs(kept.newer.metadata);
  const slowest = Math.min(...consumers.map(({ version }) => version + 1));
  const expired = firstYounger(ages, retentionMs);
  const limit = Math.max(Math.min(expired, slowest), firstYounger(ages, retentionMs + holdMs));
  const cut = await checkpoints.newestGood(Math.min(limit, kept.older.version));
  if (!cut) return undefined;
  const superfluous = files.filter(({ version }) => version < cut.version);
  if (superfluous.length === 0) return undefined;
  await checkpoints.correctHint(kept.newer, cut.version);
  const overtaken = consumers.filter(({ version }) => version + 1 < cut.version);
  for (const { name, version } of overtaken) {
    const fields = { table: tablePath, consumer: name, consumed: version, oldest: cut.version };
    ports.logger.error("a consumer of a table is too slow and has to begin again from a snapshot", fields);
  }
  let deleted = 0;
  for (const { name } of superfluous) {
    if (signal?.aborted) break;
    await ports.store.delete(`${folder}/${name}`);
    deleted++;
  }
  return { deleted, oldestVersion: cut.version, overtaken };
}

/** By version; of one version the commit first. */
function logFilesOf(objects: readonly StoredObject[], folder: string): readonly LogFile[] {
  return objects
    .flatMap(({ path, modifiedMs }) => {
      const name = path.slice(folder.length + 1);
      const match = DELETABLE.exec(name);
      return match ? [{ name, version: Number(match[1]), modifiedMs }] : [];
    })
    .sort((a, b) => a.version - b.version || Number(COMMIT.test(b.name)) - Number(COMMIT.test(a.name)));
}

function isCommit({ name }: LogFile): boolean {
  return COMMIT.test(name);
}

/** Whether every commit after `version` is there. */
function isWhole(files: readonly LogFile[], version: number): boolean {
  const commits = files.filter(isCommit).filter((file) => file.version > version);
  return commits.every((file, i) => file.version === version + 1 + i);
}

/** ms since each commit, oldest first; where the store's times go back, the latest so far counts. */
function commitAges(files: readonly LogFile[], nowMs: number): readonly { version: number; ageMs: number }[] {
  let latestMs = -Infinity;
  return files.filter(isCommit).map(({ version, modifiedMs }) => {
    latestMs = Math.max(latestMs, modifiedMs);
    return { version, ageMs: nowMs - latestMs };
  });
}

/** The first version that is not older than `ms`; all before it may go. */
function firstYounger(ages: readonly { version: number; ageMs: number }[], ms: number): number {
  return ages.find(({ ageMs }) => ageMs <= ms)?.version ?? Infinity;
}

/** What the listing shows of checkpoints, and which of them can be read. */
class Checkpoints {
  readonly #ports: CleanUpPorts;
  readonly #tablePath: string;
  /** Newest first. */
  readonly #hints: readonly CheckpointHint[];
  readonly #read = new Map<number, TableState | undefined>();

  constructor(ports: CleanUpPorts, tablePath: string, files: readonly LogFile[]) {
    this.#ports = ports;
    this.#tablePath = tablePath;
    const byVersion = new Map<number, CheckpointHint>();
    for (const { name } of files) {
      const hint = hintOfFileName(name);
      if (hint) byVersion.set(hint.version, hint);
    }
    this.#hints = [...byVersion.values()].sort((a, b) => b.version - a.version);
  }

  async newestTwo(): Promise<{ newer: TableState; older: TableState } | undefined> {
    const newer = await this.newestGood(Infinity);
    const older = newer && (await this.newestGood(newer.version - 1));
    return newer && older && { newer, older };
  }

  /** The state at the newest readable checkpoint up to `limit`. */
  async newestGood(limit: number): Promise<TableState | undefined> {
    for (const hint of this.#hints) {
      const state = hint.version <= limit ? await this.#state(hint) : undefined;
      if (state) return state;
    }
    return undefined;
  }

  /** Readers that begin at a checkpoint which cannot be read, or is about to go, are sent to the newest one. */
  async correctHint(newest: TableState, cut: number): Promise<void> {
    const { store } = this.#ports;
    const hint = await readHint(store, this.#tablePath);
    const isGood = hint !== undefined && hint.version >= cut && (await this.#state(hint)) !== undefined;
    if (isGood) return;
    const parts = this.#hints.find(({ version }) => version === newest.version)?.parts;
    await writeHint(store, this.#tablePath, newest, parts);
  }

  async #state(hint: CheckpointHint): Promise<TableState | undefined> {
    if (!this.#read.has(hint.version)) this.#read.set(hint.version, await this.#readOne(hint));
    return this.#read.get(hint.version);
  }

  async #readOne(hint: CheckpointHint): Promise<TableState | undefined> {
    try {
      return await readCheckpoint(this.#ports.store, this.#tablePath, hint);
    } catch (error) {
      if (!hasCode(error, "table.corrupt")) throw error;
      const fields = { table: this.#tablePath, version: hint.version, error };
      this.#ports.logger.warn("a table checkpoint cannot be used", fields);
      return undefined;
    }
  }
}
