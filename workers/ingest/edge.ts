/**
 * The same door for Workers-class runtimes: `export default { fetch }`, appending to an `s3:` log. Event types and
 * tokens are those of the log's own registry, so a token that `muara token create` made anywhere on that log is good
 * here, and one that was revoked is refused within seconds. There is no door without tokens on an edge.
 *
 * Surprising rules of such runtimes: nothing may be opened before the first request; a request whose client leaves is
 * stopped wherever it is, so each is kept alive until it is answered (`waitUntil`); and what one request waits for may
 * have died with another, so nothing shared is waited for without end.
 */
import { openS3LogAt } from "../../adapters/s3/open.ts";
import { systemClock, systemRandomness } from "../../core/clock.ts";
import { type Config, resolveConfig } from "../../core/config.ts";
import { errorPage, PAGE_POLICY } from "../../core/error-page.ts";
import { checkDataFormat } from "../../core/data-format.ts";
import { MuaraError } from "../../core/errors.ts";
import { describeBug } from "../../core/http.ts";
import { createKernel } from "../../core/kernel.ts";
import { createLogger, type Logger } from "../../core/logger.ts";
import { problemResponse } from "../../core/problem.ts";
import { Registry } from "../../core/registry.ts";
import { Authenticator } from "../../core/token.ts";
import { createIngestApp } from "./app.ts";

/** Declarations and tokens are read on when they were last read longer ago, ms. */
const REFRESH_MS = 5_000;
/** Shared work that takes longer died with the request that began it, ms. */
const STUCK_MS = 12_000;
/** An isolate has little memory; a variable of the same name overrides each. */
const DEFAULTS: Readonly<Record<string, string>> = {
  MUARA_LIMITS_IN_FLIGHT_BYTES: "33554432",
  MUARA_JOURNAL_PENDING_BYTES: "16777216",
  MUARA_JOURNAL_CACHE_BYTES: "1048576",
};

/** Variables and secrets as a runtime hands them over: text, and bindings, which are none of ours. */
export type EdgeEnvironment = Readonly<Record<string, unknown>>;

export interface EdgeContext {
  waitUntil(work: Promise<unknown>): void;
}

export interface EdgeDoor {
  fetch(request: Request, environment: EdgeEnvironment, context?: EdgeContext): Promise<Response>;
}

type Module = WebAssembly.Module;

interface Open {
  readonly registry: Registry;
  readonly logger: Logger;
  readonly answer: (request: Request) => Response | Promise<Response>;
  refreshedMs: number;
}

/** Work that several requests wait for. */
interface Shared<Result> {
  readonly sinceMs: number;
  readonly result: Promise<Result>;
}

/** @param kernel core-as/kernel.wasm, compiled, or what gets it */
export function createEdgeDoor(kernel: Module | (() => Promise<Module>)): EdgeDoor {
  return new Edge(kernel instanceof WebAssembly.Module ? () => Promise.resolve(kernel) : kernel);
}

class Edge implements EdgeDoor {
  readonly #kernel: () => Promise<Module>;
  #open: Open | undefined;
  #opening: Shared<Open> | undefined;
  #refreshing: Shared<void> | undefined;

  constructor(kernel: () => Promise<Module>) {
    this.#kernel = kernel;
  }

  readonly fetch = (
    request: Request,
    environment: EdgeEnvironment,
    context?: EdgeContext,
  ): Promise<Response> => {
    const answer = this.#answer(request, environment);
    context?.waitUntil(answer);
    return answer;
  };

