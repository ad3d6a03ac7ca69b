/** What the OpenAPI document says of rules, alerts and silences. */
import { z } from "zod";
import { ruleRequestSchema } from "../core/rule.ts";
import { ruleTestRequestSchema } from "../core/rule-test.ts";
import {
  type Json,
  declares,
  drop,
  list,
  listOf,
  object,
  path,
  query,
  read,
  reference,
  send,
  text,
  textOrNull,
  time,
  whole,
  wholeOrNull,
} from "./openapi-parts.ts";
import { silenceRequestSchema } from "./routes/alerts.ts";

const texts: Json = { type: "object", additionalProperties: text };

const rule = object({
  name: text,
  sql: { type: "object" },
  drop: { type: "object" },
  labels: texts,
  annotations: texts,
  receivers: list(text),
  description: text,
  by: text,
  created_at: time,
  changed_at: time,
  state: {
    enum: ["paused", "starting", "failing", "no_data", "firing", "pending", "warming", "inactive"],
    description: "The worst that holds. warming: no series has enough weeks behind it.",
  },
  problem: textOrNull,
  firing: whole,
  pending: whole,
  series: wholeOrNull,
  warming_series: wholeOrNull,
  versions: {
    type: "object",
    additionalProperties: whole,
    description: "Of the tables at the latest evaluation.",
  },
  complete_through: { ...time, description: "Lowest watermark of these tables." },
  evaluated_at: { ...time, description: "As it was written last; a rule without alerts is written seldom." },
  runs_on: { ...textOrNull, description: "Name of the process that evaluates it, or did so last." },
});

const alert = object({
  rule: text,
  state: { enum: ["pending", "firing", "resolved"] },
  fingerprint: { ...text, description: "As Prometheus and Alertmanager compute it." },
  labels: texts,
  annotations: texts,
  value: { type: "number" },
  active_at: time,
  starts_at: time,
  ends_at: time,
  silenced_by: list(text),
  receivers: list(text),
});

const ruleTest = object({
  rule: text,
  since: time,
  until: time,
  step_ms: wholeOrNull,
  evaluations: whole,
  unanswered: {
    ...whole,
    description: "Times of which a table's version is not kept, or at which it did not exist.",
  },
  evaluated_until: time,
  is_truncated: {
    type: "boolean",
    description: "Whether the answer ends before `until`: ask on from there.",
  },
  series: wholeOrNull,
  warming_series: wholeOrNull,
  changes: {
    ...list(
      object({
        at: time,
        from: { enum: ["inactive", "pending", "firing"] },
        to: { enum: ["pending", "firing", "resolved", "inactive"] },
        value: { type: "number" },
        labels: texts,
        annotations: texts,
        fingerprint: text,
      }),
    ),
    description: "What would have been events of `muara.alert`, in order.",
  },
  alerts: { ...list(reference("Alert")), description: "At the end." },
});

const silence = object({
  id: text,
  matchers: text,
  state: { enum: ["active", "expired"] },
  starts_at: time,
  ends_at: time,
  by: text,
  comment: text,
});

const chart = object({
  rule: text,
  kind: { enum: ["drop", "sql"] },
  window_ms: { ...wholeOrNull, description: "Of a drop; its points are windows, by their start." },
  complete_through: time,
  points: list(
    object({
      at: time,
      value: { type: ["number", "null"], description: "null: the query has no row with these labels." },
      expected: { type: ["number", "null"] },
      low: { type: ["number", "null"], description: "A count below it is too low." },
      is_dropping: { type: "boolean" },
    }),
  ),
});

export const ALERT_SCHEMAS: Json = {
  RuleChart: chart,
  RuleRequest: z.toJSONSchema(ruleRequestSchema, { io: "input" }),
  Rule: rule,
  RuleTestRequest: z.toJSONSchema(ruleTestRequestSchema, { io: "input" }),
  RuleTest: ruleTest,
  Alert: alert,
  SilenceRequest: z.toJSONSchema(silenceRequestSchema, { io: "input" }),
  Silence: silence,
};

const one = [path("name")];

export const ALERT_PATHS: Json = {
  "/v1/rules": {
    get: read("listRules", "Rules of the token, or all for who may read them", listOf("Rule")),
    post: declares("deployRule", "Declare a rule, or change it: its alerts go on", "RuleRequest", "Rule"),
  },
  "/v1/rules/test": {
    post: send(
      "testRule",
      "What a rule would have said in a span of the past; nothing is declared, kept or sent",
      "RuleTestRequest",
      ["200", "It can be declared, and this is what it would have said.", "RuleTest"],
    ),
  },
  "/v1/rules/{name}": {
    get: read("showRule", "How a rule is", reference("Rule"), one),
    delete: drop("removeRule", "End a rule; who was told that it fires is told that it is over", one),
  },
  "/v1/rules/{name}/chart": {
    get: read("showRuleChart", "What a rule saw around a moment, asked anew", reference("RuleChart"), [
      path("name"),
      query("labels", { ...text, description: 'JSON: {"country":"DE"}; of one series.' }),
      query("until", { type: "string", format: "date-time" }),
      query("points", {
        ...whole,
        minimum: 1,
        maximum: 1_000,
        description: "Windows; of SQL evaluations, at most 24.",
      }),
      query("span_ms", {
        ...whole,
        minimum: 1,
        description: "Of SQL: from the first evaluation to the last.",
      }),
    ]),
  },
  "/v1/rules/{name}/pause": {
    post: read("pauseRule", "Rest until it is resumed", reference("Rule"), one),
  },
  "/v1/rules/{name}/resume": { post: read("resumeRule", "Go on", reference("Rule"), one) },
  "/v1/alerts": {
    get: read("listAlerts", "What is pending, fires, or was resolved lately", listOf("Alert"), [
      query("state", { enum: ["pending", "firing", "resolved"] }),
    ]),
  },
  "/v1/silences": {
    get: read("listSilences", "Silences", listOf("Silence")),
    post: send("addSilence", "For some time nobody is told", "SilenceRequest", [
      "201",
      "Declared.",
      "Silence",
    ]),
  },
  "/v1/silences/{id}": {
    delete: drop("expireSilence", "End a silence", [path("id")]),
  },
};
