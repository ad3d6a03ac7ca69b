/**
 * The log on Kafka: a stream is a topic, its identity the cluster's and the topic's own ids. What the broker does is
 * left to it (order, durability, retention, compaction); what it has no place for is noted in a topic of ours.
 *
 * Surprising rules: ingest times are the brokers' (LogAppendTime), so they are as good as those clocks. A topic that
 * is deleted and created anew is never mistaken for the old one: whoever has it open gets log.identity.
 */
import { assert } from "../../core/assert.ts";
import type { Clock } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type {
  AcceptedCount,
  Appended,
  Hold,
  Log,
  PartitionBounds,
  ProducerSequence,
  StreamInfo,
  StreamOptions,
} from "../../core/ports/log.ts";
import { PollingWaiters } from "../../core/polling-waiters.ts";
import type { ReadBatch, RecordBatch } from "../../core/record.ts";
import { checkStreamChange, hasOptions, otherOptions } from "../../core/stream-change.ts";
import { UnderWay } from "../../core/under-way.ts";
import type { AppenderPorts } from "./appender.ts";
import { type Broker, Cluster, type ClusterOptions, type Topic } from "./cluster.ts";
import { recordBytes } from "./encode-batch.ts";
import { Holds } from "./holds.ts";
import { Notes } from "./notes.ts";
import { endsNow, EndsCache, offsetAtTime } from "./offsets.ts";
import { OWNERS } from "./ownership.ts";
import { Sender } from "./produce.ts";
import { StreamHandle } from "./stream-handle.ts";
import {
  configureTopic,
  createTopic,
  deleteTopic,
  describeTopic,
  growTopic,
  type TopicOptions,
} from "./topics.ts";

const MIB = 1_048_576;
/** Between two looks at the ends while somebody waits. */
const POLL_MS_LEAST = 50;
const POLL_MS_MAX = 250;
const POLL_GROWTH = 1.3;
/** The topic of the log's own notes, behind the prefix. */
const NOTES = "muara.log";

export interface KafkaLogOptions extends TopicOptions {
  readonly brokers: readonly Broker[];
  /** Topics are called so before the stream's name; "" for none. */
  readonly prefix: string;
  readonly security: ClusterOptions["security"];
  readonly clock: Clock;
  /** Appended but not yet durable; beyond it appends are refused, bytes. */
  readonly pendingBytesMax?: number;
  /** Fetched and not yet read, bytes. */
  readonly cacheBytes?: number;
  /** What does not come about within this is given up; an append's outcome is unknown then, ms. */
  readonly patienceMs?: number;
  /** A broker that answers nothing for this long is taken for gone, ms. */
  readonly requestMs?: number;
  /** Ends that were asked for less than this ago are taken as they are, ms. */
  readonly freshMs?: number;
  /** What is known of topics is asked for again after this, ms. */
  readonly metadataMs?: number;
  /** How far the brokers' clocks may be behind ours, ms. */
  readonly skewMs?: number;
  /** Makes no use of what Kafka has had since 3.1. */
  readonly isOld?: boolean;
}

