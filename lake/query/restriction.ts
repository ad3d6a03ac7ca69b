/**
 * Which rows a query can see, read from its syntax tree: `WHERE` of a SELECT directly over one table, the parts joined
 * by AND that compare a bare column with constants. Files that can have none of them (file-filter.ts) are never given
 * to the engine, whose planning costs some 20 µs a file (measured), nor copied from S3. Whatever is not of exactly
 * this form restricts nothing: the engine applies the whole WHERE to the rows all the same, so this may keep too much
 * and must never keep too little.
 */
import type { Tree } from "./gate-rules.ts";

/** `column` in lower case. `between` has the lower and the upper end, included. */
export interface Restriction {
  readonly column: string;
  readonly operator: "=" | "<" | "<=" | ">" | ">=" | "in" | "between";
  readonly values: readonly Constant[];
}

/** A constant as written; what it means depends on the column's type. */
export type Constant =
  | { readonly kind: "text" | "date" | "timestamp" | "timestamptz"; readonly text: string }
  | { readonly kind: "integer"; readonly value: number };

const CAST_TYPES: Readonly<Record<string, "date" | "timestamp" | "timestamptz">> = {
  DATE: "date",
  TIMESTAMP: "timestamp",
  "TIMESTAMP WITH TIME ZONE": "timestamptz",
};
const INTEGER_TYPES = new Set(["TINYINT", "SMALLINT", "INTEGER", "BIGINT"]);

const OPERATORS: Readonly<Record<string, Restriction["operator"]>> = {
  COMPARE_EQUAL: "=",
  COMPARE_LESSTHAN: "<",
  COMPARE_LESSTHANOREQUALTO: "<=",
  COMPARE_GREATERTHAN: ">",
  COMPARE_GREATERTHANOREQUALTO: ">=",
};
const MIRRORED: Readonly<Record<string, Restriction["operator"]>> = {
  "=": "=",
  "<": ">",
  "<=": ">=",
  ">": "<",
  ">=": "<=",
};

/** @returns the table node that `select` reads directly and what its WHERE says of it; undefined for other forms */
export function restrictionsOf(
  select: Tree,
): { table: Tree; restrictions: readonly Restriction[] } | undefined {
  const from = asObject(select["from_table"]);
  if (select["type"] !== "SELECT_NODE" || from?.["type"] !== "BASE_TABLE") return undefined;
  // A sample is of the whole table, and other column names would make the WHERE speak of other columns.
  if (select["sample"] ?? from["sample"] ?? from["column_name_alias"]) return undefined;
  const where = asObject(select["where_clause"]);
  return { table: from, restrictions: where ? conjuncts(where).flatMap(restrictionOf) : [] };
}

/** Per part of an expression joined by OR, what it says; an empty list says nothing. */
export function alternativesOf(expression: Tree): readonly (readonly Restriction[])[] {
  const children = expression["type"] === "CONJUNCTION_OR" ? expression["children"] : undefined;
  if (!Array.isArray(children)) return [conjuncts(expression).flatMap(restrictionOf)];
  return (children as unknown[]).flatMap((child) => {
    const inner = asObject(child);
    return inner ? alternativesOf(inner) : [[]];
  });
}

function conjuncts(expression: Tree): readonly Tree[] {
  if (expression["type"] !== "CONJUNCTION_AND" || !Array.isArray(expression["children"])) return [expression];
  return (expression["children"] as unknown[]).flatMap((child) => {
    const inner = asObject(child);
    return inner ? conjuncts(inner) : [];
  });
}

function restrictionOf(expression: Tree): readonly Restriction[] {
  const operator = OPERATORS[String(expression["type"])];
  if (expression["class"] === "COMPARISON" && operator) {
    const { left, right } = expression;
    return make(columnOf(left), operator, [constantOf(right)])
      .concat(make(columnOf(right), MIRRORED[operator]!, [constantOf(left)]))
      .slice(0, 1);
  }
  if (expression["type"] === "COMPARE_BETWEEN")
    return make(columnOf(expression["input"]), "between", [
      constantOf(expression["lower"]),
      constantOf(expression["upper"]),
    ]);
  if (expression["type"] === "COMPARE_IN" && Array.isArray(expression["children"])) {
    const [column, ...items] = expression["children"] as unknown[];
    return make(columnOf(column), "in", items.map(constantOf));
  }
  return [];
}

function make(
  column: string | undefined,
  operator: Restriction["operator"],
  values: readonly (Constant | undefined)[],
): Restriction[] {
  const known = values.filter((value) => value !== undefined);
  if (column === undefined || known.length < values.length || known.length === 0) return [];
  return [{ column, operator, values: known }];
}

/** A name of one part: of more, the first could be a table, or a column with fields. */
function columnOf(expression: unknown): string | undefined {
  const node = asObject(expression);
  const names = node?.["class"] === "COLUMN_REF" ? node["column_names"] : undefined;
  if (!Array.isArray(names) || names.length !== 1) return undefined;
  return String(names[0]).toLowerCase();
}

/** `'text'`, `5`, `DATE '2026-01-15'`, `'2026-01-15 10:00:00'::TIMESTAMP`. */
function constantOf(expression: unknown): Constant | undefined {
  const node = asObject(expression);
  if (node?.["class"] === "CAST") {
    const kind = CAST_TYPES[String(asObject(node["cast_type"])?.["id"])];
    const inner = kind && node["try_cast"] !== true ? constantOf(node["child"]) : undefined;
    return kind && inner?.kind === "text" ? { kind, text: inner.text } : undefined;
  }
  const value = node?.["class"] === "CONSTANT" ? asObject(node["value"]) : undefined;
  const type = String(asObject(value?.["type"])?.["id"]);
  const content = value?.["value"];
  if (type === "VARCHAR" && typeof content === "string") return { kind: "text", text: content };
  if (INTEGER_TYPES.has(type) && Number.isSafeInteger(content))
    return { kind: "integer", value: content as number };
  return undefined;
}

function asObject(value: unknown): Tree | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Tree) : undefined;
}
