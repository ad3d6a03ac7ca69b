/** Bytes that are written one after the other into memory that grows. Hot loops write into `bytes` themselves. */

const BYTES_MIN = 1_024;
/** There is always room for so many bytes more than were asked for: a name, a separator, a short value. */
export const SPARE_BYTES = 512;
/** Below it a loop is faster than a call. */
const LOOP_BYTES_MAX = 24;

export class ByteBuffer {
  bytes: Uint8Array<ArrayBuffer>;
  length = 0;

  constructor(capacity: number = BYTES_MIN) {
    this.bytes = new Uint8Array(Math.max(BYTES_MIN, capacity));
  }

  /** Makes room for `more` bytes behind `length` and the spare ones; `bytes` may be another array afterwards. */
  reserve(more: number): void {
    const needed = this.length + more + SPARE_BYTES;
    if (needed > this.bytes.length) this.#grow(needed);
  }

  put(chunk: Uint8Array): void {
    this.reserve(chunk.length);
    this.bytes.set(chunk, this.length);
    this.length += chunk.length;
  }

  /** A part of another array. */
  copy(source: Uint8Array, start: number, end: number): void {
    const length = end - start;
    this.reserve(length);
    const { bytes } = this;
    let at = this.length;
    if (length > LOOP_BYTES_MAX) bytes.set(source.subarray(start, end), at);
    else for (let i = start; i < end; i++) bytes[at++] = source[i]!;
    this.length += length;
  }

  /** Empty again; what has grown beyond `capacityMax` is given back. */
  clear(capacityMax: number): void {
    this.length = 0;
    if (this.bytes.length > capacityMax) this.bytes = new Uint8Array(capacityMax);
  }

  #grow(needed: number): void {
    const bytes = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    bytes.set(this.bytes.subarray(0, this.length));
    this.bytes = bytes;
  }
}
