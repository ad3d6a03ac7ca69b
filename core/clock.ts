/**
 * Time and chance. Everything in Muara receives them, so that a simulator can own both.
 * Only this file, the adapters and the composition root touch the real ones.
 */

export interface Clock {
  /** Wall clock, ms since 1970 UTC. May jump; it is data, never a timeout. */
  nowMs(): number;
  /** Monotonic ms since an arbitrary start; for durations and timeouts. */
  monotonicMs(): number;
  /** Resolves after `ms`, or at once when `signal` is aborted (it never rejects). */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Randomness {
  /** Uniform in [0, 1). */
  fraction(): number;
  /** A fresh random UUID (version 4), lower case. */
  uuid(): string;
}

export const systemClock: Clock = {
  // oxlint-disable-next-line no-restricted-properties -- the one real clock
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, Math.max(0, ms));
      signal?.addEventListener("abort", done, { once: true });
    }),
};

export const systemRandomness: Randomness = {
  // oxlint-disable-next-line no-restricted-properties -- the one real source of chance
  fraction: () => Math.random(),
  uuid: () => crypto.randomUUID(),
};

/** A clock that only moves when told to: for tests and the simulator. */
export class ManualClock implements Clock {
  #nowMs: number;
  readonly #sleepers: { readonly wakeMs: number; readonly wake: () => void }[] = [];

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      this.#sleepers.push({ wakeMs: this.#nowMs + ms, wake: resolve });
      signal?.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  /** Moves time forward and wakes, in order, everything that was due by then. */
  advance(ms: number): void {
    this.#nowMs += ms;
    const due = this.#sleepers.filter((sleeper) => sleeper.wakeMs <= this.#nowMs);
    due.sort((a, b) => a.wakeMs - b.wakeMs);
    for (const sleeper of due) {
      this.#sleepers.splice(this.#sleepers.indexOf(sleeper), 1);
      sleeper.wake();
    }
  }
}

/** Randomness from a seed (mulberry32): the same seed gives the same run. */
export function seededRandomness(seed: number): Randomness {
  let state = seed >>> 0;
  const word = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return {
    fraction: () => word() / 4_294_967_296,
    uuid: () => {
      const words = [word(), word(), word(), word()];
      const hex = words.map((part) => part.toString(16).padStart(8, "0")).join("");
      const variant = ((Number.parseInt(hex[16]!, 16) & 3) | 8).toString(16);
      const [first, second, third] = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(13, 16)];
      return `${first}-${second}-4${third}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
    },
  };
}
