/**
 * One stream of the remote's subscription, from its opening to its end. Batches of one partition go into the log one
 * after the other, those of several side by side; a cursor is committed once its batch is durable, and so is all
 * before it. What was not committed, the remote sends again.
 */
import type { Clock, Randomness } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { Pull } from "../../core/pull.ts";
import type { RefusalNote } from "../../core/refusal-note.ts";
import type { PulledBatch, Taken } from "../ingest/pulled/take-pulled.ts";
import { type BatchLine, type Cursor, parseLine } from "./batch-line.ts";
import { Committer, keyOf } from "./committer.ts";
import { type Line, linesOf } from "./lines.ts";
import type { Remote } from "./remote.ts";

/** What a stop waits for batches under way; those left are sent again after the next start. */
const DRAIN_MS = 3_000;
const PARTITION = /^(0|[1-9]\d{0,8})$/;

export interface SessionPorts {
  readonly remote: Remote;
  readonly take: (batch: PulledBatch, signal: AbortSignal) => Promise<Taken>;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
}

export interface SessionRequest {
  readonly pull: Pull;
  readonly subscription: string;
  readonly batchEvents: number;
  readonly onOpen: () => void;
  readonly onCommit: () => void;
  readonly onTaken: (taken: Taken) => void;
}

/** A batch was longer than a line may be: fewer events may fit. */
export class BatchTooLong extends Error {
  override readonly name = "BatchTooLong";
}

export class Session {
  readonly #ports: SessionPorts;
  readonly #request: SessionRequest;
  /** Of the connection. */
  readonly #connection = new AbortController();
  /** Of appends. */
  readonly #giveUp = new AbortController();
  readonly #partitions = new Map<string, Promise<void>>();
  readonly #committer: Committer;
  #streamId = "";
  #bytes = 0;
  #failure: { readonly error: unknown } | undefined;
  #wakeUp: () => void = () => {};
  lines = 0;

  constructor(ports: SessionPorts, request: SessionRequest) {
    this.#ports = ports;
    this.#request = request;
    const { subscription, pull } = request;
    this.#committer = new Committer({
      ...ports,
      onCommit: request.onCommit,
      commit: (cursors) => ports.remote.commit(subscription, this.#streamId, cursors),
      onLost: (error) => this.#fail(error),
      patienceMs: pull.commitSeconds * 1_000,
    });
  }

  /**
   * Until the remote ends the stream, or the signal is aborted: then what is under way is committed first.
   * @throws RemoteRefusal, BatchTooLong, outgoing.*, pull.protocol, pull.unmapped, and what taking a batch throws
   */
  async run(signal: AbortSignal): Promise<void> {
    const { pull, subscription, batchEvents, onOpen } = this.#request;
    const stop = new AbortController();
    const wakeUp = (): void => this.#wakeUp();
    signal.addEventListener("abort", wakeUp);
    try {
      // Once it is open, a stop closes it only after what is under way is committed.
      const giveUp = (): void => this.#connection.abort();
      signal.addEventListener("abort", giveUp);
      if (signal.aborted) giveUp();
      const stream = await this.#ports.remote
        .open(subscription, batchEvents, this.#connection.signal)
        .finally(() => signal.removeEventListener("abort", giveUp));
      this.#streamId = stream.id;
      onOpen();
      await this.#read(linesOf(stream.chunks, pull.lineBytes), signal);
    } finally {
      await this.#drain(stop.signal);
      signal.removeEventListener("abort", wakeUp);
      stop.abort();
      this.#connection.abort();
    }
    if (this.#failure) throw this.#failure.error;
  }

  async #read(lines: AsyncGenerator<Line>, signal: AbortSignal): Promise<void> {
    let next: Promise<IteratorResult<Line>> | undefined;
    while (!this.#failure && !signal.aborted) {
      if (this.#bytes >= this.#request.pull.bufferBytes) {
        await this.#sleepUntil(undefined);
        continue;
      }
      next ??= lines.next();
      const found = await this.#sleepUntil(next);
      if (!found) continue;
      next = undefined;
      if (found.done) return;
      this.lines++;
      this.#take(found.value);
    }
    // Nobody waits for it any more; the connection ends with the session.
    next?.catch(() => {});
  }

  /** @returns undefined where something else came first: room, a failure, a stop */
  async #sleepUntil<Result>(work: Promise<Result> | undefined): Promise<Result | undefined> {
    const woken = new Promise<undefined>((wake) => (this.#wakeUp = () => wake(undefined)));
    return work ? Promise.race([work, woken]) : woken;
  }

  #take(line: Line): void {
    const { pull, batchEvents } = this.#request;
    const parsed = parseLine(line.bytes);
    if (parsed.note !== undefined)
      this.#ports.logger.debug("the remote says", { pull: pull.name, note: parsed.note });
    if (!parsed.events) return;
    if (line.isCut && batchEvents > 1) throw new BatchTooLong(`more than ${pull.lineBytes} bytes`);
    const batch = this.#batchOf(parsed, line.isCut);
    const key = keyOf(parsed.cursor);
    this.#bytes += line.bytes.length;
    const done = this.#append(this.#partitions.get(key), batch, parsed.cursor).finally(() => {
      this.#bytes -= line.bytes.length;
      if (this.#partitions.get(key) === done) this.#partitions.delete(key);
      this.#wakeUp();
    });
    this.#partitions.set(key, done);
  }

  /** Behind the batches of its partition that came before. Never rejects. */
  async #append(before: Promise<void> | undefined, batch: PulledBatch, cursor: Cursor): Promise<void> {
    await before;
    if (this.#failure) return;
    try {
      this.#request.onTaken(await this.#ports.take(batch, this.#giveUp.signal));
      this.#committer.note(cursor);
    } catch (error) {
      this.#fail(error);
    }
  }

  #batchOf({ cursor, events }: BatchLine, isCut: boolean): PulledBatch {
    const { pull } = this.#request;
    const eventType = pull.eventTypes.get(cursor.event_type);
    if (eventType === undefined)
      throw new MuaraError("pull.unmapped", `Pull ${pull.name} gets events of "${cursor.event_type}".`, {
        details: { pull: pull.name, event_type: cursor.event_type },
      });
    const detail = `is longer than ${pull.lineBytes} bytes; its beginning is kept`;
    const fault: RefusalNote | undefined = isCut
      ? { code: "event.too_large", pointer: null, detail }
      : undefined;
    const isNumbered = pull.partitions === "number" && PARTITION.test(cursor.partition);
    return {
      origin: {
        pull: pull.name,
        event_type: cursor.event_type,
        partition: cursor.partition,
        offset: cursor.offset,
      },
      eventType,
      events: events!,
      partition: isNumbered ? Number(cursor.partition) : undefined,
      fault,
    };
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wakeUp();
  }

  /** Batches under way become durable and are committed, as far as that takes no longer than a stop may. */
  async #drain(over: AbortSignal): Promise<void> {
    const { clock } = this.#ports;
    const giveUp = clock.sleep(DRAIN_MS, over).then(() => this.#giveUp.abort());
    const work = Promise.all(this.#partitions.values()).then(() => this.#committer.flush());
    await Promise.race([work, giveUp]);
  }
}
