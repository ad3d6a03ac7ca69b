/** Values as text against the engine's own: exact, whatever the type. */
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import * as fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { csvRows, jsonRows, ndjsonRows } from "../../../lake/query/encode.ts";

let engine: DuckDBConnection;

beforeAll(async () => {
  engine = await (await DuckDBInstance.create(":memory:")).connect();
  await engine.run("SET TimeZone = 'UTC'");
});

/** The one row of a query, encoded; the text of each value by the engine. */
async function encoded(select: string): Promise<unknown[]> {
  const result = await engine.run(`SELECT ${select}`);
  const columns = await result.getColumns();
  return JSON.parse(jsonRows(result.columnTypes()).rows(columns, 1, true)) as unknown[];
}

describe("values", () => {
  test.each([
    ["9223372036854775807::BIGINT", "9223372036854775807"],
    ["18446744073709551615::UBIGINT", "18446744073709551615"],
    ["(-170141183460469231731687303715884105727)::HUGEINT", "-170141183460469231731687303715884105727"],
    ["2147483647::INTEGER", 2_147_483_647],
    ["-0.10::DECIMAL(5,2)", "-0.10"],
    ["12345678901234567890123456789012345.678::DECIMAL(38,3)", "12345678901234567890123456789012345.678"],
    ["0.1::DOUBLE", 0.1],
    ["'NaN'::DOUBLE", "NaN"],
    ["'-inf'::FLOAT", "-Infinity"],
    ["true", true],
    ["NULL", null],
    ["'a\"\\\n\u0001ä😀'", 'a"\\\n\u0001ä😀'],
    ["'\\xAA\\x00'::BLOB", "qgA="],
    ["DATE '2026-02-28'", "2026-02-28"],
    ["TIMESTAMPTZ '2026-01-01 10:00:00Z'", "2026-01-01T10:00:00Z"],
    ["TIMESTAMPTZ '2026-01-01 10:00:00.5Z'", "2026-01-01T10:00:00.500Z"],
    ["TIMESTAMPTZ '2026-01-01 10:00:00.000001Z'", "2026-01-01T10:00:00.000001Z"],
    ["TIMESTAMPTZ '1969-12-31 23:59:59.999999Z'", "1969-12-31T23:59:59.999999Z"],
    ["TIMESTAMP '2026-01-01 10:00:00'", "2026-01-01T10:00:00"],
    ["TIMESTAMP_NS '2026-01-01 10:00:00.123456789'", "2026-01-01T10:00:00.123456789"],
    ["TIMESTAMP_MS '2026-01-01 10:00:00.12'", "2026-01-01T10:00:00.120"],
    ["'infinity'::TIMESTAMPTZ", "infinity"],
    ["'7f3a0000-0000-4000-8000-000000000001'::UUID", "7f3a0000-0000-4000-8000-000000000001"],
    ["INTERVAL 36 HOUR", "36:00:00"],
    ["[1::BIGINT, NULL, 2]", ["1", null, "2"]],
    ["{'a': 1::BIGINT, 'b': {'c': [DATE '2026-01-01']}}", { a: "1", b: { c: ["2026-01-01"] } }],
    ["MAP {'k': 1.5::DECIMAL(3,1)}", { k: "1.5" }],
    [
      "MAP {1: 'x', 2: NULL}",
      [
        [1, "x"],
        [2, null],
      ],
    ],
    ["[1, 2]::INTEGER[2]", [1, 2]],
    ["union_value(n := 5::BIGINT)", "5"],
    ["'{\"a\":1}'::JSON", '{"a":1}'],
  ])("%s", async (expression, expected) => {
    expect(await encoded(expression)).toEqual([expected]);
  });

  test("of integers, decimals and times are what the engine says they are", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.bigInt({ min: -(10n ** 18n) + 1n, max: 10n ** 18n - 1n }),
        fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n }),
        async (integer, unscaled, micros) => {
          const expression = `(${integer})::BIGINT AS a,
            (${unscaled}::DECIMAL(18,0)::DECIMAL(38,6) / 1)::DECIMAL(38,6) AS b,
            make_timestamptz(${micros}) AS c`;
          const [a, b, c] = await encoded(expression);
          const texts = await engine.runAndReadAll(
            `SELECT a::VARCHAR, b::VARCHAR, epoch_us(TIMESTAMPTZ '${String(c)}') FROM (SELECT ${expression})`,
          );
          expect([a, b, micros]).toEqual(texts.getRows()[0]);
        },
      ),
      { numRuns: 200 },
    );
  });

  test("as NDJSON and CSV are the same values", async () => {
    const result = await engine.run(
      "SELECT 'a,\"b\"' AS \"t,1\", '' AS e, NULL AS n, 1::BIGINT AS i, [1, 2] AS l",
    );
    const columns = await result.getColumns();
    const names = result.columnNames();
    const types = result.columnTypes();
    const object = JSON.parse(ndjsonRows(names, types).rows(columns, 1, true)) as unknown;
    expect(object).toEqual({ "t,1": 'a,"b"', e: "", n: null, i: "1", l: [1, 2] });
    const csv = csvRows(names, types);
    expect(csv.head + csv.rows(columns, 1, true)).toBe('"t,1",e,n,i,l\r\n"a,""b""","",,1,"[1,2]"\r\n');
  });
});
