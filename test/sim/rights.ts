/** What the one token of a simulated world may do at which time, as it was declared. */
import { createMemoryLog } from "../../adapters/memory/log.ts";
import type { Clock, Randomness } from "../../core/clock.ts";
import type { Log } from "../../core/ports/log.ts";

/** What the one token may do. */
export interface Rights {
  /** Whether it reads the share. */
  readonly isShared: boolean;
  /** Of the tables by SQL; none for no right. */
  readonly columns: readonly string[];
}

const NONE: Rights = { isShared: false, columns: [] };

/** Who may do what, as it was declared: what holds now, and what may hold already. */
export class RightsBook {
  readonly log: Log;
  #now: Rights = NONE;
  #coming: Rights | undefined;
  /** For each request under way: all that held, or may have held, since it began. */
  readonly #open = new Set<Set<Rights>>();

  constructor(clock: Clock, randomness: Randomness) {
    this.log = createMemoryLog({ clock, randomness });
  }

  begin(rights: Rights): void {
    this.#coming = rights;
    for (const seen of this.#open) seen.add(rights);
  }

  /** It is durable: whoever asks from now on gets that and nothing else. */
  done(): void {
    this.#now = this.#coming!;
    this.#coming = undefined;
  }

  /** @returns grows with what holds at any moment until `forget` */
  watch(): Set<Rights> {
    const seen = new Set([this.#now, ...(this.#coming ? [this.#coming] : [])]);
    this.#open.add(seen);
    return seen;
  }

  forget(seen: Set<Rights>): void {
    this.#open.delete(seen);
  }
}
