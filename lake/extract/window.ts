/** Windows of a feed: days or hours of UTC, aligned to 1970. Each is one table partition at the consumer's. */
import type { WindowKind } from "../../core/extract-feed.ts";

const MS: Readonly<Record<WindowKind, number>> = { day: 86_400_000, hour: 3_600_000 };

/** ms. */
export function windowLength(kind: WindowKind): number {
  return MS[kind];
}

/** `2026-11-20` or `2026-11-20T13`. @param startMs ms since 1970 UTC */
export function windowName(kind: WindowKind, startMs: number): string {
  return new Date(startMs).toISOString().slice(0, kind === "day" ? 10 : 13);
}

/** ms since 1970 UTC; NaN for what is no window. */
export function windowStart(kind: WindowKind, name: string): number {
  const form = kind === "day" ? /^\d{4}-\d\d-\d\d$/ : /^\d{4}-\d\d-\d\dT\d\d$/;
  return form.test(name) ? Date.parse(kind === "day" ? `${name}T00:00:00Z` : `${name}:00:00Z`) : NaN;
}

/** The end of the last window that is over at `throughMs`. */
export function closedUntil(kind: WindowKind, throughMs: number): number {
  return Math.floor(throughMs / MS[kind]) * MS[kind];
}
