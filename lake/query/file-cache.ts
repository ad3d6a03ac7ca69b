/**
 * Data files of a lake on S3 as local files, because the query process has no network. Data files never change, so a
 * copy is right for ever; it is known by the object's path, size and time of writing.
 *
 * The budget is hard. A query leases all files that it reads at once, or waits until others have ended: two queries
 * that each hold half of what they need would wait for each other for ever. A query that needs more than the whole
 * budget is refused. What nobody uses goes when room is needed, the longest unused first.
 *
 * Nothing is synced: the copies of an earlier start of the machine are not trusted, but thrown away.
 */
import { createHash } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import type { Randomness } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import { copyObject } from "../local-copy.ts";

const PARALLEL_FILES = 16;
const NAME = /^[0-9a-f]{40}-(\d{1,15})\.parquet$/;

export interface RemoteFile {
  /** In the store. */
  readonly path: string;
  readonly bytes: number;
  /** As the table's log says, ms since 1970 UTC. */
  readonly modifiedMs: number;
}

export interface Lease {
  /** Absolute paths, in the order asked for. They stay until the lease is released. */
  readonly paths: readonly string[];
  readonly release: () => void;
}

export interface FileCacheOptions {
  readonly store: ObjectStore;
  /** Only for this cache and for one process at a time; deleting it while none runs costs time only. */
  readonly folder: string;
  readonly budgetBytes: number;
  readonly randomness: Randomness;
  readonly logger: Logger;
}

interface Entry {
  readonly name: string;
  readonly bytes: number;
  /** Resolves when the file is there. */
  readonly ready: Promise<void>;
  isReady: boolean;
  users: number;
  /** Goes as soon as nobody uses it. */
  isDoomed: boolean;
}

type Need = ReadonlyMap<string, RemoteFile>;

interface Waiting {
  readonly need: Need;
  readonly admit: (entries: readonly Entry[]) => void;
}

export class FileCache {
  /** Absolute; of this start of the machine. */
  readonly folder: string;
  readonly #options: FileCacheOptions;
  /** By file name, the longest unused first. */
  readonly #entries = new Map<string, Entry>();
  readonly #waiting: Waiting[] = [];
  readonly #slots = new Slots(PARALLEL_FILES);
  #bytes = 0;

  private constructor(options: FileCacheOptions) {
    this.#options = options;
    this.folder = path.join(path.resolve(options.folder), `boot-${bootId() ?? options.randomness.uuid()}`);
  }

  /** Takes over what an earlier process has left. */
  static async open(options: FileCacheOptions): Promise<FileCache> {
    const cache = new FileCache(options);
    await cache.#adopt();
    return cache;
  }

