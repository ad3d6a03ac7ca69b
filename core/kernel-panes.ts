/**
 * Panes: aggregates by key and window of event time (core-as/panes.ts). Add batches, advance the watermark, release
 * what is over; nothing can be added before all of it is released. What comes out depends on the rows that counted,
 * never on how they were batched; a compensated sum of doubles on their order, too.
 *
 * A row counts for a window exactly when the watermark is below the window's end + lateness; for sessions, when its
 * time is not below the watermark less the lateness. Both can be told from row and watermark alone.
 */
import { assert } from "./assert.ts";
import { MuaraError } from "./errors.ts";
import { PANES_BAD_BATCH, PANES_NO_MEMORY, PANES_NOT_RELEASED, PANES_OVER_BUDGET } from "./kernel-abi.ts";
import { describePanes, resultShape, valueBytes, type PaneOptions } from "./kernel-aggregate.ts";
import type { KernelMemory } from "./kernel-memory.ts";
import { readPaneImage, writePaneImage } from "./kernel-pane-image.ts";

// A row's status.
export const PANE_COUNTED = 0;
/** For some of its windows it was too late. */
export const PANE_COUNTED_PARTLY = 1;
/** Too late for all of its windows. */
export const PANE_LATE = 2;
/** At or behind the horizon, or more than 36,500 years from 1970: it was not added. */
export const PANE_BEYOND = 3;

// A result's flag.
export const RESULT_NULL = 0;
export const RESULT_VALUE = 1;
/** The total has more than 38 digits. */
export const RESULT_OVERFLOW = 2;

const KEY_ROOM = 65_536;
const BYTES_MAX = 2 ** 32 - 1;

export interface PaneValues {
  /** [row] integers or doubles; [row × 2] a decimal's low and high word, a text's start and length in `bytes` */
  readonly values: BigInt64Array | Float64Array | Uint32Array;
  /** [row] not 0: null */
  readonly nulls?: Uint8Array;
}

/** Arrays may lie in the kernel's memory, as a scan leaves them: then they are not copied. */
export interface PaneBatch {
  readonly count: number;
  /** What keys and texts point into. */
  readonly bytes: Uint8Array;
  /** [row × 2] start and length in `bytes`, at most 65,535 bytes: keys are these bytes, exactly */
  readonly keys: Uint32Array;
  /** [row] event times, µs since 1970 UTC */
  readonly timesUs: BigInt64Array;
  /** [row] only for first and last; default 0 */
  readonly partitions?: Uint32Array;
  /** [row] only for first and last; default 0 */
  readonly offsets?: BigInt64Array;
  /** As declared. */
  readonly columns: readonly PaneValues[];
}

export interface PaneResultColumn {
  /** [result] RESULT_* */
  readonly flags: Uint8Array;
  /** [result], of sums and decimals [result × 2] low (unsigned) and high word, of quantiles [result × share] */
  readonly values: BigInt64Array | Float64Array;
}

export interface PaneResults {
  readonly count: number;
  /** [result] µs since 1970 UTC; of a session its first row */
  readonly startsUs: BigInt64Array;
  /** [result] µs since 1970 UTC; of a session its last row + gap */
  readonly endsUs: BigInt64Array;
  /** [result × 2] start and length in `keyBytes` */
  readonly keys: Uint32Array;
  readonly keyBytes: Uint8Array;
  /** [aggregate] */
  readonly columns: readonly PaneResultColumn[];
}

export class Panes {
  readonly #memory: KernelMemory;
  readonly #options: PaneOptions;
  readonly #description: Uint8Array;
  readonly #maxBytes: number;
  #handle = 0;

