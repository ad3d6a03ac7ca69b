/**
 * Rows of `COPY … TO STDOUT`, text format (PostgreSQL's manual, COPY: File Formats), from chunks of bytes as they come:
 * a line is a row, a tab stands between values, `\N` is null, and a backslash takes away the meaning of what follows.
 *
 * Surprising rule: escapes are taken out in place, so the bytes of a row are its values; nothing is made per row.
 */
import { NULL, TEXT, type Tuple } from "./tuple.ts";

const TAB = 0x09;
const LINE = 0x0a;
const BACKSLASH = 0x5c;
const CAPITAL_N = 0x4e;
const BYTES_MIN = 65_536;

/** Per letter behind a backslash: what it stands for; 0: itself. */
const MEANINGS = new Uint8Array(256);
for (const [letter, byte] of ["b\b", "f\f", "n\n", "r\r", "t\t", "v\v"])
  MEANINGS[letter!.charCodeAt(0)] = byte!.charCodeAt(0);

export class CopyText {
  readonly #columns: number;
  #bytes: Uint8Array = new Uint8Array(0);
  /** Of what is in `#bytes`: read, looked through without finding a line's end, and all. */
  #start = 0;
  #searched = 0;
  #end = 0;

  /** @param columns values of a row */
  constructor(columns: number) {
    this.#columns = columns;
  }

  /** Bytes behind the last whole row. */
  get pending(): number {
    return this.#end - this.#start;
  }

  /** More of the text; may be changed by `next`. All rows must have been read before. */
  push(chunk: Uint8Array): void {
    const pending = this.pending;
    if (pending === 0) {
      this.#bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
      this.#end = chunk.length;
    } else {
      // Room grows by doubling: a row of many chunks is copied few times.
      if (this.#start > 0 || this.#end + chunk.length > this.#bytes.length) {
        const size = Math.max(BYTES_MIN, pending + chunk.length);
        const bytes = new Uint8Array(size > this.#bytes.length ? size * 2 : size);
        bytes.set(this.#bytes.subarray(this.#start, this.#end));
        this.#bytes = bytes;
      }
      this.#bytes.set(chunk, pending);
      this.#searched -= this.#start;
      this.#end = pending + chunk.length;
      this.#start = 0;
      return;
    }
    this.#start = 0;
    this.#searched = 0;
  }

  /**
   * Reads the next row into `tuple`, whose bytes are valid until the next `push`.
   * @returns false where no whole row is there
   */
  next(tuple: Tuple): boolean {
    const bytes = this.#bytes;
    const line = bytes.subarray(0, this.#end).indexOf(LINE, this.#searched);
    if (line < 0) {
      this.#searched = this.#end;
      return false;
    }
    tuple.enter(bytes);
    if (this.#columns > 0) this.#row(tuple, line);
    this.#start = line + 1;
    this.#searched = this.#start;
    return true;
  }

  #row({ kinds, starts, ends }: Tuple, line: number): void {
    const bytes = this.#bytes;
    let at = this.#start;
    for (let i = 0; i < this.#columns; i++) {
      starts[i] = at;
      if (bytes[at] === BACKSLASH && bytes[at + 1] === CAPITAL_N) {
        kinds[i] = NULL;
        at += 3;
        continue;
      }
      kinds[i] = TEXT;
      while (at < line && bytes[at] !== TAB && bytes[at] !== BACKSLASH) at++;
      let to = at;
      while (at < line && bytes[at] !== TAB) {
        let byte = bytes[at++]!;
        if (byte === BACKSLASH) {
          const letter = bytes[at++]!;
          byte = MEANINGS[letter] === 0 ? letter : MEANINGS[letter]!;
        }
        bytes[to++] = byte;
      }
      ends[i] = to;
      at++;
    }
  }
}
