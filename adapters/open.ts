/** Addresses to adapters: the URL's scheme picks the system, and only the one picked is loaded. */
import process from "node:process";
import { MuaraError } from "../core/errors.ts";
import type { Clock, Randomness } from "../core/clock.ts";
import type { AlertReceiver } from "../core/alert-receiver.ts";
import type { Config } from "../core/config.ts";
import type { Logger } from "../core/logger.ts";
import type { BearerVerifier } from "../core/ports/bearer-verifier.ts";
import type { AlertNotifier } from "../core/ports/alert-notifier.ts";
import type { Lineage } from "../core/ports/lineage.ts";
import type { Log } from "../core/ports/log.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";
import type { Outgoing } from "../core/ports/outgoing.ts";
import { type Ownership, soleOwnership } from "../core/ports/ownership.ts";
import type { Sink } from "../core/ports/sink.ts";
import type { OpenSource } from "../core/ports/source-database.ts";
import type { DatabaseAddress } from "../core/database-address.ts";
import type { ReadSecret } from "../core/secret.ts";
import { switchTracing } from "../core/trace.ts";
import type { PostgresSinkOptions } from "./pg/sink.ts";
import type { SinkPlaces } from "./pg/sink-places.ts";
import type { SearchSinkRequest } from "./elasticsearch/open.ts";
import { createWebhookSink, type WebhookOptions } from "./http/webhook-sink.ts";

const MIB = 1_048_576;

export interface AdapterServices {
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
  /** Called once when the log can no longer promise durability; the process must end. */
  readonly onFatal: (error: unknown) => void;
}

/** @throws config.invalid for a scheme that no adapter serves */
export async function openLog(
  address: string,
  journal: Config["journal"],
  services: AdapterServices,
): Promise<Log> {
  const { scheme, rest } = split(address);
  switch (scheme) {
    case "file": {
      const { openFileLog } = await import("./file/log.ts");
      return openFileLog({
        directory: rest,
        segmentBytes: journal.segmentBytes,
        pendingBytesMax: journal.pendingBytes,
        diskBytesMax: journal.diskBytes,
        cacheBytes: journal.cacheBytes,
        ...services,
      });
    }
    case "kafka": {
      const { openKafkaLogAt } = await import("./kafka/open.ts");
      return openKafkaLogAt(address, process.env, journal, services);
    }
    case "memory": {
      const { createMemoryLog } = await import("./memory/log.ts");
      return createMemoryLog(services);
    }
    case "s3": {
      const { openS3LogAt } = await import("./s3/open.ts");
      return openS3LogAt(address, process.env, journal, services);
    }
    default:
      throw unknownScheme("log", scheme);
  }
}

/** A log in a folder that nobody writes; nothing in it is changed. @throws log.locked, log.corrupt, log.identity */
export async function openClosedLog(folder: string, services: AdapterServices): Promise<Log> {
  const { openFileLog } = await import("./file/log.ts");
  return openFileLog({ directory: folder, readOnly: true, ...services });
}

/** @throws config.invalid for a scheme that no adapter serves */
export async function openObjectStore(
  address: string,
  services: AdapterServices,
  upload?: Config["upload"],
): Promise<ObjectStore> {
  const { scheme, rest } = split(address);
  switch (scheme) {
    case "file": {
      const { createFileObjectStore } = await import("./file/object-store.ts");
      return createFileObjectStore({ root: rest, ...services });
    }
    case "memory": {
      const { createMemoryObjectStore } = await import("./memory/object-store.ts");
      return createMemoryObjectStore(services);
    }
    case "s3": {
      const { openS3StoreAt } = await import("./s3/open.ts");
      return openS3StoreAt(address, process.env, services, upload);
    }
    default:
      throw unknownScheme("lake", scheme);
  }
}

/**
 * Begins to make spans, where the configuration or a variable of OpenTelemetry says where they go; Deno sends them by
 * itself. @returns undefined where none are made, so that nothing of it is even loaded
 * @throws config.invalid
 */
export async function openTracing(
  { traces }: Pick<Config, "traces">,
  version: string,
): Promise<{ close(): Promise<void> } | undefined> {
  const { env } = process;
  if (env["OTEL_SDK_DISABLED"]?.toLowerCase() === "true") return undefined;
  if ("Deno" in globalThis && env["OTEL_DENO"] === "true") {
    switchTracing(true);
    return { close: async () => switchTracing(false) };
  }
  const variables = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
  if (traces.endpoint === undefined && !variables.some((name) => env[name])) return undefined;
  const { openTracing: open } = await import("./otel/open.ts");
  const tracing = open(traces.endpoint, version, env);
  switchTracing(true);
  return {
    close: async () => {
      switchTracing(false);
      await tracing.close();
    },
  };
}

