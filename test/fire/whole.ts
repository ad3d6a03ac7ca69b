/**
 * Log, lake, landing and projections of one event type over a directory, from the parts that Muara is made of and
 * without a server, so that a process of it starts quickly and does the same operations each time. Small segments, a
 * table checkpoint every second version and a state image after each commit bring all of them into a short run.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openFileLog } from "../../adapters/file/log.ts";
import { createFileObjectStore } from "../../adapters/file/object-store.ts";
import { systemClock, systemRandomness } from "../../core/clock.ts";
import { type EventType, eventTypeSchema } from "../../core/event-type.ts";
import { createKernel } from "../../core/kernel.ts";
import { silentLogger } from "../../core/logger.ts";
import type { Log } from "../../core/ports/log.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { TableLog } from "../../core/ports/table-log.ts";
import { packRecords } from "../../core/record.ts";
import { Registry } from "../../core/registry.ts";
import { openTableLog } from "../../lake/table/table-log.ts";
import type { LandOptions } from "../../workers/land/options.ts";
import { createProjector } from "../../workers/land/projector.ts";
import { TableLanding } from "../../workers/land/table-landing.ts";

export const TYPE_NAME = "fire.event";
export const PARTITIONS = 2;
const HOUR_MS = 3_600_000;
const SEGMENT_BYTES = 2_500;
const CHECKPOINT_EVERY = "2";

const services = { clock: systemClock, randomness: systemRandomness, logger: silentLogger };
const never = new AbortController().signal;
const kernelPath = new URL("../../core-as/kernel.wasm", import.meta.url);

const eventType: EventType = eventTypeSchema.parse({
  name: TYPE_NAME,
  owning_application: "test",
  category: "business",
  schema: {
    type: "json_schema",
    schema: JSON.stringify({ type: "object", properties: { n: { type: "integer" } } }),
  },
});

const OPTIONS: LandOptions = {
  commitMs: 1,
  commitBytes: 1 << 20,
  commitRows: 1_000,
  horizonMs: 48 * HOUR_MS,
  generationMs: 12 * HOUR_MS,
  imageCommits: 1,
  disorderMs: 5_000,
  idleAfterMs: HOUR_MS,
  skewMs: HOUR_MS,
  eventBytes: 999_000,
  depth: 8,
};

export interface Whole {
  readonly log: Log;
  readonly store: ObjectStore;
  readonly openTable: (name: string) => TableLog;
  /** Appends one batch. @returns its first offset */
  append(partition: number, payloads: readonly string[]): Promise<number>;
  /** Lands everything and brings the projections up to date. */
  land(): Promise<void>;
  close(): Promise<void>;
}

/** Opens what is in `directory`, whatever state it is in: the only way to start. */
export async function openWhole(directory: string): Promise<Whole> {
  const log = await openFileLog({
    directory: join(directory, "log"),
    segmentBytes: SEGMENT_BYTES,
    ...services,
  });
  const store = createFileObjectStore({ root: join(directory, "lake") });
  const state = createFileObjectStore({ root: join(directory, "state") });
  const kernel = createKernel(new WebAssembly.Module(readFileSync(kernelPath)), new Uint8Array(16).fill(7));
  const registry = await Registry.open(log, systemRandomness.uuid(), systemClock);
  if (!registry.get("event-type", TYPE_NAME)) await registry.put("event-type", TYPE_NAME, 0, eventType);
  await log.createStream(TYPE_NAME, { partitions: PARTITIONS, cleanup: "delete", retentionMs: 1 });
  const openTable = (name: string): TableLog => withCheckpoints(openTableLog(store, name, services));
  const ports = { ...services, log, store, state, kernel, registry, openTable };
  let landing: TableLanding | undefined;
  const projector = createProjector(ports);
  return {
    log,
    store,
    openTable,
    append: async (partition, payloads) => {
      const batch = packRecords(payloads.map((text) => ({ payload: Buffer.from(text) })));
      return (await log.append(TYPE_NAME, partition, batch)).baseOffset;
    },
    land: async () => {
      landing ??= await TableLanding.open(ports, OPTIONS, eventType);
      while ((await landing.step(never)).hasBacklog);
      while (await projector.pass(never));
    },
    close: async () => {
      landing?.discard();
      await log.close();
    },
  };
}

function withCheckpoints(table: TableLog): TableLog {
  return {
    ...table,
    commit: (request) => {
      const { metadata } = request.change;
      if (!metadata) return table.commit(request);
      const configuration = { ...metadata.configuration, "delta.checkpointInterval": CHECKPOINT_EVERY };
      return table.commit({
        ...request,
        change: { ...request.change, metadata: { ...metadata, configuration } },
      });
    },
  };
}

/** An event; `n` decides its id. */
export function eventOf(n: number): string {
  const metadata = { eid: idOf(n), occurred_at: "2026-03-01T22:00:00Z" };
  return JSON.stringify({ metadata, n, note: "x".repeat(300) });
}

export function idOf(n: number): string {
  return `c4a50000-0000-4000-8000-${n.toString(16).padStart(12, "0")}`;
}
