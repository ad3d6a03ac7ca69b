/**
 * The log in memory: the same rules as the log on disk, without the disk. For tests and the simulator, which owns
 * the clock and the failures. What it holds ends with the object; the object may outlive many "processes".
 *
 * Written apart from adapters/file on purpose: each is the other's oracle in test/conformance/log.ts.
 */
import { assert } from "../../core/assert.ts";
import type { Clock, Randomness } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type {
  AcceptedCount,
  Appended,
  Hold,
  Log,
  LogRange,
  LogRecord,
  PartitionBounds,
  ProducerSequence,
  StreamInfo,
  StreamOptions,
} from "../../core/ports/log.ts";
import {
  ABSENT,
  HEADER_AT,
  headerOf,
  KEY_AT,
  keyOf,
  packRecords,
  PAYLOAD_AT,
  PAYLOAD_LENGTH,
  payloadOf,
  RECORD_WORDS,
  type ReadBatch,
  type RecordBatch,
} from "../../core/record.ts";
import { checkStreamChange, hasOptions, otherOptions } from "../../core/stream-change.ts";
import { Waiters } from "../../core/waiters.ts";

const HOUR_MS = 3_600_000;
/** How many of a producer's last batches are recognised when they come again. */
const REPEATS_KNOWN = 5;

/** What happens to one append: stored or lost behind an unknown outcome, or refused at the door. */
export type MemoryLogFault = "stored_unknown" | "lost_unknown" | "overloaded" | "full";

/** Asked at every call; undefined or 0 means no fault. */
export interface MemoryLogFaults {
  onAppend?: (stream: string, partition: number) => MemoryLogFault | undefined;
  /** Delay before a read looks, ms of the log's clock. */
  readDelayMs?: (stream: string, partition: number) => number;
}

export interface MemoryLogOptions {
  readonly id?: string;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** May be changed at any time. */
  readonly faults?: MemoryLogFaults;
  /** Idle age after which a producer is forgotten, ms. */
  readonly producerIdleMs?: number;
  /** How long tombstones of compacted streams stay readable, ms. */
  readonly tombstoneMs?: number;
}

interface StoredBatch extends RecordBatch {
  /** [count] ascending */
  readonly offsets: readonly number[];
  /** [count] */
  readonly ingestMs: readonly number[];
}

interface ProducerPlace {
  epoch: number;
  seenMs: number;
  /** Oldest first, at most REPEATS_KNOWN. */
  readonly recent: { sequence: number; baseOffset: number; ingestMs: number; count: number }[];
}

interface Partition {
  startOffset: number;
  endOffset: number;
  batches: StoredBatch[];
  readonly accepted: Map<number, number>;
  readonly producers: Map<string, ProducerPlace>;
}

interface Stream {
  readonly info: StreamInfo;
  readonly partitions: readonly Partition[];
}

export function createMemoryLog(options: MemoryLogOptions): Log {
  return new MemoryLog(options);
}

class MemoryLog implements Log {
  readonly id: string;
  appendCount = 0;
  readonly #options: MemoryLogOptions;
  readonly #streams = new Map<string, Stream>();
  readonly #holds = new Map<string, readonly Hold[]>();
  readonly #waiters = new Waiters();
  #lastIngestMs = 0;
  #isClosed = false;

  constructor(options: MemoryLogOptions) {
    this.#options = options;
    this.id = options.id ?? options.randomness.uuid();
  }

