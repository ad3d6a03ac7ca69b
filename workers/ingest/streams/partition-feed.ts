/**
 * One partition of a stream: where it is read, and the bytes of its batches,
 * `{"cursor":…,"events":[…],"info":…}` and a line break. Between the log and these bytes no object exists per event.
 *
 * A batch that turns out too small (offsets without events lie between) is thrown away and read again when there is
 * more: nothing has moved until `take` says so.
 */
import { hasCode } from "../../../core/errors.ts";
import type { EventType } from "../../../core/event-type.ts";
import type { Log } from "../../../core/ports/log.ts";
import type { ReadBatch } from "../../../core/record.ts";
import { offsetText } from "../cursors/offset-text.ts";
import { ByteWriter } from "./byte-writer.ts";
import { EventWriter } from "./enrichment.ts";

const encoder = new TextEncoder();
const EVENTS = encoder.encode(',"events":[');
const CLOSE_EVENTS = encoder.encode("]");
const END = encoder.encode("}\n");
const COMMA = encoder.encode(",");
const NOTHING = new Uint8Array(0);
const OFFSET_ROOM = encoder.encode(offsetText(0));
/** First guess of an event's size, bytes. */
const EVENT_BYTES = 600;
/** Read at once, least: a log loads whole batches of producers, however little of them it gives. */
const READ_BYTES_LEAST = 65_536;
/** What enrichment adds to an event, about, bytes. */
const ADDED_BYTES = 260;

export interface FeedOptions {
  readonly log: Log;
  readonly type: Pick<EventType, "name" | "category">;
  readonly partition: number;
  /** Offset of the first record that is read. */
  readonly next: number;
  /** Of subscriptions: beside partition and offset, each cursor has its event type and this. */
  readonly cursorToken?: string | undefined;
}

export interface BatchRules {
  /** Events at most. */
  readonly limit: number;
  /** Bytes from which no more events are added. */
  readonly maxBytes: number;
  /** Between the first and the last event of a batch, ingest time, ms; 0: any. */
  readonly timespanMs: number;
  /** Takes fewer events than `limit`, too. */
  readonly isDue: boolean;
  /** What the batch says of itself. */
  readonly note?: string | undefined;
}

export class PartitionFeed {
  readonly name: string;
  readonly partition: number;
  readonly #options: FeedOptions;
  readonly #writer: EventWriter;
  /** Of each batch: before and behind the offset. */
  readonly #head: Uint8Array;
  readonly #tail: Uint8Array;
  #next: number;
  /** A batch that was read further than was taken. */
  #held: ReadBatch | undefined;
  #eventBytes = EVENT_BYTES;
  /** Offsets without events among those that are next, as far as known. */
  #gaps = 0;
  /** What the next batch says of itself. */
  #notes: string[] = [];
  /** The durable end. */
  endOffset = 0;
  lastFlushMs = 0;
  /** Batches without events since the last one with. */
  keepAlives = 0;

  constructor(options: FeedOptions) {
    const { type, partition, next, cursorToken } = options;
    this.#options = options;
    this.name = type.name;
    this.partition = partition;
    this.#next = next;
    this.#writer = new EventWriter(type, partition);
    this.#head = encoder.encode(`{"cursor":{"partition":"${partition}","offset":"`);
    const more = { event_type: type.name, cursor_token: cursorToken };
    this.#tail = encoder.encode(cursorToken === undefined ? '"}' : `",${JSON.stringify(more).slice(1, -1)}}`);
  }

  get key(): string {
    return feedKey(this.name, this.partition);
  }

  /** Offset of the record that is read next. */
  get next(): number {
    return this.#next;
  }

