/** What every part of one process shares: log, lake, kernel, registry, and what else is opened once. */
import { readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { createOutgoing } from "./adapters/http/outgoing.ts";
import {
  type AdapterServices,
  openLineage,
  openLog,
  openObjectStore,
  openTracing,
  openVerifier,
  sourceOpener,
} from "./adapters/open.ts";
import type { About } from "./api/context.ts";
import { EXIT } from "./api/cli/exit.ts";
import { processSamples } from "./api/cli/process-figures.ts";
import { CaptureWatch } from "./core/capture-watch.ts";
import { systemClock, systemRandomness } from "./core/clock.ts";
import { type Config, entriesOf } from "./core/config.ts";
import { claimDataFormat } from "./core/data-format.ts";
import { createKernel, type Kernel } from "./core/kernel.ts";
import { ringLogger, type LogRing } from "./core/log-ring.ts";
import { logSamples } from "./core/log-samples.ts";
import type { Logger } from "./core/logger.ts";
import { once } from "./core/once.ts";
import { Measures } from "./core/measures.ts";
import { measuredLog } from "./core/measured-log.ts";
import type { Gauge } from "./core/open-metrics.ts";
import type { Lineage } from "./core/ports/lineage.ts";
import type { Log } from "./core/ports/log.ts";
import type { ObjectStore } from "./core/ports/object-store.ts";
import type { Outgoing } from "./core/ports/outgoing.ts";
import type { OpenSource } from "./core/ports/source-database.ts";
import { Registry } from "./core/registry.ts";
import { Roles } from "./core/role.ts";
import { serialStore } from "./core/serial-store.ts";
import { Authenticator } from "./core/token.ts";
import { tracedLog } from "./core/traced-log.ts";
import type { Admission } from "./lake/admission.ts";
import type { Catalog } from "./lake/catalog.ts";
import type { DeclaredExtracts } from "./lake/extract/open-extracts.ts";
import type { LakeUpkeep } from "./lake/lake-upkeep.ts";
import type { FileCache } from "./lake/query/file-cache.ts";
import type { OpenTables } from "./lake/table/open-tables.ts";
import type { LandWorker } from "./workers/land/worker.ts";
import type { JobWorker } from "./workers/stream/worker.ts";

export const VERSION = "0.1.0";

/** Name of this process among those that share log and lake. */
export const PROCESS_NAME = `${hostname()}-${process.pid}`.replaceAll(/[^A-Za-z0-9.-]/g, "-");

export interface Base {
  readonly services: AdapterServices;
  readonly config: Config;
  readonly logger: Logger;
  /** The newest lines of it. */
  readonly logs: LogRing;
  readonly log: Log;
  readonly store: ObjectStore;
  readonly admission: Admission;
  /** Caches of this machine; deleting them costs time only. */
  readonly state: ObjectStore;
  readonly kernel: Kernel;
  readonly registry: Registry;
  readonly roles: Roles;
  readonly authenticator: Authenticator | null;
  readonly openTable: OpenTables["openTable"];
  readonly commits: OpenTables["commits"];
  /** Set once jobs run in this process. */
  readonly jobs: { worker?: JobWorker };
  /** Made when first needed. */
  readonly upkeep: () => Promise<LakeUpkeep>;
  /** Set once landing runs in this process; the read side shows its state. */
  readonly landing: { worker?: LandWorker };
  readonly extracts: DeclaredExtracts;
  /** What reads the lake, for all that read it in this process. */
  readonly sight: { opened?: Promise<Sight> };
  /** To addresses that somebody else may choose. */
  readonly outgoing: Outgoing;
  readonly openSource: OpenSource;
  readonly captureWatch: CaptureWatch;
  /** Absent: nobody is told what was made of what. */
  readonly lineage: Lineage | undefined;
  /** Absent: no spans are made. */
  readonly tracing: { close(): Promise<void> } | undefined;
  /** Of workers in this process, for /metrics. */
  readonly gauges: Gauge[];
  readonly measures: Measures;
}

export interface Sight {
  readonly catalog: Catalog;
  /** Copies of a lake that is elsewhere. */
  readonly cache: FileCache | undefined;
}

/** What adapters are given. A disk that refuses durability ends the process. */
function servicesOf(logger: Logger): AdapterServices {
  return {
    clock: systemClock,
    randomness: systemRandomness,
    logger,
    onFatal: (error) => {
      const exit = EXIT.durability;
      logger.error("the disk refused durability; the process ends", { problem: String(error), exit });
      process.exit(exit);
    },
  };
}

/** @throws config.invalid, log.locked, log.corrupt, format.newer; then nothing stays open */
export async function openBase(config: Config, outer: Logger): Promise<Base> {
  const undo: (() => unknown)[] = [];
  try {
    return await assemble(config, outer, undo);
  } catch (error) {
    for (const close of undo.toReversed()) await close();
    throw error;
  }
}

/** @param undo what is to be closed where it fails */
async function assemble(config: Config, outer: Logger, undo: (() => unknown)[]): Promise<Base> {
  const logs = ringLogger(outer, () => systemClock.nowMs());
  const { logger } = logs;
  const services = servicesOf(logger);
  const outgoing = createOutgoing(config.outgoing);
  const folder = resolve(config.data);
  const kernelUrl = new URL("./core-as/kernel.wasm", import.meta.url);
  const measures = new Measures();
  undo.push(() => outgoing.close());
  const tracing = await openTracing(config, VERSION);
  undo.push(() => tracing?.close());
  const opening = openLog(config.log ?? `file:${join(folder, "log")}`, config.journal, services);
  undo.push(async () => (await opening.catch(() => undefined))?.close());
  const [plainLog, opened, state, module, verifier] = await Promise.all([
    opening,
    openObjectStore(config.lake ?? `file:${join(folder, "lake")}`, services, config.upload),
    openObjectStore(`file:${join(folder, "state")}`, services),
    readFile(kernelUrl).then((bytes) => WebAssembly.compile(bytes)),
    openVerifier(config, { ...services, outgoing }),
  ]);
  const tracedOrPlain = tracing ? tracedLog(plainLog) : plainLog;
  const log = measuredLog(tracedOrPlain, measures, systemClock);
  const { lakeWriters: writers } = config;
  const store = isRemote(config) && writers === "one" ? serialStore(opened) : opened;
  const { admit, ALWAYS_ADMITTED } = await import("./lake/admission.ts");
  const registry = await Registry.open(log, systemRandomness.uuid(), systemClock);
  await claimDataFormat(registry, VERSION);
  const admission = isRemote(config) ? await admit({ ...services, store: opened, writers }) : ALWAYS_ADMITTED;
  undo.push(() => admission.end());
  const roles = new Roles(registry, config.roles);
  const { openTables } = await import("./lake/table/open-tables.ts");
  const { declaredExtracts } = await import("./lake/extract/open-extracts.ts");
  const { openTable, commits } = openTables(store, { ...services, measures });
  const openSource = sourceOpener(config, systemClock);
  const watchPorts = { registry, openSource, clock: systemClock, logger };
  const lineage = await openLineage(config, { ...services, outgoing }, VERSION);
  const captureWatch = new CaptureWatch(watchPorts, config.capture);
  const kernel = createKernel(module, crypto.getRandomValues(new Uint8Array(16)), {
    identityBytes: config.land.dedupBytes,
  });
  return {
    services,
    config,
    logger,
    logs,
    log,
    store,
    admission,
    state,
    kernel,
    registry,
    roles,
    authenticator: config.auth === "none" ? null : new Authenticator(registry, systemClock, roles, verifier),
    openTable,
    jobs: {},
    commits,
    upkeep: once(async () => {
      const { createLakeUpkeep } = await import("./lake/lake-upkeep.ts");
      return createLakeUpkeep(
        { ...services, store, kernel, registry, openTable, log, measures },
        config,
        join(folder, "temp"),
      );
    }),
    landing: {},
    extracts: await declaredExtracts(config),
    sight: {},
    outgoing,
    openSource,
    captureWatch,
    lineage,
    tracing,
    measures,
    gauges: ownGauges([captureWatch, measures, ...(lineage ? [lineage] : [])], kernel, plainLog),
  };
}

/** Of every process, whatever runs in it. */
function ownGauges(parts: readonly { samples: Gauge }[], kernel: Kernel, log: Log): Gauge[] {
  const own = parts.map(
    (part): Gauge =>
      () =>
        part.samples(),
  );
  return [...own, () => processSamples(kernel, VERSION), () => logSamples(log)];
}

/** One catalog, and one folder of copies, for everybody in this process. */
export function openSight(base: Base): Promise<Sight> {
  base.sight.opened ??= (async () => {
    const [{ createCatalog }, { FileCache }, { declaredSchema }] = await Promise.all([
      import("./lake/catalog.ts"),
      import("./lake/query/file-cache.ts"),
      import("./lake/tables.ts"),
    ]);
    const { config, store, logger } = base;
    const cacheOptions = {
      store,
      folder: join(resolve(config.data), "cache"),
      budgetBytes: config.query.cacheBytes,
      randomness: systemRandomness,
      logger,
    };
    return {
      catalog: createCatalog({ ...base, clock: systemClock, declaredSchema }),
      cache: isRemote(config) ? await FileCache.open(cacheOptions) : undefined,
    };
  })();
  return base.sight.opened;
}

/** Whether the lake's files are elsewhere. */
export function isRemote({ lake }: Config): boolean {
  return lake?.startsWith("s3:") ?? false;
}

const STARTED_MS = systemClock.nowMs();

export function aboutProcess(config: Config, workers: readonly string[]): About {
  const { versions, arch, platform } = process;
  const runtime = versions["deno"] === undefined ? `node ${versions.node}` : `deno ${versions["deno"]}`;
  return {
    version: VERSION,
    runtime,
    platform: `${platform} ${arch}`,
    workers,
    startedMs: STARTED_MS,
    config: entriesOf(config),
  };
}
