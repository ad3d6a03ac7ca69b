/** The feed of a simulated world, and the rows that it is about. */
import type { Randomness } from "../../core/clock.ts";
import { type Feed, feedSchema } from "../../core/extract-feed.ts";
import type { Row } from "./audit-table.ts";
import { pick } from "./events.ts";

const HOUR_US = 3_600_000_000n;
export const FEED_TABLE = "order.created";
export const FEED_COLUMNS = ["event_time", "log_partition", "log_offset", "event_id", "n"] as const;

export function drawFeed(random: Randomness): Feed {
  const declared = feedSchema.parse({
    sql: `SELECT ${FEED_COLUMNS.join(", ")} FROM "${FEED_TABLE}"`,
    kind: pick(random, ["replace_partition", "append"]),
    window: "hour",
    time: "event_time",
    key: ["event_time"],
    totals: ["n"],
    retentionDays: pick(random, [1, 90]),
  });
  return { ...declared, name: "orders" };
}

/** µs at which the hour of a time begins. */
export function windowOf(us: bigint): bigint {
  return us - (((us % HOUR_US) + HOUR_US) % HOUR_US);
}

export function feedRow(row: Row): readonly unknown[] {
  return FEED_COLUMNS.map((name) => row[name]);
}
