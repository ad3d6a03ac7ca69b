/**
 * The composition root: reads the configuration, opens log, lake and kernel, and runs what was asked for in one
 * process. Everything below receives its ports from here.
 */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import process from "node:process";
import { gzipStream } from "./adapters/http/gzip.ts";
import { readSecret } from "./adapters/file/secret.ts";
import { closeServer, type Fetch, listen } from "./adapters/http/listen.ts";
import { createOutgoing } from "./adapters/http/outgoing.ts";
import {
  openLog,
  openObjectStore,
  openOwnership,
  openVerifier,
  type AdapterServices,
  sinkOpeners,
  sourceOpener,
} from "./adapters/open.ts";
import { loadConfig } from "./api/cli/config-file.ts";
import { EXIT } from "./api/cli/exit.ts";
import { ensureToken } from "./api/cli/own-token.ts";
import { cutOff, stderrLogger, stopOf } from "./api/cli/lifetime.ts";
import { main } from "./api/cli/main.ts";
import type { DemoFlags, StartFlags } from "./api/cli/services.ts";
import type { ReplayPort } from "./api/replay-port.ts";
import { CaptureWatch } from "./core/capture-watch.ts";
import { systemClock, systemRandomness } from "./core/clock.ts";
import type { Config, ConfigInput } from "./core/config.ts";
import { MuaraError } from "./core/errors.ts";
import { followRegistry } from "./core/follow-registry.ts";
import { Drain } from "./core/http-drain.ts";
import { createKernel, type Kernel } from "./core/kernel.ts";
import type { Audit } from "./core/ports/audit.ts";
import type { Logger } from "./core/logger.ts";
import { once } from "./core/once.ts";
import type { Sample } from "./core/open-metrics.ts";
import type { Log } from "./core/ports/log.ts";
import type { ObjectStore } from "./core/ports/object-store.ts";
import type { Outgoing } from "./core/ports/outgoing.ts";
import type { OpenSource } from "./core/ports/source-database.ts";
import type { OpenTables } from "./lake/table/open-tables.ts";
import { problemResponse } from "./core/problem.ts";
import { retainLog } from "./core/retain-log.ts";
import { serialStore } from "./core/serial-store.ts";
import type { Reconcile } from "./core/reconciliation.ts";
import { Registry } from "./core/registry.ts";
import { Roles } from "./core/role.ts";
import { Authenticator } from "./core/token.ts";
import type { Admission } from "./lake/admission.ts";
import type { Catalog } from "./lake/catalog.ts";
import type { DeclaredExtracts } from "./lake/extract/open-extracts.ts";
import { endingCopies } from "./lake/ending-copies.ts";
import type { LakeUpkeep } from "./lake/lake-upkeep.ts";
import type { FileCache } from "./lake/query/file-cache.ts";
import type { LandStatus, LandWorker } from "./workers/land/worker.ts";

export const VERSION = "0.1.0";
export const WORKERS = ["ingest", "pull", "capture", "land", "deliver", "extract", "api"] as const;
export type WorkerName = (typeof WORKERS)[number];

const HOUR_MS = 3_600_000;
/** How long answers under way may take once a stop began. */
const ANSWER_MS = 2_000;
/** A stop that takes longer is cut off. Nothing accepted is lost: what did not land lands after the next start. */
const STOP_MS_MAX = 9_000;
const LOOPBACK = new Set(["127.0.0.1", "::1", "localhost"]);

export interface Running {
  readonly url: string;
  /** The administrator's token of this machine; undefined where authentication is off. */
  readonly token: string | undefined;
  /** Whether this start created the token. */
  readonly isTokenNew: boolean;
  /** Refuses new requests, lands what was accepted, releases everything. */
  stop(): Promise<void>;
}

interface Base {
  readonly services: AdapterServices;
  readonly config: Config;
  readonly logger: Logger;
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
  /** Of workers in this process, for /metrics. */
  readonly gauges: (() => readonly Sample[])[];
}

interface Sight {
  readonly catalog: Catalog;
  /** Copies of a lake that is elsewhere. */
  readonly cache: FileCache | undefined;
}

