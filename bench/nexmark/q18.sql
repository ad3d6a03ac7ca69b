-- The last bid of each bidder for each auction, in each ten seconds.
CREATE JOB nexmark_q18 AS
SELECT window_start, window_end, event_id, event_time, auction, bidder, price, channel, url, padding
FROM TUMBLE(nexmark_bid, event_time, INTERVAL '10 seconds')
QUALIFY row_number() OVER (
  PARTITION BY window_start, window_end, bidder, auction ORDER BY event_time DESC, event_id DESC
) = 1
EMIT ON WINDOW CLOSE
INTO lake nexmark_q18;
