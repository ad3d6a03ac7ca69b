/**
 * The cluster as a client knows it: brokers, topics with their leaders, and connections. Nothing is created by asking
 * for it. What is known is asked for again when somebody needs it fresh, or when a broker says that it is outdated;
 * of several who need it at the same time one asks for all, in one request.
 */
import { apiVersionsV3, type Connection, ConnectionPool, metadataV12 } from "@platformatic/kafka";
import type { Clock } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import { CODE, isTlsAlert, logError, mayPass, NotSent, Refusal } from "./failure.ts";

export type ConnectionOptions = NonNullable<ConstructorParameters<typeof ConnectionPool>[1]>;

export interface Broker {
  readonly host: string;
  readonly port: number;
}

export interface Topic {
  readonly name: string;
  /** Of this incarnation of the topic. */
  readonly id: string;
  /** [partition] the broker that leads it; -1: none at the moment */
  readonly leaders: readonly number[];
}

/** A partition of one incarnation of a topic. */
export interface Place {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
}

export interface ClusterOptions {
  readonly brokers: readonly Broker[];
  readonly clock: Clock;
  /** TLS and SASL. */
  readonly security: Pick<ConnectionOptions, "tls" | "sasl" | "tlsServerName">;
  /** A broker that answers nothing for this long is taken for gone, ms. */
  readonly requestMs: number;
  /** What does not come about within this is given up, ms. */
  readonly patienceMs: number;
  /** As if the brokers were as old as they may be. */
  readonly isOld?: boolean | undefined;
}

const CLIENT = "muara";
const CONNECT_MS = 5_000;
const PAUSE_MS = 20;
const PAUSE_MS_MAX = 1_000;
/** Requests of which one connection carries several; a broker answers them in order. */
const INFLIGHT_MAX = 16;
/** Topic ids in fetches, and no older than everything else that is asked: Kafka 3.1. */
const NEEDED: readonly (readonly [api: string, key: number, version: number])[] = [
  ["Fetch", 1, 13],
  ["Produce", 0, 9],
  ["Metadata", 3, 12],
  ["ListOffsets", 2, 7],
];
const PRODUCE = 0;
/** From here on a topic is written to by its identity (KIP-516, Kafka 4.1), as it is read. */
const PRODUCE_BY_ID = 13;
/** There is no such topic, or there can be none. */
const NONE: ReadonlySet<number> = new Set([CODE.unknownTopicOrPartition, CODE.invalidTopic]);

export class Cluster {
  readonly #options: ClusterOptions;
  /** One for writing, one for everything else: a broker answers the requests of a connection one after the other. */
  readonly #pools: Readonly<Record<"read" | "write", ConnectionPool>>;
  readonly #topics = new Map<string, { readonly topic: Topic | undefined; readonly seenMs: number }>();
  #brokers = new Map<number, Broker>();
  #id = "";
  /** -1: not known */
  #controller = -1;
  #writesById = false;
  readonly #watched = new WeakSet<Connection>();
  /** Why a connection was ended from the other side after TLS stood: what it carried is told only that it closed. */
  #denial: unknown;
  #isClosed = false;
  #refresh: { readonly names: ReadonlySet<string>; readonly done: Promise<void> } | undefined;

  constructor(options: ClusterOptions) {
    this.#options = options;
    const { security, requestMs } = options;
    const pool = (): ConnectionPool =>
      new ConnectionPool(CLIENT, {
        ...security,
        connectTimeout: CONNECT_MS,
        requestTimeout: requestMs,
        maxInflights: INFLIGHT_MAX,
      });
    this.#pools = { read: pool(), write: pool() };
  }

  get id(): string {
    return this.#id;
  }

  /** Whether a request to append names the topic's identity, and not its name alone. */
  get writesById(): boolean {
    return this.#writesById;
  }

  get clock(): Clock {
    return this.#options.clock;
  }

  get requestMs(): number {
    return this.#options.requestMs;
  }

  get patienceMs(): number {
    return this.#options.patienceMs;
  }

  /** @throws log.unavailable, log.refused; config.invalid where the brokers are too old */
  async open(): Promise<void> {
    await this.persist("Kafka cannot be reached", async () => {
      const connection = await this.anyConnection();
      const { apiKeys } = await apiVersionsV3.api.async(connection, CLIENT, "1");
      for (const [api, key, version] of NEEDED) {
        const offered = apiKeys.find(({ apiKey }) => apiKey === key);
        if (!offered || offered.maxVersion < version || offered.minVersion > version)
          throw new MuaraError(
            "config.invalid",
            `kafka: the brokers do not offer ${api} ${version} (Kafka 3.1 does)`,
          );
      }
      const produce = apiKeys.find(({ apiKey }) => apiKey === PRODUCE);
      this.#writesById = !this.#options.isOld && (produce?.maxVersion ?? 0) >= PRODUCE_BY_ID;
      await this.#load(new Set());
    });
  }

