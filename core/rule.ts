/**
 * A rule: what alerts are made of. `sql` is a SELECT over the lake, whose rows are what the condition holds for; `drop`
 * looks for drops in counts by window. Declared at run time (`/v1/rules`); it runs with the rights of its owner as they
 * are at each evaluation.
 */
import { z } from "zod";
import { alertRuleSchema, type AlertRule, type AlertState, type AlertTransition } from "./alert.ts";
import { annotationsSchema, labelName, labelsSchema, type Labels } from "./alert-labels.ts";
import type { Outbox } from "./alert-outbox.ts";
import type { Principal } from "./authorize.ts";
import { dropOptionsSchema, type DropOptions } from "./drop-options.ts";
import { RECEIVER_NAME } from "./alert-receiver.ts";

const DAY_MS = 86_400_000;
/** Stands in the query for the time of the evaluation. */
export const NOW_PARAMETER = "$now";
export const VALUE_COLUMN = "value";

export const ruleName = z
  .string()
  .regex(/^[A-Za-z_][\w-]{0,63}$/, "letters, digits, _ and -, up to 64, a letter or _ first");

const columnName = z.string().min(1).max(255);

const sqlRuleSchema = z.strictObject({
  query: z
    .string()
    .min(1)
    .max(65_536)
    .describe("one SELECT; each row is an alert. $now is the time of the evaluation"),
  every: z
    .enum(["commit", "minute"])
    .default("commit")
    .describe(
      "commit: after each commit of a table that it reads, and each minute; minute: each full minute",
    ),
  value: columnName.default(VALUE_COLUMN).describe("column of the alert's value; 1 where there is none"),
  labels: z
    .array(columnName.and(labelName))
    .max(60)
    .optional()
    .describe("columns that tell alerts apart; default: all but the value"),
});

/** Names of `DropOptions` as requests have them. */
const DROP_OPTIONS = {
  window_ms: "windowMs",
  time_zone: "timeZone",
  holidays: "holidays",
  weeks: "weeks",
  z: "z",
  min_drop: "minDrop",
  min_expected: "minExpected",
  hits: "hits",
  of: "of",
  level_ms: "levelMs",
  level_min: "levelMin",
  level_max: "levelMax",
  reach_ms: "reachMs",
} as const satisfies Record<string, keyof DropOptions>;

const { shape } = dropOptionsSchema;
const dropRuleSchema = z
  .strictObject({
    table: z.string().min(1).max(255),
    time: columnName.default("event_time").describe("column of the time; of a job's results window_start"),
    value: columnName
      .optional()
      .describe("column of whole numbers that is summed up; default: rows are counted"),
    labels: z
      .array(columnName.and(labelName))
      .max(10)
      .default([])
      .describe("columns; each set of values is a series"),
    filter: z.string().min(1).max(4_096).optional().describe("SQL condition on the rows that count"),
    window_ms: shape.windowMs,
    time_zone: shape.timeZone,
    holidays: shape.holidays,
    weeks: shape.weeks,
    z: shape.z,
    min_drop: shape.minDrop,
    min_expected: shape.minExpected,
    hits: shape.hits,
    of: shape.of,
    level_ms: shape.levelMs,
    level_min: shape.levelMin,
    level_max: shape.levelMax,
    reach_ms: shape.reachMs,
  })
  .refine(({ hits, of }) => hits <= of, { path: ["hits"], message: "at most `of`" });

export const ruleRequestSchema = z
  .strictObject({
    name: ruleName,
    sql: sqlRuleSchema.optional(),
    drop: dropRuleSchema.optional(),
    labels: labelsSchema.default({}).describe("of every alert, such as severity; they win over columns"),
    annotations: annotationsSchema
      .default({})
      .describe("texts for who is told; {{ column }} stands for the row's value"),
    for_ms: alertRuleSchema.shape.forMs,
    keep_firing_for_ms: alertRuleSchema.shape.keepFiringForMs,
    no_data: alertRuleSchema.shape.noData,
    no_data_ms: z
      .int()
      .min(1_000)
      .max(30 * DAY_MS)
      .optional()
      .describe(
        "without data: the watermark is behind by so much; default: of drop 15 minutes, of sql never",
      ),
    receivers: z
      .array(z.string().regex(RECEIVER_NAME))
      .max(20)
      .default([])
      .describe("names in alerts.receivers of the configuration; none: alerts are only shown"),
    description: z.string().max(1_000).default(""),
  })
  .refine(({ sql, drop }) => (sql === undefined) !== (drop === undefined), "one of sql and drop")
  .refine(({ labels }) => !("alertname" in labels), {
    path: ["labels"],
    message: "alertname is the rule's name",
  })
  .refine(({ receivers }) => new Set(receivers).size === receivers.length, {
    path: ["receivers"],
    message: "a receiver twice",
  });

