/**
 * The few file operations of the log, asynchronous, so that a sync never stops the event loop. A seam: tests put
 * short writes, full and failing disks and slow syncs behind it.
 */
import * as fs from "node:fs";
import { dirname } from "node:path";

import { MuaraError } from "../../core/errors.ts";

export interface Disk {
  /** `create` fails where the file exists. @returns a file descriptor */
  open(path: string, mode: "read" | "write" | "create"): Promise<number>;
  close(fd: number): Promise<void>;
  /** May read less than asked. @returns bytes read, 0 at the end of the file */
  read(fd: number, target: Uint8Array, position: number): Promise<number>;
  /** May write less than asked, as the system does on a full disk. @returns bytes written */
  write(fd: number, source: Uint8Array, position: number): Promise<number>;
  /** Makes the file's bytes and length durable. */
  datasync(fd: number): Promise<void>;
  truncate(fd: number, length: number): Promise<void>;
  /** @returns bytes; undefined where no such file exists */
  size(path: string): Promise<number | undefined>;
  /** Bytes that a file system has left for this process; undefined where nobody knows. */
  freeBytes?(path: string): Promise<number | undefined>;
  /** @returns undefined where no such file exists */
  readFile(path: string): Promise<Uint8Array | undefined>;
  /** Names in a directory, in no order. */
  list(directory: string): Promise<readonly string[]>;
  rename(from: string, to: string): Promise<void>;
  /** Removing what does not exist is no error. */
  remove(path: string): Promise<void>;
  makeDirectory(path: string): Promise<void>;
  /** Makes names created, renamed or removed in the directory durable. */
  syncDirectory(path: string): Promise<void>;
}

const FLAGS = { read: "r", write: "r+", create: "wx+" } as const;

export const systemDisk: Disk = {
  open: (path, mode) => call((done) => fs.open(path, FLAGS[mode], done)),
  close: (fd) => run((done) => fs.close(fd, done)),
  read: (fd, target, position) =>
    call((done) => fs.read(fd, target, 0, target.length, position, (error, read) => done(error, read))),
  write: (fd, source, position) =>
    call((done) =>
      fs.write(fd, source, 0, source.length, position, (error, written) => done(error, written)),
    ),
  datasync: (fd) => run((done) => fs.fdatasync(fd, done)),
  truncate: (fd, length) => run((done) => fs.ftruncate(fd, length, done)),
  size: (path) => absentAsUndefined(fs.promises.stat(path).then((stat) => stat.size)),
  freeBytes: (path) =>
    fs.promises.statfs(path).then(
      ({ bavail, bsize }) => bavail * bsize,
      () => undefined,
    ),
  readFile: (path) => absentAsUndefined(fs.promises.readFile(path)),
  list: (directory) => fs.promises.readdir(directory),
  rename: (from, to) => fs.promises.rename(from, to),
  remove: (path) => fs.promises.rm(path, { force: true }),
  makeDirectory: async (path) => {
    await fs.promises.mkdir(path, { recursive: true });
  },
  syncDirectory: async (path) => {
    const fd = await call<number>((done) => fs.open(path, "r", done));
    try {
      await run((done) => fs.fsync(fd, done));
    } finally {
      await run((done) => fs.close(fd, done));
    }
  },
};

/**
 * The same disk; `onFailed` is told of every directory that could not be synced, also where whoever asked can do
 * without (caches). The kernel reports such an error once: the next sync of that directory may succeed and cover
 * names that matter, without having written any.
 */
export function watchDirectories(disk: Disk, onFailed: (cause: unknown) => void): Disk {
  return {
    open: (path, mode) => disk.open(path, mode),
    close: (fd) => disk.close(fd),
    read: (fd, target, position) => disk.read(fd, target, position),
    write: (fd, source, position) => disk.write(fd, source, position),
    datasync: (fd) => disk.datasync(fd),
    truncate: (fd, length) => disk.truncate(fd, length),
    size: (path) => disk.size(path),
    freeBytes: async (path) => disk.freeBytes?.(path),
    readFile: (path) => disk.readFile(path),
    list: (directory) => disk.list(directory),
    rename: (from, to) => disk.rename(from, to),
    remove: (path) => disk.remove(path),
    makeDirectory: (path) => disk.makeDirectory(path),
    syncDirectory: (path) =>
      disk.syncDirectory(path).catch((error: unknown) => {
        onFailed(error);
        throw error;
      }),
  };
}

/** Writes all of `source`; a short write is followed by another, which then tells what is wrong. */
export async function writeFully(
  disk: Disk,
  fd: number,
  source: Uint8Array,
  position: number,
): Promise<void> {
  let written = await disk.write(fd, source, position);
  while (written < source.length) {
    const more = await disk.write(fd, source.subarray(written), position + written);
    if (more === 0) throw Object.assign(new Error("the disk takes no more bytes"), { code: "ENOSPC" });
    written += more;
  }
}

/** Fills `target`. @returns bytes read, fewer only at the end of the file */
export async function readFully(
  disk: Disk,
  fd: number,
  target: Uint8Array,
  position: number,
): Promise<number> {
  let filled = 0;
  while (filled < target.length) {
    const read = await disk.read(fd, target.subarray(filled), position + filled);
    if (read === 0) break;
    filled += read;
  }
  return filled;
}

/** Puts a whole small file in place: temporary name, sync, rename, directory sync. Old or new after a crash. */
export async function replaceFile(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`;
  await disk.remove(temporary);
  const fd = await disk.open(temporary, "create");
  try {
    await writeFully(disk, fd, bytes, 0);
    await disk.datasync(fd);
  } catch (error) {
    await disk.remove(temporary); // half of it would take room on a disk that is full
    throw error;
  } finally {
    await disk.close(fd);
  }
  await disk.rename(temporary, path);
  await disk.syncDirectory(dirname(path));
}

export function isDiskFull(error: unknown): boolean {
  const code = codeOf(error);
  return code === "ENOSPC" || code === "EDQUOT";
}

/** Whether a sync failed, of a file or a directory. */
export function isSyncFailure(error: unknown): boolean {
  const syscall = error instanceof Error && "syscall" in error ? error.syscall : undefined;
  return syscall === "fsync" || syscall === "fdatasync";
}

/** Says which file, and at which byte, is not what was written. */
export function corrupt(path: string, position: number, what: string): MuaraError {
  return new MuaraError("log.corrupt", `${path} is damaged at byte ${position}: ${what}`, {
    details: { file: path, position },
  });
}

/** A callback of node:fs as a promise; cheaper than a FileHandle, and the same on Deno. */
function call<T>(start: (done: (error: Error | null, value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error ? reject(error) : resolve(value)));
  });
}

function run(start: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error ? reject(error) : resolve()));
  });
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

async function absentAsUndefined<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}
