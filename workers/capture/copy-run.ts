/**
 * Copies in chunks beside a stream of changes (decision 039). The one who streams gives each batch to `weave` before he
 * appends it, and gets back what to append, in order: rows of a chunk stand at the place of the log where the chunk was
 * taken, so that each partition has its changes in the order of their places, copies included.
 *
 * Surprising rules:
 * - a batch that goes beyond a chunk's place waits for the chunk's rows: they are read while the stream goes on, and
 *   the place is known before them.
 * - the stream must be one and the same from when a chunk is taken until it has passed its place: then all that the
 *   chunk has seen is on the source's disk. Whoever connects anew makes a new run from the progress that was saved.
 */
import type { CapturedTable } from "../../core/capture.ts";
import type { Clock } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { ChunkCopy, CopyChunk, CopyTable, CopyView, SourceCopy } from "../../core/ports/source-copy.ts";
import type { SourceBatch, SourcePart } from "../../core/ports/source.ts";
import { CopyBarrier } from "./copy-filter.ts";
import { CopyTask, type Flight } from "./copy-task.ts";
import { firstFrom, slicePart } from "./weave.ts";

/** Chunks that are read and wait for the stream. */
const FLIGHTS_MAX = 3;
const BARRIER_MS = 100;
const ASK_MS = 20;
const NUDGE_MS = 400;
const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 10_000;

export interface CopyRunOptions {
  readonly copy: SourceCopy;
  /** Where the stream begins: all before it is durable here. */
  readonly from: bigint;
  /** By `schema.table`; those that are done are left out. */
  readonly tables: readonly CopyRunTable[];
  readonly chunkRows: number;
  readonly chunkBytes: number;
  /** Saves what `tables` is now; resolves when that is durable. */
  readonly save: () => Promise<void>;
  /** Asks the source how far it is: the answer is a batch, be it an empty one. */
  readonly ask: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of each table, keys of changes that are remembered. */
  readonly notedKeysMax?: number;
}

export interface CopyRunTable {
  readonly name: string;
  readonly table: CopyTable;
  readonly progress: CapturedTable;
}

/** A batch with the rows of chunks in their places. */
export interface WovenBatch {
  /** The batch's. */
  readonly cursor: string | null;
  /** To append, group after group; parts of one group are of different partitions. Bytes are valid as the batch's. */
  readonly groups: readonly (readonly SourcePart[])[];
  /** Of tables, by name, once all of it is durable. */
  readonly progress: ReadonlyMap<string, CapturedTable>;
}

export class CopyRun {
  readonly #options: CopyRunOptions;
  readonly #tasks: readonly CopyTask[];
  #barrier: CopyBarrier | undefined;
  #position: bigint;
  readonly #durable = new Map<string, CapturedTable>();
  #failure: unknown;
  #wake: () => void = () => undefined;
  /** What `weave` has noted and the barrier does not know yet. */
  readonly #noted = new Set<number>();

