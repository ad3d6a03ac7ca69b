/**
 * Counts by window for drop detection, from the rows of a table. A row of an event type counts for its window iff it
 * landed before the watermark had closed it, as in a job: what is counted as windows close, and what is counted again
 * from the lake after a restart, is the same.
 */
import { MuaraError } from "../../core/errors.ts";
import type { Principal } from "../../core/authorize.ts";
import type { DropRule } from "../../core/rule.ts";
import { quoteName } from "../query/quote.ts";
import type { QueryService } from "../query/service.ts";
import { labelText } from "./label-text.ts";

export interface CountRequest {
  readonly rule: DropRule;
  /** Whether the table is an event type's, whose rows say what the watermark was. */
  readonly isEventTable: boolean;
  /** Of the table. */
  readonly version: number;
  /** Windows that begin from `fromMs` on and end at `toMs` at the latest; multiples of their length. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly principal: Principal;
  readonly timeoutMs: number;
}

export interface Series {
  /** By the rule's label columns. */
  readonly labels: Readonly<Record<string, string>>;
  /** Start of a window, ms → count; windows without rows are not there. */
  readonly counts: ReadonlyMap<number, number>;
}

/** Windows of all series in one answer. */
export const COUNTS_MAX = 500_000;

/** @returns by the labels' values @throws what a query throws; alert.too_many where there are too many series */
export async function readCounts(
  query: Pick<QueryService, "rows">,
  request: CountRequest,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Series>> {
  const { rule, version, principal, timeoutMs } = request;
  const answer = await query.rows(
    { sql: countsSql(request), at: { [rule.table]: version }, principal, limit: COUNTS_MAX, timeoutMs },
    signal,
  );
  if (answer.isTruncated)
    throw new MuaraError("alert.too_many", `More than ${COUNTS_MAX} counts: the rule has too many series.`, {
      details: { limit: COUNTS_MAX },
    });
  const all = new Map<string, { labels: Record<string, string>; counts: Map<number, number> }>();
  for (const [window, count, ...values] of answer.rows) {
    const texts = values.map(labelText);
    const key = JSON.stringify(texts);
    let series = all.get(key);
    if (!series) {
      const labels = Object.fromEntries(rule.labels.map((name, i) => [name, texts[i]!]));
      all.set(key, (series = { labels, counts: new Map() }));
    }
    series.counts.set(Number(window) * rule.window_ms, wholeCount(count, rule));
  }
  return all;
}

export function countsSql({ rule, isEventTable, fromMs, toMs }: CountRequest): string {
  const time = quoteName(rule.time);
  const lengthUs = `${rule.window_ms * 1_000}`;
  const window = `epoch_us(${time}) // ${lengthUs}`;
  const value = rule.value === undefined ? "count(*)" : `sum(${quoteName(rule.value)})`;
  const labels = rule.labels.map((name) => `CAST(${quoteName(name)} AS VARCHAR)`);
  const conditions = [
    `${time} >= make_timestamptz(${fromMs * 1_000})`,
    `${time} < make_timestamptz(${toMs * 1_000})`,
    ...(isEventTable
      ? [`("watermark" IS NULL OR epoch_us("watermark") < (${window} + 1) * ${lengthUs})`]
      : []),
    ...(rule.filter === undefined ? [] : [`(${rule.filter}\n)`]),
  ];
  return (
    `SELECT ${[window, value, ...labels].join(", ")} FROM ${quoteName(rule.table)}\n` +
    `WHERE ${conditions.join("\n  AND ")}\nGROUP BY ALL`
  );
}

function wholeCount(value: unknown, { value: column }: DropRule): number {
  const count = Number(value ?? 0);
  if (Number.isSafeInteger(count) && count >= 0) return count;
  throw new MuaraError("rule.refused", `The rule is refused: sums of "${column!}" are no whole numbers.`);
}
