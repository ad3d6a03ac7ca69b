/** Queries that were run in this browser. They are kept here and sent nowhere. */
import { signal, type ReadonlySignal } from "@preact/signals";
import type { Asked } from "./query-answer.ts";

export interface PastQuery extends Asked {
  /** ms since 1970 UTC. */
  readonly whenMs: number;
  readonly tookMs: number;
  /** null where it failed. */
  readonly rows: number | null;
}

const KEY = "muara.queries";
const KEPT = 50;

const past = signal<readonly PastQuery[]>(readKept());
export const pastQueries: ReadonlySignal<readonly PastQuery[]> = past;

/** The same text again takes the place of the one before. */
export function remember(query: PastQuery): void {
  const others = past.value.filter(({ sql, at }) => sql !== query.sql || at !== query.at);
  keep([query, ...others].slice(0, KEPT));
}

export function forgetQueries(): void {
  keep([]);
}

function keep(queries: readonly PastQuery[]): void {
  past.value = queries;
  try {
    if (queries.length === 0) localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, JSON.stringify(queries));
  } catch {
    // A browser that keeps nothing: they stay until the tab is closed.
  }
}

function readKept(): readonly PastQuery[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter(isPastQuery) : [];
  } catch {
    return [];
  }
}

function isPastQuery(value: unknown): value is PastQuery {
  const query = value as Partial<PastQuery> | null;
  return typeof query?.sql === "string" && typeof query.at === "string" && typeof query.whenMs === "number";
}
