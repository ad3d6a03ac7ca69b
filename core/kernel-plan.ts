/** A scan plan: which values a scan picks out of each record, and how large and deep a record may be. */
import { assert } from "./assert.ts";
import type { KernelMemory } from "./kernel-memory.ts";

const PATHS_MAX = 32;
const DEPTH_MAX = 65_535;

export interface ScanPath {
  /** Keys from the outermost object inwards, for example ["metadata", "eid"]. At least one. */
  readonly keys: readonly string[];
  /** `id` adds an identity, `time` (RFC 3339) microseconds. */
  readonly kind: "text" | "id" | "time";
  /** Also Java's `String.hashCode` of the value's text: Nakadi partitions by it. */
  readonly javaHash?: boolean;
  /** Of an id: only its flags are wanted; identities stay 0. */
  readonly hasNoIdentity?: boolean;
  /**
   * Of an id: the place in the plan of a text path that the id is relative to (CloudEvents: `source`). The
   * id's text then is the scope's length in bytes, a colon, the scope, the id; it is never taken as a UUID.
   */
  readonly scope?: number;
}

export interface ScanLimits {
  /** Bytes of one record. */
  readonly maxBytes: number;
  /** Nested objects and arrays: 1 allows `{}`. */
  readonly maxDepth: number;
}

export class ScanPlan {
  readonly paths: readonly ScanPath[];
  readonly limits: ScanLimits;
  /** Whether scans also say which records violate a schema. */
  readonly hasChecks: boolean;
  readonly #memory: KernelMemory;
  #address: number;

  constructor(
    memory: KernelMemory,
    paths: readonly ScanPath[],
    limits: ScanLimits,
    checks: Uint8Array | null,
  ) {
    assert(paths.length <= PATHS_MAX, `a plan has at most ${PATHS_MAX} paths`);
    assert(limits.maxDepth >= 1 && limits.maxDepth <= DEPTH_MAX, `maxDepth is 1 to ${DEPTH_MAX}`);
    assert(limits.maxBytes >= 0 && limits.maxBytes < 0xffff_ffff, "maxBytes is an unsigned 32-bit number");
    this.paths = paths;
    this.limits = limits;
    this.hasChecks = checks !== null;
    this.#memory = memory;
    const description = describe(paths, limits);
    const [at] = memory.place(description.length);
    memory.bytes(at, description.length).set(description);
    this.#address = memory.address(memory.exports.createPlan(at, description.length));
    if (checks) this.#check(checks);
  }

  #check(description: Uint8Array): void {
    const memory = this.#memory;
    try {
      const [at] = memory.place(description.length);
      memory.bytes(at, description.length).set(description);
      if (!memory.exports.createChecks(this.#address, at, description.length)) throw memory.exhausted();
    } catch (error) {
      this.destroy();
      throw error;
    }
  }

  /** For the kernel's own use. */
  get address(): number {
    assert(this.#address !== 0, "this plan was destroyed");
    return this.#address;
  }

  /** Gives its memory back. Scans made with it end, too. */
  destroy(): void {
    this.#memory.exports.destroyPlan(this.address);
    this.#address = 0;
  }
}

/** The description that core-as/plan.ts reads. */
function describe(paths: readonly ScanPath[], limits: ScanLimits): Uint8Array {
  const encoder = new TextEncoder();
  const words = new Uint32Array([limits.maxBytes, limits.maxDepth, paths.length]);
  const bytes: number[] = [...new Uint8Array(words.buffer)];
  for (const path of paths) {
    assert(path.keys.length >= 1 && path.keys.length <= 255, "a path has 1 to 255 keys");
    const scope = path.scope ?? -1;
    assert(scope < 0 || (path.kind === "id" && scope < paths.length), "a scope is the place of a path");
    const kind = path.kind === "id" ? 1 : path.kind === "time" ? 2 : 0;
    bytes.push(kind, (path.javaHash ? 1 : 0) | (path.hasNoIdentity ? 2 : 0), scope + 1, path.keys.length);
    for (const key of path.keys) {
      const text = encoder.encode(key);
      assert(text.length <= 0xffff, "a key in a path has at most 65,535 bytes");
      bytes.push(text.length & 0xff, text.length >> 8, ...text);
    }
  }
  return new Uint8Array(bytes);
}