/** @throws log.unavailable, log.refused, config.invalid */
export async function openKafkaLog(options: KafkaLogOptions): Promise<Log> {
  const { brokers, security, clock, isOld, requestMs = 10_000, patienceMs = 30_000 } = options;
  const cluster = new Cluster({ brokers, security, clock, isOld, requestMs, patienceMs });
  try {
    await cluster.open();
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return new KafkaLog(cluster, options);
}

class KafkaLog implements Log {
  readonly id: string;
  readonly hasOwnRetention = true;
  appendCount = 0;
  readonly #cluster: Cluster;
  readonly #options: KafkaLogOptions;
  readonly #ports: AppenderPorts;
  readonly #ends: EndsCache;
  readonly #notes: Notes;
  readonly #holds: Holds;
  readonly #poll: PollingWaiters;
  readonly #handles = new Map<string, StreamHandle>();
  readonly #lookups = new Map<string, Promise<StreamHandle | undefined>>();
  readonly #appends = new UnderWay();
  #isClosed = false;

  constructor(cluster: Cluster, options: KafkaLogOptions) {
    this.id = cluster.id;
    this.#cluster = cluster;
    this.#options = options;
    this.#ends = new EndsCache(cluster, options.freshMs ?? 20, () => this.#changed());
    const onAppended: AppenderPorts["onAppended"] = ({ topic, partition }, endOffset) => {
      this.#ends.appended(topic, partition, endOffset);
      this.#changed();
    };
    this.#ports = { cluster, sender: new Sender(cluster), onAppended, waiting: { bytes: 0 } };
    const quiet = { ...this.#ports, onAppended: () => undefined };
    this.#notes = new Notes(quiet, `${options.prefix}${NOTES}`, options);
    this.#holds = new Holds(this.#notes, options.clock);
    // The ends of all streams that are read here, in one request per broker. Brokers that do not answer are seen by
    // those who read; here they are asked again later.
    this.#poll = new PollingWaiters(options.clock, async (looks) => {
      await this.#ends.load([...this.#handles.values()].map(({ topic }) => topic)).catch(() => undefined);
      return Math.min(POLL_MS_MAX, POLL_MS_LEAST * POLL_GROWTH ** looks);
    });
  }

  async createStream(name: string, options: StreamOptions): Promise<StreamInfo> {
    this.#checkOpen();
    const { partitions } = options;
    assert(Number.isInteger(partitions) && partitions > 0, "a stream has at least one partition");
    const topic = this.#topicOf(name);
    if (!(await this.#topic(name, 0))) await createTopic(this.#cluster, topic, options, this.#options);
    const found = await this.#topic(name, 0);
    if (!found) throw new MuaraError("log.unavailable", `topic ${topic} was created and is gone`);
    const { info } = await this.#adopt(found, name, true);
    return hasOptions(info, options) ? info : otherOptions(name);
  }

  async alterStream(name: string, options: StreamOptions): Promise<StreamInfo> {
    this.#checkOpen();
    const topic = await this.#topic(name, 0);
    if (!topic)
      throw new MuaraError("log.stream_not_found", `no stream ${name}`, { details: { stream: name } });
    const present = await describeTopic(this.#cluster, topic, name);
    checkStreamChange(present, options);
    const { cleanup, retentionMs, partitions } = options;
    if (present.cleanup !== cleanup || present.retentionMs !== retentionMs)
      await configureTopic(this.#cluster, topic.name, options);
    if (present.partitions < partitions) await growTopic(this.#cluster, topic.name, partitions);
    const info = { ...present, partitions, cleanup, retentionMs };
    (await this.#adopt(topic, name, false)).grow(info);
    return info;
  }

  async deleteStream(name: string, topicId: string): Promise<void> {
    this.#checkOpen();
    await deleteTopic(this.#cluster, this.#topicOf(name), topicId);
    if (this.#handles.get(name)?.info.topicId === topicId) this.#handles.delete(name);
    await this.#notes.forget(`count/${topicId}/`);
  }

  async stream(name: string): Promise<StreamInfo | undefined> {
    this.#checkOpen();
    const topic = await this.#topic(name);
    if (!topic) return undefined;
    const handle = await this.#adopt(topic, name, false);
    if (handle.info.topicId === topic.id) return handle.info;
    return describeTopic(this.#cluster, topic, name);
  }

  async listStreams(): Promise<readonly StreamInfo[]> {
    this.#checkOpen();
    const topics = await this.#cluster.persist("topics cannot be listed", () => this.#cluster.allTopics());
    const { prefix } = this.#options;
    const internal = new Set([NOTES, OWNERS].map((name) => prefix + name));
    const own = topics.filter(({ name }) => name.startsWith(prefix) && !internal.has(name));
    return Promise.all(
      own.map(async (topic) => {
        const name = topic.name.slice(prefix.length);
        const known = this.#handles.get(name)?.info;
        return known?.topicId === topic.id ? known : describeTopic(this.#cluster, topic, name);
      }),
    );
  }

  append(
    stream: string,
    partition: number,
    batch: RecordBatch,
    producer?: ProducerSequence,
  ): Promise<Appended> {
    return this.#appends.track(this.#append(stream, partition, batch, producer));
  }

  async #append(
    stream: string,
    partition: number,
    batch: RecordBatch,
    producer: ProducerSequence | undefined,
  ): Promise<Appended> {
    this.#checkOpen();
    assert(batch.count > 0, "an append has at least one record");
    const handle = await this.#place(stream, partition);
    const { waiting } = this.#ports;
    if (waiting.bytes > 0 && waiting.bytes + recordBytes(batch) > (this.#options.pendingBytesMax ?? 64 * MIB))
      throw new MuaraError("log.overloaded", "More is waiting for Kafka than it takes in time.");
    return handle.appender(partition).add(batch, producer);
  }

  async read(stream: string, partition: number, offset: number, maxBytes: number): Promise<ReadBatch> {
    this.#checkOpen();
    const handle = await this.#place(stream, partition);
    const read = await handle.reader(partition).read(offset, maxBytes);
    this.#ends.wasRead(handle.topic, partition, read.endOffset);
    this.#dropRests(handle.reader(partition).restBytes);
    return read;
  }

  async bounds(stream: string, partition: number): Promise<PartitionBounds> {
    this.#checkOpen();
    const { topic } = await this.#place(stream, partition);
    const nowMs = this.#options.clock.nowMs();
    const ends = await this.#cluster.persist(`${topic} cannot be asked`, async () => {
      const found = (await this.#ends.of(topic))[partition];
      return found ?? endsNow(this.#cluster, topic, partition);
    });
    return { ...ends, ingestFloorMs: nowMs - (this.#options.skewMs ?? 10_000) };
  }

  async offsetAt(stream: string, partition: number, ingestMs: number): Promise<number> {
    this.#checkOpen();
    const { topic } = await this.#place(stream, partition);
    return this.#cluster.persist(`${topic} cannot be asked`, async () => {
      const { startOffset, endOffset } = await endsNow(this.#cluster, topic, partition);
      const found = await offsetAtTime(this.#cluster, topic, partition, ingestMs);
      return found === undefined ? endOffset : Math.max(startOffset, Math.min(found, endOffset));
    });
  }

  async accepted(stream: string): Promise<readonly AcceptedCount[]> {
    this.#checkOpen();
    const handle = await this.#place(stream, 0);
    await this.#notes.refresh();
    const partitions = Array.from({ length: handle.info.partitions }, (_, partition) => partition);
    return (await Promise.all(partitions.map((partition) => handle.counter(partition).accepted()))).flat();
  }

  async hold(consumer: string, holds: readonly Hold[]): Promise<void> {
    this.#checkOpen();
    for (const { stream, partition } of holds) await this.#place(stream, partition);
    await this.#holds.declare(consumer, holds);
  }

  async isHolding(consumer: string): Promise<boolean> {
    this.#checkOpen();
    return this.#holds.isHolding(consumer);
  }

  /** Records are removed by the brokers; before that they are counted here, and the counts noted. */
  async retain(): Promise<number> {
    this.#checkOpen();
    for (const [name, handle] of this.#handles) {
      await this.accepted(name);
      const partitions = Array.from({ length: handle.info.partitions }, (_, partition) => partition);
      const notes = partitions.flatMap((partition) => handle.counter(partition).takeNotes());
      if (notes.length > 0) await this.#notes.put(notes);
    }
    return 0;
  }

  async waitForAppend(seen: number, signal: AbortSignal): Promise<void> {
    if (this.appendCount > seen || signal.aborted || this.#isClosed) return;
    await this.#poll.wait(signal);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#appends.ended();
    this.#poll.wake();
    await this.#cluster.close();
  }

  #changed(): void {
    this.appendCount++;
    this.#poll.wake();
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new MuaraError("log.closed", "the log is closed");
  }

  #topicOf(stream: string): string {
    return `${this.#options.prefix}${stream}`;
  }

  #topic(stream: string, maxAgeMs = this.#options.metadataMs ?? 1_000): Promise<Topic | undefined> {
    const topic = this.#topicOf(stream);
    return this.#cluster.persist("Kafka cannot be reached", () => this.#cluster.topic(topic, maxAgeMs));
  }

  /** @throws log.stream_not_found, log.partition_not_found, log.identity */
  async #place(name: string, partition: number): Promise<StreamHandle> {
    const handle = await this.#find(name);
    if (!handle)
      throw new MuaraError("log.stream_not_found", `no stream ${name}`, { details: { stream: name } });
    if (Number.isInteger(partition) && partition >= 0) {
      if (partition < handle.info.partitions) return handle;
      // Partitions may have been added meanwhile.
      const info = await this.stream(name);
      if (info && partition < info.partitions) return handle;
    }
    throw new MuaraError("log.partition_not_found", `stream ${name} has no partition ${partition}`, {
      details: { stream: name, partition },
    });
  }

  /** Callers of one stream are answered in the order in which they came. */
  async #find(name: string): Promise<StreamHandle | undefined> {
    const known = this.#handles.get(name);
    if (known) return known;
    let lookup = this.#lookups.get(name);
    if (!lookup) {
      lookup = this.#topic(name).then((topic) => topic && this.#adopt(topic, name, false));
      this.#lookups.set(name, lookup);
    }
    try {
      return await lookup;
    } finally {
      if (this.#lookups.get(name) === lookup) this.#lookups.delete(name);
    }
  }

  /** @param mayReplace whether a topic made anew takes the place of the one that is open */
  async #adopt(topic: Topic, name: string, mayReplace: boolean): Promise<StreamHandle> {
    const known = this.#handles.get(name);
    if (known && known.info.topicId !== topic.id && !mayReplace) return known;
    if (known?.info.topicId === topic.id) {
      if (known.info.partitions !== topic.leaders.length)
        known.grow({ ...known.info, partitions: topic.leaders.length });
      return known;
    }
    const info = await describeTopic(this.#cluster, topic, name);
    const present = this.#handles.get(name);
    if (present?.info.topicId === topic.id) return present;
    const handle = new StreamHandle(this.#ports, this.#notes, topic.name, info);
    this.#handles.set(name, handle);
    return handle;
  }

  /** What is left over in readers is bounded: whoever reads on gets it again from the broker. */
  #dropRests(newBytes: number): void {
    const max = this.#options.cacheBytes ?? 64 * MIB;
    if (newBytes === 0) return;
    const readers = [...this.#handles.values()].flatMap((handle) => handle.readers.filter(Boolean));
    let bytes = readers.reduce((sum, reader) => sum + reader.restBytes, 0);
    for (const reader of readers) {
      if (bytes <= max) return;
      bytes -= reader.restBytes;
      reader.dropRest();
    }
  }
}
