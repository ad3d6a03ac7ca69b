/**
 * The log: the ordered, durable, partitioned buffer between doors and landing. One event type is one stream.
 *
 * Contract, held by test/conformance/log.ts for every adapter (what one may lack is optional below, or named there):
 * - `append` is durable when it resolves; a batch gets consecutive offsets and keeps its order; it is stored
 *   whole or not at all. When it rejects with `log.append_unknown` it may be stored.
 * - ingest time is set once, by the log, per batch, and never decreases within a partition.
 * - `read` never passes the durable end and never returns a record twice; `next` is where to read on.
 * - a producer (id, epoch, sequence) makes a repeated append harmless: it resolves with the first one's offsets.
 */
import type { MuaraError } from "../errors.ts";
import type { ReadBatch, RecordBatch } from "../record.ts";

/**
 * `delete`: retention by age and size. `compact`: the newest record of each key stays for ever. `compact_and_delete`:
 * retention by age, and what is older than the newest of its key may go before (Kafka does that; the others keep it).
 */
export type StreamCleanup = "delete" | "compact" | "compact_and_delete";

export interface StreamOptions {
  /** ≥ 1; grows only (`alterStream`). */
  readonly partitions: number;
  readonly cleanup: StreamCleanup;
  /** Age from which records may be removed, ms. Ignored for `compact`. */
  readonly retentionMs: number;
}

export interface StreamInfo extends StreamOptions {
  readonly name: string;
  /** Identity of this incarnation of the stream: a deleted and recreated stream gets another. */
  readonly topicId: string;
}

/** An idempotent producer's place. Sequences count batches per (producer, stream, partition) from 0. */
export interface ProducerSequence {
  readonly id: string;
  readonly epoch: number;
  readonly sequence: number;
}

export interface Appended {
  /** Offset of the batch's first record. */
  readonly baseOffset: number;
  readonly ingestMs: number;
  /** True where the log recognised a repeated append and stored nothing new. */
  readonly isRepeat: boolean;
}

export interface PartitionBounds {
  /** The oldest offset still readable (equals endOffset when nothing is). */
  readonly startOffset: number;
  /** The durable end: the offset that the next record will get. */
  readonly endOffset: number;
  /** No record appended from now on will have an ingest time below this, ms. */
  readonly ingestFloorMs: number;
}

/** How many records were accepted, counted by the log itself, never derived from offsets. */
export interface AcceptedCount {
  readonly partition: number;
  /** Start of the hour of acceptance, ms since 1970 UTC. */
  readonly hourMs: number;
  readonly count: number;
}

/** The lowest offset of a partition that a consumer still needs. */
export interface Hold {
  readonly stream: string;
  readonly partition: number;
  readonly offset: number;
}

export interface LogDiskUse {
  /** Segments with their indexes, compacted ones too. */
  readonly bytes: number;
  /** Beyond it appends are refused with log.full; Infinity for no bound. */
  readonly bytesMax: number;
  readonly segments: number;
}

/** Offsets [from, to) of a partition. */
export interface LogRange {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

/** A record as it is looked at; its bytes are only valid meanwhile. */
export interface LogRecord {
  readonly partition: number;
  readonly offset: number;
  readonly payload: Uint8Array;
}

export interface Log {
  /** Identity of the log itself; a restored or other log has another. */
  readonly id: string;
  /**
   * Whether records are removed by those who keep the log, by age and size alone: `retain` removes nothing then, and
   * what a consumer holds is known, but waited for by nobody. Whoever falls behind finds log.offset_out_of_range.
   */
  readonly hasOwnRetention?: boolean;

