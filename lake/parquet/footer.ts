/** The number of rows that a Parquet file's footer says, and so whether it has one that can be read. */
import { parquetMetadata } from "hyparquet";
import type { ReadRange } from "./read-range.ts";

const TAIL_BYTES = 8;
const MAGIC = "PAR1";

/** @param size of the file, bytes @returns undefined where it is no Parquet file */
export async function rowsOfFooter(read: ReadRange, size: number): Promise<number | undefined> {
  if (size < 12) return undefined;
  const [head, tail] = [await read(0, 4), await read(size - TAIL_BYTES, size)];
  if (head === undefined || text(head) !== MAGIC || tail?.length !== TAIL_BYTES) return undefined;
  if (text(tail.subarray(4)) !== MAGIC) return undefined;
  const length = new DataView(tail.buffer, tail.byteOffset).getUint32(0, true);
  const from = size - TAIL_BYTES - length;
  const footer = from < 4 ? undefined : await read(from, size);
  if (footer?.length !== length + TAIL_BYTES) return undefined;
  try {
    const { num_rows: rows, row_groups: groups } = parquetMetadata(new Uint8Array(footer).buffer);
    const inGroups = groups.reduce((sum, group) => sum + Number(group.num_rows), 0);
    return Number(rows) === inGroups ? inGroups : undefined;
  } catch {
    return undefined; // damaged
  }
}

function text(bytes: Uint8Array): string {
  return new TextDecoder("latin1").decode(bytes);
}
