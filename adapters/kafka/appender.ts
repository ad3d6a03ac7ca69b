/**
 * Appends to one partition. What waits while a batch is under way becomes the next batch; a partition has one under
 * way at a time, numbered as an idempotent producer's are (KIP-98). So a batch that was not answered is sent again, as
 * it was, until the broker says that it has it, and is stored once.
 *
 * Surprising rule: silence settles nothing, and neither does a refusal that follows silence: the first request may
 * have been carried out by a leader that is gone. Where patience ends first, the outcome is reported as unknown and the
 * partition goes on under a new producer id, since the broker may or may not expect the next number.
 */
import { initProducerIdV4 } from "@platformatic/kafka";
import { MuaraError } from "../../core/errors.ts";
import type { Appended, ProducerSequence } from "../../core/ports/log.ts";
import type { RecordBatch } from "../../core/record.ts";
import { checkIdentity, type Cluster, type Place } from "./cluster.ts";
import { type EncodedRecords, encodeRecords, type Producer, recordBytes, sealBatch } from "./encode-batch.ts";
import { CODE, isPassing, logError, mayPass, NotSent, Refusal } from "./failure.ts";
import type { Produced, Sender } from "./produce.ts";
import {
  judgeProducer,
  noteOf,
  producerIdOf,
  recoverStanding,
  type Standing,
  standingAfter,
} from "./producers.ts";

/** Of appends that are put together, before compression; a larger one goes alone. */
const BATCH_BYTES_MAX = 1_048_576;
/** Brokers that know topics by name alone would write into one made anew: who it is, is asked this often, ms. */
const NAMED_MS = 1_000;
/** Sequences count records and begin again after 2³¹ − 1. */
const SEQUENCES = 2 ** 31;

/** The broker says that it lost, or never had, what it knew of this producer. */
const STRANGER: ReadonlySet<number> = new Set([
  CODE.outOfOrderSequence,
  CODE.unknownProducer,
  CODE.invalidProducerEpoch,
  CODE.producerFenced,
]);
const TOO_LARGE: ReadonlySet<number> = new Set([CODE.messageTooLarge, CODE.recordListTooLarge]);

interface Pending {
  readonly batch: RecordBatch;
  readonly producer: ProducerSequence | undefined;
  readonly bytes: number;
  readonly done: (appended: Appended) => void;
  readonly failed: (error: unknown) => void;
}

export interface AppenderPorts {
  readonly cluster: Cluster;
  readonly sender: Sender;
  /** A batch became durable. */
  readonly onAppended: (place: Place, endOffset: number) => void;
  /** Bytes that wait for their batch, or are under way, over all partitions. */
  readonly waiting: { bytes: number };
}

export class Appender {
  readonly #ports: AppenderPorts;
  readonly #place: Place;
  #waiting: Pending[] = [];
  #isRunning = false;
  /** This process's own, for what names none. */
  #own: Producer | undefined;
  /** Named producers, as far as they were met. */
  readonly #named = new Map<string, Standing>();

  constructor(ports: AppenderPorts, place: Place) {
    this.#ports = ports;
    this.#place = place;
  }

