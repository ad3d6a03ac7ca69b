/**
 * Rows as records of a stream, each once, whatever happens: also for readers who know nothing of transactions.
 *
 * How far it is stands in the stream itself. The header of every record has the row's number, and the number of its
 * batch in that partition; who begins reads the last one. Batches are appended as those of one named producer, whose
 * numbers the log takes only in turn: of two processes, or of an append that was never answered and the next try, one
 * wins, and the other is told that its number is taken. It then reads the last record anew, and leaves out what is
 * there.
 *
 * Surprising rule: a row's partition is that of its key's hash (Java's, as event types have it), without a key that of
 * its number. Both are the same at every attempt.
 */
import { hasCode, MuaraError } from "../../core/errors.ts";
import { javaHash } from "../../core/partition.ts";
import type { Log } from "../../core/ports/log.ts";
import type { Sink, SinkBatch, SinkOutcome } from "../../core/ports/sink.ts";
import { headerOf, packRecords, type ReadBatch } from "../../core/record.ts";

const RETENTION_MS = 7 * 86_400_000;
const READ_BYTES = 1_048_576;
/** How far behind the end the last own record is looked for first: others may write to the stream. */
const LOOK_BACK = 100;

const decoder = new TextDecoder();

/** The last row of a delivery that a partition has. */
interface Tail {
  /** Of the named producer: another one where all of its records were removed. */
  readonly series: number;
  readonly batch: number;
  readonly generation: number;
  readonly sequence: number;
}

interface Numbered {
  readonly key: string | null;
  readonly json: string;
  readonly sequence: number;
}

/** @param id of the delivery's declaration @throws log.unavailable, log.refused */
export async function openLogSink(log: Log, stream: string, id: string): Promise<Sink> {
  const { partitions } =
    (await log.stream(stream)) ??
    (await log.createStream(stream, { partitions: 1, cleanup: "delete", retentionMs: RETENTION_MS }));
  return new LogSink(log, stream, id, partitions);
}

class LogSink implements Sink {
  readonly guarantee = "transactional";
  readonly #log: Log;
  readonly #stream: string;
  readonly #id: string;
  readonly #partitions: number;
  readonly #tails = new Map<number, Tail>();

  constructor(log: Log, stream: string, id: string, partitions: number) {
    this.#log = log;
    this.#stream = stream;
    this.#id = id;
    this.#partitions = partitions;
  }

  async write(batch: SinkBatch): Promise<SinkOutcome> {
    const rows = batch.rows.map((row, i): Numbered => ({ ...row, sequence: batch.sequence + i }));
    const groups = [...Map.groupBy(rows, (row) => this.#partitionOf(row))];
    const settled = await Promise.allSettled(
      groups.map(([partition, group]) => this.#writeTo(partition, group, batch.generation)),
    );
    const failed = settled.find((one) => one.status === "rejected");
    if (!failed) return { outcome: "taken" };
    const { reason } = failed;
    if (!(reason instanceof MuaraError)) throw reason;
    // The same rows are too many at once, or one of them is too long: halves tell.
    if (reason.code === "log.batch_too_large") return { outcome: "refused", reason: reason.message };
    return { outcome: "later", reason: reason.message };
  }

  close(): Promise<void> {
    return this.#log.close();
  }

  async #writeTo(partition: number, rows: readonly Numbered[], generation: number): Promise<void> {
    for (;;) {
      const tail = this.#tails.get(partition) ?? (await this.#tailOf(partition));
      const isOld = ({ sequence }: Numbered): boolean =>
        tail.generation > generation || (tail.generation === generation && sequence <= tail.sequence);
      const missing = rows.filter((row) => !isOld(row));
      if (missing.length === 0) {
        this.#tails.set(partition, tail);
        return;
      }
      this.#tails.delete(partition); // until it is known what became of this
      const batch = tail.batch + 1;
      const records = missing.map(({ key, json, sequence }) => {
        const place = { series: tail.series, batch, generation, sequence };
        return {
          key,
          payload: new TextEncoder().encode(json),
          header: JSON.stringify({ delivery: this.#id, ...place }),
        };
      });
      const producer = { id: `delivery/${this.#id}/${tail.series}`, epoch: 0, sequence: batch };
      try {
        const { isRepeat } = await this.#log.append(this.#stream, partition, packRecords(records), producer);
        // Somebody else's batch has the number, or ours of a former try.
        if (isRepeat) continue;
      } catch (error) {
        if (hasCode(error, "log.producer_sequence") && (await this.#tailOf(partition)).batch > tail.batch)
          continue;
        throw error;
      }
      const { sequence } = missing.at(-1)!;
      this.#tails.set(partition, { series: tail.series, batch, generation, sequence });
    }
  }

  #partitionOf({ key, sequence }: Numbered): number {
    const number = key === null ? sequence : javaHash(key) >>> 0;
    return number % this.#partitions;
  }

  async #tailOf(partition: number): Promise<Tail> {
    const { startOffset, endOffset } = await this.#log.bounds(this.#stream, partition);
    for (let back = LOOK_BACK; ; back *= 10) {
      const from = Math.max(startOffset, endOffset - back);
      const found = await this.#lastOf(partition, from, endOffset);
      if (found) return found;
      if (from === startOffset) return { series: endOffset, batch: -1, generation: -1, sequence: -1 };
    }
  }

  async #lastOf(partition: number, from: number, end: number): Promise<Tail | undefined> {
    let found: Tail | undefined;
    for (let next = from; next < end;) {
      const batch = await this.#log.read(this.#stream, partition, next, READ_BYTES);
      for (let i = batch.count - 1; i >= 0; i--) {
        const tail = this.#tailIn(batch, i);
        if (!tail) continue;
        found = tail;
        break;
      }
      next = batch.next;
    }
    return found;
  }

  #tailIn(batch: ReadBatch, i: number): Tail | undefined {
    const text = decoder.decode(headerOf(batch, i));
    if (!text.startsWith(`{"delivery":"${this.#id}",`)) return undefined;
    const { series, batch: number, generation, sequence } = JSON.parse(text) as Tail;
    return { series, batch: number, generation, sequence };
  }
}
