/** The stages of a job as they stand in its text, and what each reads. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { jobStages } from "../../../lake/job/job-stages.ts";

const job = (select: string): string => `CREATE JOB a AS\n${select}\nEMIT ON WINDOW CLOSE INTO lake b;`;
const told = (select: string): unknown[] =>
  jobStages(job(select)).map(({ name, kind, reads }) => [name, kind, [...reads]]);

test.each<readonly [string, unknown[]]>([
  [`SELECT * FROM "shop.order"`, [[null, "rows", ["shop.order"]]]],
  [`SELECT a FROM t WHERE a IN (1, 2)`, [[null, "filter", ["t"]]]],
  [
    `WITH o AS (SELECT event_time, watermark, country FROM "shop.order" WHERE total > 0)
     SELECT window_end, country, count(*) AS n FROM TUMBLE(o, event_time, INTERVAL '1 hour') GROUP BY ALL`,
    [
      ["o", "filter", ["shop.order"]],
      [null, "window", ["o"]],
    ],
  ],
  [
    `WITH a AS (SELECT * FROM x), "b c" AS (SELECT a.k FROM a LEFT JOIN y ON a.k = y.k AND y.t BETWEEN a.t AND a.t)
     SELECT k, count(*) AS n FROM "b c" GROUP BY k`,
    [
      ["a", "rows", ["x"]],
      ["b c", "join", ["a", "y"]],
      [null, "aggregate", ["b c"]],
    ],
  ],
  [
    `SELECT event_id FROM ALL_OF(orders, parcels, event_time, order_id, part, need, INTERVAL '7 days')
     WHERE NOT complete`,
    [[null, "pattern", ["orders", "parcels"]]],
  ],
  [
    `SELECT extract(hour FROM event_time) AS h, unnest(items) AS i FROM t, unnest([1]) UNION ALL SELECT 1, 2 FROM u`,
    [[null, "union", ["event_time", "t", "u"]]],
  ],
])("%s", (select, expected) => {
  expect(told(select)).toEqual(expected);
});

test("every job of the examples has stages, and the last one is its SELECT", () => {
  const folder = new URL("../../../bench/nexmark/", import.meta.url);
  const files = readdirSync(folder).filter((name) => name.endsWith(".sql"));
  expect(files.length).toBeGreaterThan(5);
  for (const file of files) {
    const stages = jobStages(readFileSync(new URL(file, folder), "utf8"));
    expect([file, stages.at(-1)?.name]).toEqual([file, null]);
    for (const stage of stages) expect([file, stage.reads.length > 0]).toEqual([file, true]);
  }
});
