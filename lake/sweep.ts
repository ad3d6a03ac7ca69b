/**
 * The sweeper: deletes the files of a table that nobody needs. Data files that its log removed, once the time that
 * older versions stay readable has passed; what writers left behind that never committed; side files whose commits
 * the log's clean-up has taken; files of removed ids that have successors.
 *
 * The order is what makes it safe: list, then read the newest snapshot, then delete. A file on the list that a commit
 * names is in the snapshot read afterwards. Read the other way round, a file that came and was committed in between
 * would look like nobody's. What is on the list and committed only after the snapshot is protected by its age alone:
 * no upload and no attempt takes as long as `ageMs`, an attempt whose outcome is not known yet included. And where the
 * list fails half way, nothing is deleted.
 *
 * The surprising rule: how old a file must be depends on what is known of it. One that the log has once named is no
 * upload under way, so the log's own time decides. A tombstone is forgotten soon after it expires, so the sweeper
 * remembers those it met; after a start of the process such files wait until they are old enough for strangers.
 */
import type { Clock } from "../core/clock.ts";
import { hasCode } from "../core/errors.ts";
import { REMOVED_TXN } from "../core/landed.ts";
import type { Logger } from "../core/logger.ts";
import type { ObjectStore, StoredObject } from "../core/ports/object-store.ts";
import type { AddFile, TableLog, TableSnapshot } from "../core/ports/table-log.ts";
import { joinStorePath } from "../core/store-path.ts";
import { storePathOf } from "./table/add-file.ts";
import type { LogConsumer } from "./table/log-cleanup.ts";
import { commitFileName } from "./table/commit-file.ts";
import { logFolder } from "./table/table-checkpoint.ts";
import { icebergHold } from "./iceberg/export.ts";
import { isAnyPartFile } from "./share/part-store.ts";
import { checkNotPaused } from "./table/table-pause.ts";
import { tombstoneRetentionMs } from "./table/table-properties.ts";
import { stateOf } from "./table/table-state.ts";

const DATA_FILE = /^(?:[^/_][^/]*\/)*part-[^/]+\.parquet$/;
const SIDE_FILE = /^_muara\/side-[^/]+\.parquet$/;
const REMOVED_IDS = /^_muara\/removed-\d+\.ids$/;
const COMMIT = /^_delta_log\/\d{20}\.json$/;
/** Clocks of writers may differ by so much. */
const CLOCK_SLACK_MS = 600_000;

