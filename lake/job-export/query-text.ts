/**
 * A job's SELECT for another engine. Its stages stay what they are; a window's call, QUALIFY and what the engine groups
 * windows by are written as that engine has them.
 */
import type { ExportTarget } from "../../core/job-export.ts";
import { isAggregate } from "../job/proof/job-functions.ts";
import { JobRefused } from "../job/refusal.ts";
import {
  byteOf,
  child,
  children,
  columnParts,
  functionName,
  has,
  names,
  outputName,
  text,
  walk,
  type Tree,
} from "../job/tree.ts";
import type { At, WindowCall } from "../job/relation/window-call.ts";
import { DIALECTS, type Dialect, quoted } from "./dialect.ts";
import { ExpressionText, type Spans } from "./expression-text.ts";
import type { Spelling } from "./spelling.ts";
import { flinkWindow, placeOf, sparkGroup, sparkWindowColumn, WINDOW_COLUMNS } from "./window-text.ts";

export interface QueryContext {
  readonly target: ExportTarget;
  readonly calls: ReadonlyMap<Tree, WindowCall>;
  readonly spans: Spans;
  readonly spelling: Spelling;
  /** Name there of a table of the lake, by the name written, lower case. */
  readonly tables: ReadonlyMap<string, string>;
  readonly at: At;
}

const JOINS = new Set(["INNER", "LEFT", "RIGHT", "FULL"]);
const BOTH = "GROUP BY window_start, window_end, …";
const RANK = "muara_place";

/** @throws JobRefused */
export class QueryText {
  readonly #context: QueryContext;
  readonly #dialect: Dialect;
  readonly #stages = new Set<string>();
  /** Whether some stage before has put rows together. */
  #isGrouped = false;

  constructor(context: QueryContext) {
    this.#context = context;
    this.#dialect = DIALECTS[context.target];
  }

  query(node: Tree, isTop = true): string {
    const stages = children(child(node, "cte_map") ?? {}, "map").map((item) => {
      const inner = child(child(child(item, "value") ?? {}, "query") ?? {}, "node") ?? {};
      const stage = `${this.#quoted(text(item, "key"))} AS (\n${indented(this.query(inner, false))}\n)`;
      this.#stages.add(text(item, "key").toLowerCase());
      return stage;
    });
    const head = stages.length > 0 ? `WITH ${stages.join(",\n")}\n` : "";
    if (text(node, "type") === "SELECT_NODE") return head + this.#select(node, isTop);
    if (text(node, "setop_type") !== "UNION" || node["setop_all"] !== true)
      this.#refuse(node, `${text(node, "setop_type") || "this"} is not exported`, "UNION ALL");
    const arms = [child(node, "left"), child(node, "right"), ...children(node, "children")];
    return head + arms.flatMap((arm) => (arm ? [this.query(arm, isTop)] : [])).join("\nUNION ALL\n");
  }

  #select(node: Tree, isTop: boolean): string {
    if (children(node, "modifiers").length > 0)
      this.#refuse(node, "DISTINCT is not exported", "GROUP BY every column");
    const from = child(node, "from_table") ?? {};
    const call = this.#context.calls.get(from);
    const isSpark = this.#context.target === "spark";
    const column = isSpark && call ? sparkWindowColumn(call, text(from, "alias")) : undefined;
    const expressions = new ExpressionText({
      dialect: this.#dialect,
      spans: this.#context.spans,
      spelling: this.#context.spelling,
      at: this.#context.at,
      ...(column ? { column } : {}),
    });
    const items = children(node, "select_list").flatMap((item) => this.#item(item, expressions, isTop));
    const lines = [`FROM ${this.#from(from, expressions)}`];
    const where = child(node, "where_clause");
    if (where) lines.push(`WHERE ${expressions.print(where)}`);
    const groups = this.#groups(node);
    if (isSpark) this.#checkSpark(node, call, groups);
    if (groups) lines.push(`GROUP BY ${this.#grouped(node, groups, call, expressions)}`);
    const having = child(node, "having");
    if (having) lines.push(`HAVING ${expressions.print(having)}`);
    const list = items.map(({ sql, name }) => (name === null ? sql : `${sql} AS ${this.#quoted(name)}`));
    const qualify = child(node, "qualify");
    if (!qualify) return ["SELECT", indented(list.join(",\n")), ...lines].join("\n");
    return this.#ranked(qualify, items, list, lines, expressions);
  }

