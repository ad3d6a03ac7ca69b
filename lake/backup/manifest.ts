/** What a backup has: written last, so that a backup without it is none. */
import { MuaraError } from "../../core/errors.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";

export const BACKUP_MANIFEST = "backup.json";
/** Grows when older releases could not restore it any more. */
export const BACKUP_FORMAT = 1;

export interface BackupFile {
  /** Below the backup's place: `log/…` or `lake/…`. */
  readonly path: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

export interface BackupManifest {
  readonly format: number;
  /** Of the program that made it. */
  readonly version: string;
  /** ISO 8601. */
  readonly created: string;
  /** Where the log lies that the tables were landed from; its files are in the backup where it is a folder. */
  readonly log: { readonly id: string | null; readonly address: string; readonly isCopied: boolean };
  /** Version of each table. */
  readonly tables: Readonly<Record<string, number>>;
  readonly files: readonly BackupFile[];
}

export async function writeManifest(store: ObjectStore, manifest: BackupManifest): Promise<void> {
  const bytes = new TextEncoder().encode(`${JSON.stringify(manifest, null, 1)}\n`);
  const { outcome } = await store.putIfAbsent(BACKUP_MANIFEST, bytes);
  if (outcome !== "done") throw new MuaraError("backup.exists", "Another backup came to the same place.");
}

/** @throws backup.corrupt for what is no backup, or one of a newer release */
export async function readManifest(store: ObjectStore): Promise<BackupManifest> {
  const bytes = await store.get(BACKUP_MANIFEST);
  if (!bytes)
    throw new MuaraError(
      "backup.corrupt",
      `There is no ${BACKUP_MANIFEST}: no backup, or one that was cut off.`,
    );
  let manifest: BackupManifest;
  try {
    manifest = JSON.parse(new TextDecoder().decode(bytes)) as BackupManifest;
  } catch (cause) {
    throw new MuaraError("backup.corrupt", `${BACKUP_MANIFEST} is no JSON.`, { cause });
  }
  if (manifest.format !== BACKUP_FORMAT || !Array.isArray(manifest.files))
    throw new MuaraError(
      "backup.corrupt",
      `The backup has format ${manifest.format}, made by ${manifest.version}; this release has ${BACKUP_FORMAT}.`,
    );
  return manifest;
}
