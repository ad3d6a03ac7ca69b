/**
 * Everything that takes something away from the lake, ready for use: by the routes, when somebody asks for it, and by
 * upkeep, by itself. What is declared with an event type (its retention, its partitions) is looked up here.
 */
import type { Clock } from "../core/clock.ts";
import { isStoreTrouble, MuaraError } from "../core/errors.ts";
import { type EventType, partitionCount, RESERVED_TABLES } from "../core/event-type.ts";
import type { Logger } from "../core/logger.ts";
import { currentName, hasCurrent, mergedUntilMs } from "./current/current-table.ts";
import { checkResettable, resetCurrent } from "./current/reset.ts";
import { eraseSubject, type ErasePorts, type Erased } from "./erase.ts";
import type { Removed } from "./remove-rows.ts";
import { expireTable, retentionMsOf } from "./retain.ts";
import { rollBack, type RolledBack, type RollBackRequest } from "./roll-back.ts";
import { dropParts } from "./share/part-store.ts";
import type { Subject } from "./subject.ts";
import { createSweeper, type Swept } from "./sweep.ts";
import type { LogConsumer } from "./table/log-cleanup.ts";
import { isAppendOnly } from "./table/table-properties.ts";
import type { UpkeepTask } from "./upkeep.ts";

const HOUR_MS = 3_600_000;
const LEFTOVERS_EVERY_MS = 24 * HOUR_MS;

/** A table as declared; without event type one of Muara's own. */
export interface DeclaredTable {
  readonly name: string;
  readonly eventType?: EventType | undefined;
}

export interface RemovalsPorts extends ErasePorts {
  /** Who reads a table commit by commit, beside Muara's ledgers, which need no data files. */
  readonly consumersOf?: (table: string) => Promise<readonly LogConsumer[]>;
}

export interface RemovalsOptions {
  /** Resends are compared with what was accepted so long ago, ms. */
  readonly horizonMs: number;
  /** At this age what no version names is swept, ms. */
  readonly sweepAfterMs: number;
  /** Consumers further behind are not waited for, ms. */
  readonly holdMs: number;
  /** Files of parts of shared tables go at this age, ms. */
  readonly partsMs: number;
}

export interface RemovalOptions {
  readonly isDryRun?: boolean;
  readonly signal: AbortSignal;
}

export interface Expired extends Removed {
  readonly beforeMs: number;
}

export interface Removals {
  /** @param beforeMs ms since 1970 UTC; undefined: as declared @throws table.no_retention, and as `expireTable` */
  expire(table: DeclaredTable, beforeMs: number | undefined, options: RemovalOptions): Promise<Expired>;
  rollBack(table: DeclaredTable, to: RollBackRequest["to"], options: RemovalOptions): Promise<RolledBack>;
  /** @param id names the erasure in the commits */
  erase(table: DeclaredTable, subject: Subject, id: string, options: RemovalOptions): Promise<Erased>;
  /** @returns undefined for a table without a commit */
  sweep(table: DeclaredTable, options: RemovalOptions): Promise<Swept | undefined>;
  /** Retention as declared, and the sweeper. */
  readonly tasks: readonly UpkeepTask[];
  /** Cuts off what is under way, and ends its process; refuses what comes. What was cut off can be repeated. */
  close(): Promise<void>;
}

