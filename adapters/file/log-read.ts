/**
 * Reads records back: chooses batches from the index, copies them out of the tail cache or reads them from disk
 * (verifying each), and makes one ReadBatch of them. The bytes belong to the caller, or to whoever supplies them.
 */
import { crc32 } from "node:zlib";

import type { ByteSupply } from "../../core/byte-pool.ts";
import { MuaraError } from "../../core/errors.ts";
import {
  ABSENT,
  HEADER_AT,
  KEY_AT,
  PAYLOAD_AT,
  PAYLOAD_LENGTH,
  RECORD_WORDS,
  type ReadBatch,
} from "../../core/record.ts";
import { corrupt, type Disk, readFully } from "./disk.ts";
import { KIND_COMPACTED } from "./journal-format.ts";
import { type IndexRow, type PartitionIndex, rowDataLength } from "./log-index.ts";
import { type PartitionState, type Run, runAt } from "./log-state.ts";
import type { Segment, SegmentFiles } from "./segment.ts";
import type { TailCache } from "./tail-cache.ts";

/** Batches that lie closer than this are fetched together, bytes. */
const GAP_BYTES = 4096;

export interface ReadSource {
  readonly disk: Disk;
  readonly files: SegmentFiles;
  readonly cache: TailCache;
  /** Where the bytes of batches come from; absent: they are made. */
  readonly supply?: ByteSupply | undefined;
}

/** A batch in memory. */
interface LoadedBatch {
  readonly row: IndexRow;
  /** [count × RECORD_WORDS] relative to `bytesAt`. */
  readonly index: Uint32Array;
  /** Where the batch's bytes begin in the buffer. */
  readonly bytesAt: number;
  /** [count], compacted batches only. */
  readonly offsets: Float64Array | undefined;
  readonly ingestMs: Float64Array | undefined;
}

interface Loaded {
  readonly bytes: Uint8Array;
  readonly batches: readonly LoadedBatch[];
}

/** @throws log.offset_out_of_range, log.corrupt */
export async function readRecords(
  source: ReadSource,
  partition: PartitionState,
  offset: number,
  maxBytes: number,
): Promise<ReadBatch> {
  checkOffset(partition, offset);
  let from = offset;
  for (let run = runAt(partition.runs, from); run; run = runAt(partition.runs, from)) {
    const found = await readRun(source, partition, run, from, maxBytes);
    if (found.count > 0) return found;
    from = found.next; // compaction left nothing here
  }
  const { endOffset } = partition;
  return describe(
    partition,
    endOffset,
    endOffset,
    mergeBatches({ bytes: new Uint8Array(0), batches: [] }, 0, 0),
  );
}

function checkOffset(partition: PartitionState, offset: number): void {
  const { stream, partition: number, startOffset, endOffset } = partition;
  if (offset >= startOffset && offset <= endOffset) return;
  throw new MuaraError(
    "log.offset_out_of_range",
    `${stream.name}/${number} holds [${startOffset}, ${endOffset}), not ${offset}`,
    { details: { stream: stream.name, partition: number, offset, start: startOffset, end: endOffset } },
  );
}

function readRun(
  source: ReadSource,
  partition: PartitionState,
  run: Run,
  offset: number,
  maxBytes: number,
): Promise<ReadBatch> {
  return source.files.use(run.segment, async (fd, index) => {
    const { endOffset } = partition;
    const runEnd = run.endOffset;
    const rows = chooseRows(index.partitions.get(partition.key), offset, maxBytes);
    const loaded = await loadRows(source, run.segment, fd, rows);
    const records = mergeBatches(loaded, offset, maxBytes);
    const isLastRow = rows.at(-1)?.isLast ?? true;
    const next = records.next ?? (isLastRow ? runEnd : rows.at(-1)!.row.endOffset);
    return describe(partition, next, endOffset, records);
  });
}

interface ChosenRow {
  readonly row: IndexRow;
  readonly isLast: boolean;
}

