/**
 * Events of one type to Parquet files: each batch of the log is scanned once, which checks it, finds the values of
 * the envelope and fills the columns; then any of the rows are written, in any order. No object and no string is made
 * per event.
 */
import { assert } from "../../core/assert.ts";
import { isEqual } from "../../core/bytes.ts";
import { type ColumnLayout, layOutColumns } from "../../core/column-layout.ts";
import { type ColumnPlan, planColumns } from "../../core/columns.ts";
import { envelopePaths, type EventType } from "../../core/event-type.ts";
import type { KernelColumns } from "../../core/kernel-columns.ts";
import type { ScanLimits, ScanPath } from "../../core/kernel-plan.ts";
import type { Scan } from "../../core/kernel-scan.ts";
import type { Kernel } from "../../core/kernel.ts";
import {
  ABSENT,
  HEADER_AT,
  HEADER_LENGTH,
  payloadOf,
  RECORD_WORDS,
  type ReadBatch,
} from "../../core/record.ts";
import type { EncodedFile } from "./encoded-file.ts";
import { encodeEventFile, type PageCodec } from "./event-file.ts";
import { explainRejection, type Rejection } from "./rejection.ts";

export type { EncodedFile, Rejection };

/** Places of the envelope's values among a scan's paths; -1 where the type has none. */
export interface EnvelopePlaces {
  readonly id: number;
  readonly time: number;
  readonly eventType: number;
  readonly flowId: number;
}

/** What landing knows of each row. */
export interface EnvelopeColumns {
  /** [rows] */
  readonly eventTimesUs: BigInt64Array;
  /** [rows] */
  readonly ingestMs: Float64Array;
  /** The table's before this commit; null before the first. */
  readonly watermarkUs: bigint | null;
}

export interface Scanned {
  /** Valid until the next scan. */
  readonly scan: Scan;
  /** By record of the batch, only of readable ones: why it has no row. */
  readonly rejections: ReadonlyMap<number, Rejection>;
}

export interface EventEncoder {
  readonly places: EnvelopePlaces;
  /** Rows so far: one per record scanned. */
  readonly rows: number;
  /**
   * Scans a batch into rows.
   * @param secret the table's 16 bytes
   * @param place of the partition: with the offset it is the id of an event whose type declares none
   * @throws kernel.memory; then `reset` is due
   */
  scan(batch: ReadBatch, secret: Uint8Array, place: string): Scanned;
  /** null where the event has none that could be read. */
  eventId(row: number): string | null;
  /**
   * One file of the given rows, in this order. May be called again for others (one file per table partition).
   * @param rows [n] at least one
   */
  write(rows: Uint32Array, envelope: EnvelopeColumns, turn: () => Promise<void>): Promise<EncodedFile>;
  /** Forgets all rows. */
  reset(): void;
  /** Gives the kernel's memory back; the encoder must not be used afterwards. */
  destroy(): void;
}

/** The JSON string behind `"flow_id":` in a header. */
// oxlint-disable-next-line no-control-regex -- JSON strings have none
const FLOW_ID = /"flow_id":("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")/;

const decoder = new TextDecoder();

/** @throws event_type.invalid, kernel.memory */
export function createEventEncoder(
  kernel: Kernel,
  type: EventType,
  limits: ScanLimits,
  codec: PageCodec,
): EventEncoder {
  return new KernelEncoder(kernel, type, limits, codec);
}

class KernelEncoder implements EventEncoder {
  readonly places: EnvelopePlaces;
  readonly #kernel: Kernel;
  readonly #plan: ColumnPlan;
  readonly #layout: ColumnLayout;
  readonly #columns: KernelColumns;
  readonly #codec: PageCodec;

