/**
 * adapters/file/lock.ts without SQLite: the lock goes with its process, which the world sees to by running one
 * process only. `hooks.ts` puts it in the place of the original.
 */
import { join } from "node:path";
import { type Disk, isDiskFull, replaceFile } from "../../adapters/file/disk.ts";

export interface DirectoryLock {
  release(): void;
}

export async function lockDirectory(disk: Disk, directory: string): Promise<DirectoryLock> {
  const path = join(directory, "owner.json");
  try {
    await replaceFile(disk, path, new Uint8Array(1));
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    await disk.remove(path);
  }
  return { release: () => {} };
}

export async function checkUnlocked(): Promise<void> {}
