/**
 * Checksums of data files, in the `tags` of the `add` that names them, which every reader of Delta tables passes by.
 * Against what disks and networks do to bytes, not against people. Most flipped bits of a Parquet file are read without
 * complaint, as other values (measured: trust research, hazard 15).
 */
import { crc32 } from "node:zlib";
import type { AddFile } from "../core/ports/table-log.ts";

const TAG = "muara.crc32";

/** For the `add` of a file with these bytes. */
export function checksumTags(bytes: Uint8Array): Readonly<Record<string, string>> {
  return tagsOf(hex(crc32(bytes)));
}

/** The same, of a checksum that somebody else has reckoned. */
export function tagsOf(checksum: string): Readonly<Record<string, string>> {
  return { [TAG]: checksum };
}

/** @returns undefined where the file has none: somebody else wrote it, or an older release */
export function statedChecksum({ tags }: AddFile): string | undefined {
  return tags?.[TAG];
}

/** Of a file that is read part by part. */
export class RunningChecksum {
  #value = 0;

  add(bytes: Uint8Array): void {
    this.#value = crc32(bytes, this.#value);
  }

  get hex(): string {
    return hex(this.#value);
  }
}

function hex(value: number): string {
  return (value >>> 0).toString(16).padStart(8, "0");
}
