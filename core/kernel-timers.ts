/**
 * Deadlines in event time, per rule and key: an order that must be shipped within 48 hours, all of whose parcels must
 * have left. An opening event sets the deadline and the parts that it takes; parts, completions and cancellations may
 * come before it. Rows come out when the watermark moves.
 *
 * The surprising rule: nothing is decided between two watermarks. What an event does to a timer is a minimum, a maximum
 * or a union, so the rows are a function of which events came before which watermark, not of their order or batches.
 * In time means `event time < deadline`; a watermark at the deadline says that all such events have come.
 */
import { assert } from "./assert.ts";
import { MuaraError } from "./errors.ts";
import { REFUSED_MEMORY } from "./kernel-abi.ts";
import { IMAGE_TIMERS, decodeImage, encodeImage, type ImageKind } from "./kernel-image.ts";
import type { KernelMemory } from "./kernel-memory.ts";

/** Sets or changes deadline, parts and need; the newest by event time holds, until the breach. */
export const TIMER_OPEN = 0;
/** Parts have come. */
export const TIMER_PART = 1;
/** The whole is complete, whatever parts have come. */
export const TIMER_COMPLETE = 2;
/** The whole is off: no breach, and no row when it was in time. */
export const TIMER_CANCEL = 3;

/** Complete in time: all parts that were needed came before the deadline. */
export const ROW_COMPLETED = 1;
export const ROW_BREACHED = 2;
/** Complete, but only after its breach was told. */
export const ROW_RESOLVED = 3;
/** Parts came, an opening never did: forgotten a retention after the newest of them. */
export const ROW_UNOPENED = 4;

/** How a timer became complete; 0 where it did not. */
export const BY_PARTS = 1;
export const BY_COMPLETION = 2;
export const BY_CANCELLATION = 3;

const EVENT_BYTES = 49;
const ROW_BYTES = 46;
const STATE_BYTES = 16;
const VERSION = 1;
/** Bytes moved per call of the kernel, for images. */
const CHUNK = 1 << 20;
const LOWEST = -(2n ** 63n);

export interface TimerOptions {
  /** How long after its deadline a timer is remembered, µs. Default 48 h. */
  readonly retentionUs?: bigint;
  /** Grain of the wheel, µs, a power of two; deadlines are exact all the same. Default 2^20. */
  readonly tickUs?: number;
  /** All that the timers take; scratch memory for sorting comes on top. Default 64 MiB. */
  readonly maxBytes?: number;
}

/** Columns [event]. */
export interface TimerEvents {
  readonly count: number;
  /** TIMER_* */
  readonly kinds: Uint8Array;
  readonly rules: Uint32Array;
  /** [event × 2] */
  readonly identities: BigUint64Array;
  /** Event time, µs since 1970 UTC. */
  readonly timesUs: BigInt64Array;
  /** Of openings. */
  readonly deadlinesUs: BigInt64Array;
  /** Bits: of an opening the parts that count, of parts those that came. */
  readonly parts: BigUint64Array;
  /** Of openings: how many of the parts it takes; 0: parts never complete it. */
  readonly needs: Uint32Array;
}

/** Columns [row]: of one watermark first what was complete, then what was due, each by deadline, rule, key. */
export interface TimerRows {
  readonly count: number;
  /** ROW_* */
  readonly kinds: Uint8Array;
  /** BY_* */
  readonly ways: Uint8Array;
  readonly rules: Uint32Array;
  /** [row × 2] */
  readonly identities: BigUint64Array;
  /** 0 where it was never opened. */
  readonly deadlinesUs: BigInt64Array;
  /** When it was complete, by event time; of a breach its deadline; of the unopened the newest event time. */
  readonly timesUs: BigInt64Array;
  /** Bits of the parts that have come, of a breach those in time. */
  readonly parts: BigUint64Array;
}

