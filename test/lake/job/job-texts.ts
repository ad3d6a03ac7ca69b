/** Jobs over the tables of job-world.ts: every construct that is supported, with generated sizes. */
import * as fc from "fast-check";

export interface JobSizes {
  readonly lateness: string;
  readonly size: string;
  readonly step: string;
  readonly hopSize: string;
  readonly gap: string;
}

export const sizes: fc.Arbitrary<JobSizes> = fc.record<JobSizes>({
  lateness: fc.constantFrom("0 seconds", "1 minute", "95 seconds"),
  size: fc.constantFrom("10 seconds", "1 minute", "7 minutes", "1 hour"),
  step: fc.constantFrom("20 seconds", "1 minute"),
  hopSize: fc.constantFrom("1 minute", "150 seconds", "10 minutes"),
  gap: fc.constantFrom("10 seconds", "1 minute", "4 minutes"),
});

type Construct = (sizes: JobSizes) => string;

const order = "shop_order";

export const CONSTRUCTS: Readonly<Record<string, Construct>> = {
  "row-wise": () => `SELECT event_id, upper(k) AS k, n + 1 AS n FROM "shop.order" WHERE n > 0 OR k IS NULL`,
  "row-wise star": () => `SELECT * FROM shop_order o`,
  flatten: () => `SELECT event_id, unnest(tags) AS tag FROM "shop.order"`,
  "flatten in FROM": () =>
    `SELECT o.event_id, u.tag FROM "shop.order" o, unnest(o.tags) AS u(tag) WHERE u.tag <> 'x'`,
  "union of rows":
    () => `WITH a AS (SELECT k, n FROM "shop.order"), b AS (SELECT k, n FROM "shop.shipment" WHERE n > 1)
    SELECT * FROM a UNION ALL SELECT k, -n FROM b`,
  tumble: ({
    size,
  }) => `SELECT window_start, window_end, k, count(*) AS c, count(n) AS cn, sum(n) AS s, sum(p) AS sp,
    min(n) AS low, max(other_time) AS high, avg(n) AS mean, avg(p) AS mean_p
    FROM TUMBLE("shop.order", event_time, INTERVAL '${size}') GROUP BY ALL`,
  "tumble, row by row": ({ size }) =>
    `SELECT event_id, n, window_start FROM TUMBLE(shop_order, event_time, INTERVAL '${size}') WHERE n > 0`,
  "tumble by another time": ({ size }) => `SELECT window_end, count(*) AS c
    FROM TUMBLE(${order}, other_time, INTERVAL '${size}') GROUP BY window_end`,
  "tumble, distinct, quantiles": ({
    size,
  }) => `SELECT w.window_end, count(DISTINCT n) AS u, approx_count_distinct(n) AS au,
    median(d) AS m, quantile_cont(d, 0.9) AS q, quantile_disc(n, 0.5) AS qd, mad(d) AS md, bool_or(n > 2) AS any_big,
    array_agg(n ORDER BY n) AS all_n, count(*) FILTER (n > 0) AS positive
    FROM TUMBLE(${order}, event_time, INTERVAL '${size}') AS w GROUP BY w.window_end HAVING count(*) > 1`,
  hop: ({ step, hopSize }) => `SELECT window_start, k, count(*) AS c, sum(n) AS s, max(n) AS m
    FROM HOP("shop.order", event_time, INTERVAL '${step}', INTERVAL '${hopSize}') GROUP BY k, window_start`,
  "hop of a stage": ({ step, hopSize }) => `WITH big AS (SELECT * FROM ${order} WHERE n >= 0), -- a comment
    flat AS (SELECT event_time, watermark, k, unnest(tags) AS tag FROM big)
    SELECT window_end AS closed, tag, count(*) AS c
    FROM HOP(flat, event_time, INTERVAL '${step}', INTERVAL '${hopSize}')
    GROUP BY closed, 2`,
  session: ({ gap }) => `SELECT k, window_start, window_end, count(*) AS c, sum(n) AS s
    FROM SESSION("shop.order", event_time, INTERVAL '${gap}', k) GROUP BY k, window_start, window_end`,
  "session of two keys": ({ gap }) => `SELECT k, n, window_end, count(*) AS c
    FROM SESSION(${order}, event_time, INTERVAL '${gap}', k, n) GROUP BY ALL`,
  "session of no key": ({ gap }) => `SELECT window_end, min(window_start) AS start, count(*) AS c
    FROM SESSION(${order}, event_time, INTERVAL '${gap}') GROUP BY window_end`,
  "union of two inputs in windows": ({ size }) => `WITH both_ AS (
      SELECT event_time, watermark, k, n FROM "shop.order"
      UNION ALL SELECT event_time, watermark, k, -n FROM shop_shipment)
    SELECT window_end, k, sum(n) AS s FROM TUMBLE(both_, event_time, INTERVAL '${size}') GROUP BY window_end, k`,
  "top 2 of a window": ({ step, hopSize }) => `WITH sums AS (SELECT window_start, window_end, k, sum(n) AS s
      FROM HOP(${order}, event_time, INTERVAL '${step}', INTERVAL '${hopSize}') GROUP BY ALL)
    SELECT * FROM sums QUALIFY row_number() OVER (PARTITION BY window_end ORDER BY s DESC NULLS LAST, k) <= 2`,
  "top rows of a window": ({
    size,
  }) => `SELECT window_end, event_id, n FROM TUMBLE(${order}, event_time, INTERVAL '${size}')
    QUALIFY rank() OVER (PARTITION BY window_end, k ORDER BY n DESC) = 1
      AND row_number() OVER (PARTITION BY window_start ORDER BY event_time, event_id) < 5`,
  "window functions": ({
    size,
  }) => `SELECT event_id, window_end, sum(n) OVER (PARTITION BY window_end ORDER BY event_time) AS run,
    lag(n) OVER (PARTITION BY k, window_end ORDER BY event_time, event_id) AS prev,
    sum(n) OVER (PARTITION BY window_end ORDER BY event_id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS two
    FROM TUMBLE(${order}, event_time, INTERVAL '${size}')`,
  "aggregate of aggregates": ({ size }) => `WITH a AS (SELECT window_start, window_end, k, sum(n) AS s
      FROM TUMBLE(${order}, event_time, INTERVAL '${size}') GROUP BY ALL)
    SELECT window_end, max(s) AS m, count(*) AS c FROM a GROUP BY window_end`,
  distinct: ({ size }) =>
    `SELECT DISTINCT window_end, k FROM TUMBLE(${order}, event_time, INTERVAL '${size}')`,
  "window join": ({ size }) => `WITH o AS (SELECT window_start, window_end, k, count(*) AS c
      FROM TUMBLE("shop.order", event_time, INTERVAL '${size}') GROUP BY ALL),
    s AS (SELECT window_start, window_end, k, sum(n) AS n
      FROM TUMBLE("shop.shipment", event_time, INTERVAL '${size}') GROUP BY ALL)
    SELECT o.window_start, o.k, o.c, s.n FROM o LEFT JOIN s ON o.window_start = s.window_start AND o.k = s.k`,
  "full window join": ({ size, step, hopSize }) => `SELECT window_end, a.event_id, b.event_id AS other
    FROM TUMBLE("shop.order", event_time, INTERVAL '${size}') AS a
    FULL JOIN HOP("shop.shipment", event_time, INTERVAL '${step}', INTERVAL '${hopSize}') AS b USING (window_end, k)`,
  "window anti join": ({
    size,
  }) => `SELECT a.window_end, a.event_id FROM TUMBLE("shop.order", event_time, INTERVAL '${size}') AS a
    ANTI JOIN TUMBLE("shop.shipment", event_time, INTERVAL '${size}') AS b
      ON b.window_end = a.window_end AND a.k = b.k`,
  "union and except of windows": ({
    size,
    gap,
  }) => `SELECT window_end, k FROM TUMBLE(${order}, event_time, INTERVAL '${size}')
    EXCEPT SELECT window_end, k FROM SESSION(shop_shipment, event_time, INTERVAL '${gap}', k)`,
  "grouping sets": ({
    size,
  }) => `SELECT window_end, k, n, count(*) AS c FROM TUMBLE(${order}, event_time, INTERVAL '${size}')
    GROUP BY GROUPING SETS ((window_end, k), (window_end), (window_end, n))`,
  "interval join": ({ gap, size }) => `SELECT o.event_id, o.k, s.event_id AS other, s.n - o.n AS more
    FROM "shop.order" o JOIN "shop.shipment" s ON o.k = s.k
      AND s.event_time BETWEEN o.event_time - INTERVAL '${gap}' AND o.event_time + INTERVAL '${size}' WHERE s.n > 0`,
  "interval join, absence": ({ size }) => `SELECT o.event_id, o.k, o.event_time + INTERVAL '${size}' AS due
    FROM shop_order o LEFT JOIN shop_shipment s -- on time
      ON (o.k = s.k AND s.event_time >= o.event_time AND s.event_time < o.event_time + INTERVAL '${size}')
    WHERE s.event_id IS NULL`,
  "interval anti join of stages": ({
    size,
    gap,
  }) => `WITH o AS (SELECT * FROM shop_order WHERE n > 0 OR k IS NULL),
    s AS (SELECT other_time AS at, watermark, k, n, unnest(tags) AS tag FROM shop_shipment)
    SELECT event_id, k FROM o ANTI JOIN s ON s.k = o.k AND s.tag <> 'x' AND s.n <= o.n
      AND s.at > o.event_time - INTERVAL '${gap}' AND o.event_time + INTERVAL '${size}' >= s.at`,
  "interval join with itself": ({
    size,
  }) => `SELECT a.event_id, count(b.event_id) AS before, max(b.event_time) AS last,
      array_agg(b.n ORDER BY b.n) FILTER (b.n IS NOT NULL) AS ns
    FROM shop_order a LEFT JOIN shop_order b ON a.k = b.k AND a.event_id <> b.event_id
      AND a.event_time BETWEEN b.event_time AND b.event_time + INTERVAL '${size}'
    GROUP BY a.event_id HAVING count(*) < 5`,
  "interval join of times ahead": ({ gap }) =>
    `SELECT o.event_id FROM shop_order o
    SEMI JOIN shop_shipment s ON o.k = s.k AND s.event_time > o.event_time - INTERVAL '10 minutes'
      AND s.event_time <= o.event_time - INTERVAL '${gap}'`,
  "interval join, then stages": ({
    size,
  }) => `WITH o AS (SELECT event_id, event_time, watermark, k FROM shop_order),
    j AS (SELECT o.event_id, o.event_time AS due, o.k, s.n, s.event_id AS part FROM o LEFT JOIN "shop.shipment" AS s
      ON o.k = s.k AND s.event_time >= o.event_time AND s.event_time <= o.event_time + INTERVAL '${size}'),
    counts AS (SELECT event_id, due, k, count(DISTINCT part) AS parts, sum(n) AS s FROM j GROUP BY ALL)
    SELECT due, k, max(parts) AS most, sum(s) AS s, rank() OVER (PARTITION BY due ORDER BY k) AS r
    FROM counts GROUP BY due, k`,
  "as-of join": () => `SELECT o.event_id, o.k, s.event_id AS newest, s.n FROM "shop.order" o
    ASOF JOIN "shop.shipment" AS s ON o.k = s.k AND o.event_time >= s.event_time WHERE s.n IS NOT NULL`,
  "as-of left join of stages":
    () => `WITH s AS (SELECT other_time AS since, watermark, k AS key, n, log_offset,
      log_partition FROM shop_shipment WHERE n <> 1),
    o AS (SELECT *, unnest(tags) AS tag FROM shop_order)
    SELECT o.event_id, tag, key, s.n FROM o ASOF LEFT JOIN s ON s.since < o.event_time AND s.key = o.k`,
  "as-of join with itself": () => `WITH late AS (SELECT event_id, event_time, watermark, k, n FROM shop_order)
    SELECT event_time, count(*) AS c, sum(before.n) AS s, max(before.event_time) AS last FROM (
      SELECT shop_order.event_time, struct_pack(n := late.n, event_time := late.event_time) AS before
      FROM shop_order ASOF LEFT JOIN late
        ON shop_order.k = late.k AND shop_order.n = late.n AND shop_order.event_time > late.event_time)
    GROUP BY event_time`,
  "all of a number of parts": ({ size }) => `WITH o AS (SELECT * FROM "shop.order" WHERE n IS NULL OR n >= 0),
    s AS (SELECT event_time, watermark, k, event_id AS parcel FROM shop_shipment)
    SELECT event_id, k, n, complete, completed_at, parts, deadline
    FROM ALL_OF(o, s, event_time, k, parcel, n, INTERVAL '${size}')`,
  "all of a list of parts": ({ size }) => `WITH s AS (SELECT event_time, watermark, k, unnest(tags) AS tag
      FROM shop_shipment)
    SELECT deadline, complete, count(*) AS c, max(completed_at) AS last, sum(parts) AS parts
    FROM ALL_OF("shop.order", s, event_time, k, tag, tags, INTERVAL '${size}') GROUP BY deadline, complete`,
  "all of itself": ({ size }) => `SELECT event_id, parts, complete
    FROM ALL_OF(shop_order, shop_order, event_time, k, n, n, INTERVAL '${size}') WHERE NOT complete`,
  sequence: ({ size }) => `WITH e AS (SELECT event_id, event_time, watermark, k,
      CASE WHEN n < 0 THEN 'placed' WHEN n < 3 THEN 'paid' WHEN n IS NULL THEN 'sent' END AS kind FROM shop_order)
    SELECT event_id, k, complete, completed_at, steps, step_times, deadline
    FROM SEQUENCE(e, event_time, k, kind, ['placed', 'paid', 'sent'], INTERVAL '${size}')`,
  "sequence over two inputs": ({
    size,
  }) => `WITH both_ AS (SELECT event_time, watermark, k, 'a' AS kind FROM "shop.order"
      UNION ALL SELECT event_time, watermark, k, 'b' AS kind FROM "shop.shipment")
    SELECT event_time, k, count(*) AS c, bool_or(complete) AS complete, min(completed_at) AS at_
    FROM SEQUENCE(both_, event_time, k, kind, ['a', 'b'], INTERVAL '${size}') GROUP BY event_time, k`,
};

export function jobText(select: string, lateness = "0 seconds"): string {
  const head = `CREATE JOB tested WITH (lateness = '${lateness}') AS`;
  return `${head}\n${select}\nEMIT ON WINDOW CLOSE INTO lake "tested.result"`;
}
