/**
 * Named producers in one partition: epoch and the last batches of each, so that an append that is sent again is
 * recognised. The broker judges them as it judges any idempotent producer (KIP-98): a name becomes a producer id far
 * above those that Kafka gives out, so that a newer epoch fences the older one wherever it runs.
 *
 * Kafka numbers records, the port numbers batches: which batch is which is noted in a header of the batch's first
 * record, with the four before it. A process that meets a producer asks the broker when it was last seen, and reads.
 */
import { createHash } from "node:crypto";
import { describeProducersV0 } from "@platformatic/kafka";
import { MuaraError } from "../../core/errors.ts";
import type { ProducerSequence } from "../../core/ports/log.ts";
import { batchHead, type BatchHead, checkBatch } from "./batch-head.ts";
import type { Cluster, Place } from "./cluster.ts";
import { decodeBatch } from "./decode-batch.ts";
import { fetchBatches } from "./fetch.ts";
import { endsNow, offsetAtTime } from "./offsets.ts";

/** How many of a producer's last batches are recognised when they come again. */
const REPEATS_KNOWN = 5;
/** Kafka's are 16 bits. */
const EPOCH_MAX = 32_767;
/** Sequences of records begin again after 2³¹ − 1. */
const SEQUENCES = 2 ** 31;
const OWN_IDS = 1n << 62n;
const FETCH_BYTES = 4 * 1_048_576;

interface StoredBatch {
  readonly sequence: number;
  readonly baseOffset: number;
  readonly ingestMs: number;
  readonly count: number;
}

/** Where a producer stands. */
export interface Standing {
  readonly epoch: number;
  /** Oldest first, 1 to REPEATS_KNOWN. */
  readonly recent: readonly StoredBatch[];
  /** Kafka's number of the next record. */
  readonly nextRecord: number;
}

/** What stands in the header of a batch's first record. */
export interface ProducerNote extends ProducerSequence {
  readonly before: readonly StoredBatch[];
}

export function producerIdOf(name: string): bigint {
  return OWN_IDS | (createHash("sha256").update(name).digest().readBigUInt64BE() & (OWN_IDS - 1n));
}

/**
 * @returns the batch that this one repeats, or undefined when it is the next one
 * @throws log.producer_fenced, log.producer_sequence
 */
export function judgeProducer(
  known: Standing | undefined,
  { id, epoch, sequence }: ProducerSequence,
  count: number,
): StoredBatch | undefined {
  const refuse = (code: "log.producer_fenced" | "log.producer_sequence", words: string): MuaraError =>
    new MuaraError(code, words, { details: { producer: id, epoch, sequence } });
  if (epoch > EPOCH_MAX)
    throw refuse("log.producer_sequence", `${id}: Kafka has no epoch beyond ${EPOCH_MAX}`);
  if (known && epoch < known.epoch)
    throw refuse("log.producer_fenced", `epoch ${known.epoch} of ${id} exists`);
  const recent = known?.epoch === epoch ? known.recent : [];
  const repeat = recent.find((batch) => batch.sequence === sequence);
  if (repeat?.count === count) return repeat;
  const expected = recent.length > 0 ? recent.at(-1)!.sequence + 1 : 0;
  if (!repeat && sequence === expected) return undefined;
  const words = repeat ? "which held another batch" : `not ${expected}`;
  throw refuse("log.producer_sequence", `${id} sent sequence ${sequence}, ${words}`);
}

/** What goes with the next batch. */
export function noteOf(known: Standing | undefined, producer: ProducerSequence): ProducerNote {
  const before = known?.epoch === producer.epoch ? known.recent.slice(1 - REPEATS_KNOWN) : [];
  return { ...producer, before };
}

export function standingAfter(
  { epoch, before }: ProducerNote,
  firstRecord: number,
  batch: StoredBatch,
): Standing {
  const recent = [...before, batch].slice(-REPEATS_KNOWN);
  return { epoch, recent, nextRecord: (firstRecord + batch.count) % SEQUENCES };
}

/** As the partition has it; undefined where the broker does not know the producer (any more). */
export async function recoverStanding(
  cluster: Cluster,
  place: Place,
  name: string,
): Promise<Standing | undefined> {
  const { topic, partition } = place;
  const id = producerIdOf(name);
  const { connection } = await cluster.leader(topic, partition, "read");
  const asked = [{ name: topic, partitionIndexes: [partition] }];
  const { topics } = await describeProducersV0.api.async(connection, asked);
  const active = topics[0]?.partitions[0]?.activeProducers.find(({ producerId }) => producerId === id);
  if (!active) return undefined;
  const { startOffset, endOffset } = await endsNow(cluster, topic, partition);
  const since = (await offsetAtTime(cluster, topic, partition, Number(active.lastTimestamp))) ?? startOffset;
  for (const from of [since, startOffset]) {
    const found = await lastNote(cluster, place, id, from, endOffset);
    if (!found) continue;
    const { head, note } = found;
    const { baseOffset, count, timestampMs: ingestMs } = head;
    const batch = { sequence: note.sequence, baseOffset, ingestMs, count };
    return standingAfter(note, active.lastSequence + 1 - count, batch);
  }
  return undefined;
}

async function lastNote(
  cluster: Cluster,
  place: Place,
  id: bigint,
  from: number,
  to: number,
): Promise<{ readonly head: BatchHead; readonly note: ProducerNote } | undefined> {
  let found: { readonly head: BatchHead; readonly note: ProducerNote } | undefined;
  for (let offset = from; offset < to;) {
    const { bytes } = await fetchBatches(cluster, place, offset, FETCH_BYTES);
    let at = 0;
    for (let head = batchHead(bytes, at, place.topic); head; head = batchHead(bytes, at, place.topic)) {
      at = head.end;
      offset = head.lastOffset + 1;
      if (head.producerId !== id) continue;
      checkBatch(bytes, head, place.topic);
      const { note } = decodeBatch(bytes, head, place.topic);
      if (note) found = { head, note: JSON.parse(note.toString()) as ProducerNote };
    }
    if (at === 0) return found;
  }
  return found;
}
