/**
 * The landing worker: one `TableLanding` per event type that this process owns, in rounds. A round lands what every
 * table has; the next one starts when something was appended, at the earliest `commitMs` after the last began, and
 * at once where a table still has a backlog. One table's failure leaves the others alone.
 */
import { isAssertion } from "../../core/assert.ts";
import type { EventType } from "../../core/event-type.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Ownership } from "../../core/ports/ownership.ts";
import type { Registry } from "../../core/registry.ts";
import { TableLanding, type LandOptions, type LandPorts } from "./table-landing.ts";

/** Tables landed at the same time in one round; bounds memory, not correctness. */
const CONCURRENCY = 2;
const RETRY_MS_MAX = 30_000;
/** What a stop waits for a backlog; the rest lands after the next start. */
const DRAIN_MS = 5_000;

export interface LandWorkerPorts extends LandPorts {
  readonly registry: Registry;
  readonly ownership: Ownership;
}

export interface LandStatus {
  readonly table: string;
  /** `stopped` needs a person; `retrying` goes on by itself. */
  readonly state: "landing" | "retrying" | "stopped";
  readonly problem: string | undefined;
}

interface Entry {
  readonly type: EventType;
  landing: TableLanding | undefined;
  state: LandStatus["state"];
  problem: string | undefined;
  failures: number;
  retryAtMs: number;
}

export interface LandWorker {
  /** Lands in rounds until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
  /** After `run`: lands what is in the log, as far as `DRAIN_MS` goes, and frees everything. */
  drain(): Promise<void>;
  status(): readonly LandStatus[];
}

export function createLandWorker(ports: LandWorkerPorts, options: LandOptions): LandWorker {
  const entries = new Map<string, Entry>();
  let seenChanges = -1;

  const adopt = (): void => {
    if (seenChanges === ports.registry.changeCount) return;
    seenChanges = ports.registry.changeCount;
    for (const { value } of ports.registry.list<EventType>("event-type")) {
      if (!value || entries.has(value.name) || !ports.ownership.owns(value.name)) continue;
      entries.set(value.name, {
        type: value,
        landing: undefined,
        state: "landing",
        problem: undefined,
        failures: 0,
        retryAtMs: 0,
      });
    }
  };

  const land = async (entry: Entry, signal: AbortSignal): Promise<boolean> => {
    if (entry.state === "stopped" || entry.retryAtMs > ports.clock.monotonicMs()) return false;
    try {
      // A type is declared a moment before its stream exists; a door that died in between creates it later.
      if (!entry.landing && !(await ports.log.stream(entry.type.name))) return false;
      entry.landing ??= await TableLanding.open(ports, options, entry.type);
      const { hasBacklog } = await entry.landing.step(signal);
      entry.state = "landing";
      entry.problem = undefined;
      entry.failures = 0;
      return hasBacklog;
    } catch (error) {
      if (!signal.aborted) fail(entry, error);
      return false;
    }
  };

  const fail = (entry: Entry, error: unknown): void => {
    // Whatever was tentative is gone with the landing; it starts again from the table.
    entry.landing?.discard();
    entry.landing = undefined;
    const isTransient =
      error instanceof MuaraError ? error.retryable : !isAssertion(error) && isSystemError(error);
    entry.state = isTransient ? "retrying" : "stopped";
    entry.problem = error instanceof Error ? error.message : String(error);
    entry.failures++;
    entry.retryAtMs = ports.clock.monotonicMs() + Math.min(RETRY_MS_MAX, 100 * 2 ** entry.failures);
    ports.logger.error(isTransient ? "landing will try again" : "landing of a table stopped", {
      table: entry.type.name,
      problem: entry.problem,
      ...(error instanceof MuaraError
        ? { code: error.code }
        : { stack: error instanceof Error ? error.stack : undefined }),
    });
  };

  const round = async (signal: AbortSignal): Promise<boolean> => {
    await ports.registry.refresh();
    adopt();
    return eachOf([...entries.values()], CONCURRENCY, (entry) => land(entry, signal));
  };

  return {
    status: () =>
      [...entries.values()].map(({ type, state, problem }) => ({ table: type.name, state, problem })),
    run: async (signal) => {
      while (!signal.aborted) {
        const startedMs = ports.clock.monotonicMs();
        const seen = ports.log.appendCount;
        const hasBacklog = await round(signal);
        if (hasBacklog || signal.aborted) continue;
        // Wake for watermark and retries too, so the wait for new events is bounded.
        await waitForEvents(seen, signal);
        await ports.clock.sleep(startedMs + options.commitMs - ports.clock.monotonicMs(), signal);
      }
    },
    drain: async () => {
      const endMs = ports.clock.monotonicMs() + DRAIN_MS;
      const never = new AbortController().signal;
      while ((await round(never)) && ports.clock.monotonicMs() < endMs);
      for (const entry of entries.values()) entry.landing?.discard();
      entries.clear();
    },
  };

  async function waitForEvents(seen: number, signal: AbortSignal): Promise<void> {
    const wait = new AbortController();
    const stop = (): void => wait.abort();
    signal.addEventListener("abort", stop, { once: true });
    await Promise.race([ports.log.waitForAppend(seen, wait.signal), ports.clock.sleep(1_000, wait.signal)]);
    signal.removeEventListener("abort", stop);
    wait.abort();
  }
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
      any = (await work(item)) || any;
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  return any;
}

/** Errors of the operating system carry a code such as EIO; those may pass, a TypeError will not. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && typeof (error as { code?: unknown }).code === "string";
}
