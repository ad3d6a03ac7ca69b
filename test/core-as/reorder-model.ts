/** What a reorder buffer must do, on a plain array of objects that is sorted whenever somebody asks. */

export interface ModelRecord {
  readonly timeUs: bigint;
  readonly partition: number;
  readonly offset: number;
  readonly payload: number;
}

export class ReorderModel {
  readonly #sliceUs: bigint;
  readonly #slices: bigint;
  readonly #capacity: number;
  readonly #aheadCapacity: number;
  watermarkUs: bigint | undefined;
  held: readonly ModelRecord[] = [];

  constructor(sliceUs: number, slices: number, capacity: number, aheadCapacity: number) {
    this.#sliceUs = BigInt(sliceUs);
    this.#slices = BigInt(slices);
    this.#capacity = capacity;
    this.#aheadCapacity = aheadCapacity;
  }

  /** "held", "late", "ahead" each; or why the batch is refused. */
  push(records: readonly ModelRecord[], keepsAhead: boolean): readonly string[] | "budget" | "ahead budget" {
    const answers = records.map((record) => this.#judge(record));
    const taken = records.filter((_, i) => answers[i] === "held" || (answers[i] === "ahead" && keepsAhead));
    const ahead = taken.filter((record) => this.#judge(record) === "ahead").length;
    if (ahead > 0 && this.ahead + ahead > this.#aheadCapacity) return "ahead budget";
    if (this.held.length + taken.length > this.#capacity) return "budget";
    this.held = [...this.held, ...taken];
    return answers;
  }

  get ahead(): number {
    return this.held.filter((record) => this.#judge(record) === "ahead").length;
  }

  advance(watermarkUs: bigint): void {
    if (this.watermarkUs === undefined || watermarkUs > this.watermarkUs) this.watermarkUs = watermarkUs;
  }

  release(most: number): readonly ModelRecord[] {
    const limit = this.watermarkUs;
    if (limit === undefined) return [];
    const out = this.sorted()
      .filter((record) => record.timeUs < limit)
      .slice(0, most);
    const gone = new Set(out);
    this.held = this.held.filter((record) => !gone.has(record));
    return out;
  }

  /** By time, partition, offset; equals as they came. */
  sorted(): readonly ModelRecord[] {
    return this.held.toSorted((a, b) => {
      if (a.timeUs !== b.timeUs) return a.timeUs < b.timeUs ? -1 : 1;
      return a.partition - b.partition || a.offset - b.offset;
    });
  }

  #judge({ timeUs }: ModelRecord): string {
    if (this.watermarkUs === undefined) return "held";
    if (timeUs < this.watermarkUs) return "late";
    return this.#sliceOf(timeUs) < this.#sliceOf(this.watermarkUs) + this.#slices ? "held" : "ahead";
  }

  #sliceOf(timeUs: bigint): bigint {
    const quotient = timeUs / this.#sliceUs;
    return timeUs < 0n && quotient * this.#sliceUs !== timeUs ? quotient - 1n : quotient;
  }
}
