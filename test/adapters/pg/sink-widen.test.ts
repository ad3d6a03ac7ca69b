/** Columns whose type changes at the source while the form of their values stays: the store's rows keep every value. */
import { expect, test } from "vitest";
import type { SinkColumn } from "../../../core/ports/sink.ts";
import { CAPTURED_ENVELOPE, eachSinkStand, sinkBatch } from "./sink-stand.ts";

const never = new AbortController().signal;
const TAKEN = { outcome: "taken" };
const it = eachSinkStand();

const ID: SinkColumn = {
  name: "id",
  field: "id",
  sourceType: "integer",
  type: { kind: "long" },
  nullable: true,
};

function value(type: SinkColumn["type"], sourceType: string): SinkColumn {
  return { name: "v", field: "v", sourceType, type, nullable: true };
}

function decimal(precision: number, scale: number): SinkColumn {
  const type = { kind: "decimal", precision, scale, quoted: true } as const;
  return value(type, `numeric(${precision},${scale})`);
}

const text = (sourceType: string): SinkColumn => value({ kind: "string" }, sourceType);
const json = (sourceType: string): SinkColumn => value({ kind: "json" }, sourceType);

/** Row 1 comes with the first column, rows 2 and those behind with the second. */
async function written(
  before: SinkColumn,
  after: SinkColumn,
  values: readonly unknown[],
): Promise<unknown[]> {
  const sink = it.open({ table: "ods.t", mode: "state", key: ["id"] });
  for (const [i, v] of values.entries()) {
    const columns = [...CAPTURED_ENVELOPE, ID, i === 0 ? before : after];
    const source = {
      shard: "s",
      incarnation: 1n,
      lsn: BigInt(i),
      index: 0n,
      change: "create",
      unchanged: null,
    };
    const row = { event_id: `${i}`, event_key: JSON.stringify(["s", i]), source, id: BigInt(i), v };
    expect(await sink.write(sinkBatch(i, columns, [row]), never)).toEqual(TAKEN);
  }
  const [type] = await it.sql(`select format_type(atttypid, atttypmod) as type from pg_attribute
    where attrelid = 'ods.t'::regclass and attname = 'v'`);
  const rows = await it.sql("select v::text as v from ods.t order by id");
  return [type!["type"], ...rows.map(({ v }) => v)];
}

test.each([
  [decimal(12, 2), decimal(20, 4), [125n, 12_345n], ["numeric(20,4)", "1.2500", "1.2345"]],
  [decimal(5, 0), decimal(3, 2), [99_999n, 125n], ["numeric(7,2)", "99999.00", "1.25"]],
  [text("uuid"), text("text"), ["7a2f0000-0000-4000-8000-000000000001", "none"], undefined],
  [text("inet"), text("text"), ["10.0.0.1", "all"], ["text", "10.0.0.1/32", "all"]],
  [
    json("integer[]"),
    json("text[]"),
    ["[1,null]", '["a,b","\\"c\\""]'],
    ["text[]", "{1,NULL}", '{"a,b","\\"c\\""}'],
  ],
  [json("integer[]"), json("jsonb"), ["[1,2]", '{"a":1.50}'], ["jsonb", "[1, 2]", '{"a": 1.50}']],
  [json("json"), json("jsonb"), ['{"a":1}', "[true]"], ["jsonb", '{"a": 1}', "[true]"]],
  [text("varchar(3)"), text("character varying(9)"), ["abc", "abcdefghi"], undefined],
] as const)("%#: a column that is too narrow is made wider", async (before, after, values, wanted) => {
  const own = ["text", ...(values as readonly unknown[])];
  expect(await written(before, after, values)).toEqual(wanted ?? own);
});

test("a whole number that becomes a numeric of more digits keeps all of them", async () => {
  const long = value({ kind: "decimal", precision: 19, scale: 0, quoted: true }, "bigint");
  const values = [2n ** 63n - 1n, 10n ** 24n];
  expect(await written(long, decimal(25, 0), values)).toEqual(["numeric(25,0)", ...values.map(String)]);
});

test("a column that somebody has made another one stays as it is; one of a foreign table, too", async () => {
  await written(decimal(4, 2), decimal(4, 2), [125n]);
  await it.sql("alter table ods.t alter v type double precision");
  expect((await written(decimal(4, 2), decimal(6, 4), [125n, 12_345n]))[0]).toBe("double precision");
});
