/**
 * ObjectStore in memory, for tests and the simulator. `faults` decides per call what the network does to it; a
 * conditional write hit by a fault answers `unknown`, everything else throws store.unavailable.
 * It never refuses spuriously: `refused` always means that the condition did not hold.
 */
import { type Clock, systemClock } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type { ObjectStore, PutOutcome, StoredObject } from "../../core/ports/object-store.ts";
import { checkReadPath, checkStorePath, checkStorePrefix } from "../../core/store-path.ts";

export type MemoryOperation =
  | "put"
  | "putIfAbsent"
  | "putIfMatch"
  | "get"
  | "getRange"
  | "head"
  | "list"
  | "delete";

/**
 * - `lost`: the request never arrives.
 * - `answer_lost`: it is carried out, the answer is lost.
 * - `late`: no answer; it is carried out after `afterCalls` more calls to the store, or by `applyLate()`.
 */
export type MemoryFault = "lost" | "answer_lost" | { readonly kind: "late"; readonly afterCalls: number };

export interface MemoryObjectStoreOptions {
  readonly clock?: Clock;
  /** Called before each operation; may wait, which lets others go first. */
  readonly faults?: (
    operation: MemoryOperation,
    path: string,
  ) => MemoryFault | undefined | Promise<MemoryFault | undefined>;
}

export interface MemoryObjectStore extends ObjectStore {
  /** Carries out every late write now, in the order of their requests. */
  applyLate(): void;
}

interface Entry {
  readonly bytes: Uint8Array;
  readonly etag: string;
  readonly modifiedMs: number;
}

export function createMemoryObjectStore(options: MemoryObjectStoreOptions = {}): MemoryObjectStore {
  const clock = options.clock ?? systemClock;
  const entries = new Map<string, Entry>();
  let late: { callsLeft: number; readonly apply: () => void }[] = [];
  let etagNext = 1;

  /** Carries out `action` unless a fault stops it. @throws Lost when the caller gets no answer */
  const call = async <T>(operation: MemoryOperation, path: string, action: () => T): Promise<T> => {
    const fault = await options.faults?.(operation, path);
    for (const write of late) write.callsLeft--;
    for (const write of late.filter((one) => one.callsLeft <= 0)) write.apply();
    late = late.filter((one) => one.callsLeft > 0);
    if (fault === "lost") throw new Lost(operation, path);
    if (typeof fault === "object") {
      late.push({ callsLeft: fault.afterCalls, apply: action });
      throw new Lost(operation, path);
    }
    const answer = action();
    if (fault === "answer_lost") throw new Lost(operation, path);
    return answer;
  };

  const conditional = async (
    operation: "putIfAbsent" | "putIfMatch",
    path: string,
    action: () => PutOutcome,
  ): Promise<PutOutcome> => {
    checkStorePath(path);
    try {
      return await call(operation, path, action);
    } catch (cause) {
      if (cause instanceof Lost) return { outcome: "unknown", cause };
      throw cause;
    }
  };

  const plain = async <T>(operation: MemoryOperation, path: string, action: () => T): Promise<T> => {
    try {
      return await call(operation, path, action);
    } catch (cause) {
      if (cause instanceof Lost) throw new MuaraError("store.unavailable", cause.message, { cause });
      throw cause;
    }
  };

  const store = (path: string, bytes: Uint8Array): PutOutcome => {
    const etag = `m${etagNext++}`;
    entries.set(path, { bytes, etag, modifiedMs: clock.nowMs() });
    return { outcome: "done", etag };
  };
  const described = (path: string, entry: Entry): StoredObject => ({
    path,
    bytes: entry.bytes.length,
    modifiedMs: entry.modifiedMs,
  });

  return {
    location: (path) => `memory:/${path === "" ? "" : checkReadPath(path)}`,
    put: async (path, bytes) => {
      const copy = bytes.slice();
      await plain("put", checkStorePath(path), () => store(path, copy));
    },
    putIfAbsent: (path, bytes) => {
      const copy = bytes.slice();
      return conditional("putIfAbsent", path, () =>
        entries.has(path) ? { outcome: "refused" } : store(path, copy),
      );
    },
    putIfMatch: (path, bytes, etag) => {
      const copy = bytes.slice();
      return conditional("putIfMatch", path, () =>
        entries.get(path)?.etag === etag ? store(path, copy) : { outcome: "refused" },
      );
    },
    get: async (path) => plain("get", checkReadPath(path), () => entries.get(path)?.bytes.slice()),
    getRange: async (path, at, length) =>
      plain("getRange", checkReadPath(path), () => entries.get(path)?.bytes.slice(at, at + length)),
    head: async (path) =>
      plain("head", checkReadPath(path), () => {
        const entry = entries.get(path);
        return entry && { ...described(path, entry), etag: entry.etag };
      }),
    list: async (prefix) =>
      plain("list", checkStorePrefix(prefix), () => {
        const below = [...entries].filter(([path]) => prefix === "" || path.startsWith(`${prefix}/`));
        return below
          .map(([path, entry]) => described(path, entry))
          .sort((a, b) => (a.path < b.path ? -1 : 1));
      }),
    folders: async (prefix) =>
      plain("list", checkStorePrefix(prefix), () => {
        const start = prefix === "" ? "" : `${prefix}/`;
        const below = [...entries.keys()].filter((path) => path.startsWith(start));
        const names = below.map((path) => path.slice(start.length).split("/"));
        const folders = names.filter((parts) => parts.length > 1).map(([name]) => `${start}${name}`);
        return [...new Set(folders)].sort();
      }),
    delete: async (path) => {
      await plain("delete", checkStorePath(path), () => entries.delete(path));
    },
    applyLate: () => {
      for (const write of late.splice(0)) write.apply();
    },
  };
}

/** No answer came back. */
class Lost extends Error {
  constructor(operation: MemoryOperation, path: string) {
    super(`no answer to ${operation} ${path}`);
  }
}
