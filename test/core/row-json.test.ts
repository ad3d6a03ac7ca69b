/** Rows of data files as JSON: every digit, every microsecond. The oracle is what was written. */
import { expect, test } from "vitest";
import { createMemoryObjectStore } from "../../adapters/memory/object-store.ts";
import { ManualClock } from "../../core/clock.ts";
import type { Column } from "../../core/columns.ts";
import { DataFile } from "../../lake/parquet/row-range.ts";
import { writeRows } from "../../lake/parquet/rows.ts";
import { rowJson } from "../../core/row-json.ts";

function column(name: string, type: Column["type"]): Column {
  return { name, type, nullable: true };
}

const decimal = (precision: number, scale: number): Column["type"] => ({
  kind: "decimal",
  precision,
  scale,
  quoted: false,
});

const COLUMNS: readonly Column[] = [
  column("text", { kind: "string" }),
  column("whole", { kind: "long" }),
  column("real", { kind: "double" }),
  column("flag", { kind: "boolean" }),
  column("time", { kind: "timestamp" }),
  column("day", { kind: "date" }),
  column("open", { kind: "json" }),
  column("bytes", { kind: "binary" }),
  column("small", decimal(9, 2)),
  column("large", decimal(38, 10)),
  column("none", { kind: "string" }),
  column("list", { kind: "list", element: { kind: "long" } }),
  column("part", {
    kind: "struct",
    fields: [column("a", { kind: "timestamp" }), column("b", decimal(18, 0))],
  }),
];

async function written(rows: readonly object[]): Promise<DataFile> {
  const store = createMemoryObjectStore({ clock: new ManualClock(0) });
  const { bytes } = writeRows(COLUMNS, rows);
  await store.put("t/part-1.parquet", bytes);
  return (await DataFile.open(store, "t/part-1.parquet", bytes.length))!;
}

test("values come out as they went in", async () => {
  const file = await written([
    {
      text: 'a "b" \u2028 ä',
      whole: 9_007_199_254_740_993n,
      real: 0.1,
      flag: false,
      time: 1_772_366_399_123_456n,
      day: 20_513,
      open: '{"n":1.00,"deep":[1e400]}',
      bytes: Uint8Array.of(0, 255, 16),
      small: -5n,
      large: -123_456_789_012_345_678_901_234_567_890n,
      list: [1n, 9_223_372_036_854_775_807n],
      part: { a: -1n, b: 999_999_999_999_999_999n },
    },
    { whole: -9_223_372_036_854_775_808n, real: -0, time: 0n, day: -1, large: 1n, flag: true },
  ]);
  const rows = await file.read(COLUMNS, 0, 2);
  expect(rows.map((row) => rowJson(COLUMNS, row))).toEqual([
    `{"text":${JSON.stringify('a "b" \u2028 ä')},"whole":9007199254740993,"real":0.1,"flag":false,` +
      `"time":"2026-03-01T11:59:59.123456Z","day":"2026-03-01","open":{"n":1.00,"deep":[1e400]},"bytes":"AP8Q",` +
      `"small":-0.05,"large":-12345678901234567890.1234567890,"list":[1,9223372036854775807],` +
      `"part":{"a":"1969-12-31T23:59:59.999999Z","b":999999999999999999}}`,
    `{"whole":-9223372036854775808,"real":-0,"flag":true,"time":"1970-01-01T00:00:00.000Z","day":"1969-12-31",` +
      `"large":0.0000000001}`,
  ]);
});

test("any range of rows, and none of what the file does not have", async () => {
  const rows = Array.from({ length: 1_000 }, (_, n) => ({ whole: BigInt(n) }));
  const file = await written(rows);
  expect(file.rows).toBe(1_000);
  for (const [from, to] of [
    [0, 1],
    [37, 901],
    [999, 1_000],
    [500, 500],
  ] as const)
    expect(
      (await file.read([...COLUMNS, column("later", { kind: "long" })], from, to)).map((row) => row["whole"]),
    ).toEqual(rows.slice(from, to).map(({ whole }) => whole));
  const store = createMemoryObjectStore({ clock: new ManualClock(0) });
  expect(await DataFile.open(store, "t/part-2.parquet", 10)).toBeUndefined();
});
