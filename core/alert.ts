/**
 * What an alert rule makes of its evaluations: states and transitions, as Prometheus has them (`rules/alerting.go`):
 *
 *     inactive ─ result ─▶ pending ─ for so long (`for`) ─▶ firing ─ gone, and `keep_firing_for` over ─▶ resolved
 *                             └──── gone ────▶ inactive
 *
 * Without `for` a result fires at once. No data is not "gone": what is pending or firing stays as it is, and nothing
 * begins to fire; where the rule wants it, an alert of its own (`NoData`) says that nothing can be said.
 *
 * A pure function of the state and one evaluation, so the same evaluations in order give the same transitions under
 * the same ids, whoever runs them and however often. An evaluation that is not newer than the last changes nothing.
 */
import { z } from "zod";
import { annotationsSchema, fingerprintOf, labelsSchema, normalLabels, type Labels } from "./alert-labels.ts";
import { MuaraError } from "./errors.ts";

/** Of one rule. */
export const ALERTS_MAX = 10_000;
/** So long a resolved alert is kept for those who have to be told, ms. As in Prometheus. */
export const RESOLVED_KEPT_MS = 900_000;
const DURATION_MS_MAX = 30 * 86_400_000;
export const NO_DATA = "NoData";

const duration = z.int().min(0).max(DURATION_MS_MAX).default(0);

export const alertRuleSchema = z.strictObject({
  name: z.string().min(1).max(128),
  /** Beside those of each result; they win. */
  labels: labelsSchema.default({}),
  annotations: annotationsSchema.default({}),
  forMs: duration.describe("a result has to stay so long before it fires"),
  keepFiringForMs: duration.describe("an alert fires on for so long after its result has gone"),
  noData: z.enum(["hold", "alert"]).default("hold").describe("alert: fires as NoData, beside holding"),
});

export type AlertRule = z.infer<typeof alertRuleSchema>;

export interface AlertResult {
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly value: number;
}

export interface AlertEvaluation {
  /** Of the evaluation: event time where windows are judged; ms since 1970 UTC. */
  readonly atMs: number;
  /** What the condition holds for; null: there is no data. */
  readonly results: readonly AlertResult[] | null;
}

export interface Alert {
  readonly fingerprint: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  /** Of the latest result. */
  readonly value: number;
  readonly status: "pending" | "firing" | "resolved";
  /** First result in a row. */
  readonly activeAtMs: number;
  /** When it began to fire; null while pending. */
  readonly startsAtMs: number | null;
  /** First evaluation without a result, while it keeps firing. */
  readonly goneAtMs: number | null;
  /** When it was resolved. */
  readonly endsAtMs: number | null;
  readonly isNoData: boolean;
}

/** JSON-ready. */
export interface AlertState {
  readonly version: 1;
  /** Of the latest evaluation. */
  readonly atMs: number | null;
  /** By fingerprint, ascending. */
  readonly alerts: readonly Alert[];
}

/** An event: what became of an alert at one evaluation. */
export interface AlertTransition {
  /** The same whenever the same evaluations are made again. */
  readonly id: string;
  readonly rule: string;
  readonly from: "inactive" | "pending" | "firing";
  readonly to: "pending" | "firing" | "resolved" | "inactive";
  readonly atMs: number;
  /** After it; of one that became inactive as it was before. */
  readonly alert: Alert;
}

export const NO_ALERTS: AlertState = { version: 1, atMs: null, alerts: [] };

/**
 * @returns the state after the evaluation, and the transitions, by fingerprint
 * @throws alert.labels_twice, alert.too_many: the state stays as it was
 */
