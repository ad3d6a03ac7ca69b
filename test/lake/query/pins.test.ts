/** Which files a query gets: by what it asks, by what the asker may see, and never by what is hidden from them. */
import type { DuckDBConnection } from "@duckdb/node-api";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Grant, Principal } from "../../../core/authorize.ts";
import type { AddFile, TableSnapshot } from "../../../core/ports/table-log.ts";
import { judge, type Judged } from "../../../lake/query/gate.ts";
import { pinAll } from "../../../lake/query/pins.ts";
import { conditionTexts, judgeCondition } from "../../../lake/query/row-condition.ts";
import { openEngine, serializeSql } from "../../../lake/query/session.ts";
import { checkViews, type Views } from "../../../lake/query/views.ts";
import { ADMIN, makeTinyLake, schemaOf, type TinyLake } from "./tiny-lake.ts";

let lake: TinyLake;
let engine: DuckDBConnection;
let views: Views;

const DAYS = ["2026-01-01", "2026-01-02", "2026-01-03"];

beforeAll(async () => {
  engine = await openEngine({ memoryBytes: 134_217_728, threads: 1 });
  const columns = [{ name: "n", data: [1] }];
  lake = await makeTinyLake([
    {
      name: "t",
      schemaString: schemaOf({ n: "long", country: "string", ingest_time: "timestamp", ingest_date: "date" }),
      versions: [{ timestampMs: 1, files: DAYS.map((day) => ({ day, columns })) }],
    },
  ]);
  // Day i: n from 10 i to 10 i + 9, all of one country.
  const [snapshot] = lake.snapshots.get("t")!;
  const files = snapshot!.files as Map<string, AddFile>;
  for (const [i, [path, file]] of [...files].entries()) {
    const country = ["AT", "CH", "DE"][i];
    const [low, high] = [`2026-01-0${i + 1}T00:00:00.000Z`, `2026-01-0${i + 1}T23:59:59.000Z`];
    const stats = JSON.stringify({
      numRecords: 1,
      minValues: { n: 10 * i, country, ingest_time: low },
      maxValues: { n: 10 * i + 9, country, ingest_time: high },
    });
    files.set(path, { ...file, stats });
  }
  views = await checkViews({ late: { sql: "SELECT n FROM t WHERE n >= 20" } }, lake.catalog, judged);
});

afterAll(async () => {
  engine.closeSync();
  await lake.close();
});

const judged = async (sql: string): Promise<Judged> => judge(await serializeSql(engine, sql));

/** The days whose files are given to the engine. */
async function daysOf(sql: string, principal: Principal): Promise<readonly string[]> {
  const pins = await pinAll(
    {
      catalog: lake.catalog,
      views,
      principal,
      at: undefined,
      nowMs: 0,
      placeOf: () => ({}),
      judgeCondition: async (condition) => {
        const [bare, wrapped] = conditionTexts(condition);
        return judgeCondition(await serializeSql(engine, bare), await serializeSql(engine, wrapped));
      },
    },
    (await judged(sql)) as Judged & { kind: "query" },
  );
  const table: TableSnapshot["files"] = new Map(pins.tables[0]!.files.map((file) => [file.path, file]));
  return [...table.values()].map((file) => file.partitionValues["ingest_date"]!);
}

const holder = (...parts: Partial<Grant>[]): Principal => ({
  id: "p",
  grants: parts.map((part) => ({ action: "read", kind: "table", name: "t", ...part })),
});
const [one, two, three] = DAYS as [string, string, string];

test.each<[string, Principal, readonly string[]]>([
  ["SELECT * FROM t", ADMIN, DAYS],
  ["SELECT * FROM t WHERE n = 15", ADMIN, [two]],
  ["SELECT * FROM late", ADMIN, [three]],
  ["SELECT * FROM late UNION ALL SELECT n FROM t WHERE n < 10", ADMIN, [one, three]],
  // Hidden columns hide no rows: what is visible may choose.
  ["SELECT n FROM t WHERE n = 15", holder({ columns: ["n"] }), [two]],
  // The grant chooses.
  ["SELECT * FROM t", holder({ rows: "country = 'DE'" }), [three]],
  ["SELECT * FROM t", holder({ rows: "country = 'DE' OR country = 'AT' AND n < 100" }), [one, three]],
  ["SELECT * FROM t", holder({ rows: "country = 'DE'" }, { rows: "n BETWEEN 0 AND 9" }), [one, three]],
  ["SELECT * FROM t", holder({ rows: "country = 'DE' OR lower(country) = 'at'" }), DAYS],
  ["SELECT * FROM t", holder({ rows: "country = 'DE'" }, { columns: ["n"] }), DAYS],
  // The statement chooses by when and where events came, and by nothing else.
  ["SELECT * FROM t WHERE n = 15", holder({ rows: "country <> 'FR'" }), DAYS],
  ["SELECT * FROM t WHERE country = 'CH'", holder({ rows: "country <> 'FR'" }), DAYS],
  [
    "SELECT * FROM t WHERE ingest_date = DATE '2026-01-02' AND n = 1",
    holder({ rows: "country <> 'FR'" }),
    [two],
  ],
  [
    "SELECT * FROM t WHERE ingest_time < TIMESTAMPTZ '2026-01-02'",
    holder({ rows: "country <> 'FR'" }),
    [one, two],
  ],
  ["SELECT * FROM late", holder({ rows: "country <> 'FR'" }), DAYS],
])("%s", async (sql, principal, days) => {
  expect(await daysOf(sql, principal), JSON.stringify(principal.grants)).toEqual(days);
});

test.each<[string, readonly string[] | null]>([
  ["SELECT count(*) FROM t", []],
  [
    "SELECT a.N FROM t AS a WHERE country LIKE 'x' ORDER BY ingest_date",
    ["a", "n", "country", "ingest_date"],
  ],
  ["SELECT x FROM (SELECT n AS x FROM t) WHERE x > 1", ["x", "n"]],
  ["SELECT n.abs() FROM t", ["n"]],
  ["SELECT 1 FROM t JOIN t AS b USING (n)", ["n"]],
  ["SELECT sum(n) OVER (PARTITION BY country) FROM t", ["n", "country"]],
  ["SELECT * FROM t", null],
  ["FROM t", null],
  ["SELECT a FROM t AS a", null],
  ["SELECT to_json(t) FROM t", null],
  ["SELECT COLUMNS('n') FROM t", null],
  ["SELECT #1 FROM t", null],
  ["SELECT x FROM t AS a(x)", null],
  ["SELECT 1 FROM t NATURAL JOIN t AS b", null],
  ["DESCRIBE t", null],
  ["SUMMARIZE t", null],
  ["SELECT 1 FROM (PIVOT t ON country IN ('DE') USING sum(n))", null],
])("the columns that %s may want", async (sql, columns) => {
  const { columns: found } = (await judged(sql)) as Judged & { kind: "query" };
  expect(found && [...found].toSorted()).toEqual(columns && [...columns].toSorted());
});