export interface SweepPorts {
  readonly store: ObjectStore;
  readonly openTable: (name: string) => TableLog;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface SweepRequest {
  /** What the log does not know goes at this age; longer than any upload and attempt, ms. */
  readonly ageMs: number;
  /** Who reads the table commit by commit: what they have still to read stays. */
  readonly consumers: readonly LogConsumer[];
  /** Consumers further behind than this are not waited for, ms. */
  readonly holdMs: number;
  readonly isDryRun?: boolean;
  readonly signal: AbortSignal;
}

export interface Swept {
  /** Version that the files were held against. */
  readonly version: number;
  /** Files looked at, without the table's log. */
  readonly files: number;
  /** Deleted, or in a dry run to be deleted, by kind. */
  readonly expired: number;
  readonly orphans: number;
  readonly sideFiles: number;
  readonly removedIds: number;
  readonly bytes: number;
  /** Not live and kept: too young, or of versions that are to stay readable, or for a consumer. */
  readonly waiting: number;
  readonly isDryRun: boolean;
}

type Kind = "expired" | "orphans" | "sideFiles" | "removedIds";

export interface Sweeper {
  /** @returns undefined for a table without a commit @throws table.paused, store.unavailable, table.corrupt */
  sweep(name: string, request: SweepRequest): Promise<Swept | undefined>;
}

export function createSweeper(ports: SweepPorts): Sweeper {
  /** By table: ms of removal by store path, of files whose tombstones the sweeper has met and that still exist. */
  const remembered = new Map<string, ReadonlyMap<string, number>>();
  return {
    sweep: async (name, request) => {
      const prefix = `${name}/`;
      const listed = (await ports.store.list(name)).filter(({ path }) => path.startsWith(prefix));
      // Only now: see the head of this file.
      const log = ports.openTable(name);
      const snapshot = await log.snapshot();
      if (snapshot.version < 0) return undefined;
      checkNotPaused(snapshot.metadata, ports.clock.nowMs());
      const removedMs = removalsOf(name, snapshot, remembered.get(name));
      const nowMs = ports.clock.nowMs();
      const consumed = await heldFrom(log, snapshot, request, nowMs, writtenMsOf(listed, prefix));
      // An export as Iceberg is read for as long as it stands: what was removed since it was made stays.
      const exported = await icebergHold(ports.store, name);
      const exportedMs = exported && exported.version < snapshot.version ? exported.committedMs : Infinity;
      const held = {
        fromMs: Math.min(consumed.fromMs, exportedMs),
        loggedMs: Math.min(consumed.loggedMs, exportedMs),
      };
      const judge = new Judge(name, snapshot, listed, removedMs, held, request, nowMs);
      const swept = await deleteAll(ports, judge, request);
      const present = new Set(listed.map(({ path }) => path));
      remembered.set(name, new Map([...removedMs].filter(([path]) => present.has(path))));
      const { isDryRun: _isDryRun, ...fields } = swept;
      const count = swept.expired + swept.orphans + swept.sideFiles + swept.removedIds;
      if (count > 0 && !swept.isDryRun) ports.logger.info("files swept", { table: name, ...fields });
      return swept;
    },
  };
}

async function deleteAll(
  { store, clock }: SweepPorts,
  judge: Judge,
  { isDryRun = false, signal }: SweepRequest,
): Promise<Swept> {
  const counts: Record<Kind, number> = { expired: 0, orphans: 0, sideFiles: 0, removedIds: 0 };
  let bytes = 0;
  let waiting = 0;
  for (const object of judge.dead) {
    const kind = judge.kindOf(object);
    if (kind === undefined) {
      waiting++;
      continue;
    }
    if (signal.aborted) break;
    if (!isDryRun) await store.delete(object.path);
    counts[kind]++;
    bytes += object.bytes;
    await clock.sleep(0);
  }
  return { version: judge.version, files: judge.files, ...counts, bytes, waiting, isDryRun };
}

/** When each file that is not live any more was removed, ms by store path. */
function removalsOf(
  name: string,
  snapshot: TableSnapshot,
  before: ReadonlyMap<string, number> = new Map(),
): Map<string, number> {
  const removals = new Map(before);
  for (const [path, ms] of stateOf(snapshot).tombstones) {
    const stored = storedPath(name, path);
    if (stored !== undefined) removals.set(stored, ms);
  }
  return removals;
}

/** @returns undefined for a file that lies elsewhere: it is none of this table's folder */
function storedPath(name: string, path: string): string | undefined {
  try {
    return storePathOf(name, path);
  } catch (error) {
    if (hasCode(error, "table.unsupported") || hasCode(error, "store.path")) return undefined;
    throw error;
  }
}

/** The oldest commit that somebody has still to read; Infinity where all have read everything. */
interface Held {
  /** When, ms: by the log's clock or the store's, whichever is earlier. */
  readonly fromMs: number;
  /** By the log's clock, ms: by it the log forgets what was removed. */
  readonly loggedMs: number;
}

/**
 * One that the log's clean-up has overtaken, or that is too far behind, has nothing to read any more: it begins again
 * from a snapshot.
 */
async function heldFrom(
  log: TableLog,
  snapshot: TableSnapshot,
  { consumers, holdMs }: SweepRequest,
  nowMs: number,
  writtenMs: (version: number) => number,
): Promise<Held> {
  let [fromMs, loggedMs] = [Infinity, Infinity];
  for (const { version } of consumers) {
    if (version >= snapshot.version) continue;
    try {
      const commit = await log.read(version + 1);
      // By the clock of whoever committed, and by the store's: files without a tombstone have a time of the store only.
      const committedMs = commit?.timestampMs ?? Infinity;
      const neededMs = Math.min(committedMs, writtenMs(version + 1));
      if (neededMs < nowMs - holdMs) continue;
      fromMs = Math.min(fromMs, neededMs);
      loggedMs = Math.min(loggedMs, committedMs);
    } catch (error) {
      if (!hasCode(error, "table.version_not_found")) throw error;
    }
  }
  return { fromMs, loggedMs };
}

/** When a version was written, by the store's clock; Infinity for one that came after the list. */
function writtenMsOf(listed: readonly StoredObject[], prefix: string): (version: number) => number {
  return (version) =>
    modifiedMsOf(listed, joinStorePath(logFolder(prefix.slice(0, -1)), commitFileName(version)));
}

/** Decides what a file is. */
class Judge {
  readonly version: number;
  readonly files: number;
  /** Files that no live version names. */
  readonly dead: readonly StoredObject[];
  readonly #prefix: string;
  readonly #removedMs: ReadonlyMap<string, number>;
  readonly #heldFromMs: number;
  readonly #nowMs: number;
  readonly #ageMs: number;
  readonly #retentionMs: number;
  /** Whether nothing that is still needed can be a file whose removal the log has forgotten. */
  readonly #knowsNeeded: boolean;
  /** Store's time of the oldest commit that the log has. */
  readonly #logFromMs: number;
  /** Store's time of the file of removed ids that is in use; Infinity where there is none. */
  readonly #idsFromMs: number;

