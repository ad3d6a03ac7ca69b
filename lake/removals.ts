/**
 * Everything that takes something away from the lake, ready for use: by the routes, when somebody asks for it, and by
 * upkeep, by itself. What is declared with an event type (its retention, its partitions) is looked up here.
 */
import type { Clock } from "../core/clock.ts";
import { isStoreTrouble, MuaraError } from "../core/errors.ts";
import { type EventType, lakeRetentionMs, partitionCount } from "../core/event-type.ts";
import type { Logger } from "../core/logger.ts";
import { eraseSubject, type Erased } from "./erase.ts";
import type { Removed, RemoveRowsPorts } from "./remove-rows.ts";
import { expireTable } from "./retain.ts";
import { rollBack, type RolledBack, type RollBackRequest } from "./roll-back.ts";
import type { Subject } from "./subject.ts";
import { createSweeper, type Swept } from "./sweep.ts";
import type { LogConsumer } from "./table/log-cleanup.ts";
import type { UpkeepTask } from "./upkeep.ts";

const HOUR_MS = 3_600_000;
const LEFTOVERS_EVERY_MS = 24 * HOUR_MS;

/** A table as declared; without event type one of Muara's own. */
export interface DeclaredTable {
  readonly name: string;
  readonly eventType?: EventType | undefined;
}

export interface RemovalsPorts extends RemoveRowsPorts {
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
}

export function createRemovals(ports: RemovalsPorts, options: RemovalsOptions): Removals {
  const sweeper = createSweeper(ports);
  const leftovers = createLeftovers(ports, options.sweepAfterMs);
  const declared = ({ eventType }: DeclaredTable): { horizonMs: number; partitions: number } => ({
    horizonMs: options.horizonMs,
    partitions: eventType ? partitionCount(eventType) : 0,
  });
  const expire: Removals["expire"] = async (table, asked, { isDryRun = false, signal }) => {
    const beforeMs = asked ?? retentionTimeMs(ports.clock, table);
    if (beforeMs === undefined)
      throw new MuaraError("table.no_retention", `Nothing says how long rows of ${table.name} are kept.`, {
        details: { table: table.name },
      });
    const request = { ...declared(table), beforeMs, isDryRun, signal };
    return { ...(await expireTable(ports, table.name, request)), beforeMs };
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
    run: async (table, signal) => {
      if (retentionTimeMs(ports.clock, table) !== undefined) await expire(table, undefined, { signal });
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
  return {
    expire,
    sweep,
    erase: ({ name, eventType }, subject, id, { isDryRun = false, signal }) => {
      if (!eventType)
        throw new MuaraError("table.unsupported", `${name} is not the table of an event type.`, {
          details: { table: name },
        });
      const { sweepAfterMs } = options;
      const request = {
        ...declared({ name, eventType }),
        eventType,
        subject,
        id,
        sweepAfterMs,
        isDryRun,
        signal,
      };
      return eraseSubject(ports, request);
    },
    rollBack: (table, to, { isDryRun = false, signal }) =>
      rollBack(ports, table.name, { ...declared(table), to, isDryRun, signal }),
    tasks: [retainTask, sweepTask],
  };
}

/** Before when rows are too old by what is declared; undefined where they are kept for ever. */
function retentionTimeMs(clock: Clock, { eventType }: DeclaredTable): number | undefined {
  const keptMs = eventType ? lakeRetentionMs(eventType) : Infinity;
  return keptMs === Infinity ? undefined : clock.nowMs() - keptMs;
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
