/** Limits of drop rules at their edges: series of a rule, and counts of one look. */
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { beforeAll, expect, test } from "vitest";
import { systemClock } from "../../../core/clock.ts";
import { ruleRequestSchema } from "../../../core/rule.ts";
import { COUNTS_MAX, readCounts } from "../../../lake/rule/drop-counts.ts";
import type { DropResultRule } from "../../../lake/rule/drop-results.ts";
import { DropWatch } from "../../../lake/rule/drop-watch.ts";
import type { QueryService } from "../../../lake/query/service.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const WEEK_MS = 168 * HOUR_MS;
const BEGIN_MS = Date.UTC(2026, 5, 1);
const never = new AbortController().signal;
const principal = { id: "test", grants: [] };

let connection: DuckDBConnection;
beforeAll(async () => {
  connection = await (await DuckDBInstance.create(":memory:", { threads: "2" })).connect();
});

/** The engine, with what the service does about limits. */
const query: Pick<QueryService, "rows"> = {
  rows: async ({ sql, limit }) => {
    const reader = await connection.runAndReadUntil(sql, limit! + 1);
    const rows = reader.getRowsJson();
    const isTruncated = rows.length > limit!;
    return { columns: [], rows: rows.slice(0, limit), versions: {}, completeThroughMs: null, isTruncated };
  },
};

function ruleOf(drop: object): DropResultRule {
  return ruleRequestSchema.parse({ name: "Sales", drop: { table: "sale", ...drop } }) as DropResultRule;
}

test(`${COUNTS_MAX} counts are an answer, one more is refused`, { timeout: 60_000 }, async () => {
  const perSeries = 10_000;
  const read = async (rows: number): Promise<number> => {
    await connection.run(`CREATE OR REPLACE TABLE sale AS
      SELECT make_timestamptz(${BEGIN_MS}000 + (i % ${perSeries}) * 60000000) AS event_time, i // ${perSeries} AS shop
      FROM range(${rows}) t(i)`);
    const rule = ruleOf({ labels: ["shop"], window_ms: MINUTE_MS }).drop;
    const toMs = BEGIN_MS + perSeries * MINUTE_MS;
    const request = {
      rule,
      isEventTable: false,
      version: 1,
      fromMs: BEGIN_MS,
      toMs,
      principal,
      timeoutMs: 1,
    };
    const found = await readCounts(query, request, never);
    return [...found.values()].reduce((sum, { counts }) => sum + counts.size, 0);
  };
  expect(await read(COUNTS_MAX)).toBe(COUNTS_MAX);
  await expect(read(COUNTS_MAX + 1)).rejects.toMatchObject({ code: "alert.too_many" });
});

/** Rows of each hour from one week to another, 20 an hour. */
async function fill(
  shops: Readonly<Record<string, readonly [fromWeek: number, toWeek: number]>>,
): Promise<void> {
  const parts = Object.entries(shops).map(
    ([shop, [from, to]]) =>
      `SELECT make_timestamptz(${BEGIN_MS + from * WEEK_MS}000 + i * 180000000) AS event_time, '${shop}' AS shop
       FROM range(${(to - from) * 168 * 20}) t(i)`,
  );
  await connection.run(`CREATE OR REPLACE TABLE sale AS ${parts.join(" UNION ALL ")}`);
}

const look = (
  watch: DropWatch,
  weeks: number,
  afterMs: number | null = null,
): ReturnType<DropWatch["look"]> =>
  watch.look(
    { version: 1, isEventTable: false, watermarkMs: BEGIN_MS + weeks * WEEK_MS, principal },
    afterMs,
    never,
  );

function watchOf(seriesMax: number): DropWatch {
  const rule = ruleOf({ labels: ["shop"], window_ms: HOUR_MS, weeks: 3 });
  return new DropWatch({ query, clock: systemClock }, { seriesMax, timeoutMs: 1 }, rule);
}

test("as many series as allowed are judged; one more, and it is as if it had not been asked", async () => {
  const watch = watchOf(2);
  await fill({ a: [0, 5], b: [0, 5] });
  await look(watch, 4);
  expect(watch.series).toEqual({ total: 2, warming: 0 });
  await fill({ a: [0, 5], b: [0, 5], c: [4, 5] });
  const atMs = BEGIN_MS + 4 * WEEK_MS;
  for (let tries = 0; tries < 2; tries++)
    await expect(look(watch, 5, atMs)).rejects.toMatchObject({ code: "alert.too_many" });
  expect(watch.series).toEqual({ total: 2, warming: 0 });
  await fill({ a: [0, 4], b: [0, 5] });
  // All windows of the week in which one was gone, none left out.
  const windows = [...(await look(watch, 5, atMs)).windows()];
  expect(windows).toHaveLength(168);
  const dropping = windows.filter(({ results }) => results.length > 0);
  expect(dropping.length).toBeGreaterThan(100);
  expect(dropping.every(({ results }) => results.length === 1 && results[0]!.labels["shop"] === "a")).toBe(
    true,
  );
  await expect(look(watchOf(1), 5)).rejects.toMatchObject({ code: "alert.too_many" });
});

test("a series that has had nothing for the weeks that count makes room, as it does by a start", async () => {
  const watch = watchOf(2);
  await fill({ a: [0, 14], b: [0, 4] });
  const totals: number[] = [];
  for (let weeks = 4; weeks <= 10; weeks++) {
    await look(watch, weeks);
    totals.push(watch.series.total);
  }
  expect(totals[0]).toBe(2);
  expect(totals.at(-1)).toBe(1);
  await fill({ a: [0, 14], b: [0, 4], c: [10, 14] });
  await look(watch, 14);
  const anew = watchOf(2);
  await look(anew, 14);
  expect(watch.series).toEqual(anew.series);
  expect(watch.series).toEqual({ total: 2, warming: 0 });
});
