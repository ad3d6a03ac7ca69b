/**
 * Erasure of records: a sealed segment is copied under a temporary name with tombstones in their place, and takes the
 * old one's name. A tombstone keeps its record's room, filled with zeros, so no position moves, and what is known of
 * offsets, counts and producers stays true. The copy has a salt of its own, by which a sidecar of the old file is known
 * for what it is. So after a stop anywhere there is the old segment or the new one, and a sidecar that fits or none.
 *
 * Of its batch, every byte that no other record points to is gone. Header bytes that it shares with others stay: they
 * are of the request (flow id, schema version), not of the event.
 */
import { dirname } from "node:path";
import { crc32 } from "node:zlib";

import { assert } from "../../core/assert.ts";
import type { Randomness } from "../../core/clock.ts";
import type { LogRange, LogRecord } from "../../core/ports/log.ts";
import { ABSENT, blankRecords, PAYLOAD_AT, PAYLOAD_LENGTH, RECORD_WORDS } from "../../core/record.ts";
import { type Disk, writeFully } from "./disk.ts";
import {
  type BatchEntry,
  encodeSegmentHeader,
  ENTRY_BYTES,
  GROUP_HEADER_BYTES,
  INDEX_BYTES,
  KIND_RECORDS,
  SEGMENT_HEADER_BYTES,
  viewOf,
  writeEntry,
  writeGroupHeader,
} from "./journal-format.ts";
import { partitionKey, SegmentIndex } from "./log-index.ts";
import type { ReadSource } from "./log-read.ts";
import type { LogState, PartitionState } from "./log-state.ts";
import { type Group, readGroups } from "./scan.ts";
import { randomSalt, type SegmentSet } from "./segment-set.ts";
import { Segment } from "./segment.ts";

export interface ErasureOptions {
  readonly source: ReadSource;
  readonly state: LogState;
  readonly segments: SegmentSet;
  readonly randomness: Randomness;
  /** Seals the segment that is written to. */
  readonly roll: () => Promise<void>;
}

export interface ErasureRequest {
  readonly stream: string;
  readonly ranges: readonly LogRange[];
  readonly isGone: (record: LogRecord) => boolean;
  readonly signal: AbortSignal;
}

/** Of one batch: which of its records go. */
type Chosen = readonly number[];

/** @returns records that became tombstones @throws log.corrupt, and what the disk throws */
export async function eraseRecords(options: ErasureOptions, request: ErasureRequest): Promise<number> {
  const { segments } = options;
  const choice = new Choice(options.state, request);
  const isActive = choice.touches(segments.active);
  if (isActive) await options.roll();
  await segments.sealingDone();
  let erased = 0;
  for (const segment of segments.sealed) {
    request.signal.throwIfAborted();
    if (!choice.touches(segment)) continue;
    const found = await findRecords(options, segment, choice, request.signal);
    if (found.count === 0) continue;
    await replaceSegment(options, segment, found.chosen);
    erased += found.count;
  }
  return erased;
}

/** Which records of a batch are asked for, and which of them go. */
class Choice {
  readonly #request: ErasureRequest;
  /** By partition key. */
  readonly #ranges = new Map<number, { readonly partition: PartitionState; readonly range: LogRange }[]>();

  constructor(state: LogState, request: ErasureRequest) {
    this.#request = request;
    for (const range of request.ranges) {
      const partition = state.partition(request.stream, range.partition);
      const known = this.#ranges.get(partition.key);
      if (known) known.push({ partition, range });
      else this.#ranges.set(partition.key, [{ partition, range }]);
    }
  }

