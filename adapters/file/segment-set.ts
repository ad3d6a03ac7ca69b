/**
 * The segments of a log: sealed ones, oldest first, the one that is written to, and what is left of removed ones
 * (their tallies in the base, the records of compacted streams in the compacted segment).
 */
import { join } from "node:path";

import { assert } from "../../core/assert.ts";
import type { Randomness } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import { type Disk, writeFully } from "./disk.ts";
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES, type SegmentHeader } from "./journal-format.ts";
import { SegmentIndex } from "./log-index.ts";
import { SegmentTally } from "./segment-tally.ts";
import { Segment, SegmentFiles } from "./segment.ts";
import { writeSidecar } from "./sidecar.ts";

export interface SegmentSetOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly logId: string;
  readonly randomness: Randomness;
  readonly logger: Logger;
  /** Sealed segments kept open and indexed in memory. */
  readonly openMax: number;
}

export class SegmentSet {
  readonly files: SegmentFiles;
  /** Of all segments that were removed. */
  base = new SegmentTally(1);
  compacted: Segment | undefined;
  /** Bytes of the whole directory, about: segments and sidecars. */
  diskBytes = 0;
  readonly #options: SegmentSetOptions;
  #segments: Segment[] = [];
  #sealing: Promise<void> = Promise.resolve();

  constructor(options: SegmentSetOptions) {
    this.#options = options;
    this.files = new SegmentFiles(options.disk, options.openMax);
  }

  /** Oldest first; the last is written to (unless the log is read-only). */
  get all(): readonly Segment[] {
    return this.#segments;
  }

  get sealed(): readonly Segment[] {
    return this.#segments.slice(0, -1);
  }

  get active(): Segment {
    const active = this.#segments.at(-1);
    assert(active !== undefined, "a log without a segment");
    return active;
  }

  add(segment: Segment): void {
    this.#segments.push(segment);
    this.diskBytes += segment.diskBytes;
    if (segment.fd !== undefined) this.files.adopt(segment);
  }

  /** Takes the oldest `count` segments out of the set. */
  drop(count: number): void {
    for (const segment of this.#segments.slice(0, count)) this.diskBytes -= segment.diskBytes;
    this.#segments = this.#segments.slice(count);
  }

  /** Puts another file of the same length, open already, in a sealed one's place. */
  replace(old: Segment, segment: Segment): void {
    this.#segments = this.#segments.map((one) => (one === old ? segment : one));
    this.files.adopt(segment);
  }

  replaceCompacted(segment: Segment | undefined): void {
    this.diskBytes += (segment?.diskBytes ?? 0) - (this.compacted?.diskBytes ?? 0);
    this.compacted = segment;
  }

  /** Creates the next segment; the former, if any, is sealed already. */
  async begin(): Promise<void> {
    const former = this.#segments.at(-1);
    this.add(await this.#create((former?.tally ?? this.base).lastSequence + 1));
  }

  /** Creates the next segment and seals the former; its sidecar is written behind. */
  async roll(): Promise<void> {
    const former = this.#segments.at(-1);
    await this.begin();
    if (former) this.#sealing = this.#sealing.then(() => this.seal(former));
  }

  async #create(firstSequence: number): Promise<Segment> {
    const { disk, directory, logId, randomness } = this.#options;
    const header = { logId, salt: randomSalt(randomness), firstSequence };
    const path = join(directory, segmentName(firstSequence));
    const fd = await createSegmentFile(disk, path, header);
    const segment = new Segment(path, header, new SegmentTally(firstSequence), SEGMENT_HEADER_BYTES);
    segment.fd = fd;
    segment.index = new SegmentIndex();
    segment.isPinned = true;
    return segment;
  }

  /** Writes the sidecar of a segment that takes no more groups. Without it a start is slower, not wrong. */
  async seal(segment: Segment): Promise<void> {
    const { disk, logger } = this.#options;
    try {
      const bytes = await writeSidecar(disk, segment.sidecarPath, segment, segment.tally, segment.index!);
      this.diskBytes += bytes - segment.sidecarBytes;
      segment.sidecarBytes = bytes;
    } catch (error) {
      logger.warn("a segment has no sidecar", { segment: segment.path, cause: String(error) });
    }
    segment.isPinned = false;
  }

  /** Resolves when no sidecar is being written. */
  async sealingDone(): Promise<void> {
    await this.#sealing;
  }
}

/** @returns descriptor of a new segment file, durable with its header; nothing is left where that fails */
export async function createSegmentFile(disk: Disk, path: string, header: SegmentHeader): Promise<number> {
  const fd = await disk.open(path, "create");
  try {
    await writeFully(disk, fd, encodeSegmentHeader(header), 0);
    await disk.datasync(fd);
    await disk.syncDirectory(join(path, ".."));
    return fd;
  } catch (error) {
    await disk.close(fd);
    await disk.remove(path);
    throw error;
  }
}

export function segmentName(firstSequence: number): string {
  return `segment-${String(firstSequence).padStart(16, "0")}.log`;
}

export function randomSalt(randomness: Randomness): number {
  return Number.parseInt(randomness.uuid().slice(0, 8), 16);
}
