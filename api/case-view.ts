/**
 * One case of a process, from the lake: its events by time, those that came again among them, how each of its deadlines
 * stands, and the cases that share events with it. Who asks has been found to read all tables of the process.
 */
import { processTables, type ProcessDeclaration } from "../core/process.ts";
import {
  CASE_EVENT_COLUMNS,
  caseDuplicates,
  caseEvents,
  COMPLETION_COLUMNS,
  completionStates,
  DEADLINE_COLUMNS,
  deadlineStates,
} from "../lake/process/case-text.ts";
import { completeName } from "../lake/process/rule-text.ts";
import type { Principal } from "../core/authorize.ts";
import { type Answer, type Asker, askRows } from "./ask-rows.ts";
import { isoOrNull, SYSTEM, type ApiPorts } from "./context.ts";

/** Of a case; the first by time. */
export const CASE_EVENTS_MAX = 1_000;
const STATES_MAX = 1_000;

type Row = Readonly<Record<string, unknown>>;
type States = readonly Row[];

export async function caseView(
  ports: ApiPorts,
  principal: Principal,
  process: ProcessDeclaration,
  caseId: string,
  signal: AbortSignal,
): Promise<Row | undefined> {
  const asker = { ports, principal, signal };
  const found = await askRows(asker, caseEvents(process, caseId), CASE_EVENT_COLUMNS, CASE_EVENTS_MAX);
  if (found.rows.length === 0) return undefined;
  const events = found.rows.map((row) => eventOf(row));
  const deadlines = await states(asker, process, caseId);
  const again = await duplicatesOf(asker, process, found.rows);
  return {
    process: process.name,
    case_id: caseId,
    complete_through: isoOrNull(found.completeThroughMs),
    events: withDuplicates(events, again),
    is_truncated: found.isTruncated,
    deadlines,
    related: relatedTo(caseId, found.rows),
  };
}

function eventOf(row: Row): Row {
  return {
    ...row,
    partition: Number(row["partition"]),
    offset: Number(row["offset"]),
    fate: row["late"] === true ? "late" : "landed",
    cases: JSON.parse(String(row["cases"])) as unknown,
    fields: JSON.parse(String(row["fields"])) as unknown,
  };
}

/** Each behind the event that it repeats. */
function withDuplicates(events: readonly Row[], again: readonly Row[]): readonly Row[] {
  const left = new Map<string, Row[]>();
  const keyOf = (row: Row): string => JSON.stringify([row["event_type"], row["event_id"]]);
  for (const row of again) left.set(keyOf(row), [...(left.get(keyOf(row)) ?? []), row]);
  return events.flatMap((event) => {
    const own = left.get(keyOf(event)) ?? [];
    left.delete(keyOf(event));
    return [
      event,
      ...own.map((row) => ({
        activity: event["activity"],
        event_type: row["event_type"],
        event_id: row["event_id"],
        event_time: null,
        ingest_time: row["ingest_time"],
        partition: Number(row["partition"]),
        offset: Number(row["offset"]),
        fate: "duplicate",
        verdict: row["verdict"],
      })),
    ];
  });
}

async function duplicatesOf(
  asker: Asker,
  process: ProcessDeclaration,
  rows: readonly Row[],
): Promise<readonly Row[]> {
  if (!(await asker.ports.catalog.find("duplicates"))) return [];
  const ids = [...new Set(rows.map((row) => String(row["event_id"])))];
  const columns = ["event_type", "event_id", "ingest_time", "partition", "offset", "verdict"];
  // Rows of these tables alone, which the asker may read; the ledger itself may be closed to him.
  const system = { ...asker, principal: SYSTEM };
  return (await askRows(system, caseDuplicates(processTables(process), ids), columns, CASE_EVENTS_MAX)).rows;
}

function relatedTo(caseId: string, rows: readonly Row[]): States {
  const events = new Map<string, Set<string>>();
  for (const row of rows)
    for (const other of JSON.parse(String(row["cases"])) as string[])
      if (other !== caseId) events.set(other, (events.get(other) ?? new Set()).add(String(row["event_id"])));
  return [...events]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([other, ids]) => ({ case_id: other, events: [...ids].toSorted() }));
}

/** One state for each event that has begun a deadline or a completion. */
async function states(asker: Asker, process: ProcessDeclaration, caseId: string): Promise<States> {
  const found: Row[] = [];
  for (const [rule, given] of Object.entries(process.deadlines)) {
    const answer = await askRows(asker, deadlineStates(process, given, caseId), DEADLINE_COLUMNS, STATES_MAX);
    found.push(
      ...answer.rows.map((row) => ({ rule, kind: "deadline", ...stateOf(row, answer, ["met", "breached"]) })),
    );
  }
  for (const [rule, given] of Object.entries(process.completions)) {
    const sql = completionStates(process, given, caseId);
    const answer = await askRows(asker, sql, COMPLETION_COLUMNS, STATES_MAX);
    for (const row of answer.rows) {
      const [got, gotLate] = [Number(row["got"]), Number(row["got_late"])];
      const needed = row["needed"] === null ? null : Number(row["needed"]);
      const state = stateOf(row, answer, ["complete", "exceeded"]);
      found.push({
        rule,
        kind: "completion",
        event: completeName(rule),
        ...state,
        got,
        got_late: gotLate,
        needed,
      });
    }
  }
  return found.toSorted((a, b) => (String(a["started_at"]) < String(b["started_at"]) ? -1 : 1));
}

/**
 * `at`: when it was met or complete; of what was not, the deadline. `open` until the watermark has passed the deadline
 * and the lateness; resolved late: afterwards what was missing came all the same.
 */
function stateOf(row: Row, { completeThroughMs }: Answer, [good, bad]: readonly [string, string]): Row {
  const isOver = completeThroughMs !== null && completeThroughMs >= Number(row["final_ms"]);
  const about = { event_id: row["event_id"], started_at: row["started_at"], due_at: row["due_at"] };
  // Of an event that landed when its deadline was over already, the rule's job tells in its corrections.
  const rest = { ...about, is_counted: row["counted"] === true };
  if (row["at"] !== null) return { ...rest, state: good, at: row["at"], resolved_at: null };
  if (!isOver) return { ...rest, state: "open", at: null, resolved_at: null };
  const resolvedAt = row["resolved_at"];
  const state = resolvedAt === null ? bad : "resolved_late";
  return { ...rest, state, at: row["due_at"], resolved_at: resolvedAt };
}
