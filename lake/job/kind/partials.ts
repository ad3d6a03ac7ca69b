/**
 * Aggregates in two steps: of pieces of a window first, then of the pieces. What the second gives is what the aggregate
 * gives over all rows at once, in value and in type.
 */
import { meanOf, meanScale } from "./mean.ts";
import type { PlanningEngine } from "../planning-engine.ts";
import { child, children, functionName, type Tree } from "../tree.ts";

/** A column of state: what a piece says, and how two pieces say it together. Both are SQL. */
export interface Partial {
  readonly name: string;
  /** Over rows of a piece. */
  readonly sql: string;
  /** Over the column itself; null: it is one of those that pieces are cut by. */
  readonly merge: string | null;
}

/** An aggregate of the SELECT. */
export interface Split {
  readonly partials: readonly Partial[];
  /** Columns over the partials of a window, and what they become. SQL. */
  readonly merged: readonly { readonly name: string; readonly sql: string }[];
  readonly result: string;
}

/** What one says of a piece can be put together as it was made. */
const SAME = new Set(["min", "max", "bool_and", "bool_or", "bit_and", "bit_or", "bit_xor"]);
const COUNTS = new Set(["count", "count_star", "count_if", "countif"]);
const MEANS = new Set(["avg", "mean"]);
/** The set of values is enough. */
const OF_SETS = new Set(["approx_count_distinct"]);

export interface SplitContext {
  readonly engine: PlanningEngine;
  /** Of an expression, or of an aggregate, over rows of the source. @throws what the engine says */
  readonly typeOf: (sql: string) => Promise<string>;
  /** Behind the names of its columns. */
  readonly suffix: string;
}

/** @returns why it cannot be split, where it cannot */
export async function splitAggregate(node: Tree, context: SplitContext): Promise<Split | string> {
  const name = functionName(node);
  const { engine, suffix, typeOf } = context;
  const values = children(node, "children");
  const refusal = `${name}() needs every value`;
  if (values.length > 1 || children(child(node, "order_bys") ?? {}, "orders").length > 0) return refusal;
  if (node["distinct"] === true || OF_SETS.has(name)) return splitSet(node, context);
  const sql = await engine.expressionText(node);
  if (sql === null) return refusal;
  const [column, total] = [`muara_p${suffix}`, `muara_m${suffix}`];
  const type = await typeOf(sql);
  if (SAME.has(name)) {
    const merge = `${name}(${column})`;
    return {
      partials: [{ name: column, sql, merge }],
      merged: [{ name: total, sql: merge }],
      result: `CAST(${total} AS ${type})`,
    };
  }
  if (COUNTS.has(name) || name === "sum") {
    const merge = `sum(${column})`;
    return {
      partials: [{ name: column, sql, merge }],
      merged: [{ name: total, sql: merge }],
      result: `CAST(${total} AS ${type})`,
    };
  }
  return MEANS.has(name) ? splitMean(node, context) : refusal;
}

/** A sum, and a count. */
async function splitMean(node: Tree, { engine, suffix, typeOf }: SplitContext): Promise<Split | string> {
  const of = (name: string): Promise<string | null> =>
    engine.expressionText({ ...node, function_name: name });
  const [sum, count] = [await of("sum"), await of("count")];
  const value = await engine.expressionText(children(node, "children")[0] ?? {});
  const scale = value === null ? null : meanScale(await typeOf(value));
  if (sum === null || count === null || scale === null) return `${functionName(node)}() needs every value`;
  const [s, n, ms, mn] = [`muara_s${suffix}`, `muara_n${suffix}`, `muara_ms${suffix}`, `muara_mn${suffix}`];
  return {
    partials: [
      { name: s, sql: sum, merge: `sum(${s})` },
      { name: n, sql: count, merge: `sum(${n})` },
    ],
    merged: [
      { name: ms, sql: `sum(${s})` },
      { name: mn, sql: `CAST(sum(${n}) AS BIGINT)` },
    ],
    result: meanOf(ms, mn, scale),
  };
}

/** Of values that are counted once each: a piece for each. */
async function splitSet(node: Tree, { engine, suffix }: SplitContext): Promise<Split | string> {
  const [value] = children(node, "children");
  const sql = value ? await engine.expressionText(value) : null;
  const filter = child(node, "filter");
  const condition = filter ? await engine.expressionText(filter) : "";
  const name = `muara_d${suffix}`;
  const reference = { class: "COLUMN_REF", type: "COLUMN_REF", alias: "", column_names: [name] };
  const merge = await engine.expressionText({ ...node, filter: undefined, children: [reference] });
  if (sql === null || condition === null || merge === null)
    return `${functionName(node)}() needs every value`;
  return {
    partials: [{ name, sql: condition ? `CASE WHEN ${condition} THEN ${sql} END` : sql, merge: null }],
    merged: [{ name: `muara_m${suffix}`, sql: merge }],
    result: `muara_m${suffix}`,
  };
}