export function evaluateAlerts(
  rule: AlertRule,
  state: AlertState,
  { atMs, results }: AlertEvaluation,
): { readonly state: AlertState; readonly transitions: readonly AlertTransition[] } {
  if (state.atMs !== null && atMs <= state.atMs) return { state, transitions: [] };
  const found = resultsByFingerprint(rule, results);
  const before = new Map(state.alerts.map((alert) => [alert.fingerprint, alert]));
  const fingerprints = [...new Set([...before.keys(), ...found.keys()])].sort();
  const alerts: Alert[] = [];
  const transitions: AlertTransition[] = [];
  for (const fingerprint of fingerprints) {
    const old = before.get(fingerprint);
    const isHeld = results === null && old?.isNoData === false && old.status !== "resolved";
    const alert = isHeld ? old : step(rule, old, found.get(fingerprint), atMs);
    if (alert) alerts.push(alert);
    const transition = transitionOf(rule, old, alert, atMs);
    if (transition) transitions.push(transition);
  }
  return { state: { version: 1, atMs, alerts }, transitions };
}

type Result = Pick<Alert, "fingerprint" | "labels" | "annotations" | "value" | "isNoData">;

function resultsByFingerprint(rule: AlertRule, results: AlertEvaluation["results"]): Map<string, Result> {
  const { name, labels, annotations, noData } = rule;
  const found = new Map<string, Result>();
  const add = (own: AlertResult, alertname: string, isNoData: boolean): void => {
    const all = normalLabels({ ...own.labels, ...labels, alertname });
    const fingerprint = fingerprintOf(all);
    if (found.has(fingerprint))
      throw new MuaraError("alert.labels_twice", `Two results of rule ${name} have the same labels.`, {
        details: { rule: name, names: Object.keys(all) },
      });
    const told = { ...annotations, ...own.annotations };
    found.set(fingerprint, { fingerprint, labels: all, annotations: told, value: own.value, isNoData });
  };
  if (results !== null && results.length > ALERTS_MAX)
    throw new MuaraError("alert.too_many", `Rule ${name} has ${results.length} results.`, {
      details: { rule: name, limit: ALERTS_MAX },
    });
  for (const result of results ?? []) add(result, name, false);
  if (results === null && noData === "alert")
    add({ labels: { rule: name }, annotations: {}, value: 0 }, NO_DATA, true);
  return found;
}

/** @returns the alert after the evaluation; undefined where there is none any more */
function step(
  rule: AlertRule,
  old: Alert | undefined,
  result: Result | undefined,
  atMs: number,
): Alert | undefined {
  if (!result) return old && withoutResult(rule, old, atMs);
  const isNew = old === undefined || old.status === "resolved";
  const activeAtMs = isNew ? atMs : old.activeAtMs;
  const isFiring = (!isNew && old.status === "firing") || atMs - activeAtMs >= rule.forMs;
  return {
    ...result,
    status: isFiring ? "firing" : "pending",
    activeAtMs,
    startsAtMs: isFiring ? ((isNew ? null : old.startsAtMs) ?? atMs) : null,
    goneAtMs: null,
    endsAtMs: null,
  };
}

function withoutResult({ keepFiringForMs }: AlertRule, old: Alert, atMs: number): Alert | undefined {
  if (old.status === "pending") return undefined;
  if (old.status === "resolved") return atMs - old.endsAtMs! > RESOLVED_KEPT_MS ? undefined : old;
  const goneAtMs = old.goneAtMs ?? atMs;
  if (!old.isNoData && atMs - goneAtMs < keepFiringForMs) return { ...old, goneAtMs };
  return { ...old, status: "resolved", goneAtMs, endsAtMs: atMs };
}

function transitionOf(
  { name }: AlertRule,
  old: Alert | undefined,
  alert: Alert | undefined,
  atMs: number,
): AlertTransition | undefined {
  const from = old === undefined || old.status === "resolved" ? "inactive" : old.status;
  const to = alert?.status ?? "inactive";
  if (from === to || (from === "inactive" && to === "resolved")) return undefined;
  const told = (alert ?? old)!;
  const id = `${told.fingerprint}-${told.activeAtMs}-${to}`;
  return { id, rule: name, from, to, atMs, alert: told };
}
