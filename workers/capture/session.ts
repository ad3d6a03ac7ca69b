/**
 * One stream of a source, from its opening to its end. Batches go into the log one after the other; a cursor is saved
 * once all up to it is durable, and only what is saved is told to the source. What was not told, the source sends
 * again.
 */
import type { Capture, CaptureState } from "../../core/capture.ts";
import type { Clock } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type {
  BindRelation,
  SourceLimits,
  SourceMessage,
  SourceStatus,
  SourceStream,
} from "../../core/ports/source.ts";
import type { SourceDatabase } from "../../core/ports/source-database.ts";
import type { AppendPorts } from "../ingest/append-at-last.ts";
import type { DeclarePorts } from "../ingest/declaration.ts";
import { BatchAppender, type Durable } from "./append-batch.ts";
import { Binder } from "./binding.ts";
import { copyAgain } from "./copy-again.ts";
import { CopyRun } from "./copy-run.ts";
import { missedTables } from "./missed.ts";
import { presentTables, publicationsOf } from "./prepare.ts";
import { Resume } from "./resume.ts";
import type { StateKeeper } from "./state-keeper.ts";

/** How far a capture is, is saved so often at most, ms. */
const SAVE_MS = 1_000;
/** And so often at least: it shows that somebody captures. */
const ALIVE_MS_MAX = 15_000;
/** What a stop waits for appends under way; those left are sent again. */
const DRAIN_MS = 3_000;
/** How often is looked whether tables are published as they should be, ms at most. */
const LOOK_MS_MAX = 10_000;
const HEARTBEAT_PREFIX = "muara.heartbeat";

export interface SessionOptions extends SourceLimits {
  readonly heartbeatMs: number;
  readonly silentMs: number;
  /** In one chunk of a copy. */
  readonly copyRows: number;
}

export interface SessionPorts extends AppendPorts, DeclarePorts {
  readonly database: SourceDatabase;
  readonly keeper: StateKeeper;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What is no change of a table; resolves once it is durable. */
  readonly publish: PublishMessages;
}

export type PublishMessages = (
  capture: Capture,
  incarnation: number,
  messages: readonly SourceMessage[],
  signal: AbortSignal,
) => Promise<void>;

/** Of a capture, since this process started; counted on by each of its sessions. */
export interface CaptureCounts {
  changes: number;
  bytes: number;
  /** Of the last transaction that is durable here, µs since 1970 UTC. */
  commitUs: bigint | null;
}

export class CaptureSession {
  readonly #ports: SessionPorts;
  readonly #options: SessionOptions;
  readonly #capture: Capture;
  readonly #counts: CaptureCounts;
  readonly #giveUp = new AbortController();
  #stream: SourceStream | undefined;
  #appender: BatchAppender | undefined;
  #copyRun: CopyRun | undefined;
  /** All up to it is durable. */
  #durable: string;
  /** Since when what is beyond it may be in the log. */
  #sinceMs: number;
  #failure: { readonly error: unknown } | undefined;

  constructor(
    ports: SessionPorts,
    options: SessionOptions,
    capture: Capture,
    state: CaptureState,
    counts: CaptureCounts,
  ) {
    this.#ports = ports;
    this.#options = options;
    this.#capture = capture;
    this.#durable = state.lsn;
    this.#sinceMs = state.sinceMs;
    this.#counts = counts;
  }

