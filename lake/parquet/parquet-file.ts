/**
 * One Parquet file in memory from columns that are gathered row group by row group, on hyparquet-writer.
 * Pages are compressed with zstd by the runtime. For small tables; files of events come from
 * the kernel (event-file.ts).
 */
import { zstdDecompressSync } from "node:zlib";
import type { Compressors, DecodedArray, Encoding } from "hyparquet";
import { ByteWriter, ParquetWriter } from "hyparquet-writer";
import { assert } from "../../core/assert.ts";
import type { Column } from "../../core/columns.ts";
import { deltaStats, isFlat } from "./delta-stats.ts";
import { CREATED_BY, type EncodedFile, ROW_GROUP_ROWS } from "./encoded-file.ts";
import { parquetSchemaOf } from "./parquet-schema.ts";
import { ZSTD } from "./zstd.ts";

/** Values of one column for a range of the file's rows. */
export interface Chunk {
  readonly data: DecodedArray;
  /** Undefined: dictionary or plain, as the values suggest. */
  readonly encoding?: Encoding;
}

export interface FileColumn extends Column {
  gather(from: number, to: number): Chunk;
}

/** hyparquet's reading side of the same compression. */
export const DECOMPRESSORS: Compressors = {
  ZSTD: (input, outputLength) => zstdDecompressSync(input, { maxOutputLength: Math.max(outputLength, 1) }),
};

/** @param rows at least 1 */
export function encodeFile(columns: readonly FileColumn[], rows: number): EncodedFile {
  assert(rows > 0, "a data file needs at least one row");
  const writer = new ByteWriter();
  const file = new ParquetWriter({
    writer,
    schema: parquetSchemaOf(columns),
    codec: "ZSTD",
    compressors: { ZSTD: ZSTD.compress },
    createdBy: CREATED_BY,
  });
  for (let from = 0; from < rows; from += ROW_GROUP_ROWS) {
    const to = Math.min(from + ROW_GROUP_ROWS, rows);
    const columnData = columns.map((column) => {
      const { data, encoding } = column.gather(from, to);
      return { name: column.name, data, statistics: isFlat(column), ...(encoding ? { encoding } : {}) };
    });
    const pending = file.write({ columnData, rowGroupSize: to - from });
    assert(pending === undefined, "writing to memory does not wait");
  }
  const finished = file.finish();
  assert(finished === undefined, "writing to memory does not wait");
  return { bytes: writer.getBytes(), rows, stats: deltaStats(columns, rows, file.row_groups) };
}
