/**
 * How the deadlines of all cases stand at one watermark: counts by state, by age and by when they are due, and the
 * cases themselves. The same rows count, and states are called the same, as where one case is told (case-text.ts).
 */
import type { ProcessDeclaration } from "../../core/process.ts";
import { durationMs, type Completion, type Deadline } from "../../core/process-parts.ts";
import { quoteText } from "../query/quote.ts";
import type { CaseBounds } from "./case-steps.ts";
import { COMPLETION_COLUMNS, completionStates, DEADLINE_COLUMNS, deadlineStates } from "./case-text.ts";

/** In the words of deadlines: a completion is `complete` instead of met, `exceeded` instead of breached. */
export const OUTCOMES = ["open", "met", "breached", "resolved_late"] as const;
export type Outcome = (typeof OUTCOMES)[number];

export interface OutcomeRule {
  readonly rule: string;
  readonly kind: "deadline" | "completion";
  readonly withinMs: number;
  readonly given: Deadline | Completion;
}

export interface OutcomeAsked extends CaseBounds {
  readonly of: OutcomeRule;
  /** Lowest watermark of the process's tables, ms since 1970 UTC; null: none, and all are open. */
  readonly asOfMs: number | null;
}

/** In the order of the declaration. */
export function outcomeRules({ deadlines, completions }: ProcessDeclaration): readonly OutcomeRule[] {
  const made =
    (kind: OutcomeRule["kind"]) =>
    ([rule, given]: [string, Deadline | Completion]): OutcomeRule => ({
      rule,
      kind,
      withinMs: durationMs(given.within)!,
      given,
    });
  return [
    ...Object.entries(deadlines).map(made("deadline")),
    ...Object.entries(completions).map(made("completion")),
  ];
}

/** Ages of what is open: so many equal parts of the deadline, and one for what is older. */
export const AGE_PARTS = 8;
/** When it is due: so many equal parts of the deadline before the watermark, and as many behind it. */
export const DUE_PARTS = 24;

/**
 * Columns of `outcomeCounts`. `age`: 0 to AGE_PARTS, of what is open; `due`: −DUE_PARTS to DUE_PARTS − 1, both NULL
 * where it is none of these.
 */
export const COUNT_COLUMNS = ["state", "age", "due", "count"] as const;

export function outcomeCounts(process: ProcessDeclaration, asked: OutcomeAsked): string {
  const { asOfMs, of } = asked;
  const ageMs = of.withinMs / AGE_PARTS;
  const dueMs = of.withinMs / DUE_PARTS;
  const age = `greatest(0, least(${AGE_PARTS}, (${asOfMs ?? 0} - epoch_ms(started_at)) // ${ageMs}))`;
  const due = `CAST(floor((epoch_ms(due_at) - ${asOfMs ?? 0}) / ${dueMs}) AS BIGINT)`;
  return `${states(process, asked)},
placed AS (
  SELECT state, CASE WHEN state = 'open' AND ${asOfMs !== null} THEN ${age} END AS age, ${due} AS due FROM states
)
SELECT state, CAST(age AS BIGINT), CASE WHEN ${asOfMs !== null} AND due BETWEEN -${DUE_PARTS} AND ${DUE_PARTS - 1}
  THEN due END, count(*) FROM placed GROUP BY ALL`;
}

/** Columns of `outcomeCases`. `got` and `needed` of completions, else NULL. */
export const OUTCOME_COLUMNS = [
  "case_id",
  "event_id",
  "state",
  "started_at",
  "due_at",
  "at",
  "resolved_at",
  "got",
  "needed",
] as const;

/** What is due first comes first. */
export function outcomeCases(
  process: ProcessDeclaration,
  asked: OutcomeAsked,
  wanted: readonly Outcome[],
): string {
  const parts = asked.of.kind === "completion" ? "got, needed" : "NULL, NULL";
  return `${states(process, asked)}
SELECT case_id, event_id, state, started_at, due_at, "at", resolved_at, ${parts} FROM states
WHERE state IN (${wanted.map(quoteText).join(", ")}) ORDER BY due_at, case_id, event_id`;
}

function states(process: ProcessDeclaration, { of, asOfMs, since, until }: OutcomeAsked): string {
  const isCompletion = of.kind === "completion";
  const columns = isCompletion ? COMPLETION_COLUMNS : DEADLINE_COLUMNS;
  const rows = isCompletion
    ? completionStates(process, of.given as Completion, null)
    : deadlineStates(process, of.given as Deadline, null);
  const isOpen = asOfMs === null ? "true" : `final_ms > ${asOfMs}`;
  const bounds = [
    // Of an event that landed when its deadline was over already, the rule has no result.
    "counted",
    ...(since === undefined ? [] : [`started_at >= TIMESTAMPTZ ${quoteText(since)}`]),
    ...(until === undefined ? [] : [`started_at < TIMESTAMPTZ ${quoteText(until)}`]),
  ];
  return `WITH states AS (
  SELECT *, CASE WHEN "at" IS NOT NULL THEN 'met' WHEN ${isOpen} THEN 'open'
    WHEN resolved_at IS NULL THEN 'breached' ELSE 'resolved_late' END AS state
  FROM (${rows}) AS told(${columns.map((name) => `"${name}"`).join(", ")})
  WHERE ${bounds.join(" AND ")}
)`;
}
