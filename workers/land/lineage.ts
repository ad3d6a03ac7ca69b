/**
 * The thread of landing commits: each one names its predecessor. Whoever rewrites a table's history (a foreign
 * writer without put-if-absent, a restored copy) breaks it, and rows that a cursor has already passed may be gone.
 * So landing looks before it commits: at the version that its state was read from, and at every winner's
 * predecessor. What does not fit is `land.fenced`: the state in memory is worthless and is read anew.
 *
 * The surprising rule: not being able to look back is no proof of anything. Older commits that log clean-up removed,
 * and ids that foreign writers left out, are not held against a table. But the version that a state was read from is
 * never cleaned up while it is the newest, so where that is gone the state is old, whatever the clocks say.
 */
import { hasCode, MuaraError } from "../../core/errors.ts";
import { STEP_TXN } from "../../core/landed.ts";
import type { TableCommit, TableLog, TableSnapshot } from "../../core/ports/table-log.ts";

/** How far back the newest landing commits are looked for: others' commits between them are few. */
const WALK_MAX = 64;

export interface Lineage {
  /** Tells one writing of the version that the state was read from apart from another; undefined: unreadable. */
  readonly base: string | undefined;
  /** Commit id of the newest landing commit; null before the first, undefined where it cannot be read. */
  readonly landing: string | null | undefined;
}

/**
 * The lineage of a snapshot read from the table.
 * @throws land.fenced where the newest landing commit does not follow the one before it
 */
export async function readLineage(table: TableLog, snapshot: TableSnapshot): Promise<Lineage> {
  const lowest = Math.max(0, snapshot.version - WALK_MAX);
  let base: string | undefined;
  let newest: TableCommit | undefined;
  let below = await readOrNothing(table, snapshot.version);
  for (let { version } = snapshot; version >= lowest; version--) {
    const commit = below;
    if (version === snapshot.version) base = commit && writingOf(commit);
    below = version > 0 ? await readOrNothing(table, version - 1) : undefined;
    // The oldest commit there is may be of one who slept through the log's clean-up, and then nobody's.
    const isStray = version > 0 && !below;
    if (!commit || isStray) return { base, landing: newest?.commitId };
    const step = stepOf(commit);
    if (step === undefined) continue;
    if (newest) {
      checkFollows(newest, step, commit.commitId);
      return { base, landing: newest.commitId };
    }
    newest = commit;
  }
  const reachesStart = lowest === 0;
  if (newest && reachesStart) checkFollows(newest, 0n, null);
  return { base, landing: newest?.commitId ?? (reachesStart ? null : undefined) };
}

/** The lineage once `commit` is the table's newest version. */
export function lineageAfter(lineage: Lineage, commit: TableCommit): Lineage {
  const isLanding = stepOf(commit) !== undefined;
  return { base: writingOf(commit), landing: isLanding ? commit.commitId : lineage.landing };
}

/** Which writing of a version the table has; undefined where there is none, or none any more. */
export async function readWriting(table: TableLog, version: number): Promise<string | undefined> {
  const commit = await readOrNothing(table, version);
  return commit && writingOf(commit);
}

/** @throws land.fenced where the version that the state was read from is gone or was written anew */
export async function checkBase(table: TableLog, version: number, lineage: Lineage): Promise<void> {
  if (lineage.base === undefined) return;
  // Clean-up leaves the newest versions: where it took this one, others have committed long ago.
  const commit = await readOrNothing(table, version);
  if (commit && writingOf(commit) === lineage.base) return;
  throw fenced(commit ? "was written anew" : "is gone", version);
}

/**
 * Holds a landing commit against what is known of the one before it.
 * @param step the predecessor's, 0 for none
 * @throws land.fenced where the commit was decided on another history
 */
export function checkFollows(commit: TableCommit, step: bigint, previous: string | null | undefined): void {
  const ownStep = stepOf(commit);
  if (ownStep === undefined) return;
  if (ownStep !== step + 1n) throw fenced(`makes step ${ownStep} after step ${step}`, commit.version);
  const named = (commit.info as { readonly previous?: unknown }).previous;
  if (typeof named === "string" && previous !== undefined && named !== previous)
    throw fenced("names another predecessor than the table has", commit.version);
}

function stepOf(commit: TableCommit): bigint | undefined {
  return commit.txns.find((txn) => txn.appId === STEP_TXN)?.version;
}

function writingOf(commit: TableCommit): string {
  return `${commit.commitId}@${commit.timestampMs}`;
}

async function readOrNothing(table: TableLog, version: number): Promise<TableCommit | undefined> {
  try {
    return await table.read(version);
  } catch (error) {
    if (hasCode(error, "table.version_not_found")) return undefined;
    throw error;
  }
}

function fenced(what: string, version: number): MuaraError {
  return new MuaraError("land.fenced", `Version ${version} of the table ${what}; nothing was landed.`, {
    details: { version },
  });
}
