/** The metadata at the end of a Parquet file on this machine, without the rest of the file. */
import fs from "node:fs";

/** A file's last bytes: the length of its metadata, and `PAR1`. */
const TAIL_BYTES = 8;

/** @param size of the file, bytes @returns the metadata, for `footerStatistics` */
export function readFooter(file: string, size: number): Uint8Array {
  const handle = fs.openSync(file, "r");
  try {
    const tail = Buffer.alloc(TAIL_BYTES);
    fs.readSync(handle, tail, 0, TAIL_BYTES, size - TAIL_BYTES);
    const length = tail.readUInt32LE(0);
    const footer = new Uint8Array(length);
    fs.readSync(handle, footer, 0, length, size - TAIL_BYTES - length);
    return footer;
  } finally {
    fs.closeSync(handle);
  }
}
