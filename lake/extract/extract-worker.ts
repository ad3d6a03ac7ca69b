/**
 * Keeps all declared feeds up: each by itself, one pass after the other, so that one whose SQL fails holds up nobody.
 * A pass reads all of a feed's tables to see what changed, so a feed rests ten times as long as its last pass took:
 * looking costs a tenth of a processor at most, however large the tables become.
 */
import { isAssertion } from "../../core/assert.ts";
import type { Clock } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Feed } from "../../core/extract-feed.ts";
import { FeedStore } from "./feed-store.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import { keepFeed } from "./keep-feed.ts";
import { FeedMaker, type FeedMakerOptions, type FeedMakerPorts, type PassReport } from "./make-feed.ts";
import { writeStatus, type FeedStatus } from "./feed-status.ts";

const REST_FACTOR = 10;
const KEEP_EVERY_MS = 3_600_000;

export interface ExtractPorts extends FeedMakerPorts {
  readonly store: ObjectStore;
}

export interface ExtractOptions extends FeedMakerOptions {
  /** Between two looks at a feed, at least, ms. */
  readonly everyMs: number;
}

export interface ExtractWorker {
  run(signal: AbortSignal): Promise<void>;
  /** One pass now. @throws extract.not_found, and what made the pass fail */
  make(feed: string, signal: AbortSignal): Promise<PassReport>;
}

/** @param tables names of the tables that each feed reads, by feed */
export function createExtractWorker(
  feeds: readonly Feed[],
  tables: ReadonlyMap<string, readonly string[]>,
  ports: ExtractPorts,
  options: ExtractOptions,
): ExtractWorker {
  const loops = new Map(
    feeds.map((feed) => [feed.name, new FeedLoop(feed, tables.get(feed.name) ?? [], ports, options)]),
  );
  return {
    run: async (signal) => void (await Promise.all([...loops.values()].map((loop) => loop.run(signal)))),
    make: async (name, signal) => {
      const loop = loops.get(name);
      if (loop) return loop.pass(signal);
      throw new MuaraError("extract.not_found", `There is no feed "${name}".`, { details: { feed: name } });
    },
  };
}

class FeedLoop {
  readonly #maker: FeedMaker;
  readonly #store: FeedStore;
  readonly #clock: Clock;
  readonly #ports: ExtractPorts;
  readonly #everyMs: number;
  #turn: Promise<unknown> = Promise.resolve();
  #keptMs = -Infinity;

  constructor(feed: Feed, tables: readonly string[], ports: ExtractPorts, options: ExtractOptions) {
    this.#store = new FeedStore(ports.store, feed.name, ports.clock);
    this.#maker = new FeedMaker(feed, tables, this.#store, ports, options);
    this.#clock = ports.clock;
    this.#ports = ports;
    this.#everyMs = options.everyMs;
  }

  async run(signal: AbortSignal): Promise<void> {
    const feed = this.#store.feed;
    while (!signal.aborted) {
      const startMs = this.#clock.monotonicMs();
      try {
        await this.pass(signal);
        if (startMs - this.#keptMs >= KEEP_EVERY_MS) await this.#keep(signal);
      } catch (error) {
        if (isAssertion(error)) throw error;
        if (!signal.aborted) this.#ports.logger.error("a feed cannot be made", { feed, error });
      }
      const tookMs = this.#clock.monotonicMs() - startMs;
      await this.#clock.sleep(Math.max(this.#everyMs, tookMs * REST_FACTOR), signal);
    }
  }

  /** One at a time; its outcome is written where every process sees it. */
  pass(signal: AbortSignal): Promise<PassReport> {
    const mine = this.#turn.then(async () => {
      try {
        const report = await this.#maker.pass(signal);
        await this.#say(statusOf(report));
        if (report.erased) await this.#keep(signal);
        return report;
      } catch (error) {
        if (!signal.aborted) await this.#say(failureOf(error)).catch(() => {});
        throw error;
      }
    });
    this.#turn = mine.catch(() => {});
    return mine;
  }

  async #keep(signal: AbortSignal): Promise<void> {
    const kept = await keepFeed(this.#store, this.#clock, signal);
    this.#keptMs = this.#clock.monotonicMs();
    if (kept.versions + kept.files > 0)
      this.#ports.logger.info("a feed was cleaned up", { feed: this.#store.feed, ...kept });
  }

  async #say(status: Omit<FeedStatus, "at">): Promise<void> {
    await writeStatus(this.#store, status, this.#clock);
  }
}

function statusOf(report: PassReport): Omit<FeedStatus, "at"> {
  const { completeThroughMs, waitsFor, withheld, rowsWithoutTime, rowsTooLate } = report;
  const state = waitsFor === null ? (withheld.length > 0 ? "withheld" : "ready") : "waiting";
  const failed = withheld.map(
    ({ window, failed: checks }) => `${window}: ${checks.map((c) => c.check).join(", ")}`,
  );
  return {
    state,
    problem: waitsFor ?? (failed.length > 0 ? `checks do not hold: ${failed.join("; ")}` : null),
    code: null,
    complete_through: completeThroughMs === null ? null : new Date(completeThroughMs).toISOString(),
    withheld,
    rows_without_time: rowsWithoutTime,
    rows_too_late: rowsTooLate,
  };
}

function failureOf(error: unknown): Omit<FeedStatus, "at"> {
  const known = error instanceof MuaraError ? error : undefined;
  return {
    state: "failing",
    problem: known?.message ?? "an unexpected error; the log has it",
    code: known?.code ?? "internal",
    complete_through: null,
    withheld: [],
    rows_without_time: 0,
    rows_too_late: 0,
  };
}
