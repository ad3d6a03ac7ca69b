/**
 * Keeps the logs of Muara's own tables short: event tables as far as every projection and job has consumed them, the
 * tables of projections and jobs by age alone. It runs beside everything else, one table after another; a pass that
 * fails for one table leaves the others alone, and the next pass does what is left.
 */
import { isAssertion } from "../core/assert.ts";
import type { Clock } from "../core/clock.ts";
import { type EventType, RESERVED_TABLES } from "../core/event-type.ts";
import { type Job, jobTables } from "../core/job.ts";
import type { Logger } from "../core/logger.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";
import type { TableLog, TableSnapshot } from "../core/ports/table-log.ts";
import type { Registry } from "../core/registry.ts";
import { declaredConsumers } from "./job-consumers.ts";
import { consumedTxn } from "./projection.ts";
import { cleanUpLog, type LogConsumer } from "./table/log-cleanup.ts";
import { pausedUntilMs } from "./table/table-pause.ts";

export interface LogKeeperPorts {
  readonly store: ObjectStore;
  readonly registry: Registry;
  readonly openTable: (name: string) => TableLog;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface LogKeeperOptions {
  readonly everyMs: number;
  /** Beyond a log's retention its commits are kept this long for a consumer that is behind, ms. */
  readonly holdMs: number;
}

export interface LogKeeper {
  /** A pass each `everyMs`, the first after one. */
  run(signal: AbortSignal): Promise<void>;
  pass(signal: AbortSignal): Promise<void>;
}

export function createLogKeeper(ports: LogKeeperPorts, options: LogKeeperOptions): LogKeeper {
  const pass = (signal: AbortSignal): Promise<void> => keepLogs(ports, options.holdMs, signal);
  const run = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      await ports.clock.sleep(options.everyMs, signal);
      if (!signal.aborted) await pass(signal);
    }
  };
  return { run, pass };
}

async function keepLogs(ports: LogKeeperPorts, holdMs: number, signal: AbortSignal): Promise<void> {
  const { openTable, registry, logger } = ports;
  /** @returns false where it failed */
  const attempt = async (table: string, work: () => Promise<unknown>): Promise<boolean> => {
    try {
      if (!signal.aborted) await work();
      return true;
    } catch (error) {
      if (isAssertion(error)) throw error;
      logger.error("the log of a table cannot be cleaned up", { table, error });
      return false;
    }
  };
  const cleanUp = async (
    table: string,
    snapshot: TableSnapshot,
    consumers: readonly LogConsumer[],
  ): Promise<void> => {
    if (pausedUntilMs(snapshot.metadata, ports.clock.nowMs()) !== undefined) return;
    const cleaned = await cleanUpLog(ports, table, { consumers, holdMs, signal });
    if (cleaned) logger.info("the log of a table was cleaned up", { table, ...cleaned });
  };
  const projections = new Map<string, TableSnapshot>();
  for (const name of RESERVED_TABLES) {
    const isRead = await attempt(name, async () => {
      const snapshot = await openTable(name).snapshot();
      projections.set(name, snapshot);
      await cleanUp(name, snapshot, await declaredConsumers(ports, name, snapshot.metadata?.id ?? ""));
    });
    // What it has consumed is not known for sure: the event tables wait.
    if (!isRead) return;
  }
  for (const { value } of registry.list<EventType>("event-type")) {
    if (!value) continue;
    await attempt(value.name, async () => {
      const snapshot = await openTable(value.name).snapshot();
      const others = await declaredConsumers(ports, value.name, snapshot.metadata?.id ?? "");
      await cleanUp(value.name, snapshot, [...consumersOf(snapshot, projections), ...others]);
    });
  }
  for (const name of registry.list<Job>("job").flatMap(({ value }) => (value ? jobTables(value) : [])))
    await attempt(name, async () => {
      const snapshot = await openTable(name).snapshot();
      await cleanUp(name, snapshot, await declaredConsumers(ports, name, snapshot.metadata?.id ?? ""));
    });
}

/** Every projection is a consumer of every event table, from the table's beginning on. */
function consumersOf(
  { metadata }: TableSnapshot,
  projections: ReadonlyMap<string, TableSnapshot>,
): readonly LogConsumer[] {
  return [...projections].map(([name, { txns }]) => ({
    name,
    version: Number(txns.get(consumedTxn(metadata?.id ?? "")) ?? -1n),
  }));
}
