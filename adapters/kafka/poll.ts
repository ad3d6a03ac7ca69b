/**
 * Waiting for what other processes append. While somebody waits, the ends of the streams that this process reads are
 * asked for again and again, all in one request per broker; nothing is asked while nobody waits.
 */
import type { Clock } from "../../core/clock.ts";
import { Waiters } from "../../core/waiters.ts";

const FAST_MS = 50;
const SLOW_MS = 250;
const GROWTH = 1.3;

export class Poll {
  readonly #clock: Clock;
  /** @returns whether there was something new */
  readonly #look: () => Promise<boolean>;
  readonly #waiters = new Waiters();
  #isRunning = false;

  constructor(clock: Clock, look: () => Promise<boolean>) {
    this.#clock = clock;
    this.#look = look;
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
    for (let everyMs = FAST_MS; this.#waiters.size > 0;) {
      // Brokers that do not answer are seen by those who read; here they are asked again later.
      const isNew = await this.#look().catch(() => false);
      everyMs = isNew ? FAST_MS : Math.min(SLOW_MS, everyMs * GROWTH);
      if (this.#waiters.size > 0) await this.#clock.sleep(everyMs);
    }
    this.#isRunning = false;
  }
}
