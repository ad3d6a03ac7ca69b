/**
 * What each of the jobs beside this file must give, written anew in plain SQL for a batch: no macro, no window of
 * Muara's. It reads `person`, `auction` and `bid`, whose column `seen` is the watermark of their table before their
 * commit; NULL: none, so that the row counts for all its windows.
 */
const windowed = (table: string, seconds: number): string => `(
  SELECT *, window_start + INTERVAL '${seconds} seconds' AS window_end
  FROM (SELECT *, to_timestamp(epoch_ms(event_time) // ${seconds * 1_000} * ${seconds}) AS window_start FROM ${table})
  WHERE seen IS NULL OR seen < window_start + INTERVAL '${seconds} seconds')`;

const HOPS = `(
  SELECT *, window_start + INTERVAL '10 seconds' AS window_end
  FROM (
    SELECT *, to_timestamp((epoch_ms(event_time) // 2000 - step) * 2) AS window_start
    FROM bid, (VALUES (0), (1), (2), (3), (4)) AS steps(step))
  WHERE seen IS NULL OR seen < window_start + INTERVAL '10 seconds')`;

const ranks = (what: string): string => `${what},
  ${what} FILTER (price < 10000),
  ${what} FILTER (price BETWEEN 10000 AND 999999),
  ${what} FILTER (price > 999999)`;

/** By the name of the job's file. */
export const NEXMARK_REFERENCES = {
  q0: "SELECT event_id, event_time, auction, bidder, price, channel, url, padding FROM bid",
  q1: `SELECT event_id, event_time, auction, bidder,
    CAST(CAST(price * 908 AS DECIMAL(28, 3)) * 0.001 AS DECIMAL(28, 3)),
    padding
    FROM bid`,
  q2: "SELECT event_id, event_time, auction, price FROM bid WHERE auction - auction // 123 * 123 = 0",
  q5: `
    SELECT window_start, window_end, auction, num
    FROM (
      SELECT *, rank() OVER (PARTITION BY window_start ORDER BY num DESC) AS place
      FROM (SELECT window_start, window_end, auction, count(*) AS num FROM ${HOPS} GROUP BY ALL))
    WHERE place = 1`,
  q7: `
    SELECT window_start, window_end, event_time, auction, bidder, price, padding
    FROM (SELECT *, dense_rank() OVER (PARTITION BY window_start ORDER BY price DESC) AS place
      FROM ${windowed("bid", 10)})
    WHERE place = 1`,
  q8: `
    SELECT DISTINCT window_start, window_end, id, name FROM ${windowed("person", 10)} AS p
    WHERE (window_start, id) IN (SELECT (window_start, seller) FROM ${windowed("auction", 10)})`,
  q11: `
    SELECT min(event_time), max(event_time) + INTERVAL '10 seconds' AS window_end, bidder, count(*)
    FROM (
      SELECT *, sum(begins) OVER (PARTITION BY bidder ORDER BY event_time, event_id) AS number
      FROM (
        SELECT *, CAST(event_time - lag(event_time, 1, TIMESTAMPTZ '1900-01-01') OVER (
          PARTITION BY bidder ORDER BY event_time, event_id) > INTERVAL '10 seconds' AS INTEGER) AS begins
        FROM bid WHERE seen IS NULL OR seen < event_time))
    GROUP BY bidder, number`,
  q15: `
    SELECT CAST(day AS TIMESTAMPTZ), CAST(day AS TIMESTAMPTZ) + INTERVAL '1 day' AS window_end,
      ${["count(*)", "count(DISTINCT bidder)", "count(DISTINCT auction)"].map(ranks).join(", ")}
    FROM (SELECT *, CAST(event_time AS DATE) AS day FROM bid)
    WHERE seen IS NULL OR seen < CAST(day AS TIMESTAMPTZ) + INTERVAL '1 day'
    GROUP BY day`,
  q18: `
    SELECT window_start, window_end, last.event_id, last.event_time, auction, bidder, last.price, last.channel,
      last.url, last.padding
    FROM (
      SELECT window_start, window_end, auction, bidder,
        max(struct_pack(event_time := event_time, event_id := event_id, price := price, channel := channel,
          url := url, padding := padding)) AS last
      FROM ${windowed("bid", 10)} GROUP BY ALL)`,
  q20: `
    SELECT a.event_time, id, item, seller, b.event_id, b.event_time, bidder, price
    FROM bid AS b, auction AS a
    WHERE id = auction AND category = 10
      AND epoch_ms(b.event_time) - epoch_ms(a.event_time) BETWEEN 0 AND 60000
      AND greatest(coalesce(a.seen, a.event_time), coalesce(b.seen, a.event_time)) <
        a.event_time + INTERVAL '1 minute'`,
} as const satisfies Readonly<Record<string, string>>;

export type NexmarkQuery = keyof typeof NEXMARK_REFERENCES;
export const NEXMARK_QUERIES = Object.keys(NEXMARK_REFERENCES) as readonly NexmarkQuery[];
