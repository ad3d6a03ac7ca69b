/** What cannot be proved is refused, at its place, with what is supported in its stead. */
import { beforeAll, describe, expect, it } from "vitest";
import type { DuckDBConnection } from "@duckdb/node-api";
import { planJob, type Planned } from "../../../lake/job/plan-job.ts";
import type { JobRefusal } from "../../../lake/job/plan.ts";
import { openEngine } from "./job-engine.ts";
import { jobText } from "./job-texts.ts";
import { TABLES } from "./job-world.ts";

let connection: DuckDBConnection;
beforeAll(async () => {
  connection = await openEngine();
});

const plan = (source: string): Promise<Planned> => planJob(source, TABLES, connection);
async function refusal(select: string): Promise<JobRefusal> {
  const planned = await plan(jobText(select));
  if (planned.kind === "planned") throw new Error(`planned: ${planned.plan.release}`);
  return planned.refusal;
}

const TUMBLED = "TUMBLE(shop_order, event_time, INTERVAL '1 minute')";
const SESSIONS = "SESSION(shop_order, event_time, INTERVAL '1 minute', k)";
const HOUR = "TUMBLE(shop_shipment, event_time, INTERVAL '1 hour')";

/** SELECT, and a piece of the reason. Each mixes windows, or may, or is not the same each time. */
const REFUSED: readonly (readonly [select: string, reason: RegExp])[] = [
  ["SELECT count(*) AS c FROM shop_order", /needs a window/],
  ["SELECT event_id FROM DEDUP(shop_order, event_time, INTERVAL '1 hour')", /needs a key/],
  ["SELECT event_id FROM DEDUP(shop_order, event_time, INTERVAL '32 days', k)", /goes from 1 second/],
  ["SELECT event_id FROM DEDUP(shop_order, event_time, INTERVAL '1 hour', other)", /"other" not found/],
  [
    `WITH a AS (SELECT event_time, watermark, k FROM shop_order)
    SELECT k FROM DEDUP(a, event_time, INTERVAL '1 hour', k)`,
    /comes first is not said/,
  ],
  [
    "SELECT k, count(*) AS c FROM DEDUP(shop_order, event_time, INTERVAL '1 hour', k) GROUP BY k",
    /different/,
  ],
  [
    `WITH a AS (SELECT event_id, event_time, watermark, unnest(tags) AS tag FROM shop_order)
    SELECT tag FROM DEDUP(a, event_time, INTERVAL '1 hour', tag)`,
    /comes first is not said/,
  ],
  ["SELECT DISTINCT k FROM DEDUP(shop_order, event_time, INTERVAL '1 hour', k)", /all windows/],
  [`SELECT count(*) AS c FROM ${TUMBLED}`, /different windows/],
  [`SELECT k, count(*) AS c FROM ${TUMBLED} GROUP BY k`, /different windows/],
  [`SELECT k, count(*) AS c FROM ${TUMBLED} GROUP BY ALL`, /different windows/],
  [`SELECT k FROM ${TUMBLED} HAVING count(*) > 1`, /different windows/],
  [`SELECT count(*) AS c FROM ${TUMBLED} GROUP BY date_trunc('day', window_end)`, /different windows/],
  [
    `SELECT window_end, k, count(*) AS c FROM ${TUMBLED} GROUP BY ROLLUP (window_end, k)`,
    /different windows/,
  ],
  [
    `SELECT window_end, k, count(*) AS c FROM ${TUMBLED} GROUP BY GROUPING SETS ((window_end), (k))`,
    /different/,
  ],
  [`SELECT window_end, count(*) AS c FROM ${TUMBLED} GROUP BY GROUPING SETS ((window_end), ())`, /different/],
  [`SELECT count(*) AS c FROM ${TUMBLED} GROUP BY ()`, /different/],
  [`SELECT window_start, count(*) AS c FROM ${SESSIONS} GROUP BY window_start`, /different windows/],
  [
    `SELECT n AS window_end, count(*) AS c FROM (SELECT n AS window_end FROM ${TUMBLED}) GROUP BY 1`,
    /different/,
  ],
  [
    `WITH w AS (SELECT *, n AS window_end FROM ${TUMBLED}) SELECT window_end, count(*) AS c FROM w GROUP BY 1`,
    /different/,
  ],
  [
    `WITH w AS (SELECT * REPLACE (event_time AS window_end) FROM ${TUMBLED})
    SELECT window_end, count(*) AS c FROM w GROUP BY 1`,
    /different/,
  ],
  [
    `WITH w AS (SELECT * EXCLUDE (window_end) FROM ${SESSIONS}) SELECT window_start, count(*) AS c FROM w GROUP BY 1`,
    /different/,
  ],
  [`SELECT rank() OVER (ORDER BY n) AS r FROM ${TUMBLED}`, /different windows/],
  [`SELECT sum(n) OVER (PARTITION BY k) AS s FROM ${TUMBLED}`, /different windows/],
  ["SELECT sum(n) OVER (PARTITION BY k) AS s FROM shop_order", /never final/],
  [`SELECT row_number() OVER (PARTITION BY window_end ORDER BY n) AS r FROM ${TUMBLED}`, /comes first/],
  [`SELECT lag(n) OVER (PARTITION BY window_end ORDER BY event_time) AS r FROM ${TUMBLED}`, /comes first/],
  [
    `SELECT sum(n) OVER (PARTITION BY window_end ORDER BY n ROWS 1 PRECEDING) AS r FROM ${TUMBLED}`,
    /comes first/,
  ],
  [`SELECT DISTINCT k FROM ${TUMBLED}`, /DISTINCT/],
  ["SELECT DISTINCT k FROM shop_order", /DISTINCT/],
  [`SELECT DISTINCT ON (window_end) window_end, n FROM ${TUMBLED}`, /DISTINCT ON/],
  [`SELECT k FROM ${TUMBLED} ORDER BY k`, /ORDER BY/],
  ["SELECT k FROM shop_order LIMIT 3", /LIMIT/],
  ["SELECT k FROM (SELECT k FROM shop_order LIMIT 3)", /LIMIT/],
  [`SELECT a.k FROM ${TUMBLED} a JOIN ${HOUR} b ON a.k = b.k`, /different windows/],
  [`SELECT a.k FROM ${TUMBLED} a JOIN ${HOUR} b ON a.window_start = b.window_start`, /different windows/],
  [
    `SELECT a.k FROM ${TUMBLED} a JOIN ${HOUR} b ON a.window_end = b.window_end OR a.k = b.k`,
    /different windows/,
  ],
  [`SELECT a.k FROM ${TUMBLED} a JOIN ${HOUR} b ON a.window_end = a.window_end`, /different windows/],
  [`SELECT a.k FROM ${TUMBLED} a JOIN ${HOUR} b ON a.window_end <= b.window_end`, /different windows/],
  [`SELECT a.k FROM ${TUMBLED} a, ${HOUR} b WHERE a.window_end = b.window_end`, /not supported/],
  [`SELECT a.k FROM ${TUMBLED} a NATURAL JOIN ${HOUR} b`, /Only INNER/],
  [`SELECT a.k FROM ${TUMBLED} a JOIN shop_shipment b USING (k)`, /rows without/],
  ["SELECT a.k FROM shop_order a JOIN shop_shipment b USING (k)", /JOIN … ON/],
  [
    `SELECT b.window_end, count(*) AS c FROM ${TUMBLED} a LEFT JOIN ${HOUR} b
      ON a.window_end = b.window_end GROUP BY 1`,
    /different windows/,
  ],
  [
    `WITH j AS (SELECT * FROM ${TUMBLED} a RIGHT JOIN ${HOUR} b ON a.window_end = b.window_end)
    SELECT window_end, count(*) AS c FROM j GROUP BY 1`,
    /different windows/,
  ],
  [`SELECT k FROM ${TUMBLED} UNION ALL SELECT k FROM shop_order`, /one result/],
  [`SELECT k FROM ${TUMBLED} UNION SELECT k FROM ${HOUR}`, /UNION/],
  ["SELECT k FROM shop_order EXCEPT SELECT k FROM shop_shipment", /EXCEPT/],
  [`SELECT window_end, n FROM ${TUMBLED} UNION SELECT event_time, n FROM ${HOUR}`, /UNION/],
  [`SELECT k FROM ${TUMBLED} WHERE n > (SELECT avg(n) FROM shop_order)`, /subquery/],
  ["SELECT k FROM shop_order WHERE k IN (SELECT k FROM shop_shipment)", /subquery/],
  [
    `WITH w AS (SELECT event_time, watermark FROM ${TUMBLED}) SELECT * FROM TUMBLE(w, event_time, INTERVAL '1 hour')`,
    /window over windows/,
  ],
  [
    "WITH w AS (SELECT event_time FROM shop_order) SELECT * FROM TUMBLE(w, event_time, INTERVAL '1 hour')",
    /watermark/,
  ],
  ["SELECT * FROM TUMBLE(shop_order, n, INTERVAL '1 hour')", /time_bucket.*BIGINT/],
  ["SELECT * FROM TUMBLE(shop_order, event_time + INTERVAL '1 day', INTERVAL '1 hour')", /bare name/],
  ["SELECT * FROM TUMBLE(shop_order, event_time, INTERVAL '1 month')", /INTERVAL/],
  ["SELECT * FROM TUMBLE(shop_order, event_time, INTERVAL (1.5) HOURS)", /INTERVAL/],
  ["SELECT * FROM TUMBLE(shop_order, event_time, INTERVAL '999 milliseconds')", /1 second/],
  ["SELECT * FROM TUMBLE(shop_order, event_time)", /arguments/],
  ["SELECT * FROM HOP(shop_order, event_time, INTERVAL '1 minute', INTERVAL '2881 minutes')", /48 hours/],
  ["SELECT * FROM HOP(shop_order, event_time, INTERVAL '1 second', INTERVAL '2881 seconds')", /2880 windows/],
  ["SELECT * FROM HOP(shop_order, event_time, INTERVAL '2 minutes', INTERVAL '1 minute')", /HOP goes/],
  [`SELECT window_end, sum(d) AS s FROM ${TUMBLED} GROUP BY 1`, /order of rows/],
  [`SELECT window_end, avg(d) AS s FROM ${TUMBLED} GROUP BY 1`, /order of rows/],
  [`SELECT window_end, sum(n / 2) AS s FROM ${TUMBLED} GROUP BY 1`, /order of rows/],
  [`SELECT sum(d) OVER (PARTITION BY window_end) AS s FROM ${TUMBLED}`, /order of rows/],
  [`SELECT window_end, first(n) AS s FROM ${TUMBLED} GROUP BY 1`, /order of rows/],
  [`SELECT window_end, array_agg(n) AS s FROM ${TUMBLED} GROUP BY 1`, /order of rows/],
  [`SELECT window_end, array_agg(n ORDER BY k) AS s FROM ${TUMBLED} GROUP BY 1`, /order of rows/],
  [`SELECT window_end, approx_quantile(n, 0.5) AS s FROM ${TUMBLED} GROUP BY 1`, /order of rows/],
  ["SELECT now() AS t FROM shop_order", /each time/],
  ["SELECT age(event_time) AS t FROM shop_order", /each time/],
  ["SELECT k FROM shop_order WHERE random() < 0.5", /each time/],
  ["SELECT k FROM shop_order TABLESAMPLE 10%", /by chance/],
  ["WITH RECURSIVE r AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM r WHERE a < 3) SELECT a FROM r", /./],
  [`WITH kept_0 AS (SELECT * FROM ${TUMBLED}) SELECT * FROM kept_0`, /engine's own/],
  ["WITH New_1 AS (SELECT k FROM shop_order) SELECT k FROM New_1", /engine's own/],
  ["SELECT 1 AS a", /no table/],
  ["SELECT * FROM (VALUES (1)) v", /VALUES/],
  ["SELECT read_text('x') AS a FROM shop_order", /Not allowed/],
  ["SELECT * FROM read_csv('x')", /Not allowed/],
  ["SELECT * FROM nobody", /no table "nobody"/],
  ["SELECT nothing FROM shop_order", /nothing/],
  ["SELECT k, k FROM shop_order", /Two columns/],
  ["SELECT n + 1 FROM shop_order", /cannot be named/],
  ["SELECT INTERVAL '1 day' AS i FROM shop_order", /type INTERVAL/],
];

describe("is refused:", () => {
  it.each(REFUSED)("%s", async (select, reason) => {
    expect((await refusal(select)).reason).toMatch(reason);
  });
});

it("points at the place in the file, behind characters of several bytes", async () => {
  expect(await refusal("SELECT k, '😀é' AS x,\n  now() AS t FROM shop_order")).toEqual({
    line: 3,
    column: 3,
    reason: "now() gives something else each time.",
    instead: "event_time",
  });
  expect(
    await refusal(`SELECT window_end, '😀' AS x,\n  sum(d) AS s FROM ${TUMBLED} GROUP BY 1`),
  ).toMatchObject({
    line: 3,
    column: 3,
    instead: "sum(CAST(d AS DECIMAL(18, 4)))",
  });
  expect(await refusal("SELECT\n  nothing\nFROM shop_order")).toMatchObject({ line: 3, column: 3 });
  expect(await refusal("SELECT k FROM\n  shop_ordre")).toMatchObject({
    line: 3,
    column: 3,
    instead: "shop_order",
  });
  expect(await refusal("SELECT '😀' AS a\nFROM FROM")).toMatchObject({ line: 3, column: 6 });
});

it("takes each lateness up to its limit", async () => {
  const select = "SELECT k FROM shop_order";
  expect(await plan(jobText(select, "31 days"))).toMatchObject({ plan: { latenessMs: 2_678_400_000 } });
  expect(await plan(jobText(select, "0 seconds"))).toMatchObject({ plan: { latenessMs: 0 } });
  for (const lateness of ["2678400001 milliseconds", "-1 second", "1 month", "soon"])
    expect(await plan(jobText(select, lateness))).toMatchObject({ refusal: { line: 1, column: 25 } });
});

it("reads no more of an input than it needs", async () => {
  const planned = await plan(jobText(`SELECT window_end, sum(n) AS s FROM ${TUMBLED} GROUP BY 1`));
  expect(planned).toMatchObject({
    plan: {
      kind: "windows",
      inputs: [{ table: "shop.order", columns: ["event_time", "watermark", "n"] }],
      columns: [
        { name: "window_end", type: "TIMESTAMP WITH TIME ZONE" },
        { name: "s", type: "DECIMAL(38,0)" },
      ],
    },
  });
});

const checked = (check: string): string =>
  `CREATE JOB j AS SELECT event_id FROM shop_order CHECK ${check} EMIT ON WINDOW CLOSE INTO lake "j"`;

describe("CHECK", () => {
  it("gives a SELECT of the rows that break it", async () => {
    const own = await openEngine();
    const planned = await planJob(checked("positive (n > 0), named (k IS NOT NULL)"), TABLES, own);
    if (planned.kind === "refused") throw new Error(planned.refusal.reason);
    const columns = planned.plan.inputs[0]!.columns;
    expect(columns).toEqual(["event_id", "event_time", "log_partition", "log_offset", "watermark", "k", "n"]);
    await own.run(
      "INSERT INTO new_0 (event_id, n, k) VALUES ('a', 1, 'x'), ('b', 0, NULL), ('c', NULL, 'x')",
    );
    const broken = await Promise.all(planned.plan.violations.map((select) => own.runAndReadAll(select)));
    expect(broken.map((rows) => rows.getRowsJson())).toEqual([
      [["positive", "shop.order", "b", null, null, null]],
      [["named", "shop.order", "b", null, null, null]],
    ]);
  });

  it("is refused where it is no condition on one row", async () => {
    expect(await plan(checked("x (n > (SELECT 1))"))).toMatchObject({ kind: "refused" });
    expect(await plan(checked("x (count(*) > 1)"))).toMatchObject({ kind: "refused" });
    expect(await plan(checked("x (nothing > 1)"))).toMatchObject({ kind: "refused" });
    expect(await plan(checked("x ON shop_shipment (n > 1)"))).toMatchObject({ kind: "refused" });
  });
});
