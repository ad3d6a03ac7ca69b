/**
 * The log on an object store: what an edge appends to, without a disk and without a server of our own. Each stream is
 * a chain of groups (chain.ts); one conditional write makes a group durable and gives it its place, so any number of
 * processes may append to a stream, and its order is the order of the numbers that they won.
 *
 * | object | what it is |
 * |---|---|
 * | `log.json` | identity and format |
 * | `streams/<name>.json` | a stream's options, created once |
 * | `groups/<topic id>/<number>` | its records |
 * | `hints/<topic id>.json` | about where it ends |
 * | `snapshots/<topic id>/<id>` | what compaction left |
 * | `holds/<consumer>.json` | what a consumer still needs |
 * | `deleted/<topic id>` | of which stream records are still to be deleted |
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
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { ReadBatch, RecordBatch } from "../../core/record.ts";
import { checkStreamChange, hasOptions, otherOptions } from "../../core/stream-change.ts";
import { UnderWay } from "../../core/under-way.ts";
import { eraseRecords } from "./erasure.ts";
import { corrupt } from "./frame.ts";
import { GroupCache } from "./group-cache.ts";
import { Holds } from "./holds.ts";
import { pathName } from "./names.ts";
import { Poll } from "./poll.ts";
import { storedRecords } from "./records.ts";
import { retainStream, sweepDeleted } from "./retention.ts";
import { createOnce, probeStore } from "./settled-store.ts";
import { StreamHandle } from "./stream-handle.ts";

const FORMAT = 1;
const LOG_PATH = "log.json";
const STREAMS = "streams";
const DELETED = "deleted";
const MIB = 1_048_576;
const SETTLE_MS = 20_000;
/** A look-up that another caller began is shared for this long, ms; its request may have died meanwhile. */
const SHARED_MS = 5_000;

/** Groups are not deleted earlier, ms: what a process knows of a stream's end is good for less than half of it. */
const GRACE_MS = 600_000;

export interface S3LogOptions {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** Groups kept in memory, bytes. */
  readonly cacheBytes?: number;
  /** Appended but not yet durable; beyond it appends are refused, bytes of each stream. */
  readonly pendingBytesMax?: number;
  readonly groupBytesMax?: number;
  /** Time after which an append of unknown outcome is reported as such, ms. */
  readonly settleMs?: number;
  /** Of those who wait for a group one leads; silent for this long it is taken for dead, ms. */
  readonly leaderMs?: number;
  /** A stream's end that was looked up less than this ago is taken as it is, ms. */
  readonly freshMs?: number;
  /** Objects are not deleted before this age, ms. Less is for tests in which only one process has the log open. */
  readonly graceMs?: number;
  /** The floor of ingest times of a silent stream is raised at most this often, ms. Each time is a write. */
  readonly floorMs?: number;
}

/** @throws store.unavailable, store.not_atomic, log.corrupt */
export async function openS3Log(options: S3LogOptions): Promise<Log> {
  const { store, randomness } = options;
  let bytes = await store.get(LOG_PATH);
  if (!bytes) {
    await probeStore(options);
    bytes = await createOnce(options, LOG_PATH, encoded({ format: FORMAT, id: randomness.uuid() }));
  }
  const { format, id } = decoded(bytes) as { format: number; id: string };
  if (format !== FORMAT || typeof id !== "string") throw corrupt(LOG_PATH, `is of format ${format}`);
  return new S3Log(id, options);
}

