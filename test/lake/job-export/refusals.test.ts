/** What does not give the same rows elsewhere is refused, with its place. */
import { expect, test } from "vitest";
import type { ExportTarget } from "../../../core/job-export.ts";
import { exportJob } from "../../../lake/job-export/export-job.ts";
import { NEXMARK_TABLES } from "../../nexmark/tables.ts";
import { openEngine } from "../job/job-engine.ts";

const connection = await openEngine();

async function told(select: string, to: ExportTarget): Promise<string> {
  const text = `CREATE JOB one AS\n${select}\nEMIT ON WINDOW CLOSE INTO lake one`;
  const options = { to, disorderMs: 5_000, source: "kafka://broker:9092", sink: "s3://lake/out" } as const;
  const exported = await exportJob(text, NEXMARK_TABLES, connection, options);
  if (exported.kind === "exported") return exported.text;
  const { line, column, reason } = exported.refusal;
  return `${line}:${column} ${reason}`;
}

const rows = (list: string): string => `SELECT ${list} FROM nexmark_bid`;
const windows = (rest: string): string =>
  `${rest} FROM TUMBLE(nexmark_bid, event_time, INTERVAL '10 seconds')`;
const BY = "GROUP BY window_start, window_end";

const REFUSED: readonly (readonly [ExportTarget, string, string])[] = [
  ["flink", "SELECT * FROM nexmark_bid", "2:8 Not exported to Flink: * is not exported."],
  ["flink", rows("price / 2 AS x"), "2:14 Not exported to Flink: division differs"],
  ["flink", rows("price // 2 AS x"), "2:14 Not exported to Flink: division differs"],
  ["flink", rows("price % auction AS x"), "2:14 Not exported to Flink: a remainder by something else"],
  ["flink", rows("price % 0 AS x"), "2:14 Not exported to Flink: a remainder by something else"],
  [
    "flink",
    rows("CAST(0.5 * price AS BIGINT) AS x"),
    "2:8 Not exported to Flink: a cast to whole numbers rounds",
  ],
  ["flink", rows("CAST(price AS VARCHAR) AS x"), "2:8 Not exported to Flink: a cast to VARCHAR may write"],
  ["flink", rows("regexp_replace(url, 'a', 'b') AS x"), "2:8 Not exported to Flink: regexp_replace() is not"],
  ["flink", rows("url LIKE 'a\\%' AS x"), "2:12 Not exported to Flink: LIKE is exported with a constant"],
  ["flink", rows("channel LIKE url AS x"), "2:16 Not exported to Flink: LIKE is exported with a constant"],
  ["flink", rows("event_time, watermark AS w"), "2:20 Not exported to Flink: a watermark is no column"],
  ["flink", rows("watermark"), "2:8 Not exported to Flink: a watermark is no column"],
  ["flink", rows("unnest([price]) AS x"), "2:8 Not exported to Flink: unnest() is not exported."],
  ["flink", rows("NULL AS x"), "2:8 Not exported to Flink: NULL has no type here."],
  ["flink", "SELECT x FROM nexmark_bid, unnest([price]) AS u(x)", "2:15 Not exported to Flink: a INNER JOIN"],
  ["flink", windows("SELECT window_end, count(*) AS n") + " GROUP BY window_end", "both their bounds"],
  [
    "flink",
    windows("SELECT window_end, window_start, median(price) AS n") + ` ${BY}`,
    "2:34 Not exported to Flink: median()",
  ],
  [
    "flink",
    windows("SELECT DISTINCT window_end, auction"),
    "Not exported to Flink: DISTINCT is not exported.",
  ],
  [
    "flink",
    `${windows("SELECT window_end, auction")} QUALIFY rank() OVER (PARTITION BY window_end ORDER BY price) <= 3`,
    "QUALIFY is exported as row_number() OVER (…) <= N.",
  ],
  [
    "flink",
    "SELECT window_end, count(*) AS n, window_start FROM TUMBLE(nexmark_auction, expires, INTERVAL '1 minute') " +
      BY,
    "a window by expires, which has no watermark there",
  ],
  [
    "flink",
    `WITH a AS (SELECT expires AS event_time, watermark FROM nexmark_auction)
     SELECT window_end, count(*) AS n, window_start FROM TUMBLE(a, event_time, INTERVAL '1 minute') ${BY}`,
    "a window by event_time, which has no watermark there",
  ],
  [
    "flink",
    `WITH a AS (${windows("SELECT window_start, window_end, price")}), b AS (${windows("SELECT window_end, price")})
     SELECT a.window_start FROM a JOIN b ON a.window_end = b.window_end`,
    "Flink joins windows by both their bounds.",
  ],
  ["spark", windows("SELECT window_end, price"), "a window without GROUP BY is not exported."],
  [
    "spark",
    windows("SELECT window_end, count(DISTINCT price) AS n") + " GROUP BY 1",
    "no aggregates of DISTINCT",
  ],
  [
    "spark",
    `SELECT window_end, count(*) AS n FROM SESSION(nexmark_bid, event_time, INTERVAL '10 seconds', bidder)
     GROUP BY window_end`,
    "its sessions are by what is grouped by.",
  ],
  ["spark", "SELECT price FROM nobody", '2:19 There is no table "nobody".'],
];

test.each(REFUSED)("%s: %s", async (to, select, reason) => {
  expect(await told(select, to)).toContain(reason);
});

test("a source of Kafka, quotes in texts, and backticks in names", async () => {
  const select = rows(`'it''s; \`\\"""' AS "a\`b", INTERVAL '100 days' + event_time AS c, 1.05 AS d`);
  const flink = await told(select, "flink");
  expect(flink).toContain("'it''s; `\\\"\"\"' AS `a``b`");
  expect(flink).toContain("INTERVAL '100' DAY(3)");
  expect(flink).toContain("1.05 AS `d`");
  expect(flink).toContain("'properties.bootstrap.servers' = 'broker:9092'");
  const spark = await told(select, "spark");
  // Spark's own escapes, and each of them once more in Python's text.
  const slash = "\\";
  expect(spark).toContain(`'it${slash.repeat(2)}'s; \`${slash.repeat(4)}${`${slash}"`.repeat(3)}' AS`);
  expect(spark).toContain(`.option("subscribe", "nexmark.bid")`);
});
