/**
 * ObjectStore in a directory of one machine; several of its processes may share it.
 *
 * New names appear by `link(2)` of a synced temporary file: whole, and for one of many racers only. (`open("wx")`
 * would show half a file, `rename` would let two win.) Then the directory is synced, because a name is not durable
 * before. Temporary files and locks live in `ROOT/.store/`, on the same file system; dot names are never listed.
 *
 * Overwriting and deleting need "read, compare, replace" as one step, so they hold a lock file (path-lock.ts).
 * Syncs that fail. Of a file's bytes: the file is a temporary one, nobody knows it and it is thrown away; the next
 * try writes other pages of another file, so its success means what it says (`store.unavailable`, tried again). Of a
 * directory: the name is visible, and a second sync may succeed without having written anything, since the kernel
 * reports an error once and forgets it (fsyncgate). So it is never repeated: the outcome is `unknown`, the store
 * takes no more writes, and `onFatal` is told, which ends the process. A `done` built on a repeated sync could let
 * the log forget events whose commit a power cut takes back.
 */
import { createHash, randomUUID } from "node:crypto";
import {
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  stat,
  unlink,
} from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { type Clock, systemClock } from "../../core/clock.ts";
import { hasCode, isStoreTrouble, MuaraError } from "../../core/errors.ts";
import type { ByteSource, ObjectStore, PutOutcome, StoredObject } from "../../core/ports/object-store.ts";
import {
  checkReadPath,
  checkStorePath,
  checkStorePrefix,
  isStorePath,
  joinStorePath,
} from "../../core/store-path.ts";
import { hasErrno, withPathLock } from "./path-lock.ts";

const OWN_FOLDER = ".store";
const LEFTOVER_AGE_MS = 3_600_000; // longer than any write takes
const ETAG_BY_CONTENT_BYTES_MAX = 1_048_576; // larger objects are told apart by inode, size and time
const DURABLE_FOLDERS_MAX = 10_000;
const COPY_BYTES = 1_048_576;
/** A `link` or `rename` that failed so has changed nothing. Not EIO: that may have. */
const CERTAIN = [
  "EISDIR",
  "ENOTDIR",
  "ENOTEMPTY",
  "ENOSPC",
  "EDQUOT",
  "EROFS",
  "EACCES",
  "EPERM",
  "EMLINK",
] as const;

export interface FileObjectStoreOptions {
  /** Directory; created when absent. */
  readonly root: string;
  readonly clock?: Clock;
  /** Told once when a directory could not be synced; the process should end, since every write fails from here on. */
  readonly onFatal?: (error: MuaraError) => void;
}

export function createFileObjectStore(options: FileObjectStoreOptions): ObjectStore {
  const files = new Files(resolve(options.root), options.clock ?? systemClock, options.onFatal);
  return {
    location: (path) => join(files.root, path === "" ? "" : checkReadPath(path)),
    put: (path, bytes) => files.put(path, bytes),
    putFrom: (path, source) => files.put(path, source),
    putIfAbsent: (path, bytes) => files.putIfAbsent(path, bytes),
    putIfMatch: (path, bytes, etag) => files.putIfMatch(path, bytes, etag),
    get: (path) => read(() => readWhole(files.readable(path))),
    getRange: (path, at, length) => read(() => readRange(files.readable(path), at, length)),
    head: (path) => read(() => files.head(path)),
    list: (prefix) => files.list(prefix),
    folders: (prefix) => files.folders(prefix),
    clearLeftovers: (begunBeforeMs) => files.clearLeftovers(begunBeforeMs),
    delete: (path) => files.delete(path),
  };
}

class Files {
  readonly root: string;
  readonly #clock: Clock;
  readonly #onFatal: ((error: MuaraError) => void) | undefined;
  #fatal: MuaraError | undefined;
  /** Folders whose own name is known to be durable. */
  readonly #durable = new Set<string>();
  #isSwept = false;