  #item(
    item: Tree,
    expressions: ExpressionText,
    isTop: boolean,
  ): readonly { readonly sql: string; readonly name: string | null }[] {
    if (item["class"] === "STAR") this.#refuse(item, "* is not exported", "the names of the columns");
    if (child(item, "value")?.["is_null"] === true)
      this.#refuse(item, "NULL has no type here", "CAST(NULL AS BIGINT)");
    const parts = columnParts(item);
    // It admits rows here; there the engine's own does.
    if (!isTop && parts?.at(-1) === "watermark" && (outputName(item) ?? "") === "watermark") return [];
    const alias = text(item, "alias");
    const own = (item["column_names"] as readonly string[] | undefined)?.at(-1);
    return [{ sql: expressions.print(item), name: alias === "" ? (own ?? null) : alias }];
  }

  #from(node: Tree, expressions: ExpressionText): string {
    const alias = text(node, "alias");
    const as = alias === "" ? "" : ` AS ${this.#quoted(alias)}`;
    switch (text(node, "type")) {
      case "BASE_TABLE":
        return this.#table(text(node, "table_name"), alias);
      case "SUBQUERY": {
        const inner = child(child(node, "subquery") ?? {}, "node") ?? {};
        return `(\n${indented(this.query(inner, false))}\n)${as}`;
      }
      case "JOIN":
        return this.#join(node, expressions);
      case "TABLE_FUNCTION": {
        const call = this.#context.calls.get(node);
        if (!call)
          return this.#refuse(node, `${functionName(child(node, "function") ?? {})}() is not exported`);
        const source = this.#nameOf(call.source);
        if (this.#context.target === "spark") return source + as;
        return flinkWindow(call, source, this.#dialect, this.#context.spelling) + as;
      }
      default:
        return this.#refuse(node, `${text(node, "type")} is not exported`);
    }
  }

  #table(written: string, alias: string): string {
    const name = this.#nameOf(written.toLowerCase());
    const as = this.#quoted(alias || written);
    return name === as ? name : `${name} AS ${as}`;
  }

  #nameOf(written: string): string {
    return this.#stages.has(written) ? this.#quoted(written) : quoted(this.#context.tables.get(written)!);
  }

  #join(node: Tree, expressions: ExpressionText): string {
    const kind = text(node, "join_type");
    if (this.#context.target === "spark")
      this.#refuse(node, "joins of streams are not exported", "muara job export --to flink");
    if (text(node, "ref_type") !== "REGULAR" || !JOINS.has(kind))
      this.#refuse(node, `a ${kind} JOIN is not exported`, [...JOINS].join(", "));
    const using = (node["using_columns"] as readonly string[] | undefined) ?? [];
    const condition = child(node, "condition");
    const left = this.#from(child(node, "left") ?? {}, expressions);
    const right = this.#from(child(node, "right") ?? {}, expressions);
    if (this.#context.calls.size > 0 && !WINDOW_COLUMNS.every((name) => isJoinedBy(node, name)))
      this.#refuse(
        node,
        "Flink joins windows by both their bounds",
        "ON a.window_start = b.window_start AND a.window_end = b.window_end",
      );
    const by =
      using.length > 0
        ? `USING (${using.map((name) => this.#quoted(name)).join(", ")})`
        : `ON ${expressions.print(condition!)}`;
    return `${left}\n${kind} JOIN ${right}\n  ${by}`;
  }

  /** Expressions of the GROUP BY; null: there is none. */
  #groups(node: Tree): readonly Tree[] | null {
    const items = children(node, "select_list");
    const sets = (node["group_sets"] ?? []) as readonly (readonly number[])[];
    const isAll = text(node, "aggregate_handling") === "FORCE_AGGREGATES";
    if (sets.length === 0 && !isAll) {
      if (!has(node, "having") && !items.some(holdsAggregate)) return null;
      return this.#refuse(node, "an aggregate of all rows is not exported", BOTH);
    }
    if (sets.length > 1) this.#refuse(node, "several grouping sets are not exported", "a job for each");
    if (isAll && sets.length === 0) return items.filter((item) => !holdsAggregate(item));
    return children(node, "group_expressions").map((group) => placeOf(group, items));
  }

  #grouped(
    node: Tree,
    groups: readonly Tree[],
    call: WindowCall | undefined,
    expressions: ExpressionText,
  ): string {
    const bounds = WINDOW_COLUMNS.filter((name) =>
      groups.some((group) => columnParts(group)?.at(-1) === name),
    );
    if (this.#context.target === "spark") {
      const by = sparkGroup(call!, groups, (group) => expressions.print(group), this.#context.spelling);
      return (
        by ?? this.#refuse(node, "its sessions are by what is grouped by", "the keys of SESSION in GROUP BY")
      );
    }
    if (bounds.length < WINDOW_COLUMNS.length)
      this.#refuse(node, "Flink groups windows by both their bounds", BOTH);
    return groups.map((group) => expressions.print(group)).join(", ");
  }

  /** One aggregate over one window is what its streams have in common with ours. */
  #checkSpark(node: Tree, call: WindowCall | undefined, groups: readonly Tree[] | null): void {
    if (child(node, "qualify")) this.#refuse(node, "QUALIFY is not exported", "muara job export --to flink");
    if (call && !groups) this.#refuse(node, "a window without GROUP BY is not exported", BOTH);
    if (!groups) return;
    if (!call)
      this.#refuse(node, "an aggregate of aggregates is not exported", "muara job export --to flink");
    if (this.#isGrouped) this.#refuse(node, "a second aggregate is not exported", "a job of its own");
    this.#isGrouped = true;
    const distinct = [...walk(node["select_list"])].find(
      (inner) => inner["class"] === "FUNCTION" && inner["distinct"] === true,
    );
    if (distinct) this.#refuse(distinct, "Spark's streams have no aggregates of DISTINCT");
  }

  /** Flink 2.3 fails on its own QUALIFY; as a condition on a column it knows the pattern. */
  #ranked(
    qualify: Tree,
    items: readonly { readonly sql: string; readonly name: string | null }[],
    list: readonly string[],
    lines: readonly string[],
    expressions: ExpressionText,
  ): string {
    const call = child(qualify, "left") ?? {};
    const bound = child(child(qualify, "right") ?? {}, "value")?.["value"];
    const operator = { COMPARE_EQUAL: "=", COMPARE_LESSTHAN: "<", COMPARE_LESSTHANOREQUALTO: "<=" }[
      text(qualify, "type") as "COMPARE_EQUAL"
    ];
    const isFirst = operator !== "=" || bound === 1;
    if (
      functionName(call) !== "row_number" ||
      operator === undefined ||
      typeof bound !== "number" ||
      !isFirst
    )
      this.#refuse(
        qualify,
        "QUALIFY is exported as row_number() OVER (…) <= N",
        "row_number() OVER (…) <= 10",
      );
    if (items.some(({ name }) => name === null)) this.#refuse(qualify, "a column has no name", "AS name");
    const partitions = children(call, "partitions");
    for (const name of WINDOW_COLUMNS)
      if (!partitions.some((one) => columnParts(one)?.at(-1) === name))
        this.#refuse(
          call,
          "Flink ranks within windows by both their bounds",
          `PARTITION BY window_start, window_end, …`,
        );
    const orders = children(call, "orders").map((order) => this.#order(order, expressions));
    const by = partitions.map((one) => expressions.print(one)).join(", ");
    const place = `ROW_NUMBER() OVER (PARTITION BY ${by} ORDER BY ${orders.join(", ")}) AS ${quoted(RANK)}`;
    const inner = ["SELECT", indented([...list, place].join(",\n")), ...lines].join("\n");
    const outer = items.map(({ name }) => this.#quoted(name!)).join(", ");
    return `SELECT ${outer}\nFROM (\n${indented(inner)}\n)\nWHERE ${quoted(RANK)} ${operator} ${String(bound)}`;
  }

  #order(order: Tree, expressions: ExpressionText): string {
    const isDown = text(order, "type") === "DESCENDING";
    if (text(order, "null_order") === "NULLS FIRST")
      this.#refuse(child(order, "expression") ?? {}, "NULLS FIRST is not exported");
    const sql = expressions.print(child(order, "expression") ?? {});
    return `${sql} ${isDown ? "DESC" : "ASC"}${this.#dialect.nullsLast}`;
  }

  #quoted(name: string): string {
    return this.#context.spelling.quoted(name);
  }

  #refuse(node: Tree, reason: string, instead: string | null = null): never {
    const place = [...walk(node)].map(byteOf).find((byte) => byte !== null) ?? null;
    throw new JobRefused(
      this.#context.at(place),
      `Not exported to ${this.#dialect.engine}: ${reason}.`,
      instead,
    );
  }
}

function holdsAggregate(item: Tree): boolean {
  return [...walk(item)].some((node) => node["class"] === "FUNCTION" && isAggregate(functionName(node)));
}

function isJoinedBy(node: Tree, name: string): boolean {
  if (names(node, "using_columns").includes(name)) return true;
  const condition = child(node, "condition") ?? {};
  const parts = text(condition, "type") === "CONJUNCTION_AND" ? children(condition, "children") : [condition];
  return parts.some(
    (part) =>
      text(part, "type") === "COMPARE_EQUAL" &&
      [child(part, "left"), child(part, "right")].every((side) => side && columnParts(side)?.at(-1) === name),
  );
}

export function indented(lines: string): string {
  return lines.replaceAll(/^/gm, "  ");
}
