/**
 * The composition root: reads the configuration, opens log, lake and kernel, and runs what was asked for in one
 * process. Everything below receives its ports from here.
 */
import { createAdaptorServer, type ServerType } from "@hono/node-server";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { openLog, openObjectStore, type AdapterServices } from "./adapters/open.ts";
import { systemClock, systemRandomness } from "./core/clock.ts";
import type { Config } from "./core/config.ts";
import { MuaraError } from "./core/errors.ts";
import { createKernel, type Kernel } from "./core/kernel.ts";
import type { Logger } from "./core/logger.ts";
import type { Log } from "./core/ports/log.ts";
import type { ObjectStore } from "./core/ports/object-store.ts";
import { soleOwnership } from "./core/ports/ownership.ts";
import type { TableLog } from "./core/ports/table-log.ts";
import { problemResponse } from "./core/problem.ts";
import { Registry } from "./core/registry.ts";
import { Authenticator } from "./core/token.ts";

export const VERSION = "0.1.0";
export const WORKERS = ["ingest", "land", "api"] as const;
export type WorkerName = (typeof WORKERS)[number];

const HOUR_MS = 3_600_000;
/** How long answers under way may take once a stop began. */
const CLOSE_MS = 3_000;
/** Exit code after the disk refused durability: a supervisor may start it again. */
const EXIT_DURABILITY = 75;
const LOOPBACK = new Set(["127.0.0.1", "::1", "localhost"]);

type Fetch = (request: Request) => Response | Promise<Response>;

export interface Running {
  readonly url: string;
  readonly registry: Registry;
  readonly log: Log;
  /** Refuses new requests, lands what was accepted, releases everything. */
  stop(): Promise<void>;
}

interface Base {
  readonly config: Config;
  readonly logger: Logger;
  readonly log: Log;
  readonly store: ObjectStore;
  readonly kernel: Kernel;
  readonly registry: Registry;
  readonly authenticator: Authenticator | null;
  readonly openTable: (name: string) => TableLog;
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
  const abort = new AbortController();
  const background: Promise<unknown>[] = [];
  const closers: (() => Promise<unknown>)[] = [];
  try {
    const door = workers.includes("ingest") ? await openDoor(base) : undefined;
    const reads = workers.includes("api") ? await openReads(base, closers) : undefined;
    const server = await listen(config, route(door, reads));
    closers.unshift(() => closeServer(server));
    if (workers.includes("land")) background.push(runLanding(base, abort.signal));
    background.push(runRetention(base, abort.signal));
    const address = server.address();
    const port = typeof address === "object" && address ? address.port : config.port;
    const host = config.host.includes(":") ? `[${config.host}]` : config.host;
    return {
      url: `http://${host}:${port}`,
      registry: base.registry,
      log: base.log,
      stop: async () => {
        for (const close of closers) await close();
        abort.abort();
        await Promise.all(background);
        await base.log.close();
      },
    };
  } catch (error) {
    abort.abort();
    await Promise.allSettled(background);
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
      logger.error("the log can no longer promise durability; the process ends", { problem: String(error) });
      process.exit(EXIT_DURABILITY);
    },
  };
  const folder = resolve(config.data);
  const kernelUrl = new URL("./core-as/kernel.wasm", import.meta.url);
  const [log, store, module] = await Promise.all([
    openLog(config.log ?? `file:${join(folder, "log")}`, config.journal, services),
    openObjectStore(config.lake ?? `file:${join(folder, "lake")}`, services),
    readFile(kernelUrl).then((bytes) => WebAssembly.compile(bytes)),
  ]);
  const registry = await Registry.open(log, systemRandomness.uuid(), systemClock);
  const { openTableLog } = await import("./lake/table/table-log.ts");
  const tables = new Map<string, TableLog>();
  const openTable = (name: string): TableLog => {
    let table = tables.get(name);
    if (!table) tables.set(name, (table = openTableLog(store, name, { ...services })));
    return table;
  };
  return {
    config,
    logger,
    log,
    store,
    kernel: createKernel(module, crypto.getRandomValues(new Uint8Array(16))),
    registry,
    authenticator: config.auth === "none" ? null : new Authenticator(registry, systemClock),
    openTable,
  };
}

