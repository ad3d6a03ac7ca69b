/** A zip archive in memory (PKWARE APPNOTE 6.3.10, §4.3): a few small files, each deflated, without zip64. */
import { crc32, deflateRawSync } from "node:zlib";

export interface ZipEntry {
  /** With slashes. */
  readonly name: string;
  readonly text: string;
}

const VERSION = 20; // 2.0: deflate
const UTF8 = 0x0800;
const DEFLATED = 8;
const OWNER_ONLY = 0o100600 << 16; // Unix: a file for its owner

/** @param atMs time of all files, UTC */
export function zipOf(entries: readonly ZipEntry[], atMs: number): Uint8Array {
  const { date, time } = dosTime(atMs);
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, text } of entries) {
    const content = Buffer.from(text);
    const packed = deflateRawSync(content);
    const path = Buffer.from(name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(VERSION, 0);
    common.writeUInt16LE(UTF8, 2);
    common.writeUInt16LE(DEFLATED, 4);
    common.writeUInt16LE(time, 6);
    common.writeUInt16LE(date, 8);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(content.length, 18);
    common.writeUInt16LE(path.length, 22);
    const local = Buffer.concat([signature(0x04034b50), common, path, packed]);
    const central = Buffer.alloc(14);
    central.writeUInt32LE(OWNER_ONLY >>> 0, 6);
    central.writeUInt32LE(offset, 10);
    const made = Buffer.from([VERSION, 3]); // by Unix
    directory.push(Buffer.concat([signature(0x02014b50), made, common, central, path]));
    parts.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, central, signature(0x06054b50), end]);
}

function signature(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function dosTime(ms: number): { readonly date: number; readonly time: number } {
  const at = new Date(ms);
  const year = Math.max(0, at.getUTCFullYear() - 1980);
  return {
    date: (year << 9) | ((at.getUTCMonth() + 1) << 5) | at.getUTCDate(),
    time: (at.getUTCHours() << 11) | (at.getUTCMinutes() << 5) | (at.getUTCSeconds() >> 1),
  };
}
