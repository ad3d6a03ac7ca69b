/**
 * Expressions of a job for another engine, printed from DuckDB's syntax tree: names, constants, arithmetic,
 * comparisons, CASE, casts and the exact aggregates. What the engines understand differently is refused by name: the
 * exported text must give the same rows, not only run.
 */
import type { At } from "../job/relation/window-call.ts";
import { JobRefused } from "../job/refusal.ts";
import { byteOf, child, children, functionName, text, type Tree } from "../job/tree.ts";
import { type Dialect, typeText } from "./dialect.ts";
import type { Spelling } from "./spelling.ts";

/** A span in ms, read beforehand; null: it is none of milliseconds to weeks. */
export type Spans = ReadonlyMap<Tree, number | null>;

export interface ExpressionContext {
  readonly dialect: Dialect;
  readonly spans: Spans;
  readonly spelling: Spelling;
  readonly at: At;
  /** Of a reference to a column what stands in its place; undefined: its name. */
  readonly column?: (parts: readonly string[]) => string | undefined;
}

const COMPARISONS: Readonly<Record<string, string>> = {
  COMPARE_EQUAL: "=",
  COMPARE_NOTEQUAL: "<>",
  COMPARE_LESSTHAN: "<",
  COMPARE_LESSTHANOREQUALTO: "<=",
  COMPARE_GREATERTHAN: ">",
  COMPARE_GREATERTHANOREQUALTO: ">=",
};
const AGGREGATES: Readonly<Record<string, string>> = { count: "COUNT", sum: "SUM", min: "MIN", max: "MAX" };
const MEANS = new Set(["avg", "mean"]);
const WHOLE = new Set(["TINYINT", "SMALLINT", "INTEGER", "BIGINT"]);
const ROUNDED = new Set(["floor", "ceil", "ceiling", "length", "count", "count_star"]);
const PLAIN_TIME = /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d:\d\d(?:\.\d{1,3})?))?(?:Z|\+00(?::00)?)?$/;

/** @throws JobRefused */
export class ExpressionText {
  readonly #context: ExpressionContext;

  constructor(context: ExpressionContext) {
    this.#context = context;
  }

  print(node: Tree): string {
    const span = this.#context.spans.get(node);
    if (span !== undefined) return this.#span(node, span);
    switch (text(node, "class")) {
      case "COLUMN_REF":
        return this.#column(node);
      case "CONSTANT":
        return this.#constant(node);
      case "COMPARISON":
        return this.#comparison(node);
      case "CONJUNCTION":
        return this.#joined(node, text(node, "type") === "CONJUNCTION_AND" ? " AND " : " OR ");
      case "OPERATOR":
        return this.#operator(node);
      case "BETWEEN":
        return `(${this.#part(node, "input")} BETWEEN ${this.#part(node, "lower")} AND ${this.#part(node, "upper")})`;
      case "CASE":
        return this.#case(node);
      case "CAST":
        return this.#cast(node);
      case "FUNCTION":
        return this.#function(node);
      default:
        return this.#refuse(node, `${text(node, "class").toLowerCase() || "this"} is not exported here`);
    }
  }

