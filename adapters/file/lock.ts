/**
 * One writer per directory, held by the operating system: the exclusive lock of an SQLite file (`fcntl`), the only
 * file lock that Node and Deno both ship. The kernel drops it when the process ends, however it ends, so there are
 * no stale locks and nothing is guessed from process ids, which containers reuse. The process id kept beside it
 * only makes the error message useful.
 *
 * Nothing else may open the lock file: closing any descriptor of it in this process would drop the lock.
 */
import { join } from "node:path";
import process from "node:process";

import { MuaraError } from "../../core/errors.ts";
import { type Disk, isDiskFull, replaceFile } from "./disk.ts";

/** How long to wait for somebody who only looks whether the lock is free, ms. */
const LOOK_MS = 200;

export interface DirectoryLock {
  release(): void;
}

/** @throws log.locked when another process, or another log in this one, holds the directory */
export async function lockDirectory(disk: Disk, directory: string): Promise<DirectoryLock> {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(join(directory, "lock"));
  try {
    database.exec(`PRAGMA busy_timeout = ${LOOK_MS}; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE`);
  } catch (error) {
    database.close();
    throw await lockedError(disk, directory, error);
  }
  try {
    await noteOwner(disk, join(directory, "owner.json"));
  } catch (error) {
    database.close();
    throw error;
  }
  return { release: () => database.close() };
}

/** For messages only: where the disk is full the log opens without, so that it can be read and made smaller. */
async function noteOwner(disk: Disk, path: string): Promise<void> {
  try {
    await replaceFile(disk, path, Buffer.from(JSON.stringify({ pid: process.pid })));
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    await disk.remove(path); // it names somebody else
  }
}

/** Makes sure that nobody writes at this moment; keeps no lock. @throws log.locked */
export async function checkUnlocked(disk: Disk, directory: string): Promise<void> {
  const path = join(directory, "lock");
  if ((await disk.size(path)) === undefined) return;
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    database.exec(`PRAGMA busy_timeout = ${LOOK_MS}; BEGIN; SELECT 1 FROM sqlite_master`);
  } catch (error) {
    throw await lockedError(disk, directory, error);
  } finally {
    database.close();
  }
}

async function lockedError(disk: Disk, directory: string, cause: unknown): Promise<unknown> {
  if (!(cause instanceof Error) || !cause.message.includes("locked")) return cause;
  const owner = await disk.readFile(join(directory, "owner.json"));
  const { pid }: { pid?: number } = owner ? JSON.parse(Buffer.from(owner).toString()) : {};
  const who = pid === undefined ? "another process" : `process ${pid}`;
  return new MuaraError("log.locked", `${who} owns the log in ${directory}`, {
    details: { directory, ...(pid === undefined ? {} : { pid }) },
    cause,
  });
}
