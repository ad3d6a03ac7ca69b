/** A door over a log in memory and the real kernel, and requests to it. */
import { readFileSync } from "node:fs";
import { createMemoryLog, type MemoryLogFaults } from "../../../adapters/memory/log.ts";
import { EVERYTHING, type Grant } from "../../../core/authorize.ts";
import type { BytePool } from "../../../core/byte-pool.ts";
import { ManualClock, seededRandomness } from "../../../core/clock.ts";
import { createKernel, type Kernel } from "../../../core/kernel.ts";
import { createLogger } from "../../../core/logger.ts";
import type { Log } from "../../../core/ports/log.ts";
import { headerOf, keyOf, payloadOf } from "../../../core/record.ts";
import { type QuotaConfig, Quotas } from "../../../core/quota.ts";
import { Registry } from "../../../core/registry.ts";
import { Authenticator, createToken } from "../../../core/token.ts";
import { createIngestApp, Door as IngestDoor, type IngestOptions } from "../../../workers/ingest/app.ts";
import { lowLevelRoutes } from "../../../workers/ingest/streams/low-level.ts";
import { subscriptionRoutes } from "../../../workers/ingest/subscriptions/routes.ts";
import {
  createSubscriptions,
  type Subscriptions,
} from "../../../workers/ingest/subscriptions/subscriptions.ts";
import {
  StreamHost,
  type StreamLimits,
  type StreamPorts,
} from "../../../workers/ingest/streams/stream-host.ts";

export const NOW_MS: number = Date.parse("2026-03-01T12:00:00Z");
export const LIMITS: IngestOptions["limits"] = {
  eventBytes: 999_000,
  bodyBytes: 8_388_608,
  batchEvents: 10_000,
  depth: 64,
};

export const STREAMS: StreamLimits = {
  bufferBytes: 1_048_576,
  perPrincipal: 20,
  perPartition: 5,
  partitions: 100,
  nodeMs: 15_000,
};

/** Each door is a process of its own to the registry, also where several stand over one log. */
let doorCount = 0;

const wasm = new WebAssembly.Module(readFileSync(new URL("../../../core-as/kernel.wasm", import.meta.url)));

export interface StoredEvent {
  readonly partition: number;
  readonly offset: number;
  readonly payload: string;
  readonly bytes: Uint8Array;
  readonly key: string | null;
  readonly header: Record<string, unknown>;
}

export interface Door {
  readonly log: Log;
  readonly registry: Registry;
  readonly kernel: Kernel;
  readonly clock: ManualClock;
  readonly streams: StreamHost;
  readonly subscriptions: Subscriptions;
  readonly faults: MemoryLogFaults;
  /** Everything logged so far. */
  readonly lines: string[];
  readonly admin: string;
  /** Every method and path that is answered; ALL: what is left of the methods. */
  readonly routes: readonly { readonly method: string; readonly path: string }[];
  fetch(request: Request): Promise<Response>;
  /** A token with these grants. */
  token(grants: readonly Grant[], expiresMs?: number | null): Promise<string>;
  declare(declared: Record<string, unknown>): Promise<Response>;
  publish(name: string, body: BodyInit, headers?: Record<string, string>): Promise<Response>;
  /** Everything stored of an event type, by partition and offset. */
  stored(name: string): Promise<StoredEvent[]>;
}

export interface DoorOptions extends Partial<Omit<IngestOptions, "quotas">> {
  readonly quotas?: QuotaConfig;
  readonly isOpen?: boolean;
  readonly log?: Log;
  /** Of the log, where it is given. */
  readonly clock?: ManualClock;
  readonly streams?: Partial<StreamLimits>;
  readonly isAlone?: boolean;
  readonly buffers?: BytePool;
  /** Of streams; absent: they are not compressed. */
  readonly compress?: StreamPorts["compress"];
}