/** Starts the named workers in this process and listens. @throws config.invalid, log.locked, log.corrupt */
export async function startWorkers(
  config: Config,
  workers: readonly WorkerName[],
  logger: Logger,
): Promise<Running> {
  if (config.auth === "none" && !LOOPBACK.has(config.host)) {
    throw new MuaraError(
      "config.invalid",
      `auth: none is refused on ${config.host}; listen on 127.0.0.1 or use tokens`,
      {
        details: { key: "auth" },
      },
    );
  }
  const base = await openBase(config, logger);
  const services = { clock: systemClock, randomness: systemRandomness, compress: gzipStream };
  const abort = new AbortController();
  const background: Promise<unknown>[] = [];
  const closers: (() => Promise<unknown>)[] = [];
  try {
    const audit =
      config.audit === "on"
        ? await (await import("./workers/audit/open-audit.ts")).openAudit({ ...base, ...services })
        : undefined;
    const token = await ensureToken(base, systemClock);
    const entry = workers.includes("ingest") ? await import("./workers/ingest/open-door.ts") : undefined;
    const isAlone = !/^(s3|kafka):/.test(config.log ?? "");
    const ports = { ...base, ...services, isAlone, audit };
    const door = entry?.openDoor(ports, config);
    if (door) closers.push(door.close);
    const reads = workers.includes("api")
      ? await openReads({ ...base, audit }, door?.replay, workers.includes("land"), closers)
      : undefined;
    const drain = new Drain(route(door?.fetch, entry?.isDoorPath, reads), systemClock);
    const server = await listen(config, drain.handle);
    if (workers.includes("land")) background.push(runLake(base, abort.signal));
    if (workers.includes("pull")) background.push(runPulls(base, abort.signal));
    if (workers.includes("capture"))
      background.push(runCaptures(base, abort.signal), runDeltaLoads(base, abort.signal));
    if (workers.some((name) => name === "capture" || name === "api"))
      background.push(base.captureWatch.run(abort.signal));
    if (workers.includes("deliver")) background.push(runDeliveries(base, abort.signal));
    if (workers.includes("extract")) background.push(runExtracts(base, closers, abort.signal));
    background.push(
      retainLog({ ...base, clock: systemClock }, config.journal.retainEveryMs, abort.signal),
      followRegistry({ ...base, clock: systemClock }, abort.signal),
    );
    const address = server.address();
    const port = typeof address === "object" && address ? address.port : config.port;
    const host = config.host.includes(":") ? `[${config.host}]` : config.host;
    if (audit) closers.push(() => audit.close());
    return {
      url: `http://${host}:${port}`,
      token: token?.text,
      isTokenNew: token?.isNew ?? false,
      stop: async () => {
        await drain.stop(ANSWER_MS);
        for (const close of closers) await close();
        abort.abort();
        await Promise.all(background);
        await (await base.upkeep()).close();
        base.outgoing.close();
        await base.log.close();
        await closeServer(server);
      },
    };
  } catch (error) {
    abort.abort();
    await Promise.allSettled(background);
    for (const close of closers) await close();
    await base.log.close();
    throw error;
  }
}

