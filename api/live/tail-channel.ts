/**
 * The tail of one event type, beside the pipeline: a few times a second it looks how far the log has grown and reads
 * a counted sample of what came, spread evenly over it; what became of each is told once landing has passed it.
 * Nothing is read that nobody looks at, and nothing of the hot path knows of it.
 */
import { envelopePaths, type EventType } from "../../core/event-type.ts";
import { landedPartitions } from "../../core/landed.ts";
import { payloadOf, type ReadBatch } from "../../core/record.ts";
import { isoOrNull, type ApiPorts } from "../context.ts";
import { FrameRing } from "./frame-ring.ts";
import { type LedgerSeen, ledgerTail, SHOWN_CHARACTERS } from "./ledger-tail.ts";
import { textAt } from "./member-text.ts";
import { settledFates, type SettledFate } from "./settled-fates.ts";
import type { TailEvent } from "./tail-event.ts";

/** Between two looks, ms: at most four frames a second. */
export const TAIL_EVERY_MS = 250;
/** Between two questions for fates, ms; each is a query. */
const FATES_EVERY_MS = 1_000;
/** How long a fate is waited for behind the cursor, ms. */
const FATE_MS_MAX = 30_000;
/** At the first look: from so far back, records of each partition. */
const BACK = 20;
const SPOTS = 5;
const SPOT_BYTES = 32_768;
/** With a text to look for every record is looked at, up to so many bytes of each partition at a look. */
const SEARCH_BYTES = 4_194_304;
const WAITING_MAX = 1_000;

export type FateFilter = "landed" | "duplicate" | "dead_letter";

export interface TailOptions {
  readonly type: EventType;
  /** Only events with this text in them, as bytes. */
  readonly contains: string;
  readonly fate: FateFilter | undefined;
  readonly eventsPerSecond: number;
  readonly bufferBytes: number;
}

interface Waiting {
  readonly partition: number;
  readonly offset: number;
  readonly event: TailEvent;
  /** When it was passed by the cursor; undefined before. */
  passedMs: number | undefined;
}

export class TailChannel {
  readonly ring: FrameRing;
  readonly #ports: ApiPorts;
  readonly #options: TailOptions;
  readonly #places = new Map<number, number>();
  #waiting: Waiting[] = [];
  #askedMs = -Infinity;
  #ledgerSeen: LedgerSeen | undefined;

  constructor(ports: ApiPorts, options: TailOptions) {
    this.#ports = ports;
    this.#options = options;
    this.ring = new FrameRing(options.bufferBytes);
  }

