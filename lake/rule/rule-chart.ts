/**
 * What a rule saw, for whoever wants to know why it fires: for a drop each window's count with what was expected, for
 * SQL the values at some moments. Asked anew of the lake as it is now, with the rights of whoever asks.
 */
import type { Principal } from "../../core/authorize.ts";
import { DropDetector } from "../../core/drop-detector.ts";
import type { DropVerdict } from "../../core/drop-verdict.ts";
import { type DropRule, dropOptions } from "../../core/rule.ts";
import { quoteName, quoteText } from "../query/quote.ts";
import type { QueryService } from "../query/service.ts";
import { readCounts } from "./drop-counts.ts";
import { evaluateSql, type SqlRuleRequest } from "./sql-rule.ts";

const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;

export interface ChartPoint {
  /** Start of a window, or the moment of an evaluation, ms since 1970 UTC. */
  readonly atMs: number;
  /** null: no row has these labels. */
  readonly value: number | null;
  readonly expected: number | null;
  /** Below it a window is low. */
  readonly low: number | null;
  readonly isDropping: boolean;
}

type Labels = Readonly<Record<string, string>>;

export interface ChartAsker {
  readonly query: Pick<QueryService, "rows">;
  readonly principal: Principal;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface DropChart {
  readonly rule: DropRule;
  readonly isEventTable: boolean;
  readonly version: number;
  /** Of the rule's columns; others are not looked at. */
  readonly labels: Labels;
  /** Windows that end by then, at most so many. */
  readonly untilMs: number;
  readonly windows: number;
}

/** One series. @throws what a query throws */
export async function dropChart(asker: ChartAsker, asked: DropChart): Promise<readonly ChartPoint[]> {
  const { query, principal, timeoutMs, signal } = asker;
  const { rule, isEventTable, version, labels, untilMs, windows } = asked;
  const length = rule.window_ms;
  const toMs = Math.floor(untilMs / length) * length;
  const firstMs = toMs - windows * length;
  const own = rule.labels.flatMap((name) =>
    labels[name] === undefined ? [] : [`CAST(${quoteName(name)} AS VARCHAR) = ${quoteText(labels[name])}`],
  );
  const conditions = [...(rule.filter === undefined ? [] : [`(${rule.filter}\n)`]), ...own];
  const one: DropRule = {
    ...rule,
    labels: [],
    ...(conditions.length > 0 ? { filter: conditions.join(" AND ") } : {}),
  };
  const fromMs = Math.floor((firstMs - rule.weeks * WEEK_MS - DAY_MS) / length) * length;
  const request = { rule: one, isEventTable, version, fromMs, toMs, principal, timeoutMs };
  const counts = [...(await readCounts(query, request, signal)).values()][0]?.counts;
  if (!counts) return [];
  const verdicts = new DropDetector(dropOptions(rule)).judgeClosed(toMs, counts);
  return verdicts
    .filter(({ startMs }) => startMs >= firstMs)
    .map((verdict) => pointOf(verdict, rule, counts.get(verdict.startMs) ?? 0));
}

/** A verdict may be of several windows as one; a point is of one. */
function pointOf(verdict: DropVerdict, { z, min_drop: least }: DropRule, count: number): ChartPoint {
  const { startMs, baseline, windows, isDropping } = verdict;
  if (baseline === "none") return { atMs: startMs, value: count, expected: null, low: null, isDropping };
  const [expected, spread] = [verdict.expected / windows, verdict.spread / windows];
  const low = Math.max(0, Math.min(expected - z * spread, expected * (1 - least)));
  return { atMs: startMs, value: count, expected, low, isDropping };
}

/** One after the other. @param times ms since 1970 UTC, growing @throws what a query throws; rule.refused */
export async function sqlChart(
  { query, principal, timeoutMs, signal }: ChartAsker,
  rule: SqlRuleRequest["rule"],
  labels: Labels,
  times: readonly number[],
): Promise<readonly ChartPoint[]> {
  const points: ChartPoint[] = [];
  for (const atMs of times) {
    const { results } = await evaluateSql(query, { rule, principal, atMs, timeoutMs }, signal);
    const found = results.filter((result) =>
      Object.entries(result.labels).every(
        ([name, text]) => labels[name] === undefined || labels[name] === text,
      ),
    );
    const value = found.length === 0 ? null : Math.max(...found.map((result) => result.value));
    points.push({ atMs, value, expected: null, low: null, isDropping: false });
  }
  return points;
}
