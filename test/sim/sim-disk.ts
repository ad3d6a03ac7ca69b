/**
 * A disk in memory with what a machine does to one. A file has two contents, the one that everybody sees (the page
 * cache) and the one that is durable; so have directories. A process that dies leaves the first, a machine without
 * power the second and, of what was written since, some: a part of it, zeros in its place, nothing. A sync that
 * failed leaves its bytes visible and never writes them (fsyncgate): only writing them again does.
 */
import { Buffer } from "node:buffer";
import type { Disk } from "../../adapters/file/disk.ts";
import type { Randomness } from "../../core/clock.ts";
import type { Fault, Faults } from "./faults.ts";

/** From here on bytes are shared with who wrote them, which is the log's reserve only. */
const SHARED_BYTES = 65_536;
const NOTHING = new Uint8Array(0);

interface Inode {
  bytes: Uint8Array;
  length: number;
  durable: Uint8Array;
  /** Written and not synced, in order. */
  dirty: { readonly from: number; readonly to: number }[];
}

/** How a call gets to the disk: it may wait, and never come back. */
export type Through = <Answer>(call: () => Promise<Answer>) => Promise<Answer>;

export interface SimDiskOptions {
  readonly random: Randomness;
  readonly faults: Faults;
  readonly nowMs: () => number;
}

export class SimDisk {
  readonly #options: SimDiskOptions;
  readonly #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  /** Changes of names since the last sync of the directory, in order. */
  #unsynced: ((names: Map<string, Inode>) => void)[] = [];
  readonly #open = new Map<number, Inode>();
  #fdNext = 3;
  /** Virtual ms until which it takes no more bytes. */
  fullUntilMs = 0;
  /** Whoever stands outside of the history looks at it: no faults, no waiting. */
  isLookedAt = false;

  constructor(options: SimDiskOptions) {
    this.#options = options;
  }

