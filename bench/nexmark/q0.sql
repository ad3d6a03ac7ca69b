-- Everything as it is.
CREATE JOB nexmark_q0 AS
SELECT event_id, event_time, auction, bidder, price, channel, url, padding
FROM nexmark_bid
EMIT ON WINDOW CLOSE
INTO lake nexmark_q0;
