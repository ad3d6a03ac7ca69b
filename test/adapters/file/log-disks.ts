/** Disks for the tests of the log: without syncs, with faults, and one that loses what was not synced. */
import { readFileSync, renameSync, rmSync, truncateSync, writeFileSync, existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { type Disk, systemDisk } from "../../../adapters/file/disk.ts";

/** Where tests that sync nothing keep their files. */
export const quickRoot: string = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/** Durability is not the point of most tests, and syncs are slow on a busy machine. */
export const quickDisk: Disk = { ...systemDisk, datasync: async () => {}, syncDirectory: async () => {} };

export function diskError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code });
}

/** A sync that takes until it is let go. */
export class SlowSync {
  count = 0;
  #release: () => void = () => {};

  readonly datasync = (): Promise<void> => {
    this.count++;
    return new Promise((resolve) => (this.#release = resolve));
  };

  release(): void {
    this.#release();
  }
}

/** A disk whose operations can be replaced one by one. */
export function hookedDisk(hooks: Partial<Disk>, base: Disk = quickDisk): Disk {
  return { ...base, ...hooks };
}

export class Crash extends Error {}

/**
 * Stops at the `crashAt`-th operation that changes anything, half way through if that is a write; nothing works any
 * more afterwards. `lose` then takes back what was never synced, as a machine without power does: bytes beyond the
 * last synced length, and names whose directory was not synced.
 */
export class CrashDisk implements Disk {
  operations = 0;
  readonly #crashAt: number;
  readonly #files = new Map<number, { path: string; synced: number }>();
  readonly #lengths = new Map<string, number>(); // synced length by current path
  #undo: (() => void)[] = [];

  constructor(crashAt: number) {
    this.#crashAt = crashAt;
  }

  #count(half?: () => Promise<unknown>): Promise<void> {
    this.operations++;
    if (this.operations < this.#crashAt) return Promise.resolve();
    const crash = (): never => {
      throw new Crash(`crash at operation ${this.#crashAt}`);
    };
    return this.operations === this.#crashAt && half ? half().then(crash) : Promise.resolve().then(crash);
  }

  async open(path: string, mode: "read" | "write" | "create"): Promise<number> {
    if (mode === "read") return systemDisk.open(path, mode);
    await this.#count();
    const fd = await systemDisk.open(path, mode);
    if (mode === "create") {
      this.#undo.push(() => rmSync(path, { force: true }));
      this.#lengths.set(path, 0);
    } else this.#lengths.set(path, (await systemDisk.size(path))!);
    this.#files.set(fd, { path, synced: 0 });
    return fd;
  }

  async close(fd: number): Promise<void> {
    this.#files.delete(fd);
    return systemDisk.close(fd);
  }

  read(fd: number, target: Uint8Array, position: number): Promise<number> {
    return systemDisk.read(fd, target, position);
  }

  async write(fd: number, source: Uint8Array, position: number): Promise<number> {
    await this.#count(() => systemDisk.write(fd, source.subarray(0, source.length >> 1), position));
    return systemDisk.write(fd, source, position);
  }

  async datasync(fd: number): Promise<void> {
    await this.#count();
    const path = this.#files.get(fd)?.path;
    if (path !== undefined && existsSync(path)) this.#lengths.set(path, readFileSync(path).length);
  }

  async truncate(fd: number, length: number): Promise<void> {
    await this.#count();
    return systemDisk.truncate(fd, length);
  }

  size(path: string): Promise<number | undefined> {
    return systemDisk.size(path);
  }

  readFile(path: string): Promise<Uint8Array | undefined> {
    return systemDisk.readFile(path);
  }

  list(directory: string): Promise<readonly string[]> {
    return systemDisk.list(directory);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#count();
    const former = existsSync(to) ? readFileSync(to) : undefined;
    await systemDisk.rename(from, to);
    const length = this.#lengths.get(from);
    this.#lengths.delete(from);
    if (length !== undefined) this.#lengths.set(to, length);
    this.#undo.push(() => {
      if (existsSync(to)) renameSync(to, from);
      if (former) writeFileSync(to, former);
    });
  }

  async remove(path: string): Promise<void> {
    if (!existsSync(path)) return;
    await this.#count();
    const former = readFileSync(path);
    await systemDisk.remove(path);
    this.#lengths.delete(path);
    this.#undo.push(() => writeFileSync(path, former));
  }

  makeDirectory(path: string): Promise<void> {
    return systemDisk.makeDirectory(path);
  }

  async syncDirectory(): Promise<void> {
    await this.#count();
    this.#undo = [];
  }

  lose(): void {
    for (const [path, length] of this.#lengths)
      if (existsSync(path) && readFileSync(path).length > length) truncateSync(path, length);
    for (const undo of this.#undo.toReversed()) undo();
  }
}