export class KeyedTimers {
  readonly retentionUs: bigint;
  readonly tickUs: number;
  readonly maxBytes: number;
  readonly #memory: KernelMemory;
  #handle: number;
  #watermarkUs = LOWEST;

  constructor(memory: KernelMemory, options: TimerOptions = {}) {
    this.retentionUs = options.retentionUs ?? 172_800_000_000n;
    this.tickUs = options.tickUs ?? 2 ** 20;
    this.maxBytes = options.maxBytes ?? 64 << 20;
    const shift = Math.log2(this.tickUs);
    assert(Number.isInteger(shift) && shift >= 0 && shift <= 40, "a tick takes 2^0 to 2^40 µs");
    assert(this.retentionUs >= 0n && this.retentionUs < 2n ** 62n, "a retention is not negative");
    assert(this.maxBytes >= 16_384 && this.maxBytes <= 2 ** 32, "timers take 16 KiB to 4 GiB");
    this.#memory = memory;
    this.#handle = memory.address(memory.exports.createTimers(shift, this.retentionUs, this.maxBytes));
  }

  /** Timers, those included that are kept for their retention. */
  get size(): number {
    return this.#memory.exports.timerCount(this.#open()) >>> 0;
  }

  get bytes(): number {
    return this.#memory.exports.timerBytes(this.#open()) >>> 0;
  }

  /** Whether rows of the last `advance` are still to be taken; until then no event is. */
  get isDraining(): boolean {
    return this.#memory.exports.isDraining(this.#open()) !== 0;
  }

  /** Undefined before the first `advance`. */
  get watermarkUs(): bigint | undefined {
    return this.#watermarkUs === LOWEST ? undefined : this.#watermarkUs;
  }

