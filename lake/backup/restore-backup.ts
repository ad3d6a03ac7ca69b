/** A backup into an empty place, every byte held against its hash on the way. */
import { MuaraError } from "../../core/errors.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import { copyFile } from "./copy-file.ts";
import { type BackupManifest, readManifest } from "./manifest.ts";

const PARALLEL = 8;

/**
 * @param targets where what lies below `log/` and `lake/` goes
 * @throws backup.corrupt, backup.exists, store.unavailable, store.full
 */
export async function restoreBackup(
  store: ObjectStore,
  targets: { readonly log: ObjectStore; readonly lake: ObjectStore },
): Promise<BackupManifest> {
  const manifest = await readManifest(store);
  for (const target of Object.values(targets))
    if ((await target.list("")).length > 0)
      throw new MuaraError("backup.exists", "The place to restore to is not empty.");
  let at = 0;
  const lane = async (): Promise<void> => {
    while (at < manifest.files.length) {
      const { path, bytes, sha256 } = manifest.files[at++]!;
      const [folder, ...rest] = path.split("/");
      if (folder !== "log" && folder !== "lake")
        throw new MuaraError("backup.corrupt", `The backup names "${path}".`);
      const copied = await copyFile(store, path, bytes, targets[folder], rest.join("/"));
      if (copied !== sha256)
        throw new MuaraError("backup.corrupt", `${path} is missing, or has other bytes than were backed up.`);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, lane));
  return manifest;
}
