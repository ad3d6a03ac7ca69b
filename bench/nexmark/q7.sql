-- The highest bids of each ten seconds.
CREATE JOB nexmark_q7 AS
WITH bids AS (
  SELECT window_start, window_end, event_time, auction, bidder, price, padding
  FROM TUMBLE(nexmark_bid, event_time, INTERVAL '10 seconds')
),
highest AS (
  SELECT window_start, window_end, max(price) AS price
  FROM bids
  GROUP BY window_start, window_end
)
SELECT b.window_start, b.window_end, b.event_time, b.auction, b.bidder, b.price, b.padding
FROM bids AS b
JOIN highest AS h ON b.window_start = h.window_start AND b.window_end = h.window_end AND b.price = h.price
EMIT ON WINDOW CLOSE
INTO lake nexmark_q7;
