/**
 * The host of the kernel: typed functions over core-as/kernel.wasm. It takes a compiled module, since how to
 * get one differs by runtime (Node and Deno compile the file's bytes, an edge imports it).
 *
 * One kernel is one thread's: calls never overlap. Everything that it hands out as a view lives in its
 * memory (kernel-scan.ts says how long); everything else is a copy.
 */
import { assert } from "./assert.ts";
import type { ColumnLayout } from "./column-layout.ts";
import { KernelChunk } from "./kernel-chunk.ts";
import { KernelColumns } from "./kernel-columns.ts";
import { IdentityBudget } from "./identity-budget.ts";
import { KernelMemory } from "./kernel-memory.ts";
import { ReorderBuffer, type ReorderOptions } from "./kernel-reorder.ts";
import { IdentitySet, type IdentitySetOptions } from "./kernel-set.ts";
import { Panes } from "./kernel-panes.ts";
import type { PaneOptions } from "./kernel-aggregate.ts";
import { KeyedTimers, type TimerOptions } from "./kernel-timers.ts";
import { ScanPlan, type ScanLimits, type ScanPath } from "./kernel-plan.ts";
import {
  scanArray,
  scanRecords,
  verdictCode,
  type ArrayScanOptions,
  type Scan,
  type ScanOptions,
} from "./kernel-scan.ts";
import type { ErrorCode } from "./errors.ts";
import type { RecordBatch } from "./record.ts";

export type {
  IdentityBudget,
  IdentitySet,
  KeyedTimers,
  Panes,
  ReorderBuffer,
  Scan,
  ScanLimits,
  ScanPath,
  ScanPlan,
};

/** Ids hashed per call of the kernel. */
const CHUNK = 8192;
/** `hash64` is keyed by these bytes, 0 to 15: a witness must be the same in every process. */
const HASH_KEY = Uint8Array.from({ length: 16 }, (_, i) => i);
const HASH_MASK = 0x7fff_ffff_ffff_ffffn;

export interface KernelOptions {
  /** Memory beyond this is refused with kernel.memory. Default: all that 32-bit addresses reach. */
  readonly maxMemoryBytes?: number;
  /** What all identity sets together may take; beyond it entries are sealed. Default: no limit, nothing is sealed. */
  readonly identityBytes?: number;
}

export class Kernel {
  readonly #memory: KernelMemory;
  /** What the identity sets take, and may take. */
  readonly identityBudget: IdentityBudget;

