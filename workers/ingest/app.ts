/**
 * The HTTP door: Nakadi's event types and publishing at their own paths, for whatever server calls `fetch`. Web
 * APIs only, so that the same app runs on Node, Deno and an edge.
 *
 * Surprising rules: everything but `/health` asks for a token first, so that nobody learns what exists; and an
 * error's text never holds payload.
 */
import { Hono } from "hono";
import { authorize, type Principal } from "../../core/authorize.ts";
import type { Clock, Randomness } from "../../core/clock.ts";
import type { Config } from "../../core/config.ts";
import { hasCode, MuaraError } from "../../core/errors.ts";
import {
  answerHeaders,
  authenticateRequest,
  describeBug,
  errorResponse,
  flowIdOf,
  jsonResponse,
  requireJson,
} from "../../core/http.ts";
import { readBody } from "../../core/http-body.ts";
import type { Kernel } from "../../core/kernel.ts";
import type { Logger } from "../../core/logger.ts";
import type { Log } from "../../core/ports/log.ts";
import type { Registry } from "../../core/registry.ts";
import type { Authenticator } from "../../core/token.ts";
import { Contracts, describeJudge } from "./contract.ts";
import { createEventType, DECLARATION_BYTES_MAX, listEventTypes, readEventType } from "./event-types.ts";
import { InFlight } from "./in-flight.ts";
import { publish } from "./publish.ts";
import { Queue } from "./queue.ts";
import { bodyOf, type Refusal, refusalOf, refusalOfBody, type ReplayRequest } from "./replay.ts";

export interface IngestPorts {
  readonly log: Log;
  readonly registry: Registry;
  readonly kernel: Kernel;
  /** null: authentication is switched off. */
  readonly authenticator: Authenticator | null;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
}

export interface IngestOptions {
  readonly limits: Pick<Config["limits"], "eventBytes" | "bodyBytes" | "batchEvents" | "depth">;
  /** Bodies in memory at a time, over all requests, bytes; beyond it producers get 429. */
  readonly inFlightBytes?: number;
  /** Expected wait for the log beyond which producers get 429, ms. */
  readonly queueMs?: number;
}

const IN_FLIGHT_BYTES_DEFAULT = 67_108_864;
const QUEUE_MS_DEFAULT = 2_000;
const RETRY_AFTER_SECONDS_MAX = 30;
/** Room on a disk does not come within a second. */
const FULL_SECONDS = 5;

/** One authenticated request. */
interface Call {
  readonly request: Request;
  readonly flowId: string;
  readonly principal: Principal;
  /** The event type in the path; empty where it has none. */
  readonly name: string;
}

export function createIngestApp(
  ports: IngestPorts,
  options: IngestOptions,
  door: Door = new Door(ports, options),
): Hono {
  const app = new Hono();
  const on = (method: string, path: string, answer: (call: Call) => Promise<Response>): void => {
    app.on(method, path, (c) => door.handle(c.req.raw, c.req.param("name") ?? "", answer));
  };
  const refuseOthers = (path: string, allowed: string): void => {
    app.all(path, async (c) => {
      const response = await door.handle(c.req.raw, "", () => Promise.reject(wrongMethod(allowed)));
      if (response.status === 405) response.headers.set("allow", allowed);
      return response;
    });
  };

  app.get("/health", (c) => {
    const headers = answerHeaders(flowIdOf(c.req.raw, ports.randomness), "text/plain; charset=UTF-8");
    return new Response("OK", { headers });
  });
  on("GET", "/event-types", (call) => door.list(call));
  on("POST", "/event-types", (call) => door.declare(call));
  refuseOthers("/event-types", "GET, HEAD, POST");
  on("GET", "/event-types/:name", (call) => door.read(call));
  refuseOthers("/event-types/:name", "GET, HEAD");
  on("POST", "/event-types/:name/events", (call) => door.publish(call));
  refuseOthers("/event-types/:name/events", "POST");
  app.notFound((c) => door.handle(c.req.raw, "", () => Promise.reject(unknownAddress())));
  app.onError((error, c) => door.failed(error, flowIdOf(c.req.raw, ports.randomness)));
  return app;
}

/** The door itself, for those that publish from within the process, too. */
export class Door {
  readonly #ports: IngestPorts;
  readonly #options: IngestOptions;
  readonly #contracts: Contracts;
  readonly #inFlight: InFlight;
  readonly #queue: Queue;

  constructor(ports: IngestPorts, options: IngestOptions) {
    const { eventBytes, depth } = options.limits;
    this.#ports = ports;
    this.#options = options;
    this.#contracts = new Contracts(ports, { maxBytes: eventBytes, maxDepth: depth });
    this.#inFlight = new InFlight(options.inFlightBytes ?? IN_FLIGHT_BYTES_DEFAULT);
    this.#queue = new Queue(ports.clock, options.queueMs ?? QUEUE_MS_DEFAULT);
  }

