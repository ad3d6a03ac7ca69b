/**
 * What the keyed timers are compared with: tuned TypeScript on typed arrays only. One hash table with linear probing,
 * one flat wheel of seconds, deadlines as numbers, parts as one word of bits. It does less: parts have no times, so it
 * is right only where the watermark moves behind every event; there are no budget and no images.
 */
const SECONDS = 2 ** 18;

export class TypedTimers {
  readonly #mask: number;
  readonly #slots: Int32Array;
  readonly #keys: Uint32Array;
  readonly #deadlines: Float64Array;
  readonly #needs: Uint32Array;
  readonly #got: Uint32Array;
  readonly #next: Int32Array;
  readonly #first = new Int32Array(SECONDS).fill(-1);
  readonly #order: Int32Array;
  #size = 0;
  #second: number;
  breaches = 0;
  completions = 0;

  constructor(capacity: number, startUs: number) {
    this.#mask = 2 ** Math.ceil(Math.log2(capacity * 1.5)) - 1;
    this.#slots = new Int32Array(this.#mask + 1).fill(-1);
    this.#keys = new Uint32Array(capacity * 4);
    this.#deadlines = new Float64Array(capacity);
    this.#needs = new Uint32Array(capacity);
    this.#got = new Uint32Array(capacity);
    this.#next = new Int32Array(capacity);
    this.#order = new Int32Array(capacity);
    this.#second = Math.floor(startUs / 1e6);
  }

  /** @param keys [event × 4] identities as words @param kinds 0 opening, 1 part */
  update(
    count: number,
    kinds: Uint8Array,
    keys: Uint32Array,
    deadlines: Float64Array,
    parts: Uint32Array,
  ): void {
    for (let i = 0; i < count; i++) {
      const timer = this.#find(keys, i * 4);
      if (kinds[i] === 0) {
        this.#deadlines[timer] = deadlines[i]!;
        this.#needs[timer] = parts[i]!;
        const second = Math.floor(deadlines[i]! / 1e6) & (SECONDS - 1);
        this.#next[timer] = this.#first[second]!;
        this.#first[second] = timer;
      } else {
        this.#got[timer]! |= parts[i]!;
      }
      if (this.#needs[timer] !== 0 && (this.#got[timer]! & this.#needs[timer]!) === this.#needs[timer])
        this.completions++;
    }
  }

  /** Whole seconds only. */
  advance(watermarkUs: number): void {
    const to = Math.floor(watermarkUs / 1e6);
    for (; this.#second < to; this.#second++) {
      const place = this.#second & (SECONDS - 1);
      let count = 0;
      for (let timer = this.#first[place]!; timer !== -1; timer = this.#next[timer]!)
        if ((this.#got[timer]! & this.#needs[timer]!) !== this.#needs[timer]) this.#order[count++] = timer;
      this.#first[place] = -1;
      const due = this.#order.subarray(0, count);
      due.sort((a, b) => this.#deadlines[a]! - this.#deadlines[b]!);
      this.breaches += count;
    }
  }

  #find(keys: Uint32Array, at: number): number {
    const a = keys[at]!;
    const b = keys[at + 1]!;
    const c = keys[at + 2]!;
    const d = keys[at + 3]!;
    let slot = (Math.imul(a, 0x9e3779b1) ^ c) & this.#mask;
    for (;;) {
      const timer = this.#slots[slot]!;
      if (timer === -1) break;
      const key = timer * 4;
      if (
        this.#keys[key] === a &&
        this.#keys[key + 1] === b &&
        this.#keys[key + 2] === c &&
        this.#keys[key + 3] === d
      )
        return timer;
      slot = (slot + 1) & this.#mask;
    }
    const timer = this.#size++;
    this.#slots[slot] = timer;
    this.#keys.set([a, b, c, d], timer * 4);
    return timer;
  }
}
