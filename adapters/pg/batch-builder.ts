/**
 * Gathers events for a batch: per stream and partition one array of bytes, and the index of records into it. Two sets
 * of them take turns, so that one batch is read while the next is written.
 */
import { ABSENT, RECORD_WORDS, type RecordBatch } from "../../core/record.ts";
import type { SourceBatch, SourceMessage, SourcePart } from "../../core/ports/source.ts";
import { ByteBuffer } from "./byte-buffer.ts";

const RECORDS_MIN = 64;
/** Memory that an array keeps for the next batch. */
const KEPT_BYTES_MAX = 8 * 1_048_576;

/** Records of one stream and partition. */
export class Arena {
  readonly stream: string;
  readonly partition: number;
  readonly out: ByteBuffer = new ByteBuffer();
  count = 0;
  #index = new Uint32Array(RECORDS_MIN * RECORD_WORDS);
  #header: Uint8Array | undefined;
  #headerAt = 0;

  constructor(stream: string, partition: number) {
    this.stream = stream;
    this.partition = partition;
  }

  /**
   * Notes what has been written since `start` as a record: the payload up to `keyAt`, the key up to the end.
   * @param hasKey where there is none, `keyAt` is the end
   */
  add(start: number, keyAt: number, hasKey: boolean, header: Uint8Array): void {
    const end = this.out.length;
    if (header !== this.#header) {
      this.#header = header;
      this.#headerAt = end;
      this.out.put(header);
    }
    const word = this.count * RECORD_WORDS;
    if (word === this.#index.length) this.#grow();
    const index = this.#index;
    index[word] = start;
    index[word + 1] = keyAt - start;
    index[word + 2] = hasKey ? keyAt : 0;
    index[word + 3] = hasKey ? end - keyAt : ABSENT;
    index[word + 4] = this.#headerAt;
    index[word + 5] = header.length;
    this.count++;
  }

  batch(): RecordBatch {
    const { count, out } = this;
    return {
      count,
      bytes: out.bytes.subarray(0, out.length),
      index: this.#index.subarray(0, count * RECORD_WORDS),
    };
  }

  /** What was not used at all gives its memory back. */
  clear(): void {
    this.out.clear(this.out.length === 0 ? 1_024 : KEPT_BYTES_MAX);
    if (this.count === 0) this.#index = new Uint32Array(RECORDS_MIN * RECORD_WORDS);
    this.count = 0;
    this.#header = undefined;
  }

  #grow(): void {
    const index = new Uint32Array(this.#index.length * 2);
    index.set(this.#index);
    this.#index = index;
  }
}

export class BatchBuilder {
  /** [2][slot] */
  readonly #sets: readonly [Arena[], Arena[]] = [[], []];
  readonly #slots = new Map<string, number>();
  #turn: 0 | 1 = 0;
  #messages: SourceMessage[] = [];
  /** Of events and messages. */
  bytes = 0;
  /** Events and messages since the beginning. */
  total = 0;
  changes = 0;
  /** End of the last transaction that is in it, as text of an integer. */
  cursor: string | null = null;
  /** µs since 1970 UTC; NaN where there is none. */
  commitUs = Number.NaN;

  /** Number of a stream and partition, for `arena`. */
  slot(stream: string, partition: number): number {
    const key = `${partition} ${stream}`;
    const known = this.#slots.get(key);
    if (known !== undefined) return known;
    const slot = this.#slots.size;
    this.#slots.set(key, slot);
    for (const arenas of this.#sets) arenas.push(new Arena(stream, partition));
    return slot;
  }

  arena(slot: number): Arena {
    return this.#sets[this.#turn][slot]!;
  }

  addMessage(message: SourceMessage): void {
    this.#messages.push(message);
    this.total++;
    this.bytes += message.content.length + message.prefix.length;
  }

  /** Whether there is anything to hand over beside a cursor. */
  get isEmpty(): boolean {
    return this.changes === 0 && this.#messages.length === 0;
  }

  /** What was gathered; its bytes are valid until the next call. */
  take(): SourceBatch {
    const parts: SourcePart[] = [];
    for (const arena of this.#sets[this.#turn]) {
      if (arena.count === 0) continue;
      parts.push({ stream: arena.stream, partition: arena.partition, records: arena.batch() });
    }
    const batch: SourceBatch = {
      parts,
      messages: this.#messages,
      cursor: this.cursor,
      changes: this.changes,
      commitUs: Number.isNaN(this.commitUs) ? null : BigInt(this.commitUs),
    };
    this.#turn = this.#turn === 0 ? 1 : 0;
    for (const arena of this.#sets[this.#turn]) arena.clear();
    this.#messages = [];
    this.bytes = 0;
    this.changes = 0;
    this.cursor = null;
    this.commitUs = Number.NaN;
    return batch;
  }
}