class S3Log implements Log {
  readonly id: string;
  appendCount = 0;
  readonly #options: S3LogOptions;
  readonly #cache: GroupCache;
  readonly #holds: Holds;
  readonly #poll: Poll;
  readonly #handles = new Map<string, StreamHandle>();
  readonly #lookups = new Map<
    string,
    { readonly sinceMs: number; readonly found: Promise<StreamHandle | undefined> }
  >();
  /** Appends and erasures under way. */
  readonly #writes = new UnderWay();
  #lastErasure: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(id: string, options: S3LogOptions) {
    this.id = id;
    this.#options = options;
    this.#cache = new GroupCache(options.store, options.cacheBytes ?? 32 * MIB);
    this.#holds = new Holds(options.store);
    this.#poll = new Poll(options.clock, () => this.#handles.values());
  }

  async createStream(name: string, options: StreamOptions): Promise<StreamInfo> {
    this.#checkOpen();
    const { partitions, cleanup, retentionMs } = options;
    assert(Number.isInteger(partitions) && partitions > 0, "a stream has at least one partition");
    const topicId = this.#options.randomness.uuid();
    const wanted: StreamInfo = { name, topicId, partitions, cleanup, retentionMs };
    const bytes = await createOnce(this.#options, await streamPath(name), encoded(wanted));
    const { info } = this.#adopt(decoded(bytes) as StreamInfo);
    return hasOptions(info, options) ? info : otherOptions(name);
  }

  async alterStream(name: string, options: StreamOptions): Promise<StreamInfo> {
    this.#checkOpen();
    const { chain, appender } = await this.#place(name, 0);
    const { partitions, cleanup, retentionMs } = options;
    const wanted = { partitions, cleanup, retentionMs };
    await chain.fresh(true);
    checkStreamChange(chain.info, wanted);
    if (!hasOptions(chain.info, wanted))
      await this.#writes.track(
        appender.add({
          kind: "change",
          decide: (now) => {
            checkStreamChange({ ...chain.info, ...now.options }, wanted);
            return { options: wanted };
          },
        }),
      );
    // For whoever has not read the chain yet; the chain is what counts.
    await this.#rewrite(name, chain.info.topicId, { ...chain.info, ...wanted });
    return chain.info;
  }

  async deleteStream(name: string, topicId: string): Promise<void> {
    this.#checkOpen();
    const { store } = this.#options;
    const handle = await this.#find(name);
    if (handle?.info.topicId === topicId) {
      await this.#writes.track(
        handle.appender.add({ kind: "change", decide: () => ({ isClosed: true as const }) }),
      );
      await store.put(`${DELETED}/${topicId}`, encoded({ name }));
      this.#handles.delete(name);
    }
    await this.#rewrite(name, topicId, undefined);
  }

  /** Replaces or removes what says which options a stream has, as long as it is about this incarnation. */
  async #rewrite(name: string, topicId: string, info: StreamInfo | undefined): Promise<void> {
    const { store } = this.#options;
    const path = await streamPath(name);
    const bytes = await store.get(path);
    if (!bytes || (decoded(bytes) as StreamInfo).topicId !== topicId) return;
    if (info) await store.put(path, encoded(info));
    else await store.delete(path);
  }

  async stream(name: string): Promise<StreamInfo | undefined> {
    this.#checkOpen();
    return (await this.#find(name))?.info;
  }

  async listStreams(): Promise<readonly StreamInfo[]> {
    this.#checkOpen();
    return (await this.#all()).map(({ info }) => info);
  }

  append(
    stream: string,
    partition: number,
    batch: RecordBatch,
    producer?: ProducerSequence,
  ): Promise<Appended> {
    return this.#writes.track(this.#append(stream, partition, batch, producer));
  }

  async #append(
    stream: string,
    partition: number,
    batch: RecordBatch,
    producer: ProducerSequence | undefined,
  ): Promise<Appended> {
    this.#checkOpen();
    assert(batch.count > 0, "an append has at least one record");
    const { appender } = await this.#place(stream, partition);
    const stored = storedRecords(batch);
    const pendingMax = this.#options.pendingBytesMax ?? 64 * MIB;
    if (appender.waitingBytes > 0 && appender.waitingBytes + stored.length > pendingMax)
      throw new MuaraError("log.overloaded", "More is waiting for the store than it takes in time.");
    const result = await appender.add({ kind: "batch", partition, count: batch.count, stored, producer });
    assert(result.kind === "appended", "a batch was appended");
    return result.appended;
  }

  async read(stream: string, partition: number, offset: number, maxBytes: number): Promise<ReadBatch> {
    this.#checkOpen();
    const { reader } = await this.#place(stream, partition);
    return reader.read(partition, offset, maxBytes);
  }

  async bounds(stream: string, partition: number): Promise<PartitionBounds> {
    this.#checkOpen();
    const { chain, appender } = await this.#place(stream, partition);
    const { header } = await chain.fresh();
    const { clock, floorMs = 30_000 } = this.#options;
    const nowMs = clock.nowMs();
    // Others append, too: only what stands in the stream binds them.
    if (nowMs - header.ingestMs > floorMs)
      await appender.add({ kind: "change", decide: (now) => (now.ingestMs < nowMs ? {} : undefined) });
    const { starts, ends, ingestMs } = (await chain.state()).header;
    if (chain.isClosed) throw noStream(stream);
    return { startOffset: starts[partition]!, endOffset: ends[partition]!, ingestFloorMs: ingestMs };
  }

  async offsetAt(stream: string, partition: number, ingestMs: number): Promise<number> {
    this.#checkOpen();
    const { reader } = await this.#place(stream, partition);
    return reader.offsetAt(partition, ingestMs);
  }

  async accepted(stream: string): Promise<readonly AcceptedCount[]> {
    this.#checkOpen();
    const { chain } = await this.#place(stream, 0);
    const state = await chain.fresh();
    if (chain.isClosed) throw noStream(stream);
    return state.accepted();
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

  async retain(): Promise<number> {
    this.#checkOpen();
    const holds = await this.#holds.all();
    let freed = 0;
    const services = { graceMs: GRACE_MS, ...this.#options };
    for (const handle of await this.#all()) freed += await retainStream(handle, services, holds);
    for (const { path } of await this.#options.store.list(DELETED))
      await sweepDeleted(services, path.slice(DELETED.length + 1), path);
    return freed;
  }

  /** One after the other: what one has erased the next need not. */
  async erase(
    stream: string,
    ranges: readonly LogRange[],
    isGone: (record: LogRecord) => boolean,
    signal: AbortSignal,
  ): Promise<number> {
    this.#checkOpen();
    let handle = await this.#place(stream, 0);
    for (const { partition } of ranges) handle = await this.#place(stream, partition);
    assert(handle.info.cleanup !== "compact", "a tombstone in a compacted stream would delete its key");
    const services = { settleMs: SETTLE_MS, ...this.#options };
    const mine = this.#lastErasure.then(() => eraseRecords(handle, services, { ranges, isGone, signal }));
    this.#lastErasure = mine.catch(() => undefined);
    return this.#writes.track(mine);
  }

  async waitForAppend(seen: number, signal: AbortSignal): Promise<void> {
    if (this.appendCount > seen || signal.aborted || this.#isClosed) return;
    await this.#poll.wait(signal);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#writes.ended();
    for (const handle of this.#handles.values()) await handle.idle();
    this.#poll.wake();
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new MuaraError("log.closed", "the log is closed");
  }

  /** @throws log.stream_not_found, log.partition_not_found */
  async #place(name: string, partition: number): Promise<StreamHandle> {
    const handle = await this.#find(name);
    if (!handle) throw noStream(name);
    if (Number.isInteger(partition) && partition >= 0) {
      if (partition < handle.info.partitions) return handle;
      // Another process may have added partitions.
      await handle.chain.fresh(true);
      if (partition < handle.info.partitions) return handle;
    }
    throw new MuaraError("log.partition_not_found", `stream ${name} has no partition ${partition}`, {
      details: { stream: name, partition },
    });
  }

  /** Callers of one stream are answered in the order in which they came. */
  async #find(name: string): Promise<StreamHandle | undefined> {
    const known = this.#handles.get(name);
    if (known && !known.chain.isClosed) return known;
    const nowMs = this.#options.clock.monotonicMs();
    let lookup = this.#lookups.get(name);
    if (!lookup || nowMs - lookup.sinceMs > SHARED_MS) {
      lookup = { sinceMs: nowMs, found: this.#lookUp(name) };
      this.#lookups.set(name, lookup);
    }
    try {
      return await lookup.found;
    } finally {
      if (this.#lookups.get(name) === lookup) this.#lookups.delete(name);
    }
  }

  async #lookUp(name: string): Promise<StreamHandle | undefined> {
    const bytes = await this.#options.store.get(await streamPath(name));
    return bytes && this.#adopt(decoded(bytes) as StreamInfo);
  }

  async #all(): Promise<StreamHandle[]> {
    const listed = await this.#options.store.list(STREAMS);
    const found = await Promise.all(listed.map(({ path }) => this.#options.store.get(path)));
    return found.flatMap((bytes) => (bytes ? [this.#adopt(decoded(bytes) as StreamInfo)] : []));
  }

  #adopt(info: StreamInfo): StreamHandle {
    const known = this.#handles.get(info.name);
    if (known && known.info.topicId === info.topicId) return known;
    const { groupBytesMax = 8 * MIB, settleMs = SETTLE_MS, leaderMs = 12_000, freshMs = 50 } = this.#options;
    const onRecords = (): void => {
      this.appendCount++;
      this.#poll.wake();
    };
    const ports = {
      ...this.#options,
      groupBytesMax,
      settleMs,
      leaderMs,
      freshMs,
      cache: this.#cache,
      onRecords,
    };
    const handle = new StreamHandle(info, ports);
    this.#handles.set(info.name, handle);
    return handle;
  }
}

function noStream(name: string): MuaraError {
  return new MuaraError("log.stream_not_found", `no stream ${name}`, { details: { stream: name } });
}

async function streamPath(name: string): Promise<string> {
  return `${STREAMS}/${await pathName(name)}.json`;
}

function encoded(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function decoded(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}
