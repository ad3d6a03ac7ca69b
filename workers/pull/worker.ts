/**
 * Keeps the declared pulls going: each a loop of streams, one after the other, with growing pauses while the remote
 * does not answer. Several processes may run the same pull: the remote divides the partitions among their streams, and
 * one that gets none asks again.
 */
import { isAssertion } from "../../core/assert.ts";
import { Backoff, spread } from "../../core/backoff.ts";
import { hasCode } from "../../core/errors.ts";
import type { Pull } from "../../core/pull.ts";
import { Remote, type RemotePorts, RemoteRefusal } from "./remote.ts";
import { BatchTooLong, Session, type SessionPorts } from "./session.ts";

const BACKOFF_MS_LEAST = 200;
const BACKOFF_MS_MAX = 30_000;
/** How soon a place that another process gave up is asked for, ms. */
const BUSY_MS = 2_000;
/** A new token, or a new right, takes a person. */
const FORBIDDEN_MS = 5_000;
const RETRY_AFTER_MS_MAX = 300_000;

export interface PullPorts extends RemotePorts, Omit<SessionPorts, "remote"> {}

export interface PullStatus {
  readonly pull: string;
  /** `waiting`: other processes have all partitions. `retrying`: see `problem`. */
  readonly state: "starting" | "streaming" | "waiting" | "retrying";
  readonly problem: string | undefined;
  readonly events: number;
  readonly refused: number;
  readonly commits: number;
  readonly streams: number;
}

export interface PullWorker {
  run(signal: AbortSignal): Promise<void>;
  status(): readonly PullStatus[];
}

export function createPullWorker(ports: PullPorts, pulls: readonly Pull[]): PullWorker {
  const loops = pulls.map((pull) => new PullLoop(ports, pull));
  return {
    run: async (signal) => void (await Promise.all(loops.map((loop) => loop.run(signal)))),
    status: () => loops.map((loop) => loop.status()),
  };
}

class PullLoop {
  readonly #ports: PullPorts;
  readonly #pull: Pull;
  readonly #remote: Remote;
  readonly #pause: Backoff;
  #state: PullStatus["state"] = "starting";
  #problem: string | undefined;
  #subscription: string | undefined;
  #batchEvents: number;
  #events = 0;
  #refused = 0;
  #commits = 0;
  #streams = 0;

  constructor(ports: PullPorts, pull: Pull) {
    this.#ports = ports;
    this.#pull = pull;
    this.#remote = new Remote(ports, pull);
    this.#pause = new Backoff(BACKOFF_MS_LEAST, BACKOFF_MS_MAX, ports.randomness);
    this.#batchEvents = pull.batchEvents;
  }

  status(): PullStatus {
    return {
      pull: this.#pull.name,
      state: this.#state,
      problem: this.#problem,
      events: this.#events,
      refused: this.#refused,
      commits: this.#commits,
      streams: this.#streams,
    };
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let waitMs: number;
      try {
        waitMs = await this.#stream(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (isAssertion(error)) throw error;
        waitMs = this.#pauseAfter(error);
      }
      await this.#ports.clock.sleep(waitMs, signal);
    }
  }

  /** @returns ms to wait before the next one */
  async #stream(signal: AbortSignal): Promise<number> {
    this.#subscription ??= await this.#remote.subscribe(signal);
    const session = new Session(
      { ...this.#ports, remote: this.#remote },
      {
        pull: this.#pull,
        subscription: this.#subscription,
        batchEvents: this.#batchEvents,
        onOpen: () => this.#opened(),
        onCommit: () => void this.#commits++,
        onTaken: ({ events, refused }) => {
          this.#events += events;
          this.#refused += refused;
        },
      },
    );
    try {
      await session.run(signal);
      this.#batchEvents = this.#pull.batchEvents;
    } finally {
      if (session.lines > 0) this.#pause.reset();
    }
    return session.lines > 0 ? 0 : this.#pause.next();
  }

  #opened(): void {
    this.#streams++;
    if (this.#state !== "streaming")
      this.#ports.logger.info("a pull has a stream", {
        pull: this.#pull.name,
        subscription: this.#subscription,
      });
    this.#enter("streaming");
  }

  #enter(state: PullStatus["state"], problem?: string): void {
    this.#state = state;
    this.#problem = problem;
  }

  /** @returns ms */
  #pauseAfter(error: unknown): number {
    if (error instanceof BatchTooLong) {
      this.#batchEvents = Math.max(1, this.#batchEvents >>> 2);
      return 0;
    }
    const problem = error instanceof Error ? error.message : String(error);
    const isBusy = error instanceof RemoteRefusal && error.status === 409;
    const state = isBusy ? "waiting" : "retrying";
    if (this.#state !== state || (this.#problem !== problem && !isBusy))
      this.#ports.logger[isBusy ? "info" : "warn"]("a pull has no stream for now", {
        pull: this.#pull.name,
        problem,
      });
    this.#enter(state, problem);
    const backoffMs = this.#pause.next();
    if (isBusy) return spread(BUSY_MS, this.#ports.randomness);
    if (!(error instanceof RemoteRefusal))
      return hasCode(error, "outgoing.refused") ? Math.max(backoffMs, FORBIDDEN_MS) : backoffMs;
    // One that we found by what it reads is made again.
    if (error.status === 404) this.#subscription = undefined;
    if (error.status === 401 || error.status === 403)
      return Math.max(backoffMs, spread(FORBIDDEN_MS, this.#ports.randomness));
    return Math.max(backoffMs, Math.min(error.retryAfterMs ?? 0, RETRY_AFTER_MS_MAX));
  }
}