  constructor(module: WebAssembly.Module, hashSeed: Uint8Array, options: KernelOptions) {
    this.#memory = new KernelMemory(module, hashSeed, options.maxMemoryBytes ?? 2 ** 32);
    this.identityBudget = new IdentityBudget(this.#memory, options.identityBytes);
  }

  /** Bytes of the kernel's memory in use. */
  get usedBytes(): number {
    return this.#memory.exports.usedBytes() >>> 0;
  }

  /** Bytes of memory that the kernel has taken from the system; it never gives them back. */
  get memoryBytes(): number {
    return this.#memory.exports.memory.buffer.byteLength;
  }

  /**
   * Compiles paths and limits; keep it and use it again.
   * @param checks of a schema (`planSchema`)
   * @throws kernel.memory
   */
  plan(paths: readonly ScanPath[], limits: ScanLimits, checks: Uint8Array | null = null): ScanPlan {
    return new ScanPlan(this.#memory, paths, limits, checks);
  }

  /** Lets the scans of a plan fill columns. The plan must not be used for anything else. @throws kernel.memory */
  columns(plan: ScanPlan, layout: ColumnLayout): KernelColumns {
    return new KernelColumns(this.#memory, plan, layout);
  }

  /**
   * Encodes a column of the given rows. Whoever waits before its last page holds `alone`.
   * @param isPlain no encoding but PLAIN
   * @throws kernel.memory
   */
  chunk(columns: KernelColumns, leaf: number, rows: Uint32Array, isPlain = false): KernelChunk {
    return new KernelChunk(this.#memory, columns, leaf, rows, isPlain);
  }

  /** Runs `work` when whoever asked before has finished. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    return this.#memory.alone(work);
  }

  /**
   * Scans the payloads of a batch. A record without payload (a tombstone) is `event.not_json` at 0.
   * @param secret the table's 16 bytes, which key the identities
   * @throws kernel.memory
   */
  scanRecords(plan: ScanPlan, batch: RecordBatch, secret: Uint8Array, options: ScanOptions = {}): Scan {
    return scanRecords(this.#memory, plan, batch, secret, options);
  }

  /**
   * Splits a body, one JSON array, into its items and scans them. A syntax error anywhere fails the body
   * (`Scan.failure`), every other error only its item.
   * @throws kernel.memory
   */
  scanArray(plan: ScanPlan, body: Uint8Array, secret: Uint8Array, options: ArrayScanOptions = {}): Scan {
    return scanArray(this.#memory, plan, body, secret, options);
  }

  /** The error that a verdict other than 0 stands for. */
  verdictCode(verdict: number): ErrorCode {
    return verdictCode(verdict);
  }

  createIdentitySet(options: IdentitySetOptions = {}): IdentitySet {
    return new IdentitySet(this.#memory, options, this.identityBudget);
  }

  createPanes(options: PaneOptions): Panes {
    return new Panes(this.#memory, options);
  }

  /**
   * Makes panes of a state image; the other two likewise.
   * @param options as those of the operator that the image is of; budgets may be others
   * @throws kernel.image when the image is damaged or of another version or declaration, kernel.memory
   */
  restorePanes(options: PaneOptions, image: Uint8Array): Panes {
    return restored(this.createPanes(options), image);
  }

  createReorderBuffer(options: ReorderOptions = {}): ReorderBuffer {
    return new ReorderBuffer(this.#memory, options);
  }

  createKeyedTimers(options: TimerOptions = {}): KeyedTimers {
    return new KeyedTimers(this.#memory, options);
  }

  restoreReorderBuffer(options: ReorderOptions, image: Uint8Array): ReorderBuffer {
    return restored(this.createReorderBuffer(options), image);
  }

  restoreKeyedTimers(options: TimerOptions, image: Uint8Array): KeyedTimers {
    return restored(this.createKeyedTimers(options), image);
  }

  /**
   * The identities of ids given as text, the same as a scan gives: to rebuild a set from a table's id column.
   * @returns [text × 2]
   */
  identities(texts: readonly string[], secret: Uint8Array): BigUint64Array {
    assert(secret.length === 16, "a table's secret has 16 bytes");
    const result = new BigUint64Array(texts.length * 2);
    for (let from = 0; from < texts.length; from += CHUNK) {
      result.set(this.#identityChunk(texts.slice(from, from + CHUNK), secret), from * 2);
    }
    return result;
  }

  /**
   * The same of ids that lie as UTF-8 in one buffer: no string is made.
   * @param index [id × 2] start and length in `bytes`
   * @returns [id × 2]
   */
  identitiesAt(bytes: Uint8Array, index: Uint32Array, secret: Uint8Array): BigUint64Array {
    assert(secret.length === 16, "a table's secret has 16 bytes");
    const memory = this.#memory;
    const count = index.length >>> 1;
    for (let i = 0; i < count; i++)
      assert(index[i * 2]! + index[i * 2 + 1]! <= bytes.length, "an id lies outside of its bytes");
    const [secretAt, places, out, text] = memory.place(16, count * 8, count * 16, bytes.length);
    memory.bytes(secretAt, 16).set(secret);
    memory.words(places, count * 2).set(index);
    memory.bytes(text, bytes.length).set(bytes);
    memory.exports.identifyAll(text, places, count, secretAt, out);
    return memory.unsignedLongs(out, count * 2).slice();
  }

  /**
   * Orders records by event time; equal times keep their order in `selected`.
   * @param timesUs [record]
   * @param selected [n] positions in `timesUs`
   * @returns [n] the same positions in order
   */
  order(timesUs: BigInt64Array, selected: Uint32Array): Uint32Array {
    const memory = this.#memory;
    const inside = memory.addressOf(timesUs);
    const count = selected.length;
    const size = inside === undefined ? timesUs.byteLength : 0;
    const [times, positions, out] = memory.place(size, count * 4, count * 4);
    if (inside === undefined) memory.longs(times, timesUs.length).set(timesUs);
    memory.words(positions, count).set(selected);
    checkPositions(selected, timesUs.length);
    if (!memory.exports.order(inside ?? times, positions, count, out)) throw memory.exhausted();
    return memory.words(out, count).slice();
  }

  /**
   * The newest event time of the selected records that are at most `skewMs` ahead of their own ingest time.
   * @param timesUs [record]
   * @param ingestMs [record]
   * @returns µs since 1970 UTC; null when there is none
   */
  newest(
    timesUs: BigInt64Array,
    ingestMs: Float64Array,
    selected: Uint32Array,
    skewMs: number,
  ): bigint | null {
    const memory = this.#memory;
    const inside = memory.addressOf(timesUs);
    const count = selected.length;
    const size = inside === undefined ? timesUs.byteLength : 0;
    const [times, ingest, positions] = memory.place(size, ingestMs.byteLength, count * 4);
    if (inside === undefined) memory.longs(times, timesUs.length).set(timesUs);
    memory.doubles(ingest, ingestMs.length).set(ingestMs);
    memory.words(positions, count).set(selected);
    checkPositions(selected, Math.min(timesUs.length, ingestMs.length));
    const found = memory.exports.newest(inside ?? times, ingest, positions, count, skewMs);
    return memory.exports.foundNewest() ? found : null;
  }

  /** SipHash-2-4 of bytes, its lower 63 bits: fits a signed 64-bit integer. For witnesses, not for secrets. */
  hash64(bytes: Uint8Array): bigint {
    const memory = this.#memory;
    const [key, out, text] = memory.place(16, 16, bytes.length);
    memory.bytes(key, 16).set(HASH_KEY);
    memory.bytes(text, bytes.length).set(bytes);
    memory.exports.hashBytes(text, bytes.length, key, out, 0);
    return memory.unsignedLongs(out, 1)[0]! & HASH_MASK;
  }

  #identityChunk(texts: readonly string[], secret: Uint8Array): BigUint64Array {
    const memory = this.#memory;
    const encoder = new TextEncoder();
    let room = 0;
    for (const text of texts) room += text.length * 3;
    const [secretAt, index, out, bytes] = memory.place(16, texts.length * 8, texts.length * 16, room);
    memory.bytes(secretAt, 16).set(secret);
    const target = memory.bytes(bytes, room);
    const positions = memory.words(index, texts.length * 2);
    let at = 0;
    texts.forEach((text, i) => {
      const { written } = encoder.encodeInto(text, target.subarray(at));
      positions[i * 2] = at;
      positions[i * 2 + 1] = written;
      at += written;
    });
    memory.exports.identifyAll(bytes, index, texts.length, secretAt, out);
    return memory.unsignedLongs(out, texts.length * 2).slice();
  }
}

interface Restorable {
  restore(image: Uint8Array): void;
  destroy(): void;
}

/** An operator whose restore failed is of no use. */
function restored<T extends Restorable>(operator: T, image: Uint8Array): T {
  try {
    operator.restore(image);
    return operator;
  } catch (error) {
    operator.destroy();
    throw error;
  }
}

function checkPositions(selected: Uint32Array, length: number): void {
  let highest = -1;
  for (const position of selected) if (position > highest) highest = position;
  assert(highest < length, "a selected position is outside of the columns");
}

/**
 * @param module core-as/kernel.wasm, compiled
 * @param hashSeed 16 random bytes per process: keeps hash tables safe from aimed collisions
 */
export function createKernel(
  module: WebAssembly.Module,
  hashSeed: Uint8Array,
  options: KernelOptions = {},
): Kernel {
  return new Kernel(module, hashSeed, options);
}