  /** @throws kernel.memory */
  constructor(memory: KernelMemory, options: PaneOptions) {
    this.#memory = memory;
    this.#options = options;
    this.#description = describePanes(options);
    this.#maxBytes = Math.min(options.maxBytes ?? BYTES_MAX, BYTES_MAX);
    assert(this.#maxBytes > 0, "a budget is a number of bytes");
    const [at] = memory.place(this.#description.length);
    memory.bytes(at, this.#description.length).set(this.#description);
    this.#handle = memory.address(memory.exports.createPanes(at, this.#maxBytes));
  }

  /** Memory that the panes take, never more than `maxBytes`. */
  get bytes(): number {
    return this.#memory.exports.panesBytes(this.#open()) >>> 0;
  }

  /** Keys that have a pane. */
  get keyCount(): number {
    return this.#memory.exports.panesKeys(this.#open()) >>> 0;
  }

  /** Whether something may be due: release until `release` gives null. */
  get isPending(): boolean {
    return this.#memory.exports.panesPending(this.#open()) !== 0;
  }

  /**
   * Adds a batch, whole or not at all.
   * @param horizonUs the first event time that is too far ahead: such a row is told, never aggregated
   * @returns [row] PANE_*
   * @throws kernel.memory when it does not fit in memory or in the budget; nothing has changed then
   */
  add(batch: PaneBatch, horizonUs: bigint): Uint8Array {
    const { count } = batch;
    const memory = this.#memory;
    const places = this.#placesOf(batch);
    const sizes = places.map((view) =>
      view === undefined || memory.addressOf(view) !== undefined ? 0 : Math.ceil(view.byteLength / 16) * 16,
    );
    const addresses = places.map((view) => (view === undefined ? 0 : memory.addressOf(view)));
    const [header, statuses, copies] = memory.place(
      (places.length + 1) * 4,
      count,
      sizes.reduce((sum, size) => sum + size, 0),
    );
    let at = copies;
    const words = memory.words(header, places.length + 1);
    places.forEach((view, i) => {
      const inside = addresses[i];
      if (inside === undefined && view !== undefined) {
        memory.bytes(at, view.byteLength).set(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
      }
      words[i === 0 ? 0 : i + 1] = inside ?? at;
      at += sizes[i]!;
    });
    words[1] = batch.bytes.length;
    const done = memory.exports.addToPanes(this.#open(), count, header, horizonUs, statuses);
    if (done === PANES_NO_MEMORY) throw memory.exhausted();
    if (done === PANES_OVER_BUDGET) throw this.#overBudget();
    assert(done !== PANES_NOT_RELEASED, "panes that are due are released before more is added");
    assert(done !== PANES_BAD_BATCH, "a key or text lies outside of its bytes, or a key is too long");
    return memory.bytes(statuses, count).slice();
  }

  /** Moves the watermark, never back. `2n ** 63n - 1n` ends every window. */
  advance(watermarkUs: bigint): void {
    this.#memory.exports.advancePanes(this.#open(), watermarkUs);
  }

  /**
   * The next results that are due, by end of their window, then by the bytes of their key.
   * @param most results, at least 1
   * @returns null when all are released
   * @throws kernel.memory; nothing has changed then
   */
  release(most: number): PaneResults | null {
    assert(Number.isSafeInteger(most) && most > 0, "a batch of results has room for one");
    const memory = this.#memory;
    const shapes = this.#options.aggregates.map((one) => resultShape(one, this.#options.columns));
    const flagBytes = Math.ceil(most / 8) * 8;
    let size = most * 24;
    for (const [width] of shapes) size += flagBytes + most * width;
    const keyRoom = KEY_ROOM + most * 32;
    const [out] = memory.place(size + keyRoom);
    const count = memory.exports.releasePanes(this.#open(), most, keyRoom, out);
    if (count < 0) throw memory.exhausted();
    if (count === 0) return null;
    const keys = memory.words(out + most * 16, count * 2).slice();
    let at = out + most * 24;
    const columns = shapes.map(([width, isDouble]) => {
      const flags = memory.bytes(at, count).slice();
      const length = (count * width) / 8;
      const values = isDouble ? memory.doubles(at + flagBytes, length) : memory.longs(at + flagBytes, length);
      at += flagBytes + most * width;
      return { flags, values: values.slice() };
    });
    return {
      count,
      startsUs: memory.longs(out, count).slice(),
      endsUs: memory.longs(out + most * 8, count).slice(),
      keys,
      keyBytes: memory.bytes(at, keys[count * 2 - 2]! + keys[count * 2 - 1]!).slice(),
      columns,
    };
  }

  /** A state image: the same state gives the same bytes, whatever its history. */
  snapshot(): Uint8Array<ArrayBuffer> {
    return writePaneImage(this.#memory, this.#open(), this.#description);
  }

  /**
   * Takes over what an image holds, into panes that have seen nothing yet.
   * @throws kernel.image for anything but a whole image of this version and declaration; kernel.memory when it does not
   * fit. The panes are of no use afterwards.
   */
  restore(image: Uint8Array): void {
    assert(this.keyCount === 0, "only unused panes are restored");
    readPaneImage(this.#memory, this.#open(), this.#description, image, this.#maxBytes);
  }

  /** Gives its memory back. */
  destroy(): void {
    this.#memory.exports.destroyPanes(this.#open());
    this.#handle = 0;
  }

  /** Every array of a batch in the order of the kernel's batch. */
  #placesOf(batch: PaneBatch): readonly (ArrayBufferView | undefined)[] {
    const { count } = batch;
    assert(batch.keys.length >= count * 2, "there are fewer keys than rows");
    assert(batch.timesUs.length >= count, "there are fewer times than rows");
    assert((batch.partitions?.length ?? count) >= count, "there are fewer partitions than rows");
    assert((batch.offsets?.length ?? count) >= count, "there are fewer offsets than rows");
    assert(batch.columns.length === this.#options.columns.length, "a batch has the declared columns");
    const values = batch.columns.flatMap((column, i) => {
      const bytes = valueBytes(this.#options.columns[i]!) * count;
      assert(column.values.byteLength >= bytes, `there are fewer values than rows in column ${i}`);
      assert((column.nulls?.length ?? count) >= count, `there are fewer nulls than rows in column ${i}`);
      return [column.values, column.nulls];
    });
    return [batch.bytes, batch.keys, batch.timesUs, batch.partitions, batch.offsets, ...values];
  }

  #overBudget(): MuaraError {
    return new MuaraError("kernel.memory", "The panes would take more memory than their budget.", {
      details: { bytes: this.bytes, maxBytes: this.#maxBytes },
    });
  }

  #open(): number {
    assert(this.#handle !== 0, "these panes were destroyed");
    return this.#handle;
  }
}
