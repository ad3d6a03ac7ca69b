/**
 * Upkeep of one lake as the configuration says: which tasks there are, and what they share. One process rewrites files
 * for all of them, one job after the other; it is started when there is work.
 */
import { createHash } from "node:crypto";
import { hostname } from "node:os";
import type { Clock, Randomness } from "../core/clock.ts";
import type { Config } from "../core/config.ts";
import type { Kernel } from "../core/kernel.ts";
import type { Logger } from "../core/logger.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";
import type { TableLog } from "../core/ports/table-log.ts";
import type { Registry } from "../core/registry.ts";
import { type Compacted, type CompactOptions, compactionTask, compactTable } from "./compact.ts";
import { createRemovals, type Removals } from "./removals.ts";
import { FileRewriter } from "./rewrite.ts";
import { createUpkeep } from "./upkeep.ts";

/** Longer than files of a group take to be put together; it is renewed for each. */
const LEASE_MS = 60_000;
const HOUR_MS = 3_600_000;

export interface LakeUpkeepPorts {
  readonly store: ObjectStore;
  readonly kernel: Kernel;
  readonly registry: Registry;
  readonly openTable: (name: string) => TableLog;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
}

export interface LakeUpkeep {
  /** Every task in turns, until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
  /** One run of compaction now. @throws as `compactTable` */
  compact(table: string, signal: AbortSignal): Promise<Compacted>;
  /** What takes rows and files away. */
  readonly removals: Removals;
  /** Ends the process that rewrites files. */
  close(): Promise<void>;
}

/** @param folder for temporary files, on a disk with room; of this process alone */
export function createLakeUpkeep(
  services: LakeUpkeepPorts,
  { land, upkeep: config }: Pick<Config, "land" | "upkeep">,
  folder: string,
): LakeUpkeep {
  const { memoryBytes, tempBytes: spillBytes, rewriteMs: timeoutMs } = config;
  const rewriter = new FileRewriter({ folder, memoryBytes, spillBytes, timeoutMs });
  const ports = { ...services, rewriter };
  const owner = ownerOf(folder);
  const options = compactOptions(config);
  const removals = createRemovals(services, {
    horizonMs: land.horizonHours * HOUR_MS,
    sweepAfterMs: config.sweepAfterHours * HOUR_MS,
    holdMs: land.holdDays * 24 * HOUR_MS,
  });
  const tasks = [...removals.tasks, compactionTask(ports, options, config.compactMs, owner)];
  const upkeep = createUpkeep(services, config.run === "on" ? tasks : []);
  return {
    run: (signal) => upkeep.run(signal),
    compact: async (name, signal) => {
      const log = services.openTable(name);
      return compactTable(ports, options, { name, log, base: await log.snapshot(), owner }, signal);
    },
    removals,
    close: () => rewriter.close(),
  };
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
