/**
 * The one writer of the log: group commit. Everything that was queued while the previous group was synced forms the
 * next one, which is written and synced only then; so at most one group is ever at risk, and recovery can tell a
 * torn tail from damage. Nothing is visible before it is durable.
 *
 * A full disk is survived: the group is cut off again, its appends are told, reading goes on. Any other failure to
 * write or sync ends the log, since after a failed sync nobody knows what the disk holds (fsyncgate).
 */
import { assert } from "../../core/assert.ts";
import type { Clock } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { Appended, ProducerSequence } from "../../core/ports/log.ts";
import type { RecordBatch } from "../../core/record.ts";
import { type Disk, isDiskFull, writeFully } from "./disk.ts";
import { encodeGroup, groupLength, type GroupPart, type Layout, layoutOf } from "./group.ts";
import { dataLengthOf, ENTRY_BYTES, KIND_CONTROL, KIND_RECORDS } from "./journal-format.ts";
import type { LogState, PartitionState } from "./log-state.ts";
import { judgeProducer, noteProducer, type ProducerPlace } from "./producers.ts";
import { encodeControl, type Segment } from "./segment.ts";
import type { StreamRecord } from "./segment-tally.ts";
import type { SegmentSet } from "./segment-set.ts";
import type { TailCache } from "./tail-cache.ts";

const HOUR_MS = 3_600_000;
/** A group takes no further batch beyond this, bytes. */
const GROUP_BYTES = 16 << 20;
const NOTHING = new Uint8Array(0);
const NO_LAYOUT: Layout = { from: 0, length: 0, isGathered: false };

export interface JournalLimits {
  /** Bytes queued and not yet durable; beyond them appends are refused. */
  readonly pendingBytesMax: number;
  /** Bytes of the whole directory; beyond them appends are refused. */
  readonly diskBytesMax: number;
  readonly segmentBytes: number;
  readonly producerIdleMs: number;
}

export interface JournalOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly state: LogState;
  readonly segments: SegmentSet;
  readonly cache: TailCache;
  readonly limits: JournalLimits;
  readonly onAppended: () => void;
  readonly onFatal: (error: MuaraError) => void;
}

interface Settle {
  readonly reject: (error: unknown) => void;
}

interface AppendItem extends Settle {
  readonly kind: "append";
  readonly partition: PartitionState;
  readonly batch: RecordBatch;
  readonly layout: Layout;
  readonly producer: ProducerSequence | undefined;
  readonly producerBytes: Uint8Array;
  readonly size: number;
  readonly resolve: (appended: Appended) => void;
}

interface StreamItem extends Settle {
  readonly kind: "stream";
  readonly record: StreamRecord;
  readonly bytes: Uint8Array;
  readonly size: number;
  readonly resolve: () => void;
}

interface RollItem extends Settle {
  readonly kind: "roll";
  readonly size: 0;
  readonly resolve: () => void;
}

type Item = AppendItem | StreamItem | RollItem;

/** A group about to be written: what it holds, and what to do when it is durable. */
interface Group {
  readonly ingestMs: number;
  readonly parts: GroupPart[];
  /** Runs in order when the group is durable; `place` is where the part's data begins in the file. */
  readonly apply: ((place: number, segment: Segment) => void)[];
  readonly settle: (() => void)[];
  readonly items: Settle[];
  size: number;
}

export class Journal {
  readonly #options: JournalOptions;
  #queue: Item[] = [];
  #pendingBytes = 0;
  #running: Promise<void> | undefined;
  #inFlight: Group | undefined;
  #fatal: MuaraError | undefined;
  #refusedBytes = 0;

  constructor(options: JournalOptions) {
    this.#options = options;
  }

  get fatal(): MuaraError | undefined {
    return this.#fatal;
  }

  /** Size of what disk or budget had no room for last; 0 once something was written. */
  get refusedBytes(): number {
    return this.#refusedBytes;
  }

  /** Ends the log after a failure beside the journal. @returns what every call throws from here on */
  fail(cause: unknown): MuaraError {
    return this.#end([], cause);
  }