  status(): (SourceStatus & { readonly inFlightBytes: number }) | undefined {
    const status = this.#stream?.status();
    return status && { ...status, inFlightBytes: this.#appender?.inFlightBytes ?? 0 };
  }

  /** Until the signal is aborted. @throws source.*, log.*, declaration.conflict where somebody else has the capture */
  async run(state: CaptureState, onOpen: () => void, signal: AbortSignal): Promise<void> {
    const { database } = this.#ports;
    const binder = new Binder(this.#ports, this.#capture, database, new Map(Object.entries(state.tables)));
    const bind: BindRelation = (relation) => binder.bind(relation);
    const stream = await this.#open(state, bind);
    this.#stream = stream;
    const ended = new AbortController();
    const finish = (): void => void this.#finish();
    signal.addEventListener("abort", finish);
    // A stop may have come while the stream was opened.
    if (signal.aborted) finish();
    let saving: Promise<void> = Promise.resolve();
    try {
      // From here on nobody else appends: what is in the log now is all that there is.
      const resume = await Resume.read(this.#ports.log, placesOf(state), state.incarnation, state.sinceMs);
      state = await copyAgain(this.#ports, this.#capture, state, bind, this.#giveUp.signal);
      const copies = this.#copies(state, stream, bind);
      this.#copyRun = copies;
      if (copies) void this.#copy(copies, ended.signal);
      this.#appender = new BatchAppender(this.#ports, {
        resume,
        copies,
        publish: async ({ messages }, giveUp) => {
          if (messages.length > 0)
            await this.#ports.publish(this.#capture, state.incarnation, messages, giveUp);
        },
        onDurable: (batch) => this.#noteDurable(batch),
      });
      onOpen();
      saving = this.#saveOn(ended.signal);
      void this.#lookAfter(state, ended.signal);
      if (this.#capture.heartbeat) void this.#beat(database, ended.signal);
      await this.#read(stream, this.#appender, signal);
    } finally {
      signal.removeEventListener("abort", finish);
      ended.abort();
      await saving;
      if (!this.#failure) await this.#save().catch((error: unknown) => this.#fail(error));
      await this.#close();
    }
    if (this.#failure && !signal.aborted) throw this.#failure.error;
  }

  async #open(state: CaptureState, bind: BindRelation): Promise<SourceStream> {
    const { database } = this.#ports;
    return database.stream({
      slot: state.slot,
      publications: await publicationsOf(database, this.#capture),
      cursor: state.lsn,
      shard: this.#capture.shard,
      incarnation: state.incarnation,
      bind,
      limits: this.#options,
    });
  }

  /** Of tables that are copied in chunks, beside the stream. */
  #copies(state: CaptureState, stream: SourceStream, bind: BindRelation): CopyRun | undefined {
    const { database, clock, logger } = this.#ports;
    const { copyRows: chunkRows, batchBytes: chunkBytes } = this.#options;
    const tables = Object.entries(state.tables)
      .filter(([, { copy }]) => copy === "waiting" || copy === "copying")
      .map(([name, progress]) => {
        const [schema, table] = splitTable(name);
        const { shard } = this.#capture;
        return {
          name,
          progress,
          table: { schema, name: table, shard, incarnation: state.incarnation, bind },
        };
      });
    if (tables.length === 0) return undefined;
    return new CopyRun({
      copy: database.copy(),
      from: BigInt(state.lsn),
      tables,
      chunkRows,
      chunkBytes,
      save: () => this.#save(),
      ask: () => stream.ask(),
      clock,
      logger,
    });
  }

  async #copy(copies: CopyRun, ended: AbortSignal): Promise<void> {
    try {
      await copies.run(ended);
    } catch (error) {
      this.#fail(error);
    }
  }

  async #read(stream: SourceStream, appender: BatchAppender, signal: AbortSignal): Promise<void> {
    for (;;) {
      const batch = await stream.next();
      if (!batch || signal.aborted || this.#failure) break;
      await appender.add(batch, this.#giveUp.signal);
    }
    if (!this.#failure) await appender.settled();
  }

  #noteDurable({ cursor, changes, commitUs, bytes }: Durable): void {
    if (cursor !== null && BigInt(cursor) > BigInt(this.#durable)) {
      this.#durable = cursor;
      // What comes next is appended from now on.
      this.#sinceMs = this.#ports.clock.nowMs();
    }
    this.#counts.changes += changes;
    this.#counts.bytes += bytes;
    this.#counts.commitUs = commitUs ?? this.#counts.commitUs;
  }

  async #saveOn(ended: AbortSignal): Promise<void> {
    const { clock, keeper } = this.#ports;
    const aliveMs = Math.min(ALIVE_MS_MAX, this.#options.silentMs / 3);
    try {
      while (!ended.aborted) {
        await clock.sleep(Math.min(SAVE_MS, aliveMs), ended);
        const isOld = clock.nowMs() - (keeper.state?.atMs ?? 0) >= aliveMs;
        if (isOld || this.#durable !== keeper.state?.lsn) await this.#save();
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The state first: what the source was told is known here. */
  async #save(): Promise<void> {
    // Taken together when it is this one's turn: a copy's progress belongs to a cursor.
    let lsn = this.#durable;
    await this.#ports.keeper.update((state) => {
      lsn = this.#durable;
      const tables = { ...state.tables, ...this.#copyRun?.tables };
      const sinceMs = this.#sinceMs;
      return { ...state, lsn, sinceMs, tables, phase: "streaming", problem: null };
    });
    this.#stream!.acknowledge(lsn);
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    void this.#close();
  }

  async #close(): Promise<void> {
    // It is over in any case.
    await this.#stream?.close().catch(() => undefined);
  }

  /** A stop: what is under way becomes durable, as far as that takes no longer than a stop may. */
  async #finish(): Promise<void> {
    const done = new AbortController();
    const late = this.#ports.clock.sleep(DRAIN_MS, done.signal).then(() => this.#giveUp.abort());
    await Promise.race([this.#appender?.settled().catch(() => undefined), late]);
    done.abort();
    await this.#save().catch((error: unknown) => this.#fail(error));
    await this.#close();
  }

  /** What the stream does not tell: tables that are not published as they should be. To go on anew mends it. */
  async #lookAfter(state: CaptureState, ended: AbortSignal): Promise<void> {
    const { clock, database, logger, keeper } = this.#ports;
    const everyMs = Math.min(LOOK_MS_MAX, this.#options.silentMs / 4);
    for (;;) {
      await clock.sleep(everyMs, ended);
      if (ended.aborted) return;
      try {
        const { missed } = keeper.state ?? state;
        const known = { tables: state.tables, ...(missed ? { missed } : {}) };
        const tables = await presentTables(database, this.#capture);
        const found = await missedTables(database, this.#capture, known, tables);
        const [name] = Object.keys(found);
        if (name !== undefined)
          this.#fail(new MuaraError("source.unavailable", `${name} is not captured: ${found[name]}`));
      } catch (error) {
        logger.debug("it was not looked at how tables are published", { capture: this.#capture.name, error });
      }
    }
  }

  /** So that a source without changes of its own lets go of log that others in its cluster write. */
  async #beat(database: SourceDatabase, ended: AbortSignal): Promise<void> {
    const { clock, logger } = this.#ports;
    let isFailing = false;
    for (;;) {
      await clock.sleep(this.#options.heartbeatMs, ended);
      if (ended.aborted) return;
      try {
        await database.emit(HEARTBEAT_PREFIX, String(clock.nowMs()));
        isFailing = false;
      } catch (error) {
        if (!isFailing) logger.warn("a heartbeat is not written", { capture: this.#capture.name, error });
        isFailing = true;
      }
    }
  }
}

function placesOf({ tables }: CaptureState): readonly { stream: string; partition: number }[] {
  return Object.values(tables).map(({ eventType: stream, partition }) => ({ stream, partition }));
}

function splitTable(name: string): readonly [schema: string, table: string] {
  const at = name.indexOf(".");
  return [name.slice(0, at), name.slice(at + 1)];
}
