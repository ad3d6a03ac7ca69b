/**
 * What a query of a current state reads: a version of its table, and what has landed since and is laid over it. As of
 * an LSN or a time the version is one that has nothing newer, and what is newer is not laid over it; where no such
 * version is kept, all changes are folded from the first.
 */
import { MuaraError } from "../../core/errors.ts";
import type { AddFile, TableSnapshot } from "../../core/ports/table-log.ts";
import type { Catalog, CatalogTable, TableSchema } from "../catalog.ts";
import {
  CURRENT_SINCE,
  CURRENT_TIME,
  CURRENT_UNKEYED,
  currentTableSchema,
  hasAllSince,
  lsnTxn,
  mayHold,
  rangeCondition,
  unmergedRanges,
} from "../current/current-table.ts";
import { numRecords } from "../current/merge-round.ts";
import { formatSchema, parseSchema } from "../table/delta-schema.ts";
import { evolveSchema } from "../table/evolve-schema.ts";
import { type CurrentPoint, pointOf } from "./current-point.ts";
import { FILES_KEPT_MS, pinSnapshot, type At } from "./time-travel.ts";
import { quoteText } from "./view.ts";

/** Files of an older version are surely there while a query of it runs. */
const QUERY_MS = 900_000;

export interface Overlay {
  /** The table of the changes, and the version of it that is read. */
  readonly source: string;
  readonly landed: TableSnapshot;
  /** SQL condition on the rows that were merged; null: every row. */
  readonly rows: string | null;
  readonly changes: {
    readonly files: readonly AddFile[];
    readonly schema: TableSchema;
    readonly condition: string;
    /** That the files have. */
    readonly rows: number;
  } | null;
}

export interface PinnedCurrent {
  readonly snapshot: TableSnapshot;
  readonly ingestedUntilMs: null;
  readonly schema: TableSchema;
  readonly overlay: Overlay;
}

/** @throws table.version_not_found, table.no_current_state, request.malformed */
export async function pinCurrent(
  catalog: Catalog,
  table: CatalogTable,
  at: At | undefined,
  tableCount: number,
  nowMs: number,
): Promise<PinnedCurrent> {
  const eventType = table.captured!;
  const point = pointOf(at, table.name);
  // First the rows, then the changes: whatever was merged has landed.
  const newest =
    point?.kind === "version"
      ? (await pinSnapshot(catalog, table.name, at, tableCount, nowMs)).snapshot
      : await catalog.snapshot(table.name);
  const landed = await catalog.snapshot(eventType.name);
  const source = { name: eventType.name, kind: "event_type" as const, alias: undefined, eventType };
  const changeSchema = catalog.schema(source, landed);
  const schema = schemaOf(newest, changeSchema.schemaString);
  checkKeyed(table.name, newest);
  const pinned = { ingestedUntilMs: null, schema } as const;
  const overlay = { source: eventType.name, landed };
  if (point?.kind === "version")
    return { ...pinned, snapshot: newest, overlay: { ...overlay, rows: null, changes: null } };
  const base = point ? await baseUntil(catalog, table.name, newest, point, nowMs) : newest;
  if (base !== newest && !hasAllSince(landed, base)) throw notKept(table.name);
  const ranges = unmergedRanges(landed, base).map((range) => ({ ...range, to: null }));
  const files = [...landed.files.values()].filter((file) => mayHold(file, ranges));
  const condition = `(${rangeCondition(ranges)})${point ? ` AND ${changesUntil(point)}` : ""}`;
  const changes = files.length > 0 ? { files, schema: changeSchema, condition, rows: rowsOf(files) } : null;
  const rows = point?.kind === "lsn" && point.shard !== null ? isShard(point.shard) : null;
  const snapshot = base ?? { ...newest, files: new Map<string, AddFile>() };
  return { ...pinned, snapshot, overlay: { ...overlay, rows, changes } };
}

/** The table's own columns and those that the changes have got since. */
function schemaOf(current: TableSnapshot, changes: string): TableSchema {
  const wanted = currentTableSchema(changes);
  if (!current.metadata) return wanted;
  const { schemaString, partitionColumns } = current.metadata;
  const step = evolveSchema(parseSchema(schemaString), parseSchema(wanted.schemaString));
  return { schemaString: step ? formatSchema(step.schema) : schemaString, partitionColumns };
}

function checkKeyed(name: string, { txns }: TableSnapshot): void {
  const count = txns.get(CURRENT_UNKEYED) ?? 0n;
  if (count === 0n) return;
  const reason = `${count} updates and deletes of it came without a key`;
  throw new MuaraError("table.no_current_state", `"${name}" cannot be told: ${reason}.`, {
    details: { table: name },
  });
}

/** The newest version that has nothing of after the point. @returns undefined where none is kept */
async function baseUntil(
  catalog: Catalog,
  name: string,
  newest: TableSnapshot,
  point: Exclude<CurrentPoint, { kind: "version" }>,
  nowMs: number,
): Promise<TableSnapshot | undefined> {
  if (isUntil(newest, point)) return newest;
  const log = catalog.log(name);
  const isKept = (snapshot: TableSnapshot): boolean =>
    snapshot.timestampMs > nowMs - FILES_KEPT_MS + QUERY_MS;
  let found: TableSnapshot | undefined;
  let [low, high] = [Number(newest.txns.get(CURRENT_SINCE) ?? 0n), newest.version - 1];
  // What is in a version only grows.
  while (low <= high) {
    const middle = Math.floor((low + high) / 2);
    const snapshot = await log.snapshot({ version: middle }).catch((error: unknown) => {
      if (error instanceof MuaraError && error.code === "table.version_not_found") return undefined;
      throw error;
    });
    if (snapshot && !isUntil(snapshot, point)) high = middle - 1;
    else {
      if (snapshot && isKept(snapshot)) found = snapshot;
      low = middle + 1;
    }
  }
  return found;
}

function isUntil({ txns }: TableSnapshot, point: Exclude<CurrentPoint, { kind: "version" }>): boolean {
  if (point.kind === "time") return (txns.get(CURRENT_TIME) ?? -1n) <= BigInt(point.timeMs) * 1_000n;
  if (point.shard !== null) return (txns.get(lsnTxn(point.shard)) ?? -1n) <= point.lsn;
  const prefix = lsnTxn("");
  return [...txns].every(([appId, lsn]) => !appId.startsWith(prefix) || lsn <= point.lsn);
}

/** As SQL over rows of the change table. */
function changesUntil(point: Exclude<CurrentPoint, { kind: "version" }>): string {
  if (point.kind === "time") return `event_time <= make_timestamptz(${BigInt(point.timeMs) * 1_000n})`;
  const until = `source.lsn <= ${point.lsn}`;
  return point.shard === null ? until : `${isShard(point.shard)} AND ${until}`;
}

function rowsOf(files: readonly AddFile[]): number {
  return files.reduce((sum, { stats }) => sum + numRecords(stats), 0);
}

function isShard(shard: string): string {
  return `source.shard = ${quoteText(shard)}`;
}

function notKept(name: string): MuaraError {
  const reason = "changes that it takes are no longer kept";
  return new MuaraError("table.version_not_found", `"${name}" cannot be told as of then: ${reason}.`, {
    details: { table: name },
  });
}