  /**
   * Events of timers that have completed or resolved change nothing any more.
   * @throws kernel.memory, with nothing changed, when it does not fit into the kernel's memory or the budget
   */
  update(events: TimerEvents): void {
    assert(!this.isDraining, "rows are taken before events are");
    const memory = this.#memory;
    const { count } = events;
    // columns of a scan lie in the kernel's memory, which the next call may grow
    const identities = memory.outside<BigUint64Array>(events.identities);
    const times = memory.outside<BigInt64Array>(events.timesUs);
    const { kinds, rules, deadlinesUs, parts, needs } = events;
    const lengths = [kinds, rules, times, deadlinesUs, parts, needs].map((column) => column.length);
    assert(Math.min(...lengths, identities.length / 2) >= count, "columns are shorter than the count");
    const [at] = memory.place(count * EVENT_BYTES);
    memory.unsignedLongs(at, count * 2).set(identities.subarray(0, count * 2));
    memory.longs(at + count * 16, count).set(times.subarray(0, count));
    memory.longs(at + count * 24, count).set(deadlinesUs.subarray(0, count));
    memory.unsignedLongs(at + count * 32, count).set(parts.subarray(0, count));
    memory.words(at + count * 40, count).set(rules.subarray(0, count));
    memory.words(at + count * 44, count).set(needs.subarray(0, count));
    memory.bytes(at + count * 48, count).set(kinds.subarray(0, count));
    const status = memory.exports.updateTimers(this.#open(), count, at);
    if (status === REFUSED_MEMORY) throw memory.exhausted();
    if (status !== 0) throw this.#refused(count);
  }

  /**
   * Moves the watermark, or leaves it where it is when this one is lower, and judges what has come since the last
   * call; `take` the rows before anything else.
   * @throws kernel.memory with nothing changed; call again
   */
  advance(watermarkUs: bigint): void {
    assert(!this.isDraining, "rows are taken before the watermark moves on");
    if (!this.#memory.exports.advanceTimers(this.#open(), watermarkUs)) throw this.#memory.exhausted();
    if (watermarkUs > this.#watermarkUs) this.#watermarkUs = watermarkUs;
  }

  /**
   * The next rows, at most `most`; call again while `isDraining`.
   * @throws kernel.memory when there is none to sort them in; nothing is lost, call again
   */
  take(most: number): TimerRows {
    assert(most > 0, "there is room for a row");
    const memory = this.#memory;
    const [out] = memory.place(most * ROW_BYTES);
    const count = memory.exports.takeRows(this.#open(), most, out);
    if (count < 0) throw memory.exhausted();
    return {
      count,
      identities: memory.unsignedLongs(out, count * 2).slice(),
      deadlinesUs: memory.longs(out + most * 16, count).slice(),
      timesUs: memory.longs(out + most * 24, count).slice(),
      parts: memory.unsignedLongs(out + most * 32, count).slice(),
      rules: memory.words(out + most * 40, count).slice(),
      kinds: memory.bytes(out + most * 44, count).slice(),
      ways: memory.bytes(out + most * 45, count).slice(),
    };
  }

  /**
   * The timers' state image: equal for equal histories, also while rows are being taken.
   * @throws kernel.memory
   */
  snapshot(): Uint8Array<ArrayBuffer> {
    const memory = this.#memory;
    if (!memory.exports.beginTimerExport(this.#open())) throw memory.exhausted();
    const content = new Uint8Array(STATE_BYTES + (memory.exports.exportedTimerBytes(this.#open()) >>> 0));
    const view = new DataView(content.buffer);
    view.setUint32(0, Number(this.isDraining), true);
    view.setUint32(4, memory.exports.exportedTimers(this.#open()), true);
    view.setBigInt64(8, this.#watermarkUs, true);
    let at = STATE_BYTES;
    while (at < content.length) {
      const room = Math.min(CHUNK, content.length - at);
      const [out] = memory.place(room);
      const bytes = memory.exports.exportTimers(this.#open(), room, out) >>> 0;
      assert(bytes > 0, "there are fewer timers than were counted");
      content.set(memory.bytes(out, bytes), at);
      at += bytes;
    }
    return encodeImage(memory, this.#kind(), [content]);
  }

  /**
   * Takes over what an image holds, into timers that have seen nothing yet.
   * @throws kernel.image for anything but a whole image of this version, tick and retention; kernel.memory when it does
   * not fit. The timers are of no use afterwards.
   */
  restore(image: Uint8Array): void {
    assert(this.size === 0 && this.#watermarkUs === LOWEST, "only unused timers are restored");
    const memory = this.#memory;
    const content = decodeImage(memory, this.#kind(), image);
    const view = new DataView(content.buffer, content.byteOffset, content.length);
    this.#watermarkUs = view.getBigInt64(8, true);
    memory.exports.startTimers(this.#open(), this.#watermarkUs);
    for (let from = STATE_BYTES; from < content.length;) {
      const length = Math.min(CHUNK, content.length - from);
      const [at] = memory.place(length);
      memory.bytes(at, length).set(content.subarray(from, from + length));
      const bytes = memory.exports.importTimers(this.#open(), length, at) >>> 0;
      if (bytes === 0) throw memory.exhausted();
      from += bytes;
    }
    if (this.bytes > this.maxBytes) throw this.#refused(view.getUint32(4, true));
    const wasDraining = view.getUint32(0, true);
    if (!memory.exports.finishTimerImport(this.#open(), wasDraining)) throw memory.exhausted();
  }

  /** Gives its memory back. */
  destroy(): void {
    this.#memory.exports.destroyTimers(this.#open());
    this.#handle = 0;
  }

  #kind(): ImageKind {
    const parameters = [BigInt(this.tickUs), this.retentionUs];
    return { operator: IMAGE_TIMERS, name: "timers", version: VERSION, parameters };
  }

  #refused(count: number): MuaraError {
    return new MuaraError("kernel.memory", "The timers' budget is used up.", {
      details: { timers: this.size, bytes: this.bytes, maxBytes: this.maxBytes, refused: count },
    });
  }

  #open(): number {
    assert(this.#handle !== 0, "these timers were destroyed");
    return this.#handle;
  }
}
