/**
 * Tells of runs, beside the work: events wait in a bounded queue for whoever takes them, and are dropped, counted,
 * where it is full or they were refused again and again. Order is kept.
 */
import type { Clock, Randomness } from "./clock.ts";
import { MuaraError } from "./errors.ts";
import { type LineageEventType, lineageEvent } from "./lineage-event.ts";
import type { Logger } from "./logger.ts";
import type { Sample } from "./open-metrics.ts";
import type {
  Lineage,
  LineageInput,
  LineageJob,
  LineageName,
  LineageOutput,
  LineageRun,
} from "./ports/lineage.ts";

const ATTEMPTS = 3;
const PAUSE_MS = 500;
/** What a stop waits for what is left, ms. */
const CLOSE_MS = 1_000;

export interface LineagePlaces {
  readonly stream: (name: string) => LineageName;
  readonly table: (name: string) => LineageName;
  readonly extract: (feed: string) => LineageName;
}

export interface LineageOptions {
  /** Of the jobs. */
  readonly namespace: string;
  /** URI of this program. */
  readonly producer: string;
  /** Events that wait. */
  readonly queue: number;
  readonly places: LineagePlaces;
  /** Events that the receiver takes at a time: all of them or none. */
  readonly batch: number;
  /** Takes events, one JSON text each, or throws. */
  readonly send: (events: readonly string[], signal: AbortSignal) => Promise<void>;
}

export interface LineagePorts {
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
}

export function createLineage(ports: LineagePorts, options: LineageOptions): Lineage {
  return new LineageSender(ports, options);
}

class LineageSender implements Lineage {
  readonly stream: LineagePlaces["stream"];
  readonly table: LineagePlaces["table"];
  readonly extract: LineagePlaces["extract"];
  readonly #ports: LineagePorts;
  readonly #options: LineageOptions;
  readonly #end = new AbortController();
  #waiting: string[] = [];
  #sending: Promise<void> | undefined;
  #sent = 0;
  #dropped = 0;
  #isFailing = false;

  constructor(ports: LineagePorts, options: LineageOptions) {
    this.#ports = ports;
    this.#options = options;
    ({ stream: this.stream, table: this.table, extract: this.extract } = options.places);
  }

  start(
    job: LineageJob,
    inputs: readonly LineageInput[],
    outputs: readonly LineageOutput[],
    beganMs?: number,
  ): LineageRun {
    const { clock, randomness } = this.#ports;
    const runId = randomness.uuid();
    const { namespace, producer } = this.#options;
    let isOver = false;
    const tell = (type: LineageEventType, from = inputs, to = outputs, error?: string): void => {
      if (isOver) return;
      isOver = type !== "START";
      const atMs = (type === "START" ? beganMs : undefined) ?? clock.nowMs();
      const about = { type, atMs, runId, producer, namespace, job, inputs: from, outputs: to };
      this.#take(lineageEvent({ ...about, ...(error === undefined ? {} : { error }) }));
    };
    tell("START");
    return {
      complete: (from, to) => tell("COMPLETE", from, to),
      fail: (error) => tell("FAIL", inputs, outputs, reasonOf(error)),
      abort: () => tell("ABORT"),
    };
  }

  samples(): readonly Sample[] {
    return [
      { name: "muara_lineage_sent", labels: {}, value: this.#sent },
      { name: "muara_lineage_dropped", labels: {}, value: this.#dropped },
      { name: "muara_lineage_waiting", labels: {}, value: this.#waiting.length },
    ];
  }

  async close(): Promise<void> {
    const over = new AbortController();
    await Promise.race([this.#sending, this.#ports.clock.sleep(CLOSE_MS, over.signal)]);
    over.abort();
    this.#end.abort();
    await this.#sending;
  }

  #take(event: string): void {
    if (this.#waiting.length >= this.#options.queue || this.#end.signal.aborted) {
      this.#dropped++;
      return;
    }
    this.#waiting.push(event);
    this.#sending ??= this.#sendAll();
  }

  async #sendAll(): Promise<void> {
    await Promise.resolve(); // whoever works goes on first
    while (this.#waiting.length > 0) {
      const events = this.#waiting.splice(0, this.#options.batch);
      if (await this.#isTaken(events)) this.#sent += events.length;
      else this.#dropped += events.length;
    }
    // In the same breath as the last look at the queue: what comes next begins anew.
    this.#sending = undefined;
  }

  async #isTaken(events: readonly string[]): Promise<boolean> {
    const { clock, logger } = this.#ports;
    const { signal } = this.#end;
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await this.#options.send(events, signal);
        if (this.#isFailing) logger.info("lineage is taken again");
        this.#isFailing = false;
        return true;
      } catch (error) {
        if (!this.#isFailing) logger.warn("lineage is not taken", { error });
        this.#isFailing = true;
        if (attempt === ATTEMPTS) return false;
        await clock.sleep(PAUSE_MS * attempt, signal);
      }
    }
    return false;
  }
}

/** What may be told: messages of unexpected errors may quote what somebody sent. */
function reasonOf(error: unknown): string {
  return error instanceof MuaraError ? `${error.code}: ${error.message}` : "internal";
}
