/**
 * The changes of a database, read from a replication slot (PostgreSQL's manual, §55.4). Reading, decoding and handing
 * over are apart, and the source is told how far we are by a timer of its own, whatever else goes on: so neither a slow
 * reader nor a large transaction ends the connection, and no more is read than there is room for.
 *
 * Surprising rules: what is acknowledged is the end of a transaction, exactly; one byte more, and the server skips a
 * transaction that begins there. Where nothing comes for us, an empty batch has the place that the source has passed
 * since, to be acknowledged like any other; otherwise it would keep its log for ever.
 */
import { assert } from "../../core/assert.ts";
import type { Clock } from "../../core/clock.ts";
import type { DatabaseAddress } from "../../core/database-address.ts";
import { MuaraError } from "../../core/errors.ts";
import type {
  SourceBatch,
  SourceRelation,
  SourceRequest,
  SourceStatus,
  SourceStream,
} from "../../core/ports/source.ts";
import { type ConnectOptions, connectReplication, placeOf, rowsOf } from "./connection.ts";
import { FrameQueue } from "./frame-queue.ts";
import { PgoutputDecoder } from "./pgoutput.ts";
import { quoteName, ReplicationSocket } from "./replication-socket.ts";
import { lsnFrom } from "./transaction.ts";

/** Messages (pg_logical_emit_message) are told since version 14. */
const MESSAGES_SINCE = 140_000;
/** Shares of the server's patience after which it is told how far we are. */
const TELLS = 3;

/** What comes may wait so long to be read, and no more than this share of what it may wait in a batch. */
const REST_MS_MAX = 8;
const REST_SHARE = 0.2;

/** A batch that somebody waits for is this share of the greatest: it is in the processor's caches still. */
const WAITED_FOR = 4;

const COPY_DATA = 0x64;
const COPY_BOTH = 0x57;
const ERROR = 0x45;
const COPY_DONE = 0x63;
const COMPLETE = 0x43;
const READY = 0x5a;
const WAL_DATA = 0x77;
const KEEP_ALIVE = 0x6b;
/** Of a message with changes: kind, where it begins, where the log ends, time. */
const WAL_HEAD_BYTES = 25;
const KEEP_ALIVE_BYTES = 18;

export interface ReplicationOptions extends Omit<ConnectOptions, "purpose"> {
  readonly clock: Clock;
}

/**
 * Begins to read. @throws source.unavailable, source.refused, source.busy (somebody reads the slot), source.lost (the
 * slot is not there, or has lost what we need)
 */
export async function openReplication(
  address: DatabaseAddress,
  options: ReplicationOptions,
  request: SourceRequest,
): Promise<SourceStream> {
  const client = await connectReplication(address, { ...options, purpose: `capture ${request.slot}` });
  try {
    const settings = await rowsOf<{ name: string; setting: string }>(
      client,
      "select name, setting from pg_catalog.pg_settings where name in ('wal_sender_timeout', 'server_version_num')",
    );
    const numberOf = (name: string): number =>
      Number(settings.find((setting) => setting.name === name)?.setting ?? 0);
    const server = { version: numberOf("server_version_num"), timeoutMs: numberOf("wal_sender_timeout") };
    let stream: ReplicationStream | undefined;
    const restMs = Math.min(REST_MS_MAX, Math.floor(request.limits.batchMs * REST_SHARE));
    const socket = new ReplicationSocket(client, placeOf(address), restMs, {
      data: (chunk) => stream!.take(chunk),
      ended: (error) => stream!.fail(error),
    });
    stream = new ReplicationStream(socket, options.clock, request, server);
    await stream.start();
    return stream;
  } catch (error) {
    await client.end().catch(() => undefined);
    throw error;
  }
}

interface Server {
  readonly version: number;
  /** wal_sender_timeout; 0: it waits for ever. */
  readonly timeoutMs: number;
}

interface Waiter<Value> {
  readonly resolve: (value: Value) => void;
  readonly reject: (error: unknown) => void;
}

class ReplicationStream implements SourceStream {
  readonly #socket: ReplicationSocket;
  readonly #clock: Clock;
  readonly #request: SourceRequest;
  readonly #server: Server;
  readonly #frames = new FrameQueue();
  readonly #decoder: PgoutputDecoder;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #silentMs: number;
  #batchTimer: ReturnType<typeof setTimeout> | undefined;
  #starting: Waiter<void> | undefined;
  #waiter: Waiter<SourceBatch | undefined> | undefined;
  #isBinding = false;
  #isPaused = false;
  #isClosed = false;
  /** The batch has waited for company as long as it may. */
  #isDue = false;
  #failure: unknown;
  #heardMs: number;
  /** Newest place that the server has told of. */
  #serverLsn = 0n;
  /** Everything up to it was decoded. */
  #reachedLsn = 0n;
  /** End of the last transaction that had anything for us. */
  #contentLsn = 0n;
  /** Newest cursor that was handed over. */
  #handedLsn: bigint;
  #acknowledgedLsn: bigint;
  /** Events and messages up to `#contentLsn`. */
  #contentTotal = 0;
  /** Somebody wants to know how far the source is; then: it has said so. */
  #isAsked = false;
  #isAnswered = false;

