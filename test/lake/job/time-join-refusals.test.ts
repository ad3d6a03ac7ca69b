/** Joins by time that cannot be proved are refused, with the form that can. */
import type { DuckDBConnection } from "@duckdb/node-api";
import { beforeAll, describe, expect, it } from "vitest";
import { planJob, type Planned } from "../../../lake/job/plan-job.ts";
import { openEngine } from "./job-engine.ts";
import { jobText } from "./job-texts.ts";
import { TABLES } from "./job-world.ts";

let connection: DuckDBConnection;
beforeAll(async () => {
  connection = await openEngine();
});

const plan = (select: string): Promise<Planned> => planJob(jobText(select), TABLES, connection);

const ON = "ON o.k = s.k AND s.event_time BETWEEN o.event_time AND o.event_time + INTERVAL '1 hour'";
const JOIN = `FROM shop_order o JOIN shop_shipment s ${ON}`;

/** SELECT, and a piece of the reason. */
const REFUSED: readonly (readonly [select: string, reason: RegExp])[] = [
  ["SELECT o.n FROM shop_order o JOIN shop_shipment s ON o.k = s.k", /how long before and after/],
  [
    "SELECT o.n FROM shop_order o JOIN shop_shipment s ON o.k = s.k AND s.event_time >= o.event_time",
    /how long before/,
  ],
  [`SELECT o.n ${JOIN.replace("o.event_time + INTERVAL '1 hour'", "s.event_time")}`, /how long before/],
  [`SELECT o.n ${JOIN.replace("'1 hour'", "'1 month'")}`, /constant intervals/],
  [`SELECT o.n ${JOIN.replace("'1 hour'", "(o.n) HOURS")}`, /constant intervals/],
  [`SELECT o.n ${JOIN.replace("'1 hour'", "'-1 hour'")}`, /No time is within/],
  [`SELECT o.n ${JOIN.replace("'1 hour'", "'31 days 1 second'")}`, /31 days/],
  [`SELECT o.n ${JOIN.replace("AND o.event_time +", "- INTERVAL '32 days' AND o.event_time +")}`, /31 days/],
  [`SELECT o.n ${JOIN.replace("o.k = s.k", "o.k <> s.k")}`, /no equality/],
  [`SELECT o.n ${JOIN.replace("o.k = s.k", "o.k = 'a'")}`, /no equality/],
  [`SELECT o.n ${JOIN.replace("o.k = s.k AND", "o.k = s.k OR")}`, /no equality/],
  [`SELECT o.n FROM shop_order o, shop_shipment s WHERE ${ON.slice(3)}`, /JOIN … ON/],
  [`SELECT o.n ${JOIN.replace("JOIN", "RIGHT JOIN")}`, /INNER, LEFT, SEMI or ANTI/],
  [`SELECT o.n ${JOIN.replace("JOIN", "FULL JOIN")}`, /INNER, LEFT, SEMI or ANTI/],
  [
    `SELECT o.n FROM (SELECT * FROM shop_order) o JOIN shop_shipment s ${ON}`,
    /a table or a CTE of the job's first WITH/,
  ],
  [
    `SELECT * FROM (WITH z AS (SELECT * FROM shop_order) SELECT o.n FROM z AS o JOIN shop_shipment s ${ON})`,
    /CTE within a SELECT/,
  ],
  [
    `WITH o AS (SELECT k, event_time FROM shop_order) SELECT o.k FROM o JOIN shop_shipment s ${ON}`,
    /no column watermark/,
  ],
  [
    `WITH o AS (SELECT k, n AS event_time, watermark FROM shop_order) SELECT o.k FROM o JOIN shop_shipment s ${ON}`,
    /BIGINT/,
  ],
  [
    `WITH j AS (SELECT o.k, o.event_time, o.watermark ${JOIN})
    SELECT o.k FROM j AS o JOIN shop_shipment s ${ON}`,
    /rows without/,
  ],
  [`SELECT o.k ${JOIN} UNION ALL SELECT o.k ${JOIN}`, /one join by time/],
  [
    `SELECT o.k ${JOIN} UNION ALL SELECT k FROM TUMBLE(shop_order, event_time, INTERVAL '1 hour')`,
    /one join by time/,
  ],
  [
    `WITH j AS (SELECT o.k, o.event_time, o.watermark ${JOIN}) SELECT k FROM TUMBLE(j, event_time, INTERVAL '1 hour')`,
    /window|one join/,
  ],
  [`SELECT o.k ${JOIN} UNION ALL SELECT k FROM shop_order`, /one result/],
  [`SELECT o.k, count(*) AS c ${JOIN} GROUP BY o.k`, /different left rows/],
  [`SELECT s.event_id, count(*) AS c ${JOIN} GROUP BY s.event_id`, /different left rows/],
  [`SELECT s.event_time, count(*) AS c ${JOIN} GROUP BY s.event_time`, /different left rows/],
  [`SELECT count(*) AS c ${JOIN}`, /different left rows/],
  [
    `WITH o AS (SELECT event_id, event_time, watermark, k, unnest(tags) AS tag FROM shop_order)
    SELECT o.event_id, count(*) AS c FROM o JOIN shop_shipment s ${ON} GROUP BY o.event_id`,
    /different left rows/,
  ],
  [
    `WITH o AS (SELECT n AS event_id, event_time, watermark, k FROM shop_order)
    SELECT o.event_id, count(*) AS c FROM o JOIN shop_shipment s ${ON} GROUP BY o.event_id`,
    /different left rows/,
  ],
  [
    `WITH j AS (SELECT s.event_id, o.k ${JOIN}) SELECT event_id, count(*) AS c FROM j GROUP BY 1`,
    /different left rows/,
  ],
  [`SELECT DISTINCT o.k ${JOIN}`, /DISTINCT/],
  [`SELECT rank() OVER (PARTITION BY o.k ORDER BY s.n) AS r ${JOIN}`, /different left rows/],
  [`SELECT o.event_id, first(s.n) AS f ${JOIN} GROUP BY o.event_id`, /order of rows/],
  [`SELECT o.event_id, sum(s.d) AS f ${JOIN} GROUP BY o.event_id`, /order of rows/],
  [`SELECT o.k ${JOIN.replace("o.k = s.k", "o.k = s.k AND random() < 0.5")}`, /each time/],
  [`SELECT o.k ${JOIN} AND o.n IN (SELECT n FROM shop_order)`, /subquery/],
  [`SELECT o.k FROM shop_order o WHERE NOT EXISTS (SELECT 1 FROM shop_shipment s WHERE s.k = o.k)`, /EXISTS/],
  [`SELECT a.k FROM shop_order JOIN shop_order ON shop_order.k = shop_order.k`, /same name/],
];

