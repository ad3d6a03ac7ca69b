/**
 * Waiting for what nobody tells of: while somebody waits, it is looked for again and again; nothing is asked while
 * nobody does.
 */
import type { Clock } from "./clock.ts";
import { Waiters } from "./waiters.ts";

/**
 * Looks once, and wakes who waits where there is news.
 * @param looks how many there were before since somebody began to wait
 * @returns after how long to look again, ms
 */
export type Look = (looks: number) => Promise<number>;

export class PollingWaiters {
  readonly #clock: Clock;
  readonly #look: Look;
  readonly #waiters = new Waiters();
  #isRunning = false;

  constructor(clock: Clock, look: Look) {
    this.#clock = clock;
    this.#look = look;
  }

  /** Whether anybody is interested. */
  get isWaitedFor(): boolean {
    return this.#waiters.size > 0;
  }

  /** Resolves at `wake`, or when the signal is aborted. */
  wait(signal: AbortSignal): Promise<void> {
    const waited = this.#waiters.wait(signal);
    void this.#run();
    return waited;
  }

  wake(): void {
    this.#waiters.wake();
  }

  async #run(): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    for (let looks = 0; this.isWaitedFor; looks++) {
      const pauseMs = await this.#look(looks);
      if (this.isWaitedFor) await this.#clock.sleep(pauseMs);
    }
    this.#isRunning = false;
  }
}