async function openBase(config: Config, logger: Logger): Promise<Base> {
  const services: AdapterServices = {
    clock: systemClock,
    randomness: systemRandomness,
    logger,
    onFatal: (error) => {
      const exit = EXIT.durability;
      logger.error("the disk refused durability; the process ends", { problem: String(error), exit });
      process.exit(exit);
    },
  };
  const outgoing = createOutgoing(config.outgoing);
  const folder = resolve(config.data);
  const kernelUrl = new URL("./core-as/kernel.wasm", import.meta.url);
  const [log, opened, state, module, verifier] = await Promise.all([
    openLog(config.log ?? `file:${join(folder, "log")}`, config.journal, services),
    openObjectStore(config.lake ?? `file:${join(folder, "lake")}`, services, config.upload),
    openObjectStore(`file:${join(folder, "state")}`, services),
    readFile(kernelUrl).then((bytes) => WebAssembly.compile(bytes)),
    openVerifier(config, { ...services, outgoing }),
  ]);
  const { lakeWriters: writers } = config;
  const store = isRemote(config) && writers === "one" ? serialStore(opened) : opened;
  const { admit, ALWAYS_ADMITTED } = await import("./lake/admission.ts");
  const admission = isRemote(config) ? await admit({ ...services, store: opened, writers }) : ALWAYS_ADMITTED;
  const registry = await Registry.open(log, systemRandomness.uuid(), systemClock);
  const roles = new Roles(registry, config.roles);
  const { openTables } = await import("./lake/table/open-tables.ts");
  const { declaredExtracts } = await import("./lake/extract/open-extracts.ts");
  const { openTable, commits } = openTables(store, { ...services });
  const openSource = sourceOpener(config, systemClock);
  const watchPorts = { registry, openSource, clock: systemClock, logger };
  const captureWatch = new CaptureWatch(watchPorts, config.capture);
  const kernel = createKernel(module, crypto.getRandomValues(new Uint8Array(16)), {
    identityBytes: config.land.dedupBytes,
  });
  return {
    services,
    config,
    logger,
    log,
    store,
    admission,
    state,
    kernel,
    registry,
    roles,
    authenticator: config.auth === "none" ? null : new Authenticator(registry, systemClock, roles, verifier),
    openTable,
    commits,
    upkeep: once(async () => {
      const { createLakeUpkeep } = await import("./lake/lake-upkeep.ts");
      return createLakeUpkeep(
        { ...services, store, kernel, registry, openTable, log },
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
    gauges: [() => captureWatch.samples()],
  };
}

async function openReads(
  base: Base & { readonly audit: Audit | undefined },
  replay: ReplayPort | undefined,
  isWriter: boolean,
  closers: (() => Promise<unknown>)[],
): Promise<Fetch> {
  const [{ createQueryService }, { createApiApp }] = await Promise.all([
    import("./lake/query/service.ts"),
    import("./api/app.ts"),
  ]);
  const { catalog, cache } = await openSight(base);
  const { config } = base;
  const query = createQueryService({
    catalog,
    cache,
    options: base.config.query,
    clock: systemClock,
    logger: base.logger,
  });
  closers.push(() => query.close());
  const { checkDeclared } = await import("./lake/query/check-grants.ts");
  await checkDeclared(config, catalog, query);
  const landing = (): readonly LandStatus[] => base.landing.worker?.status() ?? [];
  const upkeep = async (signal: AbortSignal): Promise<LakeUpkeep> => {
    if (await base.admission.granted(signal)) return base.upkeep();
    throw new MuaraError("store.not_atomic", "The lake's store cannot hold tables.");
  };
  const ports = {
    ...base,
    catalog,
    query,
    landing,
    reload: (table: string) => base.landing.worker?.reload(table),
    compact: async (table: string, signal: AbortSignal) => (await upkeep(signal)).compact(table, signal),
    ...(isWriter
      ? { removals: async (signal: AbortSignal) => endingCopies((await upkeep(signal)).removals, cache) }
      : {}),
    clock: systemClock,
    deliver: { ...config.deliver, postgres: Object.keys(config.postgres) },
    capture: config.capture,
    reconcile: async (...asked: Parameters<Reconcile>) => {
      const { reconcile } = await import("./workers/capture/reconcile/reconcile.ts");
      return reconcile({ ...base, catalog, query, clock: systemClock }, ...asked);
    },
    ...(replay ? { replay } : {}),
  };
  const app = createApiApp(ports, { sqlBytes: config.query.sqlBytes, version: VERSION, sharing: config });
  return (request) => app.fetch(request);
}

/** One catalog, and one folder of copies, for everybody in this process. */
function openSight(base: Base): Promise<Sight> {
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

/** Makes the declared feeds. */
async function runExtracts(
  base: Base,
  closers: (() => Promise<unknown>)[],
  signal: AbortSignal,
): Promise<void> {
  if (base.extracts.feeds.length === 0) return;
  const { openExtracts } = await import("./lake/extract/open-extracts.ts");
  const { worker, close } = openExtracts({ ...base, ...(await openSight(base)), clock: systemClock });
  closers.push(close);
  if (await base.admission.granted(signal).catch(() => false)) await worker.run(signal);
}

/** Brings events of other Nakadis into the log. */
async function runPulls(base: Base, signal: AbortSignal): Promise<void> {
  if (Object.keys(base.config.pulls).length === 0) return;
  const { openPulls, pullSamples } = await import("./workers/pull/open-pulls.ts");
  const ports = { ...base, clock: systemClock, randomness: systemRandomness, readSecret };
  const worker = openPulls(ports, base.config);
  base.gauges.push(() => pullSamples(worker));
  await worker.run(signal);
}

/** Brings changes of databases into the log. */
async function runCaptures(base: Base, signal: AbortSignal): Promise<void> {
  const { openCaptures } = await import("./workers/capture/open-captures.ts");
  const ports = { ...base, clock: systemClock, randomness: systemRandomness };
  const worker = openCaptures(ports, base.config);
  base.gauges.push(() => worker.samples());
  await worker.run(signal);
}

/** Reads tables whose databases' logs cannot be read. */
async function runDeltaLoads(base: Base, signal: AbortSignal): Promise<void> {
  const loads = Object.entries(base.config.deltaLoads);
  if (loads.length === 0) return;
  const { runDeltaLoad } = await import("./workers/capture/delta-load.ts");
  const ports = { ...base, clock: systemClock, randomness: systemRandomness };
  await Promise.all(loads.map(([name, load]) => runDeltaLoad(ports, { ...load, name }, signal)));
}

/** Sends rows of tables to where they are declared to go. */
async function runDeliveries(base: Base, signal: AbortSignal): Promise<void> {
  const { openDeliveries } = await import("./workers/deliver/open-deliveries.ts");
  const ports = { ...base, clock: systemClock, randomness: systemRandomness, readSecret };
  const worker = openDeliveries(ports, sinkOpeners(ports), base.config);
  base.gauges.push(() => worker.samples());
  await worker.run(signal);
}

/** Whether the lake's files are elsewhere. */
function isRemote({ lake }: Config): boolean {
  return lake?.startsWith("s3:") ?? false;
}

const nothing: Fetch = () =>
  problemResponse(new MuaraError("request.not_found", "This process does not serve that."));

/** One origin: the door has the event types, the read side everything else. */
function route(
  door: Fetch | undefined,
  isDoorPath: ((path: string) => boolean) | undefined,
  reads: Fetch | undefined,
): Fetch {
  return (request) => {
    const isDoor = isDoorPath?.(new URL(request.url).pathname) ?? false;
    return (isDoor ? (door ?? nothing) : (reads ?? door ?? nothing))(request);
  };
}

/** All that writes the lake, once its store is known to be one that can be written by several. */
async function runLake(base: Base, signal: AbortSignal): Promise<void> {
  try {
    if (!(await base.admission.granted(signal))) return;
  } catch (error) {
    base.logger.error("landing is off: the lake's store cannot hold tables", { error });
    return;
  }
  const [{ runLanding }, ownership] = await Promise.all([
    import("./workers/land/run-landing.ts"),
    openOwnership(base.config.log, base.services),
  ]);
  const ports = { ...base, ...base.services, ownership };
  await Promise.all([
    runLanding(ports, signal, (worker) => (base.landing.worker = worker)),
    runLogKeeper(base, signal),
    base.upkeep().then((upkeep) => upkeep.run(signal)),
  ]);
}

async function runLogKeeper(base: Base, signal: AbortSignal): Promise<void> {
  const { createLogKeeper } = await import("./lake/log-keeper.ts");
  const holdMs = base.config.land.holdDays * 24 * HOUR_MS;
  await createLogKeeper({ ...base, clock: systemClock }, { everyMs: HOUR_MS, holdMs }).run(signal);
}

/** `muara dev` and `muara start`: runs until SIGINT or SIGTERM. */
async function start(flags: StartFlags): Promise<number> {
  const stopped = stopOf(flags.signal);
  const { data, host, port, log, lake } = flags;
  const config = await loadConfig(flags.config, definedOnly({ data, host, port, log, lake }));
  const unknown = flags.workers.find((name) => !WORKERS.includes(name as WorkerName));
  if (unknown)
    throw new MuaraError("config.invalid", `no worker "${unknown}"; there are ${WORKERS.join(", ")}`);
  const workers = flags.workers.length > 0 ? (flags.workers as WorkerName[]) : WORKERS;
  const isQuiet = flags.mode === "dev" && !flags.isVerbose && config.logLevel === "info";
  const running = await startWorkers(config, workers, stderrLogger(isQuiet ? "warn" : config.logLevel));
  const folder = resolve(config.data);
  const lines = [`ready on ${running.url} (data in ${folder})`];
  if (running.isTokenNew)
    lines.push(`administrator's token: ${running.token!} (also in ${join(folder, "token")})`);
  process.stderr.write(`${lines.join("\n")}\n`);
  await stopped;
  // Also for what would keep the process alive once everything is closed.
  setTimeout(cutOff, STOP_MS_MAX).unref();
  await running.stop();
  return 0;
}

/** `muara demo`: everything in one process, with the seeded shop as a source. */
async function demo(flags: DemoFlags): Promise<number> {
  const { runDemo } = await import("./workers/demo/command.ts");
  const config = await loadConfig(undefined, definedOnly({ data: flags.data, port: flags.port }));
  const statePath = join(resolve(config.data), "state", "demo.json");
  if (flags.isFresh && isRemote(config))
    throw new MuaraError("config.invalid", "--fresh deletes the data folder, but the lake lies elsewhere", {
      details: { key: "lake" },
    });
  if (flags.isFresh) await rm(resolve(config.data), { recursive: true, force: true });
  return runDemo(
    {
      clock: systemClock,
      stdout: (text) => void process.stdout.write(text),
      stderr: (text) => void process.stderr.write(text),
      isTerminal: process.stderr.isTTY,
      stopped: stopOf(flags.signal),
      serve: () => startWorkers(config, WORKERS, stderrLogger("error")),
      load: async () => JSON.parse(await readFile(statePath, "utf8").catch(() => "null")) ?? undefined,
      save: async (state) => {
        await mkdir(join(resolve(config.data), "state"), { recursive: true });
        await writeFile(statePath, JSON.stringify(state));
      },
    },
    { ...flags, data: config.data },
  );
}

/** Leaves out what was not given, so that it does not hide an earlier source. */
function definedOnly(flags: {
  [key in "data" | "host" | "port" | "log" | "lake"]?: string | number | undefined;
}): ConfigInput {
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
}

/** @param argv arguments after the program's name @returns the exit code */
export function run(argv: readonly string[]): Promise<number> {
  return main(argv, { version: VERSION, start, demo });
}
