/** GET /v1/tables, /v1/tables/{t}, /v1/tables/{t}/history: what the lake holds and how fresh it is. */
import type { Hono } from "hono";
import { ownColumnDescription } from "../../core/column-descriptions.ts";
import { MuaraError, hasCode } from "../../core/errors.ts";
import { watermarkOf, WATERMARK_TXN } from "../../core/landed.ts";
import type { TableCommit, TableSnapshot } from "../../core/ports/table-log.ts";
import { icebergLag } from "../../lake/iceberg/iceberg-task.ts";
import { isVisible, mayReadWhole, type TableRight } from "../../lake/query/part.ts";
import { quoteName, sqlColumns } from "../../lake/query/view.ts";
import type { DeclaredView } from "../../lake/query/views.ts";
import { statedRows } from "../../lake/table/add-file.ts";
import { retentionMsOf } from "../../lake/retain.ts";
import { parseSchema } from "../../lake/table/delta-schema.ts";
import { pausedUntilMs } from "../../lake/table/table-pause.ts";
import { publicProperties } from "../../lake/table/table-properties.ts";
import { freshnessOf } from "../table-freshness.ts";
import { shownFreshness } from "./table-parts.ts";
import { currentOf } from "../current-state.ts";
import { duplicateCounter } from "../duplicate-counts.ts";
import {
  isoOrNull,
  readableTable,
  readableTables,
  wholeNumber,
  type ApiContext,
  type ApiEnv,
  type ApiPorts,
  type ReadableTable,
} from "../context.ts";

const HISTORY_DEFAULT = 20;
const HISTORY_MAX = 1_000;

export function addTableRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  app.get("/v1/tables", async (context) => {
    const tables = await readableTables(ports, context.get("principal"));
    const nowMs = ports.clock.nowMs();
    const countsOf = await duplicateCounter(ports);
    const items = await Promise.all(
      tables.map(async (table) => {
        const snapshot = await ports.catalog.snapshot(table.name);
        const hasCounts = table.kind === "event_type" && table.right.isWhole;
        const duplicates = hasCounts ? { duplicates: countsOf(snapshot) } : {};
        const current = await currentOf(ports, table, snapshot);
        // It asks the log about each partition, so only who wants to know waits for it.
        const lag =
          hasCounts && context.req.query("lag") === "true"
            ? shownFreshness(await freshnessOf(ports.log, table, snapshot, nowMs))
            : {};
        return {
          ...summary(table, snapshot, nowMs),
          ...landingOf(ports, table),
          ...duplicates,
          ...current,
          ...lag,
        };
      }),
    );
    const views = await ports.query.views(context.get("principal"));
    return context.json({ items: [...items, ...views.map(viewSummary)] });
  });

  app.get("/v1/tables/:table", async (context) => {
    const view = await readableView(ports, context);
    if (view) return context.json(await shownView(ports, context, view));
    const table = await readableTable(ports, context.get("principal"), context.req.param("table"));
    const { right } = table;
    const snapshot = await ports.catalog.snapshot(table.name);
    const schema = ports.catalog.schema(table, snapshot);
    const types = new Map(sqlColumns(schema.schemaString).map((column) => [column.name, column.type]));
    return context.json({
      ...summary(table, snapshot, ports.clock.nowMs()),
      ...landingOf(ports, table),
      ...(table.kind === "event_type" && right.isWhole
        ? { duplicates: (await duplicateCounter(ports))(snapshot) }
        : {}),
      ...(await currentOf(ports, table, snapshot)),
      location: right.isWhole ? ports.catalog.location(table.name) : null,
      partition_columns: schema.partitionColumns.filter((name) => isVisible(right, name)),
      columns: parseSchema(schema.schemaString)
        .fields.filter(({ name }) => isVisible(right, name))
        .map((field) => ({
          name: field.name,
          type: types.get(field.name),
          delta_type: field.type,
          nullable: field.nullable,
          description: field.metadata["comment"] ?? ownColumnDescription(table.kind, field.name),
        })),
      ...(right.isWhole ? { iceberg: await icebergOf(ports, table.name, snapshot) } : {}),
      retention: {
        log_ms: table.eventType?.options.retention_time ?? null,
        rows_ms: finiteOrNull(retentionMsOf(table, snapshot.metadata)),
        table: publicProperties(snapshot.metadata),
      },
    });
  });

  app.get("/v1/tables/:table/history", async (context) => {
    const table = await readableTable(ports, context.get("principal"), context.req.param("table"));
    const limit = wholeNumber(context, "limit", HISTORY_DEFAULT, HISTORY_MAX);
    const newest = (await ports.catalog.snapshot(table.name)).version;
    const before = context.req.query("before");
    const from = before === undefined ? newest : Math.min(newest, beforeVersion(before) - 1);
    const items: unknown[] = [];
    let version = from;
    for (; version >= 0 && items.length < limit; version--) {
      const commit = await readKept(ports, table.name, version);
      if (!commit) return context.json({ items, next_before: null });
      items.push(historyEntry(commit, table.right));
    }
    return context.json({ items, next_before: version >= 0 ? version + 1 : null });
  });
}

function finiteOrNull(ms: number): number | null {
  return ms === Infinity ? null : ms;
}

/** null where nothing is exported. */
async function icebergOf(ports: ApiPorts, name: string, snapshot: TableSnapshot): Promise<unknown> {
  const lag = ports.store && (await icebergLag(ports.store, name, snapshot));
  if (!lag) return null;
  return { version: lag.version, behind_versions: lag.behindVersions, behind_ms: lag.behindMs };
}

