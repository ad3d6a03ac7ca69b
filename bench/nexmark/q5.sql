-- Auctions with the most bids of the last ten seconds, every two seconds.
CREATE JOB nexmark_q5 AS
WITH bids AS (
  SELECT window_start, window_end, auction, count(*) AS num
  FROM HOP(nexmark_bid, event_time, INTERVAL '2 seconds', INTERVAL '10 seconds')
  GROUP BY window_start, window_end, auction
),
most AS (
  SELECT window_start, window_end, max(num) AS num
  FROM bids
  GROUP BY window_start, window_end
)
SELECT b.window_start, b.window_end, b.auction, b.num
FROM bids AS b
JOIN most AS m ON b.window_start = m.window_start AND b.window_end = m.window_end AND b.num = m.num
EMIT ON WINDOW CLOSE
INTO lake nexmark_q5;