/** Rows from `offset` on, about `maxBytes` of them, at least one. */
function chooseRows(index: PartitionIndex | undefined, offset: number, maxBytes: number): ChosenRow[] {
  const rows: ChosenRow[] = [];
  if (!index) return rows;
  let bytes = 0;
  for (let i = index.findOffset(offset); i < index.length; i++) {
    const row = index.row(i);
    if (rows.length > 0 && bytes + row.bytesLength > maxBytes) break;
    rows.push({ row, isLast: i === index.length - 1 });
    bytes += row.bytesLength;
  }
  return rows;
}

async function loadRows(
  source: ReadSource,
  segment: Segment,
  fd: number,
  rows: readonly ChosenRow[],
): Promise<Loaded> {
  const ranges: { start: number; end: number; at: number }[] = [];
  let length = 0;
  for (const { row } of rows) {
    const end = row.position + rowDataLength(row);
    const range = ranges.at(-1);
    if (range && row.position - range.end <= GAP_BYTES) {
      length += end - range.end;
      range.end = end;
    } else {
      ranges.push({ start: row.position, end, at: length });
      length += end - row.position;
    }
  }
  const bytes = source.supply?.take(length) ?? newBytes(length);
  const isCached: boolean[] = [];
  for (const { start, end, at } of ranges)
    isCached.push(await fill(source, segment, fd, start, bytes.subarray(at, at + end - start)));
  let range = 0;
  const batches = rows.map(({ row }) => {
    while (row.position >= ranges[range]!.end) range++;
    const at = ranges[range]!.at + row.position - ranges[range]!.start;
    if (!isCached[range]) verify(segment, row, bytes, at);
    return viewBatch(row, bytes, at);
  });
  return { bytes, batches };
}

/** Not zeroed, since all of it is filled or nothing is returned. Aligned: indexes in it are viewed as words. */
function newBytes(length: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}

/** @returns whether everything came from the cache, where nothing can have changed since it was checked */
async function fill(
  { disk, cache }: ReadSource,
  segment: Segment,
  fd: number,
  position: number,
  target: Uint8Array,
): Promise<boolean> {
  const copied = cache.copy(segment.header.firstSequence, position, target);
  if (copied === target.length) return true;
  const rest = target.subarray(copied);
  const filled = await readFully(disk, fd, rest, position + copied);
  if (filled < rest.length) throw corrupt(segment.path, position + copied + filled, "it ends too early");
  return false;
}

function verify(segment: Segment, row: IndexRow, bytes: Uint8Array, at: number): void {
  if (crc32(bytes.subarray(at, at + rowDataLength(row))) !== row.crc)
    throw corrupt(segment.path, row.position, `the checksum of the batch at offset ${row.baseOffset}`);
}

function viewBatch(row: IndexRow, bytes: Uint8Array, at: number): LoadedBatch {
  const { count } = row;
  const isCompacted = row.kind === KIND_COMPACTED;
  const floats = (from: number): Float64Array =>
    new Float64Array(bytes.buffer, bytes.byteOffset + from, count);
  const indexAt = at + (isCompacted ? count * 16 : 0);
  return {
    row,
    offsets: isCompacted ? floats(at) : undefined,
    ingestMs: isCompacted ? floats(at + count * 8) : undefined,
    index: new Uint32Array(bytes.buffer, bytes.byteOffset + indexAt, count * RECORD_WORDS),
    bytesAt: indexAt + count * RECORD_WORDS * 4,
  };
}

export type Records = Pick<ReadBatch, "count" | "bytes" | "index" | "offsets" | "ingestMs"> & {
  /** Set where `maxBytes` cut the batches. */
  readonly next: number | undefined;
};

