/**
 * What every process of a simulated world has: a clock, a life that may end between any two of its calls, and a view
 * of each store that leads through it. Before and after a call it may be delayed, cut off from what it meant to do
 * next, or ended. What a dead one still waited for never comes; nobody tells it so.
 */
import type { Clock, Randomness } from "../../core/clock.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import { type Actor, never, type Scheduler } from "./scheduler.ts";

/** The part of the world that decides over lives. */
export interface Fate {
  readonly scheduler: Scheduler;
  readonly random: Randomness;
  /** How often a call lets others go first. */
  readonly switchRate: number;
  /** Whose call to a port begins right now: faults meet processes only. */
  caller: Actor | undefined;
  wallMs(offsetMs: number): number;
  delayMs(life: Actor): number;
  /** A commit was refused. */
  metAnother(): void;
}

export abstract class Life implements Actor {
  readonly name: string;
  isDead = false;
  pausedUntilMs = 0;
  /** Calls to ports until it crashes. */
  callsLeft = Infinity;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** Resolves when it is dead. */
  readonly gone: Promise<undefined>;
  readonly #resolveGone: (value: undefined) => void;
  readonly #fate: Fate;

  /** @param wallOffsetMs of its machine's clock, asked each time */
  constructor(fate: Fate, name: string, randomness: Randomness, wallOffsetMs: () => number) {
    this.#fate = fate;
    this.name = name;
    this.randomness = randomness;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.gone = promise;
    this.#resolveGone = resolve;
    const { scheduler } = fate;
    this.clock = {
      nowMs: () => fate.wallMs(wallOffsetMs()),
      monotonicMs: () => scheduler.nowMs,
      sleep: async (ms, signal) => {
        if (this.isDead) return never();
        if (ms > 0) return scheduler.wait(this, ms, signal);
        return this.step();
      },
    };
  }

  /** SIGKILL. */
  crash(): void {
    this.end(undefined);
  }

  protected end(problem: unknown): void {
    if (this.isDead) return;
    this.isDead = true;
    this.#resolveGone(undefined);
    this.onEnd(problem);
  }

  /** It is gone; `problem` where that was not foreseen. */
  protected abstract onEnd(problem: unknown): void;

  /** A moment in which others may go first, or this process ends. @returns undefined where it just goes on */
  step(): Promise<void> | undefined {
    if (this.isDead) return never();
    const { scheduler, switchRate, random } = this.#fate;
    if (--this.callsLeft <= 0) {
      this.crash();
      return never();
    }
    const ms = this.#fate.delayMs(this);
    const waits = ms > 0 || this.pausedUntilMs > scheduler.nowMs || random.fraction() < switchRate;
    return waits ? scheduler.wait(this, ms) : undefined;
  }

  /** The call and what is around it: lost before it, or done and its answer lost. */
  async through<Answer>(call: () => Promise<Answer>): Promise<Answer> {
    const before = this.step();
    if (before) await before;
    try {
      this.#fate.caller = this; // whom a fault meets is asked before the call first waits
      const answer = call();
      this.#fate.caller = undefined;
      return await answer;
    } finally {
      const after = this.step();
      if (after) await after;
    }
  }

  storeView(store: ObjectStore): ObjectStore {
    return {
      location: (path) => store.location(path),
      put: (path, bytes) => this.through(() => store.put(path, bytes)),
      putIfAbsent: async (path, bytes) => {
        const answer = await this.through(() => store.putIfAbsent(path, bytes));
        if (answer.outcome === "refused" && path.includes("/_delta_log/")) this.#fate.metAnother();
        return answer;
      },
      putIfMatch: (path, bytes, etag) => this.through(() => store.putIfMatch(path, bytes, etag)),
      get: (path) => this.through(() => store.get(path)),
      getRange: (path, at, length) => this.through(() => store.getRange(path, at, length)),
      head: (path) => this.through(() => store.head(path)),
      list: (prefix) => this.through(() => store.list(prefix)),
      delete: (path) => this.through(() => store.delete(path)),
    };
  }
}