  /** Events that are there and not read, at most. */
  get available(): number {
    return Math.max(0, this.endOffset - this.#next - this.#gaps);
  }

  /** To be said in the next batch. */
  note(text: string): void {
    this.#notes.push(text);
  }

  /**
   * The next batch, where there is one by the rules; the feed moves behind its events.
   * @param isWanted asked before it moves: the world may have changed while the log was read
   */
  async take(
    rules: BatchRules,
    isWanted: () => boolean,
  ): Promise<
    { readonly bytes: Uint8Array; readonly events: number; readonly lastOffset: number } | undefined
  > {
    const draft = await this.#draft(rules);
    if (!isWanted()) return undefined;
    const { events, next, held, isCut, isSpanned, unreadable } = draft;
    if (events === 0) {
      // Only offsets without events: they need not be looked at again.
      this.#gaps = 0;
      this.#move(next, held, unreadable);
      return undefined;
    }
    if (events < rules.limit && !rules.isDue && !isCut && !isSpanned) {
      this.#gaps = next - this.#next - events;
      this.#held = draft.first;
      return undefined;
    }
    this.#gaps = 0;
    this.#move(next, held, unreadable);
    if (isCut) this.note("Stream parameters are causing overflow");
    this.#eventBytes = this.#eventBytes * 0.8 + (draft.out.length / events) * 0.2;
    draft.out.write(CLOSE_EVENTS);
    draft.out.replace(this.#head.length, encoder.encode(offsetText(draft.lastOffset)));
    this.#writeInfo(draft.out, rules.note);
    draft.out.write(END);
    return { bytes: draft.out.done(), events, lastOffset: draft.lastOffset };
  }

  /** A batch without events: it says where the feed is. */
  keepAlive(...notes: readonly (string | undefined)[]): Uint8Array {
    const out = new ByteWriter(256);
    out.write(this.#head);
    out.write(encoder.encode(offsetText(this.#next - 1)));
    out.write(this.#tail);
    this.#writeInfo(out, ...notes);
    out.write(END);
    return out.done();
  }

  #writeInfo(out: ByteWriter, ...notes: readonly (string | undefined)[]): void {
    const all = [...this.#notes, ...notes].filter((note) => note !== undefined);
    if (all.length === 0) return;
    out.write(encoder.encode(`,"info":${JSON.stringify({ debug: all.join("; ") })}`));
    this.#notes = [];
  }

  #move(next: number, held: ReadBatch | undefined, unreadable: number): void {
    this.#next = next;
    this.#held = held;
    if (unreadable > 0) this.note(`${unreadable} records that are no JSON were left out`);
  }

  async #draft(rules: BatchRules): Promise<Draft> {
    const { limit, maxBytes, timespanMs } = rules;
    const expected = Math.min(maxBytes, Math.ceil(limit * this.#eventBytes));
    const out = new ByteWriter(expected + ADDED_BYTES);
    out.write(this.#head);
    out.write(OFFSET_ROOM);
    out.write(this.#tail);
    out.write(EVENTS);
    const draft = new Draft(out, this.#next);
    let batch = this.#held;
    draft.first = batch;
    while (draft.events < limit && !draft.isCut && !draft.isSpanned) {
      if (!batch || batch.next <= draft.next) {
        if (draft.next >= this.endOffset) break;
        const wanted = Math.ceil((limit - draft.events) * this.#eventBytes);
        batch = await this.#read(draft, Math.min(maxBytes, Math.max(wanted, READ_BYTES_LEAST)));
        draft.first ??= batch;
        this.endOffset = Math.max(this.endOffset, batch.endOffset);
      }
      this.#writeEvents(draft, batch, limit, maxBytes, timespanMs);
    }
    if (batch && batch.next > draft.next) draft.held = batch;
    return draft;
  }

  async #read(draft: Draft, maxBytes: number): Promise<ReadBatch> {
    const { log } = this.#options;
    for (;;)
      try {
        return await log.read(this.name, this.partition, draft.next, maxBytes);
      } catch (error) {
        const { startOffset } = await log.bounds(this.name, this.partition);
        if (!hasCode(error, "log.offset_out_of_range") || startOffset <= draft.next) throw error;
        const [from, to] = [offsetText(draft.next), offsetText(startOffset - 1)];
        this.note(`Events ${from} to ${to} were removed by retention before they were read`);
        draft.next = this.#next = startOffset;
      }
  }

  #writeEvents(draft: Draft, batch: ReadBatch, limit: number, maxBytes: number, timespanMs: number): void {
    const { offsets, ingestMs, count } = batch;
    for (let i = firstAt(offsets, draft.next); i < count; i++) {
      if (timespanMs > 0 && draft.events > 0 && ingestMs[i]! - draft.firstMs >= timespanMs) {
        draft.isSpanned = true;
        return;
      }
      const written = this.#writer.write(draft.out, draft.events > 0 ? COMMA : NOTHING, batch, i);
      draft.next = offsets[i]! + 1;
      if (written === "unreadable") draft.unreadable++;
      if (written !== "event") continue;
      if (draft.events === 0) draft.firstMs = ingestMs[i]!;
      draft.events++;
      draft.lastOffset = offsets[i]!;
      if (draft.events >= limit) return;
      if (draft.out.length >= maxBytes) {
        draft.isCut = true;
        return;
      }
    }
    draft.next = batch.next;
  }
}

/** A batch that is being made. */
class Draft {
  readonly out: ByteWriter;
  /** Behind what was looked at. */
  next: number;
  events = 0;
  lastOffset = -1;
  firstMs = 0;
  unreadable = 0;
  /** By bytes. */
  isCut = false;
  /** By time: an event too late for it is there. */
  isSpanned = false;
  first: ReadBatch | undefined;
  held: ReadBatch | undefined;

  constructor(out: ByteWriter, next: number) {
    this.out = out;
    this.next = next;
  }
}

export function feedKey(name: string, partition: number): string {
  return `${name}/${partition}`;
}

/** Index of the first offset ≥ `offset`; the length where there is none. */
function firstAt(offsets: Float64Array, offset: number): number {
  let low = 0;
  let high = offsets.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (offsets[middle]! < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
