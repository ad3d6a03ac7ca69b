/**
 * The series of a drop rule, judged window by window as the watermark of their table closes them. What is remembered of
 * the weeks before is made anew from the lake at each start: it is a function of the table, and kept nowhere else.
 */
import { AlertResultList, type DropResultRule } from "./drop-results.ts";
import type { Clock } from "../../core/clock.ts";
import { DropDetector } from "../../core/drop-detector.ts";
import type { DropVerdict } from "../../core/drop-verdict.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Principal } from "../../core/authorize.ts";
import { dropOptions } from "../../core/rule.ts";
import type { QueryService } from "../query/service.ts";
import { readCounts, type Series } from "./drop-counts.ts";

const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;

export interface DropWatchPorts {
  readonly query: Pick<QueryService, "rows">;
  readonly clock: Clock;
}

export interface DropWatchOptions {
  readonly seriesMax: number;
  readonly timeoutMs: number;
}

/** What of the table is there now. */
export interface DropLook {
  readonly version: number;
  readonly isEventTable: boolean;
  readonly watermarkMs: number;
  readonly principal: Principal;
}

interface Watched {
  readonly labels: Series["labels"];
  readonly detector: DropDetector;
  latest: DropVerdict | undefined;
  /** End of the latest look that had rows of it, ms. */
  seenMs: number;
}

export class DropWatch {
  readonly #ports: DropWatchPorts;
  readonly #options: DropWatchOptions;
  readonly #rule: DropResultRule;
  readonly #series = new Map<string, Watched>();
  /** Every window that ends by then is judged. */
  #judgedMs: number | undefined;

  constructor(ports: DropWatchPorts, options: DropWatchOptions, rule: DropResultRule) {
    this.#ports = ports;
    this.#options = options;
    this.#rule = rule;
  }

  get series(): { readonly total: number; readonly warming: number } {
    const all = [...this.#series.values()];
    return { total: all.length, warming: all.filter(({ latest }) => latest?.baseline !== "seasonal").length };
  }

  /**
   * Judges what has closed since the last look; at the first one the weeks before.
   * @param afterMs results of windows that end by then are not wanted; null: only of the latest window
   * @returns by end of window, in order; @throws what a query throws, and then it is as if it had not been asked
   */
  async look(look: DropLook, afterMs: number | null, signal: AbortSignal): Promise<AlertResultList> {
    const { window_ms: windowMs } = this.#rule.drop;
    const closedMs = Math.floor(look.watermarkMs / windowMs) * windowMs;
    const results = new AlertResultList(this.#rule, afterMs ?? closedMs - windowMs);
    let fromMs = this.#judgedMs ?? closedMs - this.#lookBackMs;
    try {
      while (fromMs < closedMs && !signal.aborted) {
        // Of what lies behind, a week at a time: an answer is bounded, and so is what is judged without a pause.
        const toMs = Math.min(closedMs, fromMs + WEEK_MS);
        await this.#judge(look, fromMs, toMs, results, signal);
        this.#judgedMs = fromMs = toMs;
      }
    } catch (error) {
      if (results.isBegun) this.#forget();
      throw error;
    }
    return results;
  }

  async #judge(
    { version, isEventTable, principal }: DropLook,
    fromMs: number,
    toMs: number,
    results: AlertResultList,
    signal: AbortSignal,
  ): Promise<void> {
    const { query, clock } = this.#ports;
    const { timeoutMs } = this.#options;
    const { drop } = this.#rule;
    const request = { rule: drop, isEventTable, version, fromMs, toMs, principal, timeoutMs };
    const read = await readCounts(query, request, signal);
    this.#release(toMs);
    this.#admit(read, toMs);
    results.isBegun = true;
    const none = new Map<number, number>();
    for (const [key, series] of this.#series) {
      for (const verdict of series.detector.judgeClosed(toMs, read.get(key)?.counts ?? none)) {
        series.latest = verdict;
        results.add(series.labels, verdict, series.detector.clock);
      }
      // A week of one series takes some ten milliseconds, and others run in this process.
      await clock.sleep(0, signal);
    }
    results.closeUntil(fromMs, toMs);
  }

  /** What a start would not find any more: it has had nothing for as long as is looked back. */
  #release(toMs: number): void {
    const behindMs = toMs - WEEK_MS - this.#lookBackMs;
    for (const [key, { seenMs }] of this.#series) if (seenMs < behindMs) this.#series.delete(key);
  }

  get #lookBackMs(): number {
    return this.#rule.drop.weeks * WEEK_MS + DAY_MS;
  }

  #admit(read: ReadonlyMap<string, Series>, toMs: number): void {
    const { seriesMax } = this.#options;
    const added = [...read].filter(([key]) => !this.#series.has(key));
    if (this.#series.size + added.length > seriesMax)
      throw new MuaraError("alert.too_many", `Rule ${this.#rule.name} has more than ${seriesMax} series.`, {
        details: { rule: this.#rule.name, limit: seriesMax },
      });
    const options = dropOptions(this.#rule.drop);
    for (const [key, { labels }] of added)
      this.#series.set(key, { labels, detector: new DropDetector(options), latest: undefined, seenMs: toMs });
    for (const key of read.keys()) this.#series.get(key)!.seenMs = toMs;
  }

  #forget(): void {
    this.#series.clear();
    this.#judgedMs = undefined;
  }
}
