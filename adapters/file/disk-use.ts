/** What the log's folder takes, and whether there is room for more: from what the log knows of itself. */
import { MuaraError } from "../../core/errors.ts";
import type { LogDiskUse } from "../../core/ports/log.ts";
import type { Disk } from "./disk.ts";
import type { SegmentSet } from "./segment-set.ts";

/** With less room than this the disk counts as full, bytes. */
const ROOM_BYTES_MIN = 65_536;

export interface LogFolder {
  readonly disk: Disk;
  readonly directory: string;
  readonly segments: SegmentSet;
  readonly limits: { readonly diskBytesMax: number };
}

export function diskUseOf({ segments, limits }: LogFolder): LogDiskUse {
  const count = segments.all.length + (segments.compacted ? 1 : 0);
  return { bytes: segments.diskBytes, bytesMax: limits.diskBytesMax, segments: count };
}

/** @param refusedBytes of the group that the disk refused last, 0 where it took it */
export async function refusalOf(
  { disk, directory, segments, limits }: LogFolder,
  refusedBytes: number,
): Promise<MuaraError | undefined> {
  if (segments.diskBytes + Math.max(1, refusedBytes) > limits.diskBytesMax)
    return new MuaraError("log.full", `the log has used its budget of ${limits.diskBytesMax} bytes`);
  const free = await disk.freeBytes?.(directory);
  const isFull = free !== undefined && free < Math.max(ROOM_BYTES_MIN, refusedBytes);
  return isFull ? new MuaraError("log.full", "the disk is full") : undefined;
}
