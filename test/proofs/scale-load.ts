/**
 * The load of the scale-out proof: numbered events of several types at a rate, one of them hot, a share sent twice on
 * purpose, all repeated until acknowledged. What could not be sent while the door was away is sent when it is back, in
 * larger batches, so that the rate holds over the whole time.
 */
import type { Randomness } from "../../core/clock.ts";
import { type Host, sleep } from "./host.ts";
import { eventOf } from "./kill-load.ts";
import { Moments } from "./moments.ts";

const RESENDS = 0.02;
const BATCH_MAX = 1_000;
/** Between two requests of a lane, ms. */
const PACE_MS = 250;
const HOT_SHARE = 0.4;
const HOT_LANES = 4;
/** Some of it may be stored; all of it is sent again. */
const PARTIAL = 207;

/** What was sent of one type. */
export interface Sent {
  readonly name: string;
  /** Different events, numbered from 0. */
  events: number;
  /** Acknowledged, events sent twice both times. */
  acknowledged: number;
  /** Sends of which nobody knows whether they were stored. */
  unknown: number;
}

export class ScaleLoad {
  readonly sent: readonly Sent[];
  /** Of each type: when events were acknowledged. */
  readonly acknowledgements: Moments;
  readonly #door: Host;
  readonly #random: Randomness;
  readonly #lanes: Promise<void>[];
  readonly #stop = new AbortController();
  readonly #startedMs = performance.now();
  #failure: unknown;

  /** @param hot one of the types, which gets two fifths of the events */
  constructor(
    door: Host,
    types: readonly string[],
    hot: string,
    eventsPerSecond: number,
    random: Randomness,
  ) {
    this.#door = door;
    this.#random = random;
    this.acknowledgements = new Moments(types);
    this.sent = types.map((name) => ({ name, events: 0, acknowledged: 0, unknown: 0 }));
    const coldRate = (eventsPerSecond * (1 - HOT_SHARE)) / (types.length - 1);
    this.#lanes = this.sent.flatMap((sent) => {
      const lanes = sent.name === hot ? HOT_LANES : 1;
      const rate = sent.name === hot ? (eventsPerSecond * HOT_SHARE) / lanes : coldRate;
      return Array.from({ length: lanes }, () => this.#lane(sent, rate));
    });
    for (const lane of this.#lanes) lane.catch((error: unknown) => (this.#failure ??= error));
  }

  get events(): number {
    return this.sent.reduce((sum, { events }) => sum + events, 0);
  }

  get acknowledged(): number {
    return this.sent.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  }

  /** @throws what made a lane give up: an answer that breaks the promise */
  assertNoFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Resolves when everything that was begun is acknowledged. @returns how long events were offered, ms */
  async end(): Promise<number> {
    this.#stop.abort();
    const offeredMs = performance.now() - this.#startedMs;
    await Promise.all(this.#lanes);
    return offeredMs;
  }

  async #lane(sent: Sent, rate: number): Promise<void> {
    const { signal } = this.#stop;
    let offered = 0;
    await sleep(this.#random.fraction() * PACE_MS, signal);
    while (!signal.aborted) {
      const due = Math.floor(((performance.now() - this.#startedMs) / 1_000) * rate) - offered;
      const count = Math.min(BATCH_MAX, due);
      if (count > 0) await this.#send(sent, this.#draw(sent, count));
      offered += Math.max(0, count);
      if (due <= BATCH_MAX) await sleep(PACE_MS, signal);
    }
  }

  async #send(sent: Sent, numbers: readonly number[]): Promise<void> {
    const body = `[${numbers.map(eventOf).join(",")}]`;
    for (;;) {
      const answer = await this.#door.post(`/event-types/${sent.name}/events`, body);
      const { status, text, unanswered } = answer;
      sent.unknown += unanswered * numbers.length;
      if (status === 200) break;
      if (status !== PARTIAL) throw new Error(`the door answered ${status}: ${text.slice(0, 500)}`);
      sent.unknown += numbers.length;
    }
    sent.acknowledged += numbers.length;
    this.acknowledgements.note(sent.name);
  }

  /** New numbers, and some that were sent before. */
  #draw(sent: Sent, count: number): readonly number[] {
    return Array.from({ length: count }, () =>
      sent.events > 0 && this.#random.fraction() < RESENDS
        ? Math.floor(this.#random.fraction() * sent.events)
        : sent.events++,
    );
  }
}
