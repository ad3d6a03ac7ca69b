/** A lake with a real Delta table of sales, on disk or anywhere else; a test appends to it and sets its watermark. */
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { createFileObjectStore } from "../../../adapters/file/object-store.ts";
import { ManualClock, seededRandomness, systemClock, systemRandomness } from "../../../core/clock.ts";
import type { Column } from "../../../core/columns.ts";
import { configSchema } from "../../../core/config.ts";
import { feedSchema, type Feed } from "../../../core/extract-feed.ts";
import { WATERMARK_TXN } from "../../../core/landed.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { ObjectStore } from "../../../core/ports/object-store.ts";
import type { AddFile, TableLog } from "../../../core/ports/table-log.ts";
import type { Registry } from "../../../core/registry.ts";
import { createCatalog, type Catalog } from "../../../lake/catalog.ts";
import { FeedStore } from "../../../lake/extract/feed-store.ts";
import { judgeFeeds } from "../../../lake/extract/judge-feed.ts";
import { FeedMaker, type FeedMakerOptions } from "../../../lake/extract/make-feed.ts";
import { writeRows } from "../../../lake/parquet/rows.ts";
import { createQueryService, type QueryService } from "../../../lake/query/service.ts";
import { addFile } from "../../../lake/table/add-file.ts";
import { openTableLog } from "../../../lake/table/table-log.ts";
import { ensureTable } from "../../../lake/tables.ts";

export const DAY_MS = 86_400_000;
export const HOUR_MS = 3_600_000;
/** Midnight of the first day of sales. */
export const FIRST_MS = Date.parse("2026-11-20T00:00:00Z");
export const SALES = "shop.sale";
export const COLUMNS: readonly Column[] = [
  { name: "event_id", type: { kind: "string" }, nullable: true },
  { name: "event_time", type: { kind: "timestamp" }, nullable: true },
  { name: "amount", type: { kind: "decimal", precision: 12, scale: 2, quoted: false }, nullable: true },
  { name: "note", type: { kind: "string" }, nullable: true },
];

export interface Sale {
  readonly id: string;
  /** ms since 1970 UTC; null for none. */
  readonly atMs: number | null;
  readonly cents: number;
  readonly note?: string | null;
}

export interface SalesLake {
  readonly root: string;
  readonly store: ObjectStore;
  readonly clock: ManualClock;
  readonly catalog: Catalog;
  readonly query: QueryService;
  readonly table: TableLog;
  /** One commit: rows in, and the watermark where it is given. */
  land(sales: readonly Sale[], watermarkMs?: number): Promise<void>;
  /** One commit that writes the table anew without some of its rows. */
  erase(keep: readonly Sale[], kind?: string): Promise<void>;
  maker(feed: Feed, store?: ObjectStore, limits?: Partial<FeedMakerOptions>): Promise<FeedMaker>;
  close(): Promise<void>;
}

export function salesFeed(more: Partial<Feed> & { readonly name?: string } = {}): Feed {
  const { name = "sales_daily", ...rest } = more;
  const declared = {
    sql: `SELECT event_id, event_time, amount, note FROM "${SALES}"`,
    time: "event_time",
    key: ["event_id"],
    totals: ["amount", "distinct event_id"],
    ...rest,
  };
  return { ...feedSchema.parse(declared), name };
}

/** @param storeAt makes the store over the root folder */
export async function makeSalesLake(
  storeAt: (root: string) => ObjectStore | Promise<ObjectStore> = (root) => createFileObjectStore({ root }),
): Promise<SalesLake> {
  const root = await mkdtemp(path.join(os.tmpdir(), "muara-sales-"));
  const store = await storeAt(root);
  const clock = new ManualClock(FIRST_MS + 30 * DAY_MS);
  const services = { clock: systemClock, randomness: systemRandomness, logger: silentLogger };
  const table = openTableLog(store, SALES, services);
  const declared = [{ name: SALES, value: { name: SALES, options: {} } }];
  const list = (kind: string): readonly unknown[] => (kind === "event-type" ? declared : []);
  const registry = { refresh: async () => {}, list } as unknown as Registry;
  const openTable = (name: string): TableLog =>
    name === SALES ? table : openTableLog(store, name, services);
  const catalog = createCatalog({ store, registry, clock: systemClock, openTable });
  const options = {
    ...configSchema.parse({}).query,
    warm: 1,
    rowsMax: 1e12,
    rows: 1e12,
    namespace: "off" as const,
  };
  const query = createQueryService({ catalog, options, clock: systemClock, logger: silentLogger });
  const random = seededRandomness(7);
  const write = async (sales: readonly Sale[]): Promise<AddFile[]> => {
    if (sales.length === 0) return [];
    const rows = sales.map(({ id, atMs, cents, note }) => ({
      event_id: id,
      event_time: atMs === null ? null : BigInt(atMs) * 1_000n,
      amount: BigInt(cents),
      note: note ?? null,
    }));
    const encoded = writeRows(COLUMNS, rows);
    const name = `ingest_date=2026-11-20/part-${random.uuid()}.parquet`;
    await store.put(`${SALES}/${name}`, encoded.bytes);
    const partitionValues = { ingest_date: "2026-11-20" };
    const file = addFile({ path: name, partitionValues, bytes: encoded.bytes.length, modifiedMs: 0 });
    return [{ ...file, stats: encoded.stats }];
  };
  await ensureTable(table, SALES, COLUMNS, {}, services);
  return {
    root,
    store,
    clock,
    catalog,
    query,
    table,
    land: async (sales, watermarkMs) => {
      const txns = watermarkMs === undefined ? [] : [{ appId: WATERMARK_TXN, version: BigInt(watermarkMs) }];
      const add = await write(sales);
      const change = { operation: "WRITE", add, remove: [], txns, info: {} };
      await table.commit({ base: await table.snapshot(), change, check: () => "rebase" });
    },
    erase: async (keep, kind = "erasure") => {
      const base = await table.snapshot();
      const add = await write(keep);
      const remove = [...base.files.keys()].map((gone) => ({
        path: gone,
        deletionTimestamp: 1,
        dataChange: true,
      }));
      const counter = `muara:removed:${kind}`;
      const version = (base.txns.get(counter) ?? 0n) + 1n;
      const txns = kind === "compact" ? [] : [{ appId: counter, version }];
      const change = { operation: "DELETE", add, remove, txns, info: { kind } };
      await table.commit({ base, change, check: () => "abandon" });
    },
    maker: async (feed, over = store, more = {}) => {
      const tables = (await judgeFeeds([feed])).get(feed.name)!;
      const ports = { catalog, query, clock, logger: silentLogger };
      const limits = { fileBytes: 1 << 27, memoryBytes: 1 << 28, timeoutMs: 60_000, ...more };
      return new FeedMaker(feed, tables, new FeedStore(over, feed.name, clock), ports, limits);
    },
    close: async () => {
      await query.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** Sales of one day, evenly spread. */
export function salesOf(day: number, count: number, from = 0): readonly Sale[] {
  return Array.from({ length: count }, (_, i) => ({
    id: `sale-${day}-${from + i}`,
    atMs: FIRST_MS + day * DAY_MS + Math.floor(((i + 0.5) * DAY_MS) / count),
    cents: 100 + i,
    note: i % 3 === 0 ? null : `n${i}`,
  }));
}
