/**
 * One delivery: batches from the table's feed into its sink, in order, each until it is taken. Rows that the sink
 * refuses are found by halving the batch, and become dead letters of the delivery one by one. One that refuses
 * everything is not believed: it is asked again, ever more seldom, and nothing more becomes a dead letter.
 */
import { Backoff } from "../../core/backoff.ts";
import type { Clock, Randomness } from "../../core/clock.ts";
import type { CommitNotices } from "../../core/commit-notices.ts";
import { DELIVERY_FOLDER, type Delivery, type DeliveryPosition } from "../../core/delivery.ts";
import { hasCode } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { Measures } from "../../core/measures.ts";
import type { Sink, SinkBatch, SinkOutcome } from "../../core/ports/sink.ts";
import type { Registry } from "../../core/registry.ts";
import { traced } from "../../core/trace.ts";
import { eraseDelivered } from "./erase-delivered.ts";
import { PositionKeeper } from "./position-keeper.ts";
import { type FeedPorts, partOf, TableFeed } from "./table-feed.ts";

export interface DeliverOptions {
  /** Between two looks at a table of which nothing is told, ms. */
  readonly everyMs: number;
  /** How far a delivery is is written at least this often, ms. */
  readonly saveMs: number;
  /** Longest pause between two attempts, ms. */
  readonly pauseMsMax: number;
  /** Another process that has not saved for so long does not deliver any more, ms. */
  readonly standbyMs: number;
  /** Rows refused in a row; beyond it the receiver is held to be wrong. */
  readonly refusedMax: number;
}

export interface DeliverPorts extends FeedPorts {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
  /** Absent: nothing is counted. */
  readonly measures?: Measures | undefined;
  /** Of tables that this process writes. */
  readonly commits: CommitNotices;
}

const PAUSE_MS_LEAST = 250;
const PROBLEM_LENGTH_MAX = 300;

export class DeliveryLoop {
  readonly #ports: DeliverPorts;
  readonly #options: DeliverOptions;
  readonly #delivery: Delivery;
  readonly #sink: Sink;
  readonly #feed: TableFeed;
  readonly #keeper: PositionKeeper;
  readonly #pause: Backoff;
  #position: DeliveryPosition | undefined;
  #savedMs = -Infinity;
  /** Rows refused since one was taken. */
  #refused = 0;
  /** How much was declared when there was nothing left to erase. */
  #erasedAt = -1;
  /** Why erasures wait, by their names, as it was logged. */
  readonly #told = new Map<string, string>();

  constructor(ports: DeliverPorts, options: DeliverOptions, delivery: Delivery, sink: Sink) {
    this.#ports = ports;
    this.#options = options;
    this.#delivery = delivery;
    this.#sink = sink;
    this.#feed = new TableFeed(ports, delivery);
    this.#keeper = new PositionKeeper(ports.registry, delivery);
    this.#pause = new Backoff(PAUSE_MS_LEAST, options.pauseMsMax, ports.randomness);
  }

  get position(): DeliveryPosition | undefined {
    return this.#position;
  }

