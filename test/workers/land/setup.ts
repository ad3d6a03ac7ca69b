/** A small installation in memory: log, store, registry and what landing needs, with a clock that never waits. */
import { readFileSync } from "node:fs";
import { createMemoryLog } from "../../../adapters/memory/log.ts";
import {
  createMemoryObjectStore,
  type MemoryObjectStoreOptions,
} from "../../../adapters/memory/object-store.ts";
import { type Clock, seededRandomness } from "../../../core/clock.ts";
import { CommitNotices } from "../../../core/commit-notices.ts";
import { type EventType, eventTypeSchema } from "../../../core/event-type.ts";
import { createKernel } from "../../../core/kernel.ts";
import { createLogger } from "../../../core/logger.ts";
import { packRecords, type RecordParts } from "../../../core/record.ts";
import { Registry } from "../../../core/registry.ts";
import { soleOwnership } from "../../../core/ports/ownership.ts";
import { openTableLog } from "../../../lake/table/table-log.ts";
import type { LandOptions, LandPorts } from "../../../workers/land/options.ts";
import type { LandWorkerPorts } from "../../../workers/land/worker.ts";
import { SimulatedClock } from "../../property/landing-world.ts";

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
export const never: AbortSignal = new AbortController().signal;

export const OPTIONS: LandOptions = {
  commitMs: 500,
  commitBytes: 1 << 20,
  commitRows: 1_000,
  horizonMs: 48 * HOUR_MS,
  generationMs: 12 * HOUR_MS,
  disorderMs: 5_000,
  idleAfterMs: 60_000,
  skewMs: HOUR_MS,
  eventBytes: 999_000,
  depth: 8,
};

let installations = 0;

const module = new WebAssembly.Module(readFileSync(new URL("../../../core-as/kernel.wasm", import.meta.url)));

export function eventType(changed: Record<string, unknown> = {}): EventType {
  return eventTypeSchema.parse({
    name: "order.created",
    owning_application: "test",
    category: "business",
    schema: {
      type: "json_schema",
      schema: JSON.stringify({ type: "object", properties: { n: { type: "integer" } } }),
    },
    ...changed,
  });
}

/**
 * @param tableClock waits between the tries of a commit; the simulated one does not wait at all
 * @param wallMs at which the simulated clock begins
 * @param storeClock by which objects have their times; for who looks at their age by another clock than the simulated
 */
export async function install(
  faults?: MemoryObjectStoreOptions["faults"],
  tableClock?: Clock,
  wallMs?: number,
  storeClock?: Clock,
) {
  const clock = new SimulatedClock();
  if (wallMs !== undefined) clock.wallMs = wallMs;
  const randomness = seededRandomness(++installations);
  const lines: { level: string; message: string; table?: string; code?: string }[] = [];
  const logger = createLogger(
    (line) => lines.push(JSON.parse(line) as never),
    "debug",
    () => 0,
  );
  const log = createMemoryLog({ clock, randomness });
  const store = createMemoryObjectStore({ clock: storeClock ?? clock, ...(faults ? { faults } : {}) });
  const kernel = createKernel(module, new Uint8Array(16).fill(5));
  const registry = await Registry.open(log, "test", clock);
  const commits = new CommitNotices();
  const openTable: LandPorts["openTable"] = (name) => {
    const onCommit = (): void => commits.tell(name);
    return openTableLog(store, name, { clock: tableClock ?? clock, randomness, logger, onCommit });
  };
  const ports = {
    log,
    store,
    openTable,
    kernel,
    clock,
    randomness,
    logger,
    registry,
    ownership: soleOwnership,
  };
  return { ...ports, commits, ports: ports satisfies LandWorkerPorts, clock, lines };
}

export type Installation = Awaited<ReturnType<typeof install>>;

export async function declare(at: Installation, type: EventType, partitions = 1): Promise<void> {
  await at.registry.put("event-type", type.name, 0, type);
  const cleanup = type.cleanup_policy ?? "delete";
  await at.log.createStream(type.name, { partitions, cleanup, retentionMs: 100 * DAY_MS });
}

export function uuid(n: number): string {
  return `00000000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`;
}

/** A good business event. */
export function event(n: number, changed: Record<string, unknown> = {}): string {
  return JSON.stringify({ metadata: { eid: uuid(n), occurred_at: "2026-03-01T22:00:00Z" }, n, ...changed });
}

export async function send(
  at: Installation,
  payloads: readonly (string | Uint8Array | RecordParts)[],
  partition = 0,
  stream = "order.created",
): Promise<void> {
  const encoder = new TextEncoder();
  const records = payloads.map((payload): RecordParts => {
    if (typeof payload === "string") return { payload: encoder.encode(payload) };
    return payload instanceof Uint8Array ? { payload } : payload;
  });
  await at.log.append(stream, partition, packRecords(records));
}

/** Sums of a counter over all partitions, from the table alone. */
export async function counter(at: Installation, name: string, table = "order.created"): Promise<number> {
  const { txns } = await at.openTable(table).snapshot();
  let sum = 0;
  for (const [app, value] of txns)
    if (app.startsWith("muara:land:") && app.endsWith(`:${name}`)) sum += Number(value);
  return sum;
}
