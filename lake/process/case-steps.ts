/**
 * The steps of all cases of a process as SQL: what map, variants and search are made of. A case is taken or left as a
 * whole, by the time of its first event.
 */
import type { ProcessDeclaration } from "../../core/process.ts";
import { quoteText } from "../query/quote.ts";
import { activitySelect } from "./activity-text.ts";

export interface CaseBounds {
  /** Of a case's first event; ISO 8601. */
  readonly since?: string | undefined;
  /** Exclusive. */
  readonly until?: string | undefined;
}

/** Behind WITH: `steps`, all; `chosen`, of the cases within the bounds: `step`, `case_id`, `event_time`, `event_id`. */
export function caseSteps({ activities }: ProcessDeclaration, { since, until }: CaseBounds): string {
  const steps = Object.values(activities).map(
    (activity, step) =>
      `SELECT ${step} AS step, case_id, event_time, event_id, watermark FROM (${activitySelect(activity, [])})`,
  );
  const bounds = [
    ...(since === undefined ? [] : [`begun_at >= TIMESTAMPTZ ${quoteText(since)}`]),
    ...(until === undefined ? [] : [`begun_at < TIMESTAMPTZ ${quoteText(until)}`]),
  ];
  return `steps AS (
  ${steps.join("\n  UNION ALL ")}
),
begun AS (SELECT *, min(event_time) OVER (PARTITION BY case_id) AS begun_at FROM steps),
chosen AS (SELECT * FROM begun${bounds.length > 0 ? ` WHERE ${bounds.join(" AND ")}` : ""})`;
}

/** In which events of a case follow each other; those of one time in the order of the declaration. */
export const STEP_ORDER = "event_time, step, event_id";
