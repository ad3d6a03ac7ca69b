/** POST /v1/rules/test: what a rule would have said in a span of the past, with the asker's rights. */
import type { AlertTransition } from "../core/alert.ts";
import { MuaraError } from "../core/errors.ts";
import type { RuleRequest } from "../core/rule.ts";
import {
  RULE_TEST_EVALUATIONS_MAX,
  RULE_TEST_SPAN_MS_MAX,
  ruleTestRequestSchema,
} from "../core/rule-test.ts";
import { testRule } from "../lake/rule/rule-test.ts";
import { type ApiContext, type ApiPorts, demand, isoOrNull } from "./context.ts";
import { readBody } from "./read-body.ts";
import { shownAlert } from "./routes/alerts.ts";
import { ALERTS } from "./rule-states.ts";

const DAY_MS = 86_400_000;

/**
 * @param check whether the rule could be declared
 * @throws request.malformed, auth.forbidden, what `check` and a query throw
 */
export async function ruleTestAnswer(
  ports: ApiPorts,
  context: ApiContext,
  check: (rule: RuleRequest, signal: AbortSignal) => Promise<void>,
): Promise<Record<string, unknown>> {
  demand(context, "write", ALERTS);
  const { rule, since, until, step_ms: stepMs } = await readBody(context, ruleTestRequestSchema);
  const nowMs = ports.clock.nowMs();
  const fromMs = Date.parse(since);
  const toMs = until === undefined ? nowMs : Math.min(nowMs, Date.parse(until));
  checkSpan(fromMs, toMs, rule.sql ? stepMs : undefined);
  const { signal } = context.req.raw;
  await check(rule, signal);
  const { timeoutMs = 0, series: seriesMax = 0 } = ports.alerts ?? {};
  const principal = context.get("principal");
  const test = { rule, fromMs, toMs, stepMs, principal, timeoutMs, seriesMax };
  const found = await testRule(ports, test, signal);
  return {
    rule: rule.name,
    since: isoOrNull(fromMs),
    until: isoOrNull(toMs),
    step_ms: rule.sql ? stepMs : null,
    evaluations: found.evaluations,
    unanswered: found.unanswered,
    evaluated_until: isoOrNull(found.untilMs),
    is_truncated: found.isTruncated,
    series: found.series?.total ?? null,
    warming_series: found.series?.warming ?? null,
    changes: found.transitions.map(shownChange),
    alerts: found.alerts.map((alert) => shownAlert(rule, alert, [])),
  };
}

function shownChange({ atMs, from, to, alert }: AlertTransition): Record<string, unknown> {
  const { fingerprint, labels, annotations, value } = alert;
  return { at: isoOrNull(atMs), from, to, value, labels, annotations, fingerprint };
}

/** @throws request.malformed */
function checkSpan(fromMs: number, toMs: number, stepMs: number | undefined): void {
  const spanMs = toMs - fromMs;
  if (spanMs <= 0) refuse("/since", "since is before until, and before now.");
  if (spanMs > RULE_TEST_SPAN_MS_MAX)
    refuse("/since", `A test spans at most ${RULE_TEST_SPAN_MS_MAX / DAY_MS} days.`);
  if (stepMs === undefined) return;
  const evaluations = Math.floor(toMs / stepMs) - Math.ceil(fromMs / stepMs) + 1;
  if (evaluations <= RULE_TEST_EVALUATIONS_MAX) return;
  const leastMs = Math.ceil(spanMs / (RULE_TEST_EVALUATIONS_MAX - 1) / 1_000) * 1_000;
  const most = `at most ${RULE_TEST_EVALUATIONS_MAX}`;
  refuse(
    "/step_ms",
    `These are ${evaluations} evaluations, ${most}: step_ms from ${leastMs} on, or a shorter span.`,
  );
}

function refuse(pointer: string, message: string): never {
  throw new MuaraError("request.malformed", message, { details: { pointer } });
}