  /**
   * No record that is not durable yet has an ingest time below this, ms. Asking raises the floor, so that a clock
   * that jumps back cannot break the promise.
   */
  ingestFloorMs(): number {
    const { state, clock } = this.#options;
    if (this.#inFlight) return this.#inFlight.ingestMs;
    state.lastIngestMs = Math.max(state.lastIngestMs, clock.nowMs());
    return state.lastIngestMs;
  }

  append(
    partition: PartitionState,
    batch: RecordBatch,
    producer: ProducerSequence | undefined,
  ): Promise<Appended> {
    const layout = layoutOf(batch);
    const producerBytes = producer ? Buffer.from(producer.id) : NOTHING;
    const length = dataLengthOf(KIND_RECORDS, batch.count, layout.length, producerBytes.length);
    const size = ENTRY_BYTES + length;
    this.#admit(size);
    return new Promise((resolve, reject) => {
      this.#enqueue({
        kind: "append",
        partition,
        batch,
        layout,
        producer,
        producerBytes,
        size,
        resolve,
        reject,
      });
    });
  }

  /** A stream that is created, altered or deleted. */
  noteStream(record: StreamRecord): Promise<void> {
    const bytes = encodeControl(record);
    const size = ENTRY_BYTES + dataLengthOf(KIND_CONTROL, 0, bytes.length, 0);
    this.#admit(size);
    return new Promise((resolve, reject) => {
      this.#enqueue({ kind: "stream", record, bytes, size, resolve, reject });
    });
  }

  /** Seals the segment that is written to, and begins the next, if it holds anything. */
  roll(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#enqueue({ kind: "roll", size: 0, resolve, reject });
    });
  }

  /** Resolves when nothing is queued or being written. */
  async drain(): Promise<void> {
    while (this.#running) await this.#running;
  }

  /** @throws log.overloaded, log.full */
  #admit(size: number): void {
    const { limits, segments } = this.#options;
    if (this.#fatal) throw this.#fatal;
    if (this.#pendingBytes > 0 && this.#pendingBytes + size > limits.pendingBytesMax)
      throw new MuaraError("log.overloaded", `${this.#pendingBytes} bytes wait for the disk`, {
        details: { pendingBytes: this.#pendingBytes, pendingBytesMax: limits.pendingBytesMax },
      });
    if (segments.diskBytes + this.#pendingBytes + size > limits.diskBytesMax) {
      this.#refusedBytes = size;
      throw new MuaraError("log.full", `the log has used its budget of ${limits.diskBytesMax} bytes`, {
        details: { diskBytes: segments.diskBytes, diskBytesMax: limits.diskBytesMax },
      });
    }
  }

  #enqueue(item: Item): void {
    this.#queue.push(item);
    this.#pendingBytes += item.size;
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    await Promise.resolve(); // appends of the same turn join the first group
    while (this.#queue.length > 0) {
      if (this.#fatal) {
        this.#rejectQueue(this.#fatal);
        break;
      }
      const first = this.#queue[0]!;
      if (first.kind === "roll") {
        this.#queue.shift();
        if (await this.#roll([first])) first.resolve();
        continue;
      }
      const group = this.#form();
      this.#inFlight = group;
      await this.#commit(group);
      this.#inFlight = undefined;
      this.#pendingBytes -= group.size;
    }
    // In the same turn as the last look at the queue: whoever comes next must find that nobody runs.
    this.#running = undefined;
  }

  /** Takes from the queue what goes into the next group and decides its offsets and ingest time. */
  #form(): Group {
    const { state, clock } = this.#options;
    state.lastIngestMs = Math.max(state.lastIngestMs, clock.nowMs());
    const group: Group = {
      ingestMs: state.lastIngestMs,
      parts: [],
      apply: [],
      settle: [],
      items: [],
      size: 0,
    };
    const forming = new Forming(this.#options.limits.producerIdleMs);
    let taken = 0;
    for (const item of this.#queue) {
      if (item.kind === "roll" || (taken > 0 && group.size + item.size > GROUP_BYTES)) break;
      taken++;
      group.size += item.size;
      if (item.kind === "append") this.#formAppend(group, forming, item);
      else this.#formStream(group, forming, item);
    }
    this.#queue = this.#queue.slice(taken);
    return group;
  }

  #formAppend(group: Group, forming: Forming, item: AppendItem): void {
    const { ingestMs } = group;
    const { partition, batch, producer, layout, producerBytes } = item;
    const baseOffset = forming.endOf(partition);
    group.items.push(item);
    if (partition.isDeleted || forming.deleted.has(partition.streamNumber)) {
      const { name } = partition.stream;
      const gone = new MuaraError("log.stream_not_found", `no stream ${name}`, { details: { stream: name } });
      group.settle.push(() => item.reject(gone));
      return;
    }
    let known;
    try {
      known = producer && forming.judge(partition, producer, batch.count, ingestMs);
    } catch (error) {
      group.settle.push(() => item.reject(error));
      return;
    }
    if (known) {
      const appended = { baseOffset: known.baseOffset, ingestMs: known.ingestMs, isRepeat: true };
      group.settle.push(() => item.resolve(appended));
      return;
    }
    const entry = {
      kind: KIND_RECORDS,
      stream: partition.streamNumber,
      partition: partition.partition,
      count: batch.count,
      baseOffset,
      endOffset: baseOffset + batch.count,
      ingestMs,
      epoch: producer?.epoch ?? -1,
      sequence: producer?.sequence ?? 0,
      producerBytes: producerBytes.length,
      bytesLength: layout.length,
      crc: 0,
    };
    forming.note(partition, producer, entry);
    group.parts.push({ entry, batch, layout, producer: producerBytes });
    group.apply.push((place, segment) => {
      segment.tally.note(entry, producer?.id ?? "");
      segment.index!.add(entry, place);
      this.#applyRecords(partition, segment, entry, producer);
    });
    group.settle.push(() => item.resolve({ baseOffset, ingestMs, isRepeat: false }));
  }

  #applyRecords(
    partition: PartitionState,
    segment: Segment,
    entry: GroupPart["entry"],
    producer: ProducerSequence | undefined,
  ): void {
    const { ingestMs, count, baseOffset, endOffset } = entry;
    partition.endOffset = endOffset;
    const run = partition.runs.at(-1);
    if (run?.segment === segment) {
      run.endOffset = endOffset;
      run.lastIngestMs = ingestMs;
    } else partition.runs.push({ segment, firstOffset: baseOffset, endOffset, lastIngestMs: ingestMs });
    const hourMs = ingestMs - (ingestMs % HOUR_MS);
    partition.accepted.set(hourMs, (partition.accepted.get(hourMs) ?? 0) + count);
    if (producer) {
      const batch = { sequence: producer.sequence, baseOffset, ingestMs, count };
      const place = noteProducer(partition.producers.get(producer.id), producer.epoch, batch);
      partition.producers.set(producer.id, place);
    }
    this.#options.state.appendCount++;
  }

  #formStream(group: Group, forming: Forming, item: StreamItem): void {
    const { state } = this.#options;
    if (item.record.isDeleted) forming.deleted.add(item.record.number);
    const entry = {
      kind: KIND_CONTROL,
      stream: 0,
      partition: 0,
      count: 0,
      baseOffset: 0,
      endOffset: 0,
      ingestMs: group.ingestMs,
      epoch: -1,
      sequence: 0,
      producerBytes: 0,
      bytesLength: item.bytes.length,
      crc: 0,
    };
    const batch = { count: 0, bytes: item.bytes, index: new Uint32Array(0) };
    const layout = { ...NO_LAYOUT, length: item.bytes.length };
    group.items.push(item);
    group.parts.push({ entry, batch, layout, producer: NOTHING });
    group.apply.push((_place, segment) => {
      segment.tally.noteTime(group.ingestMs);
      segment.tally.streams.push(item.record);
      state.addStream(item.record);
    });
    group.settle.push(item.resolve);
  }

  async #commit(group: Group): Promise<void> {
    if (group.parts.length > 0) {
      const isWritten = (await this.#makeRoom(group)) && (await this.#write(group));
      if (!isWritten) return;
    }
    for (const settle of group.settle) settle();
    if (group.parts.length > 0) this.#options.onAppended();
  }

  /** Begins the next segment where this one is too full for the group. @returns false where the group failed */
  async #makeRoom(group: Group): Promise<boolean> {
    const { segments, limits } = this.#options;
    const { active } = segments;
    const isEmpty = active.tally.lastSequence < active.tally.firstSequence;
    const isTooLong = active.length + groupLength(group.parts) > limits.segmentBytes;
    return isEmpty || !isTooLong || this.#roll(group.items);
  }

  /** @returns false where the group failed */
  async #write(group: Group): Promise<boolean> {
    const { segments, cache, disk } = this.#options;
    const segment = segments.active;
    const position = segment.length;
    const sequence = segment.tally.lastSequence + 1;
    const bytes = cache.reserve(groupLength(group.parts));
    const places = encodeGroup(bytes, group.parts, sequence, segment.header.salt);
    try {
      await writeFully(disk, segment.fd!, bytes, position);
      await disk.datasync(segment.fd!);
    } catch (error) {
      await this.#failed(group, segment, error);
      return false;
    }
    this.#refusedBytes = 0;
    segment.length += bytes.length;
    segment.tally.lastSequence = sequence;
    segments.diskBytes += bytes.length;
    cache.keep(segment.header.firstSequence, position, bytes.length);
    group.apply.forEach((apply, i) => apply(position + places[i]!, segment));
    return true;
  }

  /** A full disk: the segment ends again where it did before, and stays usable. Everything else is fatal. */
  async #failed(group: Group, segment: Segment, error: unknown): Promise<void> {
    const { disk, logger } = this.#options;
    if (!isDiskFull(error)) return void this.#end(group.items, error);
    this.#refusedBytes = group.size;
    try {
      await disk.truncate(segment.fd!, segment.length);
      await disk.datasync(segment.fd!);
    } catch (truncateError) {
      return void this.#end(group.items, truncateError);
    }
    logger.warn("the disk is full", { appends: group.items.length, segment: segment.path });
    const full = new MuaraError("log.full", "the disk is full", { cause: error });
    for (const item of group.items) item.reject(full);
  }

  /** @param waiting who is told when there is no next segment. @returns whether there is one */
  async #roll(waiting: readonly Settle[]): Promise<boolean> {
    try {
      await this.#options.segments.roll();
      return true;
    } catch (error) {
      if (!isDiskFull(error)) {
        this.#end(waiting, error);
        return false;
      }
      const full = new MuaraError("log.full", "the disk has no room for another segment", { cause: error });
      for (const item of waiting) item.reject(full);
      return false;
    }
  }

  #end(unknown: readonly Settle[], cause: unknown): MuaraError {
    const isFirst = this.#fatal === undefined;
    this.#fatal ??= new MuaraError("log.sync_failed", `the log cannot be made durable: ${String(cause)}`, {
      cause,
    });
    const error = new MuaraError("log.append_unknown", "the disk failed while the batch was written", {
      cause,
    });
    for (const item of unknown) item.reject(error);
    this.#rejectQueue(this.#fatal);
    if (isFirst) {
      this.#options.logger.error("the log stops", { cause: String(cause) });
      this.#options.onFatal(this.#fatal);
    }
    return this.#fatal;
  }

  #rejectQueue(error: MuaraError): void {
    for (const item of this.#queue) item.reject(error);
    this.#queue = [];
  }
}

