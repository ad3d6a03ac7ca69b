/**
 * Rules of a process as the files of jobs (docs/JOBS.md). A deadline and a completion are a join by time with absence,
 * whose rows are put together by the event that began them; a velocity is a window.
 */
import { ruleTable, type ProcessDeclaration } from "../../core/process.ts";
import { durationMs, type Completion, type Deadline, type Velocity } from "../../core/process-parts.ts";
import { quoteName, quoteText } from "../query/quote.ts";
import { activitySelect, eventSelect } from "./activity-text.ts";

export interface RuleText {
  readonly kind: "deadline" | "completion" | "velocity";
  readonly rule: string;
  /** Name of its job and of the table with its results. */
  readonly table: string;
  /** Place in the declaration. */
  readonly pointer: string;
  readonly text: string;
}

/** Where two activities have the events of one table, an event does not do for its own deadline. */
export function others({ activities }: ProcessDeclaration, from: string, to: string): string {
  return activities[from]!.from === activities[to]!.from ? " AND a.event_id <> b.event_id" : "";
}

export const EXCEEDED = "THRESHOLD_EXCEEDED";

/** In the order of the declaration. */
export function ruleTexts(process: ProcessDeclaration): readonly RuleText[] {
  const { name, lateness, deadlines, completions, velocities } = process;
  const made = (kind: RuleText["kind"], folder: string, rule: string, select: string): RuleText => {
    const table = ruleTable(name, rule);
    const text = `CREATE JOB ${quoteName(table)}
WITH (lateness = ${quoteText(lateness)})
AS
${select}
EMIT ON WINDOW CLOSE
INTO lake ${quoteName(table)};
`;
    return { kind, rule, table, pointer: `/${folder}/${rule}`, text };
  };
  return [
    ...Object.entries(deadlines).map(([rule, given]) =>
      made("deadline", "deadlines", rule, deadlineSelect(process, given)),
    ),
    ...Object.entries(completions).map(([rule, given]) =>
      made("completion", "completions", rule, completionSelect(process, rule, given)),
    ),
    ...Object.entries(velocities).map(([rule, given]) =>
      made("velocity", "velocities", rule, velocitySelect(process, given)),
    ),
  ];
}

/** What a completed case of the rule is called: `all_parcels_shipped` gives ALL_PARCELS_SHIPPED. */
export function completeName(rule: string): string {
  return rule.toUpperCase();
}

/** A constant interval, in whole seconds. */
export function interval(duration: string): string {
  return `INTERVAL '${durationMs(duration)! / 1_000} seconds'`;
}

/** WITH of the activities by their names, each once, with the fields wanted of it. */
function stages(process: ProcessDeclaration, wanted: ReadonlyMap<string, readonly string[]>): string {
  const all = [...wanted].map(
    ([name, fields]) =>
      `${quoteName(name)} AS (\n    ${activitySelect(process.activities[name]!, fields)}\n  )`,
  );
  return `WITH ${all.join(",\n  ")}`;
}

/** Fields by activity; of one that is named twice both lists. */
function wantedOf(
  ...pairs: readonly (readonly [string, readonly string[]])[]
): ReadonlyMap<string, readonly string[]> {
  const wanted = new Map<string, readonly string[]>();
  for (const [name, fields] of pairs)
    wanted.set(name, [...new Set([...(wanted.get(name) ?? []), ...fields])]);
  return wanted;
}

function deadlineSelect(process: ProcessDeclaration, { from, to, within, carry, emit }: Deadline): string {
  const due = `a.event_time + ${interval(within)}`;
  const carried = carry.map((name) => `a.${quoteName(name)}`);
  const having = {
    all: "",
    met: "\nHAVING min(b.event_time) IS NOT NULL",
    breached: "\nHAVING min(b.event_time) IS NULL",
  };
  const columns = [
    "a.case_id",
    "CASE WHEN min(b.event_time) IS NULL THEN 'breached' ELSE 'met' END AS outcome",
    `coalesce(min(b.event_time), ${due}) AS event_time`,
    "a.event_time AS started_at",
    `${due} AS due_at`,
    "a.event_id",
    ...carried,
  ];
  return `${stages(process, wantedOf([from, carry], [to, []]))}
SELECT ${columns.join(",\n  ")}
FROM ${quoteName(from)} AS a LEFT JOIN ${quoteName(to)} AS b
  ON a.case_id = b.case_id AND b.event_time BETWEEN a.event_time AND ${due}${others(process, from, to)}
GROUP BY ${["a.event_id", "a.event_time", "a.case_id", ...carried].join(", ")}${having[emit]}`;
}

