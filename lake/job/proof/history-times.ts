/**
 * Whether a job's history may be cut by `event_time`: only where all that it releases goes by that very column of its
 * tables. By another time a row of a later cut may be of a window that an earlier one has released.
 */
import type { Analysis } from "../analysis.ts";
import {
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
} from "../tree.ts";

const TIME = "event_time";

/** Of what cannot be told it says no: then history is one step. */
export function goesByEventTime({ calls, proof, tree }: Analysis): boolean {
  const { join, pattern, stages } = proof;
  const times = [
    ...calls.map(({ time }) => time),
    ...(join ? [join.left.time, join.right.time] : []),
    ...(pattern ? [pattern.time] : []),
  ];
  if (times.length === 0) return true; // rows, each final at once
  if (times.some((time) => time !== TIME)) return false;
  return children(child(tree, "cte_map") ?? {}, "map").every((item) => {
    const isBehind = stages.get(text(item, "key").toLowerCase())?.isWindowed === true;
    return isBehind || [...walk(child(item, "value") ?? {})].every(leavesEventTime);
  });
}

/** Whether what is called so in the result, if anything, is called so in what it reads. */
function leavesEventTime(node: Tree): boolean {
  if (names(node, "column_name_alias").length > 0) return false;
  // Their columns go by place.
  if (node["type"] === "SET_OPERATION_NODE") return new Set(armsOf(node).map(placeOf)).size === 1;
  const items = children(node, "select_list");
  const first = items.findIndex(isEventTime);
  return items.every((item, i) => {
    if (item["class"] === "STAR")
      return (
        item["columns"] !== true && !["replace_list", "rename_list", "expr"].some((key) => has(item, key))
      );
    // The fields of a struct become columns, of whatever name; of two of one name the first has it.
    if ([...walk(item)].some((inner) => functionName(inner) === "unnest")) return first !== -1 && first < i;
    return outputName(item) !== TIME || isEventTime(item);
  });
}

/** With a name before it, it may be the field of a struct. */
function isEventTime(item: Tree): boolean {
  const parts = columnParts(item);
  return parts?.length === 1 && parts[0] === TIME && outputName(item) === TIME;
}

function armsOf(node: Tree): readonly Tree[] {
  const arms = [child(node, "left"), child(node, "right"), ...children(node, "children")];
  return arms.filter((arm) => arm !== null);
}

/** Where an arm has it; a text of its own where that cannot be told. */
function placeOf(arm: Tree): number | string {
  if (arm["type"] === "SET_OPERATION_NODE") return placeOf(armsOf(arm)[0]!);
  const items = children(arm, "select_list");
  if (items.length === 1 && items[0]!["class"] === "STAR") return "all";
  if (items.some(({ class: kind }) => kind === "STAR")) return `not told ${JSON.stringify(arm)}`;
  return items.findIndex((item) => outputName(item) === TIME);
}
