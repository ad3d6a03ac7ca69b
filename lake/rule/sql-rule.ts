/** A rule that is a SELECT: each row is a result, its columns are labels, one of them is the value. */
import { ALERTS_MAX, type AlertResult } from "../../core/alert.ts";
import { labelName } from "../../core/alert-labels.ts";
import { cut, filledTexts } from "../../core/alert-text.ts";
import type { Principal } from "../../core/authorize.ts";
import type { RuleRequest, SqlRule } from "../../core/rule.ts";
import type { QueryRows, QueryService } from "../query/service.ts";
import { queryAt, refused } from "./rule-text.ts";
import { labelText } from "./label-text.ts";

const LABEL_LENGTH_MAX = 1_024;

export interface SqlEvaluation {
  readonly results: readonly AlertResult[];
  readonly versions: Readonly<Record<string, number>>;
  readonly completeThroughMs: number | null;
}

export interface SqlRuleRequest {
  readonly rule: RuleRequest & { readonly sql: SqlRule };
  readonly principal: Principal;
  /** What `$now` is, ms since 1970 UTC. */
  readonly atMs: number;
  readonly timeoutMs: number;
  /** The tables as they were then, ISO 8601; absent: as they are. */
  readonly at?: string;
}

/** @throws what a query throws; rule.refused where its columns cannot be alerts */
export async function evaluateSql(
  query: Pick<QueryService, "rows">,
  { rule, principal, atMs, timeoutMs, at }: SqlRuleRequest,
  signal: AbortSignal,
): Promise<SqlEvaluation> {
  const sql = queryAt(rule.sql.query, atMs);
  const answer = await query.rows({ sql, at, principal, limit: ALERTS_MAX + 1, timeoutMs }, signal);
  const { versions, completeThroughMs } = answer;
  return { results: resultsOf(rule, answer), versions, completeThroughMs };
}

/** @throws rule.refused */
export function resultsOf(
  { sql, annotations }: SqlRuleRequest["rule"],
  { columns, rows }: Pick<QueryRows, "columns" | "rows">,
): AlertResult[] {
  const names = columns.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw refused(`the column "${twice}" is there twice`);
  const valueAt = names.indexOf(sql.value);
  const labels = sql.labels ?? names.filter((name) => name !== sql.value);
  for (const label of labels) {
    if (!names.includes(label)) throw refused(`it has no column "${label}"`);
    if (!labelName.safeParse(label).success)
      throw refused(`the column "${label}" is no name of a label: a letter or _, then also digits`);
    if (label === "alertname") throw refused("alertname is the rule's name");
  }
  // What an annotation may not have shows with no row as well.
  filledTexts(annotations, new Map(["value", ...names].map((name) => [name, ""])));
  return rows.map((row) => {
    const texts = new Map(names.map((name, i) => [name, labelText(row[i])]));
    const value = valueAt < 0 ? 1 : numberOf(row[valueAt], sql.value);
    texts.set("value", String(value));
    const own = labels.map((label) => [label, cut(texts.get(label)!, LABEL_LENGTH_MAX)]);
    return { labels: Object.fromEntries(own), annotations: filledTexts(annotations, texts), value };
  });
}

function numberOf(value: unknown, column: string): number {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  if (typeof number === "boolean") return number ? 1 : 0;
  if (typeof number === "number" && Number.isFinite(number)) return number;
  throw refused(`"${column}" is no number in every row`);
}
