/**
 * Waiting for what other processes append. S3 tells nobody, so whoever waits has the ends of the streams looked up
 * again and again: often where something came lately, seldom where nothing does. Nothing is asked while nobody waits.
 */
import type { Clock } from "../../core/clock.ts";
import { PollingWaiters } from "../../core/polling-waiters.ts";

const FAST_MS = 200;
const SLOW_MS = 3_000;
const GROWTH = 1.5;
const LOOKS_AT_ONCE = 16;

export interface PolledStream {
  /** Looks the end up. @returns how many groups this process knows of */
  look(): Promise<number>;
}

interface Pace {
  everyMs: number;
  dueMs: number;
  groups: number;
}

export class Poll {
  readonly #clock: Clock;
  readonly #streams: () => Iterable<PolledStream>;
  readonly #paces = new WeakMap<PolledStream, Pace>();
  readonly #waiters: PollingWaiters;

  constructor(clock: Clock, streams: () => Iterable<PolledStream>) {
    this.#clock = clock;
    this.#streams = streams;
    this.#waiters = new PollingWaiters(clock, () => this.#lookAtDue());
  }

  /** Resolves at `wake`, or when the signal is aborted. */
  wait(signal: AbortSignal): Promise<void> {
    return this.#waiters.wait(signal);
  }

  wake(): void {
    this.#waiters.wake();
  }

  async #lookAtDue(): Promise<number> {
    const nowMs = this.#clock.monotonicMs();
    const due = [...this.#streams()].filter((stream) => (this.#paces.get(stream)?.dueMs ?? 0) <= nowMs);
    for (let from = 0; from < due.length && this.#waiters.isWaitedFor; from += LOOKS_AT_ONCE)
      await Promise.all(due.slice(from, from + LOOKS_AT_ONCE).map((stream) => this.#look(stream)));
    return FAST_MS / 2;
  }

  async #look(stream: PolledStream): Promise<void> {
    const pace = this.#paces.get(stream) ?? { everyMs: FAST_MS, dueMs: 0, groups: -1 };
    this.#paces.set(stream, pace);
    // A store that does not answer is seen by those who read; here it is asked again later.
    const groups = await stream.look().catch(() => pace.groups);
    pace.everyMs = groups === pace.groups ? Math.min(SLOW_MS, pace.everyMs * GROWTH) : FAST_MS;
    pace.groups = groups;
    pace.dueMs = this.#clock.monotonicMs() + pace.everyMs;
  }
}
