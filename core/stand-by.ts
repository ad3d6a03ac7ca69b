/** How long a process leaves work to another one that it has met at it. */
import { Backoff } from "./backoff.ts";
import type { Clock, Randomness } from "./clock.ts";

/** Who hears that work is not his does not come twice; it may be who was given it that gave way. */
const PAUSE_MS_LEAST = 500;

export class StandBy {
  readonly #clock: Clock;
  readonly #randomness: Randomness;
  readonly #mostMs: number;
  readonly #pause: Backoff;
  #metMs = -Infinity;

  /** @param mostMs where nobody says whose the work is */
  constructor({ clock, randomness }: { clock: Clock; randomness: Randomness }, mostMs: number) {
    this.#clock = clock;
    this.#randomness = randomness;
    this.#mostMs = mostMs;
    this.#pause = new Backoff(PAUSE_MS_LEAST, mostMs, randomness);
  }

  /**
   * The other one was met. @returns how long to leave the work to him, ms: ever longer where they meet again and again
   * @param isDealt as `Ownership` has it
   */
  met(isDealt: boolean): number {
    if (!isDealt) return this.#mostMs * (1 + this.#randomness.fraction());
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#metMs > 2 * this.#mostMs) this.#pause.reset();
    this.#metMs = nowMs;
    return this.#pause.next();
  }
}
