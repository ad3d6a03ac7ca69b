/**
 * Ownership by a Kafka group on the topic `muara.owners`, which has no records: a name belongs to one of its
 * partitions by its hash, and the group's coordinator deals the partitions out to the members (KIP-848, the
 * assignment is the broker's and moves as little as it can). A member that dies is missed after the broker's
 * `group.consumer.session.timeout.ms`; one that ends in order says so.
 *
 * Surprising rules. Nobody waits for anybody: what was owned is worked on until something else is heard, also while
 * no broker answers. And a group that cannot be had (old brokers, no rights, no coordinator) makes every process the
 * owner of everything: that is slower, and right, where nobody would be the owner otherwise.
 */
import { apiVersionsV3, consumerGroupHeartbeatV1, findCoordinatorV4 } from "@platformatic/kafka";
import type { Clock, Randomness } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import { javaHash, partitionOfIdentity } from "../../core/partition.ts";
import type { Ownership } from "../../core/ports/ownership.ts";
import { Cluster, type ClusterOptions, type Topic } from "./cluster.ts";
import { CODE, codesOf, mayPass, Refusal, wordsOf } from "./failure.ts";
import { createTopic, type TopicOptions } from "./topics.ts";

/** Behind the prefix, the topic's name and that of landing's group; other services' groups have theirs behind it. */
export const OWNERS = "muara.owners";
/** More than a group has members; names are spread over them by hash. */
const PARTITIONS = 64;
const GROUP_KEY = 0;
/** Member epochs that say: I am new, I go. */
const JOIN = 0;
const LEAVE = -1;
/** For a time that was told before. */
const UNCHANGED = -1;
/** For `rebalance.timeout`: until a member has given up what it is told to; it does so at once. */
const RELEASE_MS = 30_000;
/** What changed is heard after this at the latest, however seldom the broker wants to hear of us, ms. */
const BEAT_MS_MAX = 1_000;
const LEAVE_MS_MAX = 2_000;
/** A process that never got into the group for this long takes everything, ms. */
const ALONE_AFTER_MS = 10_000;
/** A group that refused is asked again after this, ms. */
const REFUSED_MS = 30_000;
/** What is known of the topic is asked for again after this, ms. */
const TOPIC_MS = 10_000;
const CODES = { unknownMember: 25, groupRefused: 30, unsupported: 35, full: 81, fencedEpoch: 110 } as const;

const NO_GROUPS = "the brokers do not offer groups as of Kafka 4.0 (group.coordinator.rebalance.protocols)";

/** Each deals out names of its own, since a process that does the one may not do the other. */
export type OwnershipService = "jobs" | "rules";

export interface OwnershipServices {
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
}

export interface KafkaOwnershipOptions extends TopicOptions, OwnershipServices {
  readonly brokers: ClusterOptions["brokers"];
  readonly prefix: string;
  readonly security: ClusterOptions["security"];
  /** Of those that share its names; absent: landing. */
  readonly service?: OwnershipService | undefined;
  /** A broker that answers nothing for this long is taken for gone, ms. */
  readonly requestMs?: number;
  readonly aloneAfterMs?: number;
}

/** Joins the group in the background: until that has come about this process owns nothing. */
export function openKafkaOwnership(options: KafkaOwnershipOptions): Ownership {
  return new GroupOwnership(options);
}

class GroupOwnership implements Ownership {
  readonly #options: KafkaOwnershipOptions;
  readonly #cluster: Cluster;
  readonly #name: string;
  readonly #group: string;
  readonly #memberId: string;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #epoch = JOIN;
  #coordinator: number | undefined;
  #owned: ReadonlySet<number> = new Set();
  #partitions = PARTITIONS;
  #wasMember = false;
  #ownsAll = false;
  #troubleSinceMs: number | undefined;

  constructor(options: KafkaOwnershipOptions) {
    this.#options = options;
    const { brokers, security, clock, requestMs = 5_000 } = options;
    // Patience is this file's own: a beat that fails is followed by another.
    this.#cluster = new Cluster({ brokers, security, clock, requestMs, patienceMs: 0 });
    this.#name = `${options.prefix}${OWNERS}`;
    this.#group = options.service === undefined ? this.#name : `${this.#name}.${options.service}`;
    this.#memberId = options.randomness.uuid();
    this.#running = this.#run();
  }

  owns(name: string): boolean {
    return this.#ownsAll || this.#owned.has(partitionOfIdentity(javaHash(name), 0, this.#partitions));
  }

