/** The partitions of an event type and what can be read of each, as Nakadi shows them. */
import { MuaraError } from "../../../core/errors.ts";
import type { EventType } from "../../../core/event-type.ts";
import type { Log, PartitionBounds } from "../../../core/ports/log.ts";
import { ensureStream } from "../declaration.ts";
import { offsetText, parseOffset, parsePartition } from "./offset-text.ts";

export interface PartitionView {
  readonly partition: string;
  readonly oldest_available_offset: string;
  /** Of the last record; one below the oldest where there is none. */
  readonly newest_available_offset: string;
  /** Where a cursor was given: records behind it. */
  readonly unconsumed_events?: number;
}

/** A cursor as clients send it. */
export interface Cursor {
  readonly partition: string;
  readonly offset: string;
}

/** A place in a partition that exists. */
export interface Place {
  readonly partition: number;
  /** Of the last record that was read, ≥ -1. */
  readonly offset: number;
  readonly bounds: PartitionBounds;
}

/** Of an event type, all that is asked for while one request is answered. */
export class Partitions {
  readonly #log: Log;
  readonly #name: string;
  readonly count: number;

  private constructor(log: Log, name: string, count: number) {
    this.#log = log;
    this.#name = name;
    this.count = count;
  }

  static async of(log: Log, type: EventType): Promise<Partitions> {
    return new Partitions(log, type.name, (await ensureStream(log, type)).partitions);
  }

  bounds(partition: number): Promise<PartitionBounds> {
    return this.#log.bounds(this.#name, partition);
  }

  /** @returns undefined where there is none of that name */
  numbered(text: string): number | undefined {
    const partition = parsePartition(text);
    return partition !== undefined && partition < this.count ? partition : undefined;
  }

  async view(partition: number): Promise<PartitionView> {
    return viewOf(partition, await this.bounds(partition));
  }

  views(): Promise<readonly PartitionView[]> {
    return Promise.all(Array.from({ length: this.count }, (_, partition) => this.view(partition)));
  }

  /**
   * Where a cursor stands: at a record that is there, or right before the oldest.
   * @throws cursor.invalid
   */
  async place({ partition: text, offset }: Cursor): Promise<Place> {
    const partition = this.numbered(text);
    if (partition === undefined)
      throw invalidCursor(this.#name, text, `there are partitions 0 to ${this.count - 1}`);
    const bounds = await this.bounds(partition);
    const parsed = parseOffset(offset, bounds.startOffset);
    if (parsed === undefined) throw invalidCursor(this.#name, text, "the offset is none");
    if (parsed >= bounds.endOffset)
      throw invalidCursor(this.#name, text, "the offset lies beyond the newest event");
    return { partition, offset: parsed, bounds };
  }

  /** As `place`, of what can still be read. @throws cursor.invalid */
  async readablePlace(cursor: Cursor): Promise<Place> {
    const place = await this.place(cursor);
    if (place.offset < place.bounds.startOffset - 1)
      throw invalidCursor(this.#name, cursor.partition, "retention has removed what comes after the offset");
    return place;
  }
}

export function viewOf(partition: number, { startOffset, endOffset }: PartitionBounds): PartitionView {
  return {
    partition: String(partition),
    oldest_available_offset: offsetText(startOffset),
    newest_available_offset: offsetText(endOffset - 1),
  };
}

/** Records after the cursor that can be read. */
export function unconsumed({ offset, bounds }: Place): number {
  return bounds.endOffset - Math.max(offset + 1, bounds.startOffset);
}

export function invalidCursor(eventType: string, partition: string, reason: string): MuaraError {
  const shown = /^\d{1,9}$/.test(partition) ? `partition ${partition}` : "a cursor";
  return new MuaraError("cursor.invalid", `${eventType}, ${shown}: ${reason}.`, {
    details: { event_type: eventType },
  });
}
