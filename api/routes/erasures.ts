/**
 * POST /v1/erasures: erases what the lake has of a subject, the events of some types in which a field has a value; and
 * GET /v1/erasures, the record of it. The record never holds the value, but a hash of it under a secret of the lake.
 */
import { createHmac } from "node:crypto";
import type { Hono } from "hono";
import { z } from "zod";
import { systemRandomness } from "../../core/clock.ts";
import { askDeliveries, deliveryErasures } from "../../core/delivery-erasure.ts";
import { MuaraError } from "../../core/errors.ts";
import type { CatalogTable } from "../../lake/catalog.ts";
import type { Erased } from "../../lake/erase.ts";
import { secretOf } from "../../lake/id-key.ts";
import { demand, isoOrNull, readableTable, type ApiContext, type ApiEnv, type ApiPorts } from "../context.ts";
import { bodyOf } from "./table-removals.ts";

/** Beyond the retention of its stream a record stays in the log until its segment is sealed and looked at. */
const SEGMENT_MS = 2 * 3_600_000;

export const erasureRequestSchema = z.strictObject({
  event_types: z.array(z.string().min(1).max(255)).min(1).max(100),
  where: z.strictObject({
    column: z.string().min(1).max(500).describe("A column, or a field inside of one: `customer.email`."),
    value: z.union([z.string().min(1).max(10_000), z.number(), z.boolean()]),
  }),
  reason: z.string().min(1).max(1_000).describe("Kept in the record; not the value itself."),
  dry_run: z.boolean().default(false),
});

/** As the registry keeps it. */
interface ErasureRecord {
  readonly by: string;
  readonly reason: string;
  readonly eventTypes: readonly string[];
  readonly column: string;
  readonly valueHash: string;
  readonly startedMs: number;
  /** null while it is under way, or was cut off. */
  readonly finishedMs: number | null;
  /** Until when the log's own retention removes the bytes there, ms. */
  readonly logUntilMs: number;
  readonly tables: readonly Erased[];
}

export function addErasureRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  app.get("/v1/erasures", async (context) => {
    demand(context, "admin", { kind: "table", name: "*" });
    await ports.registry.refresh();
    const records = ports.registry.list<ErasureRecord>("erasure");
    return context.json({ items: records.map(({ name, value }) => shown(ports, name, value!)) });
  });

  app.post("/v1/erasures", async (context) => {
    if (!ports.removals)
      throw new MuaraError("request.not_found", "This process does not write the lake; ask one that lands.");
    const request = await bodyOf(context, erasureRequestSchema);
    const tables: CatalogTable[] = [];
    for (const name of new Set(request.event_types)) tables.push(await administered(context, ports, name));
    const { signal } = context.req.raw;
    const removals = await ports.removals(signal);
    const { dry_run: isDryRun, where: subject } = request;
    const id = (ports.randomness ?? systemRandomness).uuid();
    const begun: ErasureRecord = {
      by: context.get("principal").id,
      reason: request.reason,
      eventTypes: tables.map(({ name }) => name),
      column: subject.column,
      valueHash: await hashOf(ports, tables[0]!.name, String(subject.value)),
      startedMs: ports.clock.nowMs(),
      finishedMs: null,
      logUntilMs: ports.clock.nowMs() + Math.max(...tables.map(logMs)) + SEGMENT_MS,
      tables: [],
    };
    if (!isDryRun) await ports.registry.put("erasure", id, 0, begun, begun.by);
    const erased: Erased[] = [];
    for (const table of tables) {
      erased.push(await removals.erase(table, subject, id, { isDryRun, signal }));
      if (isDryRun) continue;
      const { version } = await ports.catalog.snapshot(table.name);
      const { column, value } = subject;
      const asked = { erasure: id, column, value: String(value), version };
      await askDeliveries(ports.registry, table.name, asked);
    }
    const done = { ...begun, finishedMs: ports.clock.nowMs(), tables: erased };
    if (isDryRun) return context.json({ ...shown(ports, id, done), id: null, dry_run: true });
    await ports.registry.put("erasure", id, 1, done, begun.by);
    ports.logger.info("a subject was erased", { id, by: begun.by, event_types: begun.eventTypes });
    return context.json({ ...shown(ports, id, done), dry_run: false });
  });
}

async function administered(context: ApiContext, ports: ApiPorts, name: string): Promise<CatalogTable> {
  const table = await readableTable(ports, context.get("principal"), name);
  demand(context, "admin", { kind: "table", name: table.name });
  if (table.eventType) return table;
  throw new MuaraError("table.unsupported", `${table.name} is not the table of an event type.`, {
    details: { table: table.name },
  });
}

function logMs({ eventType }: CatalogTable): number {
  return eventType?.options.retention_time ?? 0;
}

/** Under the table's secret: who reads the record cannot try values. */
async function hashOf(ports: ApiPorts, table: string, value: string): Promise<string> {
  const snapshot = await ports.catalog.snapshot(table);
  if (snapshot.version < 0)
    throw new MuaraError("table.not_found", `The table "${table}" has no commit yet.`, {
      details: { table },
    });
  return createHmac("sha256", secretOf(snapshot)).update(value).digest("hex");
}

function shown({ registry }: ApiPorts, id: string, record: ErasureRecord): Record<string, unknown> {
  const deliveries = deliveryErasures(registry, id);
  const waiting = record.tables.flatMap((table) => table.waiting);
  // Records of an older release tell nothing of it.
  const isGoneFromLog =
    record.tables.length > 0 && record.tables.every((one) => (one.logRecords ?? null) !== null);
  const inFlight = record.tables.reduce((sum, one) => sum + (one.inFlight ?? 0), 0);
  return {
    id,
    by: record.by,
    reason: record.reason,
    event_types: record.eventTypes,
    column: record.column,
    value_hash: record.valueHash,
    started_at: isoOrNull(record.startedMs),
    finished_at: isoOrNull(record.finishedMs),
    complete:
      record.finishedMs !== null &&
      waiting.length + inFlight === 0 &&
      deliveries.every(({ value }) => value === null),
    deliveries: deliveries.map(({ delivery, value, rows, doneMs }) => ({
      delivery,
      state: value !== null ? "waiting" : doneMs === null ? "gone" : rows === null ? "kept" : "done",
      rows,
      done_at: isoOrNull(doneMs),
    })),
    log_until: isGoneFromLog ? null : isoOrNull(record.logUntilMs),
    tables: record.tables.map((one) => ({
      table: one.table,
      version: one.version,
      rows: one.rows,
      files: one.files,
      current_rows: one.currentRows ?? 0, // those of older releases do not say
      ledger_rows: one.ledgerRows,
      side_files: one.sideFiles,
      deleted: one.deleted,
      scrubbed: one.scrubbed,
      waiting: one.waiting,
      log_records: one.logRecords ?? null,
      in_flight: one.inFlight ?? 0,
    })),
  };
}
