/**
 * A stream of events to one client: batches of several partitions in turn, keep-alives, and its end. It makes bytes
 * when it is asked for them and holds no events meanwhile, so a slow client costs nothing but its place.
 *
 * The rules are Nakadi's: a batch is due when `batchLimit` events are there, or `flushMs` after the partition's last
 * batch; when then there is nothing, a batch without events is sent.
 */
import type { Clock } from "../../../core/clock.ts";
import type { Log } from "../../../core/ports/log.ts";
import type { LogEnds } from "./log-ends.ts";
import { type FeedOptions, PartitionFeed } from "./partition-feed.ts";

export interface StreamRules {
  /** Events in a batch, at most. */
  readonly batchLimit: number;
  /** After its last batch a partition gets one, with events or without, ms. */
  readonly flushMs: number;
  /** Between the first and the last event of a batch, ms; 0: any. */
  readonly timespanMs: number;
  /** Events after which the stream ends; Infinity: never. */
  readonly eventsMax: number;
  /** Batches without events in a row, of every partition, after which the stream ends; Infinity: never. */
  readonly keepAlivesMax: number;
  /** How long the stream lasts, ms. */
  readonly lifeMs: number;
}

export interface EventStreamOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly ends: LogEnds;
  readonly rules: StreamRules;
  /** Memory for batches that are being made, over all partitions, bytes. */
  readonly bufferBytes: number;
  /** How many more events of the partition may be sent now. */
  readonly allowance?: (feed: PartitionFeed) => number;
  /** Right before the batch goes. */
  readonly onBatch?: (feed: PartitionFeed, events: number, lastOffset: number) => void;
  /** Whether every end is told in a last batch, or only those that the client has not asked for. */
  readonly tellsEveryEnd: boolean;
  /** What the first batch says. */
  readonly firstNote?: string;
}

interface End {
  readonly reason: string;
  readonly isTold: boolean;
}

const BATCH_BYTES_LEAST = 16_384;

export class EventStream {
  readonly #options: EventStreamOptions;
  readonly #startedMs: number;
  readonly #feeds = new Map<string, { readonly feed: PartitionFeed; readonly stop: () => void }>();
  #turn = 0;
  #sent = 0;
  #end: End | undefined;
  /** Of partitions that have not got their last batch. */
  #lastRound: PartitionFeed[] | undefined;
  #isOver = false;
  /** Said in the first batch. */
  #note: string | undefined;
  #sleeping: AbortController | undefined;
  #isWoken = false;

  constructor(options: EventStreamOptions) {
    this.#options = options;
    this.#note = options.firstNote;
    this.#startedMs = options.clock.monotonicMs();
  }

  get endsAtMs(): number {
    return this.#startedMs + this.#options.rules.lifeMs;
  }

  feed(key: string): PartitionFeed | undefined {
    return this.#feeds.get(key)?.feed;
  }

