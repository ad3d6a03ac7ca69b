/** Pauses between attempts in a row: each twice as long as the one before, up to a bound, and spread. */
import type { Randomness } from "./clock.ts";

/** Beyond it a pause is at its bound in any case. */
const DOUBLINGS_MAX = 20;

export class Backoff {
  readonly #leastMs: number;
  readonly #mostMs: number;
  readonly #randomness: Randomness;
  #attempts = 0;

  /** @param mostMs wins where it is less than `leastMs` */
  constructor(leastMs: number, mostMs: number, randomness: Randomness) {
    this.#leastMs = leastMs;
    this.#mostMs = mostMs;
    this.#randomness = randomness;
  }

  /** In a row, so far. */
  get attempts(): number {
    return this.#attempts;
  }

  /** Before the next attempt, ms. */
  next(): number {
    const doublings = Math.min(this.#attempts++, DOUBLINGS_MAX);
    return spread(Math.min(this.#mostMs, this.#leastMs * 2 ** doublings), this.#randomness);
  }

  /** Something has come of the last attempt. */
  reset(): void {
    this.#attempts = 0;
  }
}

/** So that many do not ask at once. @returns from half of it to all of it, ms */
export function spread(ms: number, randomness: Randomness): number {
  return ms * (0.5 + randomness.fraction() / 2);
}
