/** Views of the configuration: what is refused at the start, what they read, and with whose rights. */
import type { DuckDBConnection } from "@duckdb/node-api";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Grant, Principal } from "../../../core/authorize.ts";
import { judge } from "../../../lake/query/gate.ts";
import { openEngine, serializeSql } from "../../../lake/query/session.ts";
import type { QueryService } from "../../../lake/query/service.ts";
import { checkViews, type Views } from "../../../lake/query/views.ts";
import { ADMIN, makeTinyLake, schemaOf, type TinyLake } from "./tiny-lake.ts";

const SLOW_MS = 120_000;
const idle = new AbortController().signal;
let lake: TinyLake;
let engine: DuckDBConnection;

const file = (day: string, ids: string[]) => ({
  day,
  columns: [
    { name: "id", data: ids },
    { name: "mail", data: ids.map((id) => `${id}@example.org`) },
  ],
});

const on = (name: string, part: Partial<Grant> = {}): Grant => ({
  action: "read",
  kind: "table",
  name,
  ...part,
});

beforeAll(async () => {
  const schemaString = schemaOf({ id: "string", mail: "string", ingest_date: "date" });
  lake = await makeTinyLake([
    {
      name: "shop.order",
      schemaString,
      versions: [
        { timestampMs: 1, files: [file("2026-01-01", ["a", "b"])] },
        { timestampMs: 2, files: [file("2026-01-02", ["c"])] },
      ],
    },
    { name: "other", schemaString, versions: [{ timestampMs: 1, files: [file("2026-01-01", ["b"])] }] },
  ]);
  engine = await openEngine({ memoryBytes: 134_217_728, threads: 1 });
});

afterAll(async () => {
  engine.closeSync();
  await lake.close();
});

const check = (views: Record<string, string>): Promise<Views> =>
  checkViews(
    Object.fromEntries(Object.entries(views).map(([name, sql]) => [name, { sql }])),
    lake.catalog,
    async (sql) => judge(await serializeSql(engine, sql)),
  );

describe("declared", () => {
  test.each<[Record<string, string>, string]>([
    [{ "shop.order": "SELECT 1 AS a" }, 'views.shop.order: the table "shop.order" has this name'],
    [{ Shop_Order: "SELECT 1 AS a" }, 'the table "shop.order" has this name'],
    [{ books: "SELECT 1 AS a" }, "has this name"],
    [{ "a b": "SELECT 1 AS a" }, "starts with a letter"],
    [{ "../a": "SELECT 1 AS a" }, "starts with a letter"],
    [{ v: "SELECT 1 AS a", V: "SELECT 1 AS a" }, "another view has this name"],
    [{ v: "SELECT * FROM ordr" }, 'views.v: there is no table or view "ordr"'],
    [{ v: "SELECT * FROM V" }, "it reads itself: v → v"],
    [{ a: "FROM b", b: "SELECT * FROM c", c: "SELECT 1 FROM other, a" }, "it reads itself: a → b → c → a"],
    [{ v: "SELECT FROM" }, "its SQL: "],
    [{ v: "DELETE FROM other" }, "its SQL: "],
    [{ v: "SELECT 1; SELECT 2" }, "its SQL: "],
    [{ v: "SELECT 1) AS x; DROP TABLE other; --" }, "its SQL: "],
    [{ v: "SELECT * FROM read_csv('/etc/passwd')" }, "read_csv"],
    [{ v: "SELECT getenv('HOME')" }, "getenv"],
  ])("%j is refused", async (views, reason) => {
    await expect(check(views)).rejects.toMatchObject({
      code: "config.invalid",
      message: expect.stringContaining(reason),
    });
  });

  test("over tables, aliases, ledger tables that are to come, and views before and behind", async () => {
    const views = await check({
      top: "SELECT * FROM Middle UNION ALL SELECT id, mail FROM other -- end",
      middle: 'WITH t AS (SELECT * FROM shop_order) SELECT id, mail FROM t, "shop.order" AS o WHERE false',
      ledger: "SELECT count(*) AS n FROM dead_letters",
    });
    expect(Object.fromEntries([...views].map(([key, { tables }]) => [key, tables]))).toEqual({
      top: ["shop_order", "shop.order", "other"],
      middle: ["shop_order", "shop.order"],
      ledger: ["dead_letters"],
    });
  });
});

describe("asked", () => {
  let service: QueryService;
  const ask = (sql: string, by: Principal = ADMIN, at?: number | string) =>
    service.rows({ sql, principal: by, at }, idle);

  beforeAll(async () => {
    service = lake.service({ warm: 1, timeoutMs: 90_000 });
    await service.declareViews({
      recent: {
        sql: `SELECT id, ingest_date FROM "shop.order" WHERE ingest_date >= DATE '2026-01-02'`,
        description: "d",
      },
      twice: {
        sql: "SELECT id FROM recent UNION ALL SELECT id FROM shop_order ORDER BY id",
        description: "",
      },
      mails: { sql: "SELECT id, mail FROM shop_order", description: "" },
      joined: { sql: "SELECT o.id FROM shop_order AS o JOIN other USING (id)", description: "" },
    });
  }, SLOW_MS);

  test("they give what their SQL gives, at any version, in any case", { timeout: SLOW_MS }, async () => {
    expect(await ask("SELECT * FROM RECENT")).toMatchObject({
      rows: [["c", "2026-01-02"]],
      versions: { "shop.order": 1 },
    });
    expect((await ask("SELECT id FROM twice ORDER BY id")).rows.flat()).toEqual(["a", "b", "c", "c"]);
    expect((await ask("SELECT id FROM twice ORDER BY id", ADMIN, 0)).rows.flat()).toEqual(["a", "b"]);
    expect((await ask("WITH recent AS (SELECT 'mine' AS id) SELECT id FROM recent")).rows).toEqual([
      ["mine"],
    ]);
    expect(
      (await ask("SELECT a.id FROM twice AS a JOIN mails AS b USING (id) ORDER BY ALL")).rows,
    ).toHaveLength(4);
    expect((await ask("DESCRIBE recent")).rows.map((row) => row[0])).toEqual(["id", "ingest_date"]);
    expect((await ask("SHOW TABLES")).rows.map((row) => row[0])).toEqual(
      expect.arrayContaining(["shop.order", "other", "joined", "mails", "recent", "twice"]),
    );
  });

  test("with the rights of who asks", { timeout: SLOW_MS }, async () => {
    const limited: Principal = {
      id: "p",
      grants: [on("shop.order", { columns: ["id", "ingest_date"], rows: "id <> 'c'" })],
    };
    expect((await ask("SELECT id FROM twice ORDER BY id", limited)).rows.flat()).toEqual(["a", "b"]);
    expect((await service.views(limited)).map(({ name }) => name)).toEqual(["mails", "recent", "twice"]);
    await expect(ask("SELECT id FROM mails", limited)).rejects.toMatchObject({
      code: "sql.failed",
      message: 'The view "mails" asks for something that is not there for you.',
    });
    await expect(ask("SELECT id FROM joined", limited)).rejects.toMatchObject({ code: "table.not_found" });
    // A grant on the view's own name is none on its tables.
    const named: Principal = { id: "p", grants: [on("recent"), on("other")] };
    await expect(ask("SELECT id FROM recent", named)).rejects.toMatchObject({
      code: "table.not_found",
      message: 'There is no table "recent".',
    });
    expect(await service.views(named)).toEqual([]);
  });
});
