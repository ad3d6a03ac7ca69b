import { parquetMetadata } from "hyparquet";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { COLUMN_DEPTH_MAX } from "../../../core/columns.ts";
import type { JsonSchema } from "../../../core/event-type.ts";
import { ROW_GROUP_ROWS } from "../../../lake/parquet/encoded-file.ts";
import type { EncodedFile } from "../../../lake/parquet/event-encoder.ts";
import { DuckDBReader } from "./duckdb-rows.ts";
import { eventTypeOf } from "./shapes.ts";
import { idOf, ingestMsOf, keyOf, offsetOf, SlotEncoder, timeUsOf } from "./slot-encoder.ts";

let duckdb: DuckDBReader;
beforeAll(async () => {
  duckdb = await DuckDBReader.open();
});
afterAll(async () => duckdb.close());

function encoderOf(properties: Record<string, JsonSchema>): SlotEncoder {
  return new SlotEncoder(eventTypeOf({ type: "object", properties }));
}

function add(encoder: SlotEncoder, event: string, flowId?: string): void {
  const bytes = Buffer.from(event);
  expect(encoder.add(bytes, 0, bytes.length, flowId)).toBeUndefined();
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const metadataOf = (file: EncodedFile): ReturnType<typeof parquetMetadata> =>
  parquetMetadata(file.bytes.slice().buffer);

describe("a file", () => {
  test("has the SQL types that the columns say", async () => {
    const encoder = encoderOf({
      s: { type: "string" },
      n: { type: "integer" },
      x: { type: "number" },
      b: { type: "boolean" },
      t: { type: "string", format: "date-time" },
      d: { type: "string", format: "date" },
      m9: { type: "number", format: "decimal(9,2)" },
      m18: { type: "number", format: "decimal(18,0)" },
      m38: { type: "string", format: "decimal(38,38)" },
      j: {},
      l: { type: "array", items: { type: "array", items: { type: "integer" } } },
      o: {
        type: "object",
        properties: { a: { type: "boolean" }, b: { type: "array", items: { type: "number" } } },
      },
    });
    add(encoder, "{}");
    const { types, rows } = await duckdb.read((await encoder.write(upTo(1))).bytes);
    expect(Object.fromEntries(types)).toEqual({
      event_id: "VARCHAR",
      event_time: "TIMESTAMP WITH TIME ZONE",
      ingest_time: "TIMESTAMP WITH TIME ZONE",
      event_key: "VARCHAR",
      log_partition: "BIGINT",
      log_offset: "BIGINT",
      watermark: "TIMESTAMP WITH TIME ZONE",
      flow_id: "VARCHAR",
      s: "VARCHAR",
      n: "BIGINT",
      x: "DOUBLE",
      b: "BOOLEAN",
      t: "TIMESTAMP WITH TIME ZONE",
      d: "DATE",
      m9: "DECIMAL(9,2)",
      m18: "DECIMAL(18,0)",
      m38: "DECIMAL(38,38)",
      j: "VARCHAR",
      l: "BIGINT[][]",
      o: 'STRUCT("a" BOOLEAN, "b" DOUBLE[])',
      extra: "VARCHAR",
    });
    // A column of nothing but NULL, of every type.
    const values = [...rows[0]!].filter(([, value]) => value !== null).map(([name]) => name);
    expect(values).toEqual(["event_id", "event_time", "ingest_time", "log_partition", "log_offset"]);
  });

  test("holds the row slots given, in their order, with their envelope", async () => {
    const encoder = encoderOf({ n: { type: "integer" } });
    for (let i = 0; i < 10; i++) add(encoder, `{"n":${i * 1_000_000_000}}`, `flow-${i >> 1}`);
    for (const slots of [[7, 0, 3], [9], [1, 2, 4, 5, 6, 8]]) {
      const file = await encoder.write(slots, 42n);
      expect(file.rows).toBe(slots.length);
      const { rows } = await duckdb.read(file.bytes);
      expect(rows.map((row) => Object.fromEntries(row))).toEqual(
        slots.map((slot) => ({
          event_id: idOf(slot),
          event_time: timeUsOf(slot),
          ingest_time: BigInt(ingestMsOf(slot)) * 1_000n,
          event_key: keyOf(slot),
          log_partition: 3n,
          log_offset: BigInt(offsetOf(slot)),
          watermark: 42n,
          flow_id: `flow-${slot >> 1}`,
          n: BigInt(slot) * 1_000_000_000n,
          extra: null,
        })),
      );
    }
  });

  test.each([
    ["beyond 31 bits", [2n ** 31n, 2n ** 32n - 1n]],
    ["of 32 bits", [-(2n ** 31n), -1n, 0n, 2n ** 31n - 1n]],
    ["below 32 bits", [-(2n ** 31n) - 1n, -(2n ** 32n), -(2n ** 53n) - 1n]],
  ])("holds integers %s", async (_name, integers) => {
    const encoder = encoderOf({ n: { type: "integer" } });
    for (const integer of integers) add(encoder, `{"n":${integer}}`);
    const file = await encoder.write(upTo(integers.length));
    const { rows } = await duckdb.read(file.bytes);
    expect(rows.map((row) => row.get("n"))).toEqual(integers);
  });

  test("is cut into row groups, compressed by zstd", async () => {
    const count = ROW_GROUP_ROWS + 1_000;
    const encoder = encoderOf({ n: { type: "integer" }, s: { type: "string" } });
    const events = Array.from({ length: count }, (_, i) => `{"n":${i * 3},"s":"${i % 7}"}`);
    const bytes = Buffer.from(events.join("\n"));
    let at = 0;
    for (const { length } of events) {
      encoder.add(bytes, at, length);
      at += length + 1;
    }
    const file = await encoder.write(upTo(count));
    const { row_groups: groups, created_by: by } = metadataOf(file);
    expect(groups.map((group) => Number(group.num_rows))).toEqual([ROW_GROUP_ROWS, 1_000]);
    expect(new Set(groups.flatMap((group) => group.columns.map((chunk) => chunk.meta_data?.codec)))).toEqual(
      new Set(["ZSTD"]),
    );
    expect(by).toMatch(/^muara version \d/);
    const { rows } = await duckdb.read(
      file.bytes,
      `SELECT count(*) AS n, count(DISTINCT event_id) AS ids, sum(n)::BIGINT AS sum, count(DISTINCT s) AS strings,
         max(log_offset) AS last FROM events`,
    );
    expect(Object.fromEntries(rows[0]!)).toEqual({
      n: BigInt(count),
      ids: BigInt(count),
      sum: (3n * BigInt(count) * BigInt(count - 1)) / 2n,
      strings: 7n,
      last: 2n ** 31n - 3n + BigInt(count),
    });
    expect(JSON.parse(file.stats)).toMatchObject({
      numRecords: count,
      minValues: { n: 0 },
      maxValues: { n: 3 * (count - 1) },
      nullCount: { n: 0, event_key: Math.ceil(count / 2) },
    });
  }, 30_000);

  test("nests as deep as columns may", async () => {
    const nested = (levels: number): JsonSchema =>
      levels === 0
        ? { type: "integer" }
        : levels % 2 === 0
          ? { type: "array", items: nested(levels - 1) }
          : { type: "object", properties: { a: nested(levels - 1) } };
    const encoder = encoderOf({ v: nested(COLUMN_DEPTH_MAX) });
    const halves = COLUMN_DEPTH_MAX / 2;
    add(encoder, `{"v":${'[{"a":'.repeat(halves)}7${"},null]".repeat(halves)}}`);
    const file = await encoder.write(upTo(1));
    const path = "[1]['a']".repeat(halves);
    const { types, rows } = await duckdb.read(
      file.bytes,
      `SELECT v${path} AS n, v[2] AS nothing FROM events`,
    );
    expect([types.get("n"), rows[0]!.get("n"), rows[0]!.get("nothing")]).toEqual(["BIGINT", 7n, null]);
  });

  test("a field named __proto__ inside a struct is read by SQL", async () => {
    const properties = Object.fromEntries([
      ["__proto__", { type: "string" }],
      ["a", { type: "integer" }],
    ]);
    const encoder = encoderOf({ s: { type: "object", properties } });
    add(encoder, '{"s":{"__proto__":"x"}}');
    add(encoder, '{"s":{"a":1}}');
    const file = await encoder.write(upTo(2));
    const { rows } = await duckdb.read(file.bytes, `SELECT s['__proto__'] AS p, s['a'] AS a FROM events`);
    expect(rows.map((row) => [row.get("p"), row.get("a")])).toEqual([
      ["x", null],
      [null, 1n],
    ]);
  });
});

test("an encoder that was reset knows nothing of before", async () => {
  const encoder = encoderOf({ n: { type: "integer" }, l: { type: "array", items: { type: "string" } } });
  for (let i = 0; i < 3_000; i++) add(encoder, `{"n":1,"l":["a"],"other":1}`);
  encoder.reset();
  expect(encoder.rows).toBe(0);
  for (let i = 0; i < 3_000; i++) add(encoder, "{}");
  const { rows } = await duckdb.read(
    (await encoder.write(upTo(3_000))).bytes,
    "SELECT count(n) + count(l) + count(extra) AS left_over FROM events",
  );
  expect(rows[0]!.get("left_over")).toBe(0n);
});

test("a row that was never filled is a bug", async () => {
  const encoder = encoderOf({});
  add(encoder, "{}");
  await expect(async () => encoder.write([1])).rejects.toThrow("nobody scanned");
  await expect(async () => encoder.write([])).rejects.toThrow("at least one row");
});