  /** Until the signal is aborted, or the delivery is gone. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger, commits } = this.#ports;
    const { table } = this.#delivery;
    this.#position = await this.#loaded(signal);
    while (!signal.aborted && this.#position) {
      try {
        const seen = commits.count(table);
        const isMore = await this.#pass(this.#position, signal);
        if (!isMore) await commits.wait(table, seen, this.#options.everyMs, clock, signal);
      } catch (error) {
        if (signal.aborted) break;
        if (hasCode(error, "declaration.conflict")) {
          await this.#standBy(signal);
          continue;
        }
        logger.error("a delivery cannot go on for now", { delivery: this.#delivery.name, error });
        await clock.sleep(this.#pause.next(), signal);
      }
    }
    if (this.#position) await this.#keeper.save(this.#position).catch(() => {});
  }

  async #loaded(signal: AbortSignal): Promise<DeliveryPosition | undefined> {
    while (!signal.aborted) {
      try {
        return await this.#keeper.load();
      } catch (error) {
        this.#ports.logger.error("a delivery cannot begin for now", { delivery: this.#delivery.name, error });
        await this.#ports.clock.sleep(this.#pause.next(), signal);
      }
    }
    return undefined;
  }

  /** @returns whether there may be more */
  async #pass(from: DeliveryPosition, signal: AbortSignal): Promise<boolean> {
    const { position, batch } = await this.#feed.next(from);
    if (position.snapshot !== null && from.snapshot !== position.snapshot)
      this.#ports.logger.warn("a delivery was overtaken and begins again with the whole table", {
        delivery: this.#delivery.name,
        version: position.version,
      });
    this.#position = position;
    await this.#erase(position, signal);
    if (!batch) {
      await this.#save(true);
      return false;
    }
    const attributes = {
      "muara.delivery": batch.delivery,
      "muara.table": batch.table,
      "muara.rows": batch.rows.length,
      "muara.version": position.version,
    };
    await traced(
      "delivery batch",
      () => ({ attributes }),
      () => this.#deliver(batch, signal),
    );
    await this.#save(false);
    return true;
  }

  /** Between two batches: what is passed is delivered. */
  async #erase(position: DeliveryPosition, signal: AbortSignal): Promise<void> {
    const { changeCount } = this.#ports.registry;
    if (changeCount === this.#erasedAt) return;
    const columns = this.#feed.columns();
    const isDone = await eraseDelivered(this.#ports, this.#sink, position, columns, this.#told, signal);
    if (isDone) this.#erasedAt = changeCount;
  }

  /** Until every row of it is taken, or a dead letter. */
  async #deliver(batch: SinkBatch, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const outcome = await this.#sink.write(batch, signal);
      if (outcome.outcome === "taken") return this.#taken(batch.rows.length);
      if (outcome.outcome === "later") {
        await this.#wait(outcome, signal);
        continue;
      }
      const known = await this.#asKnownNow(batch);
      if (known !== batch) return this.#deliver(known, signal);
      if (batch.rows.length > 1) {
        const middle = batch.rows.length >>> 1;
        await this.#deliver(partOf(batch, this.#delivery.id, 0, middle), signal);
        if (!signal.aborted)
          await this.#deliver(partOf(batch, this.#delivery.id, middle, batch.rows.length), signal);
        return;
      }
      if (this.#refused < this.#options.refusedMax) return this.#bury(batch, outcome.reason);
      const reason = `${this.#refused} rows in a row were refused; the last: ${outcome.reason}`;
      await this.#wait({ outcome: "later", reason }, signal);
    }
  }

  /** What another process has declared of the columns may come behind the rows that have them. */
  async #asKnownNow(batch: SinkBatch): Promise<SinkBatch> {
    await this.#ports.registry.refresh();
    const columns = this.#feed.columns();
    return columns === batch.columns ? batch : { ...batch, columns };
  }

  #taken(rows: number): void {
    const position = this.#position!;
    if (position.state !== "delivering")
      this.#ports.logger.info("a delivery goes on", { delivery: this.#delivery.name });
    this.#pause.reset();
    this.#refused = 0;
    this.#position = {
      ...position,
      rows: position.rows + rows,
      delivered: position.delivered + rows,
      state: "delivering",
      problem: null,
    };
  }

  /** The dead letter first: what the position has passed is delivered, or it is there. */
  async #bury({ id, table, sequence, rows }: SinkBatch, reason: string): Promise<void> {
    const { store, clock } = this.#ports;
    const at = new Date(clock.nowMs()).toISOString();
    const head = JSON.stringify({ id, table, sequence, at, reason });
    const text = `${head.slice(0, -1)},"row":${rows[0]!.json}}`;
    const name = String(sequence).padStart(16, "0");
    await store.put(
      `${DELIVERY_FOLDER}/${this.#delivery.id}/dead-${name}.json`,
      new TextEncoder().encode(text),
    );
    this.#refused++;
    const position = this.#position!;
    this.#position = { ...position, rows: position.rows + 1, dead: position.dead + 1 };
  }

  async #wait(
    { reason, afterMs }: Extract<SinkOutcome, { outcome: "later" }>,
    signal: AbortSignal,
  ): Promise<void> {
    if (signal.aborted) return;
    this.#ports.measures?.count("muara_delivery_retries", { delivery: this.#delivery.name });
    const problem = reason.slice(0, PROBLEM_LENGTH_MAX);
    const position = this.#position!;
    if (position.state !== "failing")
      this.#ports.logger.warn("a delivery waits", { delivery: this.#delivery.name, problem });
    if (position.state !== "failing" || position.problem !== problem) {
      this.#position = { ...position, state: "failing", problem };
      await this.#save(true);
    }
    await this.#ports.clock.sleep(Math.max(afterMs ?? 0, this.#pause.next()), signal);
  }

  async #save(isIdle: boolean): Promise<void> {
    const { clock } = this.#ports;
    const position = this.#position!;
    if (this.#keeper.isSaved(position)) return;
    if (!isIdle && clock.monotonicMs() - this.#savedMs < this.#options.saveMs) return;
    this.#position = { ...position, atMs: clock.nowMs() };
    await this.#keeper.save(this.#position);
    this.#savedMs = clock.monotonicMs();
  }

  /** Somebody else delivers: until nothing of that is seen any more. */
  async #standBy(signal: AbortSignal): Promise<void> {
    const { clock, logger, randomness } = this.#ports;
    const { standbyMs } = this.#options;
    logger.info("another process delivers", { delivery: this.#delivery.name });
    let seen = -1;
    while (!signal.aborted) {
      this.#position = await this.#loaded(signal);
      if (!this.#position || this.#keeper.revision === seen) return;
      seen = this.#keeper.revision;
      await clock.sleep(standbyMs * (1 + randomness.fraction()), signal);
    }
  }
}
