/**
 * The places of idempotent producers in one partition: epoch and the last batches, so that an append that is sent
 * again is recognised (Kafka's idempotent producer, KIP-98). Places are values: a new batch makes a new place.
 */
import { MuaraError } from "../../core/errors.ts";
import type { ProducerSequence } from "../../core/ports/log.ts";

/** How many of a producer's last batches are recognised when they come again. */
const REPEATS_KNOWN = 5;

export interface ProducerBatch {
  readonly sequence: number;
  readonly baseOffset: number;
  readonly ingestMs: number;
  readonly count: number;
}

export interface ProducerPlace {
  readonly epoch: number;
  /** Oldest first, 1 to REPEATS_KNOWN. */
  readonly recent: readonly ProducerBatch[];
}

/**
 * @returns the batch that this one repeats, or undefined when it is the next one
 * @throws log.producer_fenced, log.producer_sequence
 */
export function judgeProducer(
  known: ProducerPlace | undefined,
  producer: ProducerSequence,
  count: number,
  idleSinceMs: number,
): ProducerBatch | undefined {
  const place = known && known.recent.at(-1)!.ingestMs >= idleSinceMs ? known : undefined;
  const details = { producer: producer.id, epoch: producer.epoch, sequence: producer.sequence };
  if (place && producer.epoch < place.epoch)
    throw new MuaraError("log.producer_fenced", `epoch ${place.epoch} of ${producer.id} exists`, { details });
  const recent = place?.epoch === producer.epoch ? place.recent : [];
  const repeat = recent.find((batch) => batch.sequence === producer.sequence);
  if (repeat?.count === count) return repeat;
  const expected = recent.length > 0 ? recent.at(-1)!.sequence + 1 : 0;
  if (repeat || producer.sequence !== expected)
    throw new MuaraError(
      "log.producer_sequence",
      `${producer.id} sent sequence ${producer.sequence}, ${repeat ? "which held another batch" : `not ${expected}`}`,
      { details },
    );
  return undefined;
}

/** The place after `batch`; noting a batch that it already knows changes nothing. */
export function noteProducer(
  place: ProducerPlace | undefined,
  epoch: number,
  batch: ProducerBatch,
): ProducerPlace {
  // sequence 0 of the same epoch again: the producer had been forgotten in between
  const isNew = !place || place.epoch !== epoch || batch.baseOffset > place.recent.at(-1)!.baseOffset;
  if (!isNew) return place;
  const isFresh = !place || place.epoch !== epoch || batch.sequence === 0;
  const recent = isFresh ? [batch] : [...place.recent, batch].slice(-REPEATS_KNOWN);
  return { epoch, recent };
}
