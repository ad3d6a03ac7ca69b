/**
 * Upkeep of one lake as the configuration says: which tasks there are, and what they share. One process puts files
 * together for all tables, one job after the other; what takes rows away and what merges changes have others of the
 * same size. They are started when there is work. Merging waits for none of the others, since queries pay for what is
 * not merged.
 */
import { createHash } from "node:crypto";
import { hostname } from "node:os";
import type { Clock, Randomness } from "../core/clock.ts";
import type { Config } from "../core/config.ts";
import type { Kernel } from "../core/kernel.ts";
import type { Logger } from "../core/logger.ts";
import type { Measures } from "../core/measures.ts";
import type { Log } from "../core/ports/log.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";
import type { TableLog } from "../core/ports/table-log.ts";
import type { Registry } from "../core/registry.ts";
import { type Compacted, type CompactOptions, compactionTask, compactTable } from "./compact.ts";
import { foreignTables } from "./catalog.ts";
import { currentTask } from "./current/current-task.ts";
import { CurrentMerger } from "./current/merge.ts";
import { icebergTask } from "./iceberg/iceberg-task.ts";
import { declaredConsumers } from "./job-consumers.ts";
import { createRemovals, type Removals } from "./removals.ts";
import { FileRewriter } from "./rewrite.ts";
import { partsKeptMs } from "./share/part-store.ts";
import type { LogConsumer } from "./table/log-cleanup.ts";
import { createUpkeep } from "./upkeep.ts";

/** Longer than files of a group take to be put together; it is renewed for each. */
const LEASE_MS = 60_000;
/** Merging begins so long after a start. */
const MERGE_AFTER_MS = 1_000;
const HOUR_MS = 3_600_000;

export interface LakeUpkeepPorts {
  readonly store: ObjectStore;
  readonly kernel: Kernel;
  readonly registry: Registry;
  readonly log: Log;
  readonly openTable: (name: string) => TableLog;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
  /** Absent: nothing is counted. */
  readonly measures?: Measures | undefined;
}

export interface LakeUpkeep {
  /** Every task in turns, until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
  /** One run of compaction now. @throws as `compactTable` */
  compact(table: string, signal: AbortSignal): Promise<Compacted>;
  /** What takes rows and files away. */
  readonly removals: Removals;
  /** Cuts off what takes rows away, and ends the processes that rewrite files. */
  close(): Promise<void>;
}

/** @param folder for temporary files, on a disk with room; of this process alone */
export function createLakeUpkeep(
  services: LakeUpkeepPorts,
  { land, share, upkeep: config, current }: Pick<Config, "current" | "land" | "share" | "upkeep">,
  folder: string,
): LakeUpkeep {
  const { memoryBytes, tempBytes: spillBytes, rewriteMs: timeoutMs } = config;
  const rewriting = { folder, memoryBytes, spillBytes, timeoutMs };
  const rewriter = new FileRewriter(rewriting);
  const merger = new CurrentMerger(services, current, rewriting);
  const ports = { ...services, rewriter };
  const owner = ownerOf(folder);
  const options = compactOptions(config);
  const removals = createRemovals(
    { ...services, rewriting, consumersOf: (table) => consumersOf(services, table) },
    {
      horizonMs: land.horizonHours * HOUR_MS,
      sweepAfterMs: config.sweepAfterHours * HOUR_MS,
      holdMs: land.holdDays * 24 * HOUR_MS,
      // Those used last may have addresses that are still good.
      partsMs: partsKeptMs(share) + share.urlMs,
    },
  );
  // The export comes last: of what compaction has left.
  const tasks = [
    ...removals.tasks,
    compactionTask(ports, options, config.compactMs, owner),
    icebergTask(services, config.icebergMs),
  ];
  const others = (known: ReadonlySet<string>): Promise<readonly string[]> =>
    foreignTables(services.store, known);
  const isOn = config.run === "on";
  const upkeep = createUpkeep({ ...services, others }, isOn ? tasks : []);
  const merges = isOn ? [currentTask(services, merger, current)] : [];
  const merging = createUpkeep(services, merges, { firstMs: MERGE_AFTER_MS });
  return {
    run: async (signal) => {
      await Promise.all([upkeep.run(signal), merging.run(signal)]);
    },
    compact: async (name, signal) => {
      const log = services.openTable(name);
      return compactTable(ports, options, { name, log, base: await log.snapshot(), owner }, signal);
    },
    removals,
    close: async () => {
      await Promise.all([removals.close(), rewriter.close(), merger.close()]);
    },
  };
}

/** What a delivery has still to send, or a job to read, stays. */
async function consumersOf(ports: LakeUpkeepPorts, table: string): Promise<readonly LogConsumer[]> {
  await ports.registry.refresh();
  const { metadata } = await ports.openTable(table).snapshot();
  return declaredConsumers(ports, table, metadata?.id ?? "");
}

/** The same after a restart: a process that was killed takes its own leases again. */
function ownerOf(folder: string): string {
  return createHash("sha256").update(`${hostname()}\n${folder}`).digest("hex").slice(0, 16);
}

function compactOptions(config: Config["upkeep"]): CompactOptions {
  return {
    filesMin: config.compactFiles,
    targetBytes: config.compactTargetBytes,
    fileBytes: config.compactFileBytes,
    runBytes: config.compactRunBytes,
    runRows: config.compactRunRows,
    leaseMs: LEASE_MS,
  };
}