  /** Of the copies, and of those under way. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * @throws sql.cache_too_small, table.version_not_found where a file is gone, table.corrupt where it has another
   *   length, store.unavailable, store.full; the signal's reason when it is aborted
   */
  async lease(files: readonly RemoteFile[], signal: AbortSignal): Promise<Lease> {
    const need = new Map(files.map((file) => [nameOf(file), file]));
    const needBytes = sum([...need.values()].map(({ bytes }) => bytes));
    const { budgetBytes } = this.#options;
    if (needBytes > budgetBytes)
      throw new MuaraError(
        "sql.cache_too_small",
        `The query reads files of ${needBytes} bytes, the local cache holds ${budgetBytes}.`,
        { details: { bytes: needBytes, cacheBytes: budgetBytes, files: need.size } },
      );
    const entries = await this.#admission(need, signal);
    let isReleased = false;
    const release = (): void => {
      if (!isReleased) this.#release(entries);
      isReleased = true;
    };
    try {
      await Promise.race([Promise.all(entries.map(({ ready }) => ready)), aborted(signal)]);
      return { paths: files.map((file) => path.join(this.folder, nameOf(file))), release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Deletes every copy: at once, or as soon as nobody uses it. For when data files must be gone everywhere. */
  clear(): void {
    for (const entry of this.#entries.values())
      if (isBusy(entry)) entry.isDoomed = true;
      else this.#drop(entry);
  }

  /** At once: the same file may be fetched again before anything else happens. */
  #drop({ name, bytes }: Entry): void {
    this.#entries.delete(name);
    this.#bytes -= bytes;
    rmSync(path.join(this.folder, name), { force: true });
  }

  /** Waits for room, first come, first served. All that is needed is then reserved and on its way. */
  async #admission(need: Need, signal: AbortSignal): Promise<readonly Entry[]> {
    const entries = this.#waiting.length === 0 ? this.#reserve(need) : undefined;
    if (entries) return entries;
    const admitted = Promise.withResolvers<readonly Entry[]>();
    const waiting: Waiting = { need, admit: admitted.resolve };
    this.#waiting.push(waiting);
    try {
      return await Promise.race([admitted.promise, aborted(signal)]);
    } catch (error) {
      const place = this.#waiting.indexOf(waiting);
      if (place >= 0) this.#waiting.splice(place, 1);
      else void admitted.promise.then((late) => this.#release(late)); // admitted in the same moment
      this.#admitWaiting();
      throw error;
    }
  }

  #release(entries: readonly Entry[]): void {
    for (const entry of entries) {
      entry.users--;
      if (entry.isDoomed && !isBusy(entry) && this.#entries.get(entry.name) === entry) this.#drop(entry);
    }
    this.#admitWaiting();
  }

  #admitWaiting(): void {
    for (;;) {
      const [first] = this.#waiting;
      const entries = first && this.#reserve(first.need);
      if (!entries) return;
      this.#waiting.shift();
      first.admit(entries);
    }
  }

  /** @returns undefined, with nothing changed, where what others use leaves too little room */
  #reserve(need: Need): readonly Entry[] | undefined {
    const missing = [...need].filter(([name]) => !this.#entries.has(name));
    const missingBytes = sum(missing.map(([, { bytes }]) => bytes));
    const staying = [...this.#entries].filter(([name, entry]) => isBusy(entry) || need.has(name));
    const stayingBytes = sum(staying.map(([, { bytes }]) => bytes));
    if (stayingBytes + missingBytes > this.#options.budgetBytes) return undefined;
    this.#makeRoom(missingBytes, need);
    for (const [name, file] of missing) this.#fetch(name, file);
    return [...need.keys()].map((name) => {
      const entry = this.#entries.get(name)!;
      this.#entries.delete(name); // the newest use last
      this.#entries.set(name, entry);
      entry.users++;
      return entry;
    });
  }

  #makeRoom(bytes: number, need: Need): void {
    for (const [name, entry] of this.#entries) {
      if (this.#bytes + bytes <= this.#options.budgetBytes) return;
      if (!isBusy(entry) && !need.has(name)) this.#drop(entry);
    }
  }

  #fetch(name: string, file: RemoteFile): void {
    const ready = this.#slots.run(() => this.#download(name, file));
    const entry: Entry = { name, bytes: file.bytes, users: 0, isReady: false, isDoomed: false, ready };
    this.#bytes += file.bytes;
    this.#entries.set(name, entry);
    const settled = (isThere: boolean): void => {
      entry.isReady = isThere;
      if (isThere && entry.isDoomed && entry.users === 0) this.#drop(entry);
      if (!isThere) {
        // Whoever waits for it hears of it; the next one tries anew.
        this.#entries.delete(name);
        this.#bytes -= file.bytes;
      }
      this.#admitWaiting();
    };
    void ready.then(
      () => settled(true),
      () => settled(false),
    );
  }

  async #download(name: string, file: RemoteFile): Promise<void> {
    const temporary = path.join(this.folder, `${this.#options.randomness.uuid()}.tmp`);
    try {
      await copyObject(this.#options.store, file, temporary);
      await rename(temporary, path.join(this.folder, name));
    } catch (error) {
      await rm(temporary, { force: true });
      throw asTrouble(error);
    }
  }

  async #adopt(): Promise<void> {
    const parent = path.dirname(this.folder);
    await mkdir(this.folder, { recursive: true });
    for (const name of await readdir(parent))
      if (name !== path.basename(this.folder))
        await rm(path.join(parent, name), { recursive: true, force: true });
    const found: { name: string; bytes: number; usedMs: number }[] = [];
    for (const name of await readdir(this.folder)) {
      const file = path.join(this.folder, name);
      const { size, atimeMs, mtimeMs } = await stat(file);
      const usedMs = Math.max(atimeMs, mtimeMs);
      if (Number(NAME.exec(name)?.[1]) === size) found.push({ name, bytes: size, usedMs });
      else await rm(file, { recursive: true, force: true });
    }
    for (const { name, bytes } of found.toSorted((a, b) => a.usedMs - b.usedMs)) {
      const ready = Promise.resolve();
      this.#entries.set(name, { name, bytes, users: 0, isReady: true, isDoomed: false, ready });
      this.#bytes += bytes;
    }
    this.#makeRoom(0, new Map());
    const { logger, budgetBytes } = this.#options;
    logger.info("files of the lake are kept in a local cache", {
      bytes: this.#bytes,
      budget_bytes: budgetBytes,
    });
  }
}

/** So many at a time, the others after them. */
class Slots {
  #free: number;
  readonly #queue: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#queue.shift();
      if (next) next();
      else this.#free++;
    }
  }
}

function isBusy({ users, isReady }: Entry): boolean {
  return users > 0 || !isReady;
}

function nameOf({ path: from, bytes, modifiedMs }: RemoteFile): string {
  const digest = createHash("sha256").update(`${from}\n${bytes}\n${modifiedMs}`).digest("hex");
  return `${digest.slice(0, 40)}-${bytes}.parquet`;
}

/** Another one after each start of the machine; undefined where it does not tell. */
function bootId(): string | undefined {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  } catch {
    return undefined;
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const end = (): void => {
      const reason: unknown = signal.reason;
      reject(reason instanceof Error ? reason : new Error("aborted"));
    };
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });
}

function asTrouble(error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code !== "ENOSPC" && code !== "EDQUOT") return error;
  return new MuaraError("store.full", "The disk of the query cache is full.", { cause: error });
}
