/**
 * Bytes that are written one after the other into memory that grows. Hot loops write into `bytes` themselves, and four
 * at once through `view`: a typed array of bytes takes one at a time, a call to copy costs more than a short text.
 */

const BYTES_MIN = 1_024;
/** There is always room for so many bytes more than were asked for: a name, a separator, a short value. */
export const SPARE_BYTES = 512;
/** Below it a loop is faster than a call. */
const LOOP_BYTES_MAX = 160;
export const WORD_BYTES = 4;

/** The same memory as bytes and, little-endian, as words that begin anywhere. */
export interface Bytes {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** A text that is written often. Words reach up to three bytes beyond its end, where zeros stand. */
export interface Phrase {
  readonly words: Int32Array;
  readonly length: number;
}

const encoder = new TextEncoder();

/** Of at most SPARE_BYTES less a word. */
export function phraseOf(text: string): Phrase {
  const bytes = encoder.encode(text);
  const padded = new Uint8Array(Math.ceil(bytes.length / WORD_BYTES) * WORD_BYTES);
  padded.set(bytes);
  const view = viewOf(padded);
  const words = Int32Array.from({ length: padded.length / WORD_BYTES }, (_, i) =>
    view.getInt32(i * WORD_BYTES, true),
  );
  return { words, length: bytes.length };
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export class ByteBuffer implements Bytes {
  bytes: Uint8Array<ArrayBuffer>;
  view: DataView;
  length = 0;

  constructor(capacity: number = BYTES_MIN) {
    this.bytes = new Uint8Array(Math.max(BYTES_MIN, capacity));
    this.view = viewOf(this.bytes);
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

  /** Into the spare room, which is there again afterwards. */
  say({ words, length }: Phrase): void {
    const { view } = this;
    let at = this.length;
    for (let i = 0; i < words.length; i++, at += WORD_BYTES) view.setInt32(at, words[i]!, true);
    this.length += length;
    this.reserve(0);
  }

  /** A part of another array. */
  copy({ bytes: source, view: words }: Bytes, start: number, end: number): void {
    const length = end - start;
    this.reserve(length);
    const { bytes, view } = this;
    let at = this.length;
    this.length += length;
    if (length > LOOP_BYTES_MAX) return bytes.set(source.subarray(start, end), at);
    let i = start;
    for (; i + WORD_BYTES <= end; i += WORD_BYTES, at += WORD_BYTES)
      view.setInt32(at, words.getInt32(i, true), true);
    while (i < end) bytes[at++] = source[i++]!;
  }

  /** Empty again; what has grown beyond `capacityMax` is given back. */
  clear(capacityMax: number): void {
    this.length = 0;
    if (this.bytes.length > capacityMax) this.#become(new Uint8Array(capacityMax));
  }

  #grow(needed: number): void {
    const bytes = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    bytes.set(this.bytes.subarray(0, this.length));
    this.#become(bytes);
  }

  #become(bytes: Uint8Array<ArrayBuffer>): void {
    this.bytes = bytes;
    this.view = viewOf(bytes);
  }
}
