/**
 * Column vectors: the values of one column by row slot, as far as possible in typed arrays. A slot starts as
 * NULL; a rejected row's slot is cleared, so undoing a row costs nothing unless it happens.
 *
 * Surprising rule: 64-bit integers are written as two 32-bit words, low word first, because a number that
 * fits 53 bits then never becomes a BigInt on its way in. All machines Muara runs on are little-endian.
 */
import type { DecodedArray } from "hyparquet";

export interface Vector {
  grow(capacity: number): void;
  /** Back to NULL for slots [from, to). */
  clear(from: number, to: number): void;
  /** Values in the order of `rows[from, to)`, null for NULL, as the Parquet writer takes them. */
  gather(rows: Uint32Array, from: number, to: number): DecodedArray;
}

const WORD = 4_294_967_296;

/** Strings, wide decimals, structs, lists. */
export class ValueVector<T> implements Vector {
  #values: (T | null)[] = [];

  set(slot: number, value: T): void {
    this.#values[slot] = value;
  }

  grow(capacity: number): void {
    const from = this.#values.length;
    for (let slot = from; slot < capacity; slot++) this.#values.push(null);
  }

  clear(from: number, to: number): void {
    this.#values.fill(null, from, to);
  }

  gather(rows: Uint32Array, from: number, to: number): (T | null)[] {
    return gathered(rows, from, to, (slot) => this.#values[slot]!);
  }
}

/** 64-bit integers: longs, timestamps, decimals of up to 18 digits. */
export class LongVector implements Vector {
  #longs = new BigInt64Array(0);
  #words = new Int32Array(0);
  #isSet = new Uint8Array(0);

  /** @param value an integer of at most 53 bits */
  set(slot: number, value: number): void {
    this.#words[2 * slot] = value;
    this.#words[2 * slot + 1] = Math.floor(value / WORD);
    this.#isSet[slot] = 1;
  }

  setBig(slot: number, value: bigint): void {
    this.#longs[slot] = value;
    this.#isSet[slot] = 1;
  }

  grow(capacity: number): void {
    const longs = new BigInt64Array(capacity);
    longs.set(this.#longs);
    this.#longs = longs;
    this.#words = new Int32Array(longs.buffer);
    this.#isSet = grown(this.#isSet, new Uint8Array(capacity));
  }

  clear(from: number, to: number): void {
    this.#isSet.fill(0, from, to);
  }

  gather(rows: Uint32Array, from: number, to: number): (bigint | null)[] {
    return gathered(rows, from, to, (slot) => (this.#isSet[slot] === 1 ? this.#longs[slot]! : null));
  }

  /** As plain numbers where all fit 32 bits, which the writer packs without BigInts. */
  gatherSmall(rows: Uint32Array, from: number, to: number): (number | null)[] | undefined {
    const isSmall = (slot: number): boolean => {
      const [low, high] = this.#words.subarray(2 * slot, 2 * slot + 2);
      return high === low! >> 31;
    };
    for (let i = from; i < to; i++) if (this.#isSet[rows[i]!] === 1 && !isSmall(rows[i]!)) return undefined;
    return gathered(rows, from, to, (slot) => (this.#isSet[slot] === 1 ? this.#words[2 * slot]! : null));
  }
}

/** Numbers, of the kind that the array holds. */
class NumberVector<A extends Float64Array | Int32Array> implements Vector {
  readonly #make: (capacity: number) => A;
  #values: A;
  #isSet = new Uint8Array(0);

  constructor(make: (capacity: number) => A) {
    this.#make = make;
    this.#values = make(0);
  }

  set(slot: number, value: number): void {
    this.#values[slot] = value;
    this.#isSet[slot] = 1;
  }

  grow(capacity: number): void {
    this.#values = grown(this.#values, this.#make(capacity));
    this.#isSet = grown(this.#isSet, new Uint8Array(capacity));
  }

  clear(from: number, to: number): void {
    this.#isSet.fill(0, from, to);
  }

  gather(rows: Uint32Array, from: number, to: number): (number | null)[] {
    return gathered(rows, from, to, (slot) => (this.#isSet[slot] === 1 ? this.#values[slot]! : null));
  }
}

export class DoubleVector extends NumberVector<Float64Array> {
  constructor() {
    super((capacity) => new Float64Array(capacity));
  }
}

/** Days since 1970. */
export class DateVector extends NumberVector<Int32Array> {
  constructor() {
    super((capacity) => new Int32Array(capacity));
  }
}

/** 0 is NULL, 1 false, 2 true. */
export class BooleanVector implements Vector {
  #states = new Uint8Array(0);

  set(slot: number, value: boolean): void {
    this.#states[slot] = value ? 2 : 1;
  }

  grow(capacity: number): void {
    this.#states = grown(this.#states, new Uint8Array(capacity));
  }

  clear(from: number, to: number): void {
    this.#states.fill(0, from, to);
  }

  gather(rows: Uint32Array, from: number, to: number): (boolean | null)[] {
    return gathered(rows, from, to, (slot) => (this.#states[slot] === 0 ? null : this.#states[slot] === 2));
  }
}

function grown<A extends Float64Array | Int32Array | Uint8Array>(old: A, larger: A): A {
  larger.set(old);
  return larger;
}

/** @returns the values of `rows[from, to)` in their order */
function gathered<T>(
  rows: Uint32Array,
  from: number,
  to: number,
  valueOf: (slot: number) => T | null,
): (T | null)[] {
  const values = new Array<T | null>(to - from);
  for (let i = from; i < to; i++) values[i - from] = valueOf(rows[i]!);
  return values;
}
