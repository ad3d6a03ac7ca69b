/**
 * Predicates that a client sends along with a query, as far as they tell which files have no row that it wants
 * (Delta Sharing protocol, "JSON predicates for Filtering" and "SQL Expressions for Filtering"). They are hints: what
 * is not understood leaves nothing out, and the client filters rows itself.
 *
 * Both become what the query service's own file filter takes: alternatives (joined by OR) of restrictions (joined by
 * AND). An alternative without restrictions wants every file.
 */
import type { Constant, Restriction } from "../query/restriction.ts";

type Alternatives = readonly (readonly Restriction[])[];
type Operator = "=" | "<" | "<=" | ">" | ">=";
type Node = Readonly<Record<string, unknown>>;

const EVERYTHING: Alternatives = [[]];
const DEPTH_MAX = 32;
const ALTERNATIVES_MAX = 64;
const RESTRICTIONS_MAX = 256;

const OPERATORS: ReadonlyMap<unknown, Operator> = new Map([
  ["equal", "="],
  ["lessThan", "<"],
  ["lessThanOrEqual", "<="],
  ["greaterThan", ">"],
  ["greaterThanOrEqual", ">="],
]);
const MIRRORED: Readonly<Record<Operator, Operator>> = {
  "=": "=",
  "<": ">",
  "<=": ">=",
  ">": "<",
  ">=": "<=",
};

export interface Hints {
  /** SQL conditions, all of which hold. */
  readonly predicateHints?: readonly string[] | undefined;
  /** A tree of operations, JSON text. */
  readonly jsonPredicateHints?: string | undefined;
}

/** For `fileFilter`. */
export function alternativesOf({ predicateHints = [], jsonPredicateHints }: Hints): Alternatives {
  const fromSql = predicateHints.flatMap((text) => sqlRestriction(text) ?? []);
  return both(
    [fromSql],
    jsonPredicateHints === undefined ? EVERYTHING : jsonAlternatives(jsonPredicateHints),
  );
}

function jsonAlternatives(text: string): Alternatives {
  try {
    return visit(JSON.parse(text) as unknown, 0);
  } catch {
    return EVERYTHING;
  }
}

function visit(value: unknown, depth: number): Alternatives {
  if (depth > DEPTH_MAX || !isNode(value)) return EVERYTHING;
  const children: readonly unknown[] = Array.isArray(value["children"]) ? value["children"] : [];
  const operator = OPERATORS.get(value["op"]);
  if (operator) {
    const restriction = children.length === 2 ? comparison(operator, children[0], children[1]) : undefined;
    return restriction ? [[restriction]] : EVERYTHING;
  }
  if (value["op"] === "and") return children.map((child) => visit(child, depth + 1)).reduce(both, EVERYTHING);
  if (value["op"] === "or" && children.length > 0) {
    const all = children.flatMap((child) => visit(child, depth + 1));
    return all.length <= ALTERNATIVES_MAX ? all : EVERYTHING;
  }
  return EVERYTHING;
}

/** AND of two. Where it would grow too large, one of them alone is a wider and still true statement. */
function both(a: Alternatives, b: Alternatives): Alternatives {
  if (a.length * b.length > ALTERNATIVES_MAX) return a;
  const joined = a.flatMap((left) => b.map((right) => [...left, ...right]));
  return joined.some((one) => one.length > RESTRICTIONS_MAX) ? a : joined;
}

function comparison(operator: Operator, left: unknown, right: unknown): Restriction | undefined {
  if (!isNode(left) || !isNode(right)) return undefined;
  const isMirrored = left["op"] === "literal";
  const [column, literal] = isMirrored ? [right, left] : [left, right];
  const name = column["name"];
  if (column["op"] !== "column" || literal["op"] !== "literal" || typeof name !== "string") return undefined;
  const constant = constantOf(literal);
  if (!constant) return undefined;
  return {
    column: name.toLowerCase(),
    operator: isMirrored ? MIRRORED[operator] : operator,
    values: [constant],
  };
}

function constantOf({ value, valueType }: Node): Constant | undefined {
  const text = typeof value === "number" ? String(value) : value;
  if (typeof text !== "string") return undefined;
  switch (valueType) {
    case "int":
    case "long":
      return integer(text);
    case "string":
      return { kind: "text", text };
    case "date":
      return { kind: "date", text };
    case "timestamp":
      return { kind: "timestamptz", text };
    default:
      return undefined;
  }
}

function integer(text: string): Constant | undefined {
  const value = Number(text);
  return /^-?\d+$/.test(text) && Number.isSafeInteger(value) ? { kind: "integer", value } : undefined;
}

const COLUMN = String.raw`(?:([A-Za-z_]\w*)|\x60([^\x60]+)\x60)`;
const LITERAL = String.raw`(?:'((?:[^']|'')*)'|(-?\d{1,18}))`;
const SYMBOL = "(<=|>=|=|<|>)";
const COLUMN_FIRST = new RegExp(String.raw`^\s*${COLUMN}\s*${SYMBOL}\s*${LITERAL}\s*$`);
const LITERAL_FIRST = new RegExp(String.raw`^\s*${LITERAL}\s*${SYMBOL}\s*${COLUMN}\s*$`);

/** One comparison of a column with a constant; `<>`, `IS NULL` and whatever else restrict no file. */
function sqlRestriction(text: string): Restriction | undefined {
  const forward = COLUMN_FIRST.exec(text);
  const backward = forward ? null : LITERAL_FIRST.exec(text);
  const [column, quoted, symbol, string, number] = forward
    ? forward.slice(1)
    : backward
      ? [backward[4], backward[5], backward[3], backward[1], backward[2]]
      : [];
  const name = column ?? quoted;
  const constant: Constant | undefined =
    string === undefined ? integer(number ?? "") : { kind: "text", text: string.replaceAll("''", "'") };
  if (name === undefined || symbol === undefined || !constant) return undefined;
  const operator = symbol as Operator;
  return {
    column: name.toLowerCase(),
    operator: backward ? MIRRORED[operator] : operator,
    values: [constant],
  };
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