  touches(segment: Segment): boolean {
    for (const [key, tally] of segment.tally.partitions)
      for (const { range } of this.#ranges.get(key) ?? [])
        if (range.from < tally.endOffset && range.to > tally.firstOffset) return true;
    return false;
  }

  of(entry: BatchEntry, data: Uint8Array): Chosen {
    const chosen: number[] = [];
    for (const { partition, range } of this.#ranges.get(partitionKey(entry.stream, entry.partition)) ?? []) {
      if (entry.kind !== KIND_RECORDS || range.from >= entry.endOffset || range.to <= entry.baseOffset)
        continue;
      const words = wordsOf(entry, data);
      for (let i = 0; i < entry.count; i++) {
        const offset = entry.baseOffset + i;
        const length = words[i * RECORD_WORDS + PAYLOAD_LENGTH]!;
        if (offset < range.from || offset >= range.to || length === ABSENT) continue;
        const at = entry.count * INDEX_BYTES + words[i * RECORD_WORDS + PAYLOAD_AT]!;
        const payload = data.subarray(at, at + length);
        if (this.#request.isGone({ partition: partition.partition, offset, payload })) chosen.push(i);
      }
    }
    return chosen;
  }
}

interface Found {
  readonly count: number;
  /** By where the batch's data begins in the file. */
  readonly chosen: ReadonlyMap<number, Chosen>;
}

async function findRecords(
  { source }: ErasureOptions,
  segment: Segment,
  choice: Choice,
  signal: AbortSignal,
): Promise<Found> {
  const chosen = new Map<number, Chosen>();
  let count = 0;
  await source.files.use(segment, async (fd) => {
    for await (const { group, position } of readGroups(source.disk, segment.path, fd, segment)) {
      signal.throwIfAborted();
      for (const { entry, at } of group.batches) {
        const gone = choice.of(entry, group.bytes.subarray(at));
        if (gone.length === 0) continue;
        chosen.set(position + at, gone);
        count += gone.length;
      }
    }
  });
  return { count, chosen };
}

/**
 * Whoever reads the old segment goes on reading it; the name changes hands once nobody does. Whoever comes meanwhile
 * reads the new one, which is kept open until it can be opened by name.
 */
async function replaceSegment(
  { source, state, segments, randomness }: ErasureOptions,
  old: Segment,
  chosen: ReadonlyMap<number, Chosen>,
): Promise<void> {
  const { disk, files, cache } = source;
  const temporary = `${old.path}.tmp`;
  const made = await copyWithout(disk, temporary, old, chosen, files, randomSalt(randomness));
  segments.replace(old, made);
  for (const { runs } of state.partitions())
    for (const run of runs) if (run.segment === old) run.segment = made;
  cache.forget(old.header.firstSequence);
  await files.release(old);
  await disk.rename(temporary, old.path);
  await disk.syncDirectory(dirname(old.path));
  await segments.seal(made);
}

async function copyWithout(
  disk: Disk,
  temporary: string,
  old: Segment,
  chosen: ReadonlyMap<number, Chosen>,
  files: ReadSource["files"],
  salt: number,
): Promise<Segment> {
  const header = { ...old.header, salt };
  const index = new SegmentIndex();
  await disk.remove(temporary);
  const fd = await disk.open(temporary, "create");
  try {
    await writeFully(disk, fd, encodeSegmentHeader(header), 0);
    let length = SEGMENT_HEADER_BYTES;
    await files.use(old, async (from) => {
      for await (const { group, position } of readGroups(disk, old.path, from, old)) {
        const bytes = encodeWithout(group, position, chosen, salt);
        await writeFully(disk, fd, bytes, position);
        for (const { entry, at } of group.batches)
          if (entry.kind === KIND_RECORDS) index.add(entry, position + at);
        length = position + bytes.length;
      }
    });
    assert(length === old.length, "a copy of a segment has another length");
    await disk.datasync(fd);
  } catch (error) {
    await disk.close(fd);
    await disk.remove(temporary);
    throw error;
  }
  const made = new Segment(old.path, header, old.tally, old.length);
  Object.assign(made, { fd, index, isPinned: true, sidecarBytes: old.sidecarBytes });
  return made;
}

/** The group's bytes with tombstones and new checksums. Sets those of its entries. */
function encodeWithout(
  group: Group,
  position: number,
  chosen: ReadonlyMap<number, Chosen>,
  salt: number,
): Uint8Array {
  const bytes = group.bytes.slice();
  const view = viewOf(bytes);
  group.batches.forEach(({ entry, at, length }, i) => {
    const gone = chosen.get(position + at);
    if (!gone) return;
    const data = bytes.subarray(at, at + length);
    const { count, bytesLength } = entry;
    blankRecords(data.subarray(0, count * INDEX_BYTES + bytesLength), count, gone);
    entry.crc = crc32(data);
    writeEntry(view, GROUP_HEADER_BYTES + i * ENTRY_BYTES, entry);
  });
  const { sequence, batches } = group;
  const directoryEnd = GROUP_HEADER_BYTES + batches.length * ENTRY_BYTES;
  const directoryCrc = crc32(bytes.subarray(GROUP_HEADER_BYTES, directoryEnd));
  const bodyLength = bytes.length - GROUP_HEADER_BYTES;
  writeGroupHeader(bytes, 0, { sequence, batchCount: batches.length, bodyLength, directoryCrc }, salt);
  return bytes;
}

/** A copy where the bytes are not aligned. [count × RECORD_WORDS] */
function wordsOf({ count }: BatchEntry, data: Uint8Array): Uint32Array {
  return new Uint32Array(data.slice(0, count * INDEX_BYTES).buffer);
}