  /**
   * Repeats what fails in ways that pass, until patience ends.
   * @throws log.unavailable where it ends; log.refused and errors of ours at once
   */
  async persist<Value>(what: string, work: () => Promise<Value>, patienceMs?: number): Promise<Value> {
    const { clock } = this.#options;
    const deadlineMs = clock.monotonicMs() + (patienceMs ?? this.#options.patienceMs);
    for (let failures = 1; ; failures++) {
      try {
        return await work();
      } catch (caught) {
        if (this.#isClosed) throw new MuaraError("log.closed", "the log is closed");
        const error = this.#denial ?? caught;
        this.#denial = undefined;
        if (!mayPass(error) || clock.monotonicMs() >= deadlineMs) throw logError(error, what);
      }
      this.forget();
      await this.pause(failures);
    }
  }

  /** @param failures how many there were in a row */
  pause(failures: number): Promise<void> {
    const ms = Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** Math.min(failures - 1, 10));
    return this.#options.clock.sleep(ms);
  }

  /** Whom to ask is asked anew before the next request. */
  forget(): void {
    this.#topics.clear();
  }

  /** @param maxAgeMs what is known is good enough unless it is older. @returns undefined where there is none */
  async topic(name: string, maxAgeMs = Infinity): Promise<Topic | undefined> {
    const known = this.#topics.get(name);
    const { clock } = this.#options;
    if (known?.topic && clock.monotonicMs() - known.seenMs <= maxAgeMs) return known.topic;
    const running = this.#refresh;
    if (running?.names.has(name)) await running.done;
    else await this.#begin(new Set([name, ...this.#topics.keys()]));
    return this.#topics.get(name)?.topic;
  }

  /** All of the cluster but those that Kafka has for itself. */
  async allTopics(): Promise<readonly Topic[]> {
    await this.#load(undefined);
    return [...this.#topics.values()].flatMap(({ topic }) => topic ?? []);
  }

  /** @throws Refusal where nobody leads it at the moment, NotSent where the leader cannot be reached */
  async leader(
    name: string,
    partition: number,
    use: "read" | "write",
  ): Promise<{ readonly node: number; readonly connection: Connection }> {
    const topic = await this.topic(name);
    if (!topic)
      throw new MuaraError("log.stream_not_found", `Kafka has no topic ${name}`, {
        details: { topic: name },
      });
    const node = topic.leaders[partition];
    if (node === undefined) throw new Refusal(CODE.unknownTopicOrPartition, `${name}/${partition}`);
    return { node, connection: await this.connectionTo(node, use) };
  }

  async connectionTo(node: number, use: "read" | "write"): Promise<Connection> {
    const broker = this.#brokers.get(node);
    if (!broker) throw new Refusal(CODE.leaderNotAvailable, `broker ${node}`);
    try {
      return this.#watch(await this.#pools[use].get(broker));
    } catch (error) {
      throw new NotSent(`${broker.host}:${broker.port}`, { cause: error });
    }
  }

  /** Who carries out what changes topics: a broker that is not it may refuse. */
  async controller(): Promise<Connection> {
    if (this.#controller < 0) await this.#load(new Set(this.#topics.keys()));
    const controller = this.#controller;
    this.#controller = -1; // looked up again for the next request, which is rare
    return this.#brokers.has(controller) ? this.connectionTo(controller, "read") : this.anyConnection();
  }

  /** Those that were named first; one of them answers for the cluster. */
  async anyConnection(): Promise<Connection> {
    const named = this.#options.brokers.map(({ host, port }) => ({ host, port }));
    const others = [...this.#brokers.values()].filter(
      ({ host, port }) => !named.some((one) => one.host === host && one.port === port),
    );
    return this.#watch(await this.#pools.read.getFirstAvailable([...named, ...others]));
  }

  #watch(connection: Connection): Connection {
    if (this.#watched.has(connection)) return connection;
    this.#watched.add(connection);
    connection.on("error", (error) => {
      if (isTlsAlert(error)) this.#denial = error;
    });
    return connection;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(Object.values(this.#pools).map((pool) => pool.close()));
  }

  #begin(names: ReadonlySet<string>): Promise<void> {
    const done = this.#load(names).finally(() => {
      if (this.#refresh?.done === done) this.#refresh = undefined;
    });
    this.#refresh = { names, done };
    return done;
  }

  /** @param names undefined: all */
  async #load(names: ReadonlySet<string> | undefined): Promise<void> {
    const connection = await this.anyConnection();
    const { brokers, clusterId, controllerId, topics } = await askMetadata(connection, names && [...names]);
    this.#brokers = new Map(brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]));
    if (typeof clusterId !== "string" || brokers.length === 0)
      throw new Refusal(CODE.leaderNotAvailable, "the cluster");
    if (this.#id !== "" && clusterId !== this.#id)
      throw new MuaraError(
        "log.identity",
        `kafka: another cluster (${clusterId}) answers in place of ${this.#id}`,
      );
    this.#id = clusterId;
    this.#controller = controllerId;
    const seenMs = this.#options.clock.monotonicMs();
    for (const name of names ?? []) this.#topics.set(name, { topic: undefined, seenMs });
    for (const { name, topicId, errorCode, isInternal, partitions } of topics) {
      if (typeof name !== "string" || isInternal || NONE.has(errorCode)) continue;
      if (errorCode !== 0) throw new Refusal(errorCode, name);
      const leaders = partitions
        .toSorted((a, b) => a.partitionIndex - b.partitionIndex)
        .map(({ leaderId }) => leaderId);
      this.#topics.set(name, { topic: { name, id: topicId, leaders }, seenMs });
    }
  }
}

/**
 * @param maxAgeMs what is known here is good enough unless it is older
 * @throws log.identity where the topic is another one now, as far as is known
 */
export async function checkIdentity(
  cluster: Cluster,
  { topic, topicId }: Place,
  maxAgeMs = Infinity,
): Promise<void> {
  const found = await cluster.topic(topic, maxAgeMs);
  if (!found || found.id === topicId) return;
  throw new MuaraError("log.identity", `topic ${topic} was deleted and created anew`, {
    details: { topic, recorded: topicId, present: found.id },
  });
}

type Metadata = ReturnType<typeof metadataV12.parseResponse>;

/** A topic that is not there is an answer here, no error. */
async function askMetadata(connection: Connection, names: string[] | undefined): Promise<Metadata> {
  try {
    return await metadataV12.api.async(connection, names ?? null, false, false);
  } catch (error) {
    const { response } = error as { response?: Metadata };
    if (response?.topics) return response;
    throw error;
  }
}
