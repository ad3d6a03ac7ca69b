/**
 * The log on disk: one journal for all streams, one sync per group of appends (journal.ts), sealed into segments
 * (segment-set.ts), read back by index (log-read.ts). One process writes; a closed log may be read by many.
 *
 *   DIR/log.json     identity, written once         DIR/segment-N.log     groups from sequence N on
 *   DIR/lock         who writes (lock.ts)           DIR/segment-N.index   tally and index of it, a cache
 *   DIR/owner.json   process id, for messages       DIR/base.json         what removed segments left behind
 *   DIR/holds.json   consumers (holds.ts)           DIR/compacted-N.log   records of compacted streams
 *   DIR/reserve      room for retention on a full disk
 */
import { join } from "node:path";
import { assert } from "../../core/assert.ts";
import type { ByteSupply } from "../../core/byte-pool.ts";
import type { Clock, Randomness } from "../../core/clock.ts";
import { hasCode, MuaraError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type {
  AcceptedCount,
  Appended,
  Hold,
  Log,
  LogDiskUse,
  LogRange,
  LogRecord,
  PartitionBounds,
  ProducerSequence,
  StreamInfo,
  StreamOptions,
} from "../../core/ports/log.ts";
import type { ReadBatch, RecordBatch } from "../../core/record.ts";
import { checkStreamChange, hasOptions, otherOptions } from "../../core/stream-change.ts";
import { type Disk, isDiskFull, isSyncFailure, replaceFile, systemDisk, watchDirectories } from "./disk.ts";
import { diskUseOf, refusalOf } from "./disk-use.ts";
import { eraseRecords } from "./erasure.ts";
import { Holds } from "./holds.ts";
import { Journal } from "./journal.ts";
import { checkUnlocked, type DirectoryLock, lockDirectory } from "./lock.ts";
import { PARTITIONS_MAX } from "./log-index.ts";
import { findIngest, readRecords, type ReadSource } from "./log-read.ts";
import { retainSegments } from "./log-retention.ts";
import { LogState } from "./log-state.ts";
import { recover } from "./recovery.ts";
import { SegmentSet } from "./segment-set.ts";
import { TailCache } from "./tail-cache.ts";

const MEGABYTE = 1 << 20;
const HOUR_MS = 3_600_000;
/** Of the folder as a whole; grows when older releases must not touch it any more. */
const FORMAT = 1;
const RESERVE = "reserve";
const RESERVE_BYTES = MEGABYTE;

export interface FileLogLimits {
  /** Size at which a segment is sealed, bytes. */
  readonly segmentBytes: number;
  /** Age at which a segment is sealed by retention however small it is, ms. */
  readonly segmentAgeMs: number;
  /** Accepted and not yet durable; beyond it appends are refused with log.overloaded, bytes. */
  readonly pendingBytesMax: number;
  /** Budget of the directory; beyond it appends are refused with log.full, bytes. Nothing is deleted for it. */
  readonly diskBytesMax: number;
  /** Size above which retention removes the oldest segments before their age, bytes. */
  readonly retentionBytes: number;
  /** Newest groups kept in memory for readers of the live tail, bytes. */
  readonly cacheBytes: number;
  /** Idle age after which a producer is forgotten, ms. */
  readonly producerIdleMs: number;
  /** How long tombstones of compacted streams stay readable, ms. */
  readonly tombstoneMs: number;
  /** Sealed segments kept open with their index in memory. */
  readonly openSegmentsMax: number;
}

const DEFAULT_LIMITS: FileLogLimits = {
  segmentBytes: 128 * MEGABYTE,
  segmentAgeMs: HOUR_MS,
  pendingBytesMax: 64 * MEGABYTE,
  diskBytesMax: Infinity,
  retentionBytes: Infinity,
  cacheBytes: 64 * MEGABYTE,
  producerIdleMs: 7 * 24 * HOUR_MS,
  tombstoneMs: 24 * HOUR_MS,
  openSegmentsMax: 16,
};

export interface FileLogOptions extends Partial<FileLogLimits> {
  readonly directory: string;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
  /** Opens a closed log without a lock and changes nothing; appends are refused with log.closed. */
  readonly readOnly?: boolean;
  /** Told once when the disk failed; the process should end, since this log accepts nothing any more. */
  readonly onFatal?: (error: MuaraError) => void;
  /** For tests. */
  readonly disk?: Disk;
}

/** @throws log.locked, log.corrupt, log.identity, log.sync_failed, format.newer */
export async function openFileLog(options: FileLogOptions): Promise<Log> {
  const { directory, readOnly = false } = options;
  const syncs: { fail: (cause: unknown) => unknown; failure?: unknown } = {
    fail: (cause) => (syncs.failure ??= cause),
  };
  const disk = watchDirectories(options.disk ?? systemDisk, (cause) => syncs.fail(cause));
  if (!readOnly) await disk.makeDirectory(directory);
  let lock: DirectoryLock | undefined;
  try {
    if (readOnly) await checkUnlocked(disk, directory);
    else lock = await lockDirectory(disk, directory);
    const id = await identify(options, disk);
    const limits: FileLogLimits = { ...DEFAULT_LIMITS, ...options };
    const { randomness, logger } = options;
    const common = { disk, directory, logId: id, randomness, logger, openMax: limits.openSegmentsMax };
    const state = new LogState();
    const segments = new SegmentSet(common);
    try {
      await recover({ ...common, readOnly }, state, segments);
    } catch (error) {
      await segments.files.closeAll();
      throw error;
    }
    const holds = await Holds.open(disk, directory);
    if (!readOnly) await keepReserve({ disk, directory, logger });
    if (syncs.failure) throw syncs.failure;
    const log = new FileLog({ ...options, id, disk, lock, limits, state, segments, holds });
    syncs.fail = (cause) => log.fail(cause);
    return log;
  } catch (error) {
    lock?.release();
    if (!isSyncFailure(error)) throw error;
    throw new MuaraError("log.sync_failed", `the log cannot be made durable: ${String(error)}`, {
      cause: error,
    });
  }
}

/** Reads the log's identity, or gives it one. @throws log.identity */
async function identify(
  { directory, readOnly, clock, randomness }: FileLogOptions,
  disk: Disk,
): Promise<string> {
  const path = join(directory, "log.json");
  const bytes = await disk.readFile(path);
  if (bytes) {
    const known: { readonly id: string; readonly format?: number } = JSON.parse(
      Buffer.from(bytes).toString(),
    );
    if ((known.format ?? FORMAT) > FORMAT)
      throw new MuaraError(
        "format.newer",
        `${path} is of format ${known.format}; this release has ${FORMAT}`,
        {
          details: { file: path, format: known.format, known: FORMAT },
        },
      );
    return known.id;
  }
  const names = readOnly ? [] : await disk.list(directory);
  if (readOnly || names.some((name) => name.startsWith("segment-") || name === "base.json"))
    throw new MuaraError("log.identity", `${path} is missing`, { details: { file: path } });
  const id = randomness.uuid();
  await replaceFile(
    disk,
    path,
    Buffer.from(JSON.stringify({ id, format: FORMAT, createdMs: clock.nowMs() })),
  );
  return id;
}

/** Room for retention to work on a disk that is full. */
async function keepReserve({
  disk,
  directory,
  logger,
}: Pick<Parts, "disk" | "directory" | "logger">): Promise<void> {
  const path = join(directory, RESERVE);
  try {
    if ((await disk.size(path)) !== RESERVE_BYTES)
      await replaceFile(disk, path, new Uint8Array(RESERVE_BYTES));
  } catch (error) {
    logger.warn("no room is kept for retention", { cause: String(error) });
  }
}

interface Parts extends FileLogOptions {
  readonly id: string;
  readonly disk: Disk;
  readonly lock: DirectoryLock | undefined;
  readonly limits: FileLogLimits;
  readonly state: LogState;
  readonly segments: SegmentSet;
  readonly holds: Holds;
}

class FileLog implements Log {
  readonly id: string;
  readonly #parts: Parts;
  readonly #journal: Journal;
  readonly #source: ReadSource;
  readonly #waiters = new Set<() => void>();
  readonly #creating = new Map<string, Promise<StreamInfo>>();
  #retaining: Promise<number> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(parts: Parts) {
    const { disk, clock, logger, state, segments, limits } = parts;
    this.id = parts.id;
    this.#parts = parts;
    const cache = new TailCache(limits.cacheBytes);
    this.#source = { disk, files: segments.files, cache };
    this.#journal = new Journal({
      disk,
      clock,
      logger,
      state,
      segments,
      cache,
      limits,
      onAppended: () => this.#wake(),
      onFatal: (error) => {
        this.#wake();
        parts.onFatal?.(error);
      },
    });
  }

  /** Ends the log: what is on disk is in doubt. @returns what every call throws from here on */
  fail(cause: unknown): MuaraError {
    return this.#journal.fail(cause);
  }

  get appendCount(): number {
    return this.#parts.state.appendCount;
  }

  async createStream(name: string, options: StreamOptions): Promise<StreamInfo> {
    this.#checkOpen();
    const { partitions } = options;
    assert(
      Number.isInteger(partitions) && partitions > 0 && partitions <= PARTITIONS_MAX,
      "1 to 65,536 partitions",
    );
    const existing = this.#parts.state.stream(name)?.info ?? (await this.#creating.get(name));
    if (!existing) {
      this.#checkWritable();
      const created = this.#create(name, options);
      this.#creating.set(name, created);
      return created.finally(() => this.#creating.delete(name));
    }
    return hasOptions(existing, options) ? existing : otherOptions(name);
  }

  alterStream(name: string, options: StreamOptions): Promise<StreamInfo> {
    return this.#changed(name, async ({ info, number }) => {
      checkStreamChange(info, options);
      if (hasOptions(info, options)) return info;
      assert(options.partitions <= PARTITIONS_MAX, "at most 65,536 partitions");
      const { partitions, cleanup, retentionMs } = options;
      await this.#journal.noteStream({ ...info, number, partitions, cleanup, retentionMs });
      return this.#parts.state.stream(name)!.info;
    });
  }

  async deleteStream(name: string, topicId: string): Promise<void> {
    if (this.#parts.state.stream(name)?.info.topicId !== topicId) return;
    await this.#changed(name, async ({ info, number }) => {
      if (info.topicId === topicId) await this.#journal.noteStream({ ...info, number, isDeleted: true });
    }).catch((error: unknown) => {
      if (!hasCode(error, "log.stream_not_found")) throw error;
    });
  }

  /** Changes of streams happen one after the other, and not beside retention, which forgets streams. */
  #changed<T>(
    name: string,
    change: (stream: { info: StreamInfo; number: number }) => Promise<T>,
  ): Promise<T> {
    return this.#inTurn(async () => {
      this.#checkWritable();
      this.#parts.state.partition(name, 0);
      return change(this.#parts.state.stream(name)!);
    });
  }

  async #create(name: string, { partitions, cleanup, retentionMs }: StreamOptions): Promise<StreamInfo> {
    const { state, randomness } = this.#parts;
    const topicId = randomness.uuid();
    const number = state.nextStreamNumber();
    await this.#journal.noteStream({ number, name, topicId, partitions, cleanup, retentionMs });
    return state.stream(name)!.info;
  }

  async stream(name: string): Promise<StreamInfo | undefined> {
    this.#checkOpen();
    return this.#parts.state.stream(name)?.info;
  }

  async listStreams(): Promise<readonly StreamInfo[]> {
    this.#checkOpen();
    return this.#parts.state.streams();
  }

  async append(
    stream: string,
    partition: number,
    batch: RecordBatch,
    producer?: ProducerSequence,
  ): Promise<Appended> {
    this.#checkWritable();
    assert(batch.count > 0, "an append has at least one record");
    return this.#journal.append(this.#parts.state.partition(stream, partition), batch, producer);
  }

  async read(
    stream: string,
    partition: number,
    offset: number,
    maxBytes: number,
    supply?: ByteSupply,
  ): Promise<ReadBatch> {
    this.#checkOpen();
    const place = this.#parts.state.partition(stream, partition);
    return readRecords({ ...this.#source, supply }, place, offset, maxBytes);
  }

  async bounds(stream: string, partition: number): Promise<PartitionBounds> {
    this.#checkOpen();
    const { startOffset, endOffset } = this.#parts.state.partition(stream, partition);
    return { startOffset, endOffset, ingestFloorMs: this.#journal.ingestFloorMs() };
  }

  async offsetAt(stream: string, partition: number, ingestMs: number): Promise<number> {
    this.#checkOpen();
    return findIngest(this.#source, this.#parts.state.partition(stream, partition), ingestMs);
  }

  async accepted(stream: string): Promise<readonly AcceptedCount[]> {
    this.#checkOpen();
    this.#parts.state.partition(stream, 0);
    return this.#parts.state
      .stream(stream)!
      .partitions.flatMap(({ accepted, partition }) =>
        [...accepted].sort(([a], [b]) => a - b).map(([hourMs, count]) => ({ partition, hourMs, count })),
      );
  }

  async hold(consumer: string, holds: readonly Hold[]): Promise<void> {
    this.#checkWritable();
    for (const { stream, partition } of holds) this.#parts.state.partition(stream, partition);
    await this.#parts.holds.declare(consumer, holds).catch((error: unknown) => this.#diskFailed(error));
  }

  async isHolding(consumer: string): Promise<boolean> {
    this.#checkOpen();
    return this.#parts.holds.isKnown(consumer);
  }

  /**
   * Holds and base are as much the log's truth as its segments, and of a directory's failed sync a second one tells
   * nothing: so what is no full disk ends the log here as it does in the journal.
   * @throws log.full, log.sync_failed, or what it was given
   */
  #diskFailed(error: unknown): never {
    if (error instanceof MuaraError || !(error instanceof Error && "code" in error)) throw error;
    if (isDiskFull(error)) throw new MuaraError("log.full", "the disk is full", { cause: error });
    throw this.fail(error);
  }

  async refusal(): Promise<MuaraError | undefined> {
    return this.#journal.fatal ?? refusalOf(this.#parts, this.#journal.refusedBytes);
  }

  diskUse(): LogDiskUse {
    return diskUseOf(this.#parts);
  }

  async retain(): Promise<number> {
    this.#checkWritable();
    this.#retaining ??= this.#inTurn(() => this.#retain()).finally(() => (this.#retaining = undefined));
    return this.#retaining;
  }

  async erase(
    stream: string,
    ranges: readonly LogRange[],
    isGone: (record: LogRecord) => boolean,
    signal: AbortSignal,
  ): Promise<number> {
    this.#checkWritable();
    const { cleanup } = this.#parts.state.partition(stream, 0).stream;
    assert(cleanup !== "compact", "a tombstone in a compacted stream would delete its key");
    const { state, segments, randomness } = this.#parts;
    const options = { source: this.#source, state, segments, randomness, roll: () => this.#journal.roll() };
    return this.#inTurn(async () => {
      this.#checkWritable();
      return eraseRecords(options, { stream, ranges, isGone, signal }).catch((error: unknown) =>
        this.#diskFailed(error),
      );
    });
  }

  /** Retention and erasure both move segments. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#last.then(work);
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  async #retain(): Promise<number> {
    const { disk, directory } = this.#parts;
    const options = {
      ...this.#parts,
      ...this.#parts.limits,
      logId: this.id,
      source: this.#source,
      roll: () => this.#journal.roll(),
    };
    try {
      return await retainSegments(options).catch(async (error: unknown) => {
        if (!isDiskFull(error) && !hasCode(error, "log.full")) throw error;
        await disk.remove(join(directory, RESERVE)); // removing segments takes some room first
        return retainSegments(options);
      });
    } catch (error) {
      return this.#diskFailed(error);
    } finally {
      await keepReserve(this.#parts);
    }
  }

  waitForAppend(seen: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const isOver = signal.aborted || this.#closing || this.#journal.fatal;
      if (isOver || this.appendCount > seen) return resolve();
      const done = (): void => {
        if (this.appendCount <= seen && !signal.aborted && !this.#closing && !this.#journal.fatal) return;
        this.#waiters.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#waiters.add(done);
      signal.addEventListener("abort", done, { once: true });
    });
  }

  #wake(): void {
    for (const done of this.#waiters) done();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    this.#wake();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { segments, holds, state, lock, readOnly, logger } = this.#parts;
    await Promise.resolve(); // whoever called sees the log closing
    try {
      await this.#journal.drain();
      await this.#last; // retention and erasure; their callers were told
      await segments.sealingDone();
      if (!readOnly && !this.#journal.fatal) {
        segments.active.tally.lastIngestMs = state.lastIngestMs;
        await segments.seal(segments.active);
        await holds.save().catch((error: unknown) => {
          logger.warn("the holds were not written", { cause: String(error) }); // their names were before
        });
      }
    } finally {
      await segments.files.closeAll();
      lock?.release();
    }
  }

  /** @throws log.closed, log.sync_failed */
  #checkOpen(): void {
    if (this.#journal.fatal) throw this.#journal.fatal;
    if (this.#closing) throw new MuaraError("log.closed", "the log is closed");
  }

  #checkWritable(): void {
    this.#checkOpen();
    if (this.#parts.readOnly) throw new MuaraError("log.closed", "the log was opened read-only");
  }
}
