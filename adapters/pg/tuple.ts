/** A row as it lies in a message: where each column's text begins and ends. Nothing is copied. */
import { MuaraError } from "../../core/errors.ts";
import { type Bytes, viewOf } from "./byte-buffer.ts";

export const NULL = 0;
export const TEXT = 1;
/** Left alone by the change and not sent (TOAST). */
export const UNCHANGED = 2;

const KIND_NULL = 0x6e;
const KIND_TEXT = 0x74;
const KIND_UNCHANGED = 0x75;
/** PostgreSQL's own bound of what it reads at once; a table has at most 1,600. */
export const COLUMNS_MAX = 1_664;

const NOTHING = new Uint8Array(0);

export class Tuple implements Bytes {
  /** What it lies in, with others. */
  bytes: Uint8Array = NOTHING;
  view: DataView = viewOf(NOTHING);
  /** Whether a column is UNCHANGED. */
  hasUnchanged = false;
  readonly kinds: Uint8Array = new Uint8Array(COLUMNS_MAX);
  readonly starts: Uint32Array = new Uint32Array(COLUMNS_MAX);
  readonly ends: Uint32Array = new Uint32Array(COLUMNS_MAX);

  /** From here on its columns lie in these bytes. */
  enter(bytes: Uint8Array): void {
    if (bytes === this.bytes) return;
    this.bytes = bytes;
    this.view = viewOf(bytes);
  }

  /**
   * Reads a TupleData of pgoutput (PostgreSQL's manual, §55.9).
   * @param count columns that it must have
   * @returns where it has ended
   * @throws source.protocol
   */
  read(bytes: Uint8Array, start: number, end: number, count: number): number {
    if (start + 2 > end || ((bytes[start]! << 8) | bytes[start + 1]!) !== count)
      throw broken("count of columns");
    this.enter(bytes);
    const { kinds, starts, ends } = this;
    let at = start + 2;
    let hasUnchanged = false;
    for (let i = 0; i < count; i++) {
      const kind = at < end ? bytes[at] : -1;
      at++;
      if (kind === KIND_TEXT) {
        if (at + 4 > end) throw broken("length of a value");
        const length =
          ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
        at += 4;
        if (length > end - at) throw broken("length of a value");
        kinds[i] = TEXT;
        starts[i] = at;
        at += length;
        ends[i] = at;
      } else if (kind === KIND_NULL) kinds[i] = NULL;
      else if (kind === KIND_UNCHANGED) {
        kinds[i] = UNCHANGED;
        hasUnchanged = true;
      } else throw broken("kind of a value");
    }
    this.hasUnchanged = hasUnchanged;
    return at;
  }

  /** Takes column `i` from another row of the same message. */
  take(i: number, other: Tuple): void {
    this.kinds[i] = other.kinds[i]!;
    this.starts[i] = other.starts[i]!;
    this.ends[i] = other.ends[i]!;
  }

  /** Whether column `i` has the same text in both. */
  isSame(i: number, other: Tuple): boolean {
    if (this.kinds[i] !== other.kinds[i]) return false;
    if (this.kinds[i] !== TEXT) return true;
    const [start, otherStart] = [this.starts[i]!, other.starts[i]!];
    const length = this.ends[i]! - start;
    if (length !== other.ends[i]! - otherStart) return false;
    for (let k = 0; k < length; k++) if (this.bytes[start + k] !== other.bytes[otherStart + k]) return false;
    return true;
  }
}

function broken(what: string): MuaraError {
  return new MuaraError("source.protocol", `a row of the source is broken: ${what}`);
}
