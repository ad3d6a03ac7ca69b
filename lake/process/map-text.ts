/**
 * A process as it is, not as it is declared: from which activity cases went to which, how often, how long it took (a
 * directly-follows graph, van der Aalst, "Process Mining", 2016, §5), and the ways that cases took through it.
 */
import type { ProcessDeclaration } from "../../core/process.ts";
import { caseSteps, STEP_ORDER, type CaseBounds } from "./case-steps.ts";

/** Columns of `processMap`. `step`, `next`: index of the activity; `step` NULL: begins there; `next` NULL: ends. */
export const MAP_COLUMNS = ["step", "next", "times", "cases", "median_ms", "p95_ms"] as const;

export function processMap(process: ProcessDeclaration, bounds: CaseBounds): string {
  return `WITH ${caseSteps(process, bounds)},
pairs AS (
  SELECT case_id, step, event_time, lead(step) OVER way AS next, lead(event_time) OVER way AS next_time,
    lag(step) OVER way AS before
  FROM chosen WINDOW way AS (PARTITION BY case_id ORDER BY ${STEP_ORDER})
),
edges AS (
  SELECT case_id, step, next, epoch_ms(next_time) - epoch_ms(event_time) AS took_ms FROM pairs
  UNION ALL SELECT case_id, NULL, step, NULL FROM pairs WHERE before IS NULL
)
SELECT step, next, count(*) AS times, count(DISTINCT case_id) AS cases,
  CAST(round(quantile_cont(took_ms, 0.5)) AS BIGINT) AS median_ms,
  CAST(round(quantile_cont(took_ms, 0.95)) AS BIGINT) AS p95_ms
FROM edges GROUP BY step, next ORDER BY step NULLS FIRST, next NULLS LAST`;
}

/** Columns of `processVariants`. `path`: JSON list of indexes of activities. `variants`, `all_cases`: of the whole. */
export const VARIANT_COLUMNS = ["path", "cases", "median_ms", "example", "variants", "all_cases"] as const;
/** Of a way; a longer one is told apart by its first. */
export const VARIANT_STEPS_MAX = 50;

/** The most common first. */
export function processVariants(process: ProcessDeclaration, bounds: CaseBounds): string {
  return `WITH ${caseSteps(process, bounds)},
ways AS (
  SELECT case_id, CAST(to_json(array_agg(step ORDER BY ${STEP_ORDER})[1:${VARIANT_STEPS_MAX}]) AS VARCHAR) AS path,
    epoch_ms(max(event_time)) - epoch_ms(min(event_time)) AS took_ms
  FROM chosen GROUP BY case_id
),
counted AS (
  SELECT path, count(*) AS cases, CAST(round(quantile_cont(took_ms, 0.5)) AS BIGINT) AS median_ms,
    min(case_id) AS example
  FROM ways GROUP BY path
)
SELECT path, cases, median_ms, example, count(*) OVER () AS variants,
  CAST(sum(cases) OVER () AS BIGINT) AS all_cases
FROM counted ORDER BY cases DESC, path`;
}
