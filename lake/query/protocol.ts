/**
 * What the service and its query process say to each other, over the process's stdin and stdout: frames of
 * [length: u32 little endian][kind: 1 byte][body]. Data frames carry bytes of the answer as they go to the client;
 * all others carry JSON.
 */
import type { Judged } from "./gate.ts";
import type { JudgedCondition } from "./row-condition.ts";
import type { PinnedTable, PinnedView } from "./view.ts";

export type QueryFormat = "json" | "ndjson" | "csv" | "parquet" | "arrow";

/** Service → process, as "J" frames: first `judge` and `judge_condition`, any number of times, then `run`. */
export type Order =
  | { readonly order: "judge"; readonly sql: string }
  | { readonly order: "judge_condition"; readonly condition: string }
  | {
      readonly order: "run";
      readonly sql: string;
      readonly tables: readonly PinnedTable[];
      /** Each after those that it reads. */
      readonly views?: readonly PinnedView[];
      readonly format: QueryFormat;
      /** Rows in the answer at most. */
      readonly rows: number;
    }
  | CopyOrder;

/** Instead of `run`: each file's part of a table, as a Parquet file of its own. No SQL of a user is in it. */
export interface CopyOrder {
  readonly order: "copy_parts";
  /** With a part. */
  readonly table: PinnedTable;
  /** Delta schema of the part, JSON text. */
  readonly schemaString: string;
  /** Columns of the part that the files do not store. */
  readonly partitionColumns: readonly string[];
}

/** Process → service, as "J" frames. */
export type Report =
  | { readonly report: "ready" }
  | { readonly report: "judged"; readonly judged: Judged }
  | { readonly report: "condition"; readonly judged: JudgedCondition }
  | { readonly report: "columns"; readonly columns: readonly QueryColumn[] }
  | CopiedReport
  | { readonly report: "done"; readonly rows: number; readonly isTruncated: boolean }
  | { readonly report: "failed"; readonly failure: Failure };

/** Of the next file: its rows, then its bytes as data frames. Without rows there are none. */
export interface CopiedReport {
  readonly report: "copied";
  readonly rows: number;
  readonly bytes: number;
  /** Delta statistics, JSON text. */
  readonly stats: string;
}

export interface QueryColumn {
  readonly name: string;
  /** DuckDB's name of the type. */
  readonly type: string;
}

export interface Failure {
  readonly kind: "failed" | "memory";
  readonly message: string;
  /** Place in the SQL text as UTF-8; null where unknown. */
  readonly byte: number | null;
}

export const FRAME_JSON = 0x4a;
export const FRAME_DATA = 0x44;
const HEADER_BYTES = 5;
/** A frame beyond this is no frame: something else wrote to the pipe. */
const FRAME_BYTES_MAX = 268_435_456;

export interface Frame {
  readonly kind: number;
  readonly body: Buffer;
}

export function encodeFrame(kind: number, body: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  frame.writeUInt32LE(body.length, 0);
  frame[4] = kind;
  frame.set(body, HEADER_BYTES);
  return frame;
}

export function encodeJson(value: object): Buffer {
  return encodeFrame(FRAME_JSON, Buffer.from(JSON.stringify(value)));
}

/** Cuts a byte stream into frames. */
export class FrameReader {
  #chunks: Buffer[] = [];
  #length = 0;

  /** @returns the frames that `chunk` completes @throws Error where the bytes are no frames */
  push(chunk: Buffer): readonly Frame[] {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    const frames: Frame[] = [];
    for (;;) {
      if (this.#length < HEADER_BYTES) return frames;
      const head = this.#join(HEADER_BYTES);
      const bodyLength = head.readUInt32LE(0);
      const kind = head[4]!;
      if (bodyLength > FRAME_BYTES_MAX || (kind !== FRAME_JSON && kind !== FRAME_DATA))
        throw new Error("the query process wrote something that is no frame");
      if (this.#length < HEADER_BYTES + bodyLength) return frames;
      const whole = this.#join(HEADER_BYTES + bodyLength);
      frames.push({ kind, body: whole.subarray(HEADER_BYTES, HEADER_BYTES + bodyLength) });
      this.#chunks = [whole.subarray(HEADER_BYTES + bodyLength)];
      this.#length -= HEADER_BYTES + bodyLength;
    }
  }

  /** The first chunk, grown to at least `length` bytes. */
  #join(length: number): Buffer {
    if (this.#chunks[0]!.length < length) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0]!;
  }
}
