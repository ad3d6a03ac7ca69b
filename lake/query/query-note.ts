/** What one query is counted as, once, however it ends. */
import type { Clock } from "../../core/clock.ts";
import type { Measures } from "../../core/measures.ts";
import type { QueryProcess } from "./query-process.ts";

export class QueryNote {
  readonly #measures: Measures | undefined;
  readonly #clock: Clock;
  readonly #startMs: number;
  #child: QueryProcess | undefined;
  #isEnded = false;

  constructor(measures: Measures | undefined, clock: Clock) {
    this.#measures = measures;
    this.#clock = clock;
    this.#startMs = clock.monotonicMs();
  }

  /** The process that it has. */
  has(child: QueryProcess): void {
    this.#child = child;
  }

  bytes(count: number): void {
    this.#measures?.count("muara_query_answer_bytes", {}, count);
  }

  /** @param outcome ok or a code */
  end(outcome: string, rows: number): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#measures?.count("muara_queries", { outcome });
    this.#measures?.count("muara_query_rows", {}, rows);
    this.#measures?.observe("muara_query_seconds", (this.#clock.monotonicMs() - this.#startMs) / 1_000, {});
    const peakBytes = this.#child?.peakBytes ?? 0;
    if (peakBytes > 0) this.#measures?.observe("muara_query_memory_bytes", peakBytes, {});
  }
}
