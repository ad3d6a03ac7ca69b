/** Bytes written one after the other into one array that grows. */
const LEAST = 1_024;
const LINE_FEED = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;

export class ByteWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  length = 0;

  /** @param room bytes that will probably be written */
  constructor(room: number) {
    this.#bytes = new Uint8Array(Math.max(LEAST, room));
  }

  write(bytes: Uint8Array): void {
    this.#grow(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** A part of other bytes, without a view of it. */
  copy(bytes: Uint8Array, from: number, to: number): void {
    const size = to - from;
    this.#grow(size);
    // Short parts are most; a view costs more than they do.
    if (size < 32) for (let i = 0; i < size; i++) this.#bytes[this.length + i] = bytes[from + i]!;
    else this.#bytes.set(bytes.subarray(from, to), this.length);
    this.length += size;
  }

  byte(value: number): void {
    this.#grow(1);
    this.#bytes[this.length++] = value;
  }

  /** Line breaks from `from` on become spaces: of JSON, where they can only stand between its tokens. */
  unbreak(from: number): void {
    for (let at = from; at < this.length; at++)
      if (this.#bytes[at] === LINE_FEED || this.#bytes[at] === RETURN) this.#bytes[at] = SPACE;
  }

  /** Over what is written already. */
  replace(at: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, at);
  }

  done(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.length);
  }

  #grow(more: number): void {
    const needed = this.length + more;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.length));
    this.#bytes = grown;
  }
}
