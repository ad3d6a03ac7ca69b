/**
 * Removing rows from a table, whatever the reason: one commit that takes whole files away, or replaces a file by what
 * stays of it. What goes is counted by reason in the same commit, so that landed − removed = live rows holds at every
 * version; and its identities are written first, so that a resend stays a duplicate within the horizon. Cursors and
 * the watermark stay where they are.
 *
 * The surprising rule: a plan holds for the files that it names, not for a version. Landing goes on meanwhile and is
 * not in the way; a compaction or another removal that took one of the files makes the plan void, and it is made anew.
 */
import type { Clock } from "../core/clock.ts";
import { isStoreTrouble, MuaraError } from "../core/errors.ts";
import {
  landedPartitions,
  REMOVED_TXN,
  removedTxn,
  type LandedPartition,
  type RemovalReason,
} from "../core/landed.ts";
import type { Logger } from "../core/logger.ts";
import type {
  AddFile,
  CommitOutcome,
  TableCommit,
  TableLog,
  TableSnapshot,
  Txn,
  Verdict,
} from "../core/ports/table-log.ts";
import { slowestIngestMs } from "../core/slowest-ingest.ts";
import { hasSecret } from "./id-key.ts";
import { ingestTimesOf } from "./ingest-times.ts";
import { rowsOfFooter } from "./parquet/footer.ts";
import { identitiesOfFiles, type RemovalPorts, writeRemovedIds } from "./removed-ids.ts";
import type { RewriterOptions } from "./rewrite-process.ts";
import { checkYoung, statedRows, storePathOf } from "./table/add-file.ts";
import { checkNotPaused } from "./table/table-pause.ts";

/** Others took the files of a plan so often that somebody should look. */
const ATTEMPTS_MAX = 20;

export interface RemoveRowsPorts extends RemovalPorts {
  readonly openTable: (name: string) => TableLog;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Limits of the process that writes files anew. */
  readonly rewriting?: RewriterOptions;
}

export interface RemovedFile {
  readonly file: AddFile;
  /** What stays of it, written already; null where nothing does. */
  readonly rest: AddFile | null;
  /** Rows that go. */
  readonly rows: number;
}

export interface RowRemoval {
  readonly reason: RemovalReason;
  /** Delta's name of what is done. */
  readonly operation: string;
  /** ms: resends are compared with what was accepted so long ago. */
  readonly horizonMs: number;
  /** Log partitions that the event type is declared with; 0 for tables that nothing lands in. */
  readonly partitions: number;
  /** Decides on a snapshot what goes; called again where others came first. */
  readonly plan: (snapshot: TableSnapshot) => Promise<readonly RemovedFile[]>;
  /** For the commit's info, beside the kind. */
  readonly info: Readonly<Record<string, unknown>>;
  /** Beside those of every removal. @param snapshot that it is decided on */
  readonly txns?: (snapshot: TableSnapshot) => readonly Txn[];
  /** Looks only. */
  readonly isDryRun?: boolean;
  readonly signal: AbortSignal;
}

export interface Removed {
  /** The version that removed the rows; null where nothing was removed. */
  readonly version: number | null;
  readonly rows: number;
  /** Files that are gone, with their length in bytes. */
  readonly files: number;
  readonly bytes: number;
  /** Of these, replaced by what stays of them. */
  readonly rewritten: number;
  /** The files that went, as the log names them. */
  readonly paths: readonly string[];
}

/**
 * @throws table.not_found, table.paused, table.commit_conflict, table.commit_unknown, table.corrupt and what the store
 *   throws
 */
export async function removeRows(
  ports: RemoveRowsPorts,
  name: string,
  removal: RowRemoval,
): Promise<Removed> {
  const log = ports.openTable(name);
  let snapshot = await log.snapshot();
  if (snapshot.version < 0)
    throw new MuaraError("table.not_found", `The table "${name}" has no commit yet.`, {
      details: { table: name },
    });
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    removal.signal.throwIfAborted();
    checkNotPaused(snapshot.metadata, ports.clock.nowMs());
    const planned = await removal.plan(snapshot);
    if (planned.length === 0 || removal.isDryRun) return summary(planned, null);
    const outcome = await commitOnce(ports, name, log, snapshot, removal, planned);
    if (outcome.outcome === "committed") {
      const removed = summary(planned, outcome.commit.version);
      const { paths: _paths, ...fields } = removed;
      ports.logger.info("rows removed", { table: name, reason: removal.reason, ...fields });
      return removed;
    }
    ({ snapshot } = outcome);
  }
  throw new MuaraError("table.commit_conflict", `Others were faster at ${name}, time and again.`, {
    details: { table: name, attempts: ATTEMPTS_MAX },
  });
}

