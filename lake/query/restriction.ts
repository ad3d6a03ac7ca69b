/**
 * Which partitions a query can see, read from its syntax tree: `WHERE` of a SELECT directly over one table, the parts
 * joined by AND that compare a bare column with ISO dates. Files outside of them are never given to the engine, whose
 * planning costs some 20 µs a file (measured). Whatever is not of exactly this form restricts nothing: the engine
 * applies the whole WHERE to the rows all the same, so this may keep too much and must never keep too little.
 */
import type { Tree } from "./gate-rules.ts";

/** `column` in lower case; `values` are dates as YYYY-MM-DD. `between` has the lower and the upper end, included. */
export interface Restriction {
  readonly column: string;
  readonly operator: "=" | "<" | "<=" | ">" | ">=" | "in" | "between";
  readonly values: readonly string[];
}

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
    return make(columnOf(left), operator, [dateOf(right)])
      .concat(make(columnOf(right), MIRRORED[operator]!, [dateOf(left)]))
      .slice(0, 1);
  }
  if (expression["type"] === "COMPARE_BETWEEN")
    return make(columnOf(expression["input"]), "between", [
      dateOf(expression["lower"]),
      dateOf(expression["upper"]),
    ]);
  if (expression["type"] === "COMPARE_IN" && Array.isArray(expression["children"])) {
    const [column, ...items] = expression["children"] as unknown[];
    return make(columnOf(column), "in", items.map(dateOf));
  }
  return [];
}

function make(
  column: string | undefined,
  operator: Restriction["operator"],
  values: readonly (string | undefined)[],
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

/** `'2026-01-15'`, `DATE '2026-01-15'`, `'2026-01-15'::DATE`: a real day written in full. */
function dateOf(expression: unknown): string | undefined {
  const node = asObject(expression);
  if (node?.["class"] === "CAST")
    return asObject(node["cast_type"])?.["id"] === "DATE" ? dateOf(node["child"]) : undefined;
  const value = node?.["class"] === "CONSTANT" ? asObject(node["value"]) : undefined;
  if (asObject(value?.["type"])?.["id"] !== "VARCHAR") return undefined;
  const text = value?.["value"];
  return typeof text === "string" && isDate(text) ? text : undefined;
}

function isDate(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false;
  const atMs = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(atMs) && new Date(atMs).toISOString().startsWith(text);
}

/**
 * Whether a file can have rows that one of the mentions of its table wants.
 * @param mentions restrictions per mention; an empty list wants everything
 * @param dateColumns partition columns of type date, as written in the schema
 */
export function mayMatch(
  mentions: readonly (readonly Restriction[])[],
  dateColumns: readonly string[],
  partitionValues: Readonly<Record<string, string | null>>,
): boolean {
  return mentions.some((restrictions) =>
    restrictions.every((restriction) => {
      const column = dateColumns.find((name) => name.toLowerCase() === restriction.column);
      if (column === undefined) return true;
      const value = partitionValues[column];
      if (value == null) return false; // no comparison with NULL is true
      return isDate(value) ? holds(restriction, value) : true;
    }),
  );
}

function holds({ operator, values }: Restriction, value: string): boolean {
  const [first, second] = [values[0]!, values[1]];
  switch (operator) {
    case "=":
    case "in":
      return values.includes(value);
    case "<":
      return value < first;
    case "<=":
      return value <= first;
    case ">":
      return value > first;
    case ">=":
      return value >= first;
    default:
      return value >= first && value <= second!;
  }
}

function asObject(value: unknown): Tree | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Tree) : undefined;
}
