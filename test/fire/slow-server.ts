/**
 * The door over HTTP before a log that takes so many events a second and no more: the overload test's server.
 * `node slow-server.ts DIRECTORY EVENTS_PER_SECOND`; says `ready URL`; SIGTERM closes the log and ends it.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { createAdaptorServer } from "@hono/node-server";
import { openFileLog } from "../../adapters/file/log.ts";
import { type Clock, systemClock, systemRandomness } from "../../core/clock.ts";
import { resolveConfig } from "../../core/config.ts";
import { createKernel } from "../../core/kernel.ts";
import { silentLogger } from "../../core/logger.ts";
import type { Log } from "../../core/ports/log.ts";
import { META_STREAM, Registry } from "../../core/registry.ts";
import { createIngestApp } from "../../workers/ingest/app.ts";

/** One append after the other, each as long as its events take; what is behind waits. */
function slowLog(log: Log, eventsPerSecond: number, clock: Clock): Log {
  let freeAtMs = 0;
  const append: Log["append"] = async (stream, partition, batch, producer) => {
    if (stream !== META_STREAM) {
      freeAtMs = Math.max(freeAtMs, clock.monotonicMs()) + (batch.count * 1_000) / eventsPerSecond;
      await clock.sleep(freeAtMs - clock.monotonicMs());
    }
    return log.append(stream, partition, batch, producer);
  };
  return new Proxy(log, {
    get: (target, name) => {
      if (name === "append") return append;
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? (member as () => unknown).bind(target) : member;
    },
  });
}

const [directory, rate] = process.argv.slice(2);
const services = { clock: systemClock, randomness: systemRandomness, logger: silentLogger };
const log = await openFileLog({ directory: directory!, ...services });
const kernelPath = new URL("../../core-as/kernel.wasm", import.meta.url);
const { limits } = resolveConfig({ environment: process.env }).config;
const app = createIngestApp(
  {
    ...services,
    log: slowLog(log, Number(rate), systemClock),
    registry: await Registry.open(log, "slow", systemClock),
    kernel: createKernel(new WebAssembly.Module(readFileSync(kernelPath)), new Uint8Array(16).fill(3)),
    authenticator: null,
  },
  { limits, inFlightBytes: limits.inFlightBytes, queueMs: limits.queueMs },
);
const server = createAdaptorServer({ fetch: (request) => app.fetch(request), overrideGlobalObjects: false });
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  process.stdout.write(`ready http://127.0.0.1:${port}\n`);
});
process.once("SIGTERM", () => {
  server.close();
  void log.close().then(() => process.exit(0));
});
