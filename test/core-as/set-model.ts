/** What an identity set must do, on a plain Map: every entry with all that is known of it. */

interface Entry {
  ingestMs: number;
  isTentative: boolean;
}

export class SetModel {
  readonly #horizonMs: number;
  readonly #generationMs: number;
  readonly #entries = new Map<bigint, Entry[]>();

  constructor(horizonMs: number, generationMs: number) {
    this.#horizonMs = horizonMs;
    this.#generationMs = generationMs;
  }

  /** 0 duplicate, 1 new, 2 not known and not added */
  admit(identity: bigint, ingestMs: number, verdict: number): number {
    const known = this.#entries.get(identity) ?? [];
    if (known.some((entry) => Math.abs(entry.ingestMs - ingestMs) <= this.#horizonMs)) return 0;
    if (verdict !== 0) return 2;
    this.#entries.set(identity, [...known, { ingestMs, isTentative: true }]);
    return 1;
  }

  insert(identity: bigint, ingestMs: number): void {
    const known = this.#entries.get(identity) ?? [];
    const generation = (ms: number): number => Math.floor(ms / this.#generationMs);
    const twin = known.find((entry) => generation(entry.ingestMs) === generation(ingestMs));
    if (twin) {
      twin.ingestMs = Math.max(twin.ingestMs, ingestMs);
      return;
    }
    this.#entries.set(identity, [...known, { ingestMs, isTentative: false }]);
  }

  keep(): void {
    for (const known of this.#entries.values()) for (const entry of known) entry.isTentative = false;
  }

  undo(): void {
    this.#filter((entry) => !entry.isTentative);
  }

  expire(slowestMs: number): void {
    const oldest = slowestMs - this.#horizonMs;
    this.#filter((entry) => {
      const end = (Math.floor(entry.ingestMs / this.#generationMs) + 1) * this.#generationMs - 1;
      return end >= oldest;
    });
  }

  clear(): void {
    this.#entries.clear();
  }

  /** Every entry as `identity@ms`, sorted. */
  dump(): readonly string[] {
    return [...this.#entries]
      .flatMap(([identity, known]) => known.map(({ ingestMs }) => `${identity}@${ingestMs}`))
      .sort();
  }

  get size(): number {
    let count = 0;
    for (const known of this.#entries.values()) count += known.length;
    return count;
  }

  get tentative(): number {
    let count = 0;
    for (const known of this.#entries.values()) for (const entry of known) if (entry.isTentative) count++;
    return count;
  }

  #filter(keeps: (entry: Entry) => boolean): void {
    for (const [identity, known] of this.#entries) {
      const left = known.filter(keeps);
      if (left.length > 0) this.#entries.set(identity, left);
      else this.#entries.delete(identity);
    }
  }
}
