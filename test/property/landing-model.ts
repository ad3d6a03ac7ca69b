/**
 * What landing has to do with a log, written down as plainly as possible: maps, loops and the rules of the design,
 * without kernel, Parquet or table. Records are known by what the generator meant by them, not by parsing them.
 */

/** What the generator put at one offset. */
export interface ModelRecord {
  readonly partition: number;
  readonly offset: number;
  readonly ingestMs: number;
  /** Canonical; null where the record has none that anybody could read. */
  readonly id: string | null;
  /** As published. */
  readonly idText: string | null;
  readonly isGood: boolean;
  /** µs since 1970 UTC; undefined: the ingest time. */
  readonly timeUs: bigint | undefined;
  /** The number in the payload. */
  readonly number: number;
  readonly flowId: string | null;
  readonly key: string | null;
  readonly payload: Uint8Array | null;
}

export interface ModelPartition {
  cursor: number;
  landed: number;
  duplicates: number;
  dead: number;
  gap: number;
  /** Newest event time of a landed record that was not beyond the skew, µs. */
  newestUs: bigint | undefined;
  ingestMs: number | undefined;
  isIdle: boolean;
}

export interface Fates {
  readonly landed: ModelRecord[];
  readonly duplicates: ModelRecord[];
  readonly dead: ModelRecord[];
}

export interface ModelOptions {
  readonly partitions: number;
  readonly horizonMs: number;
  readonly skewMs: number;
  readonly disorderMs: number;
  /** False: events are known by their place in the log, and nothing is a duplicate. */
  readonly hasIds: boolean;
}

export class LandingModel {
  readonly options: ModelOptions;
  /** [partition] by offset */
  readonly records: Map<number, ModelRecord>[];
  readonly partitions: ModelPartition[];
  /** Ingest times of the live rows by canonical id. */
  readonly #known = new Map<string, number[]>();
  watermarkMs: number | undefined;

  constructor(options: ModelOptions) {
    this.options = options;
    this.records = Array.from({ length: options.partitions }, () => new Map());
    this.partitions = Array.from({ length: options.partitions }, () => ({
      cursor: 0,
      landed: 0,
      duplicates: 0,
      dead: 0,
      gap: 0,
      newestUs: undefined,
      ingestMs: undefined,
      isIdle: false,
    }));
  }

  append(record: ModelRecord): void {
    this.records[record.partition]!.set(record.offset, record);
  }

  /** A row that is in the table for a reason of its own. */
  know(id: string, ingestMs: number): void {
    this.#known.set(id, [...(this.#known.get(id) ?? []), ingestMs]);
  }

  forget(id: string, ingestMs: number): void {
    const times = [...(this.#known.get(id) ?? [])];
    times.splice(times.indexOf(ingestMs), 1);
    this.#known.set(id, times);
  }

  /** Lands the offsets up to `ends` [partition]. Idle flags are the commit's own: they depend on when it looked. */
  land(ends: readonly number[], isIdle: readonly boolean[]): Fates {
    const fates: Fates = { landed: [], duplicates: [], dead: [] };
    this.partitions.forEach((partition, number) => {
      for (let offset = partition.cursor; offset < ends[number]!; offset++) {
        const record = this.records[number]!.get(offset);
        if (!record) partition.gap++;
        else this.#judge(record, partition, fates);
      }
      partition.cursor = ends[number]!;
      partition.isIdle = isIdle[number]!;
    });
    this.#advance();
    return fates;
  }

  #judge(record: ModelRecord, partition: ModelPartition, fates: Fates): void {
    partition.ingestMs = Math.max(partition.ingestMs ?? 0, record.ingestMs);
    const times = (this.options.hasIds && record.id !== null && this.#known.get(record.id)) || [];
    if (times.some((ms) => Math.abs(ms - record.ingestMs) <= this.options.horizonMs)) {
      partition.duplicates++;
      fates.duplicates.push(record);
    } else if (!record.isGood) {
      partition.dead++;
      fates.dead.push(record);
    } else {
      partition.landed++;
      fates.landed.push(record);
      if (record.id !== null) this.know(record.id, record.ingestMs);
      const timeUs = eventTimeUs(record);
      const isBeyondSkew = timeUs > BigInt(record.ingestMs + this.options.skewMs) * 1_000n;
      if (!isBeyondSkew && (partition.newestUs === undefined || timeUs > partition.newestUs))
        partition.newestUs = timeUs;
    }
  }

  #advance(): void {
    const counting = this.partitions.filter((partition) => !partition.isIdle);
    const newest = counting.map((partition) => partition.newestUs);
    if (newest.length === 0 || newest.includes(undefined)) return;
    const lowestUs = newest.map((us) => us!).reduce((a, b) => (b < a ? b : a));
    const ms =
      Number((lowestUs - (((lowestUs % 1_000n) + 1_000n) % 1_000n)) / 1_000n) - this.options.disorderMs;
    if (this.watermarkMs === undefined || ms > this.watermarkMs) this.watermarkMs = ms;
  }

  /** Records behind the cursors. */
  get inFlight(): number {
    return this.records.reduce(
      (sum, records, number) =>
        sum + [...records.keys()].filter((offset) => offset >= this.partitions[number]!.cursor).length,
      0,
    );
  }
}

export function eventTimeUs(record: ModelRecord): bigint {
  return record.timeUs ?? BigInt(record.ingestMs) * 1_000n;
}

/** Event time, partition, offset: the order of rows in a file. */
export function inFileOrder(records: readonly ModelRecord[]): ModelRecord[] {
  return records.toSorted((a, b) => {
    const [x, y] = [eventTimeUs(a), eventTimeUs(b)];
    return x < y ? -1 : x > y ? 1 : a.partition - b.partition || a.offset - b.offset;
  });
}