  /**
   * Creates a stream, or returns the one that exists with the same options.
   * @throws declaration.conflict when the options differ
   */
  createStream(name: string, options: StreamOptions): Promise<StreamInfo>;
  /**
   * Gives a stream other options: more partitions, another retention, `compact_and_delete` instead of `delete`. What
   * it holds stays where it is. Doing it again changes nothing.
   * @throws log.stream_not_found; declaration.conflict for fewer partitions, and to or from `compact`
   */
  alterStream(name: string, options: StreamOptions): Promise<StreamInfo>;
  /**
   * Removes this incarnation of a stream with all its records. The name is free then, and gets another identity where
   * it is created again. Nothing happens where the stream is gone or another one bears its name. Holds on it end to
   * mean anything, but are their consumers' to release.
   */
  deleteStream(name: string, topicId: string): Promise<void>;
  /** @returns undefined where no such stream exists */
  stream(name: string): Promise<StreamInfo | undefined>;
  listStreams(): Promise<readonly StreamInfo[]>;

  /**
   * Appends a batch to one partition; the bytes may be reused once it resolves.
   * @throws log.stream_not_found, log.partition_not_found, log.overloaded, log.full, log.append_unknown, log.closed,
   *   log.producer_fenced, log.producer_sequence
   */
  append(
    stream: string,
    partition: number,
    batch: RecordBatch,
    producer?: ProducerSequence,
  ): Promise<Appended>;

  /**
   * Reads from `offset` on, at least one record when there is one, else about `maxBytes` of payload.
   * The bytes stay valid for as long as the caller holds them.
   * @throws log.offset_out_of_range when retention removed the offset or it lies beyond the end
   */
  read(stream: string, partition: number, offset: number, maxBytes: number): Promise<ReadBatch>;

  bounds(stream: string, partition: number): Promise<PartitionBounds>;
  /** The first offset whose record has an ingest time ≥ `ingestMs`; the end when none has. */
  offsetAt(stream: string, partition: number, ingestMs: number): Promise<number>;
  /** Per partition and hour of acceptance, everything ever accepted into the stream, also what retention removed. */
  accepted(stream: string): Promise<readonly AcceptedCount[]>;

  /**
   * Declares what a consumer still needs; retention never passes it. Replaces the consumer's former holds, [] releases
   * them.
   */
  hold(consumer: string, holds: readonly Hold[]): Promise<void>;
  /** Whether a consumer has declared holds and not released them, however long ago and by whichever process. */
  isHolding(consumer: string): Promise<boolean>;
  /** Removes what age, size and the holds allow. @returns bytes freed */
  retain(): Promise<number>;

  /**
   * Makes tombstones of records of a stream whose cleanup is `delete`: payload, key and header are gone from wherever
   * the log keeps them once it resolves; offsets, ingest times and counts stay. What is cut off may be repeated, and
   * does no harm. Optional: not every log can overwrite what it has.
   * @param isGone asked once or more for each record that is no tombstone
   * @returns records that became tombstones
   * @throws log.stream_not_found, log.partition_not_found, log.closed, log.full, log.corrupt, log.append_unknown,
   *   store.unavailable, store.not_atomic
   */
  erase?(
    stream: string,
    ranges: readonly LogRange[],
    isGone: (record: LogRecord) => boolean,
    signal: AbortSignal,
  ): Promise<number>;

  /**
   * Why an append would be refused for as long as nobody changes anything (log.full), as far as the log can tell;
   * undefined where it would be taken. For health, never to decide on. Optional: not every log can tell.
   */
  refusal?(): Promise<MuaraError | undefined>;

  /** What it takes of a disk, by what it keeps in memory of it. Optional: not every log keeps its bytes itself. */
  diskUse?(): LogDiskUse;

  /** Counts up with every durable append; with `waitForAppend` a reader sleeps until there is something new. */
  readonly appendCount: number;
  /** Resolves when `appendCount` exceeds `seen`, or the signal is aborted. */
  waitForAppend(seen: number, signal: AbortSignal): Promise<void>;

  /** Makes accepted appends durable, refuses new ones with log.closed, releases the directory or connection. */
  close(): Promise<void>;
}
