/**
 * What the open log knows: streams, and per partition its bounds, counts, producers and the segments (runs) that
 * hold its records. Changed only by what is durable.
 */
import { MuaraError } from "../../core/errors.ts";
import type { StreamInfo } from "../../core/ports/log.ts";
import { partitionKey } from "./log-index.ts";
import type { ProducerPlace } from "./producers.ts";
import { addCounts, addProducers, type SegmentTally, type StreamRecord } from "./segment-tally.ts";
import type { Segment } from "./segment.ts";

/** The records of one partition in one segment. */
export interface Run {
  segment: Segment;
  readonly firstOffset: number;
  /** Exclusive. Beyond the last record where compaction removed the end. */
  endOffset: number;
  lastIngestMs: number;
}

export interface PartitionState {
  readonly key: number;
  stream: StreamInfo;
  /** Its stream is gone: its records go with their segments. */
  isDeleted: boolean;
  readonly streamNumber: number;
  readonly partition: number;
  startOffset: number;
  endOffset: number;
  /** In offset order, without overlap. */
  runs: Run[];
  readonly accepted: Map<number, number>;
  readonly producers: Map<string, ProducerPlace>;
}

interface StreamState {
  readonly info: StreamInfo;
  readonly number: number;
  readonly partitions: PartitionState[];
}

export class LogState {
  lastIngestMs = 0;
  appendCount = 0;
  readonly #streams = new Map<string, StreamState>();
  readonly #partitions = new Map<number, PartitionState>();
  #lastStreamNumber = 0;

  /** A stream that is new, has other options, or is gone. */
  addStream(record: StreamRecord): void {
    const { number, name, topicId, partitions, cleanup, retentionMs } = record;
    this.#lastStreamNumber = Math.max(this.#lastStreamNumber, number);
    const info: StreamInfo = { name, topicId, partitions, cleanup, retentionMs };
    const states = Array.from({ length: partitions }, (_, partition) =>
      this.#stateOf(info, number, partition),
    );
    for (const state of states) {
      state.stream = info;
      state.isDeleted = record.isDeleted === true;
    }
    if (!record.isDeleted) this.#streams.set(name, { info, number, partitions: states });
    else if (this.#streams.get(name)?.number === number) this.#streams.delete(name);
  }

  #stateOf(stream: StreamInfo, streamNumber: number, partition: number): PartitionState {
    const key = partitionKey(streamNumber, partition);
    const known = this.#partitions.get(key);
    if (known) return known;
    const bounds = { startOffset: 0, endOffset: 0, runs: [], accepted: new Map(), producers: new Map() };
    const state = { key, stream, isDeleted: false, streamNumber, partition, ...bounds };
    this.#partitions.set(key, state);
    return state;
  }

  nextStreamNumber(): number {
    return ++this.#lastStreamNumber;
  }

  streams(): readonly StreamInfo[] {
    return [...this.#streams.values()].map((stream) => stream.info);
  }

  stream(name: string): StreamState | undefined {
    return this.#streams.get(name);
  }

  /** @throws log.stream_not_found, log.partition_not_found */
  partition(name: string, partition: number): PartitionState {
    const stream = this.#streams.get(name);
    if (!stream)
      throw new MuaraError("log.stream_not_found", `no stream ${name}`, { details: { stream: name } });
    const state = stream.partitions[partition];
    if (!state)
      throw new MuaraError("log.partition_not_found", `stream ${name} has no partition ${partition}`, {
        details: { stream: name, partition },
      });
    return state;
  }

  byKey(key: number): PartitionState | undefined {
    return this.#partitions.get(key);
  }

  partitions(): Iterable<PartitionState> {
    return this.#partitions.values();
  }

  /** Adds the tally of removed segments: everything but the records themselves. */
  foldBase(tally: SegmentTally): void {
    this.#fold(tally);
    for (const key of tally.partitions.keys()) {
      const state = this.#partitions.get(key)!;
      if (state.stream.cleanup !== "compact") state.startOffset = state.endOffset;
    }
  }

  /** Adds a segment with its records. */
  foldSegment(tally: SegmentTally, segment: Segment): void {
    this.#fold(tally);
    for (const [key, { firstOffset, endOffset, lastIngestMs }] of tally.partitions)
      this.#partitions.get(key)!.runs.push({ segment, firstOffset, endOffset, lastIngestMs });
  }

  #fold(tally: SegmentTally): void {
    for (const stream of tally.streams) this.addStream(stream);
    this.lastIngestMs = Math.max(this.lastIngestMs, tally.lastIngestMs);
    for (const [key, partition] of tally.partitions) {
      const state = this.#partitions.get(key)!;
      state.endOffset = partition.endOffset;
      addCounts(state.accepted, partition.accepted);
      addProducers(state.producers, partition.producers);
    }
  }
}

/** The run that holds `offset`, or the first after it; undefined beyond the last. */
export function runAt(runs: readonly Run[], offset: number): Run | undefined {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (runs[middle]!.endOffset > offset) high = middle;
    else low = middle + 1;
  }
  return runs[low];
}
