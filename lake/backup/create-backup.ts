/**
 * A backup of log and lake of a Muara that runs. The order is what makes it whole: tables are pinned, readers first;
 * then the log is copied, so it has all that the tables were landed from; what it notes of tables moves them forward;
 * then the lake's files are copied up to there. What was accepted and not landed in the pinned versions lands after a
 * restore, out of the log.
 */
import type { Clock, Randomness } from "../../core/clock.ts";
import type { DeliveryPosition } from "../../core/delivery.ts";
import { hasCode, MuaraError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { Log } from "../../core/ports/log.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import { Registry } from "../../core/registry.ts";
import { openTables } from "../table/open-tables.ts";
import { copyFile } from "./copy-file.ts";
import { copyLake, headsOf } from "./copy-lake.ts";
import { copyLog } from "./copy-log.ts";
import { BACKUP_FORMAT, type BackupFile, type BackupManifest, writeManifest } from "./manifest.ts";
import { movedToNoted, pinLake } from "./pin-lake.ts";

const ATTEMPTS = 3;
const POSITION = "delivery-position";

export interface BackupServices {
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
}

export interface BackupSource {
  readonly lake: ObjectStore;
  /** The log's folder; undefined where it is no folder. */
  readonly log: ObjectStore | undefined;
  readonly address: string;
}

export interface BackupTarget {
  readonly store: ObjectStore;
  /** A folder of this machine: the place itself, or, where that is elsewhere, a temporary one. */
  readonly stage: ObjectStore;
  /** Opens the log in the folder `log` of the stage, without changing it. */
  readonly openLog: () => Promise<Log>;
}

/** @throws backup.exists, backup.moved, store.unavailable, store.full */
export async function createBackup(
  services: BackupServices,
  source: BackupSource,
  { store, stage, openLog }: BackupTarget,
  version: string,
): Promise<BackupManifest> {
  if ((await store.list("")).length > 0)
    throw new MuaraError("backup.exists", "The place of the backup is not empty.");
  const { openTable } = openTables(source.lake, services);
  const ports = { store: source.lake, openTable };
  const created = new Date(services.clock.nowMs()).toISOString();
  const heads = await headsOf(source.lake);
  let pins = await pinLake(ports);
  let logFiles: readonly BackupFile[] = [];
  let logId: string | null = null;
  if (source.log) {
    logFiles = await copyLog(source.log, stage);
    const log = await openLog();
    try {
      logId = log.id;
      pins = await movedToNoted(ports, pins, await notedIn(log, services));
    } finally {
      await log.close();
    }
    if (stage !== store) await upload(stage, store, logFiles);
  }
  for (let attempt = 1; ; attempt++) {
    try {
      const lakeFiles = await copyLake(source.lake, store, pins, heads);
      const tables = Object.fromEntries([...pins].map(([name, pin]) => [name, pin.version]));
      const files = [...logFiles, ...lakeFiles].toSorted((a, b) => (a.path < b.path ? -1 : 1));
      const log = { id: logId, address: source.address, isCopied: source.log !== undefined };
      const manifest = { format: BACKUP_FORMAT, version, created, log, tables, files };
      await writeManifest(store, manifest);
      return manifest;
    } catch (error) {
      if (!hasCode(error, "backup.moved") || attempt === ATTEMPTS) throw error;
      services.logger.warn("the lake is copied again", { error });
    }
  }
}

/** How far deliveries are, by the copy of the log. */
async function notedIn(log: Log, { clock }: BackupServices): Promise<readonly DeliveryPosition[]> {
  if ((await log.listStreams()).length === 0) return [];
  const registry = await Registry.open(log, "backup", clock);
  return registry.list<DeliveryPosition>(POSITION).flatMap(({ value }) => value ?? []);
}

async function upload(from: ObjectStore, to: ObjectStore, files: readonly BackupFile[]): Promise<void> {
  for (const { path, bytes } of files) await copyFile(from, path, bytes, to, path);
}
