/**
 * Partitions that a query can see, against the engine: over any WHERE the rows of the kept files are those of all
 * files, and the simple forms do leave files out.
 */
import type { DuckDBConnection } from "@duckdb/node-api";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { judge } from "../../../lake/query/gate.ts";
import { fileFilter } from "../../../lake/query/file-filter.ts";
import { openEngine, serializeSql } from "../../../lake/query/session.ts";
import { schemaOf } from "./tiny-lake.ts";

const DAYS = ["2025-12-31", "2026-01-01", "2026-01-02", "2026-01-03", "2026-02-28", null];
const SCHEMA = schemaOf({ ingest_date: "date", n: "integer", other: "date" });

let engine: DuckDBConnection;

beforeAll(async () => {
  engine = await openEngine({ memoryBytes: 5e8, threads: 1 });
  await engine.run("CREATE TABLE all_rows (ingest_date DATE, n INTEGER, other DATE)");
  for (const [n, day] of DAYS.entries()) {
    const text = day === null ? "NULL" : `'${day}'`;
    await engine.run(`INSERT INTO all_rows VALUES (${text}, ${n}, '2026-01-0${(n % 3) + 1}')`);
  }
});
afterAll(() => engine.closeSync());

/** Days whose files the query gets. */
async function daysOf(sql: string): Promise<readonly (string | null)[]> {
  const judged = judge(await serializeSql(engine, sql));
  if (judged.kind !== "query") throw new Error(`${sql}: ${judged.kind}`);
  const { wanted } = judged.tables.find((table) => table.name.toLowerCase() === "orders")!;
  const isWanted = fileFilter(wanted, SCHEMA, ["ingest_date"]);
  return DAYS.filter((day) => isWanted({ partitionValues: { ingest_date: day } }));
}

async function rowsOf(sql: string, days: readonly (string | null)[]): Promise<string> {
  const list = days.map((day) => (day === null ? "ingest_date IS NULL" : `ingest_date = '${day}'`));
  await engine.run(`CREATE OR REPLACE VIEW orders AS FROM all_rows WHERE ${["false", ...list].join(" OR ")}`);
  return JSON.stringify((await engine.runAndReadAll(sql)).getRowsJson());
}

const date = fc.constantFrom(...DAYS.filter((day) => day !== null), "2026-01-15", "0001-01-01");
const literal = date.chain((day) => fc.constantFrom(`'${day}'`, `DATE '${day}'`, `'${day}'::DATE`));
const column = fc.constantFrom("ingest_date", "INGEST_DATE", "orders.ingest_date", '"ingest_date"', "other");
const operator = fc.constantFrom("=", "<", "<=", ">", ">=", "<>", "IS DISTINCT FROM");
const { condition } = fc.letrec<{ condition: string; leaf: string }>((tie) => ({
  condition: fc.oneof(
    { depthSize: "small" },
    tie("leaf"),
    fc.tuple(tie("condition"), tie("condition")).map(([a, b]) => `(${a} AND ${b})`),
    fc.tuple(tie("condition"), tie("condition")).map(([a, b]) => `(${a} OR ${b})`),
    tie("condition").map((a) => `NOT (${a})`),
  ),
  leaf: fc.oneof(
    fc.tuple(column, operator, literal).map((parts) => parts.join(" ")),
    fc.tuple(literal, operator, column).map((parts) => parts.join(" ")),
    fc.tuple(column, literal, literal).map(([c, a, b]) => `${c} BETWEEN ${a} AND ${b}`),
    fc
      .tuple(column, fc.array(literal, { minLength: 1, maxLength: 3 }))
      .map(([c, l]) => `${c} IN (${l.join(", ")})`),
    fc.tuple(column, literal).map(([c, a]) => `${c} NOT IN (${a})`),
    fc.constantFrom("n > 2", "ingest_date IS NULL", "ingest_date = other", "ingest_date > other - 1"),
  ),
}));
const FORMS: readonly ((where: string) => string)[] = [
  (where) => `SELECT n FROM orders WHERE ${where} ORDER BY n`,
  (where) => `SELECT DATE '2026-01-01' AS ingest_date, n FROM orders WHERE ${where} ORDER BY n`,
  (where) => `WITH orders AS (SELECT * FROM orders WHERE ${where}) SELECT n FROM orders ORDER BY n`,
  (where) =>
    `SELECT n FROM orders WHERE ${where} UNION ALL SELECT n + 100 FROM orders WHERE n < 3 ORDER BY n`,
  (where) => `SELECT n FROM (SELECT * FROM orders WHERE ${where}) AS orders ORDER BY n`,
  (where) =>
    `SELECT n, EXISTS (SELECT 1 FROM orders WHERE ${where}) FROM orders WHERE ingest_date > '2026-01-01' ORDER BY n`,
  (where) => `SELECT orders.n FROM orders JOIN all_rows AS b USING (n) WHERE ${ofOrders(where)} ORDER BY 1`,
  (where) => `SELECT count(*) FILTER (WHERE ${where}) FROM orders`,
];

/** Every column with its table before it. */
function ofOrders(where: string): string {
  return where.replaceAll(/(?<![.\w"])(?:other|"?ingest_date"?)/gi, "orders.$&");
}

describe("the partitions that a query sees", () => {
  test("leave out no row that it asks for", async () => {
    await fc.assert(
      fc.asyncProperty(condition, fc.constantFrom(...FORMS), async (where, form) => {
        const sql = form(where);
        const days = await daysOf(sql);
        expect(await rowsOf(sql, days), sql).toBe(await rowsOf(sql, DAYS));
      }),
      { numRuns: 400 },
    );
  });

  test.each([
    ["SELECT n FROM orders WHERE ingest_date = DATE '2026-01-02'", ["2026-01-02"]],
    ["SELECT n FROM orders WHERE n = 1 AND '2026-01-02' <= ingest_date", DAYS.slice(2, 5)],
    ["SELECT n FROM orders WHERE Ingest_Date BETWEEN '2026-01-01' AND '2026-01-02'::DATE", DAYS.slice(1, 3)],
    ["SELECT n FROM orders WHERE ingest_date IN ('2026-01-01', '2026-02-28')", ["2026-01-01", "2026-02-28"]],
    ["SUMMARIZE SELECT n FROM orders WHERE ingest_date > '2026-01-03'", ["2026-02-28"]],
  ])("are few for the usual forms: %s", async (sql, days) => {
    expect(await daysOf(sql)).toEqual(days);
  });

  test.each([
    "SELECT n FROM orders WHERE ingest_date = '2026-1-2'",
    "SELECT n FROM orders WHERE ingest_date = '2026-02-31'",
    "SELECT n FROM orders WHERE ingest_date = '2026-01-02' OR n = 1",
    "SELECT n FROM orders TABLESAMPLE 50% WHERE ingest_date = '2026-01-02'",
    "SELECT n FROM orders AS o(a, ingest_date, c) WHERE ingest_date = '2026-01-02'",
    "SELECT n FROM orders WHERE ingest_date = current_date",
    "SELECT n FROM orders WHERE ingest_date = '2026-01-02'::TIMESTAMP",
    "SELECT (SELECT n FROM orders LIMIT 1) FROM orders WHERE ingest_date = '2026-01-02'",
  ])("are all where the form is another: %s", async (sql) => {
    expect(await daysOf(sql)).toEqual(DAYS);
  });
});