/** The fields of the anchor that a completion needs, and what is needed of it. */
export function neededOf({ needed, expected }: Completion): {
  readonly field: string | null;
  readonly sql: string;
} {
  if (expected !== undefined) return { field: expected, sql: `len(list_distinct(${quoteName(expected)}))` };
  if (typeof needed === "string") return { field: needed, sql: `CAST(${quoteName(needed)} AS BIGINT)` };
  return { field: null, sql: `CAST(${needed} AS BIGINT)` };
}

export function completionFields({
  anchor,
  parts,
  part,
  carry,
  ...rule
}: Completion): ReadonlyMap<string, readonly string[]> {
  const { field } = neededOf({ anchor, parts, part, carry, ...rule });
  return wantedOf([anchor, [...carry, ...(field === null ? [] : [field])]], [parts, [part]]);
}

/** A condition on parts that only some of them meet; "" where all count. */
export function isExpected({ expected, part }: Completion): string {
  if (expected === undefined) return "";
  return ` AND list_contains(CAST(a.${quoteName(expected)} AS VARCHAR[]), CAST(b.${quoteName(part)} AS VARCHAR))`;
}

function completionSelect(process: ProcessDeclaration, name: string, rule: Completion): string {
  const { anchor, parts, part, within, carry, emit } = rule;
  const { field, sql } = neededOf(rule);
  const kept = [...new Set([...(field === null ? [] : [field]), ...carry])].map(quoteName);
  const own = kept.map((column) => `a.${column}`);
  const due = `a.event_time + ${interval(within)}`;
  const isComplete = "count(part) >= needed";
  const wanted = {
    all: "",
    complete: `\nHAVING ${isComplete}`,
    exceeded: `\nHAVING NOT coalesce(${isComplete}, false)`,
  };
  const columns = [
    "case_id",
    `CASE WHEN ${isComplete} THEN ${quoteText(completeName(name))} ELSE '${EXCEEDED}' END AS outcome`,
    `CASE WHEN needed <= 0 THEN started_at
    WHEN ${isComplete} THEN (array_agg(first_at ORDER BY first_at) FILTER (WHERE part IS NOT NULL))[needed]
    ELSE due_at END AS event_time`,
    "started_at",
    "due_at",
    "event_id",
    "count(part) AS got",
    "needed",
    ...carry.map(quoteName),
  ];
  const groups = ["event_id", "started_at", "due_at", "case_id", ...kept];
  return `${stages(process, completionFields(rule))},
  firsts AS (
    SELECT ${["a.event_id", "a.event_time AS started_at", `${due} AS due_at`, "a.case_id", ...own].join(", ")},
      b.${quoteName(part)} AS part, min(b.event_time) AS first_at
    FROM ${quoteName(anchor)} AS a LEFT JOIN ${quoteName(parts)} AS b
      ON a.case_id = b.case_id AND b.event_time BETWEEN a.event_time AND ${due}${isExpected(rule)}
    GROUP BY ${["a.event_id", "a.event_time", "a.case_id", ...own, `b.${quoteName(part)}`].join(", ")}
  ),
  counted AS (SELECT *, ${sql} AS needed FROM firsts)
SELECT ${columns.join(",\n  ")}
FROM counted
GROUP BY ${[...groups, "needed"].join(", ")}${wanted[emit]}`;
}

function velocitySelect(process: ProcessDeclaration, rule: Velocity): string {
  const { activity, window, every, by, measures, at_least: least } = rule;
  const fields = [...new Set([...by, ...Object.values(measures).map(({ of }) => of)])];
  const given = Object.entries(measures).map(([name, { of, is }]) => {
    const aggregate = is === "distinct" ? `count(DISTINCT ${quoteName(of)})` : `${is}(${quoteName(of)})`;
    return `${aggregate} AS ${quoteName(name)}`;
  });
  const keys = ["window_start", "window_end", ...by.map(quoteName)];
  const source = `${quoteName(activity)}, event_time`;
  const windows =
    every === undefined
      ? `TUMBLE(${source}, ${interval(window)})`
      : `HOP(${source}, ${interval(every)}, ${interval(window)})`;
  const having = least === undefined ? "" : `\nHAVING count(*) >= ${least}`;
  return `WITH ${quoteName(activity)} AS (
    ${eventSelect(process.activities[activity]!, fields)}
  )
SELECT ${[...keys, "count(*) AS events", ...given].join(",\n  ")}
FROM ${windows}
GROUP BY ${keys.join(", ")}${having}`;
}
