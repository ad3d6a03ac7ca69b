/** What both sides of the jobs' bench take in: bids of auctions, in order but for a second, as Nexmark has them. */
import { field, struct } from "../lake/table/delta-schema.ts";

export const BIDS = "bench.bid";
export const HOP_MS = 2_000;
export const WINDOW_MS = 10_000;
/** So far the watermark is behind the newest event. */
export const BIDS_LATE_MS = 1_000;
export const TOP = 3;
const START_MS = Date.UTC(2026, 0, 1);
/** Events a second of event time. */
export const RATE = 10_000;

export const BID_SCHEMA = struct(
  field("event_id", "string"),
  field("event_time", "timestamp"),
  field("ingest_time", "timestamp"),
  field("log_partition", "long"),
  field("log_offset", "long"),
  field("watermark", "timestamp"),
  field("auction", "long"),
  field("bidder", "long"),
  field("price", "long"),
  field("channel", "string"),
  field("url", "string"),
);

/** SELECT of bids by number; hot auctions get half of them. */
export function bids(from: number, until: number): string {
  return `SELECT 'e' || i AS event_id,
      make_timestamptz((${START_MS} + i * 1000 // ${RATE} - h % ${BIDS_LATE_MS}) * 1000) AS event_time,
      make_timestamptz((${START_MS} + i * 1000 // ${RATE}) * 1000) AS ingest_time,
      0::BIGINT AS log_partition, i AS log_offset,
      make_timestamptz((${watermarkMs(from)}) * 1000) AS watermark,
      (CASE WHEN h % 2 = 0 THEN i // 10000 ELSE i // 10000 + h % 1000 END)::BIGINT AS auction,
      h % 5000 AS bidder, 1 + h % 99991 AS price, 'channel-' || h % 20 AS channel,
      'https://www.nexmark.com/item.htm?query=1&channel_id=' || h % 100000 AS url
    FROM (SELECT i, (hash(i) % 1000000007)::BIGINT AS h FROM range(${from}, ${until}) AS r(i))`;
}

/** Once so many bids are there. */
export function watermarkMs(bid: number): number {
  return START_MS + Math.floor((bid * 1_000) / RATE) - BIDS_LATE_MS;
}

export const JOBS: Readonly<Record<string, string>> = {
  q5: `WITH counts AS (SELECT window_start, window_end, auction, count(*) AS bids
      FROM HOP("${BIDS}", event_time,
        INTERVAL '${HOP_MS} milliseconds', INTERVAL '${WINDOW_MS} milliseconds') GROUP BY ALL)
    SELECT * FROM counts QUALIFY row_number() OVER (PARTITION BY window_end ORDER BY bids DESC, auction) <= ${TOP}`,
  q7: `SELECT window_end, max(price) AS price
    FROM TUMBLE("${BIDS}", event_time, INTERVAL '${WINDOW_MS} milliseconds') GROUP BY window_end`,
};