  constructor(socket: ReplicationSocket, clock: Clock, request: SourceRequest, server: Server) {
    const { shard, incarnation, cursor, limits } = request;
    this.#socket = socket;
    this.#clock = clock;
    this.#request = request;
    this.#server = server;
    this.#decoder = new PgoutputDecoder({ shard, incarnation });
    this.#acknowledgedLsn = BigInt(cursor ?? 0);
    this.#handedLsn = this.#acknowledgedLsn;
    this.#silentMs = server.timeoutMs === 0 ? limits.quietMs : server.timeoutMs;
    this.#heardMs = clock.monotonicMs();
    const tellMs = Math.max(1, Math.min(limits.statusMs, Math.floor(this.#silentMs / TELLS)));
    this.#timer = setInterval(() => this.#watch(), tellMs);
  }

  /** Resolves when the server has begun. */
  start(): Promise<void> {
    const { slot, publications } = this.#request;
    const messages = this.#server.version >= MESSAGES_SINCE ? { messages: "true" } : {};
    this.#socket.start(slot, this.#acknowledgedLsn, {
      proto_version: "1",
      publication_names: publications.map(quoteName).join(","),
      ...messages,
    });
    return new Promise((resolve, reject) => {
      this.#starting = { resolve, reject };
    });
  }

  next(): Promise<SourceBatch | undefined> {
    assert(this.#waiter === undefined, "batches are asked for one at a time");
    if (this.#isClosed) return Promise.resolve(undefined);
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
      this.#pump();
    });
  }

  acknowledge(cursor: string): void {
    const lsn = BigInt(cursor);
    assert(lsn <= this.#handedLsn, `${cursor} was never handed over`);
    if (lsn > this.#acknowledgedLsn) this.#acknowledgedLsn = lsn;
  }

  ask(): void {
    if (this.#isAsked || this.#isClosed || this.#failure !== undefined) return;
    this.#isAsked = true;
    this.#tell(true);
  }

  status(): SourceStatus {
    return {
      serverLsn: this.#serverLsn,
      receivedLsn: this.#reachedLsn,
      acknowledgedLsn: this.#acknowledgedLsn,
      queuedBytes: this.#frames.length + this.#decoder.batch.bytes,
      isPaused: this.#isPaused,
    };
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopTimers();
    this.#waiter?.resolve(undefined);
    this.#waiter = undefined;
    if (this.#failure !== undefined) return;
    this.#tell(false);
    await this.#socket.close();
  }

  /** What the socket has read. */
  take(chunk: Uint8Array): void {
    this.#heardMs = this.#clock.monotonicMs();
    this.#frames.push(chunk);
    this.#pump();
  }

  /** The first one counts; what was decoded and not handed over will be sent again. */
  fail(error: unknown): void {
    if (this.#failure !== undefined || this.#isClosed) return;
    this.#failure = error;
    this.#stopTimers();
    this.#socket.destroy();
    this.#starting?.reject(error);
    this.#waiter?.reject(error);
    this.#waiter = undefined;
  }

  /** Decodes as much as there is room for, and hands over what is ready. */
  #pump(): void {
    try {
      // While nobody waits, the log is slower than the source: fewer and larger batches help it.
      const { batchBytes } = this.#request.limits;
      const mostBytes = this.#waiter ? batchBytes / WAITED_FOR : batchBytes;
      do this.#decode(mostBytes);
      while (this.#handOver());
      this.#regulate();
    } catch (error) {
      this.fail(error);
    }
  }

  #decode(mostBytes: number): void {
    const { batch } = this.#decoder;
    while (!this.#isBinding && batch.bytes < mostBytes && this.#failure === undefined && this.#frames.next())
      this.#frame();
  }

  #frame(): void {
    const { kind, bytes, start, end } = this.#frames;
    switch (kind) {
      case COPY_DATA:
        if (bytes[start] === WAL_DATA && end - start > WAL_HEAD_BYTES)
          return this.#change(bytes, start + WAL_HEAD_BYTES, end);
        if (bytes[start] === KEEP_ALIVE && end - start === KEEP_ALIVE_BYTES)
          return this.#keepAlive(bytes, start);
        throw new MuaraError("source.protocol", `the source tells what is no change: ${bytes[start]}`);
      case COPY_BOTH:
        this.#starting?.resolve();
        this.#starting = undefined;
        return;
      case ERROR:
        return this.fail(this.#socket.errorOf(bytes.subarray(start, end)));
      case COPY_DONE:
      case COMPLETE:
      case READY:
        return this.fail(
          new MuaraError("source.unavailable", "the source has ended the stream of its changes"),
        );
      default: // notices and settings
    }
  }

  #change(bytes: Uint8Array, start: number, end: number): void {
    const relation = this.#decoder.decode(bytes, start, end);
    if (relation) {
      void this.#bind(relation);
      return;
    }
    const { batch } = this.#decoder;
    // Only what ends a transaction, or stands outside of one, moves the cursor.
    if (!this.#decoder.isWithin && batch.cursor !== null) {
      this.#reach(BigInt(batch.cursor));
      if (batch.total !== this.#contentTotal) {
        this.#contentTotal = batch.total;
        this.#contentLsn = this.#reachedLsn;
      }
    }
    if (this.#hasNews) this.#batchTimer ??= setTimeout(() => this.#due(), this.#request.limits.batchMs);
  }

  async #bind(relation: SourceRelation): Promise<void> {
    this.#isBinding = true;
    try {
      this.#decoder.bind(relation, await this.#request.bind(relation));
      this.#isBinding = false;
      this.#pump();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Something to hand over. The end of a transaction whose changes were handed over before is news, too. */
  get #hasNews(): boolean {
    return this.#isAnswered || !this.#decoder.batch.isEmpty || this.#contentLsn > this.#handedLsn;
  }

  #keepAlive(bytes: Uint8Array, start: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset + start);
    const lsn = lsnFrom(view.getUint32(1), view.getUint32(5));
    // Everything that was committed before it has come before it; within a transaction it says nothing.
    if (!this.#decoder.isWithin) {
      this.#reach(lsn);
      if (this.#isAsked) this.#answer();
    } else if (lsn > this.#serverLsn) this.#serverLsn = lsn;
    this.#isAsked = false;
    if (bytes[start + KEEP_ALIVE_BYTES - 1] === 1) this.#tell(false);
  }

  /** What was passed is as good as durable once all before it is: the next batch tells. */
  #answer(): void {
    this.#decoder.batch.cursor = String(this.#reachedLsn);
    this.#isAnswered = true;
  }

  #reach(lsn: bigint): void {
    if (lsn > this.#reachedLsn) this.#reachedLsn = lsn;
    if (lsn > this.#serverLsn) this.#serverLsn = lsn;
  }

  #due(): void {
    this.#batchTimer = undefined;
    this.#isDue = true;
    this.#pump();
  }

  /** @returns whether there is room again */
  #handOver(): boolean {
    const { batch } = this.#decoder;
    if (!this.#waiter || this.#failure !== undefined || !this.#hasNews) return false;
    const isEnough = batch.bytes >= this.#request.limits.batchBytes / WAITED_FOR;
    if (!this.#isDue && !this.#isAnswered && !isEnough) return false;
    clearTimeout(this.#batchTimer);
    this.#batchTimer = undefined;
    this.#isDue = false;
    this.#isAnswered = false;
    const taken = batch.take();
    if (taken.cursor !== null && BigInt(taken.cursor) > this.#handedLsn)
      this.#handedLsn = BigInt(taken.cursor);
    this.#waiter.resolve(taken);
    this.#waiter = undefined;
    return true;
  }

  /** Lets the source wait while there is enough; one message that is larger than that has to come nevertheless. */
  #regulate(): void {
    const { queueBytes } = this.#request.limits;
    const queued = this.#frames.length + this.#decoder.batch.bytes;
    if (!this.#isPaused && queued > queueBytes && !this.#frames.isWanting) {
      this.#isPaused = true;
      this.#socket.pause();
    } else if (this.#isPaused && (queued <= queueBytes / 2 || this.#frames.isWanting)) {
      this.#isPaused = false;
      this.#heardMs = this.#clock.monotonicMs();
      this.#socket.resume();
    }
  }

  /** By the timer: tells how far we are, and notices a server that is gone. */
  #watch(): void {
    const silentMs = this.#isPaused ? 0 : this.#clock.monotonicMs() - this.#heardMs;
    if (silentMs > 2 * this.#silentMs) {
      this.fail(
        new MuaraError(
          "source.unavailable",
          `nothing was heard of the source for ${Math.round(silentMs)} ms`,
        ),
      );
      return;
    }
    if (this.#reachedLsn > this.#handedLsn && !this.#decoder.isWithin) {
      this.#answer();
      this.#pump();
    }
    // Where nothing changes, and we speak often enough, the server has no reason to speak: it is asked to.
    this.#tell(silentMs >= this.#silentMs / TELLS);
  }

  #tell(asks: boolean): void {
    if (this.#starting) return;
    this.#socket.tell(this.#reachedLsn, this.#acknowledgedLsn, this.#clock.nowMs(), asks);
  }

  #stopTimers(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#batchTimer);
  }
}
