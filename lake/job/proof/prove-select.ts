/** One SELECT: what it puts together is of one window, and what is known of its result. */
import { isAggregate, PLACES } from "./job-functions.ts";
import type { Proving } from "./proving.ts";
import { isWindowed, markOf, marksOfAll, type Mark, type Scope, type Shape } from "./shape.ts";
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

const BY_WINDOW = "GROUP BY window_start, window_end, …";
/** What makes less, or something else, of a `*`. */
const CHANGES = ["exclude_list", "qualified_exclude_list", "replace_list", "rename_list", "expr"];
const TUMBLE = "FROM TUMBLE(table, event_time, INTERVAL '1 hour')";

/** @throws JobRefused */
export function proveSelect(prover: Proving, node: Tree, scope: Scope): Shape {
  const items = children(node, "select_list");
  const groups = groupsOfSelect(node);
  if (groups) proveGroups(prover, node, scope, groups);
  const keys = groups ? (groups.sets.length === 1 ? [groupKey(groups.all)] : []) : scopeKeys(scope);
  for (const inner of walk([node["select_list"], node["qualify"]]))
    if (inner["class"] === "WINDOW") proveWindow(prover, inner, scope, keys);
  const marks = outputMarks(items, scope);
  const isDistinct = children(node, "modifiers").some(({ type }) => type === "DISTINCT_MODIFIER");
  if (isDistinct && (!isWindowed(scope) || ![...marks.values()].some((mark) => mark !== null)))
    prover.refuse(
      `DISTINCT compares rows of all ${apart(prover)}.`,
      byAnchor(prover, "SELECT DISTINCT") ?? "SELECT DISTINCT window_end, …",
      node,
    );
  return { isWindowed: isWindowed(scope), marks, keys: outputKeys(items, keys, groups !== null) };
}

function apart({ join, pattern }: Proving): string {
  return join ? "left rows" : pattern ? "anchors" : "windows";
}

/** What binds rows to those of the left side; null where windows do. */
function byAnchor({ join, pattern }: Proving, words = "GROUP BY"): string | null {
  if (pattern) return `${words} event_id, …`;
  return join && `${words} ${join.left.alias}.event_id, …`;
}

export interface Groups {
  readonly all: readonly Tree[];
  /** Each a set of groups that rows are put together by. */
  readonly sets: readonly (readonly Tree[])[];
}

function isGrouped(node: Tree, items: readonly Tree[]): boolean {
  const handling = text(node, "aggregate_handling");
  if (has(node, "group_sets") || has(node, "having") || handling === "FORCE_AGGREGATES") return true;
  return [...items, child(node, "qualify") ?? {}].some(hasAggregate);
}

/** Aggregates of a window function are not of the SELECT, but those within it are. */
function hasAggregate(item: Tree): boolean {
  return [...walk(item)].some((node) => node["class"] === "FUNCTION" && isAggregate(functionName(node)));
}

/** What it groups by; null: it does not. */
export function groupsOfSelect(node: Tree): Groups | null {
  const items = children(node, "select_list");
  return isGrouped(node, items) ? groupsOf(node, items) : null;
}

function groupsOf(node: Tree, items: readonly Tree[]): Groups {
  if (!has(node, "group_sets") && text(node, "aggregate_handling") === "FORCE_AGGREGATES") {
    const all = items.filter((item) => !hasAggregate(item) && ![...walk(item)].some(isWindow));
    return { all, sets: [all] };
  }
  const all = children(node, "group_expressions").map((group) => itemOf(group, items));
  const sets = (node["group_sets"] ?? []) as readonly (readonly number[])[];
  return { all, sets: sets.map((set) => set.map((place) => all[place]!)) };
}

const isWindow = (node: Tree): boolean => node["class"] === "WINDOW";

/** GROUP BY 1, and GROUP BY of an item's alias. */
function itemOf(group: Tree, items: readonly Tree[]): Tree {
  const value = group["class"] === "CONSTANT" ? child(group, "value")?.["value"] : undefined;
  if (typeof value === "number") return items[value - 1] ?? group;
  const parts = columnParts(group);
  const aliased =
    parts?.length === 1 ? items.find((item) => text(item, "alias").toLowerCase() === parts[0]) : undefined;
  // Were it a column's name, too, the engine would take the column, and the item, not grouped by, would not bind.
  return aliased ?? group;
}

function proveGroups(prover: Proving, node: Tree, scope: Scope, { sets }: Groups): void {
  if (!isWindowed(scope)) prover.refuse("An aggregate needs a window to be final with.", TUMBLE, node);
  if (sets.length === 0 || sets.some((set) => !isMarked(set, scope)))
    prover.refuse(
      `This groups rows of different ${apart(prover)} together.`,
      byAnchor(prover) ?? BY_WINDOW,
      node,
    );
}

