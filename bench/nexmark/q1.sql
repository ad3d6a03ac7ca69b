-- Prices in another currency.
CREATE JOB nexmark_q1 AS
SELECT event_id, event_time, auction, bidder, 0.908 * price AS price, padding
FROM nexmark_bid
EMIT ON WINDOW CLOSE
INTO lake nexmark_q1;
