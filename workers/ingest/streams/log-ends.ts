/**
 * Where partitions end, for all streams of this process together: one loop asks the log, however many wait. Streams
 * hold no events: they read when a batch is due, so all that they need to know meanwhile is how much there is.
 */
import type { Clock } from "../../../core/clock.ts";
import type { Logger } from "../../../core/logger.ts";
import type { Log } from "../../../core/ports/log.ts";

/** Least time between two rounds: appends come by the thousand. */
const ROUND_MS = 10;
/** A round without an append of this process: others may append, too. */
const QUIET_MS = 1_000;

export interface LogEndsPorts {
  readonly log: Log;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** One partition that somebody waits for. */
interface Watched {
  readonly stream: string;
  readonly partition: number;
  readonly tellers: Set<(endOffset: number) => void>;
  endOffset: number;
}

export class LogEnds {
  readonly #ports: LogEndsPorts;
  readonly #watched = new Map<string, Watched>();
  #running: AbortController | undefined;

  constructor(ports: LogEndsPorts) {
    this.#ports = ports;
  }

  /**
   * Calls `tell` with the durable end now and whenever it has grown.
   * @returns ends the watch
   * @throws log.stream_not_found, log.partition_not_found
   */
  async watch(stream: string, partition: number, tell: (endOffset: number) => void): Promise<() => void> {
    const key = `${stream}/${partition}`;
    let watched = this.#watched.get(key);
    if (!watched)
      this.#watched.set(key, (watched = { stream, partition, tellers: new Set(), endOffset: -1 }));
    watched.tellers.add(tell);
    const stop = (): void => {
      watched.tellers.delete(tell);
      if (watched.tellers.size > 0 || this.#watched.get(key) !== watched) return;
      this.#watched.delete(key);
      if (this.#watched.size > 0) return;
      this.#running?.abort();
      this.#running = undefined;
    };
    try {
      tell((await this.#ports.log.bounds(stream, partition)).endOffset);
    } catch (error) {
      stop();
      throw error;
    }
    if (!this.#running && this.#watched.size > 0) {
      this.#running = new AbortController();
      void this.#run(this.#running.signal);
    }
    return stop;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { log, clock, logger } = this.#ports;
    let isFailing = false;
    while (!signal.aborted) {
      const seen = log.appendCount;
      try {
        await Promise.all([...this.#watched.values()].map((watched) => this.#look(watched)));
        isFailing = false;
      } catch (error) {
        if (!isFailing) logger.warn("streams wait: the log's ends cannot be read", { error });
        isFailing = true;
      }
      await clock.sleep(ROUND_MS, signal);
      const round = new AbortController();
      const end = (): void => round.abort();
      signal.addEventListener("abort", end, { once: true });
      await Promise.race([log.waitForAppend(seen, round.signal), clock.sleep(QUIET_MS, round.signal)]);
      signal.removeEventListener("abort", end);
      round.abort();
    }
  }

  async #look(watched: Watched): Promise<void> {
    const { endOffset } = await this.#ports.log.bounds(watched.stream, watched.partition);
    if (endOffset === watched.endOffset) return;
    watched.endOffset = endOffset;
    for (const tell of watched.tellers) tell(endOffset);
  }
}
