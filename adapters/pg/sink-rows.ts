/** Rows of an event type or of a job, as they go into a table: of each key the one that was accepted last. */
import type { SinkRow } from "../../core/ports/sink.ts";
import { RefusedRow } from "./sink-changes.ts";
import type { TargetColumn, TargetPlan } from "./sink-columns.ts";

/**
 * @param mode `append`: the target keeps the first of each key, and all are handed to it
 * @throws RefusedRow
 */
export function foldRows(
  mode: "append" | "upsert",
  { key, guard, columns }: TargetPlan,
  rows: readonly SinkRow[],
): readonly SinkRow[] {
  const keyColumns = columns.filter(({ name }) => key.includes(name));
  const newest = new Map<string, SinkRow>();
  for (const row of rows) {
    const id =
      keyColumns.length === 1
        ? keyText(keyColumns[0]!, row)
        : JSON.stringify(keyColumns.map((column) => keyText(column, row)));
    if (mode === "append") continue;
    const before = newest.get(id);
    if (!before || !isOlder(row, before, guard)) newest.set(id, row);
  }
  return mode === "append" ? rows : [...newest.values()];
}

function keyText({ name, text }: TargetColumn, { values }: SinkRow): string {
  const found = text(values);
  if (found === null) throw new RefusedRow(`the key's column "${name}" is null`);
  return found;
}

function isOlder(row: SinkRow, other: SinkRow, guard: readonly string[]): boolean {
  for (const name of guard) {
    const [mine, its] = [row.values[name] as bigint, other.values[name] as bigint];
    if (mine !== its) return mine < its;
  }
  return false;
}
