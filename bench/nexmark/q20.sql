-- Bids with their auctions of one category, within a minute of the auction's beginning.
CREATE JOB nexmark_q20 AS
SELECT a.event_time, a.id, a.item, a.seller, b.event_id, b.event_time AS bid_time, b.bidder, b.price
FROM nexmark_auction AS a
JOIN nexmark_bid AS b
  ON a.id = b.auction AND b.event_time BETWEEN a.event_time AND a.event_time + INTERVAL '1 minute'
WHERE a.category = 10
EMIT ON WINDOW CLOSE
INTO lake nexmark_q20;
