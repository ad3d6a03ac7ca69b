/** An activity of a process as SQL: its rows of a table of the lake, one for each case that they belong to. */
import type { Activity } from "../../core/process-parts.ts";
import { quoteName, quoteText } from "../query/quote.ts";

type Field = Activity["fields"][string];

/** Of a row: the names of its cases, a list without NULL and without one twice. */
export function casesOf(activity: Activity): string {
  const { case: one, cases } = activity;
  if (one !== undefined) return `list_distinct([CAST((${one}) AS VARCHAR)])`;
  return `list_distinct(CAST((${cases}) AS VARCHAR[]))`;
}

/** Condition on a row of the table: it is of the activity, and of some case. */
export function isOfActivity(activity: Activity): string {
  const { when, case: one, cases } = activity;
  const has = one === undefined ? `len(${casesOf(activity)}) > 0` : `(${one}) IS NOT NULL`;
  const isOne = `${has}${cases === undefined ? "" : ` AND (${cases}) IS NOT NULL`}`;
  return when === undefined ? isOne : `(${when}) AND ${isOne}`;
}

/** Condition on a row of the table: it is of this case. */
export function isOfCase(activity: Activity, caseId: string): string {
  const { when, case: one } = activity;
  const has =
    one === undefined
      ? `list_contains(${casesOf(activity)}, ${quoteText(caseId)})`
      : `CAST((${one}) AS VARCHAR) = ${quoteText(caseId)}`;
  return when === undefined ? has : `(${when}) AND ${has}`;
}

export function fieldText(field: Field): string {
  if (typeof field === "string") return `(${field})`;
  const { of, values, otherwise } = field;
  const cases = Object.entries(values).map(([is, gives]) => `WHEN ${quoteText(is)} THEN ${quoteText(gives)}`);
  const last = otherwise === undefined ? "" : ` ELSE ${quoteText(otherwise)}`;
  return `(CASE CAST((${of}) AS VARCHAR) ${cases.join(" ")}${last} END)`;
}

/** Each field as a column. */
export function fieldColumns({ fields }: Activity, wanted: readonly string[]): readonly string[] {
  return wanted
    .filter((name) => Object.hasOwn(fields, name))
    .map((name) => `${fieldText(fields[name]!)} AS ${quoteName(name)}`);
}

/**
 * A SELECT of the activity's rows: `event_id`, `event_time`, `watermark`, `case_id` and the fields that are wanted.
 * @param condition instead of all that are of the activity
 */
export function activitySelect(
  activity: Activity,
  wanted: readonly string[],
  condition: string = isOfActivity(activity),
): string {
  const one =
    activity.case === undefined ? `unnest(${casesOf(activity)})` : `CAST((${activity.case}) AS VARCHAR)`;
  const columns = [
    "event_id",
    "event_time",
    "watermark",
    `${one} AS case_id`,
    ...fieldColumns(activity, wanted),
  ];
  return `SELECT ${columns.join(",\n      ")}\n    FROM ${quoteName(activity.from)}\n    WHERE ${condition}`;
}

/** The activity's rows once each, whatever cases they belong to. */
export function eventSelect(activity: Activity, wanted: readonly string[]): string {
  const columns = ["event_time", "watermark", ...fieldColumns(activity, wanted)];
  const list = columns.join(",\n      ");
  return `SELECT ${list}\n    FROM ${quoteName(activity.from)}\n    WHERE ${isOfActivity(activity)}`;
}
