/**
 * Who needs what, noted so that it is known to all processes and after all restarts. Kafka's retention goes by age
 * alone and waits for nobody: the note says that a consumer exists, and roughly where it is, to whoever looks.
 */
import type { Clock } from "../../core/clock.ts";
import type { Hold } from "../../core/ports/log.ts";
import type { Notes } from "./notes.ts";

/** Landing moves its holds with each commit; that they moved is noted this often, ms. */
const NOTE_MS = 60_000;

export class Holds {
  readonly #notes: Notes;
  readonly #clock: Clock;
  readonly #noted = new Map<string, { readonly places: string; readonly atMs: number }>();

  constructor(notes: Notes, clock: Clock) {
    this.#notes = notes;
    this.#clock = clock;
  }

  async declare(consumer: string, holds: readonly Hold[]): Promise<void> {
    const places = holds.map(({ stream, partition }) => `${stream}/${partition}`).join(" ");
    const nowMs = this.#clock.monotonicMs();
    const noted = this.#noted.get(consumer);
    if (noted?.places === places && nowMs - noted.atMs < NOTE_MS) return;
    await this.#notes.put([[noteOf(consumer), holds.length === 0 ? undefined : { holds }]]);
    this.#noted.set(consumer, { places, atMs: nowMs });
  }

  async isHolding(consumer: string): Promise<boolean> {
    await this.#notes.refresh();
    return this.#notes.get(noteOf(consumer)) !== undefined;
  }
}

function noteOf(consumer: string): string {
  return `hold/${consumer}`;
}
