/**
 * The landing worker: one `TableLanding` per event type that this process owns, in rounds. A round lands what every
 * table has; the next one starts when something was appended, at the earliest `commitMs` after the last began, and
 * at once where a table still has a backlog. One table's failure leaves the others alone.
 */
import { isAssertion } from "../../core/assert.ts";
import type { EventType } from "../../core/event-type.ts";
import { type ErrorCode, MuaraError } from "../../core/errors.ts";
import type { Ownership } from "../../core/ports/ownership.ts";
import type { Registry } from "../../core/registry.ts";
import { remedyOf, retryMs } from "./failure.ts";
import type { LandOptions, LandPorts } from "./options.ts";
import { TableLanding } from "./table-landing.ts";

/** Tables landed at the same time in one round; bounds memory, not correctness. */
const CONCURRENCY = 2;
/** What a stop waits for a backlog; the rest lands after the next start. */
const DRAIN_MS = 5_000;
/** Without appends the worker looks this often: for watermarks, retries and tables that it now owns. */
const LOOK_MS = 1_000;

export interface LandWorkerPorts extends LandPorts {
  readonly registry: Registry;
  readonly ownership: Ownership;
}

export interface LandStatus {
  readonly table: string;
  /** `stopped` needs a person; `retrying` goes on by itself. */
  readonly state: "landing" | "retrying" | "stopped";
  readonly problem: string | undefined;
  readonly code: ErrorCode | undefined;
}

interface Entry {
  readonly type: EventType;
  landing: TableLanding | undefined;
  state: LandStatus["state"];
  problem: string | undefined;
  code: ErrorCode | undefined;
  failures: number;
  retryAtMs: number;
}

export interface LandWorker {
  /** Lands in rounds until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
  /** After `run`: lands what is in the log, as far as `DRAIN_MS` goes, and frees everything. */
  drain(): Promise<void>;
  /** Every table met so far, stopped ones included. */
  status(): readonly LandStatus[];
}

export function createLandWorker(ports: LandWorkerPorts, options: LandOptions): LandWorker {
  return new RoundWorker(ports, options);
}

class RoundWorker implements LandWorker {
  readonly #ports: LandWorkerPorts;
  readonly #options: LandOptions;
  readonly #entries = new Map<string, Entry>();
  #seenChanges = -1;

  constructor(ports: LandWorkerPorts, options: LandOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  status(): readonly LandStatus[] {
    return [...this.#entries.values()].map(({ type, state, problem, code }) => ({
      table: type.name,
      state,
      problem,
      code,
    }));
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, logger } = this.#ports;
    while (!signal.aborted) {
      const startedMs = clock.monotonicMs();
      const seen = log.appendCount;
      try {
        if ((await this.#round(signal)) || signal.aborted) continue;
      } catch (error) {
        // Only the declarations can fail here; the tables have their own handling.
        if (isAssertion(error) || signal.aborted) throw error;
        logger.error("landing cannot read what is declared", { error });
      }
      await this.#waitForEvents(seen, signal);
      await clock.sleep(startedMs + this.#options.commitMs - clock.monotonicMs(), signal);
    }
  }

  async drain(): Promise<void> {
    const { clock } = this.#ports;
    const limit = new AbortController();
    const done = new AbortController();
    const timer = clock.sleep(DRAIN_MS, done.signal).then(() => limit.abort());
    try {
      while ((await this.#round(limit.signal)) && !limit.signal.aborted);
    } finally {
      done.abort();
      await timer;
      for (const entry of this.#entries.values()) discard(entry);
    }
  }

  /** @returns whether a table has a backlog */
  async #round(signal: AbortSignal): Promise<boolean> {
    await this.#ports.registry.refresh();
    this.#adopt();
    return eachOf([...this.#entries.values()], CONCURRENCY, (entry) => this.#land(entry, signal));
  }

  #adopt(): void {
    const { registry } = this.#ports;
    if (this.#seenChanges === registry.changeCount) return;
    this.#seenChanges = registry.changeCount;
    for (const { value } of registry.list<EventType>("event-type")) {
      if (!value || this.#entries.has(value.name)) continue;
      this.#entries.set(value.name, {
        type: value,
        landing: undefined,
        state: "landing",
        problem: undefined,
        code: undefined,
        failures: 0,
        retryAtMs: -Infinity,
      });
    }
  }

  async #land(entry: Entry, signal: AbortSignal): Promise<boolean> {
    const { clock, ownership } = this.#ports;
    if (!ownership.owns(entry.type.name)) {
      discard(entry); // whoever has it now knows better what is in the table
      return false;
    }
    if (entry.state === "stopped" || entry.retryAtMs > clock.monotonicMs() || signal.aborted) return false;
    try {
      entry.landing ??= await TableLanding.open(this.#ports, this.#options, entry.type);
      const { hasBacklog } = await entry.landing.step(signal);
      Object.assign(entry, { state: "landing", problem: undefined, code: undefined, failures: 0 });
      return hasBacklog;
    } catch (error) {
      if (signal.aborted) discard(entry);
      else this.#fail(entry, error, entry.landing !== undefined);
      return false;
    }
  }

  #fail(entry: Entry, error: unknown, wasOpen: boolean): void {
    const { clock, logger } = this.#ports;
    const remedy = remedyOf(error, wasOpen);
    const isTransient = remedy !== "stop";
    if (remedy !== "retry" || !entry.landing?.isUsable) discard(entry);
    entry.state = isTransient ? "retrying" : "stopped";
    entry.problem = error instanceof Error ? error.message : String(error);
    entry.code = error instanceof MuaraError ? error.code : undefined;
    entry.failures++;
    entry.retryAtMs = clock.monotonicMs() + retryMs(entry.code, entry.failures);
    const fields = {
      table: entry.type.name,
      problem: entry.problem,
      ...(entry.code ? { code: entry.code } : { stack: error instanceof Error ? error.stack : undefined }),
    };
    if (!isTransient) logger.error("landing of a table stopped", fields);
    // The stream follows its declaration within moments.
    else if (entry.code === "log.stream_not_found" && entry.failures < 5)
      logger.info("landing waits for a stream", fields);
    else logger.warn("landing will try again", fields);
  }

  async #waitForEvents(seen: number, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#ports;
    const wait = new AbortController();
    const stop = (): void => wait.abort();
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    await Promise.race([log.waitForAppend(seen, wait.signal), clock.sleep(LOOK_MS, wait.signal)]);
    signal.removeEventListener("abort", stop);
    wait.abort();
  }
}

/** Gives memory back; what was tentative goes with it. */
function discard(entry: Entry): void {
  entry.landing?.discard();
  entry.landing = undefined;
}

/** Runs `work` over `items`, at most `width` at a time. @returns whether any answered true */
async function eachOf<Item>(
  items: readonly Item[],
  width: number,
  work: (item: Item) => Promise<boolean>,
): Promise<boolean> {
  let at = 0;
  let any = false;
  const lane = async (): Promise<void> => {
    while (at < items.length) {
      const item = items[at++]!;
      if (await work(item)) any = true;
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  return any;
}
