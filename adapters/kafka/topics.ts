/**
 * Topics as streams: created from declarations, never by asking for one. What a stream's options are is the topic's
 * own configuration, which is where others look for it, too.
 */
import {
  ConfigResourceTypes,
  createPartitionsV3,
  createTopicsV7,
  deleteTopicsV6,
  describeConfigsV4,
  IncrementalAlterConfigOperationTypes,
  incrementalAlterConfigsV1,
} from "@platformatic/kafka";
import { MuaraError } from "../../core/errors.ts";
import type { StreamCleanup, StreamInfo, StreamOptions } from "../../core/ports/log.ts";
import type { Cluster, Topic } from "./cluster.ts";
import { CODE, codesOf, Refusal } from "./failure.ts";

const CREATE_MS = 15_000;
/** Of one batch as it is stored; a request's events for one partition are one batch. */
const BATCH_BYTES_MAX = 16 * 1_048_576;
const CLEANUP = "cleanup.policy";
const RETENTION = "retention.ms";
const TIME = "message.timestamp.type";
const KEYS = [CLEANUP, RETENTION, TIME];
const POLICIES: Readonly<Record<StreamCleanup, string>> = {
  delete: "delete",
  compact: "compact",
  compact_and_delete: "compact,delete",
};

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
    { name: CLEANUP, value: POLICIES[cleanup] },
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
  const policies = (configs.get(CLEANUP) ?? "").split(",");
  const isCompacted = policies.includes("compact");
  const isDeleted = policies.includes("delete");
  const cleanup = !isCompacted ? "delete" : isDeleted ? "compact_and_delete" : "compact";
  const retention = Number(configs.get(RETENTION));
  const retentionMs = retention < 0 ? Number.MAX_SAFE_INTEGER : retention; // for ever
  return { name: stream, topicId: id, partitions: leaders.length, cleanup, retentionMs };
}

/** Partitions are added by their new number, so doing it again adds none. @throws what Kafka says */
export async function growTopic(cluster: Cluster, name: string, partitions: number): Promise<void> {
  await cluster.persist(`topic ${name} cannot get partitions`, async () => {
    const found = await cluster.topic(name, 0);
    if ((found?.leaders.length ?? 0) < partitions) {
      const asked = [{ name, count: partitions, assignments: null }];
      const connection = await cluster.controller();
      try {
        await createPartitionsV3.api.async(connection, asked, CREATE_MS, false);
      } catch (error) {
        // It has as many: they were asked for before, by us or others, and not heard of yet.
        if (!codesOf(error).includes(CODE.invalidPartitions)) throw error;
      }
    }
    const grown = await cluster.topic(name, 0);
    const hasAll = grown !== undefined && grown.leaders.length >= partitions && !grown.leaders.includes(-1);
    if (!hasAll) throw new Refusal(CODE.leaderNotAvailable, name);
  });
}

/** @throws what Kafka says */
export async function configureTopic(
  cluster: Cluster,
  name: string,
  { cleanup, retentionMs }: Pick<StreamOptions, "cleanup" | "retentionMs">,
): Promise<void> {
  const configOperation = IncrementalAlterConfigOperationTypes.SET;
  const configs = [
    { name: CLEANUP, configOperation, value: POLICIES[cleanup] },
    { name: RETENTION, configOperation, value: String(retentionMs) },
  ];
  const resources = [{ resourceType: ConfigResourceTypes.TOPIC, resourceName: name, configs }];
  await cluster.persist(`topic ${name} cannot be configured`, async () => {
    await incrementalAlterConfigsV1.api.async(await cluster.controller(), resources, false);
  });
}

/** Removes the topic of this id, whatever bears its name now. @throws what Kafka says */
export async function deleteTopic(cluster: Cluster, name: string, topicId: string): Promise<void> {
  await cluster.persist(`topic ${name} cannot be deleted`, async () => {
    const found = await cluster.topic(name, 0);
    if (found?.id !== topicId) return;
    try {
      const connection = await cluster.controller();
      await deleteTopicsV6.api.async(connection, [{ name: null, topicId }], CREATE_MS);
    } catch (error) {
      const codes = codesOf(error);
      if (!codes.includes(CODE.unknownTopicId) && !codes.includes(CODE.unknownTopicOrPartition)) throw error;
    }
    // The brokers hear of it one after the other.
    if ((await cluster.topic(name, 0))?.id === topicId) throw new Refusal(CODE.leaderNotAvailable, name);
  });
}
