/**
 * Many event types, each with one event a second, over the embedded log and a lake on disk: what landing and the
 * projections cost within the commit budget of 100 commits/s, and as the reference without one. No door: events are
 * appended directly. CPU time is that of the whole process, the log included.
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
import { createCommitBudget } from "../workers/land/commit-budget.ts";
import { createProjector } from "../workers/land/projector.ts";
import { createLandWorker } from "../workers/land/worker.ts";
import { orderOf, orderType } from "./orders.ts";
import { printResult, quantile } from "./result.ts";

const TYPES = Number(process.env["TYPES"] ?? 300);
const SECONDS = Number(process.env["SECONDS"] ?? 30);
const UNLIMITED = 1_000_000;
const HOUR_MS = 3_600_000;
let calls = 0;

interface Run {
  readonly cpuS: number;
  readonly commits: number;
  readonly syncs: number;
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

async function measure(commitsPerSecond: number): Promise<Run> {
  const clock = new VirtualClock(undefined, () => calls > 0);
  const services = { clock, randomness: systemRandomness, logger: silentLogger };
  const folder = await temporaryFolder("trickle");
  const log = counted(await openFileLog({ directory: join(folder.path, "log"), ...services }));
  const store = counted(createFileObjectStore({ root: join(folder.path, "lake") }));
  const registry = await Registry.open(log, "bench", clock);
  const module = new WebAssembly.Module(readFileSync(new URL("../core-as/kernel.wasm", import.meta.url)));
  const kernel = createKernel(module, new Uint8Array(16));
  const names = Array.from({ length: TYPES }, (_, i) => `bench.trickle.n${i}`);
  const sentMs = new Map(names.map((name) => [name, [] as number[]]));
  const waitedMs: number[] = [];
  let commits = 0;
  const openTable: Parameters<typeof createLandWorker>[0]["openTable"] = (name) => {
    const table = openTableLog(store, name, services);
    const waiting = sentMs.get(name);
    let landed = 0;
    return {
      ...table,
      commit: async (request) => {
        const outcome = await table.commit(request);
        commits++;
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
  const options = { ...land, commitsPerSecond, eventBytes: limits.eventBytes, depth: limits.depth };
  const hours = { horizonMs: 48 * HOUR_MS, generationMs: 12 * HOUR_MS };
  const budget = createCommitBudget(clock, options);
  const ports = { ...services, log, store, openTable, kernel, registry, ownership: soleOwnership, budget };
  const worker = createLandWorker(ports, { ...options, ...hours });
  const projector = createProjector(ports);
  const stop = new AbortController();
  const background = [worker.run(stop.signal), projector.run(land.projectMs, stop.signal)];
  const isOpen = (): boolean => commits >= TYPES;
  while (!isOpen()) await clock.runUntil(clock.ms + 1_000);
  await clock.runUntil(clock.ms + 3_000);
  const before = { cpu: process.cpuUsage(), commits, syncs };
  const random = seededRandomness(1);
  const startMs = clock.ms;
  const nextMs = names.map(() => startMs + random.fraction() * 1_000);
  const encoder = new TextEncoder();
  let sent = 0;
  for (let ms = startMs; ms < startMs + SECONDS * 1_000; ms += 10) {
    await clock.runUntil(ms);
    for (const [i, name] of names.entries()) {
      if (nextMs[i]! > ms) continue;
      nextMs[i]! += 1_000;
      const payload = encoder.encode(orderOf(sent++, clock.nowMs()));
      sentMs.get(name)!.push(ms);
      void log.append(name, 0, packRecords([{ payload }]));
    }
  }
  const { user, system } = process.cpuUsage(before.cpu);
  const cpuS = (user + system) / 1e6;
  const run = { cpuS, commits: commits - before.commits, syncs: syncs - before.syncs, waitedMs };
  await clock.runUntil(clock.ms + 15_000);
  if (waitedMs.length !== sent) throw new Error(`${waitedMs.length} of ${sent} landed`);
  stop.abort();
  await Promise.all(background);
  await worker.drain();
  await log.close();
  await folder.remove();
  return run;
}

const within = await measure(100);
const without = await measure(UNLIMITED);
printResult("trickle", [
  { name: "event types with an event a second", value: TYPES, unit: "" },
  ...(["cpuS", "commits", "syncs"] as const).map((name) => ({
    name: {
      cpuS: "CPU",
      commits: "commits, projections included",
      syncs: "syncs of files and folders of the lake",
    }[name],
    value: within[name] / SECONDS,
    unit: name === "cpuS" ? "s/s" : "/s",
    reference: without[name] / SECONDS,
    ratio: without[name] / within[name],
  })),
  ...[0.5, 0.99, 1].map((share) => ({
    name: `wait from append to commit, ${share === 1 ? "longest" : `p${share * 100}`}`,
    value: quantile(within.waitedMs, share),
    unit: "ms",
    reference: quantile(without.waitedMs, share),
  })),
]);
