/**
 * Cooperative scheduling in virtual time. Everything that waits, waits here; of what is due one is chosen by chance
 * and resumed, then everything runs until it waits again. When nothing is due, time goes on to what is next. So a
 * seed is a history, minutes cost milliseconds, and a process ends between two steps by never being resumed.
 */
import process from "node:process";
import type { Randomness } from "../../core/clock.ts";

/** Somebody who can be paused or end. */
export interface Actor {
  readonly name: string;
  isDead: boolean;
  /** ms of virtual time before which it does not go on. */
  pausedUntilMs: number;
}

interface Waiting {
  readonly actor: Actor;
  dueMs: number;
  readonly resume: () => void;
}

export class Scheduler {
  /** Virtual ms since the start; never goes back. */
  nowMs = 0;
  steps = 0;
  /** Two runs of one seed give the same. */
  trace = 0;
  readonly #random: Randomness;
  #waiting: Waiting[] = [];

  constructor(random: Randomness) {
    this.#random = random;
  }

  /** Resolves once chosen, at the earliest after `ms` or when `signal` is aborted. Never for a dead actor. */
  wait(actor: Actor, ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resume) => {
      if (actor.isDead) return;
      const entry: Waiting = {
        actor,
        dueMs: this.nowMs + (signal?.aborted ? 0 : Math.max(0, Math.ceil(ms))),
        resume,
      };
      this.#waiting.push(entry);
      signal?.addEventListener("abort", () => void (entry.dueMs = Math.min(entry.dueMs, this.nowMs)), {
        once: true,
      });
    });
  }

  /** Forgets what waits for dead actors. */
  sweep(): void {
    this.#waiting = this.#waiting.filter(({ actor }) => !actor.isDead);
  }

  /** Resumes one that is due. @returns false when nothing waits any more */
  async step(): Promise<boolean> {
    let due: Waiting[] = [];
    let nextMs = Infinity;
    for (const entry of this.#waiting) {
      const dueMs = Math.max(entry.dueMs, entry.actor.pausedUntilMs);
      if (dueMs <= this.nowMs) due.push(entry);
      else nextMs = Math.min(nextMs, dueMs);
    }
    if (due.length === 0) {
      if (nextMs === Infinity) return false;
      this.nowMs = nextMs;
      due = this.#waiting.filter(({ actor, dueMs }) => Math.max(dueMs, actor.pausedUntilMs) <= this.nowMs);
    }
    const at = due.length === 1 ? 0 : Math.floor(this.#random.fraction() * due.length);
    const chosen = due[at]!;
    this.#waiting.splice(this.#waiting.indexOf(chosen), 1);
    this.steps++;
    this.trace = (Math.imul(this.trace ^ at, 0x01000193) + this.nowMs + chosen.actor.name.length) | 0;
    chosen.resume();
    await settled();
    return true;
  }
}

/**
 * Resolves when everything that can go on without waiting has done so: ticks come after all microtasks, and nothing
 * in a simulated world waits for the system.
 */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    process.nextTick(resolve);
  });
}

/** Between two worlds the event loop has its turn; it also tells of rejections that nobody handles. */
export function turnOfTheLoop(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** For whoever is no more. */
export function never<Value>(): Promise<Value> {
  return new Promise(() => {});
}