/** Offsets and producers as they will be when the group is durable; forgotten when it fails. */
class Forming {
  /** Streams that are gone from here on. */
  readonly deleted = new Set<number>();
  readonly #producerIdleMs: number;
  readonly #ends = new Map<PartitionState, number>();
  readonly #places = new Map<PartitionState, Map<string, ProducerPlace>>();

  constructor(producerIdleMs: number) {
    this.#producerIdleMs = producerIdleMs;
  }

  endOf(partition: PartitionState): number {
    return this.#ends.get(partition) ?? partition.endOffset;
  }

  judge(partition: PartitionState, producer: ProducerSequence, count: number, ingestMs: number) {
    const place = this.#placeOf(partition, producer.id);
    return judgeProducer(place, producer, count, ingestMs - this.#producerIdleMs);
  }

  note(partition: PartitionState, producer: ProducerSequence | undefined, entry: GroupPart["entry"]): void {
    this.#ends.set(partition, entry.endOffset);
    if (!producer) return;
    const { sequence, baseOffset, ingestMs, count } = entry;
    const before = this.#placeOf(partition, producer.id);
    const place = noteProducer(before, producer.epoch, { sequence, baseOffset, ingestMs, count });
    const places = this.#places.get(partition) ?? new Map<string, ProducerPlace>();
    this.#places.set(partition, places.set(producer.id, place));
    assert(place.recent.at(-1)!.baseOffset === baseOffset, "a producer's batch was not noted");
  }

  #placeOf(partition: PartitionState, id: string): ProducerPlace | undefined {
    return this.#places.get(partition)?.get(id) ?? partition.producers.get(id);
  }
}