async function openDoor(base: Base): Promise<Fetch> {
  const { createIngestApp } = await import("./workers/ingest/app.ts");
  const app = createIngestApp(
    { ...base, clock: systemClock, randomness: systemRandomness },
    { limits: base.config.limits },
  );
  return (request) => app.fetch(request);
}

async function openReads(base: Base, closers: (() => Promise<unknown>)[]): Promise<Fetch> {
  const [{ createCatalog }, { createQueryService }, { createApiApp }] = await Promise.all([
    import("./lake/catalog.ts"),
    import("./lake/query/service.ts"),
    import("./api/app.ts"),
  ]);
  const { declaredSchema } = await import("./lake/tables.ts");
  const catalog = createCatalog({ ...base, clock: systemClock, declaredSchema });
  const query = createQueryService({
    catalog,
    options: base.config.query,
    clock: systemClock,
    logger: base.logger,
  });
  closers.push(() => query.close());
  const ports = { ...base, catalog, query, clock: systemClock };
  const app = createApiApp(ports, { sqlBytes: base.config.query.sqlBytes, version: VERSION });
  return (request) => app.fetch(request);
}

/** One origin: the door has the event types, the read side everything else. */
function route(door: Fetch | undefined, reads: Fetch | undefined): Fetch {
  const nothing: Fetch = () =>
    problemResponse(new MuaraError("request.not_found", "This process does not serve that."));
  return (request) => {
    const path = new URL(request.url).pathname;
    const isDoor = path === "/health" || path === "/event-types" || path.startsWith("/event-types/");
    return (isDoor ? (door ?? nothing) : (reads ?? door ?? nothing))(request);
  };
}

async function runLanding(base: Base, signal: AbortSignal): Promise<void> {
  const [{ createLandWorker }, { createProjector }] = await Promise.all([
    import("./workers/land/worker.ts"),
    import("./workers/land/projector.ts"),
  ]);
  const { land, limits } = base.config;
  const ports = { ...base, clock: systemClock, randomness: systemRandomness, ownership: soleOwnership };
  const worker = createLandWorker(ports, {
    ...land,
    eventBytes: limits.eventBytes,
    depth: limits.depth,
    horizonMs: land.horizonHours * HOUR_MS,
    generationMs: land.generationHours * HOUR_MS,
  });
  const projector = createProjector(ports);
  await Promise.all([worker.run(signal), projector.run(land.projectMs, signal)]);
  // What was accepted before the stop is landed and booked before the process ends.
  await worker.drain();
  await projector.drain();
}

async function runRetention({ config, log, logger }: Base, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await systemClock.sleep(config.journal.retainEveryMs, signal);
    if (signal.aborted) return;
    try {
      const bytes = await log.retain();
      if (bytes > 0) logger.info("log retention", { bytes });
    } catch (error) {
      logger.error("log retention failed", { problem: String(error) });
    }
  }
}

function listen(config: Config, handle: Fetch): Promise<ServerType> {
  const { headerBytes, requestMs, connections } = config.limits;
  const server = createAdaptorServer({
    fetch: handle,
    overrideGlobalObjects: false,
    serverOptions: {
      maxHeaderSize: headerBytes,
      requestTimeout: requestMs,
      headersTimeout: Math.min(requestMs, 10_000),
    },
  });
  if ("maxConnections" in server) server.maxConnections = connections;
  return new Promise((done, fail) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const isTaken = cause.code === "EADDRINUSE";
      const problem = isTaken
        ? `port ${config.port} on ${config.host} is taken; stop what listens there or choose another with --port`
        : `cannot listen on ${config.host}:${config.port}: ${cause.message}`;
      fail(new MuaraError("config.invalid", problem, { details: { key: "port" }, cause }));
    });
    server.listen(config.port, config.host, () => done(server));
  });
}

function closeServer(server: ServerType): Promise<void> {
  return new Promise((done) => {
    server.close(() => done());
    // Answers under way may finish; idle connections are cut now, stuck ones later.
    if ("closeIdleConnections" in server) server.closeIdleConnections();
    const cut = (): void => void ("closeAllConnections" in server && server.closeAllConnections());
    setTimeout(cut, CLOSE_MS).unref();
  });
}
