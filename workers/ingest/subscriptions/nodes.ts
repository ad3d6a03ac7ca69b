/**
 * Which processes have streams of subscriptions, and which of them are dead. Each shows that it is alive by a
 * declaration that it changes every few seconds. Another takes it for dead when it has not seen that change for long
 * enough **by its own monotonic clock** (clocks of two machines are never compared), and withdraws the declaration,
 * unless it changes right then. A process without one is dead, also to itself.
 */
import type { Clock } from "../../../core/clock.ts";
import { hasCode } from "../../../core/errors.ts";
import type { Registry } from "../../../core/registry.ts";

const NODE = "subscription-node";
/** Signs of life within the time after which a process is dead. */
const BEATS = 5;

export interface NodesOptions {
  readonly registry: Registry;
  readonly clock: Clock;
  /** Of this process; unique. */
  readonly id: string;
  readonly deadMs: number;
  /** The log has no room for another process: whoever else is declared is dead. */
  readonly isAlone: boolean;
}

export class Nodes {
  readonly #options: NodesOptions;
  /** By process: the revision that was seen last, and since when. */
  readonly #seen = new Map<string, { readonly revision: number; readonly sinceMs: number }>();
  #beatMs = Number.NEGATIVE_INFINITY;
  /** Whether this process has shown itself and was not taken for dead since. */
  #isShown = false;

  constructor(options: NodesOptions) {
    this.#options = options;
  }

  get id(): string {
    return this.#options.id;
  }

  isAlive(node: string): boolean {
    return this.#options.registry.get(NODE, node) !== undefined;
  }

  /** Shows that this process is alive, where it is time. @returns false where others took it for dead */
  async beat(): Promise<boolean> {
    const { registry, clock, id, deadMs } = this.#options;
    const nowMs = clock.monotonicMs();
    const declared = registry.get(NODE, id);
    if (this.#isShown && !declared) {
      this.#isShown = false;
      return false;
    }
    if (this.#isShown && nowMs - this.#beatMs < deadMs / BEATS) return true;
    try {
      await registry.put(NODE, id, declared?.revision ?? 0, { beat: nowMs });
    } catch (error) {
      if (!hasCode(error, "declaration.conflict")) throw error;
      await registry.refresh();
      return this.beat();
    }
    this.#isShown = true;
    this.#beatMs = nowMs;
    return true;
  }

  /** Withdraws processes that are dead. @returns whether there was one */
  async bury(): Promise<boolean> {
    const { registry, clock, id, deadMs, isAlone } = this.#options;
    const nowMs = clock.monotonicMs();
    let hasBuried = false;
    for (const { name, revision } of registry.list(NODE)) {
      if (name === id) continue;
      const seen = this.#seen.get(name);
      if (seen?.revision !== revision) this.#seen.set(name, { revision, sinceMs: nowMs });
      const silentMs = seen?.revision === revision ? nowMs - seen.sinceMs : 0;
      if (silentMs < deadMs && !isAlone) continue;
      try {
        await registry.put(NODE, name, revision, null);
        this.#seen.delete(name);
        hasBuried = true;
      } catch (error) {
        if (!hasCode(error, "declaration.conflict")) throw error;
      }
    }
    return hasBuried;
  }

  /** This process has no streams any more. */
  async leave(): Promise<void> {
    const { registry, id } = this.#options;
    this.#isShown = false;
    const declared = registry.get(NODE, id);
    if (declared) await registry.put(NODE, id, declared.revision, null);
  }
}