/** Tells others what was made of what; undefined where nobody is named. @throws config.invalid */
export async function openLineage(
  config: Pick<Config, "lineage" | "data" | "log" | "lake">,
  services: AdapterServices & { readonly outgoing: Outgoing },
  version: string,
): Promise<Lineage | undefined> {
  const { url, file, namespace, queue } = config.lineage;
  if (url === undefined && file === undefined) return undefined;
  if (url !== undefined && file !== undefined)
    throw new MuaraError("config.invalid", "lineage: either url or file, not both", {
      details: { key: "lineage" },
    });
  const [{ createLineage }, { lineagePlaces }, { postLineage }, { appendLines }, path] = await Promise.all([
    import("../core/lineage-sender.ts"),
    import("../core/lineage-places.ts"),
    import("./http/lineage-post.ts"),
    import("./file/line-file.ts"),
    import("node:path"),
  ]);
  const data = path.resolve(config.data);
  return createLineage(services, {
    namespace,
    queue,
    producer: `urn:muara:${version}`,
    places: lineagePlaces(config.log ?? `${data}/log`, config.lake ?? `${data}/lake`),
    ...(file === undefined
      ? { batch: 1, send: postLineage(services, url!) }
      : { batch: 100, send: appendLines(file) }),
  });
}

/** Where deliveries go. */
export function sinkOpeners(services: { readonly outgoing: Outgoing; readonly clock: Clock }): {
  readonly webhook: (options: WebhookOptions) => Sink;
  readonly log: (address: string) => Promise<Log>;
  readonly postgres: (options: Omit<PostgresSinkOptions, "places">, connectionsMax: number) => Promise<Sink>;
  readonly elasticsearch: (request: SearchSinkRequest) => Promise<Sink>;
} {
  /** By address. */
  const places = new Map<DatabaseAddress, SinkPlaces>();
  return {
    postgres: async (options, connectionsMax) => {
      const [{ createPostgresSink }, { createSinkPlaces }] = await Promise.all([
        import("./pg/sink.ts"),
        import("./pg/sink-places.ts"),
      ]);
      const { address } = options;
      const own = places.get(address) ?? createSinkPlaces(connectionsMax);
      places.set(address, own);
      return createPostgresSink({ ...options, places: own });
    },
    elasticsearch: async (request) => {
      const { openSearchSink } = await import("./elasticsearch/open.ts");
      return openSearchSink(services.clock, request);
    },
    webhook: (options) => createWebhookSink(services, options),
    log: async (address) => {
      const { openKafkaLogAt } = await import("./kafka/open.ts");
      return openKafkaLogAt(address, process.env, { pendingBytes: MIB * 64, cacheBytes: MIB }, services);
    },
  };
}

/** Whom alerts are told to. Trying again is the caller's. */
export async function notifierOpener(
  services: Pick<AdapterServices, "clock" | "randomness"> & {
    readonly outgoing: Outgoing;
    readonly readSecret: ReadSecret;
  },
  { resendMs, sendMs, externalUrl }: Config["alerts"],
): Promise<(name: string, receiver: AlertReceiver) => AlertNotifier> {
  const [{ createAlertmanagerNotifier }, { createAlertWebhook }] = await Promise.all([
    import("./alertmanager/notifier.ts"),
    import("./alertmanager/webhook.ts"),
  ]);
  return (name, { alertmanager, webhook, bearer }) => {
    const { readSecret } = services;
    const headers = async (): Promise<Record<string, string>> =>
      bearer ? { authorization: `Bearer ${(await readSecret(bearer)).trim()}` } : {};
    const common = { headers, timeoutMs: sendMs, externalUrl };
    return webhook === undefined
      ? createAlertmanagerNotifier(services, {
          ...common,
          urls: alertmanager!,
          resendMs,
          attempts: 1,
          pauseMsMax: 0,
        })
      : createAlertWebhook(services, { ...common, name, url: webhook });
  };
}

/** Databases of the configuration, by name. */
export function sourceOpener({ postgres }: Pick<Config, "postgres">, clock: Clock): OpenSource {
  return async (name) => {
    const address = Object.hasOwn(postgres, name) ? postgres[name] : undefined;
    if (!address)
      throw new MuaraError("config.invalid", `postgres has no "${name}"`, { details: { key: "postgres" } });
    const [{ openDatabase }, { readSecret }] = await Promise.all([
      import("./pg/database.ts"),
      import("./file/secret.ts"),
    ]);
    return openDatabase(address, { readSecret, clock });
  };
}

/** What takes tokens of the configured issuers; undefined where there are none. */
export async function openVerifier(
  { issuers }: Pick<Config, "issuers">,
  services: AdapterServices & { readonly outgoing: Outgoing },
): Promise<BearerVerifier | undefined> {
  if (Object.keys(issuers).length === 0) return undefined;
  const { createOidcVerifier } = await import("./oidc/verifier.ts");
  return createOidcVerifier(issuers, services);
}

/**
 * Who does what, among the processes that share the log at this address: only a log on Kafka has a group.
 * @param service what is shared; absent: landing
 * @throws config.invalid
 */
export async function openOwnership(
  address: string | undefined,
  services: AdapterServices,
  service?: "jobs" | "rules",
): Promise<Ownership> {
  if (!address?.startsWith("kafka:")) return soleOwnership;
  const { openKafkaOwnershipAt } = await import("./kafka/open.ts");
  return openKafkaOwnershipAt(address, process.env, services, service);
}

function split(address: string): { scheme: string; rest: string } {
  const at = address.indexOf(":");
  return at < 2
    ? { scheme: "file", rest: address }
    : { scheme: address.slice(0, at), rest: address.slice(at + 1) };
}

function unknownScheme(key: string, scheme: string): MuaraError {
  return new MuaraError(
    "config.invalid",
    `${key}: no adapter for "${scheme}:"; this release has file:, s3:, memory: and for the log kafka:`,
    {
      details: { key, scheme },
    },
  );
}