const ASOF = "FROM shop_order o ASOF JOIN shop_shipment s ON o.k = s.k AND o.event_time >= s.event_time";

const REFUSED_ASOF: readonly (readonly [select: string, reason: RegExp])[] = [
  ["SELECT o.k FROM shop_order o ASOF JOIN shop_shipment s ON o.event_time >= s.event_time", /no equality/],
  ["SELECT o.k FROM shop_order o ASOF JOIN shop_shipment s USING (k, event_time)", /ASOF JOIN … ON/],
  [`SELECT o.k ${ASOF.replace("ASOF", "ASOF RIGHT")}`, /ASOF LEFT JOIN … ON/],
  [`SELECT o.k ${ASOF.replace(">=", "<=")}`, /looks back/],
  [`SELECT o.k ${ASOF.replace(">=", "<")}`, /looks back/],
  [`SELECT o.k ${ASOF.replace("s.event_time", "event_time")}`, /with the names of their tables/],
  [`SELECT o.k ${ASOF.replace("s.event_time", "s.event_time - INTERVAL '1 hour'")}`, /compares columns/],
  [`SELECT o.k ${ASOF} AND s.n > 3`, /compares columns/],
  [`SELECT o.k ${ASOF} AND o.n >= s.n`, /one comparison/],
  [`SELECT o.k ${ASOF.replace("o.k = s.k", "o.k = s.n")}`, /type/],
  [`SELECT o.k ${ASOF.replace("s.event_time", "s.n")}`, /BIGINT/],
  [
    `WITH s AS (SELECT k, event_time, watermark FROM shop_shipment) SELECT o.k ${ASOF.replace("shop_shipment ", "")}`,
    /which of two rows/i,
  ],
  [
    `WITH s AS (SELECT k, event_time, watermark, log_partition, 1 AS log_offset FROM shop_shipment)
    SELECT o.k ${ASOF.replace("shop_shipment ", "")}`,
    /which of two rows/i,
  ],
  [
    `WITH s AS (SELECT *, unnest(tags) AS tag FROM shop_shipment) SELECT o.k ${ASOF.replace("shop_shipment ", "")}`,
    /which of two rows/i,
  ],
  [`SELECT o.k, count(*) AS c ${ASOF} GROUP BY o.k`, /different left rows/],
  [`SELECT o.k ${ASOF} UNION ALL SELECT o.k ${JOIN}`, /one join by time/],
];

