/** Sources that do not answer: what is declared there, and what removed captures have left. */
import { expect, test } from "vitest";
import { createMemoryLog } from "../../../adapters/memory/log.ts";
import { CaptureWatch } from "../../../core/capture-watch.ts";
import { seededRandomness, systemClock } from "../../../core/clock.ts";
import { configSchema } from "../../../core/config.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { SourceDatabase } from "../../../core/ports/source-database.ts";
import { Registry } from "../../../core/registry.ts";
import { createCaptureWorker } from "../../../workers/capture/worker.ts";
import { eventually } from "../../services/muara.ts";

test("a source that does not answer holds up neither other captures nor a stop", async () => {
  const randomness = seededRandomness(1);
  const log = createMemoryLog({ clock: systemClock, randomness });
  const registry = await Registry.open(log, "w", systemClock);
  const asked: string[] = [];
  const openSource = (name: string): Promise<SourceDatabase> => {
    asked.push(name);
    return name === "dead" ? new Promise(() => {}) : Promise.reject(new Error("not now"));
  };
  const services = { clock: systemClock, randomness, logger: silentLogger };
  const ports = { ...services, log, registry, openSource, publish: async () => {} };
  const worker = createCaptureWorker(ports, configSchema.parse({}).capture);
  await registry.put("capture-state", "gone", 0, { captureId: "1", database: "dead", slot: "s" });
  const stop = new AbortController();
  const done = worker.run(stop.signal);
  await eventually("what was left is taken away", 10_000, async () => asked.includes("dead"));
  await registry.put("capture", "other", 0, { name: "other", id: "2", isPaused: false, database: "live" });
  await eventually("another capture begins", 10_000, async () => asked.includes("live"));
  stop.abort();
  await done;
  expect(asked.filter((name) => name === "dead")).toHaveLength(1);
});

test("a stop does not wait for a source that does not answer", async () => {
  const randomness = seededRandomness(1);
  const log = createMemoryLog({ clock: systemClock, randomness });
  const registry = await Registry.open(log, "w", systemClock);
  const asked: string[] = [];
  const silent = (what: string) => (): Promise<never> => {
    asked.push(what);
    return new Promise(() => {});
  };
  const database = { place: "dead", claim: silent("claim"), slot: silent("slot"), server: silent("server") };
  const services = { clock: systemClock, randomness, logger: silentLogger };
  const ports = { ...services, log, registry, openSource: async () => database, publish: async () => {} };
  const options = configSchema.parse({}).capture;
  const worker = createCaptureWorker(ports as never, options);
  const watch = new CaptureWatch(ports as never, options);
  await registry.put("capture", "shop", 0, { name: "shop", id: "1", isPaused: false, database: "dead" });
  const state = { captureId: "1", database: "dead", slot: "s", phase: "preparing" };
  await registry.put("capture-state", "shop", 0, state);
  const stop = new AbortController();
  const done = Promise.all([worker.run(stop.signal), watch.run(stop.signal)]);
  await eventually("both wait for it", 10_000, async () => asked.includes("claim") && asked.includes("slot"));
  stop.abort();
  const late = systemClock.sleep(8_000).then(() => "late");
  expect(await Promise.race([done.then(() => "ended"), late])).toBe("ended");
});
