/**
 * What settling costs under a backlog: the same events land once with room for all ids, once within a budget in which
 * nearly all of them are sealed (`npm run bench:settle`, `--json` for one object). No event is a resend, so every
 * look into the lake is for a false maybe: once per 65,536 events and sealed part, each reads that part's id column.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createFileObjectStore } from "../adapters/file/object-store.ts";
import { createMemoryLog } from "../adapters/memory/log.ts";
import { seededRandomness } from "../core/clock.ts";
import { type EventType, eventTypeSchema } from "../core/event-type.ts";
import { createKernel, type Kernel } from "../core/kernel.ts";
import type { Log } from "../core/ports/log.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";
import { packRecords } from "../core/record.ts";
import { kernelModule, openLanding, services } from "./landing.ts";
import { type Metric, printResult } from "./result.ts";

const EVENTS = Number(process.env["EVENTS"] ?? 1_000_000);
const BATCH = 1_000;
const HOUR_MS = 3_600_000;
/** Room for some 90,000 exact ids beside filters of a million. */
const SMALL_BYTES = 8 << 20;
const module = kernelModule();

const type: EventType = eventTypeSchema.parse({
  name: "bench.order",
  owning_application: "bench",
  category: "business",
  enrichment_strategies: ["metadata_enrichment"],
  schema: {
    type: "json_schema",
    schema: JSON.stringify({
      type: "object",
      properties: { order_number: { type: "string" }, quantity: { type: "integer" } },
    }),
  },
});

async function fill(log: Log): Promise<void> {
  const encoder = new TextEncoder();
  const chance = seededRandomness(1);
  const occurredAt = new Date(1_790_000_000_000).toISOString();
  await log.createStream(type.name, { partitions: 1, cleanup: "delete", retentionMs: 48 * HOUR_MS });
  for (let first = 0; first < EVENTS; first += BATCH) {
    const payload = (i: number): string =>
      `{"metadata":{"eid":"${chance.uuid()}","occurred_at":"${occurredAt}"},` +
      `"order_number":"o-${first + i}","quantity":${i}}`;
    const records = Array.from({ length: BATCH }, (_, i) => ({ payload: encoder.encode(payload(i)) }));
    await log.append(type.name, 0, packRecords(records));
  }
}

interface Run {
  /** CPU seconds of landing the last half of the events. */
  readonly cpuS: number;
  /** Reads of data files meanwhile. */
  readonly reads: number;
  readonly sealed: number;
  readonly parts: number;
}

async function land(log: Log, folder: string, identityBytes: number | undefined): Promise<Run> {
  const kernel = createKernel(module, new Uint8Array(16).fill(3), identityBytes ? { identityBytes } : {});
  let reads = 0;
  const files = createFileObjectStore({ root: folder });
  const noted = (path: string): void => void (reads += path.endsWith(".parquet") ? 1 : 0);
  const store: ObjectStore = {
    ...files,
    get: (path) => (noted(path), files.get(path)),
    getRange: (path, from, length) => (noted(path), files.getRange(path, from, length)),
  };
  const sets = new Set<ReturnType<Kernel["createIdentitySet"]>>();
  const createIdentitySet = kernel.createIdentitySet.bind(kernel);
  kernel.createIdentitySet = (options) => {
    const set = createIdentitySet(options);
    sets.add(set);
    return set;
  };
  const landing = await openLanding({ log, store, kernel }, type);
  const { signal } = new AbortController();
  const landed = (): number => landing.state.partitions[0]!.landed;
  while (landed() < EVENTS / 2) await landing.step(signal);
  const before = process.cpuUsage();
  reads = 0;
  while ((await landing.step(signal)).hasBacklog);
  const spent = process.cpuUsage(before);
  if (landed() !== EVENTS) throw new Error(`${landed()} of ${EVENTS} events landed`);
  const [set] = sets;
  const parts = set!.generations().reduce((sum, _, place) => sum + set!.parts(place).length, 0);
  const run = { cpuS: (spent.user + spent.system) / 1e6, reads, sealed: set!.sealed, parts };
  landing.discard();
  return run;
}

const folder = mkdtempSync(join(tmpdir(), "muara-bench-settle-"));
try {
  const log = createMemoryLog(services);
  await fill(log);
  await land(log, join(folder, "first"), undefined); // what is compiled here is fast below
  const within = await land(log, join(folder, "within"), SMALL_BYTES);
  const exact = await land(log, join(folder, "exact"), undefined);
  const rate = (run: Run): number => EVENTS / 2 / run.cpuS;
  const microseconds = (run: Run): number => (run.cpuS / (EVENTS / 2)) * 1e6;
  const metrics: Metric[] = [
    {
      name: `landed per CPU second, ${within.sealed.toLocaleString("en-US")} ids sealed`,
      value: rate(within),
      unit: "events",
      reference: rate(exact),
      ratio: rate(within) / rate(exact),
    },
    {
      name: "what settling adds to an event",
      value: microseconds(within) - microseconds(exact),
      unit: "µs of CPU",
    },
    { name: "sealed parts", value: within.parts, unit: "parts" },
    { name: "reads of data files", value: within.reads, unit: "reads", reference: exact.reads },
  ];
  printResult("settle", metrics);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
