/** Of one SELECT the functions and subqueries that it calls. */
import { insteadOf, isAggregate, isExact, isSteadyWindow, LISTS, UNSTEADY } from "./job-functions.ts";
import type { Proving } from "./proving.ts";
import { child, children, functionName, walk, withoutPlaces, type Tree } from "../tree.ts";

/** What of a SELECT has expressions of its own; what stands in FROM has been looked at. */
const PARTS = ["select_list", "where_clause", "group_expressions", "having", "qualify"];

/** @throws JobRefused */
export function proveExpressions(prover: Proving, node: Tree): void {
  for (const part of PARTS) for (const inner of walk(node[part])) proveNode(prover, inner);
}

export function proveNode(prover: Proving, node: Tree): void {
  const kind = node["class"];
  if (kind === "SUBQUERY" && node["subquery_type"] === "EXISTS")
    prover.refuse(
      "EXISTS is written as a join here.",
      "o SEMI JOIN s ON …, o ANTI JOIN s ON … for its absence",
      node,
    );
  if (kind === "SUBQUERY")
    prover.refuse("A subquery in an expression may see rows of other windows.", "a JOIN on window_end", node);
  if (kind === "POSITIONAL_REFERENCE")
    prover.refuse("Columns by number are not supported.", "its name", node);
  if (kind !== "FUNCTION" && kind !== "WINDOW") return;
  const name = functionName(node);
  if (UNSTEADY.has(name) || (name === "age" && children(node, "children").length < 2))
    prover.refuse(`${name}() gives something else each time.`, "event_time", node);
  if (kind === "WINDOW") {
    if (!isSteadyWindow(name))
      prover.refuse(`${name}() OVER may depend on the order of rows.`, "rank(), sum(), min(), max()", node);
  } else if (isAggregate(name) && !isExact(name) && !isSorted(node)) {
    prover.refuse(`${name}() may depend on the order of rows.`, insteadOf(name), node);
  }
}

/** array_agg(x ORDER BY x): whichever of two equal values comes first, the list is the same. */
function isSorted(node: Tree): boolean {
  const [value] = children(node, "children");
  if (!LISTS.has(functionName(node)) || !value) return false;
  const orders = children(child(node, "order_bys") ?? {}, "orders");
  return orders.some((order) => withoutPlaces(child(order, "expression") ?? {}) === withoutPlaces(value));
}
