/**
 * The landing worker: one `TableLanding` per event type that this process owns, in rounds. A round lands what is
 * due; the next one starts when something was appended, at the earliest `commitMs` after the last began, and at
 * once where a table still has a backlog. One table's failure leaves the others alone.
 *
 * When a table is due follows from the commit budget (commit-budget.ts): as long as all tables together stay within
 * it, `commitMs` after the round that last landed it, beyond it later.
 */
import { isAssertion } from "../../core/assert.ts";
import { type CommitBudget, createCommitBudget, type Pace, paceOf } from "./commit-budget.ts";
import type { EventType } from "../../core/event-type.ts";
import { isMaterialised } from "../../core/event-type-annotations.ts";
import { pendingRemovals, type Removal } from "../../core/event-type-removal.ts";
import { type ErrorCode, hasCode, MuaraError } from "../../core/errors.ts";
import type { Sample } from "../../core/open-metrics.ts";
import type { Ownership } from "../../core/ports/ownership.ts";
import type { Registry } from "../../core/registry.ts";
import { landSamples } from "./land-samples.ts";
import { endStream } from "./end-stream.ts";
import { remedyOf, retryMs } from "./failure.ts";
import type { LandOptions, LandPorts } from "./options.ts";
import { TableLanding } from "./table-landing.ts";
import { Turn } from "./turn.ts";

/** What a stop waits for a backlog; the rest lands after the next start. */
const DRAIN_MS = 5_000;
/** Without appends the worker looks this often: for watermarks, retries and tables that it now owns. */
const LOOK_MS = 1_000;
/** Rounds while tables wait for their turn are at least this far apart; each looks at all of them. */
const TURN_MS = 100;
const COMMITS_PER_SECOND_DEFAULT = 100;
const COMMIT_MS_MAX_DEFAULT = 10_000;
const PARALLEL_COMMITS_DEFAULT = 2;

export interface LandWorkerPorts extends LandPorts {
  readonly registry: Registry;
  readonly ownership: Pick<Ownership, "owns">;
  /** Shared with the others of this process that commit; absent: the worker's own. */
  readonly budget?: CommitBudget;
}

export interface LandStatus {
  readonly table: string;
  /**
   * `stopped` needs a person; `retrying` goes on by itself, `paused` when the table's pause ends, `waiting` when the
   * schema version that events or table are of has been read.
   */
  readonly state: "landing" | "retrying" | "paused" | "waiting" | "stopped";
  readonly problem: string | undefined;
  readonly code: ErrorCode | undefined;
  /** How long after a commit the next one comes while events arrive, ms; 0 during a backlog. */
  readonly intervalMs: number;
  readonly intervalReason: string;
}

interface Entry {
  type: EventType;
  /** The type was deleted: what its stream has lands, then it goes. */
  removal: Removal | undefined;
  landing: TableLanding | undefined;
  readonly turn: Turn;
  state: LandStatus["state"];
  problem: string | undefined;
  code: ErrorCode | undefined;
  failures: number;
  retryAtMs: number;
  /** Somebody says that the table is another one than is in memory. */
  isOutdated: boolean;
}

/** Of an entry of which nothing is known that speaks against it. */
const FRESH = {
  state: "landing",
  problem: undefined,
  code: undefined,
  failures: 0,
  retryAtMs: -Infinity,
} as const;

export interface LandWorker {
  /** Lands in rounds until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
  /** After `run`: lands what is in the log, as far as `DRAIN_MS` goes, and frees everything. */
  drain(): Promise<void>;
  /** Every table met so far, stopped ones included. */
  status(): readonly LandStatus[];
  /** For `/metrics`. */
  samples(): Promise<readonly Sample[]>;
  /** The table was paused or resumed here: it is read anew before anything else lands. */
  reload(table: string): void;
}

export function createLandWorker(ports: LandWorkerPorts, options: LandOptions): LandWorker {
  return new RoundWorker(ports, options);
}

class RoundWorker implements LandWorker {
  readonly #ports: LandWorkerPorts;
  readonly #options: LandOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #budget: CommitBudget;
  #pace: Pace;
  #seenChanges = -1;

  constructor(ports: LandWorkerPorts, options: LandOptions) {
    this.#ports = ports;
    this.#options = options;
    const { commitMs, commitMsMax, commitsPerSecond } = options;
    this.#budget =
      ports.budget ??
      createCommitBudget(ports.clock, {
        commitMs,
        commitMsMax: commitMsMax ?? COMMIT_MS_MAX_DEFAULT,
        commitsPerSecond: commitsPerSecond ?? COMMITS_PER_SECOND_DEFAULT,
      });
    this.#pace = paceOf([], this.#budget.forTables, this.#budget.options);
  }

