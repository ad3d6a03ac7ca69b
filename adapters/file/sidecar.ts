/**
 * The sidecar of a segment: its tally and its index, so that a start reads kilobytes instead of the segment. A
 * cache with checksums of its own: missing or bad, it is rebuilt. One more use: what a closed log's last sidecar
 * says was durable must still be there.
 */
import { crc32 } from "node:zlib";

import { type Disk, readFully, replaceFile } from "./disk.ts";
import { type SegmentHeader, viewOf } from "./journal-format.ts";
import { PartitionIndex, SegmentIndex } from "./log-index.ts";
import { SegmentTally, type TallyJson } from "./segment-tally.ts";

const MAGIC = Buffer.from("MUARAIDX");
const VERSION = 1;
const HEADER_BYTES = 48;
const decoder = new TextDecoder();

interface SidecarJson {
  readonly tally: TallyJson;
  /** Partition key and rows, in the order of the index section. */
  readonly rows: readonly (readonly [number, number])[];
}

export interface Sidecar {
  /** Bytes of the segment that it describes. */
  readonly segmentLength: number;
  readonly tally: SegmentTally;
  readonly sidecarBytes: number;
}

/** What a sidecar must fit. */
interface Described {
  readonly header: SegmentHeader;
  readonly length: number;
}

/** @returns bytes of the sidecar */
export async function writeSidecar(
  disk: Disk,
  path: string,
  segment: Described,
  tally: SegmentTally,
  index: SegmentIndex,
): Promise<number> {
  const rows = [...index.partitions].map(([key, partition]) => [key, partition.length] as const);
  const json = Buffer.from(JSON.stringify({ tally: tally.toJson(), rows } satisfies SidecarJson));
  const tables = Buffer.concat([...index.partitions.values()].map((partition) => partition.encode()));
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt32LE(VERSION, 8);
  header.writeUInt32LE(segment.header.salt, 12);
  header.writeDoubleLE(segment.length, 16);
  header.writeUInt32LE(json.length, 24);
  header.writeUInt32LE(crc32(json), 28);
  header.writeUInt32LE(tables.length, 32);
  header.writeUInt32LE(crc32(tables), 36);
  header.writeUInt32LE(crc32(header.subarray(0, 40)), 40);
  await replaceFile(disk, path, Buffer.concat([header, json, tables]));
  return HEADER_BYTES + json.length + tables.length;
}

/** Reads the tally only. @returns undefined where the sidecar is missing, bad or of another segment */
export async function readSidecar(
  disk: Disk,
  path: string,
  header: SegmentHeader,
): Promise<Sidecar | undefined> {
  return withSidecar(disk, path, header, async ({ segmentLength, json, sidecarBytes }) => {
    const tally = SegmentTally.fromJson(json.tally);
    return { segmentLength, tally, sidecarBytes };
  });
}

/** @returns undefined where the sidecar is missing, bad, or does not describe the whole segment */
export async function readSidecarIndex(
  disk: Disk,
  path: string,
  segment: Described,
): Promise<SegmentIndex | undefined> {
  return withSidecar(
    disk,
    path,
    segment.header,
    async ({ fd, segmentLength, json, tablesAt, tablesLength, tablesCrc }) => {
      if (segmentLength !== segment.length) return undefined;
      const tables = new Uint8Array(tablesLength);
      const filled = await readFully(disk, fd, tables, tablesAt);
      if (filled !== tablesLength || crc32(tables) !== tablesCrc) return undefined;
      const index = new SegmentIndex();
      let at = 0;
      for (const [key, rows] of json.rows) {
        const length = PartitionIndex.encodedLength(rows);
        index.partitions.set(key, PartitionIndex.decode(tables.subarray(at, at + length), rows));
        at += length;
      }
      return index;
    },
  );
}

interface Opened {
  readonly fd: number;
  readonly segmentLength: number;
  readonly json: SidecarJson;
  readonly tablesAt: number;
  readonly tablesLength: number;
  readonly tablesCrc: number;
  readonly sidecarBytes: number;
}

async function withSidecar<T>(
  disk: Disk,
  path: string,
  header: SegmentHeader,
  work: (opened: Opened) => Promise<T | undefined>,
): Promise<T | undefined> {
  if ((await disk.size(path)) === undefined) return undefined;
  const fd = await disk.open(path, "read");
  try {
    const opened = await parseSidecar(disk, fd, header);
    return opened && (await work(opened));
  } finally {
    await disk.close(fd);
  }
}

async function parseSidecar(disk: Disk, fd: number, segment: SegmentHeader): Promise<Opened | undefined> {
  const header = new Uint8Array(HEADER_BYTES);
  if ((await readFully(disk, fd, header, 0)) !== HEADER_BYTES) return undefined;
  const view = viewOf(header);
  if (!MAGIC.equals(header.subarray(0, 8)) || view.getUint32(40, true) !== crc32(header.subarray(0, 40)))
    return undefined;
  if (view.getUint32(8, true) !== VERSION || view.getUint32(12, true) !== segment.salt) return undefined;
  const jsonBytes = new Uint8Array(view.getUint32(24, true));
  const filled = await readFully(disk, fd, jsonBytes, HEADER_BYTES);
  if (filled !== jsonBytes.length || crc32(jsonBytes) !== view.getUint32(28, true)) return undefined;
  const json: SidecarJson = JSON.parse(decoder.decode(jsonBytes));
  const tablesLength = view.getUint32(32, true);
  return {
    fd,
    segmentLength: view.getFloat64(16, true),
    json,
    tablesAt: HEADER_BYTES + jsonBytes.length,
    tablesLength,
    tablesCrc: view.getUint32(36, true),
    sidecarBytes: HEADER_BYTES + jsonBytes.length + tablesLength,
  };
}
