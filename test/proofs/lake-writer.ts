/**
 * One of many processes that write one lake at the same time, for `many-writers.ts`: `node lake-writer.ts ROLE LOG
 * LAKE`. `land` lands every table of a log that it opened read-only, whoever else does; `compact` and `sweep` keep the
 * tables in shape. Ends at SIGTERM; says on stdout when it begins, on stderr what it warns of.
 */
import process from "node:process";
import { openFileLog } from "../../adapters/file/log.ts";
import { openObjectStore } from "../../adapters/open.ts";
import { systemClock, systemRandomness } from "../../core/clock.ts";
import { createKernel } from "../../core/kernel.ts";
import { createLogger } from "../../core/logger.ts";
import type { Log } from "../../core/ports/log.ts";
import { soleOwnership } from "../../core/ports/ownership.ts";
import { Registry } from "../../core/registry.ts";
import { openTableLog } from "../../lake/table/table-log.ts";
import { kernelModule, landOptions } from "../../bench/landing.ts";
import { createProjector } from "../../workers/land/projector.ts";
import { createLandWorker } from "../../workers/land/worker.ts";

const PROJECT_MS = 500;
/** Of one attempt to land; the winner's rows are what the table grows by. */
const COMMIT_ROWS = 300;

const [, , , directory, lake] = process.argv;
/** How long a read of the log takes, ms: a full log would land within seconds. */
const readMs = Number(process.env["PROOF_READ_MS"]);

const logger = createLogger(
  (line) => process.stderr.write(`${line}\n`),
  "warn",
  () => systemClock.nowMs(),
);
const services = { clock: systemClock, randomness: systemRandomness, logger };
const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());

/** Read by many, so nothing is written into it: no holds, no retention. */
function shared(log: Log): Log {
  return new Proxy(log, {
    get: (target, name) => {
      if (name === "hold") return async () => undefined;
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      if (name !== "read") return value.bind(target) as unknown;
      return async (stream: string, partition: number, offset: number, maxBytes: number) => {
        if (!stream.startsWith("muara.")) await systemClock.sleep(readMs * (0.5 + Math.random()));
        return target.read(stream, partition, offset, maxBytes);
      };
    },
  });
}

const onFatal = (error: unknown): void => {
  logger.error("fatal", { error });
  process.exit(1);
};
const log = shared(await openFileLog({ directory: directory!, readOnly: true, ...services, onFatal }));
const store = await openObjectStore(lake!, { ...services, onFatal });
const registry = await Registry.open(log, `writer-${process.pid}`, systemClock);
const openTable = (name: string): ReturnType<typeof openTableLog> => openTableLog(store, name, services);

async function land(): Promise<void> {
  const kernel = createKernel(kernelModule(), crypto.getRandomValues(new Uint8Array(16)));
  const ports = { ...services, log, store, openTable, kernel, registry, ownership: soleOwnership };
  const worker = createLandWorker(ports, {
    ...landOptions(),
    commitMs: 100,
    commitRows: COMMIT_ROWS,
    commitsPerSecond: 1_000,
  });
  const projector = createProjector(ports);
  await Promise.all([worker.run(stop.signal), projector.run(PROJECT_MS, stop.signal)]);
}

console.log("ready");
await land();
process.exit(0);
