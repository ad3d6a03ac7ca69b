/** GET /v1/tables/{t}/partitions and /lineage: what a table consists of, and what it comes from and goes to. */
import type { Hono } from "hono";
import { partitionSums } from "../../lake/partition-sums.ts";
import {
  isoOrNull,
  readableTable,
  wholeNumber,
  wholeTable,
  type ApiContext,
  type ApiEnv,
  type ApiPorts,
} from "../context.ts";
import { lineageOf, type LineageNode } from "../lineage.ts";
import type { Sharing } from "../sharing.ts";
import { freshnessOf, type Freshness } from "../table-freshness.ts";

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 10_000;

export function addTablePartRoutes(app: Hono<ApiEnv>, ports: ApiPorts, sharing: Sharing | undefined): void {
  app.get("/v1/tables/:table/partitions", async (context) => {
    const table = await wholeTable(ports, context.get("principal"), context.req.param("table"));
    const limit = wholeNumber(context, "limit", LIMIT_DEFAULT, LIMIT_MAX);
    const snapshot = await ports.catalog.snapshot(table.name);
    const nowMs = ports.clock.nowMs();
    const freshness = await freshnessOf(ports.log, table, snapshot, nowMs);
    const { partitionColumns } = ports.catalog.schema(table, snapshot);
    const sums = partitionSums(snapshot, partitionColumns);
    return context.json({
      table: table.name,
      version: snapshot.version < 0 ? null : snapshot.version,
      as_of: isoOrNull(nowMs),
      partition_columns: partitionColumns,
      count: sums.length,
      items: sums.slice(0, limit).map(({ values, files, bytes, rows, newestFileMs }) => ({
        values,
        files,
        bytes,
        rows,
        newest_file_at: isoOrNull(newestFileMs),
      })),
      ...shownFreshness(freshness),
      log_partitions: (freshness?.partitions ?? []).map((one) => ({
        partition: one.partition,
        cursor: one.cursor,
        end_offset: one.endOffset,
        lag_ms: one.lagMs,
        newest_event_time: isoOrNull(one.newestEventMs),
        newest_ingest_time: isoOrNull(one.newestIngestMs),
        idle: one.isIdle,
      })),
    });
  });

  app.get("/v1/tables/:table/lineage", async (context) => {
    const principal = context.get("principal");
    const name = await nameIn(ports, context);
    const shares = sharing ? await sharing.directory.list(principal) : [];
    const { upstream, downstream } = await lineageOf(ports, { principal, name, shares });
    return context.json({ table: name, upstream: upstream.map(shown), downstream: downstream.map(shown) });
  });
}

/** How far landing is behind; {} for what no log feeds. */
export function shownFreshness(freshness: Freshness | undefined): Record<string, unknown> {
  if (!freshness) return { lag_ms: null, freshness_target_ms: null, is_fresh: null };
  const { lagMs, targetMs, isFresh } = freshness;
  return { lag_ms: lagMs, freshness_target_ms: targetMs, is_fresh: isFresh };
}

function shown({ kind, name, detail }: LineageNode): Record<string, unknown> {
  return { kind, name, detail };
}

/** Of a table or a view that the asker may read. @throws table.not_found */
async function nameIn(ports: ApiPorts, context: ApiContext): Promise<string> {
  const asked = context.req.param("table") ?? "";
  const principal = context.get("principal");
  const views = await ports.query.views(principal);
  const view = views.find(({ name }) => name.toLowerCase() === asked.toLowerCase());
  if (view) return view.name;
  const { name } = await readableTable(ports, principal, asked);
  return name;
}