  status(): readonly LandStatus[] {
    return [...this.#entries.values()].map(({ type, turn, state, problem, code }) => ({
      table: type.name,
      state,
      problem,
      code,
      intervalMs: turn.isFull ? 0 : this.#pace.intervalMs,
      intervalReason: turn.isFull ? "a backlog lands without waiting" : this.#paceReason(),
    }));
  }

  samples(): Promise<readonly Sample[]> {
    const nowMs = this.#ports.clock.monotonicMs();
    return landSamples(
      [...this.#entries.values()].map(({ type, turn, state, landing }) => ({
        table: type.name,
        landing,
        state,
        intervalMs: turn.isFull ? 0 : this.#pace.intervalMs,
        waitedMs: turn.waitedMs(nowMs),
      })),
    );
  }

  reload(table: string): void {
    const entry = this.#entries.get(table);
    // Its landing may be at work in this moment: the next round gives it up.
    if (entry) Object.assign(entry, { isOutdated: true, retryAtMs: -Infinity });
  }

  #paceReason(): string {
    const { intervalMs, wantedPerSecond, allowedPerSecond } = this.#pace;
    if (intervalMs <= this.#options.commitMs) return "within the commit budget";
    const [wanted, allowed] = [Math.ceil(wantedPerSecond), Math.floor(allowedPerSecond)];
    return `commit budget: the tables want ${wanted} commits/s, ${allowed} are allowed`;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, logger } = this.#ports;
    while (!signal.aborted) {
      const startedMs = clock.monotonicMs();
      const seen = log.appendCount;
      let dueMs: number | undefined;
      try {
        const round = await this.#round(startedMs, signal);
        if (round.hasBacklog || signal.aborted) continue;
        ({ dueMs } = round);
      } catch (error) {
        // Only the declarations can fail here; the tables have their own handling.
        if (isAssertion(error) || signal.aborted) throw error;
        logger.error("landing cannot read what is declared", { error });
      }
      if (dueMs === undefined) await this.#waitForEvents(seen, signal);
      // Somebody waits for a turn, at the latest until a round would come anyway.
      const nextMs = startedMs + this.#options.commitMs;
      const wakeMs = dueMs === undefined ? nextMs : Math.max(startedMs + TURN_MS, Math.min(dueMs, nextMs));
      await clock.sleep(wakeMs - clock.monotonicMs(), signal);
    }
  }

  async drain(): Promise<void> {
    const { clock } = this.#ports;
    const limit = new AbortController();
    const done = new AbortController();
    const timer = clock.sleep(DRAIN_MS, done.signal).then(() => limit.abort());
    try {
      while ((await this.#round(undefined, limit.signal)).hasBacklog && !limit.signal.aborted);
    } finally {
      done.abort();
      await timer;
      for (const entry of this.#entries.values()) {
        await entry.landing?.saveImage();
        discard(entry);
      }
    }
  }

  /**
   * @param paceMs monotonic ms of its start; undefined: nothing waits for its turn
   * @returns whether a table has a backlog, and when the first of those that wait for their turn is due
   */
  async #round(
    paceMs: number | undefined,
    signal: AbortSignal,
  ): Promise<{ hasBacklog: boolean; dueMs: number | undefined }> {
    const { clock, log, registry } = this.#ports;
    const nowMs = paceMs ?? clock.monotonicMs();
    await registry.refresh();
    this.#adopt();
    const entries = [...this.#entries.values()];
    for (const entry of entries) {
      if (entry.isOutdated) discard(entry);
      entry.isOutdated = false;
    }
    for (const { landing, turn } of entries) if (landing) await turn.look(landing, log.appendCount, nowMs);
    const open = entries.filter(({ landing }) => landing !== undefined);
    this.#pace = paceOf(
      open.map(({ turn }) => turn.gapMs(nowMs)),
      this.#budget.forTables,
      this.#budget.options,
    );
    const { intervalMs } = this.#pace;
    // What was taken over has been waiting longest: nobody landed it for a while.
    const dueOf = ({ landing, turn }: Entry): number => (landing ? turn.dueMs(intervalMs, nowMs) : -Infinity);
    entries.sort((a, b) => (dueOf(a) === dueOf(b) ? 0 : dueOf(a) - dueOf(b)));
    let dueMs: number | undefined;
    const { parallelCommits = PARALLEL_COMMITS_DEFAULT } = this.#options;
    const hasBacklog = await eachOf(entries, parallelCommits, async (entry) => {
      if (!this.#isReady(entry)) return false;
      const waitMs = paceMs === undefined ? 0 : this.#waitMs(entry, nowMs);
      if (waitMs > 0) dueMs = Math.min(dueMs ?? Infinity, nowMs + waitMs);
      else if (paceMs === undefined || !isIdle(entry, nowMs)) return this.#land(entry, nowMs, signal);
      return false;
    });
    return { hasBacklog, dueMs };
  }

  /** Whether it is this worker's and may be tried; gives up what somebody else owns. */
  #isReady(entry: Entry): boolean {
    const { clock, ownership } = this.#ports;
    if (!ownership.owns(entry.type.name)) {
      // Whoever has it now knows better what is in the table, and how it goes.
      discard(entry);
      Object.assign(entry, FRESH);
      return false;
    }
    return entry.state !== "stopped" && entry.retryAtMs <= clock.monotonicMs();
  }

  /** How long it still has to wait for its turn, ms. */
  #waitMs({ landing, turn }: Entry, nowMs: number): number {
    const { commitMsMax } = this.#budget.options;
    if (turn.isFull || (landing && !turn.isWaiting)) return 0;
    const earlyMs = turn.dueMs(this.#pace.intervalMs, nowMs) - nowMs;
    if (earlyMs > 0) return earlyMs;
    return turn.waitedMs(nowMs) >= commitMsMax ? 0 : this.#budget.waitMs();
  }

  #adopt(): void {
    const { registry } = this.#ports;
    if (this.#seenChanges === registry.changeCount) return;
    this.#seenChanges = registry.changeCount;
    const wanted = wantedTables(registry);
    for (const [name, entry] of this.#entries)
      if (!wanted.has(name)) {
        discard(entry); // it is gone, or its events are not to land any more
        this.#entries.delete(name);
      }
    for (const [name, { type, removal }] of wanted) {
      const known = this.#entries.get(name);
      if (known) {
        known.removal = removal;
        this.#adoptChange(known, type);
      } else this.#entries.set(name, newEntry(type, removal));
    }
  }

  /** A type that was declared anew may need other columns: its table is opened anew, which gives it these. */
  #adoptChange(entry: Entry, type: EventType): void {
    if (JSON.stringify(entry.type) === JSON.stringify(type)) return;
    discard(entry);
    entry.type = type;
    Object.assign(entry, FRESH);
  }

  async #land(entry: Entry, roundMs: number, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false;
    const { turn } = entry;
    try {
      if (entry.removal && (await this.#isStreamless(entry.removal))) {
        await endStream(this.#ports, entry.removal, undefined, signal);
        return false;
      }
      if (!entry.landing) {
        entry.landing = await TableLanding.open(this.#ports, this.#options, entry.type);
        if (entry.landing.state.snapshot.version === 0) this.#budget.spendOther(1);
      }
      turn.triedMs = roundMs;
      const { hasBacklog, isCommitted } = await entry.landing.step(signal);
      if (isCommitted) {
        this.#budget.spend(1);
        turn.landed(roundMs, hasBacklog);
      } else if (!hasBacklog) turn.forget();
      if (entry.removal && !hasBacklog && !isCommitted)
        await endStream(this.#ports, entry.removal, entry.landing, signal);
      Object.assign(entry, { state: "landing", problem: undefined, code: undefined, failures: 0 });
      return hasBacklog;
    } catch (error) {
      if (signal.aborted) discard(entry);
      else this.#fail(entry, error, entry.landing !== undefined);
      return false;
    }
  }

  /** Nothing of it is to land, or its stream went already. */
  async #isStreamless({ type, topicId }: Removal): Promise<boolean> {
    if (!isMaterialised(type) || topicId === null) return true;
    return (await this.#ports.log.stream(type.name))?.topicId !== topicId;
  }

  #fail(entry: Entry, error: unknown, wasOpen: boolean): void {
    const { clock, logger } = this.#ports;
    const remedy = remedyOf(error, wasOpen);
    const isTransient = remedy !== "stop";
    if (remedy !== "retry" || !entry.landing?.isUsable) discard(entry);
    const before = entry.state;
    entry.state = isTransient ? "retrying" : "stopped";
    if (hasCode(error, "table.paused")) entry.state = "paused";
    if (hasCode(error, "land.schema_unknown")) entry.state = "waiting";
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
    else if (entry.state === "paused") {
      if (before !== "paused") logger.info("landing of a table is paused", fields);
    } else if (entry.state === "waiting") {
      if (before !== "waiting") logger.warn("landing waits for a schema version", fields);
    }
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

/** By name: the types whose events land, those that were deleted until they have. */
function wantedTables(registry: Registry): ReadonlyMap<string, Pick<Entry, "type" | "removal">> {
  const wanted = new Map<string, Pick<Entry, "type" | "removal">>();
  for (const removal of pendingRemovals(registry))
    wanted.set(removal.type.name, { type: removal.type, removal });
  for (const { value } of registry.list<EventType>("event-type"))
    if (value && isMaterialised(value)) wanted.set(value.name, { type: value, removal: undefined });
  return wanted;
}

function newEntry(type: EventType, removal: Removal | undefined): Entry {
  return {
    type,
    removal,
    landing: undefined,
    turn: new Turn(),
    ...FRESH,
    isOutdated: false,
  };
}

/** Gives memory back; what was tentative goes with it. */
function discard(entry: Entry): void {
  entry.landing?.discard();
  entry.landing = undefined;
  entry.turn.forget();
}

/** Nothing to land, and looked after a moment ago: for watermarks and the health of the table that is enough. */
function isIdle({ landing, turn }: Entry, nowMs: number): boolean {
  return landing !== undefined && !turn.isWaiting && nowMs - turn.triedMs < LOOK_MS;
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
