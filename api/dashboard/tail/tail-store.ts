/** The events of a tail as a page keeps them: the newest so many, each once, with the fate that is known by now. */
import type { TailEvent, TailFrame } from "../live/live-types.ts";

/** Kept; older ones go. */
export const ROWS_MAX = 2_000;
/** Over which a rate is taken, ms. */
const RATE_MS = 3_000;

export interface TailRow {
  readonly key: string;
  readonly event: TailEvent;
}

export class TailStore {
  /** The newest first. */
  rows: readonly TailRow[] = [];
  #places = new Map<string, TailRow>();
  #came: readonly { readonly atMs: number; readonly came: number; readonly shown: number }[] = [];

  clear(): void {
    this.rows = [];
    this.#places.clear();
    this.#came = [];
  }

  take(frames: readonly TailFrame[]): void {
    const fresh: TailRow[] = [];
    const changed = new Map<string, TailRow>();
    for (const { at, came, events, fates } of frames) {
      this.#came = [...this.#came, { atMs: Date.parse(at), came, shown: events.length }];
      for (const event of events) this.#add(event, fresh);
      for (const fate of fates) {
        const key = keyOf(fate);
        const known = this.#places.get(key);
        // With a filter by fate an event comes whole, once its fate is known.
        if (known) changed.set(key, { key, event: { ...known.event, ...fate } });
        else if ("payload" in fate) this.#add(fate, fresh);
      }
    }
    const newestMs = this.#came.at(-1)?.atMs ?? 0;
    this.#came = this.#came.filter(({ atMs }) => newestMs - atMs < RATE_MS);
    if (fresh.length === 0 && changed.size === 0) return;
    for (const [key, row] of changed) this.#places.set(key, row);
    const all = [...fresh.toReversed(), ...this.rows];
    for (const { key } of all.slice(ROWS_MAX)) this.#places.delete(key);
    const kept = all.slice(0, ROWS_MAX);
    this.rows = changed.size === 0 ? kept : kept.map((row) => changed.get(row.key) ?? row);
  }

  /** Events a second: of all that came, and of those shown. */
  rates(nowMs: number): { readonly came: number; readonly shown: number } {
    const recent = this.#came.filter(({ atMs }) => nowMs - atMs < RATE_MS);
    const sum = (pick: (one: (typeof recent)[number]) => number): number =>
      recent.reduce((total, one) => total + pick(one), 0);
    const seconds = RATE_MS / 1_000;
    return { came: sum(({ came }) => came) / seconds, shown: sum(({ shown }) => shown) / seconds };
  }

  #add(event: TailEvent, fresh: TailRow[]): void {
    const key = keyOf(event);
    if (this.#places.has(key)) return;
    const row = { key, event };
    this.#places.set(key, row);
    fresh.push(row);
  }
}

function keyOf({ partition, offset }: TailEvent): string {
  return `${partition}:${offset}`;
}