/** The records from `offset` on, at least one, else at most `maxBytes` of payload. */
function mergeBatches({ bytes, batches }: Loaded, offset: number, maxBytes: number): Records {
  const slices = sliceBatches(batches, offset, maxBytes);
  const count = slices.reduce((sum, { from, to }) => sum + to - from, 0);
  const index = new Uint32Array(count * RECORD_WORDS);
  const offsets = new Float64Array(count);
  const ingestMs = new Float64Array(count);
  let record = 0;
  for (const { batch, from, to } of slices) {
    const words = record * RECORD_WORDS;
    index.set(batch.index.subarray(from * RECORD_WORDS, to * RECORD_WORDS), words);
    for (let i = from; i < to; i++, record++) {
      const word = record * RECORD_WORDS;
      index[word + PAYLOAD_AT]! += batch.bytesAt;
      index[word + KEY_AT]! += batch.bytesAt;
      index[word + HEADER_AT]! += batch.bytesAt;
      offsets[record] = batch.offsets ? batch.offsets[i]! : batch.row.baseOffset + i;
      ingestMs[record] = batch.ingestMs ? batch.ingestMs[i]! : batch.row.ingestMs;
    }
  }
  return { count, bytes, index, offsets, ingestMs, next: slices.at(-1)?.next };
}

interface Slice {
  readonly batch: LoadedBatch;
  readonly from: number;
  readonly to: number;
  /** Offset of the record that did not fit. */
  readonly next: number | undefined;
}

function sliceBatches(batches: readonly LoadedBatch[], offset: number, maxBytes: number): Slice[] {
  const slices: Slice[] = [];
  let payloadBytes = 0;
  for (const batch of batches) {
    const { count, baseOffset } = batch.row;
    const offsetOf = (i: number): number => (batch.offsets ? batch.offsets[i]! : baseOffset + i);
    let from = 0;
    while (from < count && offsetOf(from) < offset) from++;
    for (let i = from; i < count; i++) {
      const length = batch.index[i * RECORD_WORDS + PAYLOAD_LENGTH]!;
      payloadBytes += length === ABSENT ? 0 : length;
      const isFirst = slices.length === 0 && i === from;
      if (payloadBytes <= maxBytes || isFirst) continue;
      slices.push({ batch, from, to: i, next: offsetOf(i) });
      return slices;
    }
    if (from < count) slices.push({ batch, from, to: count, next: undefined });
  }
  return slices;
}

function describe(partition: PartitionState, next: number, endOffset: number, records: Records): ReadBatch {
  const { count, bytes, index, offsets, ingestMs } = records;
  const { stream, partition: number } = partition;
  return { stream: stream.name, partition: number, count, bytes, index, offsets, ingestMs, next, endOffset };
}

/** The first offset with an ingest time ≥ `ingestMs`; the end when there is none. */
export async function findIngest(
  source: ReadSource,
  partition: PartitionState,
  ingestMs: number,
): Promise<number> {
  const next = (from: number): Run | undefined =>
    partition.runs.find((run) => run.endOffset > from && run.lastIngestMs >= ingestMs);
  // looked up anew each time, since retention may have removed the run meanwhile
  for (let run = next(0); run; run = next(run.endOffset)) {
    const { segment } = run;
    const found = await source.files.use(segment, async (fd, index) => {
      const rows = index.partitions.get(partition.key);
      const i = rows?.findIngest(ingestMs) ?? 0;
      if (!rows || i === rows.length) return undefined;
      const row = rows.row(i);
      if (row.kind !== KIND_COMPACTED) return row.baseOffset;
      const { batches } = await loadRows(source, segment, fd, [{ row, isLast: false }]);
      const { offsets, ingestMs: times } = batches[0]!;
      return offsets![times!.findIndex((time) => time >= ingestMs)];
    });
    if (found !== undefined) return found;
  }
  return partition.endOffset;
}

/** All records of a partition in one segment, batch by batch. For compaction. */
export async function* readSegment(
  source: ReadSource,
  partition: PartitionState,
  segment: Segment,
): AsyncGenerator<Records> {
  for (let i = 0; ; i++) {
    const records = await source.files.use(segment, async (fd, index) => {
      const rows = index.partitions.get(partition.key);
      if (!rows || i >= rows.length) return undefined;
      const loaded = await loadRows(source, segment, fd, [{ row: rows.row(i), isLast: false }]);
      return mergeBatches(loaded, 0, Infinity);
    });
    if (!records) return;
    yield records;
  }
}
