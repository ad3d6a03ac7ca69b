/** How many cases of a process have come to which activity, and how long it took from one to the next. */
import type { ProcessDeclaration } from "../../core/process.ts";
import { quoteText } from "../query/quote.ts";
import { activitySelect } from "./activity-text.ts";

/** Columns of `funnel`. Times in ms. `step`: index of the activity, in the order of the declaration. */
export const FUNNEL_COLUMNS = ["step", "cases", "events", "after_previous", "median_ms", "p90_ms"] as const;

/**
 * @param since of cases that have begun, by the first event of any activity; ISO 8601
 * @param until exclusive
 */
export function funnel(
  { activities }: ProcessDeclaration,
  since: string | undefined,
  until: string | undefined,
): string {
  const steps = Object.values(activities).map(
    (activity, step) => `SELECT ${step} AS step, case_id, event_time FROM (${activitySelect(activity, [])})`,
  );
  const bounds = [
    ...(since === undefined ? [] : [`begun_at >= TIMESTAMPTZ ${quoteText(since)}`]),
    ...(until === undefined ? [] : [`begun_at < TIMESTAMPTZ ${quoteText(until)}`]),
  ];
  return `WITH steps AS (
  ${steps.join("\n  UNION ALL ")}
),
firsts AS (
  SELECT case_id, step, min(event_time) AS first_at, count(*) AS events,
    min(min(event_time)) OVER (PARTITION BY case_id) AS begun_at
  FROM steps GROUP BY case_id, step
),
chosen AS (SELECT * FROM firsts${bounds.length > 0 ? ` WHERE ${bounds.join(" AND ")}` : ""}),
paired AS (
  SELECT own.step, own.events, epoch_ms(own.first_at) - epoch_ms(before.first_at) AS took_ms
  FROM chosen AS own LEFT JOIN chosen AS before
    ON before.case_id = own.case_id AND before.step = own.step - 1 AND before.first_at <= own.first_at
)
SELECT step, count(*) AS cases, CAST(sum(events) AS BIGINT) AS events, count(took_ms) AS after_previous,
  CAST(round(quantile_cont(took_ms, 0.5)) AS BIGINT) AS median_ms,
  CAST(round(quantile_cont(took_ms, 0.9)) AS BIGINT) AS p90_ms
FROM paired GROUP BY step ORDER BY step`;
}
