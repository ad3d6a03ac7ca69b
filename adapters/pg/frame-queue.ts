/**
 * Messages of PostgreSQL's protocol out of what a socket delivers: a byte of kind, four of length, the rest. A message
 * that lies within what was read at once is looked at where it is; one that does not is put together, once.
 */
import { MuaraError } from "../../core/errors.ts";

const HEAD_BYTES = 5;
/** PostgreSQL allocates no more for one message. */
const LENGTH_MAX = 0x4000_0000;
const NOTHING = new Uint8Array(0);

export class FrameQueue {
  #chunks: Uint8Array[] = [];
  #current: Uint8Array = NOTHING;
  #at = 0;
  /** Read and not taken, bytes. */
  length = 0;
  /** Length of the message that `next` has not found whole. */
  #wanted = 0;
  /** Of the message that `next` has found: its kind, and what follows its length. Valid until the next call. */
  kind = 0;
  bytes: Uint8Array = NOTHING;
  start = 0;
  end = 0;

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.length += chunk.length;
  }

  /** Whether the next message cannot be whole before more is pushed. */
  get isWanting(): boolean {
    return this.length < Math.max(this.#wanted, HEAD_BYTES);
  }

  /** @returns whether there is a whole message @throws source.protocol */
  next(): boolean {
    if (this.#at === this.#current.length) this.#advance();
    const left = this.#current.length - this.#at;
    if (left >= HEAD_BYTES) {
      const total = totalOf(this.#current, this.#at);
      if (left >= total) {
        this.#found(this.#current, this.#at, total);
        this.#at += total;
        return true;
      }
    }
    return this.#join();
  }

  #join(): boolean {
    if (this.length < Math.max(this.#wanted, HEAD_BYTES)) return false;
    const head = new Uint8Array(HEAD_BYTES);
    this.#peek(head);
    const total = totalOf(head, 0);
    this.#wanted = total;
    if (this.length < total) return false;
    const whole = new Uint8Array(total);
    for (let filled = 0; filled < total;) {
      if (this.#at === this.#current.length) this.#advance();
      const part = this.#current.subarray(this.#at, this.#at + total - filled);
      whole.set(part, filled);
      filled += part.length;
      this.#at += part.length;
    }
    this.#found(whole, 0, total);
    return true;
  }

  #found(bytes: Uint8Array, at: number, total: number): void {
    this.kind = bytes[at]!;
    this.bytes = bytes;
    this.start = at + HEAD_BYTES;
    this.end = at + total;
    this.length -= total;
    this.#wanted = 0;
  }

  #advance(): void {
    this.#current = this.#chunks.shift() ?? NOTHING;
    this.#at = 0;
  }

  #peek(head: Uint8Array): void {
    let filled = 0;
    for (let at = this.#at; at < this.#current.length && filled < HEAD_BYTES; at++)
      head[filled++] = this.#current[at]!;
    for (let i = 0; filled < HEAD_BYTES; i++)
      for (const byte of this.#chunks[i]!.subarray(0, HEAD_BYTES - filled)) head[filled++] = byte;
  }
}

/** Of the message at `at`, with its head. */
function totalOf(bytes: Uint8Array, at: number): number {
  const length =
    ((bytes[at + 1]! << 24) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 8) | bytes[at + 4]!) >>> 0;
  if (length < 4 || length > LENGTH_MAX)
    throw new MuaraError("source.protocol", `the source tells of a message of ${length} bytes`);
  return length + 1;
}
