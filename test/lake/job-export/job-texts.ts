/** Jobs over Nexmark's tables with what is exported beside its queries. */

/** One row each, with what a SELECT list may have. */
export const EXPRESSIONS = `CREATE JOB expressions AS
WITH named AS (
  SELECT EVENT_ID, event_time, watermark, Auction, bidder AS who, price, channel, url
  FROM "nexmark.bid" AS b
  WHERE b.price >= 100 AND NOT (b.channel = 'Apple' AND b.price < 5000)
)
SELECT event_id, event_time + INTERVAL '90 minutes' AS later, event_time - INTERVAL '1500 milliseconds' AS sooner,
  CASE WHEN price > 1000000 THEN 'high' WHEN price BETWEEN 1000 AND 1000000 THEN 'middle' ELSE 'low' END AS class,
  CASE who WHEN 1001 THEN 'it''s "one"' END AS one,
  CAST(price AS DECIMAL(18, 2)) * 0.25 AS quarter, -price + 2 * (auction - 7) AS mixed,
  CAST(price AS DOUBLE) AS inexact, CAST(floor(0.01 * price) AS BIGINT) AS euros,
  lower(channel) AS lowered, upper(channel) || '/' || url AS both_texts, length(url) AS letters,
  channel LIKE 'channel-1%' AS is_like, channel NOT LIKE '%oo%' AS is_unlike,
  auction IN (1000, 1100) AS is_hot, auction NOT IN (1000, 1100) AS is_cold,
  coalesce(nullif(who, 1001), -1) AS other, nullif(who, 1001) IS NULL AS is_one, who IS NOT NULL AS is_there,
  nullif(who, 1001) IS DISTINCT FROM 1002 AS is_distinct, abs(5000 - price) AS away, auction % 7 AS rest,
  price <> 5 AND (who = 1001 OR auction < 1050) AS logic, TRUE AS yes, NULL::VARCHAR IS NULL AS nothing
FROM named
UNION ALL
SELECT event_id, event_time, event_time, name, CAST(NULL AS VARCHAR), 1.5, id, 0.5, 0, '', '', 0, true, true, true,
  true, id, true, false, true, id, id % 3, state IN ('WA'), city = 'Bend',
  event_time < TIMESTAMPTZ '2026-03-01 00:01:00+00'
FROM nexmark_person
EMIT ON WINDOW CLOSE
INTO lake expressions;
`;

/** Aggregates, with a stage before and one behind. */
export const FIGURES = `CREATE JOB figures WITH (lateness = '3 seconds') AS
WITH dear AS (
  SELECT event_time AS moment, watermark, auction, CASE WHEN price < 50000 THEN NULL ELSE price END AS price
  FROM nexmark_bid
),
figures AS (
  SELECT window_start, window_end, auction, count(*) AS bids, count(price) AS dear_bids, sum(price) AS total,
    avg(price) AS mean, avg(price) FILTER (WHERE price > 100000) AS dear_mean, min(price) AS least,
    max(price) AS most, count(DISTINCT price) AS prices, max(DISTINCT auction) AS same
  FROM HOP(dear, moment, INTERVAL '7500 milliseconds', INTERVAL '30 seconds')
  GROUP BY window_start, window_end, 3
  HAVING count(*) > 3
)
SELECT window_start, window_end, auction, bids, dear_bids, total, mean, dear_mean, least, most, prices, same
FROM (SELECT window_start, window_end, auction, bids, dear_bids, total, mean, dear_mean, least, most, prices, same
  FROM figures WHERE total IS NOT NULL)
EMIT ON WINDOW CLOSE
INTO lake figures;
`;

/** One aggregate over one window, which is what Spark has, too. */
export const HOPS = `CREATE JOB hops AS
WITH dear AS (
  SELECT event_time AS moment, watermark, auction AS sold, price FROM nexmark_bid WHERE price > 1000
)
SELECT window_end, window_start, sold, count(*) AS bids, sum(price) AS total, avg(price) AS mean,
  count(price) FILTER (WHERE price > 100000) AS dear_bids
FROM HOP(dear, moment, INTERVAL '10 seconds', INTERVAL '30 seconds') AS h
GROUP BY h.window_start, window_end, 3
HAVING count(*) > 2 AND min(price) > 1500
EMIT ON WINDOW CLOSE
INTO lake hops;
`;