  constructor(options: CopyRunOptions) {
    this.#options = options;
    this.#position = options.from;
    this.#tasks = options.tables
      .filter(({ progress }) => progress.copy === "waiting" || progress.copy === "copying")
      .map(({ name, table, progress }) => new CopyTask(name, table, progress, options.notedKeysMax));
    for (const { name, progress } of this.#tasks) this.#durable.set(name, progress);
  }

  get isDone(): boolean {
    return this.#tasks.every((task) => task.isDone);
  }

  /**
   * What is durable of each table, by name, to be saved together with the cursor of the same batch, and before the
   * source is told it. Numbers that rows may bear are told ahead.
   */
  get tables(): Readonly<Record<string, CapturedTable>> {
    return Object.fromEntries(
      this.#tasks.map(({ name, reserved }) => {
        const durable = this.#durable.get(name)!;
        return [name, reserved === 0 ? durable : { ...durable, copyNumbers: reserved }];
      }),
    );
  }

  /** Reads chunks until all is handed over or the signal aborts. @throws source.*, what cannot be mended by waiting */
  async run(signal: AbortSignal): Promise<void> {
    let pauseMs = PAUSE_MS_MIN;
    while (!this.isDone && !signal.aborted) {
      const before = this.#handedOver();
      try {
        await this.#session(signal);
      } catch (error) {
        if (!(error instanceof MuaraError && error.retryable)) {
          this.#failure = error;
          throw error;
        }
        const isMoving = [...this.#handedOver()].some(([name, one]) => before.get(name) !== one);
        pauseMs = isMoving ? PAUSE_MS_MIN : Math.min(pauseMs * 2, PAUSE_MS_MAX);
        this.#options.logger.warn("copy is interrupted", { error, pause_ms: pauseMs });
        await this.#options.clock.sleep(pauseMs, signal);
      }
    }
  }

  /** One batch after the other. @throws what has ended `run` */
  async weave(batch: SourceBatch): Promise<WovenBatch> {
    if (this.#failure !== undefined) throw this.#failure;
    const cursor = batch.cursor === null ? null : BigInt(batch.cursor);
    let groups: readonly (readonly SourcePart[])[] = batch.parts.length === 0 ? [] : [batch.parts];
    for (const task of this.#tasks) {
      if (task.isDone) continue;
      const { eventType, partition } = task.progress;
      const part = batch.parts.find((one) => one.stream === eventType && one.partition === partition);
      const own = await this.#weaveTask(task, part, cursor);
      if (own.length === 0 || (own.length === 1 && own[0] === part)) continue;
      const others = groups
        .map((group) => group.filter((one) => one !== part))
        .filter((group) => group.length > 0);
      groups = [...others, ...own.map((one) => [one])];
    }
    if (cursor !== null && cursor > this.#position) this.#position = cursor;
    this.#wake();
    return { cursor: batch.cursor, groups, progress: this.#handedOver() };
  }

  #handedOver(): ReadonlyMap<string, CapturedTable> {
    return new Map(this.#tasks.map((task) => [task.name, task.progress]));
  }

  /** All of a woven batch is durable; one after the other. */
  durable({ progress }: WovenBatch): void {
    for (const [name, one] of progress) this.#durable.set(name, one);
  }

  /** Rows of the task's table, in order: the stream's up to a chunk's place, the chunk's, and on. */
  async #weaveTask(
    task: CopyTask,
    part: SourcePart | undefined,
    cursor: bigint | null,
  ): Promise<SourcePart[]> {
    const woven: SourcePart[] = [];
    const count = part?.records.count ?? 0;
    let at = 0;
    const pass = (to: number): void => {
      if (!part || to === at) return;
      task.note(part.records, at, to, (xid) => this.#note(xid));
      woven.push(slicePart(part, at, to));
      at = to;
    };
    for (;;) {
      const [flight] = task.flights;
      if (!flight) break;
      if (flight.isTaking) await flight.seen;
      if (task.flights[0] !== flight) continue;
      const { view } = flight;
      if (!view) break; // not begun: its place will be behind this batch
      const to = part ? firstFrom(part.records, view.highLsn, at) : 0;
      if (to === count && (cursor === null || cursor < view.highLsn)) break;
      const chunk = await flight.chunk;
      if (task.flights[0] !== flight || !chunk) continue;
      pass(to);
      const rows = task.handOver(flight, chunk);
      if (rows && rows.records.count > 0) woven.push(rows);
      task.filter.forget(chunk.snapshot);
    }
    pass(count);
    return woven;
  }

  #note(xid: number): void {
    if (this.#barrier) this.#barrier.note(xid);
    else this.#noted.add(xid);
  }

  /** One session's work. */
  async #session(signal: AbortSignal): Promise<void> {
    const chunks = await this.#options.copy.inChunks();
    try {
      if (!this.#barrier?.isOpen) await this.#passBarrier(chunks, signal);
      for (const task of this.#tasks) await this.#copyTable(chunks, task, signal);
    } finally {
      await chunks.close();
    }
  }

  async #passBarrier(chunks: ChunkCopy, signal: AbortSignal): Promise<void> {
    let look = await chunks.look();
    if (!this.#barrier) {
      this.#barrier = new CopyBarrier(look.running);
      for (const xid of this.#noted) this.#barrier.note(xid);
      this.#noted.clear();
    }
    for (let looks = 0; !signal.aborted; looks++) {
      this.#forget(look);
      if (this.#barrier.pass(look.snapshot)) return;
      if (looks === 10)
        this.#options.logger.info("a copy waits for transactions that were under way when it began", {
          transactions: this.#barrier.suspects.slice(0, 10),
        });
      await this.#options.clock.sleep(BARRIER_MS, signal);
      look = await chunks.look();
    }
  }

  /** Of tables of which no chunk is on its way, nobody asks with an older snapshot any more. */
  #forget({ snapshot }: CopyView): void {
    for (const task of this.#tasks) if (task.flights.length === 0) task.filter.forget(snapshot);
  }

  async #copyTable(chunks: ChunkCopy, task: CopyTask, signal: AbortSignal): Promise<void> {
    const { chunkRows, clock } = this.#options;
    const still = { sinceMs: clock.monotonicMs() };
    while (!task.isDone && !signal.aborted) {
      const next = task.flights.length < FLIGHTS_MAX ? task.next(chunkRows) : undefined;
      if (next) {
        await this.#fly(chunks, task, next);
        still.sinceMs = clock.monotonicMs();
      } else await this.#awaitStream(chunks, still, signal);
    }
  }

  async #fly(
    chunks: ChunkCopy,
    task: CopyTask,
    next: Pick<Flight["request"], "after" | "again" | "rows">,
  ): Promise<void> {
    if (task.reserve(next.rows)) await this.#options.save();
    const request = { ...next, bytes: this.#options.chunkBytes, number: task.number };
    const seen = Promise.withResolvers<void>();
    const landed = Promise.withResolvers<CopyChunk | undefined>();
    const flight: Flight = {
      request,
      isTaking: false,
      view: undefined,
      chunk: landed.promise,
      seen: seen.promise,
    };
    task.take(flight);
    const watch = {
      taking: () => {
        flight.isTaking = true;
      },
      taken: (view: CopyView) => {
        flight.view = view;
        flight.isTaking = false;
        this.#forget(view);
        seen.resolve();
      },
    };
    try {
      const chunk = await chunks.chunk(task.table, request, watch);
      if (typeof chunk === "object") {
        if (task.flights.includes(flight)) task.landed(flight, chunk);
        landed.resolve(chunk);
        return;
      }
      task.giveUp(flight);
      if (chunk === "unbound") task.leaveOut();
      else task.beginAnew();
    } catch (error) {
      task.giveUp(flight);
      throw error;
    } finally {
      landed.resolve(undefined);
      flight.isTaking = false;
      seen.resolve();
      this.#options.ask();
    }
  }

  /** Until the stream has moved, or for a moment. Where it stands still for longer, the end of the log is pushed. */
  async #awaitStream(chunks: ChunkCopy, still: { sinceMs: number }, signal: AbortSignal): Promise<void> {
    const { clock, ask } = this.#options;
    const before = this.#position;
    const moved = new Promise<void>((resolve) => (this.#wake = resolve));
    await Promise.race([moved, clock.sleep(ASK_MS, signal)]);
    if (this.#position > before) {
      still.sinceMs = clock.monotonicMs();
      return;
    }
    ask();
    if (clock.monotonicMs() - still.sinceMs < NUDGE_MS) return;
    await chunks.nudge();
    still.sinceMs = clock.monotonicMs();
  }
}
