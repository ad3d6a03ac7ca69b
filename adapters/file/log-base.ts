/**
 * The base: what is left of removed segments. The tally of them all (streams, ends, accepted counts, producers) and
 * the name of the file that holds the records of compacted streams. Not a cache: it is replaced, atomically, before
 * a segment is deleted, and whatever it covers is no longer read.
 */
import { join } from "node:path";
import { crc32 } from "node:zlib";

import { corrupt, type Disk, replaceFile } from "./disk.ts";
import { SegmentTally, type TallyJson } from "./segment-tally.ts";

const NAME = "base.json";

export interface LogBase {
  readonly tally: SegmentTally;
  readonly compacted: { readonly name: string; readonly length: number } | undefined;
}

interface BaseJson {
  readonly tally: TallyJson;
  readonly compacted?: { readonly name: string; readonly length: number };
}

/** @throws log.corrupt */
export async function readBase(disk: Disk, directory: string): Promise<LogBase | undefined> {
  const path = join(directory, NAME);
  const bytes = await disk.readFile(path);
  if (!bytes) return undefined;
  const text = Buffer.from(bytes).toString();
  const line = text.indexOf("\n");
  const json = text.slice(line + 1);
  if (text.slice(0, Math.max(0, line)) !== checksum(json)) throw corrupt(path, 0, "its checksum");
  const { tally, compacted }: BaseJson = JSON.parse(json);
  return { tally: SegmentTally.fromJson(tally), compacted };
}

export async function writeBase(disk: Disk, directory: string, base: LogBase): Promise<void> {
  const { tally, compacted } = base;
  const json = JSON.stringify({ tally: tally.toJson(), ...(compacted && { compacted }) } satisfies BaseJson);
  await replaceFile(disk, join(directory, NAME), Buffer.from(`${checksum(json)}\n${json}`));
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, "0");
}