  /** One look; tells what is new. */
  async look(signal: AbortSignal): Promise<void> {
    const { fate, type } = this.#options;
    const isFromLog = fate === undefined || fate === "landed";
    const { came, matched, events } = isFromLog ? await this.#sample() : await this.#fromLedger(signal);
    const fates = isFromLog ? await this.#settle(signal) : [];
    if (came === 0 && events.length === 0 && fates.length === 0) return;
    const shown = fate === "landed" ? [] : events;
    const at = isoOrNull(this.#ports.clock.nowMs());
    const frame = { event_type: type.name, at, came, matched, events: shown, fates };
    this.ring.push(JSON.stringify(frame));
  }

  async #sample(): Promise<{ came: number; matched: number; events: readonly TailEvent[] }> {
    const { log } = this.#ports;
    const { type, contains, eventsPerSecond } = this.#options;
    const stream = await log.stream(type.name);
    if (!stream) return { came: 0, matched: 0, events: [] };
    const most = Math.max(1, Math.floor((eventsPerSecond * TAIL_EVERY_MS) / 1_000));
    const found: TailEvent[] = [];
    let came = 0;
    let matched = 0;
    for (let partition = 0; partition < stream.partitions; partition++) {
      const { startOffset, endOffset } = await log.bounds(type.name, partition);
      const known = this.#places.get(partition);
      const from = Math.max(known ?? endOffset - BACK, startOffset);
      this.#places.set(partition, endOffset);
      if (from >= endOffset) continue;
      if (known !== undefined) came += endOffset - from;
      const range = { partition, from, to: endOffset };
      const events = contains === "" ? await this.#spots(range, most) : await this.#search(range);
      if (contains !== "") matched += events.length;
      found.push(...evenly(events, most));
    }
    const events = evenly(found, most);
    for (const event of events)
      this.#waiting.push({ partition: event.partition, offset: event.offset, event, passedMs: undefined });
    if (this.#waiting.length > WAITING_MAX) this.#waiting = this.#waiting.slice(-WAITING_MAX);
    return { came, matched: contains === "" ? came : matched, events };
  }

  /** A few records at each of a few places: the first ones alone would always be the first of a burst. */
  async #spots({ partition, from, to }: Range, most: number): Promise<TailEvent[]> {
    const isAll = to - from <= most;
    const spots = isAll ? 1 : SPOTS;
    const events: TailEvent[] = [];
    for (let spot = 0; spot < spots; spot++) {
      const offset = from + Math.floor(((to - from) * spot) / spots);
      const batch = await this.#read(partition, offset, SPOT_BYTES);
      const end = Math.min(to, from + Math.floor(((to - from) * (spot + 1)) / spots));
      const each = isAll ? most : Math.ceil(most / spots);
      const indices = Array.from({ length: batch?.count ?? 0 }, (_, index) => index);
      const inside = indices.filter((index) => batch!.offsets[index]! < end);
      for (const index of inside.slice(0, each)) events.push(this.#eventOf(batch!, index));
    }
    return events;
  }

  async #search({ partition, from, to }: Range): Promise<TailEvent[]> {
    const events: TailEvent[] = [];
    let offset = from;
    let budget = SEARCH_BYTES;
    while (offset < to && budget > 0) {
      const batch = await this.#read(partition, offset, Math.min(budget, 1_048_576));
      if (!batch || batch.next <= offset) break;
      for (let index = 0; index < batch.count; index++) {
        const payload = payloadOf(batch, index);
        if (!payload || batch.offsets[index]! >= to) continue;
        budget -= payload.length;
        const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
        if (bytes.includes(this.#options.contains)) events.push(this.#eventOf(batch, index));
      }
      offset = batch.next;
    }
    return events;
  }

  /** Retention may have taken what we wanted to read: then there is nothing of it to show. */
  async #read(partition: number, offset: number, maxBytes: number): Promise<ReadBatch | undefined> {
    return this.#ports.log.read(this.#options.type.name, partition, offset, maxBytes).catch(() => undefined);
  }

  #eventOf(batch: ReadBatch, index: number): TailEvent {
    const payload = payloadOf(batch, index);
    const text = payload === undefined || payload === null ? null : Buffer.from(payload).toString("utf8");
    const isCut = text !== null && text.length > SHOWN_CHARACTERS;
    return {
      partition: batch.partition,
      offset: batch.offsets[index]!,
      ingest_time: isoOrNull(batch.ingestMs[index]),
      event_id: text === null ? null : idIn(text, this.#options.type),
      fate: "waiting",
      payload: isCut ? text.slice(0, SHOWN_CHARACTERS) : text,
      ...(isCut ? { is_cut: true } : {}),
    };
  }

  /** What became of those that landing has passed meanwhile. */
  async #settle(signal: AbortSignal): Promise<readonly unknown[]> {
    const { clock, catalog, log } = this.#ports;
    const nowMs = clock.monotonicMs();
    if (this.#waiting.length === 0 || nowMs - this.#askedMs < FATES_EVERY_MS) return [];
    const { name } = this.#options.type;
    const stream = await log.stream(name);
    const { txns } = await catalog.snapshot(name);
    const cursors = new Map(
      landedPartitions(txns)
        .filter((one) => one.logId === log.id && one.topicId === stream?.topicId)
        .map((one) => [one.partition, one.cursor]),
    );
    const passed = this.#waiting.filter(({ partition, offset }) => offset < (cursors.get(partition) ?? 0));
    if (passed.length === 0) return [];
    this.#askedMs = nowMs;
    for (const one of passed) one.passedMs ??= nowMs;
    const fates = await settledFates(this.#ports, name, passed, signal);
    const byPlace = new Map(fates.map((fate) => [placeOf(fate), fate]));
    const isOver = (one: Waiting): boolean =>
      byPlace.has(placeOf(one)) || (one.passedMs !== undefined && nowMs - one.passedMs > FATE_MS_MAX);
    const settled = this.#waiting.filter((one) => byPlace.has(placeOf(one)));
    this.#waiting = this.#waiting.filter((one) => !isOver(one));
    const isOfLanded = this.#options.fate === "landed";
    return settled.flatMap(({ event, ...place }) => {
      const fate = byPlace.get(placeOf(place)) as SettledFate;
      if (!isOfLanded) return [fate];
      return fate.fate.startsWith("landed") ? [{ ...event, ...fate }] : [];
    });
  }

  /** Of rare fates a sample of the log would have none: they come from the table that has them all. */
  async #fromLedger(
    signal: AbortSignal,
  ): Promise<{ came: number; matched: number; events: readonly TailEvent[] }> {
    const nowMs = this.#ports.clock.monotonicMs();
    if (nowMs - this.#askedMs < FATES_EVERY_MS) return { came: 0, matched: 0, events: [] };
    this.#askedMs = nowMs;
    const { type, fate, contains, eventsPerSecond } = this.#options;
    const asked = {
      type: type.name,
      fate: fate as "duplicate" | "dead_letter",
      contains,
      most: eventsPerSecond,
    };
    const { events, seen, came } = await ledgerTail(this.#ports, asked, this.#ledgerSeen, signal);
    this.#ledgerSeen = seen;
    return { came, matched: came, events };
  }
}

interface Range {
  readonly partition: number;
  readonly from: number;
  readonly to: number;
}

const placeOf = ({ partition, offset }: Pick<Range, "partition"> & { readonly offset: number }): string =>
  `${partition}:${offset}`;

/** At most `most` of them, spread over all. */
function evenly<T>(items: readonly T[], most: number): readonly T[] {
  if (items.length <= most) return items;
  return Array.from({ length: most }, (_, at) => items[Math.floor((at * items.length) / most)]!);
}

/** Of a sampled event only: parsing stays off the hot path. */
function idIn(text: string, type: EventType): string | null {
  const { id } = envelopePaths(type);
  if (!id) return null;
  try {
    return textAt(JSON.parse(text), id) ?? null;
  } catch {
    return null;
  }
}
