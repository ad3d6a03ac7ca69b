-- Bids of some auctions.
CREATE JOB nexmark_q2 AS
SELECT event_id, event_time, auction, price
FROM nexmark_bid
WHERE auction % 123 = 0
EMIT ON WINDOW CLOSE
INTO lake nexmark_q2;
