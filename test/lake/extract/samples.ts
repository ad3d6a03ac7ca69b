/** A feed with a column of every type, and a manifest of it, for scripts and contracts. */
import { feedSchema, type Feed } from "../../../core/extract-feed.ts";
import { sealManifest, type Manifest, type ManifestPartition } from "../../../lake/extract/manifest.ts";

export const EVERY_COLUMN: readonly { name: string; type: string }[] = [
  { name: "order_id", type: "VARCHAR" },
  { name: "placed_at", type: "TIMESTAMP WITH TIME ZONE" },
  { name: "local_time", type: "TIMESTAMP" },
  { name: "day", type: "DATE" },
  { name: "paid", type: "BOOLEAN" },
  { name: "items", type: "INTEGER" },
  { name: "small", type: "SMALLINT" },
  { name: "stock", type: "BIGINT" },
  { name: "amount", type: "DECIMAL(12,2)" },
  { name: "wide", type: "DECIMAL(38,12)" },
  { name: "ratio", type: "DOUBLE" },
  { name: "ratio4", type: "FLOAT" },
  { name: "image", type: "BLOB" },
  { name: "tags", type: "VARCHAR[]" },
  { name: "address", type: "STRUCT(street VARCHAR, zip VARCHAR)" },
];

export const EVERY_TYPE: Feed = {
  ...feedSchema.parse({
    sql: 'SELECT * FROM "shop.order"',
    time: "placed_at",
    key: ["order_id"],
    totals: ["amount", "distinct order_id"],
    description: "Orders, once each, as the customer placed them.",
    owner: "team orders",
    version: "2.1.0",
    checks: [
      { notNull: ["order_id", "placed_at"] },
      { unique: ["order_id"] },
      { rows: { min: 1, max: 1_000_000 }, severity: "warning" },
      { name: "no free orders", sql: "SELECT count(*) FROM extract WHERE amount <= 0" },
    ],
    columns: { order_id: { description: "The shop's number of the order.", length: 36 } },
  }),
  name: "orders_daily",
};

function partition(day: number, action: "replace" | "append", ids: readonly string[]): ManifestPartition {
  return {
    day: `2026-11-${day}`,
    from: `2026-11-${day}T00:00:00.000Z`,
    until: `2026-11-${day + 1}T00:00:00.000Z`,
    revision: 3,
    revises: 2,
    reason: "late events" as const,
    action,
    rows: 10 * ids.length,
    late_rows: 1,
    removed_rows: 0,
    totals: { amount: "12.50" },
    files: ids,
    window_rows: 10 * ids.length,
    window_totals: { amount: "12.50" },
    content_sha256: "0".repeat(64),
    scan: "x:1:1:1",
  };
}

/** @param fileCount in one replaced window; a second window is replaced by nothing, a third one appended to */
export function sampleManifest(fileCount: number): Manifest {
  const files = Array.from({ length: fileCount }, (_, i) => ({
    id: String(i),
    name: `orders_daily/day=2026-11-20/r3-${i}-0123456789abcdef.parquet`,
    bytes: 1_000 + i,
    rows: 10,
    sha256: "0".repeat(64),
  }));
  const ids = files.map(({ id }) => id);
  return sealManifest({
    feed: "orders_daily",
    version: 412,
    kind: "replace_partition",
    full: false,
    window: "day",
    time: "placed_at",
    key: ["order_id"],
    inputs: { "shop.order": 9_123 },
    removed: {},
    created: "2026-11-22T00:00:00.000Z",
    complete_through: "2026-11-22T00:00:00.000Z",
    previous: 411,
    retained_until: "2027-02-20T00:00:00.000Z",
    contract: { id: "orders_daily", version: "2.1.0", href: "/v1/extracts/orders_daily/contract" },
    definition_sha256: "0".repeat(64),
    schema: EVERY_COLUMN.map((column) => ({ ...column, required: column.name === "order_id", doc: "" })),
    partitions: [
      partition(20, "replace", ids.slice(0, -1)),
      partition(21, "replace", []),
      partition(22, "append", ids.slice(-1)),
    ],
    files,
    rows: 10 * files.length,
    quality: [],
  });
}
