/** Values of a captured table are those of the source, by the text that PostgreSQL shows of them. */
import { expect, test } from "vitest";
import type { SinkColumn } from "../../../core/ports/sink.ts";
import { CAPTURED_ENVELOPE, column, eachSinkStand, sinkBatch } from "./sink-stand.ts";

const never = new AbortController().signal;
const it = eachSinkStand();

const TYPED: readonly SinkColumn[] = [
  ...CAPTURED_ENVELOPE,
  { ...column("id", "long"), sourceType: "integer" },
  {
    name: "big",
    type: { kind: "decimal", precision: 19, scale: 0, quoted: true },
    nullable: true,
    sourceType: "bigint",
  },
  {
    name: "n",
    type: { kind: "decimal", precision: 12, scale: 2, quoted: true },
    nullable: true,
    sourceType: "numeric(12,2)",
  },
  column("n__text", "string"),
  { ...column("f", "double"), sourceType: "real" },
  column("f__text", "string"),
  { ...column("t", "timestamp"), sourceType: "timestamp with time zone" },
  column("t__text", "string"),
  { ...column("d", "date"), sourceType: "date" },
  column("d__text", "string"),
  { ...column("ints", "json"), sourceType: "integer[]" },
  column("ints__text", "string"),
  { ...column("bytes", "string"), sourceType: "bytea" },
  { ...column("span", "string"), sourceType: "interval" },
  { ...column("mood", "string"), sourceType: "shop.mood" },
  { ...column("doc", "json"), sourceType: "jsonb" },
  { ...column("data_source", "string"), field: "source", sourceType: "character varying(20)" },
];

const row = (id: bigint, data: Record<string, unknown>): Record<string, unknown> => ({
  event_id: "x",
  event_key: `["a",${id}]`,
  source: { shard: "a", incarnation: 1n, lsn: id, index: 0n, change: "create", unchanged: null },
  id,
  ...data,
});

const ROWS = [
  row(1n, {
    big: 9_223_372_036_854_775_807n,
    n: 1_250n,
    f: 0.1,
    t: 1_772_366_400_123_456n,
    d: 20_513,
    ints: "[1,null,[2]]".replace("[2]", "2"),
    bytes: Buffer.from([0, 255, 92]).toString("base64"),
    span: "1 day 02:00:00",
    mood: 'a "quoted" \\ one',
    doc: '{"n": 9007199254740993, "s": "tab\\t"}',
    data_source: "web",
  }),
  row(2n, {
    n__text: "NaN",
    f__text: "-Infinity",
    t__text: "infinity",
    d__text: "0044-03-15 BC",
    ints: null,
    ints__text: "[0:1]={7,8}",
    big: -1n,
  }),
  row(3n, { ints: "[[1,2],[3,4]]", t: -62_135_596_800_000_000n, f: -0 }),
];

test("values are those of the source, what stood beside its column too", async () => {
  const sink = it.open({ table: "ods.t", mode: "state", key: ["id"] });
  expect(await sink.write(sinkBatch(0, TYPED, ROWS), never)).toEqual({ outcome: "taken" });
  const names = ["big", "n", "f", "t", "d", "ints", "bytes", "span", "mood", "doc", "source"];
  const found = await it.sql(
    `select ${names.map((name) => `${name}::text`).join(", ")}
     from ods.t, (select set_config('timezone', 'UTC', false)) x order by id`,
  );
  const nothing = Object.fromEntries(names.map((name) => [name, null]));
  expect(found).toEqual([
    {
      big: "9223372036854775807",
      n: "12.50",
      f: "0.1",
      t: "2026-03-01 12:00:00.123456+00",
      d: "2026-03-01",
      ints: "{1,NULL,2}",
      bytes: "\\x00ff5c",
      span: "1 day 02:00:00",
      mood: 'a "quoted" \\ one',
      doc: '{"n": 9007199254740993, "s": "tab\\t"}',
      source: "web",
    },
    {
      ...nothing,
      n: "NaN",
      f: "-Infinity",
      t: "infinity",
      d: "0044-03-15 BC",
      ints: "[0:1]={7,8}",
      big: "-1",
    },
    { ...nothing, ints: "{{1,2},{3,4}}", t: "0001-01-01 00:00:00+00", f: "-0" },
  ]);
  const types = await it.sql(
    `select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute
     where attrelid = 'ods.t'::regclass and attname in ('id', 'n', 'ints', 'mood', 'source', 'n__text')`,
  );
  expect(Object.fromEntries(types.map(({ name, type }) => [name, type]))).toEqual({
    id: "integer",
    n: "numeric(12,2)",
    ints: "integer[]",
    mood: "text",
    source: "character varying",
  });
});
