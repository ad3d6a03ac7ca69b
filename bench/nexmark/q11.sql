-- How many bids each bidder makes while he stays.
CREATE JOB nexmark_q11 AS
SELECT window_start, window_end, bidder, count(*) AS bids
FROM SESSION(nexmark_bid, event_time, INTERVAL '10 seconds', bidder)
GROUP BY window_start, window_end, bidder
EMIT ON WINDOW CLOSE
INTO lake nexmark_q11;