export async function createDoor(options: DoorOptions = {}): Promise<Door> {
  const clock = options.clock ?? new ManualClock(NOW_MS);
  const randomness = seededRandomness(7 + doorCount);
  const faults: MemoryLogFaults = {};
  const log = options.log ?? createMemoryLog({ clock, randomness, faults });
  const registry = await Registry.open(log, `door-${++doorCount}`, clock);
  const kernel = createKernel(wasm, new Uint8Array(16).fill(5));
  const lines: string[] = [];
  const logger = createLogger(
    (line) => lines.push(line),
    "debug",
    () => clock.nowMs(),
  );
  const authenticator = options.isOpen ? null : new Authenticator(registry, clock);
  const { buffers } = options;
  const ports = { log, registry, kernel, authenticator, clock, randomness, logger, buffers };
  const quotas = options.quotas && new Quotas(options.quotas, clock);
  const ingestOptions = { limits: LIMITS, ...options, quotas };
  const streams = new StreamHost(
    { ...ports, quotas, compress: options.compress },
    { ...STREAMS, ...options.streams },
  );
  const subscriptions = createSubscriptions(streams, options.isAlone ?? false);
  const parts = [lowLevelRoutes(streams), subscriptionRoutes(subscriptions)];
  const app = createIngestApp(ports, ingestOptions, new IngestDoor(ports, ingestOptions), parts);
  const token = async (grants: readonly Grant[], expiresMs: number | null = null): Promise<string> => {
    const { text, declared } = await createToken("test", grants, NOW_MS, expiresMs);
    await registry.put("token", declared.id, 0, declared);
    return text;
  };
  const admin = await token(EVERYTHING);
  const post = async (
    path: string,
    body: BodyInit,
    headers: Record<string, string> = {},
  ): Promise<Response> =>
    app.fetch(
      new Request(`http://muara.test${path}`, {
        method: "POST",
        body,
        headers: { authorization: `Bearer ${admin}`, "content-type": "application/json", ...headers },
        duplex: "half",
      } as RequestInit),
    );
  return {
    log,
    registry,
    kernel,
    clock,
    streams,
    subscriptions,
    faults,
    lines,
    admin,
    routes: app.routes.map(({ method, path }) => ({ method, path })),
    token,
    fetch: async (request) => app.fetch(request),
    declare: (declared) => post("/event-types", JSON.stringify(declared)),
    publish: (name, body, headers) => post(`/event-types/${name}/events`, body, headers),
    stored: (name) => storedEvents(log, name),
  };
}

export async function storedEvents(log: Log, name: string): Promise<StoredEvent[]> {
  const stream = await log.stream(name);
  const events: StoredEvent[] = [];
  const decoder = new TextDecoder();
  for (let partition = 0; partition < (stream?.partitions ?? 0); partition++) {
    const { endOffset } = await log.bounds(name, partition);
    for (let next = 0; next < endOffset;) {
      const batch = await log.read(name, partition, next, 16_777_216);
      for (let i = 0; i < batch.count; i++) {
        const bytes = payloadOf(batch, i)!;
        const key = keyOf(batch, i);
        events.push({
          partition,
          offset: batch.offsets[i]!,
          payload: decoder.decode(bytes),
          bytes,
          key: key && decoder.decode(key),
          header: JSON.parse(decoder.decode(headerOf(batch, i))),
        });
      }
      next = batch.next;
    }
  }
  return events;
}

/** A declaration of an event type that accepts any object. */
export function declaration(name: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  const schema = more["schema"] ?? { type: "object" };
  return {
    owning_application: "shop",
    category: "business",
    ...more,
    name,
    schema: { type: "json_schema", schema: typeof schema === "string" ? schema : JSON.stringify(schema) },
  };
}

let events = 0;
/** A business event with an id of its own. */
export function event(more: Record<string, unknown> = {}, metadata: Record<string, unknown> = {}): object {
  const eid = `00000000-0000-4000-8000-${(++events).toString(16).padStart(12, "0")}`;
  return { metadata: { eid, occurred_at: "2026-03-01T11:59:59.5Z", ...metadata }, ...more };
}

/** Tokens as a list of readers has them. */
export function listed(tokens: readonly string[]): object[] {
  return tokens.map((token) => ({ data_type: "service", value: `token:${token.split("_")[1]!}` }));
}
