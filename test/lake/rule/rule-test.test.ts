/** Where the test of a rule ends before its time: after as many changes as an answer may have. */
import { expect, test } from "vitest";
import { ManualClock } from "../../../core/clock.ts";
import { ruleRequestSchema } from "../../../core/rule.ts";
import { RULE_TEST_CHANGES_MAX, RULE_TEST_MS_MAX } from "../../../core/rule-test.ts";
import type { Catalog } from "../../../lake/catalog.ts";
import { type RuleTestResult, testRule } from "../../../lake/rule/rule-test.ts";

const MINUTE_MS = 60_000;
const BEGIN_MS = Date.UTC(2026, 5, 1);
const never = new AbortController().signal;

/** As many changes at each evaluation: alerts come at one and are gone at the next. */
function tried(changes: number, evaluations: number, eachMs = 0): Promise<RuleTestResult> {
  const clock = new ManualClock(0);
  let asked = 0;
  const query = {
    rows: async () => {
      clock.advance(eachMs);
      const count = asked % 2 === 0 ? changes : 0;
      asked++;
      return {
        columns: [
          { name: "label", type: "VARCHAR" },
          { name: "value", type: "INTEGER" },
        ],
        rows: Array.from({ length: count }, (_, i) => [`l${i}`, 1]),
        versions: {},
        completeThroughMs: null,
        isTruncated: false,
      };
    },
  };
  return testRule(
    { catalog: {} as Catalog, query, clock },
    {
      rule: ruleRequestSchema.parse({ name: "Many", sql: { query: "SELECT 1" } }),
      fromMs: BEGIN_MS,
      toMs: BEGIN_MS + (evaluations - 1) * MINUTE_MS,
      stepMs: MINUTE_MS,
      principal: { id: "test", grants: [] },
      timeoutMs: 1,
      seriesMax: 1,
    },
    never,
  );
}

const ends = ({ transitions, evaluations, untilMs, isTruncated }: RuleTestResult): unknown[] => [
  transitions.length,
  evaluations,
  (untilMs! - BEGIN_MS) / MINUTE_MS,
  isTruncated,
];

test(`${RULE_TEST_CHANGES_MAX} changes are an answer; what is left then is said to be left`, async () => {
  const each = RULE_TEST_CHANGES_MAX / 10;
  expect(ends(await tried(each, 9))).toEqual([9 * each, 9, 8, false]);
  expect(ends(await tried(each, 10))).toEqual([RULE_TEST_CHANGES_MAX, 10, 9, false]);
  expect(ends(await tried(each, 11))).toEqual([RULE_TEST_CHANGES_MAX, 10, 9, true]);
  // One less, and it goes on.
  const odd = (RULE_TEST_CHANGES_MAX - 1) / 9;
  expect(ends(await tried(odd, 10))).toEqual([RULE_TEST_CHANGES_MAX - 1 + odd, 10, 9, false]);
});

test("a minute is enough", async () => {
  expect(ends(await tried(1, 10, RULE_TEST_MS_MAX / 5 - 1))).toEqual([6, 6, 5, true]);
  expect(ends(await tried(1, 10, RULE_TEST_MS_MAX / 5))).toEqual([5, 5, 4, true]);
  expect(ends(await tried(1, 5, RULE_TEST_MS_MAX / 5))).toEqual([5, 5, 4, false]);
});
