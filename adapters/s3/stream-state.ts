/**
 * Where a stream stands after its newest group: a fold over group headers, the same for every process that reads
 * them. It judges idempotent producers; a draft of the next group is judged on a fork, which is thrown away when
 * another writer's group came first.
 */
import { assert } from "../../core/assert.ts";
import { MuaraError } from "../../core/errors.ts";
import type { AcceptedCount, ProducerSequence, StreamInfo } from "../../core/ports/log.ts";
import type { CheckpointState, GroupHeader } from "./group.ts";

const HOUR_MS = 3_600_000;
/** How many of a producer's last batches are recognised when they come again. */
const REPEATS_KNOWN = 5;
/** A producer idle for longer is forgotten, ms. */
const PRODUCER_IDLE_MS = 7 * 24 * HOUR_MS;

export interface StoredBatch {
  readonly baseOffset: number;
  readonly ingestMs: number;
}

interface Recent extends StoredBatch {
  readonly sequence: number;
  readonly count: number;
}

interface Place {
  readonly epoch: number;
  readonly seenMs: number;
  /** Oldest first. */
  readonly recent: readonly Recent[];
}

/** [partition] producer id → place */
type Producers = Map<string, Place>[];

export class StreamState {
  /** The newest group; before the first, a group that never was. */
  header: GroupHeader;
  readonly #producers: Producers;
  /** [partition] hour → count */
  readonly #accepted: Map<number, number>[];

  private constructor(header: GroupHeader, producers: Producers, accepted: Map<number, number>[]) {
    this.header = header;
    this.#producers = producers;
    this.#accepted = accepted;
  }

  static empty({ partitions }: StreamInfo): StreamState {
    const zeros = Array.from({ length: partitions }, () => 0);
    const header: GroupHeader = {
      group: -1,
      attempt: "",
      ingestMs: 0,
      ends: zeros,
      starts: zeros,
      first: 0,
      checkpoint: 0,
      totalBytes: 0,
      snapshot: null,
      batches: [],
    };
    return new StreamState(header, mapsFor(partitions), mapsFor(partitions));
  }

  /** @param header of a checkpoint */
  static at(header: GroupHeader): StreamState {
    const { state, ends } = header;
    assert(state !== undefined, "a checkpoint carries the stream's state");
    const producers = mapsFor<string, Place>(ends.length);
    const accepted = mapsFor<number, number>(ends.length);
    for (const [partition, hourMs, count] of state.accepted) accepted[partition]!.set(hourMs, count);
    for (const { partition, id, epoch, seenMs, recent } of state.producers) {
      const entries = recent.map(([sequence, baseOffset, ingestMs, count]) => ({
        sequence,
        baseOffset,
        ingestMs,
        count,
      }));
      producers[partition]!.set(id, { epoch, seenMs, recent: entries });
    }
    return new StreamState(header, producers, accepted);
  }

  /** A copy that may be changed without this one changing. */
  fork(): StreamState {
    return new StreamState(this.header, this.#producers.map(copyOf), this.#accepted.map(copyOf));
  }

  /** Goes on to the next group. @returns whether it is the next one; any other changes nothing */
  apply(header: GroupHeader): boolean {
    if (header.group !== this.header.group + 1) return false;
    const offsets = [...this.header.ends];
    for (const { partition, count, producer } of header.batches) {
      this.note(partition, count, producer, { baseOffset: offsets[partition]!, ingestMs: header.ingestMs });
      offsets[partition]! += count;
    }
    this.header = header;
    while (this.#accepted.length < header.ends.length) {
      this.#accepted.push(new Map());
      this.#producers.push(new Map());
    }
    return true;
  }

  /** Counts one accepted batch and remembers its producer. */
  note(partition: number, count: number, producer: ProducerSequence | undefined, stored: StoredBatch): void {
    const hourMs = stored.ingestMs - (stored.ingestMs % HOUR_MS);
    const accepted = this.#accepted[partition]!;
    accepted.set(hourMs, (accepted.get(hourMs) ?? 0) + count);
    if (!producer) return;
    const { id, epoch, sequence } = producer;
    const known = this.#producers[partition]!.get(id);
    const before = known?.epoch === epoch && sequence > 0 ? known.recent : [];
    const recent = [...before, { sequence, count, ...stored }].slice(-REPEATS_KNOWN);
    this.#producers[partition]!.set(id, { epoch, seenMs: stored.ingestMs, recent });
  }

  /**
   * @returns the batch's place where it is stored already; undefined where it is new
   * @throws log.producer_fenced, log.producer_sequence
   */
  judge(
    partition: number,
    count: number,
    producer: ProducerSequence,
    nowMs: number,
  ): StoredBatch | undefined {
    const { id, epoch, sequence } = producer;
    const known = this.#producers[partition]!.get(id);
    const place = known && nowMs - known.seenMs <= PRODUCER_IDLE_MS ? known : undefined;
    if (place && epoch < place.epoch)
      throw new MuaraError("log.producer_fenced", `epoch ${place.epoch} of ${id} exists`);
    const recent = place?.epoch === epoch ? place.recent : undefined;
    const repeat = recent?.find((entry) => entry.sequence === sequence);
    if (repeat?.count === count) return repeat;
    const next = recent ? recent.at(-1)!.sequence + 1 : 0;
    if (repeat || sequence !== next)
      throw new MuaraError("log.producer_sequence", `${id} sent ${sequence}, not ${next}`);
    return undefined;
  }

  accepted(): AcceptedCount[] {
    return this.#accepted.flatMap((hours, partition) =>
      [...hours].sort(([a], [b]) => a - b).map(([hourMs, count]) => ({ partition, hourMs, count })),
    );
  }

  /** What a checkpoint carries. Producers that would be forgotten anyway are left out. */
  checkpoint(nowMs: number): CheckpointState {
    const producers = this.#producers.flatMap((places, partition) =>
      [...places]
        .filter(([, { seenMs }]) => nowMs - seenMs <= PRODUCER_IDLE_MS)
        .map(([id, { epoch, seenMs, recent }]) => ({
          partition,
          id,
          epoch,
          seenMs,
          recent: recent.map(
            (entry) => [entry.sequence, entry.baseOffset, entry.ingestMs, entry.count] as const,
          ),
        })),
    );
    const accepted = this.accepted().map(
      ({ partition, hourMs, count }) => [partition, hourMs, count] as const,
    );
    return { accepted, producers };
  }
}

function copyOf<Key, Value>(map: ReadonlyMap<Key, Value>): Map<Key, Value> {
  return new Map(map);
}

function mapsFor<Key, Value>(partitions: number): Map<Key, Value>[] {
  return Array.from({ length: partitions }, () => new Map<Key, Value>());
}
