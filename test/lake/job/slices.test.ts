/** Partial aggregates by slice: which windows are kept so, and that what is made of them is what the rows give. */
import { beforeAll, describe, expect, it } from "vitest";
import type { DuckDBConnection } from "@duckdb/node-api";
import { MEAN_MACROS, meanOf } from "../../../lake/job/kind/mean.ts";
import { planJob } from "../../../lake/job/plan-job.ts";
import type { JobPlan } from "../../../lake/job/plan.ts";
import { openEngine, rowsOf } from "./job-engine.ts";
import { jobText } from "./job-texts.ts";
import { TABLES } from "./job-world.ts";

let connection: DuckDBConnection;
beforeAll(async () => {
  connection = await openEngine();
});

async function plan(select: string): Promise<JobPlan> {
  const planned = await planJob(jobText(select), TABLES, connection);
  if (planned.kind === "refused") throw new Error(planned.refusal.reason);
  return planned.plan;
}

const HOP = "HOP(shop_order, event_time, INTERVAL '1 minute', INTERVAL '48 hours')";
const MINUTES = "TUMBLE(shop_order, event_time, INTERVAL '1 minute')";

describe("what is kept", () => {
  const sliced = [
    `SELECT window_end, k, count(*) AS c FROM ${HOP} GROUP BY ALL`,
    `SELECT window_end FROM ${HOP} GROUP BY 1`,
    `SELECT window_end, avg(p) AS m FROM ${MINUTES} AS w WHERE w.n > 0 GROUP BY window_end HAVING m > 1`,
    `SELECT max(c) AS m, window_end FROM (SELECT window_end, count(DISTINCT k) AS c FROM ${HOP} GROUP BY ALL)
      GROUP BY window_end`,
  ];
  it.each(sliced)("slices: %s", async (select) => {
    expect((await plan(select)).keeps).toEqual([{ source: "shop_order", form: "slices", why: null }]);
  });

  const kept: readonly (readonly [string, RegExp])[] = [
    [`SELECT window_end, n FROM ${MINUTES}`, /no GROUP BY/],
    [`SELECT window_end, median(n) AS m FROM ${MINUTES} GROUP BY 1`, /median\(\) needs every value/],
    [`SELECT window_end, array_agg(n ORDER BY n) AS m FROM ${MINUTES} GROUP BY 1`, /needs every value/],
    [
      `SELECT window_end, k, count(*) AS c FROM ${MINUTES} GROUP BY GROUPING SETS ((1, 2), (1))`,
      /several sets/,
    ],
    [
      `SELECT window_end, max(epoch_us(window_end - event_time)) AS m FROM ${MINUTES} GROUP BY 1`,
      /the window itself/,
    ],
    [
      `SELECT window_end, count(*) AS c FROM ${MINUTES} WHERE window_end > event_time GROUP BY 1`,
      /window itself/,
    ],
    [
      `SELECT window_end, k = 'a' AND event_time < window_end AS b FROM ${MINUTES} GROUP BY ALL`,
      /of the row/,
    ],
    [
      `SELECT window_end, count(*) FILTER (n > 9007199254740993) AS c FROM ${MINUTES} GROUP BY 1`,
      /every value/,
    ],
  ];
  it.each(kept)("rows: %s", async (select, why) => {
    const [keeps] = (await plan(select)).keeps;
    expect(keeps).toMatchObject({ form: "rows" });
    expect(keeps!.why).toMatch(why);
  });

  it("is kept once for two that want the same", async () => {
    const counts = `SELECT window_end, k, count(*) AS c FROM ${HOP} GROUP BY ALL`;
    const { absorb } = await plan(
      `SELECT a.k FROM (${counts}) AS a JOIN (${counts}) AS b USING (window_end, k)`,
    );
    expect(absorb).toHaveLength(1);
  });
});

it("makes the mean of sum and count that avg makes of the rows, to the last bit", async () => {
  const own = await openEngine();
  for (const macro of MEAN_MACROS) await own.run(macro);
  // So many rows that some hundred quotients lie near the middle of two doubles.
  for (const [type, scale, most] of [
    ["BIGINT", "1", 1e9],
    ["INTEGER", "1", 2e9],
    ["DECIMAL(18,2)", "100", 1e9],
    ["DECIMAL(9,3)", "1000", 1e5],
    ["DECIMAL(30,6)", "1000000", 1e14],
  ] as const) {
    await own.run(`CREATE OR REPLACE TABLE t AS SELECT (hash(i) % 40000)::BIGINT AS g,
      CAST((hash(i, 5) % 1000003) / 1000003.0 * ${most} - ${most / 3} AS ${type}) AS x FROM range(400000) AS r(i)`);
    await own.run("INSERT INTO t VALUES (-1, NULL), (-2, 0), (-3, -1), (-3, 1)");
    const both = `SELECT avg(x) AS a, ${meanOf("sum(x)", "count(x)", scale)} AS b FROM t GROUP BY g`;
    expect(await rowsOf(own, `SELECT count(*) FROM (${both}) WHERE a IS DISTINCT FROM b`)).toEqual(['["0"]']);
    expect(await rowsOf(own, `SELECT count(*) > 30000 FROM (${both}) WHERE a IS NOT NULL`)).toEqual([
      "[true]",
    ]);
  }
});

it("says the same when many pieces have been put together, and has one row of each", async () => {
  const own = await openEngine();
  const planned = await planJob(
    jobText(`SELECT window_end, k, count(*) AS c, avg(n) AS m FROM ${HOP} GROUP BY ALL`),
    TABLES,
    own,
  );
  if (planned.kind === "refused") throw new Error(planned.refusal.reason);
  const { state, absorb, compact, content } = planned.plan;
  for (const { name, like } of state) await own.run(`CREATE OR REPLACE TEMP TABLE ${name} AS ${like}`);
  for (let piece = 0; piece < 40; piece += 1) {
    await own.run("DELETE FROM new_0");
    await own.run(`INSERT INTO new_0 (event_time, k, n) SELECT make_timestamptz((1767225600 + i * 17) * 1000000),
      (i % 3)::VARCHAR, i FROM range(${piece * 10}, ${piece * 10 + 30}) AS r(i)`);
    for (const statement of absorb) await own.run(statement);
    const before = await rowsOf(own, content[0]!);
    if (piece % 7 === 0)
      for (const { statements } of compact) for (const one of statements) await own.run(one);
    expect(await rowsOf(own, content[0]!)).toEqual(before);
  }
  for (const { statements } of compact) for (const one of statements) await own.run(one);
  expect((await rowsOf(own, "FROM kept_0")).length).toBeLessThan(
    1.3 * (await rowsOf(own, content[0]!)).length,
  );
  expect(await rowsOf(own, "FROM fresh_0")).toEqual([]);
});
