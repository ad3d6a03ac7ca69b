/**
 * Topics as streams: created from declarations, never by asking for one. What a stream's options are is the topic's
 * own configuration, which is where others look for it, too.
 */
import { ConfigResourceTypes, createTopicsV7, describeConfigsV4 } from "@platformatic/kafka";
import { MuaraError } from "../../core/errors.ts";
import type { StreamInfo, StreamOptions } from "../../core/ports/log.ts";
import type { Cluster, Topic } from "./cluster.ts";
import { CODE, codesOf, Refusal } from "./failure.ts";

const CREATE_MS = 15_000;
/** Of one batch as it is stored; a request's events for one partition are one batch. */
const BATCH_BYTES_MAX = 16 * 1_048_576;
const CLEANUP = "cleanup.policy";
const RETENTION = "retention.ms";
const TIME = "message.timestamp.type";
const KEYS = [CLEANUP, RETENTION, TIME];

export interface TopicOptions {
  /** Copies of each partition; -1: as the cluster has it by default. */
  readonly replicas: number;
  /** Copies that must have a batch before it is acknowledged; undefined: as the cluster has it by default. */
  readonly minReplicas?: number | undefined;
}

/** Creates a topic where there is none. @throws what Kafka says; log.refused for a name that it does not take */
export async function createTopic(
  cluster: Cluster,
  name: string,
  { partitions, cleanup, retentionMs }: StreamOptions,
  { replicas, minReplicas }: TopicOptions,
): Promise<void> {
  const configs = [
    { name: CLEANUP, value: cleanup },
    { name: RETENTION, value: String(retentionMs) },
    { name: TIME, value: "LogAppendTime" },
    { name: "max.message.bytes", value: String(BATCH_BYTES_MAX) },
    ...(minReplicas === undefined ? [] : [{ name: "min.insync.replicas", value: String(minReplicas) }]),
  ];
  const topic = { name, numPartitions: partitions, replicationFactor: replicas, assignments: [], configs };
  await cluster.persist(`topic ${name} cannot be created`, async () => {
    try {
      const connection = await cluster.anyConnection();
      await createTopicsV7.api.async(connection, [topic], CREATE_MS, false);
    } catch (error) {
      if (!codesOf(error).includes(CODE.topicExists)) throw error;
    }
    // The brokers hear of it one after the other.
    const found = await cluster.topic(name, 0);
    if (!found || found.leaders.includes(-1)) throw new Refusal(CODE.leaderNotAvailable, name);
  });
}

/** @throws config.invalid where the topic's times are not the brokers' */
export async function describeTopic(
  cluster: Cluster,
  { name, id, leaders }: Topic,
  stream: string,
): Promise<StreamInfo> {
  const configs = await cluster.persist(`topic ${name} cannot be described`, async () => {
    const connection = await cluster.anyConnection();
    const asked = [{ resourceType: ConfigResourceTypes.TOPIC, resourceName: name, configurationKeys: KEYS }];
    const { results } = await describeConfigsV4.api.async(connection, asked, false, false);
    return new Map((results[0]?.configs ?? []).map((config) => [config.name, config.value]));
  });
  if (configs.get(TIME) !== "LogAppendTime")
    throw new MuaraError(
      "config.invalid",
      `topic ${name} keeps its producers' times: set ${TIME}=LogAppendTime, since the log says when it accepted`,
      { details: { topic: name } },
    );
  const cleanup = configs.get(CLEANUP)?.includes("compact") ? "compact" : "delete";
  const retention = Number(configs.get(RETENTION));
  const retentionMs = retention < 0 ? Number.MAX_SAFE_INTEGER : retention; // for ever
  return { name: stream, topicId: id, partitions: leaders.length, cleanup, retentionMs };
}
