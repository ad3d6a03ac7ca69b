/**
 * Acknowledges to the remote what is durable here: the newest cursor of each partition, one request at a time. What
 * becomes durable meanwhile goes with the next one.
 */
import { Backoff } from "../../core/backoff.ts";
import type { Clock, Randomness } from "../../core/clock.ts";
import type { Cursor } from "./batch-line.ts";
import { RemoteRefusal } from "./remote.ts";

const RETRY_MS_LEAST = 100;
const RETRY_MS_MAX = 2_000;

export interface CommitterOptions {
  readonly onCommit: () => void;
  readonly commit: (cursors: readonly Cursor[]) => Promise<void>;
  /** Once, when nothing can be committed any more. */
  readonly onLost: (error: unknown) => void;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** How long a commit may be tried, ms: then the remote has given the partitions to others. */
  readonly patienceMs: number;
}

export class Committer {
  readonly #options: CommitterOptions;
  readonly #pending = new Map<string, Cursor>();
  #running: Promise<void> | undefined;
  #isLost = false;

  constructor(options: CommitterOptions) {
    this.#options = options;
  }

  /** Everything of this partition up to the cursor is durable. */
  note(cursor: Cursor): void {
    this.#pending.set(keyOf(cursor), cursor);
    this.#running ??= this.#run().finally(() => (this.#running = undefined));
  }

  /** Resolves when what was noted is committed, or is known to be lost. */
  async flush(): Promise<void> {
    while (this.#running) await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#pending.size > 0 && !this.#isLost) {
      const cursors = [...this.#pending.values()];
      this.#pending.clear();
      try {
        await this.#commit(cursors);
        this.#options.onCommit();
      } catch (error) {
        this.#isLost = true;
        this.#options.onLost(error);
      }
    }
  }

  async #commit(cursors: readonly Cursor[]): Promise<void> {
    const { clock, randomness, patienceMs, commit } = this.#options;
    const endMs = clock.monotonicMs() + patienceMs;
    const pause = new Backoff(RETRY_MS_LEAST, RETRY_MS_MAX, randomness);
    for (;;) {
      const waitMs = pause.next();
      try {
        await commit(cursors);
        return;
      } catch (error) {
        if (!mayPass(error) || clock.monotonicMs() + waitMs > endMs) throw error;
      }
      await clock.sleep(waitMs);
    }
  }
}

export function keyOf({ event_type, partition }: Cursor): string {
  return `${event_type}/${partition}`;
}

/** Whether the same commit may succeed later: the network, a token that is being rotated, a busy server. */
function mayPass(error: unknown): boolean {
  if (!(error instanceof RemoteRefusal)) return true;
  return error.status >= 500 || error.status === 429 || error.status === 401;
}
