/**
 * The object store of a simulated world: adapters/memory/object-store.ts with less around it, since a history calls
 * it thousands of times. Faults are asked for before the call first waits; what it hands out is not copied, so that
 * what was parsed once is known again. It follows the same conformance suite (sim-parts.test.ts).
 */
import { MuaraError } from "../../core/errors.ts";
import { checkReadPath, checkStorePath, checkStorePrefix } from "../../core/store-path.ts";
import type { ObjectStore, PutOutcome, StoredObject } from "../../core/ports/object-store.ts";

export type StoreOperation =
  | "put"
  | "putIfAbsent"
  | "putIfMatch"
  | "get"
  | "getRange"
  | "head"
  | "list"
  | "delete";

/** As MemoryFault, see there. */
export type StoreFault = "lost" | "answer_lost" | { readonly afterCalls: number };

interface Entry {
  readonly bytes: Uint8Array;
  readonly etag: string;
  readonly modifiedMs: number;
}

interface Late {
  callsLeft: number;
  readonly apply: () => void;
}

export interface SimStoreOptions {
  readonly nowMs: () => number;
  readonly fault: (operation: StoreOperation, path: string) => StoreFault | undefined;
  /** Whether readers get copies; in a history they do not, see above. */
  readonly isCopying?: boolean;
  /** Told of every object that is written, now or late, before it is; `before` is what it replaces. */
  readonly onWrite?: (path: string, before: Uint8Array | undefined, after: Uint8Array | undefined) => void;
}

const LOST = Symbol("lost");

const KNOWN_MAX = 10_000;
/** Paths found to be good: checking them costs more than all the rest of a call. */
const good = new Set<string>();

function check(path: string): void {
  if (good.has(path)) return;
  checkStorePath(path);
  if (good.size >= KNOWN_MAX) good.clear();
  good.add(path);
}

function checkRead(path: string): void {
  if (!good.has(path)) checkReadPath(path);
}

export class SimStore implements ObjectStore {
  readonly #options: SimStoreOptions;
  readonly #entries = new Map<string, Entry>();
  #late: Late[] = [];
  #etagNext = 1;

  constructor(options: SimStoreOptions) {
    this.#options = options;
  }

  /** The object as it is now, to those who stand outside of the history. */
  peek(path: string): Uint8Array | undefined {
    return this.#entries.get(path)?.bytes;
  }

  /** Changes an object behind everybody's back. */
  poke(path: string, bytes: Uint8Array | undefined): void {
    this.#entries.delete(path);
    if (bytes)
      this.#entries.set(path, { bytes, etag: `m${this.#etagNext++}`, modifiedMs: this.#options.nowMs() });
  }

  paths(): Iterable<string> {
    return this.#entries.keys();
  }

  /** Carries out every late write now, in the order of their requests. */
  applyLate(): void {
    for (const write of this.#late.splice(0)) write.apply();
  }

  location(path: string): string {
    return `memory:/${path}`;
  }

  async put(path: string, bytes: Uint8Array): Promise<void> {
    check(path);
    const copy = bytes.slice();
    this.#sure("put", path, () => this.#set(path, copy));
  }

  async putIfAbsent(path: string, bytes: Uint8Array): Promise<PutOutcome> {
    check(path);
    const copy = bytes.slice();
    return this.#conditional("putIfAbsent", path, () =>
      this.#entries.has(path) ? { outcome: "refused" } : this.#set(path, copy),
    );
  }

  async putIfMatch(path: string, bytes: Uint8Array, etag: string): Promise<PutOutcome> {
    check(path);
    const copy = bytes.slice();
    return this.#conditional("putIfMatch", path, () =>
      this.#entries.get(path)?.etag === etag ? this.#set(path, copy) : { outcome: "refused" },
    );
  }

  async get(path: string): Promise<Uint8Array | undefined> {
    checkRead(path);
    const bytes = this.#sure("get", path, () => this.#entries.get(path)?.bytes);
    return this.#options.isCopying ? bytes?.slice() : bytes;
  }

  async getRange(path: string, at: number, length: number): Promise<Uint8Array | undefined> {
    checkRead(path);
    return this.#sure("getRange", path, () => this.#entries.get(path)?.bytes.slice(at, at + length));
  }

  async head(path: string): Promise<(StoredObject & { readonly etag: string }) | undefined> {
    checkRead(path);
    return this.#sure("head", path, () => {
      const entry = this.#entries.get(path);
      return entry && { ...described(path, entry), etag: entry.etag };
    });
  }

  async list(prefix: string): Promise<readonly StoredObject[]> {
    checkStorePrefix(prefix);
    return this.#sure("list", prefix, () => {
      const folder = prefix === "" ? "" : `${prefix}/`;
      const below: StoredObject[] = [];
      for (const [path, entry] of this.#entries)
        if (path.startsWith(folder)) below.push(described(path, entry));
      return below.sort((a, b) => (a.path < b.path ? -1 : 1));
    });
  }

  async folders(prefix: string): Promise<readonly string[]> {
    const below = await this.list(prefix);
    const start = prefix === "" ? 0 : prefix.length + 1;
    const ends = below.map(({ path }) => path.indexOf("/", start));
    const folders = below.flatMap(({ path }, i) => (ends[i]! < 0 ? [] : [path.slice(0, ends[i])]));
    return [...new Set(folders)].sort();
  }

  async delete(path: string): Promise<void> {
    check(path);
    this.#sure("delete", path, () => {
      const before = this.#entries.get(path)?.bytes;
      if (!before) return;
      this.#options.onWrite?.(path, before, undefined);
      this.#entries.delete(path);
    });
  }

  #set(path: string, bytes: Uint8Array): PutOutcome {
    this.#options.onWrite?.(path, this.#entries.get(path)?.bytes, bytes);
    const etag = `m${this.#etagNext++}`;
    this.#entries.set(path, { bytes, etag, modifiedMs: this.#options.nowMs() });
    return { outcome: "done", etag };
  }

  #call<Answer>(operation: StoreOperation, path: string, action: () => Answer): Answer | typeof LOST {
    const fault = this.#options.fault(operation, path);
    if (this.#late.length > 0) this.#age();
    if (fault === undefined) return action();
    if (fault === "answer_lost") action();
    else if (typeof fault === "object") this.#late.push({ callsLeft: fault.afterCalls, apply: action });
    return LOST;
  }

  #age(): void {
    for (const write of this.#late) write.callsLeft--;
    const due = this.#late.filter((one) => one.callsLeft <= 0);
    if (due.length === 0) return;
    this.#late = this.#late.filter((one) => one.callsLeft > 0);
    for (const write of due) write.apply();
  }

  #conditional(operation: "putIfAbsent" | "putIfMatch", path: string, action: () => PutOutcome): PutOutcome {
    const answer = this.#call(operation, path, action);
    return answer === LOST ? { outcome: "unknown", cause: `no answer to ${operation} ${path}` } : answer;
  }

  #sure<Answer>(operation: StoreOperation, path: string, action: () => Answer): Answer {
    const answer = this.#call(operation, path, action);
    if (answer === LOST) throw new MuaraError("store.unavailable", `no answer to ${operation} ${path}`);
    return answer;
  }
}

function described(path: string, { bytes, modifiedMs }: Entry): StoredObject {
  return { path, bytes: bytes.length, modifiedMs };
}
