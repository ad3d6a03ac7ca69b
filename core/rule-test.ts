/** A rule tried on the past: what is asked for, and how much of it. Nothing is declared, kept or sent. */
import { z } from "zod";
import { ruleRequestSchema } from "./rule.ts";

const SECOND_MS = 1_000;
const DAY_MS = 86_400_000;
export const RULE_TEST_SPAN_MS_MAX = 400 * DAY_MS;
/** Of a rule in SQL; each is a query. */
export const RULE_TEST_EVALUATIONS_MAX = 1_000;
/** An answer that takes longer is what was found by then, ms. */
export const RULE_TEST_MS_MAX = 60_000;
/** Changes of alerts in one answer. */
export const RULE_TEST_CHANGES_MAX = 10_000;

const time = z.iso.datetime({ offset: true });

export const ruleTestRequestSchema = z.strictObject({
  rule: ruleRequestSchema,
  since: time.describe("the rule begins here, with no alerts"),
  until: time.optional().describe("default: now"),
  step_ms: z
    .int()
    .min(SECOND_MS)
    .max(DAY_MS)
    .default(60 * SECOND_MS)
    .describe("of a rule in SQL: it is evaluated at each multiple of this"),
});
