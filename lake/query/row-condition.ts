/**
 * The gate for the condition of a grant on rows: one expression over the table's own columns and constants, that
 * gives the same for the same row whenever it is asked and has no way to fail on a row. So no subquery, aggregate,
 * window, lambda, no clock and no chance, casts of constants only, and functions from a short list of their own.
 *
 * The text is judged bare and in parentheses: only what is the same expression both times can be put into a WHERE
 * without becoming part of something else (`true) OR (true`).
 */
import { Gate } from "./gate.ts";
import { asList, asTree, Refusal, type Scope, type Tree } from "./gate-rules.ts";
import { alternativesOf, type Restriction } from "./restriction.ts";

export const CONDITION_BYTES_MAX = 4_096;

export type JudgedCondition =
  | {
      readonly kind: "condition";
      /** Columns that it names, lower case, once each. */
      readonly columns: readonly string[];
      /** Of each of its alternatives (joined by OR), what it says of columns. */
      readonly alternatives: readonly (readonly Restriction[])[];
    }
  | { readonly kind: "refused"; readonly reason: string };

const CLASSES = new Set(
  "BETWEEN CAST COLUMN_REF COMPARISON CONJUNCTION CONSTANT FUNCTION OPERATOR".split(" "),
);
const OPERATORS = new Set(
  `OPERATOR_NOT COMPARE_IN COMPARE_NOT_IN OPERATOR_IS_NULL OPERATOR_IS_NOT_NULL OPERATOR_COALESCE
  STRUCT_EXTRACT`.split(/\s+/),
);
/** None of them fails on a value of the type that it takes. `~~` is LIKE. */
export const CONDITION_FUNCTIONS: ReadonlySet<string> = new Set(
  `~~ !~~ ~~* !~~* lower upper ltrim rtrim length starts_with ends_with contains prefix suffix list_contains
  list_has_any struct_extract`.split(/\s+/),
);

/** The two texts to serialize; their trees go to `judgeCondition`. */
export function conditionTexts(condition: string): readonly [bare: string, wrapped: string] {
  return [`SELECT ${condition}`, `SELECT (${condition}\n)`];
}

/** @param bare @param wrapped what json_serialize_sql answered for the two texts */
export function judgeCondition(bare: string, wrapped: string): JudgedCondition {
  try {
    const expression = expressionOf(bare);
    if (withoutPlaces(expression) !== withoutPlaces(expressionOf(wrapped)))
      throw new Refusal("not one whole expression", null);
    const gate = new ConditionGate();
    gate.expression(expression, new Set());
    return { kind: "condition", columns: [...gate.columns], alternatives: alternativesOf(expression) };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return { kind: "refused", reason: error.message };
  }
}

class ConditionGate extends Gate {
  readonly columns = new Set<string>();

  override expression(node: Tree, scope: Scope): void {
    const kind = String(node["class"]);
    if (!CLASSES.has(kind)) throw new Refusal(`${kind.toLowerCase()} in a condition on rows`, null);
    if (kind === "OPERATOR" && !OPERATORS.has(String(node["type"])))
      throw new Refusal(`the operator ${String(node["type"])} in a condition on rows`, null);
    if (kind === "CAST" && asTree(node["child"])["class"] !== "CONSTANT")
      throw new Refusal("a cast of something else than a constant in a condition on rows", null);
    if (kind === "FUNCTION") this.#function(node);
    if (kind === "COLUMN_REF") this.columns.add(String(asList(node["column_names"])[0]).toLowerCase());
    super.expression(node, scope);
  }

  override query(): void {
    throw new Refusal("a query in a condition on rows", null);
  }

  override relation(): void {
    throw new Refusal("a table in a condition on rows", null);
  }

  #function(node: Tree): void {
    const name = String(node["function_name"]).toLowerCase();
    if (!CONDITION_FUNCTIONS.has(name))
      throw new Refusal(
        `the function ${name} in a condition on rows; allowed are ${[...CONDITION_FUNCTIONS].join(" ")}`,
        null,
      );
    const odd = ["schema", "catalog", "filter", "order_bys", "distinct", "export_state"].find((key) => {
      const value = node[key];
      const isEmptyOrder = key === "order_bys" && asList(asTree(value ?? {})["orders"] ?? []).length === 0;
      return value !== undefined && value !== "" && value !== false && !isEmptyOrder;
    });
    if (odd) throw new Refusal(`${name} with ${odd} in a condition on rows`, null);
  }
}

/** The only thing that the statement selects, from nothing. */
function expressionOf(serialized: string): Tree {
  const tree = JSON.parse(serialized) as Tree;
  if (tree["error"] === true) throw new Refusal(String(tree["error_message"]), null);
  const statements = asList(tree["statements"] ?? []);
  const node = statements.length === 1 ? asTree(asTree(statements[0])["node"] ?? {}) : {};
  const isBare =
    node["type"] === "SELECT_NODE" &&
    asTree(node["from_table"] ?? {})["type"] === "EMPTY" &&
    Object.keys(node).every((key) =>
      ["type", "select_list", "from_table", "aggregate_handling"].includes(key),
    );
  const items = isBare ? asList(node["select_list"] ?? []) : [];
  const only = items.length === 1 ? asTree(items[0]) : undefined;
  if (!only || (only["alias"] ?? "") !== "") throw new Refusal("not one whole expression", null);
  return only;
}

function withoutPlaces(expression: Tree): string {
  return JSON.stringify(expression, (key, value: unknown) => (key === "query_location" ? undefined : value));
}