  #span(node: Tree, ms: number | null): string {
    if (ms !== null && ms >= 0) return this.#context.dialect.interval(ms);
    return this.#refuse(node, "only spans of milliseconds to weeks are exported");
  }

  #column(node: Tree): string {
    const parts = (node["column_names"] as readonly string[]).map(String);
    if (parts.at(-1)!.toLowerCase() === "watermark") this.#refuse(node, "a watermark is no column there");
    return (
      this.#context.column?.(parts) ?? parts.map((part) => this.#context.spelling.quoted(part)).join(".")
    );
  }

  #constant(node: Tree): string {
    const value = child(node, "value") ?? {};
    const type = child(value, "type") ?? {};
    const held = value["value"];
    if (value["is_null"] === true) return "NULL";
    if (typeof held === "string") return this.#context.dialect.text(held);
    if (typeof held === "boolean") return held ? "TRUE" : "FALSE";
    if (typeof held !== "number" || (text(type, "id") !== "DOUBLE" && !Number.isSafeInteger(held)))
      return this.#refuse(node, "this constant is not exported");
    if (text(type, "id") === "DOUBLE") return `CAST('${held}' AS DOUBLE)`;
    const scale = Number(child(type, "type_info")?.["scale"] ?? 0);
    if (scale === 0) return String(held);
    const digits = String(Math.abs(held)).padStart(scale + 1, "0");
    return `${held < 0 ? "-" : ""}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  }

  #comparison(node: Tree): string {
    const [left, right] = [this.#part(node, "left"), this.#part(node, "right")];
    const type = text(node, "type");
    const operator = COMPARISONS[type];
    if (operator !== undefined) return `(${left} ${operator} ${right})`;
    if (type === "COMPARE_DISTINCT_FROM") return `(${this.#context.dialect.isDistinct(left, right)})`;
    if (type === "COMPARE_NOT_DISTINCT_FROM")
      return `(NOT (${this.#context.dialect.isDistinct(left, right)}))`;
    return this.#refuse(node, `${type} is not exported`);
  }

  #operator(node: Tree): string {
    const [first, ...rest] = children(node, "children").map((inner) => this.print(inner));
    switch (text(node, "type")) {
      case "OPERATOR_NOT":
        return `(NOT ${first!})`;
      case "OPERATOR_IS_NULL":
        return `(${first!} IS NULL)`;
      case "OPERATOR_IS_NOT_NULL":
        return `(${first!} IS NOT NULL)`;
      case "COMPARE_IN":
        return `(${first!} IN (${rest.join(", ")}))`;
      case "COMPARE_NOT_IN":
        return `(${first!} NOT IN (${rest.join(", ")}))`;
      case "OPERATOR_COALESCE":
        return `COALESCE(${[first!, ...rest].join(", ")})`;
      default:
        return this.#refuse(node, `${text(node, "type").toLowerCase()} is not exported`);
    }
  }

  #case(node: Tree): string {
    const checks = children(node, "case_checks").map(
      (check) => `WHEN ${this.#part(check, "when_expr")} THEN ${this.#part(check, "then_expr")}`,
    );
    const otherwise = child(node, "else_expr");
    return `CASE ${checks.join(" ")} ELSE ${otherwise ? this.print(otherwise) : "NULL"} END`;
  }

  #cast(node: Tree): string {
    const inner = child(node, "child") ?? {};
    const type = typeOf(child(node, "cast_type") ?? {});
    const held = inner["class"] === "CONSTANT" ? child(inner, "value")?.["value"] : undefined;
    if (typeof held === "string" && type === "BOOLEAN") return held === "t" ? "TRUE" : "FALSE";
    const into = typeText(this.#context.dialect, type, this.#context.at(byteOf(node)));
    if (child(inner, "value")?.["is_null"] === true) return `CAST(NULL AS ${into})`;
    const time = typeof held === "string" ? PLAIN_TIME.exec(held) : null;
    if (type === "DATE" && time && time[2] === undefined) return `DATE '${time[1]!}'`;
    if (type === "TIMESTAMP WITH TIME ZONE" && time)
      return `CAST(TIMESTAMP '${time[1]!} ${time[2] ?? "00:00:00"}' AS ${into})`;
    if (type === "TIMESTAMP WITH TIME ZONE" && inner["class"] === "COLUMN_REF")
      return `CAST(${this.print(inner)} AS ${into})`;
    const isWhole = typeof held === "number" || ROUNDED.has(functionName(inner));
    if (WHOLE.has(type) && !isWhole)
      this.#refuse(
        node,
        "a cast to whole numbers rounds here and cuts off there",
        "CAST(floor(x) AS BIGINT)",
      );
    if (!WHOLE.has(type) && type !== "DOUBLE" && !type.startsWith("DECIMAL"))
      this.#refuse(node, `a cast to ${type} may write values differently`);
    return `${node["try_cast"] === true ? "TRY_CAST" : "CAST"}(${this.print(inner)} AS ${into})`;
  }

  #function(node: Tree): string {
    const name = functionName(node);
    const inner = children(node, "children");
    if (name === "count_star") return `COUNT(*)${this.#filter(node)}`;
    if (children(child(node, "order_bys") ?? {}, "orders").length > 0)
      this.#refuse(node, `${name}() with an order is not exported`);
    const aggregate = AGGREGATES[name];
    if (aggregate !== undefined) return this.#aggregate(node, aggregate);
    if (MEANS.has(name))
      // Exact up to the division, as DuckDB's is; Flink's own mean of integers is an integer.
      return `(CAST(${this.#aggregate(node, "SUM")} AS DOUBLE) / ${this.#aggregate(node, "COUNT")})`;
    if (child(node, "filter") || node["distinct"] === true)
      this.#refuse(node, `${name}() is not exported; count, sum, avg, min and max are`);
    if (["+", "-", "*"].includes(name))
      return inner.length === 1 ? `(${name}${this.print(inner[0]!)})` : this.#joined(node, ` ${name} `);
    if (name === "||") return this.#joined(node, " || ");
    if (name === "%" || name === "mod") return this.#remainder(node);
    if (name === "/" || name === "//")
      this.#refuse(
        node,
        "division differs for whole numbers and for zero",
        "CASE WHEN b > 0 THEN … in a view there",
      );
    if (name === "~~" || name === "!~~") return this.#like(node, name === "~~" ? "LIKE" : "NOT LIKE");
    const known = this.#context.dialect.functions[name];
    if (known === undefined) return this.#refuse(node, `${name}() is not exported`);
    return `${known}(${inner.map((one) => this.print(one)).join(", ")})`;
  }

  #aggregate(node: Tree, name: string): string {
    // Flink 2.3 plans it over HOP with a function that it does not have.
    if (name === "SUM" && node["distinct"] === true) this.#refuse(node, "sums of DISTINCT are not exported");
    const inner = children(node, "children").map((one) => this.print(one));
    return `${name}(${node["distinct"] === true ? "DISTINCT " : ""}${inner.join(", ")})${this.#filter(node)}`;
  }

  #filter(node: Tree): string {
    const filter = child(node, "filter");
    return filter ? ` FILTER (WHERE ${this.print(filter)})` : "";
  }

  /** By zero it is NULL here and an error there. */
  #remainder(node: Tree): string {
    const [value, by] = children(node, "children");
    const held = by?.["class"] === "CONSTANT" ? child(by, "value")?.["value"] : undefined;
    if (typeof held !== "number" || held === 0)
      this.#refuse(node, "a remainder by something else than a constant is not exported");
    return `MOD(${this.print(value!)}, ${this.print(by!)})`;
  }

  /** Spark takes a backslash for an escape. */
  #like(node: Tree, operator: string): string {
    const [value, pattern] = children(node, "children");
    const held = pattern?.["class"] === "CONSTANT" ? child(pattern, "value")?.["value"] : undefined;
    if (typeof held !== "string" || held.includes("\\"))
      this.#refuse(node, "LIKE is exported with a constant without backslashes");
    return `(${this.print(value!)} ${operator} ${this.print(pattern!)})`;
  }

  #joined(node: Tree, by: string): string {
    return `(${children(node, "children")
      .map((inner) => this.print(inner))
      .join(by)})`;
  }

  #part(node: Tree, key: string): string {
    return this.print(child(node, key) ?? {});
  }

  #refuse(node: Tree, reason: string, instead: string | null = null): never {
    const { at, dialect } = this.#context;
    throw new JobRefused(at(byteOf(node)), `Not exported to ${dialect.engine}: ${reason}.`, instead);
  }
}

function typeOf(type: Tree): string {
  const info = child(type, "type_info");
  if (text(type, "id") === "DECIMAL") return `DECIMAL(${Number(info?.["width"])},${Number(info?.["scale"])})`;
  if (text(type, "id") === "LIST") return `${typeOf(child(info ?? {}, "child_type") ?? {})}[]`;
  return text(type, "id");
}
