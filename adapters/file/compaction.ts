/**
 * Before segments go, what compacted streams still need moves into one file: of the former compacted file and the
 * segments together, the newest record of each key with its offset and ingest time, and every record without a key.
 * Since everything older is among what was read, a tombstone deletes nothing any more and goes too, once it is old
 * enough for every reader to have seen it.
 *
 * All live records are in memory meanwhile: compacted streams hold declarations and current states, not history.
 */
import { join } from "node:path";

import type { Randomness } from "../../core/clock.ts";
import { headerOf, keyOf, packRecords, payloadOf } from "../../core/record.ts";
import { type Disk, writeFully } from "./disk.ts";
import { encodeGroup, groupLength, type GroupPart, layoutOf } from "./group.ts";
import {
  encodeSegmentHeader,
  KIND_COMPACTED,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
} from "./journal-format.ts";
import { partitionKey, SegmentIndex } from "./log-index.ts";
import { readSegment, type ReadSource } from "./log-read.ts";
import type { LogState, PartitionState } from "./log-state.ts";
import { randomSalt } from "./segment-set.ts";
import { SegmentTally } from "./segment-tally.ts";
import { Segment } from "./segment.ts";
import { writeSidecar } from "./sidecar.ts";

const BATCH_RECORDS = 1000;
const BATCH_BYTES = 1 << 20;

interface LiveRecord {
  readonly offset: number;
  readonly ingestMs: number;
  readonly payload: Uint8Array | null;
  readonly key: Uint8Array | null;
  readonly header: Uint8Array;
}

export interface CompactionOptions {
  readonly source: ReadSource;
  readonly state: LogState;
  readonly directory: string;
  readonly logId: string;
  readonly randomness: Randomness;
  /** The former compacted segment first. */
  readonly inputs: readonly Segment[];
  /** Last group sequence that the inputs cover; names the file. */
  readonly through: number;
  /** Tombstones with a later ingest time stay, ms. */
  readonly tombstonesAfterMs: number;
}

/** @returns the new compacted segment, durable under its name; undefined where no record is left */
export async function compactSegments(options: CompactionOptions): Promise<Segment | undefined> {
  const { source, state, inputs, through, directory } = options;
  const { disk } = source;
  const writer = new CompactedWriter(options);
  try {
    const keys = new Set(inputs.flatMap((segment) => [...segment.tally.partitions.keys()]));
    for (const key of [...keys].sort((a, b) => a - b)) {
      const partition = state.byKey(key)!;
      if (partition.isDeleted || partition.stream.cleanup !== "compact") continue;
      const live = await liveRecords(options, partition);
      for (const chunk of chunksOf(live)) await writer.write(partition, chunk);
    }
    return await writer.finish(join(directory, `compacted-${String(through).padStart(16, "0")}.log`));
  } catch (error) {
    await writer.abandon();
    throw error;
  } finally {
    await disk.remove(writer.temporary);
  }
}

async function liveRecords(options: CompactionOptions, partition: PartitionState): Promise<LiveRecord[]> {
  const { source, inputs, tombstonesAfterMs } = options;
  const keyed = new Map<string, LiveRecord>();
  const keyless: LiveRecord[] = [];
  for (const segment of inputs)
    for await (const batch of readSegment(source, partition, segment))
      for (let i = 0; i < batch.count; i++) {
        const key = keyOf(batch, i)?.slice() ?? null;
        const record = {
          offset: batch.offsets[i]!,
          ingestMs: batch.ingestMs[i]!,
          payload: payloadOf(batch, i)?.slice() ?? null,
          key,
          header: headerOf(batch, i).slice(),
        };
        if (key) keyed.set(Buffer.from(key).toString("latin1"), record);
        else keyless.push(record);
      }
  const isLive = ({ payload, ingestMs }: LiveRecord): boolean =>
    payload !== null || ingestMs > tombstonesAfterMs;
  return [...keyless, ...[...keyed.values()].filter(isLive)].sort((a, b) => a.offset - b.offset);
}

function* chunksOf(records: readonly LiveRecord[]): Generator<readonly LiveRecord[]> {
  let chunk: LiveRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    chunk.push(record);
    bytes += (record.payload?.length ?? 0) + (record.key?.length ?? 0) + record.header.length;
    if (chunk.length < BATCH_RECORDS && bytes < BATCH_BYTES) continue;
    yield chunk;
    chunk = [];
    bytes = 0;
  }
  if (chunk.length > 0) yield chunk;
}

/** Writes the file as one group per batch under a temporary name. */
class CompactedWriter {
  readonly temporary: string;
  readonly #disk: Disk;
  readonly #header: SegmentHeader;
  readonly #tally = new SegmentTally(0);
  readonly #index = new SegmentIndex();
  #fd: number | undefined;
  #length = SEGMENT_HEADER_BYTES;

  constructor({ source, directory, logId, randomness }: CompactionOptions) {
    this.temporary = join(directory, "compacted.tmp");
    this.#disk = source.disk;
    // sequence 0: no segment of the journal begins there
    this.#header = { logId, salt: randomSalt(randomness), firstSequence: 0 };
  }

  async write(partition: PartitionState, records: readonly LiveRecord[]): Promise<void> {
    this.#fd ??= await this.#begin();
    const batch = packRecords(records);
    const layout = layoutOf(batch);
    const last = records.at(-1)!;
    const entry = {
      kind: KIND_COMPACTED,
      stream: partition.streamNumber,
      partition: partition.partition,
      count: records.length,
      baseOffset: records[0]!.offset,
      endOffset: last.offset + 1,
      ingestMs: last.ingestMs,
      epoch: -1,
      sequence: 0,
      producerBytes: 0,
      bytesLength: layout.length,
      crc: 0,
    };
    const prefix = new Float64Array(records.length * 2);
    records.forEach((record, i) => {
      prefix[i] = record.offset;
      prefix[records.length + i] = record.ingestMs;
    });
    const parts: GroupPart[] = [{ entry, batch, layout, producer: new Uint8Array(0) }];
    const bytes = new Uint8Array(groupLength(parts));
    const sequence = this.#tally.lastSequence + 1;
    const [place] = encodeGroup(bytes, parts, sequence, this.#header.salt, [new Uint8Array(prefix.buffer)]);
    await writeFully(this.#disk, this.#fd, bytes, this.#length);
    this.#tally.lastSequence = sequence;
    this.#tally.note(entry, "");
    this.#index.add(entry, this.#length + place!);
    this.#length += bytes.length;
  }

  async #begin(): Promise<number> {
    await this.#disk.remove(this.temporary);
    const fd = await this.#disk.open(this.temporary, "create");
    await writeFully(this.#disk, fd, encodeSegmentHeader(this.#header), 0);
    return fd;
  }

  async finish(path: string): Promise<Segment | undefined> {
    if (this.#fd === undefined) return undefined;
    await this.#disk.datasync(this.#fd);
    await this.abandon();
    await this.#disk.rename(this.temporary, path);
    await this.#disk.syncDirectory(join(path, ".."));
    const segment = new Segment(path, this.#header, this.#tally, this.#length);
    segment.sidecarBytes = await writeSidecar(
      this.#disk,
      segment.sidecarPath,
      segment,
      this.#tally,
      this.#index,
    );
    return segment;
  }

  async abandon(): Promise<void> {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) await this.#disk.close(fd);
  }
}

/** Whether a segment holds records of compacted streams. */
export function hasCompacted(state: LogState, segment: Segment): boolean {
  for (const { stream, partition } of segment.tally.partitions.values())
    if (state.byKey(partitionKey(stream, partition))!.stream.cleanup === "compact") return true;
  return false;
}
