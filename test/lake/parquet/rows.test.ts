import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Column } from "../../../core/columns.ts";
import { readColumns, readRows, writeRows } from "../../../lake/parquet/rows.ts";
import { DuckDBReader } from "./duckdb-rows.ts";

let duckdb: DuckDBReader;
beforeAll(async () => {
  duckdb = await DuckDBReader.open();
});
afterAll(async () => duckdb.close());

const COLUMNS: readonly Column[] = [
  { name: "id", type: { kind: "string" }, nullable: false },
  { name: "at", type: { kind: "timestamp" }, nullable: true },
  { name: "offset", type: { kind: "long" }, nullable: true },
  { name: "payload", type: { kind: "binary" }, nullable: true },
  { name: "share", type: { kind: "double" }, nullable: true },
  { name: "day", type: { kind: "date" }, nullable: true },
  { name: "is_late", type: { kind: "boolean" }, nullable: true },
  { name: "detail", type: { kind: "json" }, nullable: true },
  { name: "tags", type: { kind: "list", element: { kind: "string" } }, nullable: true },
  {
    name: "first",
    type: { kind: "struct", fields: [{ name: "offset", type: { kind: "long" }, nullable: true }] },
    nullable: true,
  },
];

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const text = fc.string({ unit: "grapheme" });
const optional = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(values);
const rowsOfAll = fc.array(
  fc.record({
    id: text,
    at: optional(fc.bigInt({ min: -(2n ** 60n), max: 2n ** 57n })),
    offset: optional(int64),
    payload: optional(fc.uint8Array()),
    share: optional(fc.double({ noNaN: true })),
    day: optional(fc.integer({ min: -719_162, max: 2_932_896 })),
    is_late: optional(fc.boolean()),
    detail: optional(fc.json()),
    tags: optional(fc.array(optional(text))),
    first: optional(fc.record({ offset: optional(int64) })),
  }),
  { minLength: 1, maxLength: 30 },
);

describe("rows", () => {
  test("come back as they were, from us and from DuckDB", async () => {
    await fc.assert(
      fc.asyncProperty(rowsOfAll, async (rows) => {
        const file = writeRows(COLUMNS, rows);
        expect(file.rows).toBe(rows.length);
        const again = await readRows(file.bytes, COLUMNS);
        expect(again.map(comparable)).toEqual(rows.map(comparable));
        const seen = await duckdb.read(file.bytes);
        expect(seen.rows.map((row) => comparable(Object.fromEntries(row)))).toEqual(rows.map(comparable));
      }),
    );
  });

  test("may leave NULL out and give whole numbers as numbers", async () => {
    const { bytes } = writeRows(COLUMNS, [{ id: "a", offset: 5, at: 1_700_000_000_000_000 }, { id: "b" }]);
    expect(await readColumns(bytes, ["offset", "at", "payload"])).toEqual({
      offset: [5n, null],
      at: [1_700_000_000_000_000n, null],
      payload: [null, null],
    });
  });

  test("must not leave out what is required", () => {
    expect(() => writeRows(COLUMNS, [{ offset: 5 }])).toThrow("id must not be null");
  });
});

describe("columns read back", () => {
  test("from several row groups, and NULL for what the file is too old to have", async () => {
    const count = 250_000;
    const columns = COLUMNS.filter(({ name }) => name === "id" || name === "offset");
    const { bytes } = writeRows(
      columns,
      Array.from({ length: count }, (_, i) => ({ id: `id-${i % 1_000}`, offset: i })),
    );
    const { id, offset, newer } = await readColumns(bytes, ["id", "offset", "newer"]);
    expect([id!.length, offset!.length, newer!.length]).toEqual([count, count, count]);
    const wrong = offset!.findIndex(
      (value, i) => value !== BigInt(i) || id![i] !== `id-${i % 1_000}` || newer![i] !== null,
    );
    expect(wrong).toBe(-1);
  });

  test.each([
    "COMPRESSION zstd",
    "COMPRESSION snappy",
    "COMPRESSION uncompressed",
    "COMPRESSION zstd, PARQUET_VERSION v2",
  ])("from a file that DuckDB compacted (%s)", async (options) => {
    const bytes = await duckdb.write(
      `SELECT 'id-' || (i % 3000) AS event_id, make_timestamptz(i * 1000001) AS ingest_time,
           CASE WHEN i % 3 = 0 THEN NULL ELSE i END AS log_offset FROM range(5000) t(i)`,
      options,
    );
    const columns = await readColumns(bytes, ["event_id", "ingest_time", "log_offset"]);
    expect(columns).toEqual({
      event_id: Array.from({ length: 5_000 }, (_, i) => `id-${i % 3_000}`),
      ingest_time: Array.from({ length: 5_000 }, (_, i) => BigInt(i) * 1_000_001n),
      log_offset: Array.from({ length: 5_000 }, (_, i) => (i % 3 === 0 ? null : BigInt(i))),
    });
  });
});

/** Bytes as hexadecimal text, so that a view and a copy are the same. */
function comparable(row: Readonly<Record<string, unknown>>): object {
  const { payload } = row;
  return { ...row, payload: payload instanceof Uint8Array ? Buffer.from(payload).toString("hex") : payload };
}
