/**
 * Holds a backup against its manifest and against itself: every file has its bytes and its hash; every table opens at
 * its version, with all its files; the log begins no later and ends no earlier than where each table goes on; and per
 * table accepted = landed + duplicates + dead letters + what is left in the log.
 */
import { freshPartition, landedPartitions } from "../../core/landed.ts";
import type { Log } from "../../core/ports/log.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { TableSnapshot } from "../../core/ports/table-log.ts";
import { openTables } from "../table/open-tables.ts";
import { verifyTable } from "../verify-table.ts";
import { hashOf } from "./copy-file.ts";
import type { BackupServices } from "./create-backup.ts";
import { readManifest } from "./manifest.ts";

const PARALLEL = 8;

export interface BackupReport {
  readonly created: string;
  readonly tables: number;
  readonly files: number;
  readonly bytes: number;
  /** Accepted and not landed: that lands after a restore. null where the log was not looked at. */
  readonly inFlight: number | null;
  /** Where the log lies, if not in the backup. */
  readonly logElsewhere: string | undefined;
  readonly faults: readonly string[];
}

/** @param openLog undefined where the log cannot be opened at that place @throws backup.corrupt, store.unavailable */
export async function verifyBackup(
  services: BackupServices,
  store: ObjectStore,
  openLog: (() => Promise<Log>) | undefined,
  signal: AbortSignal,
): Promise<BackupReport> {
  const { created, files, tables, log: about } = await readManifest(store);
  const faults: string[] = [];
  let at = 0;
  const lane = async (): Promise<void> => {
    while (at < files.length && !signal.aborted) {
      const { path, bytes, sha256 } = files[at++]!;
      const head = await store.head(path);
      if (!head) faults.push(`${path} is missing`);
      else if (head.bytes !== bytes) faults.push(`${path} has ${head.bytes} bytes, not ${bytes}`);
      else if ((await hashOf(store, path, bytes)) !== sha256) faults.push(`${path} has other bytes`);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, lane));
  signal.throwIfAborted(); // files that nobody looked at have no faults
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const report = {
    created,
    tables: Object.keys(tables).length,
    files: files.length,
    bytes,
    inFlight: null,
    logElsewhere: about.isCopied ? undefined : about.address,
    faults,
  };
  if (faults.length > 0) return report; // what does not have its bytes need not be opened
  const snapshots = await snapshotsOf(services, store, tables, faults, signal);
  if (!about.isCopied || !openLog || faults.length > 0) return report;
  const log = await openLog();
  try {
    if (log.id !== about.id) faults.push(`the log is ${log.id}, not ${String(about.id)}`);
    let inFlight = 0;
    for (const [name, snapshot] of snapshots) inFlight += await heldAgainst(log, name, snapshot, faults);
    return { ...report, inFlight };
  } finally {
    await log.close();
  }
}

async function snapshotsOf(
  services: BackupServices,
  store: ObjectStore,
  tables: Readonly<Record<string, number>>,
  faults: string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, TableSnapshot>> {
  const { openTable } = openTables(store, services);
  const snapshots = new Map<string, TableSnapshot>();
  for (const [name, version] of Object.entries(tables)) {
    try {
      const folder = `lake/${name}`;
      const snapshot = await openTable(folder).snapshot();
      if (snapshot.version !== version)
        faults.push(`table ${name} is at version ${snapshot.version}, not ${version}`);
      const verified = await verifyTable(store, services.clock, folder, snapshot, { isDeep: false, signal });
      for (const { path, problem } of verified.faults) faults.push(`table ${name}: ${path ?? ""} ${problem}`);
      snapshots.set(name, snapshot);
    } catch (error) {
      faults.push(`table ${name} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return snapshots;
}

/** @returns records of the table's stream that have not landed */
async function heldAgainst(
  log: Log,
  name: string,
  { txns }: TableSnapshot,
  faults: string[],
): Promise<number> {
  const stream = await log.stream(name);
  const own = landedPartitions(txns).filter((one) => one.logId === log.id && one.topicId === stream?.topicId);
  if (!stream) return 0;
  let settled = 0;
  let waiting = 0;
  for (let partition = 0; partition < stream.partitions; partition++) {
    const { startOffset, endOffset } = await log.bounds(name, partition);
    // Of one that nothing has landed from yet the table does not speak.
    const fresh = { ...freshPartition(log.id, stream.topicId, partition), cursor: startOffset };
    const { cursor, landed, duplicates, dead } = own.find((one) => one.partition === partition) ?? fresh;
    if (cursor < startOffset || cursor > endOffset)
      faults.push(`${name}:${partition} goes on at ${cursor}, the log has ${startOffset} to ${endOffset}`);
    settled += landed + duplicates + dead;
    waiting += endOffset - cursor;
  }
  const accepted = (await log.accepted(name)).reduce((sum, { count }) => sum + count, 0);
  if (stream.cleanup === "delete" && own.length > 0 && accepted !== settled + waiting)
    faults.push(`${name}: ${accepted} accepted, ${settled} settled and ${waiting} in flight`);
  return waiting;
}
