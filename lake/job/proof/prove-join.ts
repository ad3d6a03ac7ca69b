/** Joins: of two windowed relations by their window, of two tables by time, of a row with its own lists' elements. */
import { proveNode } from "./prove-expressions.ts";
import type { Proving } from "./proving.ts";
import { isSameMark, isWindowed, markOf, withoutMarks, type Mark, type Scope } from "./shape.ts";
import { proveTimeJoin } from "./prove-time-join.ts";
import { conjuncts } from "../relation/join-side.ts";
import { child, columnParts, names, text, walk, type Tree } from "../tree.ts";

const BY_WINDOW = "JOIN … ON a.window_end = b.window_end AND …";
const TYPES = new Set(["INNER", "LEFT", "RIGHT", "FULL", "SEMI", "ANTI"]);

/** @throws JobRefused */
export function proveJoin(prover: Proving, node: Tree, left: Scope, right: Scope): Scope {
  for (const inner of walk(node["condition"])) proveNode(prover, inner);
  if (isOfRow(node)) return proveElements(prover, node, left, right);
  if (!isWindowed(left) && !isWindowed(right)) return proveTimeJoin(prover, node, left, right);
  if (!isWindowed(left) || !isWindowed(right))
    prover.refuse("Rows of windows cannot be joined with rows without.", BY_WINDOW, node);
  const kind = text(node, "join_type");
  if (text(node, "ref_type") !== "REGULAR" || !TYPES.has(kind))
    prover.refuse("Only INNER, LEFT, RIGHT, FULL, SEMI and ANTI joins are supported.", BY_WINDOW, node);
  const using = names(node, "using_columns");
  const usingMarks = new Map<string, Mark>(
    using.map((name) => {
      const [a, b] = [markOf(left, [name]), markOf(right, [name])];
      return [name, isSameMark(a, b) ? a : null];
    }),
  );
  const isByWindow =
    [...usingMarks.values()].some((mark) => mark !== null) ||
    conjuncts(child(node, "condition")).some((condition) => bindsWindows(condition, left, right));
  if (!isByWindow) prover.refuse("This join may put rows of different windows together.", BY_WINDOW, node);
  if (kind === "SEMI" || kind === "ANTI") return left;
  const kept = kind === "RIGHT" || kind === "FULL" ? withoutMarks(left) : left;
  const joined = kind === "LEFT" || kind === "FULL" ? withoutMarks(right) : right;
  return {
    // Two relations may have columns of one name, so that a set of names is no key of the whole.
    members: [...kept.members, ...joined.members].map((member) => ({ ...member, keys: [] })),
    merged: new Map([...kept.merged, ...joined.merged, ...usingMarks]),
  };
}

/** `FROM t, unnest(t.list)` */
function isOfRow(node: Tree): boolean {
  return (
    child(node, "right")?.["type"] === "TABLE_FUNCTION" &&
    ["CROSS", "DEPENDENT"].includes(text(node, "ref_type"))
  );
}

function proveElements(prover: Proving, node: Tree, left: Scope, right: Scope): Scope {
  const isFlat =
    ["CROSS", "DEPENDENT"].includes(text(node, "ref_type")) && text(node, "join_type") === "INNER";
  if (!isFlat || isWindowed(right) || right.members.length !== 1)
    prover.refuse("This join is not supported.", "FROM t, unnest(t.list) AS u(element)", node);
  return {
    members: [...left.members, ...right.members].map((member) => ({ ...member, keys: [] })),
    merged: left.merged,
  };
}

function bindsWindows(node: Tree, left: Scope, right: Scope): boolean {
  if (node["type"] !== "COMPARE_EQUAL") return false;
  const a = columnParts(child(node, "left") ?? {});
  const b = columnParts(child(node, "right") ?? {});
  if (!a || !b) return false;
  const binds = (x: readonly string[], y: readonly string[]): boolean =>
    isSameMark(markOf(left, x), markOf(right, y));
  return binds(a, b) || binds(b, a);
}
