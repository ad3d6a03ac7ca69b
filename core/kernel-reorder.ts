/**
 * Puts records into the order of event time: (event time, partition, offset), equals as they came. What is pushed is
 * held until the watermark has passed it, then `release` gives it in order. Payloads stay with the caller; the buffer
 * only carries a number for each.
 *
 * The surprising rule: no record is dropped here. One below the watermark is answered late and not taken; one beyond
 * the ring (`slices` × `sliceUs` ahead of the watermark's slice) is answered ahead and waits outside of the ring,
 * within a bound of its own. A batch that does not fit is refused as a whole and has changed nothing.
 */
import { assert } from "./assert.ts";
import { MuaraError } from "./errors.ts";
import { REFUSED_AHEAD_BUDGET, REFUSED_BUDGET, REFUSED_MEMORY } from "./kernel-abi.ts";
import { IMAGE_REORDER, decodeImage, encodeImage, type ImageKind } from "./kernel-image.ts";
import type { KernelMemory } from "./kernel-memory.ts";

/** Taken; leaves once the watermark has passed it. */
export const REORDER_HELD = 0;
/** `event time < watermark`: not taken. */
export const REORDER_LATE = 1;
/** A ring or more ahead: taken all the same, unless the call says otherwise. */
export const REORDER_AHEAD = 2;

const RECORD_BYTES = 24;
const STATE_BYTES = 16;
const VERSION = 1;
/** Records moved per call of the kernel, for images. */
const CHUNK = 65_536;

export interface ReorderOptions {
  /** One place of the ring, µs, a power of two; about as long as the steps of the watermark. Default 2^20. */
  readonly sliceUs?: number;
  /** Places of the ring, a power of two from 64. Default 4096. */
  readonly slices?: number;
  /** All that the buffer takes, however records lie; scratch memory for sorting comes on top. Default 64 MiB. */
  readonly maxBytes?: number;
  /** Of it, for records that are ahead. Default an eighth. */
  readonly maxAheadBytes?: number;
}

/** Columns [record]. */
export interface ReorderBatch {
  readonly count: number;
  /** µs since 1970 UTC. */
  readonly timesUs: BigInt64Array;
  readonly partitions: Uint32Array;
  /** Whole numbers from 0 to 2^53. */
  readonly offsets: Float64Array;
  /** What the caller knows the payload by. */
  readonly payloads: Uint32Array;
}

export class ReorderBuffer {
  readonly sliceUs: number;
  readonly slices: number;
  /** Records that fit in. */
  readonly capacity: number;
  readonly #memory: KernelMemory;
  #handle: number;
  #watermarkUs: bigint | undefined;

