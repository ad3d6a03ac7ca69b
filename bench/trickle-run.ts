/**
 * Many event types, each with a few events a second, over the embedded log and a lake on disk, in this process. No
 * door: events are appended directly. CPU time is that of the whole process, the log and the projections included.
 *
 * Time is virtual and passes only while nothing is under way, so the figures do not depend on what else the machine
 * does; files and syncs are real.
 */
import { open } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openFileLog } from "../adapters/file/log.ts";
import { createFileObjectStore } from "../adapters/file/object-store.ts";
import { seededRandomness, systemRandomness } from "../core/clock.ts";
import { resolveConfig } from "../core/config.ts";
import { eventTypeSchema } from "../core/event-type.ts";
import { createKernel } from "../core/kernel.ts";
import { silentLogger } from "../core/logger.ts";
import { soleOwnership } from "../core/ports/ownership.ts";
import { packRecords } from "../core/record.ts";
import { Registry } from "../core/registry.ts";
import { openTableLog } from "../lake/table/table-log.ts";
import { temporaryFolder } from "../test/services/muara.ts";
import { VirtualClock } from "../test/workers/land/virtual-clock.ts";
import { createCommitBudget, type PaceOptions } from "../workers/land/commit-budget.ts";
import { createProjector } from "../workers/land/projector.ts";
import { createLandWorker } from "../workers/land/worker.ts";
import { orderOf, orderType } from "./orders.ts";

const HOUR_MS = 3_600_000;
let calls = 0;

export interface Trickle {
  readonly types: number;
  /** Of each type. */
  readonly eventsPerSecond: number;
  /** Of virtual time. */
  readonly seconds: number;
  /** What differs from the configuration's defaults. */
  readonly land: Partial<PaceOptions>;
}

export interface TrickleRun {
  readonly cpuS: number;
  readonly commits: number;
  readonly syncs: number;
  /** Data files that event tables got. */
  readonly dataFiles: number;
  /** From an event's append to its commit, ms. */
  readonly waitedMs: readonly number[];
}

/** Counts what the store makes durable. */
let syncs = 0;
{
  const handle = await open(import.meta.filename);
  const prototype = Object.getPrototypeOf(handle) as { sync: (this: unknown) => Promise<void> };
  const { sync } = prototype;
  prototype.sync = function count(this: unknown): Promise<void> {
    syncs++;
    return sync.call(this);
  };
  await handle.close();
}

/** The same, with its calls counted while they are under way; waiting for what others do is none. */
function counted<Port extends object>(port: Port): Port {
  return new Proxy(port, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function" || name === "waitForAppend" || name === "location")
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      return async (...given: unknown[]) => {
        calls++;
        try {
          return (await Reflect.apply(value, target, given)) as unknown;
        } finally {
          calls--;
        }
      };
    },
  });
}

/** Lands it all. @throws when an event did not */
export async function runTrickle(trickle: Trickle): Promise<TrickleRun> {
  const { types, eventsPerSecond, seconds } = trickle;
  const clock = new VirtualClock(undefined, () => calls > 0);
  const services = { clock, randomness: systemRandomness, logger: silentLogger };
  const folder = await temporaryFolder("trickle");
  const log = counted(await openFileLog({ directory: join(folder.path, "log"), ...services }));
  const store = counted(createFileObjectStore({ root: join(folder.path, "lake") }));
  const registry = await Registry.open(log, "bench", clock);
  const module = new WebAssembly.Module(readFileSync(new URL("../core-as/kernel.wasm", import.meta.url)));
  const kernel = createKernel(module, new Uint8Array(16));
  const names = Array.from({ length: types }, (_, i) => `bench.trickle.n${i}`);
  const sentMs = new Map(names.map((name) => [name, [] as number[]]));
  const waitedMs: number[] = [];
  let commits = 0;
  let dataFiles = 0;
  const openTable: Parameters<typeof createLandWorker>[0]["openTable"] = (name) => {
    const table = openTableLog(store, name, services);
    const waiting = sentMs.get(name);
    let landed = 0;
    return {
      ...table,
      commit: async (request) => {
        const outcome = await table.commit(request);
        commits++;
        if (waiting) dataFiles += request.change.add.length;
        const cursor = request.change.txns.find(({ appId }) => /^muara:land:[^:]+:[^:]+:0$/.test(appId));
        const nowMs = clock.ms;
        const upTo = waiting && cursor ? Number(cursor.version) : 0;
        for (const ms of waiting?.slice(landed, upTo) ?? []) waitedMs.push(nowMs - ms);
        landed = Math.max(landed, upTo);
        return outcome;
      },
    };
  };
  for (const name of names) {
    const type = eventTypeSchema.parse({ ...orderType(1), name });
    await registry.put("event-type", name, 0, type);
    await log.createStream(name, { partitions: 1, cleanup: "delete", retentionMs: 48 * HOUR_MS });
  }
  const { land, limits } = resolveConfig({ environment: {} }).config;
  const options = { ...land, ...trickle.land, eventBytes: limits.eventBytes, depth: limits.depth };
  const hours = { horizonMs: 48 * HOUR_MS, generationMs: 12 * HOUR_MS };
  const budget = createCommitBudget(clock, options);
  const ports = { ...services, log, store, openTable, kernel, registry, ownership: soleOwnership, budget };
  const worker = createLandWorker(ports, { ...options, ...hours });
  const projector = createProjector(ports);
  const stop = new AbortController();
  const background = [worker.run(stop.signal), projector.run(land.projectMs, stop.signal)];
  const isOpen = (): boolean => commits >= types;
  while (!isOpen()) await clock.runUntil(clock.ms + 1_000);
  await clock.runUntil(clock.ms + 3_000);
  const before = { cpu: process.cpuUsage(), commits, syncs, dataFiles };
  const everyMs = 1_000 / eventsPerSecond;
  const random = seededRandomness(1);
  const startMs = clock.ms;
  const nextMs = names.map(() => startMs + random.fraction() * everyMs);
  const encoder = new TextEncoder();
  let sent = 0;
  for (let ms = startMs; ms < startMs + seconds * 1_000; ms += 10) {
    await clock.runUntil(ms);
    for (const [i, name] of names.entries()) {
      for (; nextMs[i]! <= ms; nextMs[i]! += everyMs) {
        const payload = encoder.encode(orderOf(sent++, clock.nowMs()));
        sentMs.get(name)!.push(ms);
        void log.append(name, 0, packRecords([{ payload }]));
      }
    }
  }
  const { user, system } = process.cpuUsage(before.cpu);
  const cpuS = (user + system) / 1e6;
  const run = {
    cpuS,
    commits: commits - before.commits,
    syncs: syncs - before.syncs,
    dataFiles: dataFiles - before.dataFiles,
    waitedMs,
  };
  await clock.runUntil(clock.ms + 15_000);
  if (waitedMs.length !== sent) throw new Error(`${waitedMs.length} of ${sent} landed`);
  stop.abort();
  await Promise.all(background);
  await worker.drain();
  await log.close();
  await folder.remove();
  return run;
}
