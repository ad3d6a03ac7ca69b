/** The events of a tail as a page keeps them: the newest so many, each once, with the fate that is known by now. */
import type { TailFrame } from "../live/live-types.ts";
import type { TailEvent } from "../../live/tail-event.ts";

/** Kept; older ones go. */
export const ROWS_MAX = 2_000;
/** Beyond so many a second rows would be gone before their fate is known: they wait for it, so long at most, ms. */
const BUSY_PER_SECOND = 40;
const HELD_MS = 4_000;
/** Over which a rate is taken, ms. */
const RATE_MS = 3_000;

export interface TailRow {
  readonly key: string;
  readonly event: TailEvent;
}

export class TailStore {
  /** The newest first. */
  rows: readonly TailRow[] = [];
  #held = new Map<string, { readonly row: TailRow; readonly atMs: number }>();
  #places = new Map<string, TailRow>();
  #came: readonly { readonly atMs: number; readonly came: number; readonly shown: number }[] = [];

  clear(): void {
    this.rows = [];
    this.#places.clear();
    this.#held.clear();
    this.#came = [];
  }

  take(frames: readonly TailFrame[]): void {
    const fresh: TailRow[] = [];
    const changed = new Map<string, TailRow>();
    for (const { at, came, events, fates } of frames) {
      this.#came = [...this.#came, { atMs: Date.parse(at), came, shown: events.length }];
      const isBusy = this.rates(Date.parse(at)).shown > BUSY_PER_SECOND;
      for (const event of events) {
        if (isBusy && event.fate === "waiting") this.#hold(event, Date.parse(at));
        else this.#add(event, fresh);
      }
      for (const fate of fates) {
        const key = keyOf(fate);
        const held = this.#held.get(key);
        this.#held.delete(key);
        if (held) this.#add({ ...held.row.event, ...fate }, fresh);
        const known = held ? undefined : this.#places.get(key);
        // With a filter by fate an event comes whole, once its fate is known.
        if (known) changed.set(key, { key, event: { ...known.event, ...fate } });
        else if (!held && "payload" in fate) this.#add(fate, fresh);
      }
    }
    this.#release(fresh);
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

  #hold(event: TailEvent, atMs: number): void {
    const key = keyOf(event);
    if (!this.#places.has(key)) this.#held.set(key, { row: { key, event }, atMs });
  }

  /** Those that have waited long enough are shown as they are. */
  #release(fresh: TailRow[]): void {
    const newestMs = this.#came.at(-1)?.atMs ?? 0;
    for (const [key, { row, atMs }] of this.#held) {
      if (newestMs - atMs < HELD_MS) return;
      this.#held.delete(key);
      this.#add(row.event, fresh);
    }
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
