/** What is read of DuckDB's syntax tree, behind the gate, which has seen every key of it. */
import type { Tree } from "../query/gate-rules.ts";

export type { Tree } from "../query/gate-rules.ts";

export function child(node: Tree, key: string): Tree | null {
  const value = node[key];
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Tree) : null;
}

export function children(node: Tree, key: string): readonly Tree[] {
  const value = node[key];
  return Array.isArray(value) ? (value as unknown[]).filter((item): item is Tree => isTree(item)) : [];
}

export function text(node: Tree, key: string): string {
  const value = node[key];
  return typeof value === "string" ? value : "";
}

/** Whether it says anything there. */
export function has(node: Tree, key: string): boolean {
  const value = node[key];
  return (
    value !== undefined && value !== null && !(typeof value === "object" && Object.keys(value).length === 0)
  );
}

/** Lower case. */
export function names(node: Tree, key: string): readonly string[] {
  const value = node[key];
  if (!Array.isArray(value)) return [];
  return (value as unknown[]).filter((item) => typeof item === "string").map((item) => item.toLowerCase());
}

/** Of a reference to a column its parts, lower case; null: it is something else. */
export function columnParts(node: Tree): readonly string[] | null {
  return node["class"] === "COLUMN_REF" ? names(node, "column_names") : null;
}

/** Of an item of a SELECT list, lower case; null: the engine makes one of its text. */
export function outputName(item: Tree): string | null {
  const alias = text(item, "alias").toLowerCase();
  return alias || (columnParts(item)?.at(-1) ?? null);
}

export function functionName(node: Tree): string {
  return text(node, "function_name").toLowerCase();
}

/** UTF-8 bytes from the start of the SQL; null where the engine does not say. */
export function byteOf(node: Tree): number | null {
  const at = node["query_location"];
  return typeof at === "number" && Number.isSafeInteger(at) ? at : null;
}

/** The node and all below it, each before its children. */
export function* walk(value: unknown): Generator<Tree> {
  if (Array.isArray(value)) for (const item of value as unknown[]) yield* walk(item);
  else if (isTree(value)) {
    yield value;
    for (const key of Object.keys(value)) yield* walk(value[key]);
  }
}

/** Two pieces of SQL that say the same have the same text here. */
export function withoutPlaces(node: Tree): string {
  return JSON.stringify(node, (key, value: unknown) =>
    key === "query_location" || key === "alias" ? undefined : value,
  );
}

function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
