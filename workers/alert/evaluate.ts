/** One evaluation of a rule: what its condition holds for, and what that makes of its state. Nothing is sent here. */
import { type AlertResult, type AlertTransition, evaluateAlerts } from "../../core/alert.ts";
import { offer, type Outbox, refresh } from "../../core/alert-outbox.ts";
import type { Principal } from "../../core/authorize.ts";
import type { Clock } from "../../core/clock.ts";
import { hasNoData } from "../../core/drop-detector.ts";
import { MuaraError } from "../../core/errors.ts";
import { watermarkOf } from "../../core/landed.ts";
import type { Registry } from "../../core/registry.ts";
import {
  alertRule,
  noDataAfterMs,
  noDataRule,
  type PendingEvent,
  type Rule,
  type RuleState,
} from "../../core/rule.ts";
import { checkRuleRing } from "../../core/rule-ring.ts";
import type { Catalog } from "../../lake/catalog.ts";
import type { QueryService } from "../../lake/query/service.ts";
import type { DropResultRule } from "../../lake/rule/drop-results.ts";
import { DropWatch } from "../../lake/rule/drop-watch.ts";
import { evaluateSql, type SqlRuleRequest } from "../../lake/rule/sql-rule.ts";

export interface EvaluatePorts {
  readonly registry: Registry;
  readonly catalog: Catalog;
  readonly query: Pick<QueryService, "rows">;
  readonly clock: Clock;
  /** The rule's owner with the rights of now. @throws auth.invalid */
  readonly principalOf: (rule: Rule) => Principal;
}

export interface EvaluateOptions {
  readonly timeoutMs: number;
  readonly series: number;
}

/** What was found at a moment: of the clock, or the end of a window. */
interface Moment {
  readonly atMs: number;
  readonly results: readonly AlertResult[];
}

interface Found {
  readonly moments: readonly Moment[];
  readonly versions: Readonly<Record<string, number>>;
  readonly completeThroughMs: number | null;
}

export class RuleEvaluator {
  readonly #ports: EvaluatePorts;
  readonly #options: EvaluateOptions;
  readonly #rule: Rule;
  readonly #watch: DropWatch | undefined;

  constructor(ports: EvaluatePorts, options: EvaluateOptions, rule: Rule) {
    this.#ports = ports;
    this.#options = options;
    this.#rule = rule;
    const { timeoutMs, series: seriesMax } = options;
    if (rule.drop) this.#watch = new DropWatch(ports, { timeoutMs, seriesMax }, rule as DropResultRule);
  }

  /** @throws what a query throws, rule.refused, alert.labels_twice, alert.too_many, auth.invalid */
  async evaluate(state: RuleState, nowMs: number, signal: AbortSignal): Promise<RuleState> {
    const found = this.#rule.drop ? await this.#drop(state, signal) : await this.#sql(nowMs, signal);
    // Somebody may have declared since what brings alerts back.
    checkRuleRing(this.#ports.registry, this.#rule.name, Object.keys(found.versions));
    const afterMs = noDataAfterMs(this.#rule);
    const isNoData =
      afterMs !== null && hasNoData(found.completeThroughMs ?? this.#rule.createdMs, nowMs, afterMs);
    const read = { ...state, versions: found.versions, completeThroughMs: found.completeThroughMs };
    const series = this.#watch?.series ?? null;
    let next: RuleState = { ...read, evaluatedMs: nowMs, isNoData, series, problem: null };
    // Of a SELECT nothing can be said while tables are behind. Windows that have closed are judged all the same.
    if (!isNoData || this.#rule.drop)
      for (const moment of found.moments) next = turned(this.#rule, next, moment);
    return this.#noData(next, nowMs);
  }

  async #sql(atMs: number, signal: AbortSignal): Promise<Found> {
    const rule = this.#rule as Rule & SqlRuleRequest["rule"];
    const { timeoutMs } = this.#options;
    const principal = this.#ports.principalOf(rule);
    const { results, ...read } = await evaluateSql(
      this.#ports.query,
      { rule, principal, atMs, timeoutMs },
      signal,
    );
    return { ...read, moments: [{ atMs, results }] };
  }

  async #drop({ alerts }: RuleState, signal: AbortSignal): Promise<Found> {
    const { catalog, principalOf } = this.#ports;
    const { table: name } = this.#rule.drop!;
    const table = await catalog.find(name);
    if (!table)
      throw new MuaraError("table.not_found", `There is no table "${name}".`, { details: { table: name } });
    const snapshot = await catalog.snapshot(table.name);
    const versions = { [table.name]: snapshot.version };
    const watermarkMs = watermarkOf(snapshot.txns);
    if (watermarkMs === undefined) return { moments: [], versions, completeThroughMs: null };
    const principal = principalOf(this.#rule);
    const isEventTable = table.kind === "event_type";
    const look = { version: snapshot.version, isEventTable, watermarkMs, principal };
    const results = await this.#watch!.look(look, alerts.atMs, signal);
    const moments = [...results.windows()].map(({ endMs, results: found }) => ({
      atMs: endMs,
      results: found,
    }));
    return { moments, versions, completeThroughMs: watermarkMs };
  }

  /** An alert of its own. */
  #noData(state: RuleState, nowMs: number): RuleState {
    const { name, no_data: policy } = this.#rule;
    const isTold = state.isNoData && policy === "alert";
    const through = state.completeThroughMs;
    const since =
      through === null
        ? "nothing has come yet"
        : `nothing is complete after ${new Date(through).toISOString()}`;
    const result = { labels: {}, annotations: { summary: `${name} cannot be judged: ${since}` }, value: 0 };
    const { state: noData, transitions } = evaluateAlerts(noDataRule(this.#rule), state.noData, {
      atMs: nowMs,
      results: isTold ? [result] : [],
    });
    return noted(this.#rule, { ...state, noData }, transitions);
  }
}

/** @throws alert.labels_twice, alert.too_many */
function turned(rule: Rule, state: RuleState, { atMs, results }: Moment): RuleState {
  const { state: alerts, transitions } = evaluateAlerts(alertRule(rule), state.alerts, { atMs, results });
  return noted(rule, { ...state, alerts }, transitions);
}

/** The rule has gone: what fires is over. */
export function ended(rule: Rule, state: RuleState, nowMs: number): RuleState {
  const atMs = Math.max(nowMs, (state.alerts.atMs ?? 0) + 1, (state.noData.atMs ?? 0) + 1);
  const over = turned({ ...rule, keep_firing_for_ms: 0 }, state, { atMs, results: [] });
  const { state: noData, transitions } = evaluateAlerts(noDataRule(rule), over.noData, { atMs, results: [] });
  return noted(rule, { ...over, noData }, transitions);
}

function noted(rule: Rule, state: RuleState, transitions: readonly AlertTransition[]): RuleState {
  const { versions } = state;
  const events: PendingEvent[] = transitions.map((transition) => ({ transition, versions }));
  const all = [...state.alerts.alerts, ...state.noData.alerts];
  const outboxes: Record<string, Outbox> = {};
  for (const name of rule.receivers)
    outboxes[name] = refresh(offer(state.outboxes[name] ?? [], transitions), all);
  return { ...state, outboxes, events: [...state.events, ...events] };
}
