/** Names of indices: one, or one for each day or month in UTC. */
import type { SearchTarget } from "../../core/search-target.ts";

const DAY_MS = 86_400_000;

/** Of the row's index. @param timeMs of the row, ms since 1970 UTC */
export function indexName({ index, time }: Pick<SearchTarget, "index" | "time">, timeMs: number): string {
  return time ? `${index}-${partOf(timeMs, time.unit)}` : index;
}

/** All of the target's, and none of another's whose name begins alike: see `indexEndMs`. */
export function indexPattern({ index, time }: SearchTarget): string {
  return time ? `${index}-*` : index;
}

/**
 * When an index's day or month ends, ms since 1970 UTC.
 * @returns undefined for one that is not the target's
 */
export function indexEndMs({ index, time }: SearchTarget, name: string): number | undefined {
  if (!time || !name.startsWith(`${index}-`)) return undefined;
  const [year, month, day] = name
    .slice(index.length + 1)
    .split(".")
    .map(Number);
  const startMs = Date.UTC(year ?? Number.NaN, (month ?? Number.NaN) - 1, day ?? 1);
  if (!Number.isFinite(startMs) || indexName({ index, time }, startMs) !== name) return undefined;
  return time.unit === "day" ? startMs + DAY_MS : Date.UTC(year!, month, 1);
}

function partOf(timeMs: number, unit: "day" | "month"): string {
  const date = new Date(timeMs).toISOString(); // of years beyond 9999: +012345-…
  const at = date.indexOf("-", 1);
  return date.slice(0, at + (unit === "day" ? 6 : 3)).replaceAll("-", ".");
}
