/**
 * Segment files: opened and indexed on demand, kept open while in use, at most a few at a time. A removed segment
 * stays readable for whoever is reading it.
 */
import { type Disk, corrupt, readFully } from "./disk.ts";
import { MuaraError } from "../../core/errors.ts";
import {
  FORMAT_VERSION,
  newerFormat,
  parseSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type BatchEntry,
  KIND_CONTROL,
  type SegmentHeader,
} from "./journal-format.ts";
import { SegmentIndex } from "./log-index.ts";
import { scanSegment, type ScanOutcome } from "./scan.ts";
import { SegmentTally, type StreamRecord } from "./segment-tally.ts";
import { readSidecarIndex } from "./sidecar.ts";

const decoder = new TextDecoder();

export class Segment {
  readonly path: string;
  readonly header: SegmentHeader;
  readonly tally: SegmentTally;
  /** Bytes that are durable and may be read. */
  length: number;
  /** Bytes of the sidecar, once written. */
  sidecarBytes = 0;
  /** In memory while the segment is written to, is in use, or has no sidecar. */
  index: SegmentIndex | undefined;
  fd: number | undefined;
  isPinned = false;
  users = 0;
  /** Called when the last user is done. */
  onUnused: (() => void) | undefined;
  opening: Promise<void> | undefined;

  constructor(path: string, header: SegmentHeader, tally: SegmentTally, length: number) {
    this.path = path;
    this.header = header;
    this.tally = tally;
    this.length = length;
  }

  get sidecarPath(): string {
    return sidecarPathOf(this.path);
  }

  get diskBytes(): number {
    return this.length + this.sidecarBytes;
  }
}

export function sidecarPathOf(segmentPath: string): string {
  return segmentPath.replace(/\.log$/, ".index");
}

/** Opens segments for reading and closes those not used for longest. */
export class SegmentFiles {
  readonly #disk: Disk;
  readonly #openMax: number;
  readonly #open = new Set<Segment>(); // least recently used first

  constructor(disk: Disk, openMax: number) {
    this.#disk = disk;
    this.#openMax = openMax;
  }

  async use<T>(segment: Segment, work: (fd: number, index: SegmentIndex) => Promise<T>): Promise<T> {
    segment.users++;
    try {
      if (segment.fd === undefined || !segment.index) {
        segment.opening ??= this.#openSegment(segment).finally(() => (segment.opening = undefined));
        await segment.opening;
      }
      this.#open.delete(segment);
      this.#open.add(segment);
      return await work(segment.fd!, segment.index!);
    } finally {
      segment.users--;
      if (segment.users === 0) segment.onUnused?.();
      await this.#trim();
    }
  }

  async #openSegment(segment: Segment): Promise<void> {
    segment.fd ??= await this.#disk.open(segment.path, "read");
    segment.index ??= await readSidecarIndex(this.#disk, segment.sidecarPath, segment);
    if (segment.index) return;
    const { index } = await rebuildSegment(
      this.#disk,
      segment.path,
      segment.fd,
      segment.length,
      segment.header,
    );
    segment.index = index;
  }

  /** Keeps a segment that somebody else opened. */
  adopt(segment: Segment): void {
    this.#open.add(segment);
  }

  async #trim(): Promise<void> {
    for (const segment of this.#open) {
      if (this.#open.size <= this.#openMax) return;
      if (segment.users === 0 && !segment.isPinned) await this.#close(segment);
    }
  }

  async #close(segment: Segment): Promise<void> {
    this.#open.delete(segment);
    const { fd } = segment;
    segment.fd = undefined;
    segment.index = undefined;
    if (fd !== undefined) await this.#disk.close(fd);
  }

  /** Closes a removed segment; resolves when its last reader is done. */
  async release(segment: Segment): Promise<void> {
    segment.isPinned = false;
    if (segment.users > 0) await new Promise<void>((resolve) => (segment.onUnused = resolve));
    await this.#close(segment);
  }

  async closeAll(): Promise<void> {
    for (const segment of this.#open) await this.#close(segment);
  }
}

/** @throws log.corrupt where the header of a file that holds groups is damaged */
export async function readSegmentHeader(
  disk: Disk,
  path: string,
  fd: number,
): Promise<SegmentHeader | undefined> {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
  const filled = await readFully(disk, fd, bytes, 0);
  const header = parseSegmentHeader(bytes.subarray(0, filled));
  if (!header && filled === SEGMENT_HEADER_BYTES && (await disk.size(path))! > SEGMENT_HEADER_BYTES)
    throw corrupt(path, 0, "the segment's header");
  return header;
}

/** @throws format.newer */
export async function refuseNewer(disk: Disk, path: string): Promise<void> {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
  const fd = await disk.open(path, "read");
  let filled: number;
  try {
    filled = await readFully(disk, fd, bytes, 0);
  } finally {
    await disk.close(fd);
  }
  const format = newerFormat(bytes.subarray(0, filled));
  if (format === undefined) return;
  const details = { file: path, format, known: FORMAT_VERSION };
  const message = `${path} is of format ${format}; this release has ${FORMAT_VERSION}`;
  throw new MuaraError("format.newer", message, { details });
}

export interface Rebuilt {
  readonly tally: SegmentTally;
  readonly index: SegmentIndex;
  readonly outcome: ScanOutcome;
}

/** Tally and index from the segment itself. */
export async function scanContents(
  disk: Disk,
  fd: number,
  length: number,
  header: SegmentHeader,
): Promise<Rebuilt> {
  const tally = new SegmentTally(header.firstSequence);
  const index = new SegmentIndex();
  const outcome = await scanSegment(disk, fd, length, header, (entry, position, data) => {
    if (entry.kind === KIND_CONTROL) {
      tally.noteTime(entry.ingestMs);
      tally.streams.push(parseControl(data.subarray(0, entry.bytesLength)));
      return;
    }
    tally.note(entry, producerOf(entry, data));
    index.add(entry, position);
  });
  tally.lastSequence = outcome.lastSequence;
  return { tally, index, outcome };
}

/** The same for a segment that nobody writes to any more: anything bad in it is corruption. @throws log.corrupt */
export async function rebuildSegment(
  disk: Disk,
  path: string,
  fd: number,
  length: number,
  header: SegmentHeader,
): Promise<Rebuilt> {
  const rebuilt = await scanContents(disk, fd, length, header);
  const { outcome } = rebuilt;
  if (outcome.damage !== undefined) throw corrupt(path, outcome.length, outcome.damage);
  return rebuilt;
}

export function encodeControl(stream: StreamRecord): Uint8Array {
  return Buffer.from(JSON.stringify({ stream }));
}

function parseControl(bytes: Uint8Array): StreamRecord {
  const control: { readonly stream: StreamRecord } = JSON.parse(decoder.decode(bytes));
  return control.stream;
}

function producerOf(entry: BatchEntry, data: Uint8Array): string {
  if (entry.producerBytes === 0) return "";
  const at = entry.count * 24 + entry.bytesLength;
  return decoder.decode(data.subarray(at, at + entry.producerBytes));
}