  constructor(kernel: Kernel, type: EventType, limits: ScanLimits, codec: PageCodec) {
    this.#kernel = kernel;
    this.#codec = codec;
    this.#plan = planColumns(type);
    const { paths, places } = envelopeScan(type);
    this.places = places;
    this.#layout = layOutColumns(
      this.#plan,
      paths.map(({ keys }) => keys),
    );
    this.#columns = kernel.columns(kernel.plan(paths, limits), this.#layout);
  }

  get rows(): number {
    return this.#columns.rows;
  }

  scan(batch: ReadBatch, secret: Uint8Array, place: string): Scanned {
    const columns = this.#columns;
    const scan = columns.scan(batch, secret);
    const first = columns.firstRow;
    const rejections = new Map<number, Rejection>();
    for (const [i, rejection] of columns.rejections)
      rejections.set(i, explainRejection(this.#plan, payloadOf(batch, i)!, rejection));
    if (this.places.id >= 0) columns.takeField(this.#leaf("event_id"), this.places.id);
    else
      columns.setTextList(
        this.#leaf("event_id"),
        Array.from(batch.offsets, (offset) => place + offset),
      );
    if (this.places.flowId >= 0) columns.takeField(this.#leaf("flow_id"), this.places.flowId);
    else columns.fill(this.#leaf("flow_id"), null);
    this.#takeHeaders(batch, first);
    columns.takeKeys(this.#leaf("event_key"));
    columns.fill(this.#leaf("log_partition"), BigInt(batch.partition));
    columns.setNumbers(this.#leaf("log_offset"), first, batch.offsets, 1);
    return { scan, rejections };
  }

  eventId(row: number): string | null {
    return this.#columns.text(this.#leaf("event_id"), row);
  }

  write(rows: Uint32Array, envelope: EnvelopeColumns, turn: () => Promise<void>): Promise<EncodedFile> {
    const columns = this.#columns;
    const count = this.rows;
    assert(
      rows.every((row) => row < count),
      "a row is written that nobody scanned",
    );
    columns.setLongs(this.#leaf("event_time"), envelope.eventTimesUs);
    columns.setNumbers(this.#leaf("ingest_time"), 0, envelope.ingestMs, 1_000);
    columns.fillFrom(this.#leaf("watermark"), 0, envelope.watermarkUs);
    return encodeEventFile(this.#kernel, columns, this.#plan, rows, this.#codec, turn);
  }

  reset(): void {
    this.#columns.reset();
  }

  destroy(): void {
    this.#columns.reset();
    this.#columns.plan.destroy();
  }

  #leaf(name: string): number {
    return this.#layout.leavesOf.get(name)![0]!;
  }

  /** Flow ids of headers, where the event itself has none. Records of one request have the same header. */
  #takeHeaders(batch: ReadBatch, first: number): void {
    const leaf = this.#leaf("flow_id");
    const { index, bytes } = batch;
    let last: Uint8Array = new Uint8Array(0);
    let lastAt = -1;
    let lastLength = -1;
    let from = 0;
    let to = 0;
    let flowId: string | null = null;
    // Rows [from, to) have the same header: their text is kept once.
    const put = (): void => {
      if (flowId !== null && to > from) this.#columns.setTexts(leaf, from, to, flowId);
    };
    for (const row of this.#columns.missingTexts(leaf, first)) {
      const word = (row - first) * RECORD_WORDS;
      const at = index[word + HEADER_AT]!;
      const given = index[word + HEADER_LENGTH]!;
      const length = given === ABSENT ? 0 : given;
      // Of one request it is mostly the same place, which needs no look at its bytes.
      const isSame = (at === lastAt && length === lastLength) || isEqual(bytes, at, at + length, last);
      lastAt = at;
      lastLength = length;
      if (!isSame || row !== to) {
        put();
        from = row;
      }
      if (!isSame) {
        last = bytes.subarray(at, at + length);
        const match = FLOW_ID.exec(decoder.decode(last));
        flowId = match ? String(JSON.parse(match[1]!)) : null;
      }
      to = row + 1;
    }
    put();
  }
}

/** The paths that a scan for landing picks out, and which is which. */
export function envelopeScan(type: EventType): {
  readonly paths: ScanPath[];
  readonly places: EnvelopePlaces;
} {
  const { id, idScope, time, eventType, flowId } = envelopePaths(type);
  const paths: ScanPath[] = [];
  const place = (keys: readonly string[] | undefined, kind: ScanPath["kind"], scope = -1): number =>
    keys ? paths.push(scope < 0 ? { keys, kind } : { keys, kind, scope }) - 1 : -1;
  const places = {
    id: place(id, "id", place(idScope, "text")),
    time: place(time, "time"),
    eventType: place(eventType, "text"),
    flowId: place(flowId, "text"),
  };
  return { paths, places };
}
