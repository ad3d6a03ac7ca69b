/**
 * The kernel's linear memory as the host sees it. It can grow in any call, and growing detaches every view on
 * it: so addresses are kept and views are made afresh.
 */
import { assert } from "./assert.ts";
import { MuaraError } from "./errors.ts";
import { KERNEL_VERSION, type KernelExports } from "./kernel-abi.ts";

const PAGE_BYTES = 65_536;

/** Of up to four things; one that takes no bytes has an address all the same. */
type Addresses = [number, number, number, number];

export class KernelMemory {
  readonly exports: KernelExports;
  /** Counts scans: a scan's columns are valid until the next one. */
  scanSerial = 0;
  #last: Promise<void> = Promise.resolve();
  #words = new Uint32Array(0);

  constructor(module: WebAssembly.Module, seed: Uint8Array, maxMemoryBytes: number) {
    assert(seed.length === 16, "the hash seed has 16 bytes");
    const instance = new WebAssembly.Instance(module, {});
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the version stands for all of it
    this.exports = instance.exports as unknown as KernelExports;
    const version = this.exports.version();
    assert(version === KERNEL_VERSION, `kernel.wasm has version ${version}, not ${KERNEL_VERSION}`);
    this.exports.setMemoryLimit(Math.floor(maxMemoryBytes / PAGE_BYTES));
    const [at] = this.place(16);
    this.bytes(at, 16).set(seed);
    if (!this.exports.initialise(at)) throw this.exhausted();
  }

  /** Runs `work` when whoever asked before has finished: for work of several turns on state that all share. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    try {
      return await work();
    } finally {
      resolve();
    }
  }

  /** An address as the unsigned number that it is. */
  address(returned: number): number {
    const address = returned >>> 0;
    if (address === 0) throw this.exhausted();
    return address;
  }

  /** Room for the arguments and results of one call: one address per size (bytes), multiples of 16. */
  place(...sizes: readonly number[]): Addresses {
    let total = 0;
    for (const size of sizes) total += roundUp(size);
    this.checkSize(total);
    const at = this.address(this.exports.reserveArguments(total));
    const addresses: Addresses = [at, at, at, at];
    let next = at;
    sizes.forEach((size, i) => {
      addresses[i] = next;
      next += roundUp(size);
    });
    return addresses;
  }

  /** Room for what is scanned. */
  placeInput(bytes: number): number {
    this.checkSize(bytes);
    return this.address(this.exports.reserveInput(bytes));
  }

  /** The address of a view that already is in the kernel's memory (a column of a scan); else undefined. */
  addressOf(view: ArrayBufferView): number | undefined {
    return view.buffer === this.exports.memory.buffer ? view.byteOffset : undefined;
  }

  /** The same content in memory that stays when the kernel's grows. */
  outside<T extends ArrayBufferView & { slice(): T }>(view: T): T {
    return this.addressOf(view) === undefined ? view : view.slice();
  }

  bytes(at: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#buffer, at, length);
  }

  words(at: number, length: number): Uint32Array<ArrayBuffer> {
    return new Uint32Array(this.#buffer, at, length);
  }

  /** One word at a multiple of four. */
  wordAt(at: number): number {
    // memory that grew has another buffer, and the old one has no bytes
    if (this.#words.length === 0) this.#words = new Uint32Array(this.#buffer);
    return this.#words[at >>> 2]!;
  }

  integers(at: number, length: number): Int32Array<ArrayBuffer> {
    return new Int32Array(this.#buffer, at, length);
  }

  longs(at: number, length: number): BigInt64Array<ArrayBuffer> {
    return new BigInt64Array(this.#buffer, at, length);
  }

  unsignedLongs(at: number, length: number): BigUint64Array<ArrayBuffer> {
    return new BigUint64Array(this.#buffer, at, length);
  }

  doubles(at: number, length: number): Float64Array<ArrayBuffer> {
    return new Float64Array(this.#buffer, at, length);
  }

  exhausted(): MuaraError {
    return new MuaraError("kernel.memory", "The kernel has not enough memory for this call.", {
      details: { usedBytes: this.exports.usedBytes() >>> 0, memoryBytes: this.#buffer.byteLength },
    });
  }

  checkSize(bytes: number): void {
    if (bytes > 0xff00_0000) throw this.exhausted();
  }

  get #buffer(): ArrayBuffer {
    return this.exports.memory.buffer;
  }
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / 16) * 16;
}
