/**
 * Events to Parquet files behind one interface: decode each event into a row slot, then write any of the
 * slots, in any order, with their envelope columns. By another decoder and another writer than the kernel's, whose
 * oracle it is.
 */
import type { DecodedArray } from "hyparquet";
import { assert } from "../../../core/assert.ts";
import type { Column, ColumnPlan } from "../../../core/columns.ts";
import { compileDecoder, type Decoder, type Rejection } from "./decoder.ts";
import type { EncodedFile } from "../../../lake/parquet/encoded-file.ts";
import { type Chunk, encodeFile, type FileColumn } from "../../../lake/parquet/parquet-file.ts";
import { LongVector } from "./vector.ts";

export type { Rejection } from "./decoder.ts";
export type { EncodedFile } from "../../../lake/parquet/encoded-file.ts";

/** What the log and landing know of each row, by row slot. */
export interface EnvelopeColumns {
  readonly eventIds: readonly string[];
  readonly eventTimesUs: BigInt64Array;
  readonly ingestMs: Float64Array;
  readonly keys: readonly (string | null)[];
  readonly partitions: Int32Array;
  readonly offsets: Float64Array;
  readonly flowIds: readonly (string | null)[];
  /** The table's before this commit; null before the first. */
  readonly watermarkUs: bigint | null;
}

export interface PlainEncoder {
  /**
   * Decodes the event at `bytes[at, at + length)` into row slot `rows`.
   * @param bytes not to be changed before `reset`: they are read ahead
   * @returns why it has no row; then no slot was taken
   */
  add(bytes: Uint8Array, at: number, length: number): Rejection | undefined;
  /** Slots taken. */
  readonly rows: number;
  /**
   * One file of the given row slots, in this order. May be called again for others (one file per table
   * partition).
   * @param rows [rows] at least one
   */
  write(rows: Uint32Array, envelope: EnvelopeColumns): EncodedFile;
  /** Forgets all rows. */
  reset(): void;
}

export function createPlainEncoder(plan: ColumnPlan): PlainEncoder {
  return new SlotWriter(plan);
}

class SlotWriter implements PlainEncoder {
  readonly #plan: ColumnPlan;
  readonly #decoder: Decoder;

  constructor(plan: ColumnPlan) {
    this.#plan = plan;
    this.#decoder = compileDecoder(plan);
  }

  get rows(): number {
    return this.#decoder.rows;
  }

  add(bytes: Uint8Array, at: number, length: number): Rejection | undefined {
    return this.#decoder.add(bytes, at, length);
  }

  write(rows: Uint32Array, envelope: EnvelopeColumns): EncodedFile {
    for (const slot of rows) assert(slot < this.rows, `no row slot ${slot}`);
    const columns = this.#plan.columns.map((column): FileColumn => ({
      ...column,
      gather: (from, to) => this.#gather(column, rows.subarray(from, to), envelope),
    }));
    return encodeFile(columns, rows.length);
  }

  reset(): void {
    this.#decoder.reset();
  }

  #gather(column: Column, rows: Uint32Array, envelope: EnvelopeColumns): Chunk {
    const vector = this.#decoder.vectors.get(column.name);
    if (!vector) return gatherEnvelope(column.name, rows, envelope);
    if (vector instanceof LongVector && column.type.kind === "long") {
      const small = vector.gatherSmall(rows, 0, rows.length);
      if (small) return { data: small, encoding: "DELTA_BINARY_PACKED" };
    }
    return { data: vector.gather(rows, 0, rows.length) };
  }
}

function gatherEnvelope(name: string, rows: Uint32Array, envelope: EnvelopeColumns): Chunk {
  switch (name) {
    case "event_id":
      return { data: gather(rows, (slot) => envelope.eventIds[slot]!) };
    case "event_time":
      return { data: gather(rows, (slot) => envelope.eventTimesUs[slot]!) };
    case "ingest_time":
      return { data: gather(rows, (slot) => BigInt(envelope.ingestMs[slot]!) * 1_000n) };
    case "event_key":
      return { data: gather(rows, (slot) => envelope.keys[slot] ?? null) };
    case "log_partition":
      return { data: gather(rows, (slot) => envelope.partitions[slot]!), encoding: "DELTA_BINARY_PACKED" };
    case "log_offset":
      return gatherOffsets(rows, envelope.offsets);
    case "watermark":
      return { data: gather(rows, () => envelope.watermarkUs) };
    default:
      assert(name === "flow_id", `nothing fills the column ${name}`);
      return { data: gather(rows, (slot) => envelope.flowIds[slot] ?? null) };
  }
}

function gather(rows: Uint32Array, valueOf: (slot: number) => unknown): DecodedArray {
  const gathered = new Array<unknown>(rows.length);
  for (let i = 0; i < rows.length; i++) gathered[i] = valueOf(rows[i]!);
  return gathered;
}

/** Offsets below 2^31 stay numbers: the writer packs those without BigInts. */
function gatherOffsets(rows: Uint32Array, offsets: Float64Array): Chunk {
  let isSmall = true;
  for (const slot of rows) isSmall &&= offsets[slot]! <= 0x7fff_ffff;
  const data = gather(rows, isSmall ? (slot) => offsets[slot]! : (slot) => BigInt(offsets[slot]!));
  return { data, encoding: "DELTA_BINARY_PACKED" };
}