  async handle(request: Request, name: string, answer: (call: Call) => Promise<Response>): Promise<Response> {
    const flowId = flowIdOf(request, this.#ports.randomness);
    try {
      const principal = await authenticateRequest(request, this.#ports.authenticator);
      return await answer({ request, flowId, principal, name });
    } catch (error) {
      return this.failed(error, flowId);
    }
  }

  failed(error: unknown, flowId: string): Response {
    const { logger } = this.#ports;
    if (!(error instanceof MuaraError))
      logger.error("request failed", { flow_id: flowId, ...describeBug(error) });
    else if (error.status >= 500) logger.warn("request refused", { flow_id: flowId, code: error.code });
    return errorResponse(error, flowId, retryAfterSeconds(error));
  }

  async list({ request, flowId, principal }: Call): Promise<Response> {
    const owner = new URL(request.url).searchParams.get("owning_application");
    const types = await listEventTypes(this.#ports.registry, principal);
    const shown = owner === null ? types : types.filter((type) => type.owning_application === owner);
    return jsonResponse(shown, 200, flowId);
  }

  async declare({ request, flowId, principal }: Call): Promise<Response> {
    requireJson(request.headers.get("content-type"));
    const body = await this.#withBody(request, DECLARATION_BYTES_MAX, async (bytes) => bytes);
    const type = await createEventType(this.#ports, principal, body);
    this.#ports.logger.info("event type declared", {
      event_type: type.name,
      by: principal.id,
      flow_id: flowId,
      schema: describeJudge(type),
    });
    return jsonResponse(type, 201, flowId);
  }

  async read({ flowId, principal, name }: Call): Promise<Response> {
    return jsonResponse(await readEventType(this.#ports.registry, principal, name), 200, flowId);
  }

  async publish({ request, flowId, principal, name }: Call): Promise<Response> {
    const { log, kernel, randomness } = this.#ports;
    const { limits } = this.#options;
    authorize(principal, "write", { kind: "event_type", name });
    requireJson(request.headers.get("content-type"));
    await this.#contracts.use(name, () => undefined); // unknown types are refused before the body is read
    this.#queue.admit(); // and so is what would wait too long
    return this.#withBody(request, limits.bodyBytes, (body) =>
      this.#queue.pass(body.length, () =>
        this.#contracts.use(name, (contract) => {
          const spare = Math.floor(randomness.fraction() * contract.partitions);
          const maxEvents = limits.batchEvents;
          return publish(log, kernel, { contract, body, principal, flowId, maxEvents, spare });
        }),
      ),
    );
  }

  /**
   * Publishes one dead letter again, or with `isDryRun` says whether it would be taken: as a request with this one
   * event, by the same checks.
   * @returns why the event is refused; undefined where it was accepted
   * @throws auth.forbidden, event_type.not_found, log.overloaded, log.full, log.append_unknown, log.closed
   */
  async replay(again: ReplayRequest): Promise<Refusal | undefined> {
    const { log, kernel, randomness } = this.#ports;
    const { eventType, principal, flowId, isDryRun, note } = again;
    authorize(principal, "write", { kind: "event_type", name: eventType });
    const body = bodyOf(again.payload);
    const reservation = this.#inFlight.enter();
    const send = (): Promise<Response> =>
      this.#contracts.use(eventType, (contract) => {
        const spare = Math.floor(randomness.fraction() * contract.partitions);
        const request = { contract, body, principal, flowId, spare, maxEvents: 1, replay: note, isDryRun };
        return publish(log, kernel, request);
      });
    try {
      reservation.take(body.length);
      if (isDryRun) return await refusalOf(await send());
      this.#queue.admit();
      return await refusalOf(await this.#queue.pass(body.length, send));
    } catch (error) {
      return refusalOfBody(error);
    } finally {
      reservation.release();
    }
  }

  /** Reads the body within its own bound and the one of all requests together, until `use` is done with it. */
  async #withBody<Result>(
    request: Request,
    maxBytes: number,
    use: (body: Uint8Array) => Promise<Result>,
  ): Promise<Result> {
    const reservation = this.#inFlight.enter();
    try {
      return await use(await readBody(request, { maxBytes, reserve: reservation.take }));
    } finally {
      reservation.release();
    }
  }
}

/** What `Retry-After` says: about when the queue is short again. */
function retryAfterSeconds(error: unknown): number {
  if (hasCode(error, "log.full")) return FULL_SECONDS;
  const waitMs = error instanceof MuaraError ? error.details["wait_ms"] : undefined;
  if (typeof waitMs !== "number") return 1;
  return Math.min(RETRY_AFTER_SECONDS_MAX, Math.max(1, Math.ceil(waitMs / 1_000)));
}

function wrongMethod(allowed: string): MuaraError {
  return new MuaraError("request.method", `This address only knows ${allowed}.`);
}

function unknownAddress(): MuaraError {
  return new MuaraError("request.not_found", "Nothing lives at this address.");
}
