/**
 * Buffers that are used again. What a garbage collector must find out to be unused it finds by looking at the whole
 * heap, the more often the more bytes are asked for; so the hot path gives its large buffers back by itself.
 *
 * Ownership: who takes a buffer has it alone until it is given back, once, when nobody looks at it any more and nothing
 * is under way that reads or fills it. Who does not know that (after a failure) does not give it back: then it is
 * garbage like any other.
 */
import { assert } from "./assert.ts";

/** Smaller ones cost less to make than to keep. */
const SMALLEST_BYTES = 32_768;
const KEPT_BYTES = 33_554_432;

/** Where buffers come from. */
export interface ByteSupply {
  /** @returns bytes at the beginning of a buffer of their own, aligned to 8; not zeroed */
  take(length: number): Uint8Array<ArrayBuffer>;
}

export interface BytePoolOptions {
  /** Bytes that wait to be used again, at most. Default 32 MiB. */
  readonly keptBytes?: number;
  /** For tests: sees each buffer that is given back, before anybody else may take it. */
  readonly onGiven?: (buffer: Uint8Array<ArrayBuffer>) => void;
}

export class BytePool implements ByteSupply {
  readonly #options: BytePoolOptions;
  readonly #taken = new WeakSet<ArrayBuffer>();
  /** By size, a power of two. */
  readonly #kept = new Map<number, ArrayBuffer[]>();
  #keptBytes = 0;

  constructor(options: BytePoolOptions = {}) {
    this.#options = options;
  }

  /** Bytes that wait to be used again. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  take(length: number): Uint8Array<ArrayBuffer> {
    if (length < SMALLEST_BYTES) return new Uint8Array(length);
    const size = 2 ** Math.ceil(Math.log2(length));
    const kept = this.#kept.get(size)?.pop();
    if (kept) this.#keptBytes -= size;
    const buffer = kept ?? new ArrayBuffer(size);
    this.#taken.add(buffer);
    return new Uint8Array(buffer, 0, length);
  }

  /** @param bytes as taken, or a part of them. A second time is a bug. */
  give({ buffer }: Uint8Array<ArrayBuffer>): void {
    const size = buffer.byteLength;
    if (size < SMALLEST_BYTES) return;
    assert(this.#taken.delete(buffer), "a buffer is given back that nobody has");
    this.#options.onGiven?.(new Uint8Array(buffer));
    if (this.#keptBytes + size > (this.#options.keptBytes ?? KEPT_BYTES)) return;
    const same = this.#kept.get(size);
    if (same) same.push(buffer);
    else this.#kept.set(size, [buffer]);
    this.#keptBytes += size;
  }
}

/** What one piece of work takes, to be given back all together. */
export class ByteLoan implements ByteSupply {
  readonly #pool: BytePool;
  readonly #taken: Uint8Array<ArrayBuffer>[] = [];

  constructor(pool: BytePool) {
    this.#pool = pool;
  }

  take(length: number): Uint8Array<ArrayBuffer> {
    const bytes = this.#pool.take(length);
    this.#taken.push(bytes);
    return bytes;
  }

  /** The work is over, and nobody looks at what it took: not after a failure that leaves something under way. */
  end(): void {
    for (const bytes of this.#taken.splice(0)) this.#pool.give(bytes);
  }
}
