/** Views over pinned files, read by the engine: evolved and empty tables, every Delta type, odd names and paths. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { quoteText, sqlColumns, viewStatements, type PinnedTable } from "../../../lake/query/view.ts";
import { schemaOf } from "./tiny-lake.ts";

let folder: string;
let engine: DuckDBConnection;

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "muara-view-"));
  engine = await (await DuckDBInstance.create(":memory:")).connect();
  await engine.run("SET TimeZone = 'UTC'");
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function file(name: string, select: string): Promise<string> {
  const target = path.join(folder, name);
  await mkdir(path.dirname(target), { recursive: true });
  await engine.run(`COPY (${select}) TO ${quoteText(target)} (FORMAT parquet)`);
  return target;
}

async function read(table: PinnedTable, sql: string): Promise<unknown[]> {
  for (const statement of viewStatements(table)) await engine.run(statement);
  try {
    return (await engine.runAndReadAll(sql)).getRowsJson();
  } finally {
    for (const name of table.names) await engine.run(`DROP VIEW "${name.replaceAll('"', '""')}"`);
  }
}

const PARTITION = { names: ["t"], partitionColumns: ["ingest_date"], ingestedUntilMs: null };

describe("a view", () => {
  test("has all columns of the schema over files that lack some, at any depth", async () => {
    const inner = { type: "struct", fields: [part("p", "long"), part("q", "decimal(10,2)")] };
    const schemaString = schemaOf({
      id: "string",
      n: "long",
      list: { type: "array", elementType: inner, containsNull: true },
      one: inner,
      later: "timestamp",
      ingest_date: "date",
    });
    const files = [
      {
        path: await file("a.parquet", "SELECT 'a' AS id, 1::INTEGER AS n, [{'p': 1::BIGINT}] AS list"),
        partitionValues: { ingest_date: "2026-01-01" },
      },
      {
        path: await file(
          "b.parquet",
          `SELECT {'q': 2.5::DECIMAL(10,2), 'p': 3::BIGINT} AS one, 'b' AS id,
            TIMESTAMPTZ '2026-01-01 00:00:00Z' AS later, 9 AS x`,
        ),
        partitionValues: { ingest_date: "2026-01-02" },
      },
      {
        path: await file("c.parquet", "SELECT 'c' AS id"),
        partitionValues: { ingest_date: null },
      },
    ];
    const table = { ...PARTITION, schemaString, files };
    expect(await read(table, "SELECT * FROM t ORDER BY id")).toEqual([
      ["a", "1", [{ p: "1", q: null }], null, null, "2026-01-01"],
      ["b", null, null, { p: "3", q: "2.50" }, "2026-01-01 00:00:00+00", "2026-01-02"],
      ["c", null, null, null, null, null],
    ]);
    expect(await read(table, "SELECT id FROM t WHERE ingest_date > DATE '2026-01-01'")).toEqual([["b"]]);
  });

  test("of a table without files has the columns and no rows, for every Delta type", async () => {
    const types = {
      a: "string",
      b: "long",
      c: "integer",
      d: "short",
      e: "byte",
      f: "float",
      g: "double",
      h: "boolean",
      i: "binary",
      j: "date",
      k: "timestamp",
      l: "decimal(38,9)",
      m: { type: "map", keyType: "string", valueType: "long", valueContainsNull: true },
      n: { type: "struct", fields: [] },
      'o"dd': "string",
    };
    const table = { ...PARTITION, schemaString: schemaOf(types), partitionColumns: [], files: [] };
    const described = (await read(table, "DESCRIBE t")) as string[][];
    expect(described.map(([name, type]) => ({ name, type }))).toEqual(sqlColumns(schemaOf(types)));
    expect(described.map(([, type]) => type)).toContain("MAP(VARCHAR, BIGINT)");
  });

  test("takes odd names of tables, columns and files as they are", async () => {
    const odd = await file("it's = 100%/ü [a]*.parquet", `SELECT 1::BIGINT AS "o'dd ""x"""`);
    const table = {
      ...PARTITION,
      names: ['a "table"', "b.c"],
      schemaString: schemaOf({ 'o\'dd "x"': "long", ingest_date: "date" }),
      files: [{ path: odd, partitionValues: { ingest_date: "2026-01-01" } }],
    };
    expect(await read(table, `SELECT * FROM "a ""table""" JOIN "b.c" USING (ingest_date)`)).toEqual([
      ["1", "2026-01-01", "1"],
    ]);
  });

  test("opens only the files of the partitions that the query asks for", async () => {
    const real = await file("real.parquet", "SELECT 1::BIGINT AS n");
    const table = {
      ...PARTITION,
      schemaString: schemaOf({ n: "long", ingest_date: "date" }),
      files: [
        { path: real, partitionValues: { ingest_date: "2026-01-01" } },
        {
          path: await file("other.parquet", "SELECT 2::BIGINT AS n"),
          partitionValues: { ingest_date: "2026-01-02" },
        },
      ],
    };
    const plan = JSON.stringify(
      await read(table, "EXPLAIN SELECT n FROM t WHERE ingest_date = '2026-01-01'"),
    );
    expect(await read(table, "SELECT n FROM t WHERE ingest_date = '2026-01-02'")).toEqual([["2"]]);
    expect(plan.match(/Function:/g)?.length).toBe(1);
  });

  test("hides rows that came in after a time", async () => {
    const times =
      "SELECT i AS n, TIMESTAMPTZ '2026-01-01 00:00:00Z' + INTERVAL (i) HOUR AS ingest_time FROM range(3) AS r(i)";
    const table = {
      ...PARTITION,
      schemaString: schemaOf({ n: "long", ingest_time: "timestamp", ingest_date: "date" }),
      files: [{ path: await file("times.parquet", times), partitionValues: { ingest_date: "2026-01-01" } }],
      ingestedUntilMs: Date.UTC(2026, 0, 1, 1),
    };
    expect(await read(table, "SELECT n FROM t ORDER BY n")).toEqual([["0"], ["1"]]);
  });
});

function part(name: string, type: string): Record<string, unknown> {
  return { name, type, nullable: true, metadata: {} };
}
