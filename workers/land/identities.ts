/**
 * The id set of a table: which ids landed within the horizon. It is a function of the table version alone: the ids of
 * its files and of its removed rows, whatever way led there. Three ways do: landing itself, from commit to commit
 * (`rollForward`), and from nothing (`rebuildIdentities`). Only generations that the slowest cursor has passed may be
 * missing.
 */
import { INGEST_DATE } from "../../core/columns.ts";
import { hasCode } from "../../core/errors.ts";
import type { IdentitySet } from "../../core/kernel.ts";
import { REMOVED_TXN } from "../../core/landed.ts";
import type { AddFile, TableCommit, TableLog } from "../../core/ports/table-log.ts";
import { secretOf } from "../../lake/id-key.ts";
import { type IdentityPorts, visitIdentities } from "../../lake/identity-rows.ts";
import { readRemovedIds } from "../../lake/removed-ids.ts";
import type { LandingState } from "./state.ts";
import { slowestIngestMs } from "../../core/slowest-ingest.ts";

/** Commits fetched at once. */
const READ_AHEAD = 16;
/** Files up to this size cost a store's answer more than their bytes: so many of them are read at once. */
const SMALL_BYTES = 262_144;
const SMALL_AT_ONCE = 16;
/** Versions that a set is rolled forward over; beyond them building it anew is not slower. */
const ROLL_MAX = 20_000;

/** Empties the set and adds what the table's files and removed rows hold. */
export async function rebuildIdentities(
  ports: IdentityPorts,
  ids: IdentitySet,
  table: string,
  state: LandingState,
): Promise<void> {
  ids.clear();
  await addFiles(ports, ids, table, state, state.snapshot.files.values());
  await addRemoved(ports, ids, table, state);
  ids.expire(slowestIngestMs(state.partitions));
}

/**
 * Brings a set from an earlier version of the table to `state`.
 * @returns versions rolled over; undefined where that cannot be told from the commits: the set is unchanged then
 */
export async function rollForward(
  ports: IdentityPorts,
  ids: IdentitySet,
  table: string,
  log: TableLog,
  fromVersion: number,
  state: LandingState,
): Promise<number | undefined> {
  const { version, files } = state.snapshot;
  if (version - fromVersion > ROLL_MAX) return undefined;
  const gained = new Set<string>();
  let hasRemoved = false;
  for (let first = fromVersion + 1; first <= version; first += READ_AHEAD) {
    const count = Math.min(READ_AHEAD, version - first + 1);
    const commits = await Promise.all(Array.from({ length: count }, (_, i) => readCommit(log, first + i)));
    for (const commit of commits) {
      if (!commit || !follow(commit, gained)) return undefined;
      hasRemoved ||= commit.txns.some(({ appId }) => appId === REMOVED_TXN);
    }
  }
  const added = [...gained].map((path) => files.get(path));
  if (added.includes(undefined)) return undefined; // commits and snapshot disagree
  await addFiles(ports, ids, table, state, added as readonly AddFile[]);
  if (hasRemoved) await addRemoved(ports, ids, table, state);
  ids.expire(slowestIngestMs(state.partitions));
  return version - fromVersion;
}

/**
 * Notes which files hold rows that came since: those of new rows, and what they were rewritten to.
 * @returns false where rows went away without `muara:removed`, or the metadata (the secret) changed
 */
function follow({ add, remove, txns, metadata }: TableCommit, gained: Set<string>): boolean {
  const isRecorded = txns.some(({ appId }) => appId === REMOVED_TXN);
  if (metadata || (!isRecorded && remove.some((file) => file.dataChange))) return false;
  let isRewritten = false;
  for (const { path } of remove) isRewritten = gained.delete(path) || isRewritten;
  for (const { path, dataChange } of add) if (dataChange || isRewritten) gained.add(path);
  return true;
}

async function addFiles(
  ports: IdentityPorts,
  ids: IdentitySet,
  table: string,
  { snapshot, partitions }: LandingState,
  files: Iterable<AddFile>,
): Promise<void> {
  const oldestMs = slowestIngestMs(partitions) - ids.horizonMs;
  const secret = secretOf(snapshot);
  const visit = (file: AddFile): Promise<void> =>
    visitIdentities(ports, table, file, secret, ({ count, identities, ingestMs }) =>
      ids.insert(count, identities, ingestMs),
    );
  let small: AddFile[] = [];
  for (const file of files) {
    if (!mayBeWithin(file, oldestMs)) continue;
    if (file.size > SMALL_BYTES) {
      await visit(file);
      continue;
    }
    small.push(file);
    if (small.length < SMALL_AT_ONCE) continue;
    await allEnded(small.map(visit));
    small = [];
  }
  await allEnded(small.map(visit));
}

/** Unlike Promise.all it leaves nobody behind who adds to the set later. */
async function allEnded(visits: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(visits)).find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
}

async function addRemoved(
  ports: IdentityPorts,
  ids: IdentitySet,
  table: string,
  { snapshot }: LandingState,
): Promise<void> {
  const removed = await readRemovedIds(ports, table, snapshot);
  if (removed) ids.insert(removed.count, removed.identities, removed.ingestMs);
}

/** Whether a file can hold a row accepted at or after `fromMs`: its day ends later. */
function mayBeWithin(file: AddFile, fromMs: number): boolean {
  const date = file.partitionValues[INGEST_DATE];
  return !date || Date.parse(`${date}T00:00:00Z`) + 86_400_000 > fromMs;
}

async function readCommit(log: TableLog, version: number): Promise<TableCommit | undefined> {
  try {
    return await log.read(version);
  } catch (error) {
    if (hasCode(error, "table.version_not_found")) return undefined;
    throw error;
  }
}
