/**
 * The composition root: reads the configuration, opens log, lake and kernel, and runs what was asked for in one
 * process. Everything below receives its ports from here.
 */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import process from "node:process";
import { gzipStream } from "./adapters/http/gzip.ts";
import { closeServer, type Fetch, listen } from "./adapters/http/listen.ts";
import { openClosedLog, openObjectStore } from "./adapters/open.ts";
import { loadConfig } from "./api/cli/config-file.ts";
import { ensureToken } from "./api/cli/own-token.ts";
import { cutOff, stderrLogger, stopOf } from "./api/cli/lifetime.ts";
import { main } from "./api/cli/main.ts";
import type { DemoFlags, StartFlags } from "./api/cli/services.ts";
import { systemClock, systemRandomness } from "./core/clock.ts";
import type { Config, ConfigInput } from "./core/config.ts";
import { MuaraError } from "./core/errors.ts";
import { Drain } from "./core/http-drain.ts";
import { measuredFetch } from "./core/measured-fetch.ts";
import type { Logger } from "./core/logger.ts";
import { problemResponse } from "./core/problem.ts";
import { tracedRequest } from "./core/trace.ts";
import { isRemote, openBase, VERSION } from "./muara-base.ts";
import { openOperations, openReads, runParts, spoken, type WorkerName, WORKERS } from "./muara-parts.ts";

/** For configuration files: `import { defineConfig } from "muara"`. */
export { defineConfig } from "./core/config.ts";
export { VERSION, WORKERS, type WorkerName };

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
    const door = entry?.openDoor(spoken(ports, "ingest"), config);
    if (door) {
      closers.push(door.close);
      base.gauges.push(door.samples);
    }
    const reads = workers.includes("api")
      ? await openReads(spoken({ ...base, audit }, "api"), door?.replay, workers, closers)
      : await openOperations({ ...base, audit });
    const routed = route(door?.fetch, entry?.isDoorPath, reads);
    const counted = measuredFetch(
      base.tracing ? tracedFetch(routed) : routed,
      entry?.isDoorPath,
      base.measures,
      systemClock,
    );
    const drain = new Drain(counted, systemClock);
    const server = await listen(config, drain.handle);
    background.push(...runParts(base, workers, closers, abort.signal));
    const address = server.address();
    const port = typeof address === "object" && address ? address.port : config.port;
    const host = config.host.includes(":") ? `[${config.host}]` : config.host;
    if (audit) closers.push(() => audit.close());
    return {
      url: `http://${host}:${port}`,
      token: token?.text,
      isTokenNew: token?.isNew ?? false,
      stop: async () => {
        await drain.leave(config.stop.leaveMs);
        await drain.stop(config.stop.answerMs);
        for (const close of closers) await close();
        abort.abort();
        base.admission.end();
        await Promise.all(background);
        await base.lineage?.close();
        await (await base.upkeep()).close();
        base.outgoing.close();
        await base.log.close();
        await closeServer(server);
        await base.tracing?.close();
      },
    };
  } catch (error) {
    abort.abort();
    base.admission.end();
    await Promise.allSettled(background);
    await Promise.allSettled(closers.map((close) => close()));
    await base.lineage?.close();
    base.outgoing.close();
    await base.log.close();
    await base.tracing?.close();
    throw error;
  }
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

/** Every request is a span, but those that look after the process. */
function tracedFetch(answer: Fetch): Fetch {
  return (request) => {
    const { pathname } = new URL(request.url);
    const isWatch = pathname === "/metrics" || pathname.startsWith("/health");
    return isWatch ? answer(request) : tracedRequest(request, () => answer(request));
  };
}

/** `muara dev` and `muara start`: runs until SIGINT or SIGTERM. */
async function start(flags: StartFlags): Promise<number> {
  const stopped = stopOf(flags.signal);
  const { data, host, port, log, lake, logFormat } = flags;
  const config = await loadConfig(flags.config, definedOnly({ data, host, port, log, lake, logFormat }));
  const unknown = flags.workers.find((name) => !WORKERS.includes(name as WorkerName));
  if (unknown)
    throw new MuaraError("config.invalid", `no worker "${unknown}"; there are ${WORKERS.join(", ")}`);
  const workers = flags.workers.length > 0 ? (flags.workers as WorkerName[]) : WORKERS;
  const isQuiet = flags.mode === "dev" && !flags.isVerbose && config.logLevel === "info";
  const logger = stderrLogger(isQuiet ? "warn" : config.logLevel, config.logFormat);
  const running = await startWorkers(config, workers, logger);
  const folder = resolve(config.data);
  announce(running, folder, config.logFormat === "json" ? stderrLogger("info") : undefined);
  await stopped;
  // Also for what would keep the process alive once everything is closed.
  // Nothing accepted is lost: what did not land by then lands after the next start.
  setTimeout(() => cutOff(logger), config.stop.leaveMs + config.stop.maxMs).unref();
  await running.stop();
  return 0;
}

/** To people; to machines, which keep what they are told, without the token. */
function announce(running: Running, folder: string, logger: Logger | undefined): void {
  const file = join(folder, "token");
  if (logger) {
    logger.info("ready", { url: running.url, data: folder });
    if (running.isTokenNew) logger.info("the administrator's access was created", { file });
    return;
  }
  const lines = [`ready on ${running.url} (data in ${folder})`];
  if (running.isTokenNew) lines.push(`administrator's token: ${running.token!} (also in ${file})`);
  process.stderr.write(`${lines.join("\n")}\n`);
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
  [key in "data" | "host" | "port" | "log" | "lake" | "logFormat"]?: string | number | undefined;
}): ConfigInput {
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
}

function onFatal(error: unknown): never {
  throw error;
}

/** @param argv arguments after the program's name @returns the exit code */
export function run(argv: readonly string[]): Promise<number> {
  const services = {
    clock: systemClock,
    randomness: systemRandomness,
    logger: stderrLogger("error"),
    onFatal,
  };
  return main(argv, {
    version: VERSION,
    start,
    demo,
    openStore: (address) => openObjectStore(address, services),
    openClosedLog: (folder) => openClosedLog(folder, services),
  });
}
