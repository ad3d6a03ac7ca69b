/**
 * One of many processes that write one lake at the same time, for `many-writers.ts`: `node lake-writer.ts ROLE LOG
 * LAKE`. `land` lands every table of a log that it opened read-only, whoever else does; `compact` and `sweep` keep the
 * tables in shape. Ends at SIGTERM; says on stdout when it begins, on stderr what it warns of.
 */
import process from "node:process";
import { openFileLog } from "../../adapters/file/log.ts";
import { openObjectStore } from "../../adapters/open.ts";
import { isAssertion } from "../../core/assert.ts";
import { systemClock, systemRandomness } from "../../core/clock.ts";
import type { EventType } from "../../core/event-type.ts";
import { createKernel } from "../../core/kernel.ts";
import { createLogger } from "../../core/logger.ts";
import type { Log } from "../../core/ports/log.ts";
import { soleOwnership } from "../../core/ports/ownership.ts";
import { Registry } from "../../core/registry.ts";
import { compactTable } from "../../lake/compact.ts";
import { FileRewriter } from "../../lake/rewrite.ts";
import { createSweeper } from "../../lake/sweep.ts";
import { openTableLog } from "../../lake/table/table-log.ts";
import { kernelModule, landOptions } from "../../bench/landing.ts";
import { createProjector } from "../../workers/land/projector.ts";
import { createLandWorker } from "../../workers/land/worker.ts";

const PROJECT_MS = 500;
/** Of one attempt to land; the winner's rows are what the table grows by. */
const COMMIT_ROWS = 300;
const TURN_MS = 500;
/** Of files that no version names; longer than an attempt takes here, the network's troubles included. */
const SWEEP_AGE_MS = 120_000;
const COMPACTION = {
  filesMin: 8,
  targetBytes: 1 << 20,
  fileBytes: 4 << 20,
  runBytes: 16 << 20,
  runRows: 1_000_000,
} as const;

const [, , role, directory, lake] = process.argv;
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
function shared(own: Log): Log {
  return new Proxy(own, {
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

/** Without a lease, so that two are at it together. */
async function compact(): Promise<void> {
  const rewriter = new FileRewriter();
  const ports = { ...services, store, rewriter };
  const owner = String(process.pid);
  try {
    await overAndOver(async (name) => {
      const table = openTable(name);
      const base = await table.snapshot();
      const request = { name, log: table, base, owner };
      if (base.version >= 0) await compactTable(ports, COMPACTION, request, stop.signal);
    });
  } finally {
    await rewriter.close();
  }
}

async function sweep(): Promise<void> {
  const sweeper = createSweeper({ ...services, store, openTable });
  const request = { ageMs: SWEEP_AGE_MS, consumers: [], holdMs: 0, signal: stop.signal };
  await overAndOver(async (name) => void (await sweeper.sweep(name, request)));
}

/** One table after another; what fails is tried again in its next turn. */
async function overAndOver(work: (table: string) => Promise<void>): Promise<void> {
  while (!stop.signal.aborted) {
    for (const { name } of registry.list<EventType>("event-type")) {
      if (stop.signal.aborted) return;
      try {
        await work(name);
      } catch (error) {
        if (isAssertion(error)) throw error;
        logger.warn("a turn failed", { role, table: name, error });
      }
    }
    await systemClock.sleep(TURN_MS, stop.signal);
  }
}

const WORK: Readonly<Record<string, () => Promise<void>>> = { land, compact, sweep };

console.log("ready");
await WORK[role!]!();
process.exit(0);
