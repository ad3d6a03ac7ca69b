/**
 * The HTTP door: Nakadi's event types and publishing at their own paths, for whatever server calls `fetch`. Web
 * APIs only, so that the same app runs on Node, Deno and an edge.
 *
 * Surprising rules: everything but `/health` asks for a token first, so that nobody learns what exists; and an
 * error's text never holds payload.
 */
import { Hono } from "hono";
import { ByteLoan, BytePool } from "../../core/byte-pool.ts";
import type { Clock, Randomness } from "../../core/clock.ts";
import type { Config } from "../../core/config.ts";
import { hasCode, MuaraError } from "../../core/errors.ts";
import type { EventType } from "../../core/event-type.ts";
import {
  answerHeaders,
  authenticateRequest,
  describeBug,
  errorResponse,
  flowIdOf,
  requireJson,
} from "../../core/http.ts";
import { readBody } from "../../core/http-body.ts";
import type { Kernel } from "../../core/kernel.ts";
import type { Logger } from "../../core/logger.ts";
import type { Measures } from "../../core/measures.ts";
import type { Sample } from "../../core/open-metrics.ts";
import type { Audit } from "../../core/ports/audit.ts";
import type { Log } from "../../core/ports/log.ts";
import type { Meter, Quotas } from "../../core/quota.ts";
import type { Registry } from "../../core/registry.ts";
import { checkNotBlocked } from "../../core/settings.ts";
import type { Authenticator } from "../../core/token.ts";
import { type Answer, type Call, parseBody, type RoutePart, type Routes } from "./call.ts";
import { modeOf } from "./cloudevents/message.ts";
import { CloudEvents } from "./cloudevents/publish-cloudevents.ts";
import { Contracts } from "./contract.ts";
import { cursorRoutes } from "./cursors/routes.ts";
import { eventTypeRoutes } from "./event-type-routes.ts";
import type { EventTypeRules } from "./event-type-rules.ts";
import { checkFeatures } from "./feature-guard.ts";
import { InFlight } from "./in-flight.ts";
import { otherRoutes } from "./other-routes.ts";
import { publish } from "./publish.ts";
import { publishDeletions } from "./publish-deletions.ts";
import { Queue } from "./queue.ts";
import { bodyOf, type Refusal, refusalOf, refusalOfBody, type ReplayRequest } from "./replay.ts";
import { auditRefusal } from "../../core/audit-refusal.ts";
import type { Principal } from "../../core/authorize.ts";
import { annotate, nameRequest } from "../../core/trace.ts";
import { authorizeType } from "./rights.ts";
import { schemaRoutes } from "./schema-routes.ts";
import { settingsRoutes } from "./settings/routes.ts";
import { type PulledBatch, type Taken, takePulled } from "./pulled/take-pulled.ts";

export interface IngestPorts {
  readonly log: Log;
  readonly registry: Registry;
  readonly kernel: Kernel;
  /** null: authentication is switched off. */
  readonly authenticator: Authenticator | null;
  /** Absent: nothing is recorded. */
  readonly audit?: Audit | undefined;
  /** Absent: nothing is counted. */
  readonly measures?: Measures | undefined;
  /** Of bodies and batches; absent: the door has its own. */
  readonly buffers?: BytePool | undefined;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
}

export interface IngestOptions {
  readonly limits: Pick<Config["limits"], "eventBytes" | "bodyBytes" | "batchEvents" | "depth">;
  /** Absent: whatever the grammar allows may be declared. */
  readonly eventTypes?: EventTypeRules;
  /** Bodies in memory at a time, over all requests, bytes; beyond it producers get 429. */
  readonly inFlightBytes?: number;
  /** Expected wait for the log beyond which producers get 429, ms. */
  readonly queueMs?: number;
  /** Absent: nobody's rate is limited. */
  readonly quotas?: Quotas | undefined;
}

const IN_FLIGHT_BYTES_DEFAULT = 67_108_864;
const QUEUE_MS_DEFAULT = 2_000;
const RETRY_AFTER_SECONDS_MAX = 30;
/** Room on a disk does not come within a second. */
const FULL_SECONDS = 5;
/** Bytes of a declaration; its schema alone may have 1 MiB, more when escaped. */
const DECLARATION_BYTES_MAX = 4_194_304;

/** Who sends, under which flow id, to which event type, and what it is charged to. */
type Sender = Pick<Call, "principal" | "flowId" | "name"> & { readonly meter: Meter | undefined };
type Param = (key: string) => string;
const none: Param = () => "";

