/** What is wrong with the events of one request, at most one finding per event. */
import type { ErrorCode } from "../../core/errors.ts";

/** Where in publishing an event failed: Nakadi's words. */
export type Step = "none" | "validating" | "partitioning" | "enriching" | "publishing";

export interface Failure {
  readonly step: Step;
  readonly code: ErrorCode;
  /** JSON pointer of the field (as a URI fragment); `#` is the event itself. */
  readonly pointer: string;
  readonly reason: string;
}

export class Failures {
  readonly #byItem = new Map<number, Failure>();

  get size(): number {
    return this.#byItem.size;
  }

  has(item: number): boolean {
    return this.#byItem.size > 0 && this.#byItem.has(item);
  }

  get(item: number): Failure | undefined {
    return this.#byItem.get(item);
  }

  /** One for each event. */
  codes(): readonly ErrorCode[] {
    return [...this.#byItem.values()].map(({ code }) => code);
  }

  /** The first finding of an event stands. */
  add(item: number, step: Step, code: ErrorCode, pointer: string, reason: string): void {
    if (!this.#byItem.has(item)) this.#byItem.set(item, { step, code, pointer, reason });
  }
}
