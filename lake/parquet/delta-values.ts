/**
 * DELTA_BINARY_PACKED of Parquet's encodings, read as doubles: for numbers that a double says exactly (times in
 * microseconds, lengths), several times faster than a reader of 64-bit integers. What is larger it leaves to that one.
 */

/** Bits of a difference together with where it begins in its byte: what a double holds, rounded down. */
const WIDTH_MAX = 45;
const WORD = 2 ** 32;

export interface DeltaValues {
  readonly values: Float64Array;
  /** Bytes that were read. */
  readonly length: number;
}

/** @returns undefined where a number is beyond 2^53, or the bytes are no such page */
export function readDeltaValues(bytes: Uint8Array): DeltaValues | undefined {
  const reader = new DeltaReader(bytes);
  const values = reader.read();
  return values && { values, length: reader.at };
}

class DeltaReader {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    // Behind the last byte may be read.
    const padded = new Uint8Array(bytes.length + 8);
    padded.set(bytes);
    this.#bytes = bytes;
    this.#view = new DataView(padded.buffer);
  }

  read(): Float64Array | undefined {
    const block = this.#varint();
    const miniblocks = this.#varint();
    const count = this.#varint();
    let previous = this.#zigzag();
    const size = block / miniblocks;
    if (!Number.isInteger(size) || size % 32 !== 0 || count > this.#bytes.length * 1024) return undefined;
    const values = new Float64Array(count);
    if (count > 0) values[0] = previous;
    for (let row = 1; row < count;) {
      const least = this.#zigzag();
      const widths = this.at;
      this.at += miniblocks;
      for (let i = 0; i < miniblocks && row < count; i++) {
        const width = this.#bytes[widths + i] ?? Number.NaN;
        if (!(width <= WIDTH_MAX)) return undefined;
        const start = this.at * 8;
        this.at += (size / 8) * width;
        if (this.at > this.#bytes.length) return undefined;
        const end = Math.min(row + size, count);
        for (let bit = start; row < end; row++, bit += width) {
          previous += least + this.#bits(bit, width);
          values[row] = previous;
        }
      }
    }
    return values.every((value) => Number.isSafeInteger(value)) ? values : undefined;
  }

  #bits(from: number, width: number): number {
    const byte = from >>> 3;
    const shift = from & 7;
    const low = this.#view.getUint32(byte, true) >>> shift;
    const last = shift + width;
    if (last <= 32) return width === 32 ? low : low % 2 ** width;
    const high = this.#view.getUint32(byte + 4, true) % 2 ** (last - 32);
    return low + high * 2 ** (32 - shift);
  }

  /** NaN where it is beyond 2^53. */
  #varint(): number {
    let value = 0;
    for (let scale = 1; scale < WORD * WORD; scale *= 128) {
      const byte = this.#bytes[this.at++] ?? Number.NaN;
      value += (byte % 128) * scale;
      if (byte < 128) return value <= Number.MAX_SAFE_INTEGER ? value : Number.NaN;
    }
    return Number.NaN;
  }

  #zigzag(): number {
    const value = this.#varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}