  async #answer(request: Request, environment: EdgeEnvironment): Promise<Response> {
    try {
      const page = errorPage(new URL(request.url).pathname);
      if (page !== undefined)
        return new Response(page, {
          headers: { "content-type": "text/html; charset=utf-8", "content-security-policy": PAGE_POLICY },
        });
      const open = await this.#opened(environment);
      await this.#refresh(open);
      return await open.answer(request);
    } catch (error) {
      if (!(error instanceof MuaraError)) this.#open?.logger.error("request failed", describeBug(error));
      return problemResponse(error);
    }
  }

  async #opened(environment: EdgeEnvironment): Promise<Open> {
    if (this.#open) return this.#open;
    const opening = shared(this.#opening, () => openDoor(environment, this.#kernel));
    this.#opening = opening;
    try {
      return (this.#open ??= await opening.result);
    } finally {
      if (this.#opening === opening) this.#opening = undefined;
    }
  }

  async #refresh(open: Open): Promise<void> {
    const nowMs = systemClock.monotonicMs();
    if (nowMs - open.refreshedMs < REFRESH_MS) return;
    const isStuck = this.#refreshing && nowMs - this.#refreshing.sinceMs > STUCK_MS;
    if (isStuck) {
      // What reads the declarations waits for the dead request, too: everything begins anew.
      this.#open = undefined;
      this.#refreshing = undefined;
      throw new MuaraError("store.unavailable", "The declarations cannot be read just now.");
    }
    const refreshing = shared(this.#refreshing, () => open.registry.refresh());
    this.#refreshing = refreshing;
    try {
      await refreshing.result;
      open.refreshedMs = Math.max(open.refreshedMs, refreshing.sinceMs);
    } finally {
      if (this.#refreshing === refreshing) this.#refreshing = undefined;
    }
  }
}

function shared<Result>(known: Shared<Result> | undefined, work: () => Promise<Result>): Shared<Result> {
  const nowMs = systemClock.monotonicMs();
  return known && nowMs - known.sinceMs <= STUCK_MS ? known : { sinceMs: nowMs, result: work() };
}

/** @throws config.invalid, store.unavailable, store.not_atomic */
async function openDoor(environment: EdgeEnvironment, kernel: () => Promise<Module>): Promise<Open> {
  const config = configOf(environment);
  const services = { clock: systemClock, randomness: systemRandomness };
  const log = await openS3LogAt(config.log, environment, config.journal, services);
  const registry = await Registry.open(log, systemRandomness.uuid(), systemClock);
  checkDataFormat(registry);
  const logger = createLogger(writeLine, config.logLevel, () => systemClock.nowMs());
  const authenticator = new Authenticator(registry, systemClock);
  const seed = crypto.getRandomValues(new Uint8Array(16));
  const ports = {
    log,
    registry,
    kernel: createKernel(await kernel(), seed),
    authenticator,
    logger,
    ...services,
  };
  const { limits, eventTypes } = config;
  const app = createIngestApp(ports, {
    limits,
    eventTypes,
    inFlightBytes: limits.inFlightBytes,
    queueMs: limits.queueMs,
  });
  return {
    registry,
    logger,
    answer: (request) => app.fetch(request),
    refreshedMs: systemClock.monotonicMs(),
  };
}

function configOf(environment: EdgeEnvironment): Config & { readonly log: string } {
  const texts = Object.entries(environment).filter((entry): entry is [string, string] => {
    return typeof entry[1] === "string";
  });
  const { config } = resolveConfig({ environment: { ...DEFAULTS, ...Object.fromEntries(texts) } });
  if (config.auth !== "token") throw new MuaraError("config.invalid", "auth: none is refused on an edge");
  const { log } = config;
  if (!log?.startsWith("s3:")) throw new MuaraError("config.invalid", "log: an edge needs MUARA_LOG=s3://…");
  return { ...config, log };
}

/** The only stream that an edge has. */
function writeLine(line: string): void {
  const { log } = console;
  log(line);
}

const edge: EdgeDoor = createEdgeDoor(async () => {
  // @ts-expect-error -- a bundler makes a compiled module of it; no other runtime gets here
  const { default: module } = (await import("../../core-as/kernel.wasm")) as { default: Module };
  return module;
});

export default edge;
