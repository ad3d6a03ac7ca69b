/**
 * A clock whose time passes only when nobody has anything to do: what runs under it takes no time, and hours take as
 * long as their work. Only for what waits by `sleep` and by promises; `sleep(0)` gives others a turn.
 */
import type { Clock } from "../../../core/clock.ts";

interface Sleeper {
  readonly wakeMs: number;
  readonly wake: () => void;
}

export class VirtualClock implements Clock {
  ms = 0;
  readonly #startMs: number;
  #turns = 0;
  #sleepers: Sleeper[] = [];

  readonly #isBusy: () => boolean;

  /** @param isBusy whether something is under way that the clock cannot see, such as a file being written */
  constructor(startMs = Date.UTC(2026, 2, 1), isBusy: () => boolean = () => false) {
    this.#startMs = startMs;
    this.#isBusy = isBusy;
  }

  nowMs(): number {
    return this.#startMs + this.ms;
  }

  monotonicMs(): number {
    return this.ms;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    if (ms <= 0) {
      this.#turns++;
      return new Promise((resolve) =>
        setImmediate(() => {
          this.#turns--;
          resolve();
        }),
      );
    }
    return new Promise((resolve) => {
      const sleeper = { wakeMs: this.ms + ms, wake: resolve };
      this.#sleepers.push(sleeper);
      signal?.addEventListener(
        "abort",
        () => {
          this.#sleepers = this.#sleepers.filter((one) => one !== sleeper);
          resolve();
        },
        { once: true },
      );
    });
  }

  /** Lets time pass until `ms`. */
  async runUntil(ms: number): Promise<void> {
    for (;;) {
      await this.#quiet();
      const next = this.#sleepers.reduce<Sleeper | undefined>(
        (first, one) => (first && first.wakeMs <= one.wakeMs ? first : one),
        undefined,
      );
      if (!next || next.wakeMs > ms) break;
      this.ms = Math.max(this.ms, next.wakeMs);
      this.#sleepers.splice(this.#sleepers.indexOf(next), 1);
      next.wake();
    }
    this.ms = ms;
  }

  async #quiet(): Promise<void> {
    do await new Promise((resolve) => setImmediate(resolve));
    while (this.#turns > 0 || this.#isBusy());
  }
}