function isMarked(expressions: readonly Tree[], scope: Scope): boolean {
  return expressions.some((expression) => {
    const parts = columnParts(expression);
    return parts !== null && markOf(scope, parts) !== null;
  });
}

function proveWindow(prover: Proving, node: Tree, scope: Scope, keys: Shape["keys"]): void {
  const partitions = children(node, "partitions");
  if (!isWindowed(scope)) prover.refuse("A window function over a whole table is never final.", TUMBLE, node);
  if (!isMarked(partitions, scope))
    prover.refuse(
      `This looks at rows of different ${apart(prover)} together.`,
      byAnchor(prover, "OVER (PARTITION BY") ?? "OVER (PARTITION BY window_end …)",
      node,
    );
  const isByRow = [node["start"], node["end"]].some((bound) => String(bound).endsWith("_ROWS"));
  const needsPlace = PLACES.has(functionName(node)) || (isByRow && hasBounds(node));
  if (!needsPlace) return;
  const orders = [...children(node, "orders"), ...children(node, "arg_orders")];
  const by = new Set(
    [...partitions, ...orders.map((order) => child(order, "expression") ?? {})].map((expression) =>
      columnParts(expression)?.at(-1),
    ),
  );
  if (!keys.some((key) => key.every((column) => by.has(column) || isBoundByWindow(scope, column))))
    prover.refuse(
      "Which of two equal rows comes first is not said.",
      "rank(), or ORDER BY … and then event_id, or every column of the GROUP BY",
      node,
    );
}

/** A frame by rows that goes over all of them needs no order. */
function hasBounds(node: Tree): boolean {
  return !(node["start"] === "UNBOUNDED_PRECEDING" && node["end"] === "UNBOUNDED_FOLLOWING");
}

/** It has one value in a window. */
function isBoundByWindow(scope: Scope, column: string): boolean {
  return markOf(scope, [column]) !== null;
}

function scopeKeys(scope: Scope): Shape["keys"] {
  return scope.members.length === 1 ? scope.members[0]!.keys : [];
}

/** @returns nothing that can be had where a group is no plain column */
function groupKey(groups: readonly Tree[]): readonly string[] {
  return groups.map((group) => columnParts(group)?.at(-1) ?? "(expression)");
}

function outputMarks(items: readonly Tree[], scope: Scope): ReadonlyMap<string, Mark> {
  const marks = new Map<string, Mark>();
  const add = (name: string, mark: Mark): void => {
    marks.set(name, marks.has(name) ? null : mark);
  };
  for (const item of items) {
    if (item["class"] === "STAR") for (const [name, mark] of starMarks(item, scope)) add(name, mark);
    else {
      const name = outputName(item);
      const parts = columnParts(item);
      if (name !== null) add(name, parts ? markOf(scope, parts) : null);
    }
  }
  // The fields of an unnested struct become columns, of whatever name.
  const isSpread = items.some((item) => [...walk(item)].some((node) => functionName(node) === "unnest"));
  return isSpread ? new Map([...marks.keys()].map((name) => [name, null])) : marks;
}

function starMarks(star: Tree, scope: Scope): ReadonlyMap<string, Mark> {
  const relation = text(star, "relation_name").toLowerCase();
  const all = relation
    ? (scope.members.find(({ name }) => name === relation)?.marks ?? new Map<string, Mark>())
    : marksOfAll(scope);
  const isPlain = !["replace_list", "rename_list", "expr"].some((key) => has(star, key));
  if (!isPlain || star["columns"] === true) return new Map([...all.keys()].map((name) => [name, null]));
  const excluded = names(star, "exclude_list");
  return new Map([...all].filter(([name]) => !excluded.includes(name)));
}

/** Those whose columns are all in the result under their own names. */
function outputKeys(items: readonly Tree[], keys: Shape["keys"], isGrouping: boolean): Shape["keys"] {
  if (items.some((item) => [...walk(item)].some((node) => functionName(node) === "unnest"))) return [];
  const stars = items.filter((item) => item["class"] === "STAR");
  const plain = items.map((item) => ({ name: outputName(item), column: columnParts(item)?.at(-1) }));
  const isAll = !isGrouping && stars.some((star) => !CHANGES.some((key) => has(star, key)));
  const isKept = (column: string): boolean => {
    const named = plain.filter(({ name }) => name === column);
    return named.length === 0
      ? isAll
      : named.length === 1 && named[0]!.column === column && stars.length === 0;
  };
  return keys.filter((key) => key.every(isKept));
}
