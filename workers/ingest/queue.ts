/**
 * How long a request would wait for the log, and the refusal of those that would wait too long. A queue bounded by
 * bytes alone is minutes long where the log is slow: producers then time out and send again what is still waiting,
 * so that a short overload feeds itself. (CoDel's idea: what matters is time in the queue, not its length.)
 *
 * Expected wait = bytes that wait / bytes per second that came out lately. The surprising rule: the estimate counts
 * only while the oldest request has waited for a while. In a quiet minute one request at a time comes out, and that
 * is the latency of a sync, not what the log can do; the queue would refuse the first burst. And where nothing came
 * out yet, the wait so far is all that is known: one slow sync, or a process that the machine did not run, is no queue.
 */
import type { Clock } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";

/** From this age of the oldest request on the log is busy without a break, ms: what comes out is its best. */
const BUSY_MS = 250;
/** The rate is that of the last seconds, in steps: long enough to outlive a pause. */
const WINDOW_MS = 4_000;
const STEP_MS = 100;

interface Waiting {
  readonly sinceMs: number;
  readonly bytes: number;
}

export class Queue {
  readonly #clock: Clock;
  readonly #maxWaitMs: number;
  readonly #waiting = new Set<Waiting>(); // oldest first
  #bytes = 0;
  #busySinceMs = 0;
  /** [step] its start and the bytes that came out in it, oldest first. */
  #out: { readonly atMs: number; bytes: number }[] = [];

  constructor(clock: Clock, maxWaitMs: number) {
    this.#clock = clock;
    this.#maxWaitMs = maxWaitMs;
  }

  /** ms that one more request would wait, about; 0 where nobody can tell yet. */
  expectedWaitMs(): number {
    const nowMs = this.#clock.monotonicMs();
    const [oldest] = this.#waiting;
    if (!oldest || nowMs - oldest.sinceMs < BUSY_MS) return 0;
    const fromMs = Math.max(this.#busySinceMs, nowMs - WINDOW_MS);
    const bytes = this.#out.reduce((sum, step) => sum + (step.atMs + STEP_MS > fromMs ? step.bytes : 0), 0);
    return bytes === 0 ? nowMs - oldest.sinceMs : (this.#bytes * (nowMs - fromMs)) / bytes;
  }

  /** @throws log.overloaded, with the wait that it expects in `wait_ms` */
  admit(): void {
    const waitMs = this.expectedWaitMs();
    if (waitMs <= this.#maxWaitMs) return;
    const details = { wait_ms: Math.ceil(waitMs), limit: this.#maxWaitMs };
    throw new MuaraError("log.overloaded", "More is waiting for the log than it can take in time.", {
      details,
    });
  }

  /**
   * Waits with `work` in the queue. What it refuses takes no time and says nothing about the log's pace.
   * @throws log.overloaded, and what `work` throws
   */
  async pass(bytes: number, work: () => Promise<Response>): Promise<Response> {
    this.admit();
    const waiting: Waiting = { sinceMs: this.#clock.monotonicMs(), bytes };
    if (this.#waiting.size === 0) {
      this.#busySinceMs = waiting.sinceMs;
      this.#out = [];
    }
    this.#waiting.add(waiting);
    this.#bytes += bytes;
    try {
      const response = await work();
      if (response.ok) this.#note(bytes);
      return response;
    } finally {
      this.#waiting.delete(waiting);
      this.#bytes -= bytes;
    }
  }

  #note(bytes: number): void {
    const nowMs = this.#clock.monotonicMs();
    const last = this.#out.at(-1);
    if (last && nowMs < last.atMs + STEP_MS) last.bytes += bytes;
    else this.#out.push({ atMs: nowMs, bytes });
    while (this.#out[0]!.atMs + STEP_MS <= nowMs - WINDOW_MS) this.#out.shift();
  }
}