  constructor(root: string, clock: Clock, onFatal: ((error: MuaraError) => void) | undefined) {
    this.root = root;
    this.#clock = clock;
    this.#onFatal = onFatal;
  }

  file(path: string): string {
    return join(this.root, checkStorePath(path));
  }

  readable(path: string): string {
    return join(this.root, checkReadPath(path));
  }

  async put(path: string, bytes: Uint8Array | ByteSource): Promise<void> {
    const file = this.file(path);
    await this.#withTemporary(file, bytes, async (temporary) => {
      try {
        if (!(await this.#link(temporary, file))) await this.#locked(path, () => rename(temporary, file));
        await this.#syncFolder(dirname(file));
      } catch (error) {
        throw unavailable(error);
      }
    });
  }

  async putIfAbsent(path: string, bytes: Uint8Array): Promise<PutOutcome> {
    const file = this.file(path);
    return this.#withTemporary(file, bytes, async (temporary) => {
      let isVisible = false;
      try {
        const etag = await etagOf(temporary);
        isVisible = await this.#link(temporary, file);
        if (isVisible) {
          await this.#syncFolder(dirname(file));
          return { outcome: "done", etag };
        }
        if ((await lstat(file).catch(ignoreAbsence))?.isDirectory()) throw folderInTheWay(path);
        await this.#syncFolder(dirname(file)); // what refused us, perhaps our own earlier try, is durable from here on
        return { outcome: "refused" };
      } catch (error) {
        return outcomeOf(error, isVisible);
      }
    });
  }

  async putIfMatch(path: string, bytes: Uint8Array, etag: string): Promise<PutOutcome> {
    const file = this.file(path);
    return this.#withTemporary(file, bytes, async (temporary) => {
      let isVisible = false;
      try {
        const etagNew = await etagOf(temporary);
        await this.#locked(path, async () => {
          if ((await etagOf(file).catch(ignoreAbsence)) !== etag) return;
          await rename(temporary, file);
          isVisible = true;
        });
        if (!isVisible) return { outcome: "refused" };
        await this.#syncFolder(dirname(file));
        return { outcome: "done", etag: etagNew };
      } catch (error) {
        return outcomeOf(error, isVisible);
      }
    });
  }

  async head(path: string): Promise<StoredObject & { etag: string }> {
    const file = this.readable(path);
    const status = await stat(file);
    if (status.isDirectory()) throw Object.assign(new Error("a folder is no object"), { code: "EISDIR" });
    return { path, bytes: status.size, modifiedMs: Math.floor(status.mtimeMs), etag: await etagOf(file) };
  }

  async list(prefix: string): Promise<readonly StoredObject[]> {
    const found: StoredObject[] = [];
    const walk = async (folder: string): Promise<void> => {
      const entries = await readdir(join(this.root, folder), { withFileTypes: true });
      for (const entry of entries) {
        const path = joinStorePath(folder, entry.name);
        if (!isStorePath(path)) continue;
        if (entry.isDirectory()) await walk(path).catch(ignoreAbsence);
        else if (entry.isFile()) {
          const status = await stat(join(this.root, path)).catch(ignoreAbsence);
          if (status) found.push({ path, bytes: status.size, modifiedMs: Math.floor(status.mtimeMs) });
        }
      }
    };
    await read(() => walk(checkStorePrefix(prefix)));
    return found.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  async folders(prefix: string): Promise<readonly string[]> {
    const folder = checkStorePrefix(prefix);
    const entries = await read(() => readdir(join(this.root, folder), { withFileTypes: true }));
    const inside = (entries ?? []).filter((entry) => entry.isDirectory());
    return inside
      .map((entry) => joinStorePath(folder, entry.name))
      .filter(isStorePath)
      .sort();
  }

  async delete(path: string): Promise<void> {
    const file = this.file(path);
    if ((await read(() => lstat(file)))?.isFile() !== true) return;
    if (this.#fatal) throw this.#fatal;
    try {
      await this.#ownFolder();
      await this.#locked(path, () => unlink(file).catch(ignoreAbsence));
      await this.#syncFolder(dirname(file));
    } catch (error) {
      throw unavailable(error);
    }
  }

  /**
   * Gives `work` a synced file with `bytes`, and the folder of `file`.
   * @throws store.unavailable, store.full before `work` has begun: nothing is visible then; store.sync_failed ever
   *   after a directory could not be synced
   */
  async #withTemporary<T>(
    file: string,
    bytes: Uint8Array | ByteSource,
    work: (temporary: string) => Promise<T>,
  ): Promise<T> {
    if (this.#fatal) throw this.#fatal;
    const temporary = join(this.root, OWN_FOLDER, `${randomUUID()}.tmp`);
    try {
      try {
        await this.#prepare(temporary, file, bytes);
      } catch (error) {
        throw unavailable(error);
      }
      return await work(temporary);
    } finally {
      await unlink(temporary).catch(() => undefined); // renamed away, or left for the sweep
    }
  }

  async #prepare(temporary: string, file: string, bytes: Uint8Array | ByteSource): Promise<void> {
    for (let isRepeated = false; ; isRepeated = true) {
      try {
        await this.#ownFolder();
        await this.#durableFolder(dirname(file));
        await writeSynced(temporary, bytes);
        return;
      } catch (error) {
        if (isRepeated || !hasErrno(error, "ENOENT")) throw error;
        this.#durable.clear(); // somebody removed a folder that we knew
      }
    }
  }

  /** @returns false where the name is taken */
  async #link(temporary: string, file: string): Promise<boolean> {
    try {
      await link(temporary, file);
      return true;
    } catch (error) {
      if (hasErrno(error, "EEXIST")) return false;
      if (!hasErrno(error, "ENOENT")) throw error;
    }
    this.#durable.clear(); // somebody removed an empty folder that we knew
    await this.#durableFolder(dirname(file));
    await link(temporary, file);
    return true;
  }

  /** Makes the names in a folder durable. @throws store.sync_failed, for this write and all later ones */
  async #syncFolder(folder: string): Promise<void> {
    const handle = await open(folder, "r");
    try {
      await handle.sync().catch((cause: unknown) => {
        const failure = `names in ${folder} cannot be made durable: ${String(cause)}`;
        this.#fatal ??= new MuaraError("store.sync_failed", failure, { cause });
        this.#onFatal?.(this.#fatal);
        throw this.#fatal;
      });
      if (this.#fatal) throw this.#fatal; // another's sync took the error that was meant for this one, perhaps
    } finally {
      await handle.close();
    }
  }

  #locked<T>(path: string, work: () => Promise<T>): Promise<T> {
    const name = createHash("sha256").update(path).digest("hex").slice(0, 32);
    return withPathLock(join(this.root, OWN_FOLDER, `${name}.lock`), work, { clock: this.#clock });
  }

  async #ownFolder(): Promise<void> {
    const folder = join(this.root, OWN_FOLDER);
    await this.#durableFolder(folder);
    if (this.#isSwept) return;
    this.#isSwept = true;
    await this.clearLeftovers(this.#clock.nowMs() - LEFTOVER_AGE_MS);
  }

  /** Temporary files only: a lock says itself whether its owner lives. */
  async clearLeftovers(begunBeforeMs: number): Promise<number> {
    const folder = join(this.root, OWN_FOLDER);
    let cleared = 0;
    for (const name of (await readdir(folder).catch(ignoreAbsence)) ?? []) {
      if (!name.endsWith(".tmp")) continue;
      const status = await stat(join(folder, name)).catch(ignoreAbsence);
      if (!status || status.mtimeMs >= begunBeforeMs) continue;
      await unlink(join(folder, name)).catch(ignoreAbsence);
      cleared++;
    }
    return cleared;
  }

  /** Creates `folder` and its parents; returns when their names are durable, whoever created them. */
  async #durableFolder(folder: string): Promise<void> {
    if (this.#durable.has(folder)) return;
    const isInside = folder.length > this.root.length;
    if (isInside || !(await stat(folder).catch(ignoreAbsence))) {
      await this.#durableFolder(dirname(folder));
      await mkdir(folder).catch((error: unknown) => {
        if (!hasErrno(error, "EEXIST")) throw error;
      });
      await this.#syncFolder(dirname(folder));
    }
    if (this.#durable.size >= DURABLE_FOLDERS_MAX) this.#durable.clear();
    this.#durable.add(folder);
  }
}

/** Creates the file; returns when its bytes are durable. */
async function writeSynced(file: string, content: Uint8Array | ByteSource): Promise<void> {
  const handle = await open(file, "wx");
  try {
    if (content instanceof Uint8Array) await handle.writeFile(content);
    else
      for (let at = 0; at < content.bytes; at += COPY_BYTES)
        await handle.writeFile(await content.read(at, Math.min(COPY_BYTES, content.bytes - at)));
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function readWhole(file: string): Promise<Uint8Array> {
  const { buffer, byteOffset, length } = await readFile(file);
  return new Uint8Array(buffer, byteOffset, length); // a Buffer's slice would alias
}

async function readRange(file: string, at: number, length: number): Promise<Uint8Array> {
  const handle = await open(file, "r");
  try {
    const { size } = await handle.stat();
    const bytes = new Uint8Array(Math.max(0, Math.min(length, size - at)));
    const count = await readFully(handle, bytes, at);
    return bytes.subarray(0, count);
  } finally {
    await handle.close();
  }
}

async function readFully(handle: FileHandle, bytes: Uint8Array, at: number): Promise<number> {
  let count = 0;
  while (count < bytes.length) {
    const { bytesRead } = await handle.read(bytes, count, bytes.length - count, at + count);
    if (bytesRead === 0) break;
    count += bytesRead;
  }
  return count;
}

/** By content where that is cheap; an inode number alone comes back as soon as its file is deleted. */
async function etagOf(file: string): Promise<string> {
  const status = await stat(file);
  if (status.size > ETAG_BY_CONTENT_BYTES_MAX) {
    return `${status.ino}-${status.size}-${Math.floor(status.mtimeMs)}`;
  }
  return createHash("sha256")
    .update(await readFile(file))
    .digest("hex")
    .slice(0, 32);
}

/** @returns undefined where there is no object @throws store.unavailable */
async function read<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (hasErrno(error, "ENOENT", "ENOTDIR", "EISDIR")) return undefined;
    throw unavailable(error);
  }
}

function ignoreAbsence(error: unknown): undefined {
  if (hasErrno(error, "ENOENT", "ENOTDIR")) return undefined;
  throw error;
}

function unavailable(error: unknown): unknown {
  if (hasErrno(error, "EISDIR", "ENOTDIR", "ENOTEMPTY")) {
    return new MuaraError("store.path", "a folder and an object would share a name", { cause: error });
  }
  if (!(error instanceof Error) || !("code" in error) || error instanceof MuaraError) return error;
  if (hasErrno(error, "ENOSPC", "EDQUOT"))
    return new MuaraError("store.full", "the disk of the directory store is full", { cause: error });
  return new MuaraError("store.unavailable", `the directory store failed: ${String(error.code)}`, {
    cause: error,
  });
}

function folderInTheWay(path: string): MuaraError {
  return new MuaraError("store.path", "a folder of that name exists", { details: { path } });
}

/** @throws where it is certain that nothing became visible */
function outcomeOf(error: unknown, isVisible: boolean): PutOutcome {
  const isCertain = hasCode(error, "store.path") || isStoreTrouble(error) || hasErrno(error, ...CERTAIN);
  if (!isVisible && isCertain) throw unavailable(error);
  return { outcome: "unknown", cause: error };
}