export function createIngestApp(
  ports: IngestPorts,
  options: IngestOptions,
  door: Door = new Door(ports, options),
  parts: readonly RoutePart[] = [],
): Hono {
  const app = new Hono();
  const on: Routes["on"] = (method, path, answer) => {
    app.on(method, path, (c) => {
      nameRequest(c.req.method, path);
      return door.handle(c.req.raw, (key) => c.req.param(key) ?? "", answer);
    });
  };
  const refuseOthers: Routes["refuseOthers"] = (path, allowed) => {
    app.all(path, async (c) => {
      const response = await door.handle(c.req.raw, none, () => Promise.reject(wrongMethod(allowed)));
      if (response.status === 405) response.headers.set("allow", allowed);
      return response;
    });
  };

  app.get("/health", (c) => {
    const headers = answerHeaders(flowIdOf(c.req.raw, ports.randomness), "text/plain; charset=UTF-8");
    return new Response("OK", { headers });
  });
  on("POST", "/event-types/:name/events", (call) => door.publish(call, publish));
  on("POST", "/event-types/:name/deleted-events", (call) => door.publish(call, publishDeletions));
  refuseOthers("/event-types/:name/deleted-events", "POST");
  const declaring = { ...ports, rules: options.eventTypes };
  const own = [
    eventTypeRoutes(declaring),
    schemaRoutes(declaring),
    cursorRoutes(ports),
    settingsRoutes(ports),
  ];
  for (const addRoutes of [...own, ...parts, otherRoutes]) addRoutes({ on, refuseOthers });
  refuseOthers("/event-types/:name/events", "POST");
  on("POST", "/cloudevents", (call) => door.publishCloudEvents(call));
  refuseOthers("/cloudevents", "POST");
  app.notFound((c) => door.handle(c.req.raw, none, () => Promise.reject(unknownAddress())));
  app.onError((error, c) => door.failed(error, flowIdOf(c.req.raw, ports.randomness)));
  return app;
}

/** The door itself, for those that publish from within the process, too. */
export class Door {
  readonly #ports: IngestPorts;
  readonly #options: IngestOptions;
  readonly #contracts: Contracts;
  readonly #cloudEvents: CloudEvents;
  readonly #inFlight: InFlight;
  readonly #queue: Queue;
  readonly #buffers: BytePool;

  constructor(ports: IngestPorts, options: IngestOptions) {
    const { eventBytes, depth } = options.limits;
    this.#ports = ports;
    this.#options = options;
    this.#buffers = ports.buffers ?? new BytePool();
    const scanned = { maxBytes: eventBytes, maxDepth: depth };
    this.#contracts = new Contracts(ports, scanned);
    this.#cloudEvents = new CloudEvents(ports.kernel, scanned, options.limits.batchEvents);
    this.#inFlight = new InFlight(options.inFlightBytes ?? IN_FLIGHT_BYTES_DEFAULT);
    this.#queue = new Queue(ports.clock, options.queueMs ?? QUEUE_MS_DEFAULT);
  }

