/** Windows as Flink and Spark write them. */
import { child, columnParts, text, walk, type Tree } from "../job/tree.ts";
import type { WindowCall } from "../job/relation/window-call.ts";
import type { Dialect } from "./dialect.ts";
import type { Spelling } from "./spelling.ts";

export const WINDOW_COLUMNS = ["window_start", "window_end"] as const;

export function flinkWindow(call: WindowCall, source: string, dialect: Dialect, spelling: Spelling): string {
  const time = `DESCRIPTOR(${spelling.quoted(call.time)})`;
  const size = dialect.interval(call.sizeMs);
  if (call.macro === "tumble") return `TABLE(TUMBLE(TABLE ${source}, ${time}, ${size}))`;
  if (call.macro === "hop")
    return `TABLE(HOP(TABLE ${source}, ${time}, ${dialect.interval(call.stepMs)}, ${size}))`;
  const keys =
    call.keys.length > 0 ? ` PARTITION BY (${call.keys.map((key) => spelling.quoted(key)).join(", ")})` : "";
  return `TABLE(SESSION(TABLE ${source}${keys}, ${time}, ${size}))`;
}

/** The bounds are fields of the window that Spark groups by. */
export function sparkWindowColumn(
  { macro }: WindowCall,
  alias: string,
): (parts: readonly string[]) => string | undefined {
  const window = macro === "session" ? "session_window" : "window";
  return (parts) => {
    const name = parts.at(-1)!.toLowerCase();
    const isOwn = parts.length === 1 || parts[0]!.toLowerCase() === alias.toLowerCase();
    if (!isOwn || !WINDOW_COLUMNS.includes(name as "window_end")) return undefined;
    return `${window}.${name === "window_start" ? "start" : "end"}`;
  };
}

/** @returns null where its session would have other bounds: Spark's are by all that the rows are grouped by */
export function sparkGroup(
  { macro, time, sizeMs, stepMs, keys }: WindowCall,
  groups: readonly Tree[],
  print: (group: Tree) => string,
  spelling: Spelling,
): string | null {
  const others = groups.filter((group) => !WINDOW_COLUMNS.includes(nameOf(group) as "window_end"));
  const by = others.map(nameOf);
  const isBySame = by.length === keys.length && keys.every((key) => by.includes(key));
  if (macro === "session" && !isBySame) return null;
  const spans = [sizeMs, ...(macro === "hop" ? [stepMs] : [])].map((ms) => `'${ms} milliseconds'`);
  const window = [spelling.quoted(time), ...spans].join(", ");
  return [`${macro === "session" ? "session_window" : "window"}(${window})`, ...others.map(print)].join(", ");
}

function nameOf(group: Tree): string {
  return columnParts(group)?.at(-1) ?? "";
}

/** GROUP BY 1, and GROUP BY of an item's alias, which neither engine has everywhere. */
export function placeOf(group: Tree, items: readonly Tree[]): Tree {
  const value = group["class"] === "CONSTANT" ? child(group, "value")?.["value"] : undefined;
  if (typeof value === "number") return items[value - 1] ?? group;
  const parts = columnParts(group);
  if (parts?.length !== 1) return group;
  const aliased = items.find((item) => text(item, "alias").toLowerCase() === parts[0]);
  // An item that has the name within it is made of a column of that name, which comes first.
  const isColumn = aliased && [...walk(aliased)].some((node) => columnParts(node)?.at(-1) === parts[0]);
  return aliased && !isColumn ? aliased : group;
}
