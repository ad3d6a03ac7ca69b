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
    const gathered = new Array<T | null>(to - from);
    for (let i = from; i < to; i++) gathered[i - from] = this.#values[rows[i]!]!;
    return gathered;
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
    const gathered = new Array<bigint | null>(to - from);
    for (let i = from; i < to; i++) {
      const slot = rows[i]!;
      gathered[i - from] = this.#isSet[slot] === 1 ? this.#longs[slot]! : null;
    }
    return gathered;
  }

  /** As plain numbers where all fit 32 bits, which the writer packs without BigInts. */
  gatherSmall(rows: Uint32Array, from: number, to: number): (number | null)[] | undefined {
    const gathered = new Array<number | null>(to - from);
    for (let i = from; i < to; i++) {
      const slot = rows[i]!;
      if (this.#isSet[slot] === 1) {
        const low = this.#words[2 * slot]!;
        if (this.#words[2 * slot + 1]! !== low >> 31) return undefined;
        gathered[i - from] = low;
      } else gathered[i - from] = null;
    }
    return gathered;
  }
}

export class DoubleVector implements Vector {
  #doubles = new Float64Array(0);
  #isSet = new Uint8Array(0);

  set(slot: number, value: number): void {
    this.#doubles[slot] = value;
    this.#isSet[slot] = 1;
  }

  grow(capacity: number): void {
    this.#doubles = grown(this.#doubles, new Float64Array(capacity));
    this.#isSet = grown(this.#isSet, new Uint8Array(capacity));
  }

  clear(from: number, to: number): void {
    this.#isSet.fill(0, from, to);
  }

  gather(rows: Uint32Array, from: number, to: number): (number | null)[] {
    const gathered = new Array<number | null>(to - from);
    for (let i = from; i < to; i++) {
      const slot = rows[i]!;
      gathered[i - from] = this.#isSet[slot] === 1 ? this.#doubles[slot]! : null;
    }
    return gathered;
  }
}

/** Days since 1970. */
export class DateVector implements Vector {
  #days = new Int32Array(0);
  #isSet = new Uint8Array(0);

  set(slot: number, days: number): void {
    this.#days[slot] = days;
    this.#isSet[slot] = 1;
  }

  grow(capacity: number): void {
    this.#days = grown(this.#days, new Int32Array(capacity));
    this.#isSet = grown(this.#isSet, new Uint8Array(capacity));
  }

  clear(from: number, to: number): void {
    this.#isSet.fill(0, from, to);
  }

  gather(rows: Uint32Array, from: number, to: number): (number | null)[] {
    const gathered = new Array<number | null>(to - from);
    for (let i = from; i < to; i++) {
      const slot = rows[i]!;
      gathered[i - from] = this.#isSet[slot] === 1 ? this.#days[slot]! : null;
    }
    return gathered;
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
    const gathered = new Array<boolean | null>(to - from);
    for (let i = from; i < to; i++) {
      const state = this.#states[rows[i]!]!;
      gathered[i - from] = state === 0 ? null : state === 2;
    }
    return gathered;
  }
}

function grown<A extends Float64Array | Int32Array | Uint8Array>(old: A, larger: A): A {
  larger.set(old);
  return larger;
}
