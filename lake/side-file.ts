/**
 * The side file of a landing commit: its dead letters and duplicates, one row each, and one more for each record
 * that is a dead letter published again, whatever became of it; as Parquet beside the table
 * (below `_muara/`, which readers of the table ignore). It is written before the commit that names it, so a
 * crash leaves an unnamed file, never a commit without its file.
 */
import type { Column } from "../core/columns.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";
import { MuaraError } from "../core/errors.ts";
import { readRows, writeRows } from "./parquet/rows.ts";

export interface SideRow {
  readonly kind: "dead" | "duplicate" | "replay";
  /** What became of the record. */
  readonly fate: "landed" | "duplicate" | "dead_letter";
  /** null where the event has none that could be read. */
  readonly event_id: string | null;
  readonly log_id: string;
  readonly topic_id: string;
  readonly log_partition: bigint;
  readonly log_offset: bigint;
  /** µs since 1970 UTC. */
  readonly ingest_time: bigint;
  /** 63 bits of the hash of the payload. */
  readonly bytes_hash: bigint;
  /** Only of dead letters from here on. */
  readonly reason: string | null;
  readonly pointer: string | null;
  readonly detail: string | null;
  readonly payload: Uint8Array | null;
  readonly header: string | null;
  readonly event_key: string | null;
}

const text = (name: string): Column => ({ name, type: { kind: "string" }, nullable: true });
const long = (name: string): Column => ({ name, type: { kind: "long" }, nullable: true });

export const SIDE_COLUMNS: readonly Column[] = [
  text("kind"),
  text("fate"),
  text("event_id"),
  text("log_id"),
  text("topic_id"),
  long("log_partition"),
  long("log_offset"),
  { name: "ingest_time", type: { kind: "timestamp" }, nullable: true },
  long("bytes_hash"),
  text("reason"),
  text("pointer"),
  text("detail"),
  { name: "payload", type: { kind: "binary" }, nullable: true },
  text("header"),
  text("event_key"),
];

export function sidePath(table: string, uuid: string): string {
  return `${table}/_muara/side-${uuid}.parquet`;
}

export async function writeSideFile(
  store: ObjectStore,
  path: string,
  rows: readonly SideRow[],
): Promise<void> {
  await store.put(path, writeRows(SIDE_COLUMNS, rows).bytes);
}

/** @throws table.corrupt where a commit names a side file that is gone */
export async function readSideFile(store: ObjectStore, path: string): Promise<readonly SideRow[]> {
  const bytes = await store.get(path);
  if (!bytes)
    throw new MuaraError("table.corrupt", `A commit names ${path}, which does not exist.`, {
      details: { path },
    });
  return (await readRows(bytes, SIDE_COLUMNS)) as unknown as readonly SideRow[];
}
