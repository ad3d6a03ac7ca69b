/** What a feed may declare: everything else is refused by name, at the start or when its tables are there. */
import { describe, expect, test } from "vitest";
import { resolveConfig } from "../../../core/config.ts";
import { describeSql, planFeed } from "../../../lake/extract/feed-plan.ts";
import { judgeFeeds } from "../../../lake/extract/judge-feed.ts";
import { closedUntil, windowName, windowStart } from "../../../lake/extract/window.ts";
import { DAY_MS, FIRST_MS, HOUR_MS, salesFeed } from "./sales-lake.ts";

const check = (sql: string) => ({ name: "c", sql, severity: "error" as const });

const resolve = (feed: object, name = "sales_daily") =>
  resolveConfig({ environment: {}, file: { extracts: { [name]: feed } } as never });

const columns = [
  { name: "event_id", type: "VARCHAR" },
  { name: "event_time", type: "TIMESTAMP WITH TIME ZONE" },
  { name: "amount", type: "DECIMAL(12,2)" },
];
const plan = (more: Parameters<typeof salesFeed>[0], given = columns) =>
  planFeed(salesFeed({ totals: [], ...more }), given);
const typed = (type: string) => plan({}, [...columns, { name: "x", type }]).columns.at(-1)?.type;

describe("configuration", () => {
  const good = { sql: "SELECT 1", time: "t", key: ["k"] };

  test("has defaults, and says where a feed came from", () => {
    const { config, entries } = resolve(good);
    expect(config.extracts["sales_daily"]).toMatchObject({
      kind: "replace_partition",
      window: "day",
      retentionDays: 90,
    });
    expect(entries.find(({ path }) => path.join(".") === "extracts")?.origin).toBe("file");
  });

  test.each([
    ["an unknown key", { ...good, sqll: "x" }, "sales_daily", "sqll"],
    ["no key", { ...good, key: [] }, "sales_daily", "key"],
    ["a name that is no path", good, "../x", "extracts"],
    ["another kind", { ...good, kind: "upsert" }, "sales_daily", "kind"],
    ["a version that is none", { ...good, version: "1" }, "sales_daily", "version"],
    ["a total twice", { ...good, totals: ["a", "a"] }, "sales_daily", "twice"],
  ])("refuses %s", (_what, feed, name, message) => {
    expect(() => resolve(feed, name)).toThrow(message);
  });
});

describe("SQL at the start", () => {
  test("tells the tables that it reads", async () => {
    const sql = 'WITH x AS (SELECT * FROM "shop.sale") SELECT * FROM x JOIN other USING (event_id);';
    const tables = await judgeFeeds([salesFeed({ sql, checks: [check("SELECT count(*) FROM extract")] })]);
    expect(tables.get("sales_daily")?.toSorted()).toEqual(["other", "shop.sale"]);
  });

  test.each([
    ["DROP TABLE x", "SELECT"],
    ["SELECT 1; SELECT 2", "more than one"],
    ["SELECT FROM WHERE", "extracts.sales_daily: sql: "],
    ["SELECT 1 AS a", "reads no table"],
    ["SELECT * FROM read_csv('/etc/passwd')", "read_csv"],
    ["SELECT now() AS a FROM x", "another answer"],
    ["SELECT current_date AS a FROM x", "another answer"],
    ["SELECT age(event_time) AS a FROM x", "another answer"],
    ["SELECT a FROM x WHERE b IN (SELECT uuid() FROM y)", "another answer"],
    ["SELECT a FROM x ORDER BY random()", "another answer"],
  ])("refuses %s", async (sql, reason) => {
    await expect(judgeFeeds([salesFeed({ sql })])).rejects.toThrow(reason);
  });

  test("a check reads the rows of its window and nothing else", async () => {
    const feed = salesFeed({ checks: [check("SELECT count(*) FROM other")] });
    await expect(judgeFeeds([feed])).rejects.toThrow('check "c"');
  });
});

describe("columns", () => {
  test("what files would round is cast, and what they cannot hold is refused", () => {
    expect(typed("HUGEINT")).toBe("DECIMAL(38,0)");
    expect(typed("UBIGINT")).toBe("DECIMAL(20,0)");
    expect(typed("ENUM('a', 'b')")).toBe("VARCHAR");
    expect(typed('STRUCT("time" BIGINT, b VARCHAR[])')).toBe('STRUCT("time" BIGINT, b VARCHAR[])');
    expect(typed("TIMESTAMP WITH TIME ZONE[]")).toBe("TIMESTAMP WITH TIME ZONE[]");
    for (const type of [
      "UHUGEINT",
      "INTERVAL",
      "TIME",
      "HUGEINT[]",
      "STRUCT(a INTERVAL)",
      "TIMESTAMP_NS",
      "BIT",
    ])
      expect(() => typed(type), type).toThrow("cast it");
  });

  test.each([
    [{ time: "nothing" }, "time"],
    [{ key: ["nothing"] }, "key"],
    [{ totals: ["nothing"] }, "totals"],
    [{ totals: ["event_id"] }, "not exact"],
    [{ time: "amount" }, "must be a timestamp"],
    [{ columns: { nothing: {} } }, "columns"],
    [{ checks: [{ notNull: ["nothing"], severity: "error" as const }] }, "checks"],
  ])("refuses %o", (more, message) => {
    expect(() => plan(more)).toThrow(message);
  });

  test("refuses names that warehouses would confuse", () => {
    expect(() => plan({}, [...columns, { name: "Amount", type: "INTEGER" }])).toThrow("two columns");
    expect(() => plan({}, [...columns, { name: "a b", type: "INTEGER" }])).toThrow("name the column");
    expect(() => plan({ window: "hour" }, [{ ...columns[1]!, type: "DATE" }, columns[0]!])).toThrow("by day");
  });

  test("a comment at the end of the SQL does not swallow what is around it", () => {
    expect(describeSql(salesFeed({ sql: "SELECT * FROM x -- all;" }))).toContain("\n) AS muara_rows");
  });
});

test("windows are named by their start, in UTC, and closed at their end", () => {
  expect([windowName("day", FIRST_MS), windowName("hour", FIRST_MS + HOUR_MS)]).toEqual([
    "2026-11-20",
    "2026-11-20T01",
  ]);
  expect(windowStart("hour", "2026-11-20T01")).toBe(FIRST_MS + HOUR_MS);
  expect([windowStart("day", "2026-11-20T01"), windowStart("hour", "2026-11-20")]).toEqual([NaN, NaN]);
  expect(closedUntil("day", FIRST_MS - 1)).toBe(FIRST_MS - DAY_MS);
  expect(closedUntil("day", FIRST_MS)).toBe(FIRST_MS);
  expect(closedUntil("day", -1)).toBe(-DAY_MS);
});
