/**
 * Which snapshot a query reads. A version is that version. A time is the version that was the newest then, as long
 * as its files are surely kept; further back it is the newest version without the rows that came in later, because
 * compaction has replaced the files of old versions (design §6).
 */
import { MuaraError } from "../../core/errors.ts";
import type { TableSnapshot } from "../../core/ports/table-log.ts";
import type { Catalog } from "../catalog.ts";

/** For so long a removed file stays on disk, ms (`delta.deletedFileRetentionDuration`). */
export const FILES_KEPT_MS = 7_200_000;

/** Clocks of those who ask may be ahead of ours by this, ms. */
const AHEAD_MS = 60_000;

/** A version (a number, or digits) or a time (ISO 8601). */
export type AtPoint = number | string;
/** One point for all tables, or one per table name. */
export type At = AtPoint | Readonly<Record<string, AtPoint>>;

export interface PinnedSnapshot {
  readonly snapshot: TableSnapshot;
  /** Rows that came in later are hidden, ms since 1970 UTC; null hides none. */
  readonly ingestedUntilMs: number | null;
}

/** @param tableCount tables in the query: one version cannot stand for several */
export async function pinSnapshot(
  catalog: Catalog,
  name: string,
  at: At | undefined,
  tableCount: number,
  nowMs: number,
): Promise<PinnedSnapshot> {
  const point = typeof at === "object" ? at[name] : at;
  if (point === undefined) return { snapshot: await catalog.snapshot(name), ingestedUntilMs: null };
  if (isVersion(point)) {
    if (tableCount > 1 && typeof at !== "object")
      throw malformed('Versions count per table: with several tables give a time, or {"table": version, …}.');
    const snapshot = await catalog.log(name).snapshot({ version: Number(point) });
    return { snapshot, ingestedUntilMs: null };
  }
  // What is no time by a long way is taken for one by some parsers: those of current states are not for others.
  const timeMs = /^lsn/i.test(String(point)) ? NaN : Date.parse(String(point));
  if (Number.isNaN(timeMs)) throw malformed(`"${point}" is neither a version nor an ISO 8601 time.`);
  if (timeMs > nowMs + AHEAD_MS)
    throw malformed(`"${point}" lies in the future: the answer would not stay the same.`);
  const newest = await catalog.snapshot(name);
  if (newest.timestampMs <= timeMs) return { snapshot: newest, ingestedUntilMs: null };
  const isRecent = nowMs - timeMs < FILES_KEPT_MS;
  if (isRecent || !hasIngestTime(newest))
    return { snapshot: await catalog.log(name).snapshot({ timeMs }), ingestedUntilMs: null };
  return { snapshot: newest, ingestedUntilMs: timeMs };
}

function malformed(message: string): MuaraError {
  return new MuaraError("request.malformed", message, { details: { pointer: "/at" } });
}

function isVersion(point: AtPoint): boolean {
  return typeof point === "number" || /^\d+$/.test(point);
}

function hasIngestTime(snapshot: TableSnapshot): boolean {
  const schema = JSON.parse(snapshot.metadata?.schemaString ?? '{"fields":[]}') as {
    fields: readonly { name: string; type: unknown }[];
  };
  return schema.fields.some((field) => field.name === "ingest_time" && field.type === "timestamp");
}