  get feeds(): readonly PartitionFeed[] {
    return [...this.#feeds.values()].map(({ feed }) => feed);
  }

  /** Begins to read a partition. @throws log.stream_not_found, log.partition_not_found */
  async add(options: Omit<FeedOptions, "log">): Promise<PartitionFeed> {
    const { log, ends, clock } = this.#options;
    const feed = new PartitionFeed({ ...options, log });
    feed.lastFlushMs = clock.monotonicMs();
    const stop = await ends.watch(feed.name, feed.partition, (endOffset) => {
      feed.endOffset = endOffset;
      this.wake();
    });
    if (this.#isOver) stop();
    else this.#feeds.set(feed.key, { feed, stop });
    this.wake();
    return feed;
  }

  /** Nothing more of it is sent, not even what is being read. */
  remove(key: string): void {
    this.#feeds.get(key)?.stop();
    this.#feeds.delete(key);
    this.wake();
  }

  /** Something has changed: look again. */
  wake(): void {
    this.#isWoken = true;
    this.#sleeping?.abort();
  }

  /** Ends it. What is there is not sent any more; the first reason stands. */
  close(reason: string): void {
    this.#end ??= { reason, isTold: true };
    this.wake();
  }

  /** Gives everything back. No bytes come after it. */
  release(): void {
    this.#isOver = true;
    for (const { stop } of this.#feeds.values()) stop();
    this.#feeds.clear();
    this.wake();
  }

  /** The next bytes, once there are some; undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.#isOver) return undefined;
      this.#isWoken = false;
      const nowMs = this.#options.clock.monotonicMs();
      this.#end ??= this.#dueEnd(nowMs);
      const bytes = this.#end ? this.#lastBytes(this.#end) : await this.#bytes(nowMs);
      if (bytes) return bytes;
      if (this.#end && !this.#isOver) this.release();
      else await this.#sleep(nowMs);
    }
  }

  #dueEnd(nowMs: number): End | undefined {
    const { rules, tellsEveryEnd: isTold } = this.#options;
    if (this.#sent >= rules.eventsMax)
      return { reason: `Stream limit in events reached: ${this.#sent}`, isTold };
    if (nowMs >= this.endsAtMs && this.#lastRound?.length === 0)
      return { reason: "Stream timeout reached", isTold };
    const feeds = this.feeds;
    if (feeds.length > 0 && feeds.every(({ keepAlives }) => keepAlives >= rules.keepAlivesMax))
      return { reason: "All partitions reached keepAlive limit", isTold };
    return undefined;
  }

  #lastBytes({ reason, isTold }: End): Uint8Array | undefined {
    const [feed] = this.feeds;
    this.release();
    // Without a partition there is no cursor, and without a cursor clients cannot read it.
    return isTold && feed ? feed.keepAlive(this.#note, reason) : undefined;
  }

  async #bytes(nowMs: number): Promise<Uint8Array | undefined> {
    if (nowMs >= this.endsAtMs) {
      this.#lastRound ??= [...this.feeds];
      for (;;) {
        const feed = this.#lastRound.shift();
        if (!feed) break;
        const bytes = await this.#events(feed, true);
        if (bytes) return bytes;
      }
      this.wake();
      return undefined;
    }
    const feeds = this.feeds;
    for (let i = 0; i < feeds.length; i++) {
      const feed = feeds[(this.#turn + i) % feeds.length]!;
      const isDue = nowMs - feed.lastFlushMs >= this.#options.rules.flushMs;
      const bytes = (await this.#events(feed, isDue)) ?? (isDue ? this.#keepAlive(feed) : undefined);
      if (!bytes) continue;
      this.#turn = (this.#turn + i + 1) % feeds.length;
      return bytes;
    }
    return undefined;
  }

  async #events(feed: PartitionFeed, isDue: boolean): Promise<Uint8Array | undefined> {
    const { rules, allowance, onBatch, clock, bufferBytes } = this.#options;
    const limit = Math.min(rules.batchLimit, rules.eventsMax - this.#sent, allowance?.(feed) ?? Infinity);
    const { available } = feed;
    if (limit <= 0 || available === 0) return undefined;
    if (available < limit && !isDue && rules.timespanMs === 0) return undefined;
    const maxBytes = Math.max(BATCH_BYTES_LEAST, Math.floor(bufferBytes / this.#feeds.size));
    const isWanted = (): boolean => this.#feeds.get(feed.key)?.feed === feed && !this.#end;
    const { timespanMs } = rules;
    const batch = await feed.take({ limit, maxBytes, timespanMs, isDue, note: this.#note }, isWanted);
    if (!batch) return undefined;
    this.#note = undefined;
    feed.lastFlushMs = clock.monotonicMs();
    feed.keepAlives = 0;
    this.#sent += batch.events;
    onBatch?.(feed, batch.events, batch.lastOffset);
    return batch.bytes;
  }

  #keepAlive(feed: PartitionFeed): Uint8Array | undefined {
    if (this.#feeds.get(feed.key)?.feed !== feed) return undefined;
    feed.lastFlushMs = this.#options.clock.monotonicMs();
    feed.keepAlives++;
    const bytes = feed.keepAlive(this.#note);
    this.#note = undefined;
    return bytes;
  }

  async #sleep(nowMs: number): Promise<void> {
    if (this.#isWoken) return;
    const { clock, rules } = this.#options;
    const dueMs = this.feeds.reduce(
      (least, { lastFlushMs }) => Math.min(least, lastFlushMs + rules.flushMs),
      this.endsAtMs,
    );
    this.#sleeping = new AbortController();
    await clock.sleep(Math.max(1, dueMs - nowMs), this.#sleeping.signal);
    this.#sleeping = undefined;
  }
}