  get isDealt(): boolean {
    return !this.#ownsAll;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    const done = new AbortController();
    await Promise.race([this.#leave(), this.#options.clock.sleep(LEAVE_MS_MAX, done.signal)]);
    done.abort();
    this.#owned = new Set();
    this.#ownsAll = false;
    await this.#cluster.close();
  }

  /** Who does not hear of it misses this member after the session's timeout. */
  async #leave(): Promise<void> {
    await this.#running;
    if (this.#epoch === JOIN || this.#coordinator === undefined) return;
    await this.#send(this.#coordinator, LEAVE).catch(() => undefined);
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stop;
    const startedMs = clock.monotonicMs();
    for (let failures = 0; !signal.aborted;) {
      let dueMs: number;
      try {
        dueMs = await this.#beat();
        failures = 0;
        this.#settled();
      } catch (error) {
        if (signal.aborted) return;
        this.#cluster.forget();
        this.#coordinator = undefined;
        dueMs = this.#failed(error, ++failures, startedMs);
      }
      await clock.sleep(dueMs, signal);
    }
  }

  /** @returns when the next one is due, ms */
  async #beat(): Promise<number> {
    const topic = await this.#topic();
    this.#partitions = topic.leaders.length;
    this.#coordinator ??= await this.#find();
    const epoch = this.#epoch;
    const told = epoch === JOIN ? new Set<number>() : this.#owned;
    try {
      const answer = await this.#send(this.#coordinator, epoch, topic.id, told);
      this.#epoch = answer.memberEpoch;
      if (answer.assignment) {
        const given = answer.assignment.topicPartitions.filter(({ topicId }) => topicId === topic.id);
        this.#adopt(new Set(given.flatMap(({ partitions }) => partitions)));
      }
      // What is given up becomes somebody else's once we say so.
      return isSame(told, this.#owned) ? Math.min(answer.heartbeatIntervalMs, BEAT_MS_MAX) : 0;
    } catch (error) {
      const codes = codesOf(error);
      if (!codes.includes(CODES.unknownMember) && !codes.includes(CODES.fencedEpoch)) throw error;
      // We were taken for dead. What we had stays ours until we hear what we have now.
      this.#epoch = JOIN;
      return epoch === JOIN ? BEAT_MS_MAX : 0;
    }
  }

  #adopt(given: ReadonlySet<number>): void {
    const isNews = !this.#wasMember || this.#ownsAll || !isSame(given, this.#owned);
    this.#owned = given;
    this.#ownsAll = false;
    this.#wasMember = true;
    if (!isNews) return;
    const fields = { group: this.#group, partitions: given.size, of: this.#partitions };
    this.#options.logger.info("ownership: this process has a share of the names", fields);
  }

  /** @returns when to try again, ms */
  #failed(error: unknown, failures: number, startedMs: number): number {
    const { clock, logger, aloneAfterMs = ALONE_AFTER_MS } = this.#options;
    const nowMs = clock.monotonicMs();
    const codes = codesOf(error);
    const isFull = codes.includes(CODES.full);
    const isRefused = !isFull && !mayPass(error);
    const isAlone = isRefused || (!isFull && !this.#wasMember && nowMs - startedMs >= aloneAfterMs);
    const problem = codes.includes(CODES.unsupported) ? NO_GROUPS : wordsOf(error);
    const fields = { group: this.#group, problem };
    if (isAlone && !this.#ownsAll) {
      logger.warn(
        "ownership: the group cannot be had; this process takes every name, as all others do",
        fields,
      );
      this.#ownsAll = true;
    } else if (this.#troubleSinceMs === undefined)
      logger.info("ownership: no answer; what is owned stays", fields);
    this.#troubleSinceMs ??= nowMs;
    if (isRefused || isFull) return REFUSED_MS;
    return Math.min(BEAT_MS_MAX, 20 * 2 ** Math.min(failures, 10));
  }

  #settled(): void {
    if (this.#troubleSinceMs === undefined) return;
    const troubleMs = Math.round(this.#options.clock.monotonicMs() - this.#troubleSinceMs);
    this.#troubleSinceMs = undefined;
    this.#options.logger.info("ownership: the group answers again", {
      group: this.#group,
      trouble_ms: troubleMs,
    });
  }

  async #topic(): Promise<Topic> {
    if (this.#cluster.id === "") {
      await this.#cluster.open();
      await this.#checkOffered();
    }
    const topic = await this.#cluster.topic(this.#name, TOPIC_MS);
    if (topic) return topic;
    const options = { partitions: PARTITIONS, cleanup: "compact", retentionMs: 0 } as const;
    await createTopic(this.#cluster, this.#name, options, this.#options);
    const created = await this.#cluster.topic(this.#name);
    if (!created) throw new Refusal(CODE.leaderNotAvailable, this.#name);
    return created;
  }

  /** Kafka 4.0 has these groups, unless it is configured not to. */
  async #checkOffered(): Promise<void> {
    const { key, version } = consumerGroupHeartbeatV1.api;
    const connection = await this.#cluster.anyConnection();
    const { apiKeys } = await apiVersionsV3.api.async(connection, "muara", "1");
    const offered = apiKeys.find(({ apiKey }) => apiKey === key);
    if (!offered || offered.maxVersion < version) throw new Refusal(CODES.unsupported, this.#name, NO_GROUPS);
  }

  async #find(): Promise<number> {
    const connection = await this.#cluster.anyConnection();
    const { coordinators } = await findCoordinatorV4.api.async(connection, GROUP_KEY, [this.#group]);
    const node = coordinators[0]?.nodeId;
    if (node === undefined || node < 0) throw new Refusal(CODE.leaderNotAvailable, this.#group);
    return node;
  }

  /** @param told what this member has, as it says */
  #send(
    node: number,
    epoch: number,
    topicId?: string,
    told: ReadonlySet<number> = new Set(),
  ): Promise<ReturnType<typeof consumerGroupHeartbeatV1.parseResponse>> {
    const held = topicId !== undefined && told.size > 0 ? [{ topicId, partitions: [...told] }] : [];
    const [releaseMs, topics] = epoch === JOIN ? [RELEASE_MS, [this.#name]] : [UNCHANGED, null];
    return this.#cluster
      .connectionTo(node, "write")
      .then((connection) =>
        consumerGroupHeartbeatV1.api.async(
          connection,
          this.#group,
          this.#memberId,
          epoch,
          null,
          null,
          releaseMs,
          topics,
          null,
          null,
          held,
        ),
      );
  }
}

function isSame(one: ReadonlySet<number>, other: ReadonlySet<number>): boolean {
  return one.size === other.size && [...one].every((partition) => other.has(partition));
}
