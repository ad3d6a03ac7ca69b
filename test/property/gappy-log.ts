/**
 * A log over the memory log with what Kafka adds: offsets that hold no record, and reads that fail for a while.
 * Only what landing uses is translated; the rest goes to the log beneath with its own offsets.
 */
import type { ByteSupply } from "../../core/byte-pool.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Log, PartitionBounds } from "../../core/ports/log.ts";
import type { ReadBatch, RecordBatch } from "../../core/record.ts";

interface Gap {
  /** Offset of the log beneath before which it lies. */
  readonly before: number;
  readonly length: number;
}

export interface GappyLog extends Log {
  /** Offsets without records at the partition's present end. */
  addGap(stream: string, partition: number, length: number): Promise<void>;
  /** Whether reads of a partition come back empty, as a poll does that ran into its time limit. */
  stall(partition: number, isStalled: boolean): void;
  /** Appends without faults. @returns offset of the first record, as seen through the gaps */
  publish(
    stream: string,
    partition: number,
    batch: RecordBatch,
  ): Promise<{ offset: number; ingestMs: number }>;
}

/** @param fails asked at every read and look at the bounds */
export function createGappyLog(log: Log, fails: () => boolean): GappyLog {
  const gaps = new Map<string, Gap[]>();
  const stalled = new Set<number>();
  const gapsOf = (stream: string, partition: number): Gap[] => gaps.get(`${stream}/${partition}`) ?? [];
  /** What an offset beneath, or the end, is called above. */
  const above = (stream: string, partition: number, offset: number): number =>
    gapsOf(stream, partition).reduce((sum, gap) => sum + (gap.before <= offset ? gap.length : 0), offset);
  /** The first offset beneath that is called `offset` or more. */
  const beneath = (stream: string, partition: number, offset: number, end: number): number => {
    let low = 0;
    while (low < end && above(stream, partition, low) < offset) low++;
    return low;
  };
  /** The oldest readable offset: right behind the last one removed, so that a gap there is still to be read. */
  const startOf = (stream: string, partition: number, startOffset: number): number =>
    startOffset === 0 ? 0 : above(stream, partition, startOffset - 1) + 1;
  const check = (): void => {
    if (fails()) throw new MuaraError("log.overloaded", "the log does not answer");
  };
  const bounds = async (stream: string, partition: number): Promise<PartitionBounds> => {
    const found = await log.bounds(stream, partition);
    return {
      ...found,
      startOffset: startOf(stream, partition, found.startOffset),
      endOffset: above(stream, partition, found.endOffset),
    };
  };
  const read = async (
    stream: string,
    partition: number,
    offset: number,
    maxBytes: number,
    supply?: ByteSupply,
  ): Promise<ReadBatch> => {
    const { startOffset, endOffset } = await log.bounds(stream, partition);
    if (offset < startOf(stream, partition, startOffset) || offset > above(stream, partition, endOffset))
      throw new MuaraError("log.offset_out_of_range", `${stream}/${partition} has no offset ${offset}`);
    const from = Math.max(startOffset, beneath(stream, partition, offset, endOffset));
    const batch = await log.read(stream, partition, from, maxBytes, supply);
    if (stalled.has(partition)) {
      const nothing = { count: 0, offsets: new Float64Array(0), ingestMs: new Float64Array(0), next: offset };
      return { ...batch, ...nothing, endOffset: above(stream, partition, batch.endOffset) };
    }
    return {
      ...batch,
      offsets: batch.offsets.map((at) => above(stream, partition, at)),
      next: above(stream, partition, batch.next),
      endOffset: above(stream, partition, batch.endOffset),
    };
  };
  return {
    id: log.id,
    get appendCount() {
      return log.appendCount;
    },
    createStream: (name, options) => log.createStream(name, options),
    alterStream: (name, options) => log.alterStream(name, options),
    deleteStream: (name, topicId) => log.deleteStream(name, topicId),
    stream: (name) => log.stream(name),
    listStreams: () => log.listStreams(),
    append: (stream, partition, batch, producer) => log.append(stream, partition, batch, producer),
    offsetAt: (stream, partition, ingestMs) => log.offsetAt(stream, partition, ingestMs),
    accepted: (stream) => log.accepted(stream),
    isHolding: (consumer) => log.isHolding(consumer),
    retain: () => log.retain(),
    waitForAppend: (seen, signal) => log.waitForAppend(seen, signal),
    close: () => log.close(),
    read: async (...place) => {
      check();
      return read(...place);
    },
    bounds: async (...place) => {
      check();
      return bounds(...place);
    },
    hold: async (consumer, holds) => {
      check();
      const translated = [];
      for (const hold of holds) {
        const { endOffset } = await log.bounds(hold.stream, hold.partition);
        const offset = beneath(hold.stream, hold.partition, hold.offset, endOffset);
        translated.push({ ...hold, offset });
      }
      await log.hold(consumer, translated);
    },
    stall: (partition, isStalled) => {
      if (isStalled) stalled.add(partition);
      else stalled.delete(partition);
    },
    addGap: async (stream, partition, length) => {
      const { endOffset } = await log.bounds(stream, partition);
      gaps.set(`${stream}/${partition}`, [...gapsOf(stream, partition), { before: endOffset, length }]);
    },
    publish: async (stream, partition, batch) => {
      const { baseOffset, ingestMs } = await log.append(stream, partition, batch);
      return { offset: above(stream, partition, baseOffset), ingestMs };
    },
  };
}
