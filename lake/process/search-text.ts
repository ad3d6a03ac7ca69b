/** Cases of a process, found by a part of their name, by how far they are, or by how long nothing has come. */
import type { ProcessDeclaration } from "../../core/process.ts";
import { quoteText } from "../query/quote.ts";
import { caseSteps, type CaseBounds } from "./case-steps.ts";

export interface CaseSearch extends CaseBounds {
  /** Part of the case's name. */
  readonly text?: string | undefined;
  /** Activity of its latest event. */
  readonly last?: string | undefined;
  /** Only cases without an event of the last activity of the declaration. */
  readonly isUnfinished: boolean;
  /** By the latest event: those of which nothing has come for longest, or those that moved last. */
  readonly order: "oldest" | "newest";
}

/** Columns of `caseSearch`. `last`: index of the activity of the latest event; `late`: events behind the watermark. */
export const SEARCH_COLUMNS = ["case_id", "begun_at", "last_at", "last", "events", "late"] as const;

export function caseSearch(process: ProcessDeclaration, search: CaseSearch): string {
  const { text, last, isUnfinished, order } = search;
  const names = Object.keys(process.activities);
  const latest = "max_by(step, (event_time, step))";
  const having = [
    ...(last === undefined ? [] : [`${latest} = ${names.indexOf(last)}`]),
    ...(isUnfinished ? [`max(step) FILTER (WHERE step = ${names.length - 1}) IS NULL`] : []),
  ];
  const named = text === undefined ? "" : `\nWHERE contains(lower(case_id), lower(${quoteText(text)}))`;
  return `WITH ${caseSteps(process, search)}
SELECT case_id, min(event_time), max(event_time), ${latest}, count(*),
  count(*) FILTER (WHERE event_time < watermark)
FROM chosen${named}
GROUP BY case_id${having.length > 0 ? `\nHAVING ${having.join(" AND ")}` : ""}
ORDER BY max(event_time) ${order === "oldest" ? "ASC" : "DESC"}, case_id`;
}
