/** Landing of one table by itself, with the defaults of the configuration: for the benches that need no whole Muara. */
import { readFileSync } from "node:fs";
import { systemClock, systemRandomness } from "../core/clock.ts";
import { resolveConfig } from "../core/config.ts";
import type { EventType } from "../core/event-type.ts";
import type { Kernel } from "../core/kernel.ts";
import { silentLogger } from "../core/logger.ts";
import type { Log } from "../core/ports/log.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";
import { openTableLog } from "../lake/table/table-log.ts";
import type { LandOptions } from "../workers/land/options.ts";
import { TableLanding } from "../workers/land/table-landing.ts";

const HOUR_MS = 3_600_000;

export const services = { clock: systemClock, randomness: systemRandomness, logger: silentLogger } as const;

export function kernelModule(): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(new URL("../core-as/kernel.wasm", import.meta.url)));
}

export function landOptions(): LandOptions {
  const { land, limits } = resolveConfig({ environment: {} }).config;
  return {
    ...land,
    horizonMs: land.horizonHours * HOUR_MS,
    generationMs: land.generationHours * HOUR_MS,
    eventBytes: limits.eventBytes,
    depth: limits.depth,
  };
}

export interface LandingParts {
  readonly log: Log;
  readonly store: ObjectStore;
  readonly kernel: Kernel;
}

/** Without state images: a start reads ids from the lake. */
export function openLanding({ log, store, kernel }: LandingParts, type: EventType): Promise<TableLanding> {
  const openTable = (name: string): ReturnType<typeof openTableLog> => openTableLog(store, name, services);
  return TableLanding.open({ log, store, openTable, kernel, ...services }, landOptions(), type);
}