  async createStream(name: string, options: StreamOptions): Promise<StreamInfo> {
    this.#checkOpen();
    assert(
      Number.isInteger(options.partitions) && options.partitions > 0,
      "a stream has at least one partition",
    );
    const { partitions, cleanup, retentionMs } = options;
    const existing = this.#streams.get(name)?.info;
    if (!existing) {
      const info = { name, topicId: this.#options.randomness.uuid(), partitions, cleanup, retentionMs };
      this.#streams.set(name, { info, partitions: Array.from({ length: partitions }, emptyPartition) });
      return info;
    }
    return hasOptions(existing, options) ? existing : otherOptions(name);
  }

  async alterStream(name: string, options: StreamOptions): Promise<StreamInfo> {
    this.#checkOpen();
    const { info, partitions } = this.#stream(name);
    checkStreamChange(info, options);
    const added = Array.from({ length: options.partitions - partitions.length }, emptyPartition);
    const { cleanup, retentionMs } = options;
    const altered = { ...info, partitions: options.partitions, cleanup, retentionMs };
    this.#streams.set(name, { info: altered, partitions: [...partitions, ...added] });
    return altered;
  }

  async deleteStream(name: string, topicId: string): Promise<void> {
    this.#checkOpen();
    if (this.#streams.get(name)?.info.topicId === topicId) this.#streams.delete(name);
  }

  async stream(name: string): Promise<StreamInfo | undefined> {
    this.#checkOpen();
    return this.#streams.get(name)?.info;
  }

  async listStreams(): Promise<readonly StreamInfo[]> {
    this.#checkOpen();
    return [...this.#streams.values()].map((stream) => stream.info);
  }

  async append(
    stream: string,
    partition: number,
    batch: RecordBatch,
    producer?: ProducerSequence,
  ): Promise<Appended> {
    this.#checkOpen();
    assert(batch.count > 0, "an append has at least one record");
    const place = this.#partition(stream, partition);
    const fault = this.#options.faults?.onAppend?.(stream, partition);
    if (fault === "overloaded") throw new MuaraError("log.overloaded", "the log is behind its bound");
    if (fault === "full") throw new MuaraError("log.full", "the log has used its budget");
    if (fault === "lost_unknown") throw new MuaraError("log.append_unknown", "the log did not answer");
    const appended = this.#store(place, batch, producer);
    if (fault) throw new MuaraError("log.append_unknown", "the log did not answer");
    return appended;
  }

  #store(partition: Partition, batch: RecordBatch, producer: ProducerSequence | undefined): Appended {
    const ingestMs = Math.max(this.#options.clock.nowMs(), this.#lastIngestMs);
    if (producer) {
      const repeat = this.#repeatOf(partition, producer, batch.count, ingestMs);
      if (repeat) return { baseOffset: repeat.baseOffset, ingestMs: repeat.ingestMs, isRepeat: true };
    }
    this.#lastIngestMs = ingestMs;
    const baseOffset = partition.endOffset;
    partition.batches.push({
      count: batch.count,
      bytes: batch.bytes.slice(),
      index: batch.index.slice(0, batch.count * RECORD_WORDS),
      offsets: Array.from({ length: batch.count }, (_, i) => baseOffset + i),
      ingestMs: Array.from({ length: batch.count }, () => ingestMs),
    });
    partition.endOffset += batch.count;
    const hourMs = ingestMs - (ingestMs % HOUR_MS);
    partition.accepted.set(hourMs, (partition.accepted.get(hourMs) ?? 0) + batch.count);
    if (producer) noteProducer(partition, producer, { baseOffset, ingestMs, count: batch.count });
    this.appendCount++;
    this.#waiters.wake();
    return { baseOffset, ingestMs, isRepeat: false };
  }

  #repeatOf(
    partition: Partition,
    producer: ProducerSequence,
    count: number,
    nowMs: number,
  ): { baseOffset: number; ingestMs: number } | undefined {
    const idleMs = this.#options.producerIdleMs ?? 7 * 24 * HOUR_MS;
    const known = partition.producers.get(producer.id);
    const place = known && nowMs - known.seenMs <= idleMs ? known : undefined;
    if (place && producer.epoch < place.epoch)
      throw new MuaraError("log.producer_fenced", `epoch ${place.epoch} of ${producer.id} exists`);
    const isSameEpoch = place?.epoch === producer.epoch;
    const repeat = isSameEpoch
      ? place.recent.find((entry) => entry.sequence === producer.sequence)
      : undefined;
    if (repeat?.count === count) return repeat;
    const next = isSameEpoch ? place.recent.at(-1)!.sequence + 1 : 0;
    if (repeat || producer.sequence !== next)
      throw new MuaraError("log.producer_sequence", `${producer.id} sent ${producer.sequence}, not ${next}`);
    return undefined;
  }

  async read(stream: string, partition: number, offset: number, maxBytes: number): Promise<ReadBatch> {
    this.#checkOpen();
    const delayMs = this.#options.faults?.readDelayMs?.(stream, partition) ?? 0;
    if (delayMs > 0) await this.#options.clock.sleep(delayMs);
    this.#checkOpen();
    const place = this.#partition(stream, partition);
    if (!(offset >= place.startOffset && offset <= place.endOffset))
      throw new MuaraError(
        "log.offset_out_of_range",
        `${stream}/${partition} holds [${place.startOffset}, ${place.endOffset}), not ${offset}`,
        { details: { stream, partition, offset, start: place.startOffset, end: place.endOffset } },
      );
    const picked: { batch: StoredBatch; from: number; to: number }[] = [];
    let payloadBytes = 0;
    let next = place.endOffset;
    collect: for (const batch of place.batches) {
      if (batch.offsets.at(-1)! < offset) continue;
      const from = batch.offsets.findIndex((at) => at >= offset);
      for (let i = from; i < batch.count; i++) {
        if (payloadBytes > 0 && payloadBytes + payloadLength(batch, i) > maxBytes) {
          if (i > from) picked.push({ batch, from, to: i });
          next = batch.offsets[i]!;
          break collect;
        }
        payloadBytes += Math.max(1, payloadLength(batch, i));
      }
      picked.push({ batch, from, to: batch.count });
    }
    return { stream, partition, next, endOffset: place.endOffset, ...merge(picked) };
  }

  async bounds(stream: string, partition: number): Promise<PartitionBounds> {
    this.#checkOpen();
    const { startOffset, endOffset } = this.#partition(stream, partition);
    this.#lastIngestMs = Math.max(this.#options.clock.nowMs(), this.#lastIngestMs);
    return { startOffset, endOffset, ingestFloorMs: this.#lastIngestMs };
  }

  async offsetAt(stream: string, partition: number, ingestMs: number): Promise<number> {
    this.#checkOpen();
    const place = this.#partition(stream, partition);
    for (const batch of place.batches) {
      const i = batch.ingestMs.findIndex((at) => at >= ingestMs);
      if (i >= 0) return batch.offsets[i]!;
    }
    return place.endOffset;
  }

  async accepted(stream: string): Promise<readonly AcceptedCount[]> {
    this.#checkOpen();
    return this.#stream(stream).partitions.flatMap(({ accepted }, partition) =>
      [...accepted].sort(([a], [b]) => a - b).map(([hourMs, count]) => ({ partition, hourMs, count })),
    );
  }

  async hold(consumer: string, holds: readonly Hold[]): Promise<void> {
    this.#checkOpen();
    for (const { stream, partition } of holds) this.#partition(stream, partition);
    if (holds.length === 0) this.#holds.delete(consumer);
    else this.#holds.set(consumer, [...holds]);
  }

  async isHolding(consumer: string): Promise<boolean> {
    this.#checkOpen();
    return this.#holds.has(consumer);
  }

  async retain(): Promise<number> {
    this.#checkOpen();
    let freed = 0;
    for (const { info, partitions } of this.#streams.values())
      partitions.forEach((partition, number) => {
        const holds = [...this.#holds.values()].flat();
        const held = holds.filter((hold) => hold.stream === info.name && hold.partition === number);
        const lowest = Math.min(...held.map((hold) => hold.offset), Infinity);
        const before = storedBytes(partition);
        const tombstoneMs = this.#options.tombstoneMs ?? 24 * HOUR_MS;
        if (info.cleanup === "compact")
          compactBelow(partition, lowest, this.#options.clock.nowMs() - tombstoneMs);
        else this.#expire(partition, lowest, info.retentionMs);
        freed += before - storedBytes(partition);
      });
    return freed;
  }

  async erase(
    stream: string,
    ranges: readonly LogRange[],
    isGone: (record: LogRecord) => boolean,
    signal: AbortSignal,
  ): Promise<number> {
    this.#checkOpen();
    signal.throwIfAborted();
    assert(this.#stream(stream).info.cleanup !== "compact", "a tombstone would delete its key");
    let erased = 0;
    for (const { partition, from, to } of ranges) {
      const place = this.#partition(stream, partition);
      place.batches = place.batches.map((batch) => {
        const records = Array.from({ length: batch.count }, (_, i) => {
          const offset = batch.offsets[i]!;
          const payload = payloadOf(batch, i);
          const record = { payload, key: keyOf(batch, i), header: headerOf(batch, i) };
          if (offset < from || offset >= to || !payload || !isGone({ partition, offset, payload }))
            return record;
          erased++;
          return { payload: null };
        });
        const { offsets, ingestMs } = batch;
        return { ...packRecords(records), offsets, ingestMs };
      });
    }
    return erased;
  }

  #expire(partition: Partition, lowestHold: number, retentionMs: number): void {
    const nowMs = this.#options.clock.nowMs();
    for (let batch = partition.batches[0]; batch; batch = partition.batches[0]) {
      const isExpired = batch.ingestMs.at(-1)! + retentionMs <= nowMs;
      const end = batch.offsets.at(-1)! + 1;
      if (!isExpired || end > lowestHold) return;
      partition.batches.shift();
      partition.startOffset = end;
    }
  }

  waitForAppend(seen: number, signal: AbortSignal): Promise<void> {
    if (this.appendCount > seen || signal.aborted || this.#isClosed) return Promise.resolve();
    return this.#waiters.wait(signal);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#waiters.wake();
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new MuaraError("log.closed", "the log is closed");
  }

  #stream(name: string): Stream {
    const stream = this.#streams.get(name);
    if (!stream)
      throw new MuaraError("log.stream_not_found", `no stream ${name}`, { details: { stream: name } });
    return stream;
  }

  #partition(name: string, partition: number): Partition {
    const found = this.#stream(name).partitions[partition];
    if (!found)
      throw new MuaraError("log.partition_not_found", `stream ${name} has no partition ${partition}`, {
        details: { stream: name, partition },
      });
    return found;
  }
}

function emptyPartition(): Partition {
  return { startOffset: 0, endOffset: 0, batches: [], accepted: new Map(), producers: new Map() };
}

function noteProducer(
  partition: Partition,
  { id, epoch, sequence }: ProducerSequence,
  stored: { baseOffset: number; ingestMs: number; count: number },
): void {
  const known = partition.producers.get(id);
  const place = known?.epoch === epoch && sequence > 0 ? known : { epoch, seenMs: 0, recent: [] };
  place.seenMs = stored.ingestMs;
  place.recent.push({ sequence, ...stored });
  if (place.recent.length > REPEATS_KNOWN) place.recent.shift();
  partition.producers.set(id, place);
}

/**
 * Keeps, of the records below `end`, the newest of each key and all without one. A tombstone goes as well, once it
 * is older than `tombstoneBeforeMs`: nothing that it deletes is left.
 */
function compactBelow(partition: Partition, end: number, tombstoneBeforeMs: number): void {
  const newest = new Map<string, number>();
  for (const batch of partition.batches)
    for (let i = 0; i < batch.count; i++)
      if (batch.offsets[i]! < end) newest.set(keyText(batch, i), batch.offsets[i]!);
  const stays = (batch: StoredBatch, i: number): boolean => {
    if (batch.offsets[i]! >= end || keyOf(batch, i) === null) return true;
    if (newest.get(keyText(batch, i)) !== batch.offsets[i]!) return false;
    return !isTombstone(batch, i) || batch.ingestMs[i]! > tombstoneBeforeMs;
  };
  partition.batches = partition.batches.flatMap((batch) => filterBatch(batch, (i) => stays(batch, i)));
}

function filterBatch(batch: StoredBatch, keep: (i: number) => boolean): StoredBatch[] {
  const kept = Array.from({ length: batch.count }, (_, i) => i).filter(keep);
  if (kept.length === batch.count) return [batch];
  if (kept.length === 0) return [];
  const index = new Uint32Array(kept.length * RECORD_WORDS);
  kept.forEach((i, at) =>
    index.set(batch.index.subarray(i * RECORD_WORDS, (i + 1) * RECORD_WORDS), at * RECORD_WORDS),
  );
  return [
    {
      count: kept.length,
      bytes: batch.bytes,
      index,
      offsets: kept.map((i) => batch.offsets[i]!),
      ingestMs: kept.map((i) => batch.ingestMs[i]!),
    },
  ];
}

function merge(picked: readonly { batch: StoredBatch; from: number; to: number }[]) {
  const count = picked.reduce((sum, { from, to }) => sum + to - from, 0);
  const bytes = new Uint8Array(picked.reduce((sum, { batch }) => sum + batch.bytes.length, 0));
  const index = new Uint32Array(count * RECORD_WORDS);
  const offsets = new Float64Array(count);
  const ingestMs = new Float64Array(count);
  let record = 0;
  let base = 0;
  for (const { batch, from, to } of picked) {
    bytes.set(batch.bytes, base);
    for (let i = from; i < to; i++, record++) {
      offsets[record] = batch.offsets[i]!;
      ingestMs[record] = batch.ingestMs[i]!;
      const word = record * RECORD_WORDS;
      index.set(batch.index.subarray(i * RECORD_WORDS, (i + 1) * RECORD_WORDS), word);
      for (const at of [PAYLOAD_AT, KEY_AT, HEADER_AT]) index[word + at]! += base;
    }
    base += batch.bytes.length;
  }
  return { count, bytes, index, offsets, ingestMs };
}

function payloadLength(batch: RecordBatch, i: number): number {
  const length = batch.index[i * RECORD_WORDS + PAYLOAD_LENGTH]!;
  return length === ABSENT ? 0 : length;
}

function isTombstone(batch: RecordBatch, i: number): boolean {
  return batch.index[i * RECORD_WORDS + PAYLOAD_LENGTH] === ABSENT;
}

function keyText(batch: RecordBatch, i: number): string {
  const key = keyOf(batch, i);
  return key ? String.fromCharCode(...key) : "";
}

function storedBytes(partition: Partition): number {
  return partition.batches.reduce((sum, batch) => {
    let bytes = 0;
    for (let i = 0; i < batch.count; i++) bytes += payloadLength(batch, i) + RECORD_WORDS * 4;
    return sum + bytes;
  }, 0);
}
