/**
 * Appends for those who cannot ask a producer to send again: until it is durable. What may be stored is appended again,
 * since the lake knows its ids.
 */
import { Backoff } from "../../core/backoff.ts";
import type { Clock, Randomness } from "../../core/clock.ts";
import { hasCode, MuaraError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { Log } from "../../core/ports/log.ts";
import { RECORD_WORDS, type RecordBatch } from "../../core/record.ts";

const RETRY_MS_LEAST = 50;
const RETRY_MS_MAX = 5_000;

export interface AppendPorts {
  readonly log: Log;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
}

/**
 * @param onTooLarge what becomes of a single record that the log refuses for its size; without it that is an error
 * @throws what no further attempt changes; and when the signal is aborted
 */
export async function appendAtLast(
  ports: AppendPorts,
  stream: string,
  partition: number,
  batch: RecordBatch,
  signal: AbortSignal,
  onTooLarge?: (record: RecordBatch) => Promise<void>,
): Promise<void> {
  const { log, clock, randomness, logger } = ports;
  const pause = new Backoff(RETRY_MS_LEAST, RETRY_MS_MAX, randomness);
  for (;;) {
    signal.throwIfAborted();
    try {
      await log.append(stream, partition, batch);
      return;
    } catch (error) {
      if (hasCode(error, "log.batch_too_large") && batch.count > 1) {
        for (const half of halvesOf(batch))
          await appendAtLast(ports, stream, partition, half, signal, onTooLarge);
        return;
      }
      if (hasCode(error, "log.batch_too_large") && onTooLarge) return onTooLarge(batch);
      if (!(error instanceof MuaraError) || !error.retryable || hasCode(error, "log.closed")) throw error;
      if (pause.attempts === 0) logger.warn("the log does not take events for now", { stream, error });
    }
    await clock.sleep(pause.next(), signal);
  }
}

function halvesOf(batch: RecordBatch): readonly RecordBatch[] {
  const middle = batch.count >>> 1;
  const [first, second] = [
    batch.index.subarray(0, middle * RECORD_WORDS),
    batch.index.subarray(middle * RECORD_WORDS),
  ];
  return [
    { ...batch, count: middle, index: first },
    { ...batch, count: batch.count - middle, index: second },
  ];
}
