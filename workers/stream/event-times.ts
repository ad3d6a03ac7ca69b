/** What the statistics of a data file say of its rows' event times. */
import type { AddFile } from "../../core/ports/table-log.ts";

const MAXIMUM = /"maxValues"\s*:\s*\{[^{}]*"event_time"\s*:\s*"([^"]{1,40})"/;
/** Statistics may be in milliseconds, cut off, where rows have microseconds. */
const SLACK_US = 1_000n;

/** No row of the file is later, µs since 1970 UTC; undefined where the statistics do not say. */
export function latestTimeUs({ stats }: AddFile): bigint | undefined {
  const ms = Date.parse(MAXIMUM.exec(stats ?? "")?.[1] ?? "");
  return Number.isFinite(ms) ? BigInt(Math.floor(ms)) * 1_000n + SLACK_US : undefined;
}