  /** The disk as one process sees it. */
  view(through: Through, wrote: () => Promise<void>): Disk {
    const change = async <Answer>(action: () => Answer): Promise<Answer> => {
      const answer = await call(action);
      await wrote();
      return answer;
    };
    const call = <Answer>(action: () => Answer): Promise<Answer> =>
      this.isLookedAt ? Promise.resolve(action()) : through(async () => action());
    return {
      open: (path, mode) => call(() => this.#openFile(path, mode)),
      close: async (fd) => void this.#open.delete(fd),
      read: (fd, target, position) => call(() => this.#read(this.#open.get(fd)!, target, position)),
      write: (fd, source, position) => change(() => this.#write(this.#open.get(fd)!, source, position)),
      datasync: (fd) => call(() => this.#datasync(this.#open.get(fd)!)),
      truncate: (fd, length) => call(() => this.#truncate(this.#open.get(fd)!, length)),
      size: (path) => call(() => this.#names.get(path)?.length),
      readFile: (path) => call(() => contentOf(this.#names.get(path))),
      list: (directory) =>
        call(() =>
          [...this.#names.keys()]
            .filter((path) => path.startsWith(`${directory}/`))
            .map((path) => path.slice(directory.length + 1)),
        ),
      rename: (from, to) => change(() => this.#rename(from, to)),
      remove: (path) => change(() => this.#remove(path)),
      makeDirectory: async () => {},
      syncDirectory: () => call(() => this.#syncDirectory()),
    };
  }

  /** The process is no more: its descriptors are closed, what it wrote stays visible. */
  processEnded(): void {
    this.#open.clear();
  }

  /** What was not synced is lost, in part or whole. */
  losePower(): void {
    const { random, faults } = this.#options;
    const kept = Math.floor(random.fraction() * (this.#unsynced.length + 1));
    if (kept < this.#unsynced.length) faults.note("unsynced names lost");
    for (const change of this.#unsynced.slice(0, kept)) change(this.#durableNames);
    this.#unsynced = [];
    this.#names.clear();
    for (const [path, inode] of this.#durableNames) {
      this.#names.set(path, inode);
      this.#loseBytes(inode);
    }
  }

  #loseBytes(inode: Inode): void {
    const { random, faults } = this.#options;
    if (inode.dirty.length === 0 && inode.length === inode.durable.length) return;
    faults.note("unsynced bytes lost");
    const before = contentOf(inode)!;
    let { durable } = inode;
    let left = Math.floor(random.fraction() * (inode.dirty.length + 1));
    for (const { from, to } of inode.dirty) {
      if (left-- < 0) break;
      const end = left < 0 ? from + Math.floor(random.fraction() * (to - from)) : to;
      durable = patched(durable, before.subarray(from, end), from);
    }
    const isLong = before.length > durable.length && random.fraction() < 0.25;
    if (isLong) durable = patched(durable, new Uint8Array(before.length - durable.length), durable.length);
    inode.durable = durable;
    inode.bytes = durable.slice();
    inode.length = durable.length;
    inode.dirty = [];
  }

  #openFile(path: string, mode: "read" | "write" | "create"): number {
    const found = this.#names.get(path);
    if (mode === "create" && found) throw diskError("EEXIST", "open");
    if (mode !== "create" && !found) throw diskError("ENOENT", "open");
    if (mode === "create") this.#checkRoom();
    const inode = found ?? { bytes: NOTHING, length: 0, durable: NOTHING, dirty: [] };
    if (!found) this.#change((names) => void names.set(path, inode));
    const fd = this.#fdNext++;
    this.#open.set(fd, inode);
    return fd;
  }

  #read(inode: Inode, target: Uint8Array, position: number): number {
    if (this.#strikes("disk: read fails", 0.3)) throw diskError("EIO", "read");
    const length = Math.max(0, Math.min(target.length, inode.length - position));
    target.set(inode.bytes.subarray(position, position + length));
    return length;
  }

  #write(inode: Inode, source: Uint8Array, position: number): number {
    // Writing over what is there takes no room, as on ext4 and XFS.
    const isLonger = position + source.length > inode.length;
    const isFull = isLonger && this.#options.nowMs() < this.fullUntilMs && !this.isLookedAt;
    const isShort = source.length > 1 && (isFull || this.#strikes("disk: short write"));
    // The first write to a disk that runs full is short, the next one tells why.
    if (isFull && this.#options.random.fraction() < 0.5) this.#checkRoom();
    if (this.#strikes("disk: write fails", 0.2)) throw diskError("EIO", "write");
    const count = isShort
      ? 1 + Math.floor(this.#options.random.fraction() * (source.length - 1))
      : source.length;
    const part = source.subarray(0, count);
    const isShared = position === 0 && inode.length === 0 && count >= SHARED_BYTES;
    if (isShared) inode.bytes = part;
    else {
      reserve(inode, position + count);
      inode.bytes.set(part, position);
    }
    inode.length = Math.max(inode.length, position + count);
    inode.dirty.push({ from: position, to: position + count });
    return count;
  }

  #datasync(inode: Inode): void {
    if (this.#strikes("disk: sync fails", 0.3)) {
      inode.dirty = []; // the system forgets that they were to be written
      throw diskError("EIO", "fdatasync");
    }
    if (inode.length >= SHARED_BYTES) inode.durable = inode.bytes.subarray(0, inode.length);
    else {
      let { durable } = inode;
      if (durable.length > inode.length) durable = durable.slice(0, inode.length);
      for (const { from, to } of inode.dirty) {
        const end = Math.min(to, inode.length);
        if (end > from) durable = patched(durable, inode.bytes.subarray(from, end), from);
      }
      inode.durable = durable;
    }
    inode.dirty = [];
  }

  #truncate(inode: Inode, length: number): void {
    reserve(inode, length);
    inode.bytes.fill(0, Math.min(length, inode.length));
    inode.length = length;
    inode.dirty = inode.dirty.flatMap(({ from, to }) =>
      from < length ? [{ from, to: Math.min(to, length) }] : [],
    );
  }

  #rename(from: string, to: string): void {
    const inode = this.#names.get(from);
    if (!inode) throw diskError("ENOENT", "rename");
    this.#change((names) => {
      names.delete(from);
      names.set(to, inode);
    });
  }

  #remove(path: string): void {
    if (this.#names.has(path)) this.#change((names) => void names.delete(path));
  }

  #change(change: (names: Map<string, Inode>) => void): void {
    change(this.#names);
    this.#unsynced.push(change);
  }

  #syncDirectory(): void {
    if (this.#strikes("disk: directory sync fails", 0.3)) throw diskError("EIO", "fsync");
    for (const change of this.#unsynced) change(this.#durableNames);
    this.#unsynced = [];
  }

  #checkRoom(): void {
    if (this.isLookedAt || this.#options.nowMs() >= this.fullUntilMs) return;
    this.#options.faults.note("disk full");
    throw diskError("ENOSPC", "write");
  }

  #strikes(fault: Fault, scale = 1): boolean {
    return !this.isLookedAt && this.#options.faults.strikes(fault, scale);
  }
}

/** What a simulated system call fails with. */
export class DiskFault extends Error {}

function diskError(code: string, syscall: string): DiskFault {
  return Object.assign(new DiskFault(`${code}: injected, ${syscall}`), { code, syscall });
}

function contentOf(inode: Inode | undefined): Uint8Array | undefined {
  return inode && Buffer.from(inode.bytes.slice(0, inode.length).buffer);
}

function reserve(inode: Inode, length: number): void {
  if (inode.bytes.length >= length && inode.bytes.buffer !== inode.durable.buffer) return;
  const grown = new Uint8Array(Math.max(256, length * 2));
  grown.set(inode.bytes.subarray(0, inode.length));
  inode.bytes = grown;
}

/** `base` with `part` at `at`, and zeros where there was nothing. */
function patched(base: Uint8Array, part: Uint8Array, at: number): Uint8Array {
  const result = new Uint8Array(Math.max(base.length, at + part.length));
  result.set(base);
  result.set(part, at);
  return result;
}