export function createRemovals(ports: RemovalsPorts, options: RemovalsOptions): Removals {
  const sweeper = createSweeper(ports);
  const leftovers = createLeftovers(ports, options.sweepAfterMs);
  const editing = new OneAtATime();
  const declared = ({ eventType }: DeclaredTable): { horizonMs: number; partitions: number } => ({
    horizonMs: options.horizonMs,
    partitions: eventType ? partitionCount(eventType) : 0,
  });
  const expire: Removals["expire"] = async (table, asked, { isDryRun = false, signal }) => {
    const beforeMs = asked ?? (await retentionTimeMs(ports, table));
    if (beforeMs === undefined)
      throw new MuaraError("table.no_retention", `Nothing says how long rows of ${table.name} are kept.`, {
        details: { table: table.name },
      });
    const request = { ...declared(table), isForeign: isForeign(table), isDryRun, signal };
    const expired = await expireTable(ports, table.name, {
      ...request,
      beforeMs: Math.min(beforeMs, await mergedBefore(ports, table)),
      isNoted: table.eventType !== undefined && hasCurrent(table.eventType),
    });
    return { ...expired, beforeMs };
  };
  const sweep: Removals["sweep"] = async (table, { isDryRun = false, signal }) =>
    sweeper.sweep(table.name, {
      ageMs: options.sweepAfterMs,
      consumers: (await ports.consumersOf?.(table.name)) ?? [],
      holdMs: options.holdMs,
      isDryRun,
      signal,
    });
  const retainTask: UpkeepTask = {
    name: "retain",
    everyMs: HOUR_MS,
    isForOthers: true,
    run: async (table, signal) => {
      const { metadata } = await table.snapshot();
      if (retentionMsOf(table, metadata) === Infinity) return;
      // Another's table is retained only where it says so, and may say what we must not do.
      if (isForeign(table) && isAppendOnly(metadata)) return;
      await expire(table, undefined, { signal });
    },
  };
  const sweepTask: UpkeepTask = {
    name: "sweep",
    everyMs: HOUR_MS,
    run: async (table, signal) => {
      await leftovers();
      await sweep(table, { signal });
    },
  };
  const partsTask: UpkeepTask = {
    name: "parts",
    everyMs: HOUR_MS,
    run: async ({ name }) => {
      const files = await dropParts(ports.store, name, ports.clock.nowMs() - options.partsMs);
      if (files > 0) ports.logger.info("files of shared parts of a table swept", { table: name, files });
    },
  };
  return {
    expire,
    sweep,
    erase: ({ name, eventType }, subject, id, { isDryRun = false, signal }) => {
      if (!eventType)
        throw new MuaraError("table.unsupported", `${name} is not the table of an event type.`, {
          details: { table: name },
        });
      const { sweepAfterMs } = options;
      const request = { ...declared({ name, eventType }), eventType, subject, id, sweepAfterMs, isDryRun };
      return editing.run(signal, (until) => eraseSubject(ports, { ...request, signal: until }));
    },
    rollBack: (table, to, { isDryRun = false, signal }) =>
      editing.run(signal, async (until) => {
        const { name, eventType } = table;
        const current = eventType && hasCurrent(eventType) ? ports.openTable(currentName(name)) : undefined;
        if (current) checkResettable(name, await ports.openTable(name).snapshot());
        const rolled = await rollBack(ports, name, { ...declared(table), to, isDryRun, signal: until });
        // Also where nothing was left to be taken away: the last try may have ended in between.
        if (current && !isDryRun) await resetCurrent(ports, current, until);
        return rolled;
      }),
    tasks: [retainTask, sweepTask, partsTask],
    close: () => editing.close(),
  };
}

/** Erasures and rollbacks follow each other: each has a process with the whole budget of memory. */
class OneAtATime {
  readonly #closing = new AbortController();
  #last: Promise<unknown> = Promise.resolve();

  run<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const until = AbortSignal.any([signal, this.#closing.signal]);
    const mine = this.#last.then(async () => {
      until.throwIfAborted();
      return work(until);
    });
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  async close(): Promise<void> {
    this.#closing.abort(new MuaraError("log.closed", "The service is shutting down."));
    await this.#last;
  }
}

/** Neither of an event type nor Muara's own. */
function isForeign({ name, eventType }: DeclaredTable): boolean {
  return !eventType && !RESERVED_TABLES.includes(name.toLowerCase());
}

/** Before when rows are too old by what is declared; undefined where they are kept for ever. */
async function retentionTimeMs(
  { clock, openTable }: Pick<RemovalsPorts, "clock" | "openTable">,
  table: DeclaredTable,
): Promise<number | undefined> {
  const metadata = table.eventType ? undefined : (await openTable(table.name).snapshot()).metadata;
  const keptMs = retentionMsOf(table, metadata);
  return keptMs === Infinity ? undefined : clock.nowMs() - keptMs;
}

/** Before when the changes of a captured type are in its current state, ms; Infinity for others. */
async function mergedBefore(
  { openTable }: Pick<RemovalsPorts, "openTable">,
  { name, eventType }: DeclaredTable,
): Promise<number> {
  if (!eventType || !hasCurrent(eventType)) return Infinity;
  const current = await openTable(currentName(name)).snapshot();
  return mergedUntilMs(await openTable(name).snapshot(), current);
}

/** Clears what killed writers left in the store itself, now and then. */
function createLeftovers(
  { store, clock, logger }: { store: RemovalsPorts["store"]; clock: Clock; logger: Logger },
  ageMs: number,
): () => Promise<void> {
  let dueMs = -Infinity;
  return async () => {
    if (!store.clearLeftovers || clock.monotonicMs() < dueMs) return;
    dueMs = clock.monotonicMs() + LEFTOVERS_EVERY_MS;
    try {
      const cleared = await store.clearLeftovers(clock.nowMs() - ageMs);
      if (cleared > 0) logger.info("what killed writers left in the store was cleared", { cleared });
    } catch (error) {
      if (!isStoreTrouble(error)) throw error;
      logger.warn("what killed writers left in the store cannot be cleared", { error });
    }
  };
}
