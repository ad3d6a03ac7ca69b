/** How the deadlines of a process stand, as the API tells it: counts that a page can draw as they are. */
import type { ProcessDeclaration } from "../core/process.ts";
import { watermarkOf } from "../core/landed.ts";
import { processTables } from "../core/process.ts";
import {
  AGE_PARTS,
  COUNT_COLUMNS,
  DUE_PARTS,
  type Outcome,
  OUTCOME_COLUMNS,
  type OutcomeAsked,
  outcomeCases,
  outcomeCounts,
  OUTCOMES,
  outcomeRules,
} from "../lake/process/outcome-text.ts";
import type { CaseBounds } from "../lake/process/case-steps.ts";
import { type Asker, askRows } from "./ask-rows.ts";
import { isoOrNull, type ApiPorts } from "./context.ts";

type Counts = Record<Outcome, number>;
type Row = Readonly<Record<string, unknown>>;

const none = (): Counts => ({ open: 0, met: 0, breached: 0, resolved_late: 0 });

/** Lowest watermark of the process's tables; null where one of them has none. */
export async function asOfProcess(
  { catalog }: ApiPorts,
  process: ProcessDeclaration,
): Promise<number | null> {
  const found = await Promise.all(
    processTables(process).map(async (table) => watermarkOf((await catalog.snapshot(table)).txns)),
  );
  const lowest = Math.min(...found.map((ms) => ms ?? -Infinity));
  return Number.isFinite(lowest) ? lowest : null;
}

/** Of every deadline and completion. */
export async function processOutcomes(
  asker: Asker,
  process: ProcessDeclaration,
  bounds: CaseBounds,
): Promise<Row> {
  const asOfMs = await asOfProcess(asker.ports, process);
  const items: Row[] = [];
  for (const of of outcomeRules(process)) {
    const asked = { ...bounds, of, asOfMs };
    const { rows } = await askRows(asker, outcomeCounts(process, asked), COUNT_COLUMNS);
    items.push(countsOf(asked, rows));
  }
  return { process: process.name, complete_through: isoOrNull(asOfMs), items };
}

function countsOf({ of, asOfMs }: OutcomeAsked, rows: readonly Row[]): Row {
  const states = none();
  const ages = Array.from({ length: AGE_PARTS + 1 }, () => 0);
  const due = Array.from({ length: 2 * DUE_PARTS }, none);
  for (const row of rows) {
    const [state, count] = [row["state"] as Outcome, Number(row["count"])];
    states[state] += count;
    if (row["age"] !== null) ages[Number(row["age"])]! += count;
    if (row["due"] !== null) due[Number(row["due"]) + DUE_PARTS]![state] += count;
  }
  const [ageMs, dueMs] = [of.withinMs / AGE_PARTS, of.withinMs / DUE_PARTS];
  return {
    rule: of.rule,
    kind: of.kind,
    within_ms: of.withinMs,
    states,
    ageing: ages.map((cases, i) => ({
      from_ms: Math.round(i * ageMs),
      until_ms: i === AGE_PARTS ? null : Math.round((i + 1) * ageMs),
      cases,
    })),
    due: due.map((counts, i) => {
      const from = asOfMs === null ? null : asOfMs + (i - DUE_PARTS) * dueMs;
      return { from: isoOrNull(from), until: isoOrNull(from === null ? null : from + dueMs), ...counts };
    }),
  };
}

/** @returns undefined where the process has no such deadline or completion */
export async function outcomeList(
  asker: Asker,
  process: ProcessDeclaration,
  rule: string,
  asked: CaseBounds & { readonly wanted: readonly Outcome[]; readonly limit: number },
): Promise<Row | undefined> {
  const of = outcomeRules(process).find((one) => one.rule === rule);
  if (!of) return undefined;
  const { wanted, limit, ...bounds } = asked;
  const asOfMs = await asOfProcess(asker.ports, process);
  const sql = outcomeCases(process, { ...bounds, of, asOfMs }, wanted);
  const { rows, isTruncated } = await askRows(asker, sql, OUTCOME_COLUMNS, limit);
  const items = rows.map((row) => ({
    ...row,
    got: row["got"] === null ? null : Number(row["got"]),
    needed: row["needed"] === null ? null : Number(row["needed"]),
  }));
  const complete = isoOrNull(asOfMs);
  return {
    process: process.name,
    rule,
    kind: of.kind,
    complete_through: complete,
    items,
    is_truncated: isTruncated,
  };
}

/** @returns undefined where one is none */
export function outcomesFrom(text: string | undefined): readonly Outcome[] | undefined {
  const wanted = text === undefined ? ["open", "breached"] : text.split(",");
  const known = wanted.filter((one): one is Outcome => (OUTCOMES as readonly string[]).includes(one));
  return known.length === wanted.length ? known : undefined;
}