  async handle(request: Request, param: Param, answer: Answer): Promise<Response> {
    const flowId = flowIdOf(request, this.#ports.randomness);
    annotate({ flow_id: flowId });
    let principal: Principal | undefined;
    try {
      principal = await authenticateRequest(request, this.#ports.authenticator);
      checkFeatures(this.#ports.registry, request);
      const query = (key: string): string | null => new URL(request.url).searchParams.get(key);
      const json = (): Promise<unknown> => this.#json(request);
      return await answer({ request, flowId, principal, name: param("name"), param, query, json });
    } catch (error) {
      auditRefusal(this.#ports, error, request, { user: principal?.id, flowId });
      return this.failed(error, flowId);
    }
  }

  failed(error: unknown, flowId: string): Response {
    const { logger } = this.#ports;
    if (!(error instanceof MuaraError))
      logger.error("request failed", { flow_id: flowId, ...describeBug(error) });
    else if (error.status >= 500) logger.warn("request refused", { flow_id: flowId, code: error.code });
    const response = errorResponse(error, flowId, retryAfterSeconds(error));
    if (hasCode(error, "quota.exceeded")) {
      response.headers.set("ratelimit-policy", String(error.details["policy"]));
      response.headers.set("ratelimit", String(error.details["left"]));
    }
    return response;
  }

  async publish({ request, flowId, principal, name }: Call, send: typeof publish): Promise<Response> {
    await this.#authorizeWriting(principal, name);
    requireJson(request.headers.get("content-type"));
    await this.#contracts.use(name, () => undefined); // unknown types are refused before the body is read
    this.#queue.admit(); // and so is what would wait too long
    return this.#metered(principal, request, (body, meter) =>
      this.#send({ principal, flowId, name, meter }, body, false, undefined, send),
    );
  }

  /**
   * The one place where the right to write to an event type is looked at, by whichever address.
   * @throws auth.forbidden, auth.blocked
   */
  async #authorizeWriting(principal: Principal, name: string): Promise<void> {
    await authorizeType(this.#ports.registry, principal, "write", name);
    checkNotBlocked(this.#ports.registry, "PRODUCER", principal.id, [name]);
  }

  /** Within the principal's quota: refused before the body is read, told what is left after it. */
  async #metered(
    principal: Principal,
    request: Request,
    use: (body: Uint8Array, meter: Meter | undefined) => Promise<Response>,
  ): Promise<Response> {
    const { quotas, limits } = this.#options;
    const quota = quotas?.of(principal);
    const meter = quota?.admit(Number(request.headers.get("content-length") ?? 0) || 0);
    const response = await this.#withBody(request, limits.bodyBytes, (body) => {
      meter?.bytes(body.length);
      return use(body, meter);
    });
    for (const [name, value] of Object.entries(quota?.headers() ?? {})) response.headers.set(name, value);
    return response;
  }

  /** Each event to the type that it names; the rights are those on that type. */
  async publishCloudEvents({ request, flowId, principal }: Call): Promise<Response> {
    const { headers } = request;
    const mode = modeOf(headers);
    this.#queue.admit();
    return this.#metered(principal, request, (body, meter) =>
      this.#cloudEvents.take({
        mode,
        headers,
        body,
        flowId,
        publish: async (name, events, isDryRun) => {
          await this.#authorizeWriting(principal, name);
          return this.#send({ principal, flowId, name, meter }, events, isDryRun, checkTakesCloudEvents);
        },
      }),
    );
  }

  async #send(
    { principal, flowId, name, meter }: Sender,
    body: Uint8Array,
    isDryRun: boolean,
    check?: (type: EventType) => void,
    send: typeof publish = publish,
  ): Promise<Response> {
    const { log, kernel, randomness } = this.#ports;
    const maxEvents = this.#options.limits.batchEvents;
    return this.#queue.pass(body.length, () =>
      this.#contracts.use(name, (contract) => {
        check?.(contract.type);
        const spare = Math.floor(randomness.fraction() * contract.partitions);
        const { measures } = this.#ports;
        const about = { contract, body, principal, flowId, maxEvents, spare, isDryRun, meter, measures };
        return send(log, kernel, { ...about, buffers: this.#buffers });
      }),
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
    await this.#authorizeWriting(principal, eventType);
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

  samples(): readonly Sample[] {
    return [
      { name: "muara_ingest_body_bytes", labels: {}, value: this.#inFlight.bytes },
      { name: "muara_ingest_wait_seconds", labels: {}, value: this.#queue.expectedWaitMs() / 1_000 },
    ];
  }

  /** Appends events that another Nakadi has accepted, good or bad. @throws event_type.not_found, log.closed */
  async pull(batch: PulledBatch, signal: AbortSignal): Promise<Taken> {
    const { eventBytes } = this.#options.limits;
    return this.#contracts.use(batch.eventType, (contract) =>
      takePulled(this.#ports, contract, batch, eventBytes, signal),
    );
  }

  async #json(request: Request): Promise<unknown> {
    requireJson(request.headers.get("content-type"));
    return this.#withBody(request, DECLARATION_BYTES_MAX, async (bytes) => parseBody(bytes));
  }

  /** Reads the body within its own bound and the one of all requests together: `use` has it until it is done. */
  async #withBody<Result>(
    request: Request,
    maxBytes: number,
    use: (body: Uint8Array) => Promise<Result>,
  ): Promise<Result> {
    const reservation = this.#inFlight.enter();
    const loan = new ByteLoan(this.#buffers);
    try {
      const result = await use(
        await readBody(request, { maxBytes, reserve: reservation.take, supply: loan }),
      );
      // After a failure some of the body may still be under way.
      loan.end();
      return result;
    } finally {
      reservation.release();
    }
  }
}

/** @throws event_type.category */
function checkTakesCloudEvents({ name, category }: EventType): void {
  if (category === "cloudevent") return;
  const message = `"${name}" is of category ${category}; CloudEvents go to types of category cloudevent.`;
  throw new MuaraError("event_type.category", message, { details: { event_type: name, category } });
}

/** What `Retry-After` says: about when the queue is short again. */
function retryAfterSeconds(error: unknown): number {
  if (hasCode(error, "log.full")) return FULL_SECONDS;
  const waitMs = error instanceof MuaraError ? error.details["wait_ms"] : undefined;
  if (typeof waitMs !== "number") return 1;
  const seconds = Math.max(1, Math.ceil(waitMs / 1_000));
  // A quota is known to the second, a queue only about.
  return hasCode(error, "quota.exceeded") ? seconds : Math.min(RETRY_AFTER_SECONDS_MAX, seconds);
}

function wrongMethod(allowed: string): MuaraError {
  return new MuaraError("request.method", `This address only knows ${allowed}.`);
}

function unknownAddress(): MuaraError {
  return new MuaraError("request.not_found", "Nothing lives at this address.");
}