export type RuleRequest = z.infer<typeof ruleRequestSchema>;
export type SqlRule = z.infer<typeof sqlRuleSchema>;
export type DropRule = z.infer<typeof dropRuleSchema>;

/** What the registry keeps under its name. */
export interface Rule extends RuleRequest {
  /** Of the rule, over changes of its declaration; alerts are kept under it. */
  readonly id: string;
  readonly isPaused: boolean;
  /** Its rights are found anew at each evaluation: those of its token, or of these roles. */
  readonly owner: Pick<Principal, "id" | "roles" | "scopes">;
  readonly createdMs: number;
  readonly changedMs: number;
}

const NO_DATA_MS = 900_000;

/** null: never. */
export function noDataAfterMs({ drop, no_data_ms: ms }: RuleRequest): number | null {
  return ms ?? (drop ? NO_DATA_MS : null);
}

export function dropOptions(rule: DropRule): DropOptions {
  const entries = Object.entries(DROP_OPTIONS) as [keyof typeof DROP_OPTIONS, keyof DropOptions][];
  return dropOptionsSchema.parse(Object.fromEntries(entries.map(([name, own]) => [own, rule[name]])));
}

/** What its states follow from. No data is an alert of another name: `noDataRule`. */
export function alertRule(rule: RuleRequest): AlertRule {
  const { name, labels, for_ms: forMs, keep_firing_for_ms: keepFiringForMs } = rule;
  return { name, labels, annotations: {}, forMs, keepFiringForMs, noData: "hold" };
}

/** Of the alert that says that nothing can be said. */
export function noDataRule({ name, labels }: RuleRequest): AlertRule {
  const own: Labels = { ...labels, rule: name };
  return { name: "NoData", labels: own, annotations: {}, forMs: 0, keepFiringForMs: 0, noData: "hold" };
}

/** What became of an alert, waiting to be an event. */
export interface PendingEvent {
  readonly transition: AlertTransition;
  /** What the evaluation read. */
  readonly versions: Readonly<Record<string, number>>;
}

/** What is kept of a rule between evaluations, over restarts: JSON under `_alerts/` in the lake's store. */
export interface RuleState {
  readonly version: 1;
  /** Of the rule. */
  readonly id: string;
  readonly alerts: AlertState;
  readonly noData: AlertState;
  /** By receiver. */
  readonly outboxes: Readonly<Record<string, Outbox>>;
  /** What is not in the log yet. */
  readonly events: readonly PendingEvent[];
  /** Of the latest evaluation, by the clock, ms since 1970 UTC. */
  readonly evaluatedMs: number | null;
  /** Of the tables that it read. */
  readonly versions: Readonly<Record<string, number>>;
  /** Lowest watermark of these tables. */
  readonly completeThroughMs: number | null;
  readonly isNoData: boolean;
  /** Why it cannot be evaluated, or a receiver takes nothing. */
  readonly problem: string | null;
  /** Of a drop rule. */
  readonly series: { readonly total: number; readonly warming: number } | null;
  /** When it was written. */
  readonly atMs: number;
  /** The process that has written it; absent in older ones. */
  readonly by?: string;
}

export const ALERT_FOLDER = "_alerts";

export function ruleStatePath(id: string): string {
  return `${ALERT_FOLDER}/${id}.json`;
}

export type RuleCondition =
  | "starting"
  | "failing"
  | "no_data"
  | "firing"
  | "pending"
  | "warming"
  | "inactive";

/** In one word; the worst that holds. */
export function conditionOf(state: RuleState | undefined): RuleCondition {
  if (!state || (state.evaluatedMs === null && state.problem === null)) return "starting";
  if (state.problem !== null) return "failing";
  if (state.isNoData) return "no_data";
  const statuses = new Set(state.alerts.alerts.map(({ status }) => status));
  if (statuses.has("firing")) return "firing";
  if (statuses.has("pending")) return "pending";
  const { series } = state;
  return series && series.warming === series.total ? "warming" : "inactive";
}
