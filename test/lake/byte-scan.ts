/** Whether a file holds a text: anywhere in its bytes, or in any value of Parquet, whose pages are compressed. */
import { parquetReadObjects } from "hyparquet";
import { DECOMPRESSORS } from "../../lake/parquet/parquet-file.ts";

export async function holds(bytes: Uint8Array, text: string): Promise<boolean> {
  if (Buffer.from(bytes).includes(text)) return true;
  if (Buffer.from(bytes.subarray(0, 4)).toString() !== "PAR1") return false;
  const file = new Uint8Array(bytes).buffer;
  const rows = await parquetReadObjects({ file, compressors: DECOMPRESSORS, utf8: false });
  return JSON.stringify(rows, shown).includes(text);
}

function shown(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  return value instanceof Uint8Array ? Buffer.from(value).toString() : value;
}