  constructor(memory: KernelMemory, options: ReorderOptions = {}) {
    this.sliceUs = options.sliceUs ?? 2 ** 20;
    this.slices = options.slices ?? 4096;
    const maxBytes = options.maxBytes ?? 64 << 20;
    const shift = Math.log2(this.sliceUs);
    assert(Number.isInteger(shift) && shift >= 0 && shift <= 40, "a slice takes 2^0 to 2^40 µs");
    const turns = Math.log2(this.slices);
    assert(Number.isInteger(turns) && turns >= 6 && turns <= 20, "a ring has 2^6 to 2^20 slices");
    assert(maxBytes <= 2 ** 32, "a buffer takes at most 4 GiB");
    this.capacity = memory.exports.reorderCapacity(this.slices, maxBytes) >>> 0;
    assert(this.capacity > 0, "the ring alone takes more than maxBytes");
    this.#memory = memory;
    const maxAheadBytes = options.maxAheadBytes ?? maxBytes / 8;
    this.#handle = memory.address(
      memory.exports.createReorder(shift, this.slices, maxBytes, Math.min(maxAheadBytes, maxBytes)),
    );
  }

  /** Records held, those included that the watermark has passed and that nobody has taken yet. */
  get size(): number {
    return this.#memory.exports.reorderSize(this.#open()) >>> 0;
  }

  /** Of them, those a ring or more ahead of the watermark. */
  get ahead(): number {
    return this.#memory.exports.countAhead(this.#open()) >>> 0;
  }

  get bytes(): number {
    return this.#memory.exports.reorderBytes(this.#open()) >>> 0;
  }

  /** Undefined before the first `advance`: until then every record is held, and none is late or ahead. */
  get watermarkUs(): bigint | undefined {
    return this.#watermarkUs;
  }

  /**
   * @param keepsAhead false: records that are ahead are only answered so, and stay the caller's
   * @returns [record] REORDER_*
   * @throws kernel.memory, with nothing changed, when it does not fit into the kernel's memory or a budget
   */
  push(batch: ReorderBatch, keepsAhead = true): Uint8Array {
    const memory = this.#memory;
    const { count } = batch;
    // columns of a scan lie in the kernel's memory, which the next call may grow
    const timesUs = memory.outside<BigInt64Array>(batch.timesUs);
    const partitions = memory.outside<Uint32Array>(batch.partitions);
    const offsets = memory.outside<Float64Array>(batch.offsets);
    const payloads = memory.outside<Uint32Array>(batch.payloads);
    assert(timesUs.length >= count && offsets.length >= count, "columns are shorter than the count");
    assert(partitions.length >= count && payloads.length >= count, "columns are shorter than the count");
    const [times, places, words, answers] = memory.place(count * 8, count * 8, count * 8, count);
    memory.longs(times, count).set(timesUs.subarray(0, count));
    memory.doubles(places, count).set(offsets.subarray(0, count));
    memory.words(words, count).set(partitions.subarray(0, count));
    memory.words(words + count * 4, count).set(payloads.subarray(0, count));
    const status = memory.exports.pushRecords(
      this.#open(),
      count,
      times,
      places,
      words,
      answers,
      Number(keepsAhead),
    );
    if (status === REFUSED_MEMORY) throw memory.exhausted();
    if (status !== 0) throw this.#refused(status, count);
    return memory.bytes(answers, count).slice();
  }

  /** Moves the watermark; one that is not higher changes nothing. */
  advance(watermarkUs: bigint): void {
    this.#memory.exports.advanceReorder(this.#open(), watermarkUs);
    if (this.#watermarkUs === undefined || watermarkUs > this.#watermarkUs) this.#watermarkUs = watermarkUs;
  }

  /**
   * The next records that the watermark has passed, in order; call again until there are fewer than `most`.
   * @throws kernel.memory when there is none to sort them in; nothing is lost, call again
   */
  release(most: number): ReorderBatch {
    assert(most > 0, "a release has room for a record");
    const memory = this.#memory;
    const [out] = memory.place(most * RECORD_BYTES);
    const count = memory.exports.releaseRecords(this.#open(), most, out);
    if (count < 0) throw memory.exhausted();
    return {
      count,
      timesUs: memory.longs(out, count).slice(),
      offsets: memory.doubles(out + most * 8, count).slice(),
      partitions: memory.words(out + most * 16, count).slice(),
      payloads: memory.words(out + most * 20, count).slice(),
    };
  }

  /**
   * The buffer's state image: equal for equal records and watermarks. Payload references are in it as they are.
   * @throws kernel.memory
   */
  snapshot(): Uint8Array<ArrayBuffer> {
    const memory = this.#memory;
    const total = this.size;
    const content = new Uint8Array(STATE_BYTES + total * RECORD_BYTES);
    const view = new DataView(content.buffer);
    view.setUint32(0, this.#watermarkUs === undefined ? 0 : 1, true);
    view.setUint32(4, total, true);
    view.setBigInt64(8, this.#watermarkUs ?? 0n, true);
    if (!memory.exports.beginExport(this.#open())) throw memory.exhausted();
    let at = STATE_BYTES;
    while (at < content.length) {
      const most = Math.min(CHUNK, (content.length - at) / RECORD_BYTES);
      const [out] = memory.place(most * RECORD_BYTES);
      const count = memory.exports.exportRecords(this.#open(), most, out) >>> 0;
      assert(count > 0, "a buffer has fewer records than it says");
      content.set(memory.bytes(out, count * RECORD_BYTES), at);
      at += count * RECORD_BYTES;
    }
    return encodeImage(memory, this.#kind(), [content]);
  }

  /**
   * Takes over what an image holds, into a buffer that has seen nothing yet.
   * @throws kernel.image for anything but a whole image of this version, slice and ring; kernel.memory when it does not
   * fit. The buffer is of no use afterwards.
   */
  restore(image: Uint8Array): void {
    assert(this.size === 0 && this.#watermarkUs === undefined, "only an unused buffer is restored");
    const memory = this.#memory;
    const content = decodeImage(memory, this.#kind(), image);
    const view = new DataView(content.buffer, content.byteOffset, content.length);
    const total = (content.length - STATE_BYTES) / RECORD_BYTES;
    if (total > this.capacity) throw this.#refused(REFUSED_BUDGET, total);
    if (view.getUint32(0, true) === 1) this.advance(view.getBigInt64(8, true));
    for (let from = 0; from < total; from += CHUNK) {
      const count = Math.min(CHUNK, total - from);
      const [at] = memory.place(count * RECORD_BYTES);
      const start = STATE_BYTES + from * RECORD_BYTES;
      memory.bytes(at, count * RECORD_BYTES).set(content.subarray(start, start + count * RECORD_BYTES));
      if (!memory.exports.importRecords(this.#open(), count, at)) throw memory.exhausted();
    }
  }

  /** Gives its memory back. */
  destroy(): void {
    this.#memory.exports.destroyReorder(this.#open());
    this.#handle = 0;
  }

  #kind(): ImageKind {
    const parameters = [BigInt(this.sliceUs), BigInt(this.slices)];
    return { operator: IMAGE_REORDER, name: "reorder", version: VERSION, parameters };
  }

  #refused(status: number, count: number): MuaraError {
    const what = status === REFUSED_AHEAD_BUDGET ? "for records that are ahead " : "";
    return new MuaraError("kernel.memory", `The reorder buffer's budget ${what}is used up.`, {
      details: { held: this.size, ahead: this.ahead, capacity: this.capacity, refused: count },
    });
  }

  #open(): number {
    assert(this.#handle !== 0, "this reorder buffer was destroyed");
    return this.#handle;
  }
}
