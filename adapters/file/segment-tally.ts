/**
 * What one segment adds to the state of the log: streams created, offsets, ingest times, accepted counts, producers.
 * The state after a start is the fold of the tallies in order, so counts survive the segments: when some are removed
 * their tallies are absorbed by the base (`log-base.ts`).
 */
import type { StreamCleanup } from "../../core/ports/log.ts";
import { type BatchEntry, KIND_COMPACTED } from "./journal-format.ts";
import { partitionKey } from "./log-index.ts";
import { noteProducer, type ProducerPlace } from "./producers.ts";

const HOUR_MS = 3_600_000;

export interface StreamRecord {
  readonly number: number;
  readonly name: string;
  readonly topicId: string;
  readonly partitions: number;
  readonly cleanup: StreamCleanup;
  readonly retentionMs: number;
  /** The stream of this number is gone; its records go with their segments. */
  readonly isDeleted?: true;
}

export interface PartitionTally {
  readonly stream: number;
  readonly partition: number;
  readonly firstOffset: number;
  endOffset: number;
  readonly firstIngestMs: number;
  lastIngestMs: number;
  /** Hour of acceptance (ms) → records. */
  readonly accepted: Map<number, number>;
  readonly producers: Map<string, ProducerPlace>;
}

/** As kept in files. */
export interface TallyJson {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly lastIngestMs: number;
  readonly firstIngestMs: number | null;
  readonly streams: readonly StreamRecord[];
  readonly partitions: readonly {
    readonly stream: number;
    readonly partition: number;
    readonly firstOffset: number;
    readonly endOffset: number;
    readonly firstIngestMs: number;
    readonly lastIngestMs: number;
    readonly accepted: readonly (readonly [number, number])[];
    readonly producers: readonly (readonly [string, ProducerPlace])[];
  }[];
}

export class SegmentTally {
  readonly firstSequence: number;
  /** firstSequence − 1 while there is no group. */
  lastSequence: number;
  firstIngestMs: number | undefined;
  lastIngestMs = 0;
  readonly streams: StreamRecord[] = [];
  readonly partitions = new Map<number, PartitionTally>();

  constructor(firstSequence: number) {
    this.firstSequence = firstSequence;
    this.lastSequence = firstSequence - 1;
  }

  /** Notes a stored batch of records. */
  note(entry: BatchEntry, producer: string): void {
    this.noteTime(entry.ingestMs);
    const tally = this.#partition(entry);
    tally.endOffset = entry.endOffset;
    tally.lastIngestMs = entry.ingestMs;
    if (entry.kind === KIND_COMPACTED) return; // was counted when it was accepted
    const hourMs = entry.ingestMs - (entry.ingestMs % HOUR_MS);
    tally.accepted.set(hourMs, (tally.accepted.get(hourMs) ?? 0) + entry.count);
    if (entry.epoch < 0) return;
    const { sequence, baseOffset, ingestMs, count } = entry;
    const place = noteProducer(tally.producers.get(producer), entry.epoch, {
      sequence,
      baseOffset,
      ingestMs,
      count,
    });
    tally.producers.set(producer, place);
  }

  noteTime(ingestMs: number): void {
    this.firstIngestMs ??= ingestMs;
    this.lastIngestMs = Math.max(this.lastIngestMs, ingestMs);
  }

  #partition(entry: BatchEntry): PartitionTally {
    const key = partitionKey(entry.stream, entry.partition);
    let tally = this.partitions.get(key);
    if (!tally) {
      tally = {
        stream: entry.stream,
        partition: entry.partition,
        firstOffset: entry.baseOffset,
        endOffset: entry.baseOffset,
        firstIngestMs: entry.ingestMs,
        lastIngestMs: entry.ingestMs,
        accepted: new Map(),
        producers: new Map(),
      };
      this.partitions.set(key, tally);
    }
    return tally;
  }

  /** What nobody will ask for any more: partitions of streams that are gone, and all but the last of their records. */
  dropDeleted(): void {
    const last = new Map(this.streams.map((record) => [record.number, record]));
    const gone = new Set([...last.values()].flatMap(({ number, isDeleted }) => (isDeleted ? number : [])));
    if (gone.size === 0) return;
    const kept = this.streams.filter(
      (record) => !gone.has(record.number) || record === last.get(record.number),
    );
    this.streams.splice(0, this.streams.length, ...kept);
    for (const [key, { stream }] of this.partitions) if (gone.has(stream)) this.partitions.delete(key);
  }

  /** Adds the next segment's tally to this one. */
  absorb(next: SegmentTally): void {
    this.lastSequence = next.lastSequence;
    if (next.firstIngestMs !== undefined) this.noteTime(next.firstIngestMs);
    this.lastIngestMs = Math.max(this.lastIngestMs, next.lastIngestMs);
    this.streams.push(...next.streams);
    for (const [key, theirs] of next.partitions) {
      const ours = this.partitions.get(key);
      if (!ours) {
        const { accepted, producers } = theirs;
        this.partitions.set(key, {
          ...theirs,
          accepted: new Map(accepted),
          producers: new Map(producers),
        });
        continue;
      }
      ours.endOffset = theirs.endOffset;
      ours.lastIngestMs = theirs.lastIngestMs;
      addCounts(ours.accepted, theirs.accepted);
      addProducers(ours.producers, theirs.producers);
    }
  }

  toJson(): TallyJson {
    const { firstSequence, lastSequence, lastIngestMs, streams } = this;
    const partitions = [...this.partitions.values()].map((tally) => ({
      ...tally,
      accepted: [...tally.accepted],
      producers: [...tally.producers],
    }));
    return {
      firstSequence,
      lastSequence,
      lastIngestMs,
      firstIngestMs: this.firstIngestMs ?? null,
      streams,
      partitions,
    };
  }

  static fromJson(json: TallyJson): SegmentTally {
    const tally = new SegmentTally(json.firstSequence);
    tally.lastSequence = json.lastSequence;
    tally.lastIngestMs = json.lastIngestMs;
    tally.firstIngestMs = json.firstIngestMs ?? undefined;
    tally.streams.push(...json.streams);
    for (const partition of json.partitions)
      tally.partitions.set(partitionKey(partition.stream, partition.partition), {
        ...partition,
        accepted: new Map(partition.accepted),
        producers: new Map(partition.producers),
      });
    return tally;
  }
}

export function addCounts(into: Map<number, number>, from: ReadonlyMap<number, number>): void {
  for (const [hourMs, count] of from) into.set(hourMs, (into.get(hourMs) ?? 0) + count);
}

export function addProducers(
  into: Map<string, ProducerPlace>,
  from: ReadonlyMap<string, ProducerPlace>,
): void {
  for (const [id, place] of from)
    for (const batch of place.recent) into.set(id, noteProducer(into.get(id), place.epoch, batch));
}
