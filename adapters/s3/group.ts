/**
 * A group: one object, one step of a stream. Its header says where the stream stands after it, so that the newest
 * header alone answers for offsets and times; every so many groups it is a *checkpoint* and carries the rest of the
 * stream's state, too (accepted counts, producers).
 */
import type { ProducerSequence, StreamInfo, StreamOptions } from "../../core/ports/log.ts";
import { bodyOf, corrupt, decodeHeader, type Frame } from "./frame.ts";
import { type PlacedBatch, unpackRecords } from "./records.ts";

/** At least each so many groups one is a checkpoint: bounds what a start has to read. */
export const CHECKPOINT_GROUPS = 32;
/** Digits of a group's number in its path. */
const NUMBER_DIGITS = 16;

/** The records of one append. */
export interface GroupBatch {
  readonly partition: number;
  readonly count: number;
  /** Of index and data in the body. */
  readonly bytes: number;
  readonly producer?: ProducerSequence;
}

/** The compacted records of a stream, as one object. */
export interface SnapshotReference {
  readonly path: string;
  /** [partition] every record below is in the snapshot or gone. */
  readonly ends: readonly number[];
  /** The last group whose records it holds. */
  readonly group: number;
}

export interface StoredProducer {
  readonly partition: number;
  readonly id: string;
  readonly epoch: number;
  readonly seenMs: number;
  /** Oldest first: sequence, base offset, ingest time, count. */
  readonly recent: readonly (readonly [number, number, number, number])[];
}

export interface CheckpointState {
  /** Partition, hour (ms since 1970 UTC), count. */
  readonly accepted: readonly (readonly [number, number, number])[];
  readonly producers: readonly StoredProducer[];
}

export interface GroupHeader {
  readonly group: number;
  /** Unique per attempt: by it a writer recognises its own group. */
  readonly attempt: string;
  /** Of all its records, and the floor of all that follow, ms since 1970 UTC. */
  readonly ingestMs: number;
  /** [partition] after this group */
  readonly ends: readonly number[];
  /** [partition] the oldest offset still readable */
  readonly starts: readonly number[];
  /** No group below this is needed any more. */
  readonly first: number;
  /** The newest checkpoint, this group's number where it is one. */
  readonly checkpoint: number;
  /** Bytes of all bodies of the stream up to this group. */
  readonly totalBytes: number;
  readonly snapshot: SnapshotReference | null;
  /** The stream's, where they are others than at its creation. */
  readonly options?: StreamOptions;
  /** The stream was deleted: nothing follows. */
  readonly isClosed?: true;
  /** How often groups before this one were written anew, with tombstones; absent for never. */
  readonly erasures?: number;
  readonly batches: readonly GroupBatch[];
  readonly state?: CheckpointState;
}

/** A group as loaded: its header, and its records where they were asked for. */
export interface Group {
  readonly header: GroupHeader;
  readonly frame: Frame;
  /** [partition] its records in order; undefined where only the header was read */
  readonly body: Uint8Array | undefined;
}

export function groupFolder({ topicId }: StreamInfo): string {
  return `groups/${topicId}`;
}

export function groupPath(info: StreamInfo, group: number): string {
  return `${groupFolder(info)}/${String(group).padStart(NUMBER_DIGITS, "0")}`;
}

/** @param bytes the object, at least to the end of its header. @throws log.corrupt */
export async function decodeGroup(bytes: Uint8Array, path: string): Promise<Group> {
  const frame = await decodeHeader(bytes, path);
  const header = frame.header as GroupHeader;
  if (!Array.isArray(header.ends) || !Array.isArray(header.batches))
    throw corrupt(path, "has a header that is none");
  const isWhole = bytes.length >= frame.bodyAt + frame.bodyBytes;
  return { header, frame, body: isWhole ? await bodyOf(bytes, frame, path) : undefined };
}

/** The offsets at which a group begins. [partition] */
export function startsOf({ ends, batches }: GroupHeader): number[] {
  const starts = [...ends];
  for (const { partition, count } of batches) starts[partition]! -= count;
  return starts;
}

/** The batches of one partition, with offsets. */
export function recordsOf({ header, body }: Group, partition: number): PlacedBatch[] {
  const found: PlacedBatch[] = [];
  let offset = startsOf(header)[partition]!;
  let at = 0;
  for (const batch of header.batches) {
    if (batch.partition === partition) {
      const { count } = batch;
      found.push({
        ...unpackRecords(body!.subarray(at, at + batch.bytes), count),
        offsets: Float64Array.from({ length: count }, (_, i) => offset + i),
        ingestMs: new Float64Array(count).fill(header.ingestMs),
      });
      offset += count;
    }
    at += batch.bytes;
  }
  return found;
}