describe("is refused:", () => {
  it.each([...REFUSED, ...REFUSED_ASOF])("%s", async (select, reason) => {
    const planned = await plan(select);
    if (planned.kind === "planned") throw new Error(`planned: ${planned.plan.release}`);
    expect(planned.refusal.reason).toMatch(reason);
  });
});

it("names the place and the nearest form", async () => {
  expect(await plan("SELECT o.n FROM shop_order o\n  JOIN shop_shipment s ON o.k = s.k")).toMatchObject({
    refusal: { line: 3, column: 3, instead: expect.stringContaining("BETWEEN o.event_time AND") as string },
  });
  expect(await plan("SELECT 1 AS a FROM shop_order o\nWHERE NOT EXISTS (FROM shop_shipment)")).toMatchObject({
    refusal: { line: 3, instead: expect.stringContaining("ANTI JOIN") as string },
  });
  expect(await plan(`SELECT o.k, count(*) AS c ${JOIN} GROUP BY o.k`)).toMatchObject({
    refusal: { instead: "GROUP BY o.event_id, …" },
  });
});

it("takes bounds up to their limits, in whatever way they are written", async () => {
  const accepted = [
    JOIN.replace("'1 hour'", "'31 days'"),
    JOIN.replace("AND o.event_time +", "- INTERVAL '31 days' AND o.event_time +"),
    "FROM shop_order AS o JOIN shop_shipment AS s ON s.k = o.k AND o.event_time BETWEEN s.event_time AND s.event_time",
    `FROM shop_order JOIN "shop.shipment" ON "shop.shipment".k = shop_order.k AND "shop.shipment".n < shop_order.n
      AND INTERVAL 5 MINUTES + shop_order.event_time > "shop.shipment".event_time
      AND shop_order.event_time - INTERVAL '1 day' <= "shop.shipment".event_time`,
  ];
  for (const from of accepted)
    expect(await plan(`SELECT 1 AS a ${from}`)).toMatchObject({
      kind: "planned",
      plan: { kind: "interval" },
    });
});

it("knows rows of another job's results by row_id alone", async () => {
  const [first] = TABLES;
  const columns = [...first!.columns, { name: "row_id", type: "VARCHAR" }];
  const tables = [...TABLES, { names: ["sums"], columns, isOfJob: true }];
  const planned = (select: string): Promise<Planned> => planJob(jobText(select), tables, connection);
  const joined = JOIN.replace("shop_order", "sums");
  const all = "ALL_OF(sums, shop_shipment, event_time, k, event_id, n, INTERVAL '1 hour')";
  for (const [column, kind] of [
    ["event_id", "refused"],
    ["row_id", "planned"],
  ] as const) {
    expect(await planned(`SELECT o.${column} AS a, count(*) AS c ${joined} GROUP BY 1`)).toMatchObject({
      kind,
    });
    expect(await planned(`SELECT ${column} AS a, count(*) AS c FROM ${all} GROUP BY 1`)).toMatchObject({
      kind,
    });
  }
  const looked = await planned(`SELECT o.k, s.n ${ASOF.replace("shop_shipment", "sums")}`);
  if (looked.kind === "refused") throw new Error(looked.refusal.reason);
  expect(looked.plan.batch.select).toContain('row("event_time", "row_id")');
  expect(looked.plan.inputs[1]!.columns).toContain("row_id");
});
