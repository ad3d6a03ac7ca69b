/**
 * Count, sum, least and greatest by key and minute, merged into hopping windows: keys get dense numbers from a table of
 * their words, a minute has a row of each column. Sums are kept as low words and high words, exact as doubles.
 */
import type { Report } from "./report.ts";
import { KEYS, WINDOW_MINUTES } from "./workload.ts";

const MINUTE_US = 60_000_000;
/** Minutes in the ring: those of a window, and as many as rows may lie ahead of its end. */
const RING = 16;
const SLOTS = 2 ** Math.ceil(Math.log2(KEYS * 1.6));
/** Rows of results that are told at once. */
const MOST = KEYS * RING;

export class TypedPanes {
  readonly #report: Report;
  readonly #slots = new Int32Array(SLOTS).fill(-1);
  readonly #keys = new Uint32Array(KEYS * 4);
  readonly #counts = new Float64Array(KEYS * RING);
  readonly #lows = new Float64Array(KEYS * RING);
  readonly #highs = new Float64Array(KEYS * RING);
  readonly #least = new Float64Array(KEYS * RING).fill(Infinity);
  readonly #greatest = new Float64Array(KEYS * RING).fill(-Infinity);
  // results: key, minute, count, low and high sums, least, greatest
  readonly #outKeys = new Uint32Array(MOST);
  readonly #outMinutes = new Int32Array(MOST);
  readonly #outs = [0, 1, 2, 3, 4].map(() => new Float64Array(MOST));
  #outCount = 0;
  #size = 0;
  /** The end of the next window, in minutes; NaN before the first row. */
  #end = Number.NaN;
  #newest = -Infinity;

  constructor(report: Report) {
    this.#report = report;
  }

  /** @param keys [row × 4] @param values [row × 2] low and high word */
  add(count: number, timesUs: Float64Array, keys: Uint32Array, values: Int32Array): void {
    const counts = this.#counts;
    const lows = this.#lows;
    const highs = this.#highs;
    const least = this.#least;
    const greatest = this.#greatest;
    for (let i = 0; i < count; i++) {
      const minute = Math.floor(timesUs[i]! / MINUTE_US);
      if (minute > this.#newest) this.#newest = minute;
      if (!(this.#end <= minute + WINDOW_MINUTES)) this.#end = Math.min(this.#end || Infinity, minute + 1);
      const cell = (minute & (RING - 1)) * KEYS + this.#numberOf(keys, i * 4);
      const low = values[i * 2]! >>> 0;
      const high = values[i * 2 + 1]!;
      const value = high * 4_294_967_296 + low;
      counts[cell]!++;
      lows[cell]! += low;
      highs[cell]! += high;
      if (value < least[cell]!) least[cell] = value;
      if (value > greatest[cell]!) greatest[cell] = value;
    }
  }

  #numberOf(keys: Uint32Array, at: number): number {
    const known = this.#keys;
    const a = keys[at]!;
    const b = keys[at + 1]!;
    const c = keys[at + 2]!;
    const d = keys[at + 3]!;
    let hash = Math.imul(a ^ Math.imul(b, 0x85eb_ca6b), 0xc2b2_ae35) ^ Math.imul(c, 0x27d4_eb2f);
    hash = Math.imul(hash ^ d ^ (hash >>> 15), 0x9e37_79b1);
    for (let slot = (hash ^ (hash >>> 16)) & (SLOTS - 1); ; slot = (slot + 1) & (SLOTS - 1)) {
      const number = this.#slots[slot]!;
      if (number === -1) {
        this.#slots[slot] = this.#size;
        known[this.#size * 4] = a;
        known[this.#size * 4 + 1] = b;
        known[this.#size * 4 + 2] = c;
        known[this.#size * 4 + 3] = d;
        return this.#size++;
      }
      const x = number * 4;
      if (known[x] === a && known[x + 1] === b && known[x + 2] === c && known[x + 3] === d) return number;
    }
  }

  /** Sums up windows that are over and empties the minutes that no other needs. */
  advance(watermarkUs: number): void {
    while (this.#end * MINUTE_US <= watermarkUs) this.#window();
  }

  /** All that are left. */
  close(): void {
    while (this.#end < this.#newest + 1 + WINDOW_MINUTES) this.#window();
  }

  #window(): void {
    const end = this.#end;
    const [outCounts, outLows, outHighs, outLeast, outGreatest] = this.#outs;
    for (let key = 0; key < this.#size; key++) {
      let count = 0;
      let low = 0;
      let high = 0;
      let least = Infinity;
      let greatest = -Infinity;
      for (let minute = end - WINDOW_MINUTES; minute < end; minute++) {
        const cell = (minute & (RING - 1)) * KEYS + key;
        count += this.#counts[cell]!;
        low += this.#lows[cell]!;
        high += this.#highs[cell]!;
        if (this.#least[cell]! < least) least = this.#least[cell]!;
        if (this.#greatest[cell]! > greatest) greatest = this.#greatest[cell]!;
      }
      if (count === 0) continue;
      const out = this.#outCount++;
      this.#outKeys[out] = this.#keys[key * 4]!;
      this.#outMinutes[out] = end;
      outCounts![out] = count;
      outLows![out] = low;
      outHighs![out] = high;
      outLeast![out] = least;
      outGreatest![out] = greatest;
    }
    const from = ((end - WINDOW_MINUTES) & (RING - 1)) * KEYS;
    for (const column of [this.#counts, this.#lows, this.#highs]) column.fill(0, from, from + KEYS);
    this.#least.fill(Infinity, from, from + KEYS);
    this.#greatest.fill(-Infinity, from, from + KEYS);
    this.#end++;
  }

  /** Reports the results; outside of what is measured. */
  tell(): void {
    const [counts, lows, , least, greatest] = this.#outs;
    for (let i = 0; i < this.#outCount; i++) {
      const low = (column: Float64Array): number => Number(BigInt.asIntN(32, BigInt(column[i]!)));
      const key = this.#outKeys[i]!;
      const minute = this.#outMinutes[i]!;
      this.#report.result(key, minute, counts![i]!, low(lows!), low(least!), low(greatest!));
    }
    this.#outCount = 0;
  }
}
