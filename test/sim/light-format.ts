/**
 * A data file without Parquet: the same rows and columns, serialised by the runtime. The real writer costs 1.5 ms a
 * file, which is a hundred times what a simulated step may cost; what is simulated is not the format. `hooks.ts`
 * puts it in the place of lake/parquet/parquet-file.ts and of the reader behind lake/parquet/rows.ts.
 */
import { deserialize, serialize } from "node:v8";
import type { Column } from "../../core/columns.ts";
import type { EncodedFile, FileColumn } from "../../lake/parquet/parquet-file.ts";

export const ROW_GROUP_ROWS = 122_880;
export const DECOMPRESSORS: Readonly<Record<string, never>> = {};

interface Content {
  readonly rows: number;
  readonly columns: readonly (readonly [string, readonly unknown[]])[];
}

export function encodeFile(columns: readonly FileColumn[], rows: number): EncodedFile {
  if (rows < 1) throw new Error("a data file needs at least one row");
  const content: Content = {
    rows,
    columns: columns.map((column) => {
      const data = Array.from(column.gather(0, rows).data as ArrayLike<unknown>);
      if (data.length !== rows) throw new Error(`${column.name} has ${data.length} values for ${rows} rows`);
      return [column.name, data.map((value) => stored(column, value))] as const;
    }),
  };
  const bytes = new Uint8Array(serialize(content));
  return { bytes, rows, stats: JSON.stringify({ numRecords: rows }) };
}

/** 64-bit integers are bigints once they are read. */
function stored(column: Column, value: unknown): unknown {
  const is64 = column.type.kind === "long" || column.type.kind === "timestamp";
  if (is64 && typeof value === "number") return BigInt(value);
  return value ?? null;
}

interface Input {
  readonly byteLength: number;
  readonly slice: (from: number, to?: number) => ArrayBuffer;
}

interface Metadata {
  readonly num_rows: bigint;
  readonly row_groups: readonly [
    { readonly columns: readonly { readonly meta_data: { readonly path_in_schema: readonly string[] } }[] },
  ];
  readonly content: Content;
}

/** As hyparquet's, of a light file. */
export async function parquetMetadataAsync(file: Input): Promise<Metadata> {
  const content = deserialize(new Uint8Array(file.slice(0, file.byteLength))) as Content;
  return {
    num_rows: BigInt(content.rows),
    row_groups: [{ columns: content.columns.map(([name]) => ({ meta_data: { path_in_schema: [name] } })) }],
    content,
  };
}

interface ReadOptions {
  readonly metadata: Metadata;
  readonly columns: readonly string[];
  readonly onChunk: (chunk: {
    readonly columnName: string;
    readonly columnData: readonly unknown[];
    readonly rowStart: number;
  }) => void;
}

/** As hyparquet's, of a light file. */
export async function parquetRead({ metadata, columns, onChunk }: ReadOptions): Promise<void> {
  for (const [columnName, columnData] of metadata.content.columns)
    if (columns.includes(columnName)) onChunk({ columnName, columnData, rowStart: 0 });
}
