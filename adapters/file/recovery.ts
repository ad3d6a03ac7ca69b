/**
 * Opens what is on disk: the only way to start, after a clean stop or not. Sealed segments are taken from their
 * sidecars; the last one is read and verified whole, a torn group at its end is cut off, and everything is synced
 * before anybody reads it, since a group that was written may have lost its sync with its process.
 */
import { join } from "node:path";

import { MuaraError } from "../../core/errors.ts";
import { corrupt, isDiskFull, readFully, writeFully } from "./disk.ts";
import { segmentName, type SegmentSet, type SegmentSetOptions } from "./segment-set.ts";
import { SEGMENT_HEADER_BYTES, type SegmentHeader } from "./journal-format.ts";
import { readBase } from "./log-base.ts";
import type { LogState } from "./log-state.ts";
import {
  readSegmentHeader,
  rebuildSegment,
  refuseNewer,
  scanContents,
  Segment,
  sidecarPathOf,
} from "./segment.ts";
import { readSidecar } from "./sidecar.ts";

const SEGMENT_NAME = /^segment-(\d{16})\.log$/;
const COMPACTED_NAME = /^compacted-\d{16}\.log$/;

export interface RecoveryOptions extends SegmentSetOptions {
  readonly readOnly: boolean;
}

/** Fills `state` and `segments` from the directory. @throws log.corrupt, log.identity, format.newer */
export async function recover(
  options: RecoveryOptions,
  state: LogState,
  segments: SegmentSet,
): Promise<void> {
  const { disk, directory, readOnly } = options;
  const names = await disk.list(directory);
  const base = await readBase(disk, directory);
  if (base) {
    segments.base = base.tally;
    state.foldBase(base.tally);
  }
  const through = segments.base.lastSequence;
  const sequences = names
    .flatMap((name) => SEGMENT_NAME.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
  const live = sequences.filter((sequence) => sequence > through);
  const compacted = base?.compacted;
  // Before anything is removed, cut off or sealed.
  for (const name of [...(compacted ? [compacted.name] : []), ...live.map(segmentName)])
    await refuseNewer(disk, join(directory, name));
  if (compacted) await openCompacted(options, state, segments, compacted);
  await removeLeftovers(options, names, through, compacted?.name);
  checkSidecarsHaveSegments(directory, names, live, through);
  for (const sequence of live) {
    const path = join(directory, segmentName(sequence));
    const expected = (segments.all.at(-1)?.tally ?? segments.base).lastSequence + 1;
    if (sequence !== expected)
      throw corrupt(
        path,
        0,
        `it begins with group ${sequence}, and the one before ends with ${expected - 1}`,
      );
    const isLast = sequence === live.at(-1);
    const segment = isLast ? await openLast(options, path) : await openSealed(options, segments, path);
    if (!segment) continue;
    segments.add(segment);
    state.foldSegment(segment.tally, segment);
  }
  // Without one, or where the last was just being created: those before it are sealed and take no groups.
  if (!readOnly && segments.all.at(-1)?.isPinned !== true) await segments.begin();
  if (!readOnly) await disk.syncDirectory(directory);
}

async function openCompacted(
  options: RecoveryOptions,
  state: LogState,
  segments: SegmentSet,
  compacted: { readonly name: string; readonly length: number },
): Promise<void> {
  const path = join(options.directory, compacted.name);
  const segment = await openSealed(options, segments, path);
  if (segment.length !== compacted.length) throw corrupt(path, segment.length, "its length");
  segments.replaceCompacted(segment);
  attachCompacted(state, segments);
}

/** Puts the compacted segment before the other runs of each partition of a compacted stream. */
export function attachCompacted(state: LogState, { compacted, base }: SegmentSet): void {
  if (!compacted) return;
  for (const key of compacted.tally.partitions.keys()) {
    const partition = state.byKey(key);
    const covered = base.partitions.get(key);
    if (!partition || !covered) continue; // its stream is gone, and the file is older than that
    const { endOffset, lastIngestMs } = covered;
    partition.runs = [{ segment: compacted, firstOffset: 0, endOffset, lastIngestMs }, ...partition.runs];
  }
}

/** Files that a stop in the middle of retention or of a replacement left behind. */
async function removeLeftovers(
  options: RecoveryOptions,
  names: readonly string[],
  through: number,
  compacted: string | undefined,
): Promise<void> {
  const { disk, directory, readOnly } = options;
  if (readOnly) return;
  for (const name of names) {
    const log = name.replace(/\.index$/, ".log");
    const sequence = SEGMENT_NAME.exec(log)?.[1];
    const isRemoved = sequence !== undefined && Number(sequence) <= through;
    const isOldCompacted = COMPACTED_NAME.test(log) && log !== compacted;
    if (isRemoved || isOldCompacted || name.endsWith(".tmp")) await disk.remove(join(directory, name));
  }
}

/** A sidecar without its segment: somebody removed the segment, and the log would forget without noticing. */
function checkSidecarsHaveSegments(
  directory: string,
  names: readonly string[],
  live: readonly number[],
  through: number,
): void {
  for (const name of names) {
    const sequence = SEGMENT_NAME.exec(name.replace(/\.index$/, ".log"))?.[1];
    if (sequence === undefined || Number(sequence) <= through || live.includes(Number(sequence))) continue;
    throw corrupt(join(directory, segmentName(Number(sequence))), 0, "the file is missing");
  }
}

async function openSealed(options: RecoveryOptions, segments: SegmentSet, path: string): Promise<Segment> {
  const { disk, readOnly, logger } = options;
  const fd = await disk.open(path, "read");
  try {
    const header = checkHeader(options, path, await readSegmentHeader(disk, path, fd));
    const length = (await disk.size(path))!;
    const sidecar = await readSidecar(disk, sidecarPathOf(path), header);
    if (sidecar && sidecar.segmentLength > length) throw corrupt(path, length, "it was cut");
    if (sidecar?.segmentLength === length) {
      const segment = new Segment(path, header, sidecar.tally, length);
      segment.sidecarBytes = sidecar.sidecarBytes;
      return segment;
    }
    logger.info("reading a segment without a sidecar", { segment: path, bytes: length });
    const { tally, index } = await rebuildSegment(disk, path, fd, length, header);
    const segment = new Segment(path, header, tally, length);
    segment.index = index;
    if (!readOnly) await segments.seal(segment);
    segment.index = undefined; // read again from the sidecar, or the segment, when somebody needs it
    return segment;
  } finally {
    await disk.close(fd);
  }
}

/** @returns undefined where the file is an empty beginning, which is removed */
async function openLast(options: RecoveryOptions, path: string): Promise<Segment | undefined> {
  const { disk, readOnly, logger } = options;
  const fd = await disk.open(path, readOnly ? "read" : "write");
  try {
    const found = await readSegmentHeader(disk, path, fd);
    const fileLength = (await disk.size(path))!;
    if (!found && fileLength <= SEGMENT_HEADER_BYTES) {
      logger.warn("a segment was just being created", { segment: path, bytes: fileLength });
      if (!readOnly) await disk.remove(path);
      await disk.close(fd);
      return undefined;
    }
    const header = checkHeader(options, path, found);
    const { tally, index, outcome } = await scanContents(disk, fd, fileLength, header);
    if (outcome.laterGroupAt !== undefined)
      throw corrupt(
        path,
        outcome.length,
        `${outcome.damage}, and a good group follows at ${outcome.laterGroupAt}`,
      );
    const sidecar = await readSidecar(disk, sidecarPathOf(path), header);
    if (sidecar && sidecar.segmentLength > outcome.length)
      throw corrupt(path, outcome.length, outcome.damage ?? "it was cut after the log was closed");
    if (sidecar) tally.lastIngestMs = Math.max(tally.lastIngestMs, sidecar.tally.lastIngestMs);
    if (outcome.damage !== undefined) {
      const bytes = fileLength - outcome.length;
      logger.warn("cutting off a group that was not finished", { segment: path, at: outcome.length, bytes });
      if (!readOnly) await disk.truncate(fd, outcome.length);
    }
    const wasClosed = sidecar?.segmentLength === outcome.length;
    if (!readOnly && !wasClosed) await writeAgain(options, fd, outcome.lastGroupAt, outcome.length);
    if (!readOnly) await disk.datasync(fd);
    const segment = new Segment(path, header, tally, outcome.length);
    Object.assign(segment, { fd, index, isPinned: true });
    return segment;
  } catch (error) {
    await disk.close(fd);
    throw error;
  }
}

/**
 * The last group may be one whose sync failed, which ended the process. The system keeps such bytes in memory and
 * believes them written, so that another sync does nothing; only writing them again makes it try again. Else later
 * groups would follow a hole, which the next power cut would uncover as damage in the middle.
 */
async function writeAgain(
  { disk, logger }: RecoveryOptions,
  fd: number,
  from: number,
  to: number,
): Promise<void> {
  const bytes = new Uint8Array(to - from);
  const filled = await readFully(disk, fd, bytes, from);
  try {
    await writeFully(disk, fd, bytes.subarray(0, filled), from);
  } catch (error) {
    if (!isDiskFull(error)) throw error; // where writing in place takes room; the log can still be read
    logger.warn("the last group was not written again: the disk is full");
  }
}

/** @throws log.corrupt, log.identity */
function checkHeader(
  { logId }: RecoveryOptions,
  path: string,
  header: SegmentHeader | undefined,
): SegmentHeader {
  if (!header) throw corrupt(path, 0, "the segment's header");
  if (header.logId !== logId)
    throw new MuaraError("log.identity", `${path} belongs to log ${header.logId}, not to ${logId}`, {
      details: { file: path, expected: logId, found: header.logId },
    });
  return header;
}
