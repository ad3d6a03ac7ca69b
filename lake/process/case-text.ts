/**
 * One case of a process, told from the lake: its events as they are in the tables, and how its deadlines stand. The
 * same rows count as in the rules' jobs: those that landed before the deadline and the lateness had passed.
 */
import type { ProcessDeclaration } from "../../core/process.ts";
import { durationMs, type Completion, type Deadline } from "../../core/process-parts.ts";
import { quoteName, quoteText } from "../query/quote.ts";
import { activitySelect, casesOf, fieldText, isOfCase } from "./activity-text.ts";
import { completionFields, interval, isExpected, neededOf, others } from "./rule-text.ts";

/** Columns of `caseEvents`. */
export const CASE_EVENT_COLUMNS = [
  "activity",
  "event_type",
  "event_id",
  "event_time",
  "ingest_time",
  "watermark",
  "late",
  "partition",
  "offset",
  "cases",
  "fields",
] as const;

/** The events of a case by time. `cases` and `fields` are JSON. */
export function caseEvents(process: ProcessDeclaration, caseId: string): string {
  const parts = Object.entries(process.activities).map(([name, activity]) => {
    const fields = Object.entries(activity.fields).map(
      ([key, field]) => `${quoteText(key)}, ${fieldText(field)}`,
    );
    return `SELECT ${quoteText(name)} AS activity, ${quoteText(activity.from)} AS event_type, event_id, event_time,
      ingest_time, watermark, coalesce(event_time < watermark, false) AS late, log_partition, log_offset,
      CAST(to_json(${casesOf(activity)}) AS VARCHAR) AS cases,
      CAST(json_object(${fields.join(", ")}) AS VARCHAR) AS fields
    FROM ${quoteName(activity.from)} WHERE ${isOfCase(activity, caseId)}`;
  });
  return `${parts.join("\nUNION ALL\n")}\nORDER BY event_time, event_type, log_partition, log_offset, activity`;
}

/** What came again of events that landed. The ledger has no event time, and no payload, of it. */
export function caseDuplicates(eventTypes: readonly string[], eventIds: readonly string[]): string {
  return `SELECT event_type, event_id, ingest_time, log_partition, log_offset, verdict
    FROM duplicates WHERE event_type IN (${eventTypes.map(quoteText).join(", ")})
      AND event_id IN (${eventIds.map(quoteText).join(", ")})
    ORDER BY ingest_time, event_type, log_partition, log_offset`;
}

/** Columns of both. `final_ms`: from this watermark on the outcome stands, ms since 1970 UTC. */
const STATE_COLUMNS = [
  "event_id",
  "started_at",
  "due_at",
  "final_ms",
  "counted",
  "at",
  "resolved_at",
] as const;
/** Columns of `deadlineStates`. */
export const DEADLINE_COLUMNS = [...STATE_COLUMNS, "case_id"] as const;

/** @param caseId null: of all cases */
export function deadlineStates(process: ProcessDeclaration, rule: Deadline, caseId: string | null): string {
  const { from, to, within } = rule;
  const { due, final, late } = boundsOf(process, within);
  return `${caseStages(
    process,
    new Map([
      [from, []],
      [to, []],
    ]),
    caseId,
  )}
SELECT a.event_id, a.event_time, ${due}, epoch_ms(${final}), coalesce(a.watermark < ${final}, true),
  min(b.event_time) FILTER (WHERE NOT (${late})), min(b.event_time) FILTER (WHERE ${late}), a.case_id
FROM ${quoteName(from)} AS a LEFT JOIN ${quoteName(to)} AS b
  ON a.case_id = b.case_id AND b.event_time >= a.event_time${others(process, from, to)}
${ofCase(caseId)}GROUP BY a.case_id, a.event_id, a.event_time, a.watermark ORDER BY a.event_time, a.event_id`;
}

/** Columns of `completionStates`. */
export const COMPLETION_COLUMNS = [...STATE_COLUMNS, "got", "got_late", "needed", "case_id"] as const;

/** @param caseId null: of all cases */
export function completionStates(
  process: ProcessDeclaration,
  rule: Completion,
  caseId: string | null,
): string {
  const { anchor, parts, part, within } = rule;
  const { due, final, late } = boundsOf(process, within);
  const { field, sql } = neededOf(rule);
  const kept = field === null ? "" : `, a.${quoteName(field)}`;
  const [inTime, ever] = ["part IS NOT NULL AND first_at IS NOT NULL", "part IS NOT NULL"];
  return `${caseStages(process, completionFields(rule), caseId)},
  firsts AS (
    SELECT a.case_id, a.event_id, a.event_time AS started_at, ${due} AS due_at, epoch_ms(${final}) AS final_ms,
      coalesce(a.watermark < ${final}, true) AS counted${kept}, b.${quoteName(part)} AS part,
      min(b.event_time) FILTER (WHERE NOT (${late})) AS first_at, min(b.event_time) AS ever_at
    FROM ${quoteName(anchor)} AS a LEFT JOIN ${quoteName(parts)} AS b
      ON a.case_id = b.case_id AND b.event_time >= a.event_time${isExpected(rule)}
    ${ofCase(caseId)}GROUP BY a.case_id, a.event_id, a.event_time, a.watermark${kept}, b.${quoteName(part)}
  ),
  wanted AS (SELECT *, ${sql} AS needed FROM firsts)
SELECT event_id, started_at, due_at, final_ms, counted,
  CASE WHEN needed <= 0 THEN started_at ELSE ${nth("first_at", inTime)} END, ${nth("ever_at", ever)},
  count(*) FILTER (WHERE ${inTime}), count(*) FILTER (WHERE ${ever} AND first_at IS NULL), needed, case_id
FROM wanted
GROUP BY case_id, event_id, started_at, due_at, final_ms, counted, needed ORDER BY started_at, event_id`;
}

function ofCase(caseId: string | null): string {
  return caseId === null ? "" : `WHERE a.case_id = ${quoteText(caseId)}\n`;
}

/** The time at which as many parts were there as are needed. */
function nth(column: string, isOne: string): string {
  return `(array_agg(${column} ORDER BY ${column}) FILTER (WHERE ${isOne}))[needed]`;
}

function boundsOf(
  { lateness }: ProcessDeclaration,
  within: string,
): { readonly due: string; readonly final: string; readonly late: string } {
  const due = `a.event_time + ${interval(within)}`;
  const final = durationMs(lateness) === 0 ? due : `${due} + ${interval(lateness)}`;
  return { due, final, late: `b.event_time > ${due} OR coalesce(b.watermark >= ${final}, false)` };
}

function caseStages(
  { activities }: ProcessDeclaration,
  wanted: ReadonlyMap<string, readonly string[]>,
  caseId: string | null,
): string {
  const all = [...wanted].map(([name, fields]) => {
    const activity = activities[name]!;
    const condition = caseId === null ? undefined : isOfCase(activity, caseId);
    return `${quoteName(name)} AS (${activitySelect(activity, fields, condition)})`;
  });
  return `WITH ${all.join(",\n  ")}`;
}
