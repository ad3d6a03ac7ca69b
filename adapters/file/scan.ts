/**
 * Reads a segment's groups one after the other and verifies every byte. What is bad at the end is a torn tail: at
 * most the one group that was being written when the process or machine stopped, since the next group is written
 * only after the previous one was synced. What is bad with a later good group behind it is corruption.
 */
import { crc32 } from "node:zlib";

import { corrupt, type Disk, readFully } from "./disk.ts";
import {
  type BatchEntry,
  dataLengthOf,
  ENTRY_BYTES,
  GROUP_HEADER_BYTES,
  GROUP_MAGIC,
  parseEntry,
  parseGroupHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  viewOf,
} from "./journal-format.ts";

const WINDOW_BYTES = 4 << 20;

export interface ScanOutcome {
  /** Bytes up to the end of the last good group. */
  readonly length: number;
  readonly lastSequence: number;
  /** Where the last good group begins; 0 where there is none. */
  readonly lastGroupAt: number;
  /** What is wrong right after `length`; undefined where the file ends there. */
  readonly damage?: string;
  /** Where a good group stands behind the damage. */
  readonly laterGroupAt?: number;
}

/** `data` is only valid during the call. */
export type OnBatch = (entry: BatchEntry, position: number, data: Uint8Array) => void;

export async function scanSegment(
  disk: Disk,
  fd: number,
  fileLength: number,
  header: SegmentHeader,
  onBatch: OnBatch,
): Promise<ScanOutcome> {
  const window = new Window(disk, fd, fileLength);
  let position = SEGMENT_HEADER_BYTES;
  let lastSequence = header.firstSequence - 1;
  let lastGroupAt = 0;
  while (position < fileLength) {
    const group = await readGroup(window, position, header.salt, lastSequence + 1);
    if (typeof group === "string") {
      const laterGroupAt = await findGroup(window, position, header.salt, lastSequence + 1);
      const damage = { length: position, lastSequence, lastGroupAt, damage: group };
      return laterGroupAt === undefined ? damage : { ...damage, laterGroupAt };
    }
    for (const batch of group.batches)
      onBatch(batch.entry, position + batch.at, group.bytes.subarray(batch.at, batch.at + batch.length));
    lastGroupAt = position;
    position += group.bytes.length;
    lastSequence++;
  }
  return { length: position, lastSequence, lastGroupAt };
}

/** A good group: `at` and `length` of a batch's data are in its bytes. */
export interface Group {
  readonly sequence: number;
  readonly bytes: Uint8Array;
  readonly batches: readonly { readonly entry: BatchEntry; readonly at: number; readonly length: number }[];
}

/**
 * The groups of a segment that nobody writes to any more, one after the other; one is only valid until the next.
 * @throws log.corrupt where anything is not as it was written
 */
export async function* readGroups(
  disk: Disk,
  path: string,
  fd: number,
  { header, length }: { readonly header: SegmentHeader; readonly length: number },
): AsyncGenerator<{ readonly group: Group; readonly position: number }> {
  const window = new Window(disk, fd, length);
  let position = SEGMENT_HEADER_BYTES;
  for (let sequence = header.firstSequence; position < length; sequence++) {
    const group = await readGroup(window, position, header.salt, sequence);
    if (typeof group === "string") throw corrupt(path, position, group);
    yield { group, position };
    position += group.bytes.length;
  }
}

/** @returns what is wrong where there is no good group */
async function readGroup(
  window: Window,
  position: number,
  salt: number,
  sequence: number,
): Promise<Group | string> {
  const header = parseGroupHeader(await window.bytes(position, GROUP_HEADER_BYTES), 0, salt);
  if (!header) return "no intact group header";
  if (header.sequence !== sequence) return `group ${header.sequence} where ${sequence} belongs`;
  const length = GROUP_HEADER_BYTES + header.bodyLength;
  if (position + length > window.fileLength) return `group ${sequence} is cut`;
  const bytes = await window.bytes(position, length);
  const directoryEnd = GROUP_HEADER_BYTES + header.batchCount * ENTRY_BYTES;
  if (directoryEnd > length) return "a directory longer than its group";
  if (crc32(bytes.subarray(GROUP_HEADER_BYTES, directoryEnd)) !== header.directoryCrc)
    return "the directory's checksum";
  const view = viewOf(bytes);
  const batches = [];
  let at = directoryEnd;
  for (let i = 0; i < header.batchCount; i++) {
    const entry = parseEntry(view, GROUP_HEADER_BYTES + i * ENTRY_BYTES);
    const end = at + dataLength(entry);
    if (end > length || crc32(bytes.subarray(at, end)) !== entry.crc) return `the checksum of batch ${i}`;
    batches.push({ entry, at, length: end - at });
    at = end;
  }
  return at === length ? { sequence, bytes, batches } : "a group longer than its batches";
}

/** Looks for a good group of a later sequence at or after `from`. Only the salt's owner can have written one. */
async function findGroup(
  window: Window,
  from: number,
  salt: number,
  sequence: number,
): Promise<number | undefined> {
  let position = from;
  while (position + GROUP_HEADER_BYTES <= window.fileLength) {
    const bytes = await window.bytes(position, Math.min(WINDOW_BYTES, window.fileLength - position));
    const at = findHeader(bytes, salt, sequence);
    const header = parseGroupHeader(bytes, at, salt);
    if (header) {
      const group = await readGroup(window, position + at, salt, header.sequence);
      if (typeof group !== "string") return position + at;
      position += at + 8;
    } else position += at;
  }
  return undefined;
}

/** Where the first intact group header of `sequence` or later stands, else the first place not looked at. */
function findHeader(bytes: Uint8Array, salt: number, sequence: number): number {
  const view = viewOf(bytes);
  let at = 0;
  for (; at + GROUP_HEADER_BYTES <= bytes.length; at += 8) {
    if (view.getUint32(at, true) !== GROUP_MAGIC) continue;
    const header = parseGroupHeader(bytes, at, salt);
    if (header && header.sequence >= sequence) break;
  }
  return at;
}

function dataLength(entry: BatchEntry): number {
  return dataLengthOf(entry.kind, entry.count, entry.bytesLength, entry.producerBytes);
}

/** A stretch of the file in memory, at least WINDOW_BYTES of it. */
class Window {
  readonly fileLength: number;
  readonly #disk: Disk;
  readonly #fd: number;
  #start = 0;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(disk: Disk, fd: number, fileLength: number) {
    this.#disk = disk;
    this.#fd = fd;
    this.fileLength = fileLength;
  }

  /** `length` bytes from `position`, fewer at the end of the file. */
  async bytes(position: number, length: number): Promise<Uint8Array> {
    const end = Math.min(position + length, this.fileLength);
    if (position < this.#start || end > this.#start + this.#bytes.length) {
      const want = Math.min(Math.max(length, WINDOW_BYTES), this.fileLength - position);
      const target = new Uint8Array(want);
      const filled = await readFully(this.#disk, this.#fd, target, position);
      this.#start = position;
      this.#bytes = target.subarray(0, filled);
    }
    return this.#bytes.subarray(position - this.#start, Math.max(end, position) - this.#start);
  }
}