  /**
   * @throws log.append_unknown, log.unavailable, log.refused, log.batch_too_large, log.producer_fenced,
   *   log.producer_sequence
   */
  add(batch: RecordBatch, producer?: ProducerSequence): Promise<Appended> {
    return new Promise((done, failed) => {
      const bytes = recordBytes(batch);
      this.#waiting.push({ batch, producer, bytes, done, failed });
      this.#ports.waiting.bytes += bytes;
      if (!this.#isRunning) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    // Others may call in the same moment: theirs goes along.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const members = this.#take();
      if (members[0]!.producer) await this.#appendNamed(members[0]!, members[0]!.producer);
      else await this.#append(members);
    }
    this.#isRunning = false;
  }

  #take(): Pending[] {
    let bytes = 0;
    let count = 0;
    for (const pending of this.#waiting) {
      bytes += pending.bytes;
      // A named producer's batch goes alone: the broker knows it by its number.
      if (count > 0 && (bytes > BATCH_BYTES_MAX || pending.producer)) break;
      count++;
      if (pending.producer) break;
    }
    return this.#waiting.splice(0, count);
  }

  /** Never throws: each of them is told. */
  async #append(members: readonly Pending[]): Promise<void> {
    try {
      const records = await encodeRecords(members.map(({ batch }) => batch));
      const { baseOffset, ingestMs } = await this.#settle(records, undefined);
      this.#ports.onAppended(this.#place, baseOffset + records.count);
      let offset = baseOffset;
      for (const { batch, done } of members) {
        done({ baseOffset: offset, ingestMs, isRepeat: false });
        offset += batch.count;
      }
    } catch (error) {
      const isTooLarge = error instanceof Refusal && TOO_LARGE.has(error.code);
      if (isTooLarge && members.length > 1) {
        for (const member of members) await this.#append([member]);
        return;
      }
      for (const { failed } of members) failed(isTooLarge ? tooLarge(error) : this.#told(error));
    }
    for (const { bytes } of members) this.#ports.waiting.bytes -= bytes;
  }

  async #appendNamed(pending: Pending, producer: ProducerSequence): Promise<void> {
    const { batch, bytes, done, failed } = pending;
    try {
      done(await this.#store(batch, producer));
    } catch (error) {
      this.#named.delete(producer.id);
      const isTooLarge = error instanceof Refusal && TOO_LARGE.has(error.code);
      failed(isTooLarge ? tooLarge(error) : this.#told(error));
    }
    this.#ports.waiting.bytes -= bytes;
  }

  /** What is remembered of a producer may be outdated, where another process appends in its name: then it is read. */
  async #store(batch: RecordBatch, producer: ProducerSequence): Promise<Appended> {
    for (let isRead = false; ; isRead = true) {
      const { id } = producer;
      const known = isRead ? await this.#recover(id) : (this.#named.get(id) ?? (await this.#recover(id)));
      const repeat = judgeProducer(known, producer, batch.count);
      if (repeat) return { baseOffset: repeat.baseOffset, ingestMs: repeat.ingestMs, isRepeat: true };
      const note = noteOf(known, producer);
      const firstRecord = known?.epoch === producer.epoch ? known.nextRecord : 0;
      const records = await encodeRecords([batch], Buffer.from(JSON.stringify(note)));
      try {
        const named = { id: producerIdOf(id), epoch: producer.epoch, sequence: firstRecord };
        const { baseOffset, ingestMs } = await this.#settle(records, named);
        const stored = { sequence: producer.sequence, baseOffset, ingestMs, count: batch.count };
        this.#named.set(id, standingAfter(note, firstRecord, stored));
        this.#ports.onAppended(this.#place, baseOffset + batch.count);
        return { baseOffset, ingestMs, isRepeat: false };
      } catch (error) {
        if (!(error instanceof Refusal) || !STRANGER.has(error.code)) throw error;
        if (isRead) throw new MuaraError("log.producer_sequence", error.message, { cause: error });
      }
    }
  }

  async #recover(id: string): Promise<Standing | undefined> {
    const { cluster } = this.#ports;
    const found = await cluster.persist(`producer ${id} cannot be looked up`, () =>
      recoverStanding(cluster, this.#place, id),
    );
    if (found) this.#named.set(id, found);
    else this.#named.delete(id);
    return found;
  }

  /**
   * Sends until it is settled.
   * @param named as whom; undefined: this process's own producer, which may be replaced
   * @throws Refusal, NotSent, and log.append_unknown
   */
  async #settle(records: EncodedRecords, named: Producer | undefined): Promise<Produced> {
    const { cluster, sender } = this.#ports;
    const deadlineMs = cluster.clock.monotonicMs() + cluster.patienceMs;
    let isDoubtful = false;
    for (let failures = 1; ; failures++) {
      try {
        const producer = named ?? (this.#own ??= await this.#introduce());
        const bytes = sealBatch(records, producer, cluster.clock.nowMs());
        await checkIdentity(cluster, this.#place, cluster.writesById ? Infinity : NAMED_MS);
        const produced = await sender.send(this.#place, bytes);
        if (!named) this.#own = { ...producer, sequence: (producer.sequence + records.count) % SEQUENCES };
        if (produced.ingestMs >= 0) return produced;
        return { ...produced, ingestMs: cluster.clock.nowMs() };
      } catch (error) {
        const isStranger = error instanceof Refusal && STRANGER.has(error.code);
        if (isStranger && !named) this.#own = undefined;
        const mayRepeat = mayPass(error) || (isStranger && !isDoubtful && !named);
        isDoubtful ||= leavesDoubt(error);
        const isLate = cluster.clock.monotonicMs() >= deadlineMs;
        if (!mayRepeat || isLate) throw isDoubtful ? this.#unknown(error, named) : error;
      }
      cluster.forget();
      await cluster.pause(failures);
    }
  }

  async #introduce(): Promise<Producer> {
    try {
      const connection = await this.#ports.cluster.anyConnection();
      const { producerId, producerEpoch } = await initProducerIdV4.api.async(connection, null, 0, -1n, -1);
      return { id: producerId, epoch: producerEpoch, sequence: 0 };
    } catch (error) {
      throw new NotSent("no producer id", { cause: error });
    }
  }

  #unknown(cause: unknown, named: Producer | undefined): MuaraError {
    if (!named) this.#own = undefined;
    return new MuaraError("log.append_unknown", "Kafka did not say whether the events are stored.", {
      cause,
    });
  }

  #told(error: unknown): unknown {
    return logError(error, `${this.#place.topic}/${this.#place.partition} cannot be appended to`);
  }
}

/** Whether a request may have been carried out in spite of the error. */
function leavesDoubt(error: unknown): boolean {
  if (error instanceof NotSent || error instanceof MuaraError) return false;
  if (!(error instanceof Refusal)) return true;
  if (error.code === CODE.requestTimedOut || error.code === CODE.notEnoughReplicasAfterAppend) return true;
  return !isPassing(error.code) && !STRANGER.has(error.code) && !SURE.has(error.code);
}

/** Said before anything is written. */
const SURE: ReadonlySet<number> = new Set([
  ...TOO_LARGE,
  2, // corrupt message
  17, // invalid topic
  29, // no right to the topic
  31, // no right to the cluster
  32, // invalid timestamp
  44, // policy
  76, // unsupported compression
  87, // invalid record: no key where compaction needs one
]);

function tooLarge(cause: Refusal): MuaraError {
  return new MuaraError("log.batch_too_large", cause.message, { cause });
}
