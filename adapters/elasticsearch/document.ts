/** A row as a document: its id, its index, its version. */
import { createHash } from "node:crypto";
import type { Column } from "../../core/columns.ts";
import type { SinkBatch, SinkRow } from "../../core/ports/sink.ts";
import { valueJson } from "../../core/row-json.ts";
import type { SearchTarget } from "../../core/search-target.ts";
import { indexName } from "./index-names.ts";

/** The engine's. */
const ID_BYTES_MAX = 512;
const EVENT_ID = "event_id";
/** Of a declaration, in each ms of its life, at most: the versions of the next one on the same index are higher. */
const ROWS_PER_MS = 1_048_576n;
/** Of a partition, in one ms, at most: their order is that of their offsets below this. */
const OFFSETS_PER_MS = 2_097_152n;

export interface Owner {
  /** Of the declaration. */
  readonly createdMs: number;
  readonly target: SearchTarget;
}

/** Two lines of a bulk request: what to do, and the document. @param i of the row in its batch */
export function bulkLines(owner: Owner, batch: SinkBatch, i: number): readonly [string, string] {
  const row = batch.rows[i]!;
  const index = indexName(owner.target, timeMsOf(owner.target, row, batch.committedMs));
  const head = JSON.stringify({ _index: index, _id: documentId(owner.target, batch, i) }).slice(0, -1);
  // A 64-bit integer, which JSON.stringify does not write.
  return [
    `{"index":${head},"version":${versionOf(owner, batch, i)},"version_type":"external_gte"}}`,
    row.json,
  ];
}

/** By acceptance, which is not the order of a table's rows; where a table does not tell it, by delivery. */
function versionOf({ createdMs }: Owner, batch: SinkBatch, i: number): bigint {
  const { ingest_time: ingestUs, log_offset: offset } = batch.rows[i]!.values;
  if (!isNumber(ingestUs) || !isNumber(offset))
    return BigInt(createdMs) * ROWS_PER_MS + BigInt(batch.sequence + i);
  return (BigInt(ingestUs) / 1_000n) * OFFSETS_PER_MS + (BigInt(offset) % OFFSETS_PER_MS);
}

function isNumber(value: unknown): value is bigint | number {
  return typeof value === "bigint" || typeof value === "number";
}

/**
 * Of a row with a key: its values. Else the event's id, which is the same however often the table is delivered, and of
 * a table without one the row's number, which is not.
 */
export function documentId({ key }: SearchTarget, batch: SinkBatch, i: number): string {
  const { values } = batch.rows[i]!;
  if (key) return bounded(`[${key.map((name) => keyJson(batch.columns, name, values[name])).join(",")}]`);
  const id = values[EVENT_ID];
  if (typeof id === "string" && id !== "") return bounded(id);
  return `${batch.delivery}:${batch.generation}:${batch.sequence + i}`;
}

function keyJson(columns: readonly Column[], name: string, value: unknown): string {
  const column = columns.find((one) => one.name === name);
  return column ? valueJson(column.type, value) : "null";
}

function bounded(id: string): string {
  if (new TextEncoder().encode(id).length <= ID_BYTES_MAX) return id;
  return `sha256:${createHash("sha256").update(id).digest("hex")}`;
}

/** A row without the time goes where those of its commit go. */
function timeMsOf({ time }: SearchTarget, { values }: SinkRow, committedMs: number): number {
  const us = time ? values[time.column] : undefined;
  return us === null || us === undefined
    ? committedMs
    : Number(BigInt(us as bigint | number | string)) / 1_000;
}
