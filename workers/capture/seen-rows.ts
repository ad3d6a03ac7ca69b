/**
 * Rows that a delta load has read and may read again: those within the overlap. A first round reads whole tables, so
 * what lies before the overlap is forgotten page by page.
 */

export class SeenRows {
  /** Time by key; rows come in the order of their times. */
  readonly #times = new Map<string, string>();

  get size(): number {
    return this.#times.size;
  }

  /** @param time as PostgreSQL shows it, in UTC */
  note(key: string, time: string): void {
    this.#times.delete(key); // to the end
    this.#times.set(key, time);
  }

  timeOf(key: string): string | undefined {
    return this.#times.get(key);
  }

  /** What is older than `until` by more than the overlap. Infinities and far years are kept. */
  forgetBefore(until: string, overlapMs: number): void {
    // Texts have µs, their ms are rounded.
    const fromMs = msOf(until) - overlapMs - 1;
    for (const [key, time] of this.#times) {
      if (!(msOf(time) < fromMs)) return;
      this.#times.delete(key);
    }
  }
}

/** NaN of what Date cannot read. */
function msOf(time: string): number {
  return Date.parse(time.replace(" ", "T").replace(/(\+00)?$/, "Z"));
}
