/**
 * What a rule would have said: its evaluations over a span of the past, in order, from no alerts on. A rule in SQL is
 * asked as of each time, for which the tables are as they were then; windows of a drop rule are counted as they always
 * are. No data is not looked for: what a watermark was at a time is not kept.
 */
import {
  type Alert,
  type AlertState,
  type AlertTransition,
  evaluateAlerts,
  NO_ALERTS,
} from "../../core/alert.ts";
import type { Principal } from "../../core/authorize.ts";
import type { Clock } from "../../core/clock.ts";
import { hasCode, MuaraError } from "../../core/errors.ts";
import { watermarkOf } from "../../core/landed.ts";
import { alertRule, type RuleRequest } from "../../core/rule.ts";
import { RULE_TEST_CHANGES_MAX, RULE_TEST_MS_MAX } from "../../core/rule-test.ts";
import type { Catalog } from "../catalog.ts";
import type { QueryService } from "../query/service.ts";
import type { AlertResultList, DropResultRule } from "./drop-results.ts";
import { DropWatch } from "./drop-watch.ts";
import { evaluateSql, type SqlRuleRequest } from "./sql-rule.ts";

export interface RuleTestPorts {
  readonly catalog: Catalog;
  readonly query: Pick<QueryService, "rows">;
  readonly clock: Clock;
}

export interface RuleTest {
  readonly rule: RuleRequest;
  /** ms since 1970 UTC; from then on, and up to then. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Of a rule in SQL. */
  readonly stepMs: number;
  readonly principal: Principal;
  /** Of each query. */
  readonly timeoutMs: number;
  readonly seriesMax: number;
}

export interface RuleTestResult {
  readonly transitions: readonly AlertTransition[];
  /** At the end. */
  readonly alerts: readonly Alert[];
  readonly evaluations: number;
  /** Of the last one; null where there was none. */
  readonly untilMs: number | null;
  /** Whether there is more up to the time that was asked for. */
  readonly isTruncated: boolean;
  /** Evaluations at times of which the tables' versions are not kept, or before there were any. */
  readonly unanswered: number;
  /** Of a drop rule, at the end. */
  readonly series: { readonly total: number; readonly warming: number } | null;
}

/** @throws what a query throws, rule.refused, alert.labels_twice, alert.too_many, table.not_found */
export async function testRule(
  ports: RuleTestPorts,
  test: RuleTest,
  signal: AbortSignal,
): Promise<RuleTestResult> {
  const said = new Said(ports.clock, test.rule);
  return test.rule.drop ? testDrop(ports, test, said, signal) : testSql(ports, test, said, signal);
}

/** The alerts as evaluations make them, one after the other, up to what one answer may have. */
class Said {
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #rule: RuleRequest;
  readonly transitions: AlertTransition[] = [];
  #state: AlertState = NO_ALERTS;
  evaluations = 0;

  constructor(clock: Clock, rule: RuleRequest) {
    this.#clock = clock;
    this.#startMs = clock.monotonicMs();
    this.#rule = rule;
  }

  get alerts(): readonly Alert[] {
    return this.#state.alerts;
  }

  get untilMs(): number | null {
    return this.#state.atMs;
  }

  get isFull(): boolean {
    const isLate = this.#clock.monotonicMs() - this.#startMs >= RULE_TEST_MS_MAX;
    return isLate || this.transitions.length >= RULE_TEST_CHANGES_MAX;
  }

  add(atMs: number, results: Parameters<typeof evaluateAlerts>[2]["results"]): void {
    const next = evaluateAlerts(alertRule(this.#rule), this.#state, { atMs, results });
    this.#state = next.state;
    this.transitions.push(...next.transitions);
    this.evaluations++;
  }
}

async function testSql(
  { query }: RuleTestPorts,
  { rule, fromMs, toMs, stepMs, principal, timeoutMs }: RuleTest,
  said: Said,
  signal: AbortSignal,
): Promise<RuleTestResult> {
  const asked = { rule: rule as SqlRuleRequest["rule"], principal, timeoutMs };
  let unanswered = 0;
  let atMs = Math.ceil(fromMs / stepMs) * stepMs;
  for (; atMs <= toMs && !said.isFull && !signal.aborted; atMs += stepMs) {
    const at = new Date(atMs).toISOString();
    try {
      const { results } = await evaluateSql(query, { ...asked, atMs, at }, signal);
      said.add(atMs, results);
    } catch (error) {
      // As where the rule fails while it runs: what fires fires on.
      if (!hasCode(error, "table.version_not_found")) throw error;
      unanswered++;
    }
  }
  return answerOf(said, { isTruncated: atMs <= toMs, unanswered, series: null });
}

async function testDrop(
  ports: RuleTestPorts,
  { rule: request, fromMs, toMs, principal, timeoutMs, seriesMax }: RuleTest,
  said: Said,
  signal: AbortSignal,
): Promise<RuleTestResult> {
  const rule = request as DropResultRule;
  const table = await ports.catalog.find(rule.drop.table);
  if (!table)
    throw new MuaraError("table.not_found", `There is no table "${rule.drop.table}".`, {
      details: { table: rule.drop.table },
    });
  const { version, txns } = await ports.catalog.snapshot(table.name);
  const untilMs = Math.min(toMs, watermarkOf(txns) ?? -Infinity);
  if (untilMs <= fromMs) return answerOf(said, { isTruncated: false, unanswered: 0, series: null });
  const watch = new DropWatch(ports, { seriesMax, timeoutMs }, rule);
  const isEventTable = table.kind === "event_type";
  const look = (watermarkMs: number): Promise<AlertResultList> =>
    watch.look({ version, isEventTable, watermarkMs, principal }, fromMs, signal);
  // The weeks before are what is compared with.
  await look(fromMs);
  let isTruncated = false;
  for (const { endMs, results } of (await look(untilMs)).windows()) {
    isTruncated = said.isFull;
    if (isTruncated) break;
    said.add(endMs, results);
  }
  return answerOf(said, { isTruncated, unanswered: 0, series: watch.series });
}

function answerOf(
  { transitions, alerts, evaluations, untilMs }: Said,
  more: Pick<RuleTestResult, "isTruncated" | "unanswered" | "series">,
): RuleTestResult {
  return { transitions, alerts, evaluations, untilMs, ...more };
}