/** Rows of a file by its statistics, else by its footer. @throws table.corrupt */
export async function countRows({ store }: RemovalPorts, name: string, file: AddFile): Promise<number> {
  const path = storePathOf(name, file.path);
  const rows =
    statedRows(file) ?? (await rowsOfFooter((from, to) => store.getRange(path, from, to - from), file.size));
  if (rows !== undefined) return rows;
  throw new MuaraError("table.corrupt", `${name} names ${path}, which is missing or no Parquet file.`, {
    details: { path },
  });
}

async function commitOnce(
  ports: RemoveRowsPorts,
  name: string,
  log: TableLog,
  snapshot: TableSnapshot,
  { reason, operation, info, signal, horizonMs, partitions, txns }: RowRemoval,
  planned: readonly RemovedFile[],
): Promise<CommitOutcome> {
  const ids = hasSecret(snapshot)
    ? await recordIds(ports, name, snapshot, planned, { horizonMs, partitions })
    : undefined;
  const counter = removedTxn(reason);
  const rows = planned.reduce((sum, one) => sum + one.rows, 0);
  const total: Txn = { appId: counter, version: (snapshot.txns.get(counter) ?? 0n) + BigInt(rows) };
  const deletionTimestamp = ports.clock.nowMs();
  const add = planned.flatMap(({ rest }) => rest ?? []);
  checkYoung(add, deletionTimestamp);
  const gone = new Set(planned.map(({ file }) => file.path));
  const outcome = await log.commit({
    base: snapshot,
    change: {
      operation,
      add,
      remove: planned.map(({ file }) => ({ path: file.path, deletionTimestamp, dataChange: true })),
      txns: [...(ids ? [ids.txn] : []), total, ...(txns?.(snapshot) ?? [])],
      info: { kind: reason, rows, ...info },
    },
    check: (winner) => judge(winner, gone),
    signal,
  });
  if (outcome.outcome === "abandoned") {
    const rests = planned.flatMap(({ rest }) => (rest ? storePathOf(name, rest.path) : []));
    await deleteRefused(ports, ids ? [...rests, ids.path] : rests);
  }
  return outcome;
}

/** Of a file that goes in part all ids are written down: those of rows that stay are known anyway. */
async function recordIds(
  ports: RemoveRowsPorts,
  name: string,
  snapshot: TableSnapshot,
  planned: readonly RemovedFile[],
  { horizonMs, partitions }: Pick<RowRemoval, "horizonMs" | "partitions">,
): ReturnType<typeof writeRemovedIds> {
  const keepFromMs = neededFromMs(landedPartitions(snapshot.txns), partitions, horizonMs);
  const files = planned.map(({ file }) => file).filter((file) => ingestTimesOf(file).toMs >= keepFromMs);
  const found = await identitiesOfFiles(ports, name, snapshot, files);
  return writeRemovedIds(ports, name, snapshot, found, keepFromMs);
}

/**
 * From which ingest time on a resend may still come, ms since 1970 UTC. A partition that never landed may bring
 * anything.
 * @param partitions of the stream
 */
export function neededFromMs(
  landed: readonly LandedPartition[],
  partitions: number,
  horizonMs: number,
): number {
  return landed.length < partitions ? -Infinity : slowestIngestMs(landed) - 2 * horizonMs;
}

function judge(winner: TableCommit, gone: ReadonlySet<string>): Verdict {
  const isRemoval = winner.txns.some(({ appId }) => appId.startsWith(REMOVED_TXN));
  const takesOurs = winner.remove.some(({ path }) => gone.has(path));
  return winner.metadata || isRemoval || takesOurs ? "abandon" : "rebase";
}

/** Only after a proven refusal: no version names these files. One that stays is left to the sweeper. */
async function deleteRefused({ store, logger }: RemoveRowsPorts, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    try {
      await store.delete(path);
    } catch (error) {
      if (!isStoreTrouble(error)) throw error;
      logger.warn("a file of an abandoned removal stays for the sweeper", { path, error });
    }
  }
}

function summary(planned: readonly RemovedFile[], version: number | null): Removed {
  return {
    version,
    rows: planned.reduce((sum, { rows }) => sum + rows, 0),
    files: planned.length,
    bytes: planned.reduce((sum, { file }) => sum + file.size, 0),
    rewritten: planned.filter(({ rest }) => rest !== null).length,
    paths: planned.map(({ file }) => file.path),
  };
}
