/** What one run through the operators reports: CPU time of each, and checks that all runs must agree on. */
import process from "node:process";

export const OPERATORS = ["dedup", "order", "reorder", "panes"] as const;
export type Operator = (typeof OPERATORS)[number];

export interface Run {
  /** CPU ms, as `OPERATORS`. */
  readonly spentMs: readonly number[];
  /** Duplicates, late, positions in order, released in order, results, what the results say. */
  readonly checks: readonly number[];
}

/**
 * Meters a run. Only what an operator does is measured, with its copies in and out; picking columns for the next one
 * and the checks are not.
 */
export class Report {
  readonly #spentMs = new Float64Array(OPERATORS.length);
  duplicates = 0;
  late = 0;
  #ordered = 0;
  #released = 0;
  #results = 0;
  #summed = 0;

  meter<T>(operator: Operator, work: () => T): T {
    const before = process.cpuUsage();
    const result = work();
    const { user, system } = process.cpuUsage(before);
    this.#spentMs[OPERATORS.indexOf(operator)]! += (user + system) / 1000;
    return result;
  }

  position(position: number): void {
    this.#ordered = (Math.imul(this.#ordered, 31) + position) | 0;
  }

  record(payload: number): void {
    this.#released = (Math.imul(this.#released, 31) + payload) | 0;
  }

  /** A window's result; the low 32 bits of each number, the first word of the key. */
  result(key: number, minute: number, count: number, sum: number, least: number, greatest: number): void {
    const rest = count + Math.imul(sum, 31) + Math.imul(least, 131) + Math.imul(greatest, 1031);
    this.#summed = (this.#summed + (Math.imul(key + minute, 0x9e37_79b1) ^ rest)) | 0;
    this.#results++;
  }

  end(): Run {
    const words = [this.duplicates, this.late, this.#ordered, this.#released, this.#results, this.#summed];
    return { spentMs: [...this.#spentMs], checks: words.map((word) => word >>> 0) };
  }
}