  constructor(
    name: string,
    snapshot: TableSnapshot,
    listed: readonly StoredObject[],
    removedMs: ReadonlyMap<string, number>,
    { fromMs, loggedMs }: Held,
    { ageMs }: SweepRequest,
    nowMs: number,
  ) {
    this.version = snapshot.version;
    this.#prefix = `${name}/`;
    this.#removedMs = removedMs;
    this.#heldFromMs = fromMs;
    this.#nowMs = nowMs;
    this.#ageMs = ageMs;
    this.#retentionMs = tombstoneRetentionMs(snapshot.metadata);
    this.#knowsNeeded = loggedMs - CLOCK_SLACK_MS > snapshot.timestampMs - this.#retentionMs;
    const number = snapshot.txns.get(REMOVED_TXN);
    const ids = number === undefined ? undefined : `${name}/_muara/removed-${number}.ids`;
    this.#idsFromMs = ids === undefined ? -Infinity : modifiedMsOf(listed, ids);
    const isOwn = ({ path }: StoredObject): boolean =>
      !path.startsWith(`${name}/_delta_log/`) && !isAnyPartFile(path);
    this.files = listed.filter(isOwn).length;
    const live = new Set([...snapshot.files.values()].map(({ path }: AddFile) => storedPath(name, path)));
    this.dead = listed.filter((object) => isOwn(object) && object.path !== ids && !live.has(object.path));
    const commits = listed.filter(({ path }) => COMMIT.test(path.slice(this.#prefix.length)));
    this.#logFromMs = Math.min(...commits.map(({ modifiedMs }) => modifiedMs));
  }

  /** @returns undefined for what stays */
  kindOf({ path, modifiedMs }: StoredObject): Kind | undefined {
    const inside = path.slice(this.#prefix.length);
    const isOld = modifiedMs < this.#nowMs - this.#ageMs;
    if (DATA_FILE.test(inside)) {
      const removedMs = this.#removedMs.get(path);
      // A consumer needs what came and went with the commits that it has still to read, whenever that was written.
      if (removedMs === undefined)
        return isOld && this.#knowsNeeded && modifiedMs < this.#heldFromMs - this.#ageMs
          ? "orphans"
          : undefined;
      const isExpired = removedMs < this.#nowMs - this.#retentionMs;
      return isExpired && removedMs < this.#heldFromMs - CLOCK_SLACK_MS ? "expired" : undefined;
    }
    // Only a commit names it; it was written before that commit, and not long before.
    if (SIDE_FILE.test(inside))
      return isOld && modifiedMs < this.#logFromMs - this.#ageMs ? "sideFiles" : undefined;
    // Whoever lands on a version from before the newest removal still reads the older file.
    if (REMOVED_IDS.test(inside))
      return isOld && this.#idsFromMs < this.#nowMs - this.#ageMs ? "removedIds" : undefined;
    return undefined; // none of ours
  }
}

/** Infinity where it was not there when the folder was listed: it is younger than everything on the list. */
function modifiedMsOf(listed: readonly StoredObject[], path: string): number {
  return listed.find((object) => object.path === path)?.modifiedMs ?? Infinity;
}
