/** What is said of a current state beside what is said of every table. */
import type { CaptureState } from "../core/capture.ts";
import type { TableSnapshot } from "../core/ports/table-log.ts";
import type { Catalog, CatalogTable } from "../lake/catalog.ts";
import { unmergedRanges } from "../lake/current/current-table.ts";
import type { Registry } from "../core/registry.ts";

/** @returns {} for other tables */
export async function currentOf(
  { catalog, registry }: { readonly catalog: Catalog; readonly registry: Registry },
  table: CatalogTable,
  snapshot: TableSnapshot,
): Promise<Record<string, unknown>> {
  if (!table.captured) return {};
  const { name } = table.captured;
  const ranges = unmergedRanges(await catalog.snapshot(name), snapshot);
  const unmerged = ranges.reduce((sum, { from, to }) => sum + Math.max(0, to! - from), 0);
  return { current: { of: name, unmerged, complete: isComplete(registry, name) } };
}

/** Whether every capture that feeds the type has copied its table; null where none does. */
export function isComplete(registry: Registry, eventType: string): boolean | null {
  const tables = registry
    .list<CaptureState>("capture-state")
    .flatMap(({ value }) => Object.values(value?.tables ?? {}))
    .filter((table) => table.eventType === eventType);
  if (tables.length === 0) return null;
  return tables.every(({ copy }) => copy === "done" || copy === "none");
}