function beforeVersion(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new MuaraError("request.malformed", "before is a version.", { details: { parameter: "before" } });
}

/** @returns undefined for a version whose commit was cleaned up */
async function readKept(ports: ApiPorts, name: string, version: number): Promise<TableCommit | undefined> {
  try {
    return await ports.catalog.log(name).read(version);
  } catch (error) {
    if (hasCode(error, "table.version_not_found")) return undefined;
    throw error;
  }
}

async function readableView(ports: ApiPorts, context: ApiContext): Promise<DeclaredView | undefined> {
  const wanted = (context.req.param("table") ?? "").toLowerCase();
  const views = await ports.query.views(context.get("principal"));
  return views.find(({ name }) => name.toLowerCase() === wanted);
}

function viewSummary({ name, description }: DeclaredView): Record<string, unknown> {
  const nothing = { version: null, rows: null, files: null, bytes: null, committed_at: null };
  return { name, alias: null, kind: "view", ...nothing, freshness_ms: null, watermark: null, description };
}

/** Its columns as the asker gets them. Its SQL may name columns that are hidden from whoever has a part of a table. */
async function shownView(
  ports: ApiPorts,
  context: ApiContext,
  view: DeclaredView,
): Promise<Record<string, unknown>> {
  const principal = context.get("principal");
  const sql = `SELECT * FROM ${quoteName(view.name)} LIMIT 0`;
  const { columns } = await ports.query.rows({ sql, principal }, context.req.raw.signal);
  const found = await Promise.all(view.tables.map((name) => ports.catalog.find(name)));
  const isOpen = found.every((table) => table && mayReadWhole(principal, table.name));
  return {
    ...viewSummary(view),
    columns: columns.map(({ name, type }) => ({ name, type, nullable: true, description: null })),
    sql: isOpen ? view.sql : null,
  };
}

function summary(table: ReadableTable, snapshot: TableSnapshot, nowMs: number): Record<string, unknown> {
  const exists = snapshot.version >= 0;
  const { files, bytes, rows } = shownTotals(table.right, totals(snapshot));
  return {
    name: table.name,
    alias: table.alias ?? null,
    kind: table.kind,
    version: exists ? snapshot.version : null,
    rows,
    files,
    bytes,
    committed_at: exists ? isoOrNull(snapshot.timestampMs) : null,
    freshness_ms: exists ? Math.max(0, nowMs - snapshot.timestampMs) : null,
    watermark: isoOrNull(watermarkOf(snapshot.txns)),
    paused_until: isoOrNull(pausedUntilMs(snapshot.metadata, nowMs)),
  };
}

/** Everything null where this process does not land the table. */
function landingOf(ports: ApiPorts, table: ReadableTable): Record<string, unknown> {
  const found = ports.landing?.().find((one) => one.table === table.name);
  return {
    landing: found?.state ?? null,
    problem: (table.right.isWhole ? found?.problem : undefined) ?? null, // it can quote an event
    commit_interval_ms: found?.intervalMs ?? null,
    commit_interval_reason: found?.intervalReason ?? null,
  };
}

interface Totals {
  /** null for whoever sees a part of the table only, as are the bytes. */
  readonly files: number | null;
  readonly bytes: number | null;
  /** null where a file does not say. */
  readonly rows: number | null;
}
/** Files and bytes tell of what is hidden; the count of rows does where rows are. */
function shownTotals(right: TableRight, totalsOfAll: Totals): Totals {
  if (right.isWhole) return totalsOfAll;
  return { files: null, bytes: null, rows: hidesRows(right) ? null : totalsOfAll.rows };
}

function hidesRows({ scopes, types }: TableRight): boolean {
  return types !== undefined || scopes.every(({ rows }) => rows !== undefined);
}

/** Snapshots are immutable; adding up the statistics of thousands of files is done once for each. */
const totalsOf = new WeakMap<TableSnapshot, Totals>();

function totals(snapshot: TableSnapshot): Totals {
  const known = totalsOf.get(snapshot);
  if (known) return known;
  let bytes = 0;
  let rows: number | null = 0;
  for (const file of snapshot.files.values()) {
    bytes += file.size;
    const count = statedRows(file);
    rows = rows === null || count === undefined ? null : rows + count;
  }
  const added = { files: snapshot.files.size, bytes, rows };
  totalsOf.set(snapshot, added);
  return added;
}

function historyEntry(commit: TableCommit, right: TableRight): Record<string, unknown> {
  const watermark = commit.txns.find((txn) => txn.appId === WATERMARK_TXN)?.version;
  const counts = commit.add.map((file) => statedRows(file));
  const rows = counts.includes(undefined) ? null : counts.reduce<number>((sum, n) => sum + (n ?? 0), 0);
  const bytes = commit.add.reduce((sum, file) => sum + file.size, 0);
  const added = shownTotals(right, { files: commit.add.length, bytes, rows });
  return {
    version: commit.version,
    committed_at: isoOrNull(commit.timestampMs),
    operation: commit.operation,
    files_added: added.files,
    files_removed: right.isWhole ? commit.remove.length : null,
    rows_added: added.rows,
    bytes_added: added.bytes,
    watermark: watermark === undefined ? null : isoOrNull(Number(watermark)),
    changes_schema: right.isWhole ? commit.metadata !== undefined : null,
  };
}
