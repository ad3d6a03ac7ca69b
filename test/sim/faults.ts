/**
 * The fault classes, and which of them a seed has (swarm testing: Groce et al., "Swarm Testing", ISSTA 2012). A
 * class that is on strikes in windows of time, at its seed's rate: faults come in bursts.
 */
import type { Randomness } from "../../core/clock.ts";

export const FAULTS = [
  "append stored, answer lost",
  "append lost, answer lost",
  "append refused: overloaded",
  "append refused: log full",
  "log read fails",
  "file put: answer lost",
  "file put: lost",
  "file put: applied late",
  "commit put: answer lost",
  "commit put: lost",
  "commit put: applied late",
  "power lost",
  "unsynced bytes lost",
  "unsynced names lost",
  "disk: short write",
  "disk: write fails",
  "disk: sync fails",
  "disk: directory sync fails",
  "disk: read fails",
  "disk full",
  "store does not answer a read",
  "store does not delete",
  "slow answer",
  "stalled answer",
  "process paused",
  "process crashed",
  "process crashed while it recovered",
  "process stopped in order",
  "owner met another's commit",
  "clock jumped forward",
  "clock jumped backward",
  "foreign compaction",
  "foreign removal of rows",
  "foreign removal that keeps the ids",
  "state image lost",
  "state image damaged",
  "state image of an earlier time",
  "state image: put fails",
  "foreign append of rows",
  "foreign change of metadata",
  "table log cleaned up",
  "machine suspended",
  "checkpoint damaged",
  "checkpoint deleted",
  "orphan swept",
  "table compacted",
  "compaction made void",
  "lease held by another",
  "rows expired",
  "table rolled back",
  "table paused",
  "table swept",
  "expired file swept",
  "file of removed ids swept",
  "helper crashed",
  "helper paused",
  "follower began again",
  "a night passed",
  "extract published",
  "extract revised",
  "extract loaded",
  "extract expired",
  "file of an extract swept",
  "two makers of a feed",
  "warehouse began again",
  "right changed",
  "share answered",
  "columns answered",
  "shared file fetched",
  "declared by two at once",
  "type declared while running",
  "sent again after unknown",
  "answer to the producer lost",
  "duplicate in order",
  "late event",
  "far-future event",
  "bad payload, then good, one id",
  "one id, other bytes",
  "rejected event in a request",
  "poison straight into the log",
  "offsets without records",
  "retention ran",
] as const;

export type Fault = (typeof FAULTS)[number];

export type FaultCounts = Map<Fault, number>;

const RATES = [0.01, 0.04, 0.15, 0.35];

export class Faults {
  readonly #random: Randomness;
  readonly #rates = new Map<Fault, number>();
  readonly counts: FaultCounts = new Map();
  /** Whether a burst goes on. */
  isBurst = false;
  isHealed = false;

  constructor(random: Randomness) {
    this.#random = random;
    for (const fault of FAULTS)
      if (random.fraction() < 0.5)
        this.#rates.set(fault, RATES[Math.floor(random.fraction() * RATES.length)]!);
  }

  /** For tests of the parts themselves. */
  always(fault: Fault): void {
    this.#rates.set(fault, Infinity);
    this.isBurst = true;
  }

  has(fault: Fault): boolean {
    return this.#rates.has(fault);
  }

  /** Whether it strikes now; counts it. */
  strikes(fault: Fault, scale = 1): boolean {
    const rate = this.#rates.get(fault);
    if (rate === undefined || this.isHealed || !this.isBurst) return false;
    if (this.#random.fraction() >= rate * scale) return false;
    this.note(fault);
    return true;
  }

  note(fault: Fault): void {
    this.counts.set(fault, (this.counts.get(fault) ?? 0) + 1);
  }

  describe(): string {
    return [...this.#rates].map(([fault, rate]) => `${fault} ${rate}`).join(", ");
  }
}
