/**
 * Files without Parquet: rows, columns and table checkpoints stay objects of this process, and the file's bytes are
 * a handle to them. A real file costs 1.5 ms, a hundred times what a simulated step may cost; what is simulated is
 * not the format. Bytes that were cut off or overwritten are no handle, and fail like a damaged file. `hooks.ts`
 * puts this in the place of lake/parquet/parquet-file.ts and of hyparquet in lake/parquet/rows.ts and
 * lake/table/table-checkpoint.ts.
 */
import type { Column } from "../../core/columns.ts";
import { behind, handleOf } from "./handles.ts";
import type { EncodedFile } from "../../lake/parquet/encoded-file.ts";
import type { FileColumn } from "../../lake/parquet/parquet-file.ts";

export const ROW_GROUP_ROWS = 122_880;
export const DECOMPRESSORS: Readonly<Record<string, never>> = {};

export interface LightFile {
  readonly rows: number;
  readonly columns: ReadonlyMap<string, readonly unknown[]>;
  /** Of a table checkpoint only. */
  readonly marks?: readonly Mark[];
}

interface Mark {
  readonly key: string;
  readonly value: string;
}

/** @throws Error where the bytes are no whole file */
export function lightFile(bytes: Uint8Array): LightFile {
  const file = behind(bytes);
  if (!file) throw new Error("no light file");
  return file as LightFile;
}

export function encodeFile(columns: readonly FileColumn[], rows: number): EncodedFile {
  if (rows < 1) throw new Error("a data file needs at least one row");
  const stored = columns.map((column) => {
    const data = column.gather(0, rows).data as ArrayLike<unknown>;
    if (data.length !== rows) throw new Error(`${column.name} has ${data.length} values for ${rows} rows`);
    return [column.name, Array.from(data, (value) => storedValue(column, value))] as const;
  });
  const file = { rows, columns: new Map(stored) };
  return { bytes: handleOf(file), rows, stats: lightStats(file) };
}

/** As much of Delta's statistics as the product decides by. */
export function lightStats({ rows, columns }: LightFile): string {
  const minValues: Record<string, unknown> = {};
  const maxValues: Record<string, unknown> = {};
  for (const name of ["ingest_time", "log_partition", "log_offset"]) {
    const values = columns.get(name);
    if (!values) continue;
    let [least, most] = [values[0], values[0]] as [bigint | null, bigint | null];
    for (const value of values as readonly (bigint | null)[]) {
      if (value === null) continue;
      if (least === null || value < least) least = value;
      if (most === null || value > most) most = value;
    }
    if (typeof least !== "bigint" || typeof most !== "bigint") continue;
    const isTime = name === "ingest_time";
    minValues[name] = isTime ? timeText(least) : Number(least);
    maxValues[name] = isTime ? timeText(most) : Number(most);
  }
  return JSON.stringify({ numRecords: rows, minValues, maxValues });
}

/** Simulated times are whole ms. @param us since 1970 UTC */
function timeText(us: bigint): string {
  return new Date(Number(us / 1_000n)).toISOString();
}

/** 64-bit integers are bigints once they are read, and bytes are a copy. */
function storedValue(column: Column, value: unknown): unknown {
  const is64 = column.type.kind === "long" || column.type.kind === "timestamp";
  if (is64 && typeof value === "number") return BigInt(value);
  return value instanceof Uint8Array ? value.slice() : (value ?? null);
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
  readonly file: LightFile;
}

/** As hyparquet's, of a light file. */
export async function parquetMetadataAsync(input: Input): Promise<Metadata> {
  const file = lightFile(new Uint8Array(input.slice(0, input.byteLength)));
  const columns = [...file.columns.keys()].map((name) => ({ meta_data: { path_in_schema: [name] } }));
  return { num_rows: BigInt(file.rows), row_groups: [{ columns }], file };
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
  for (const columnName of columns)
    onChunk({ columnName, columnData: metadata.file.columns.get(columnName)!, rowStart: 0 });
}

interface CheckpointInput {
  readonly columnData: readonly { readonly name: string; readonly data: readonly unknown[] }[];
  readonly kvMetadata: readonly Mark[];
}

/** As hyparquet-writer's, for table checkpoints. */
export function parquetWriteBuffer({ columnData, kvMetadata }: CheckpointInput): ArrayBuffer {
  const columns = new Map(columnData.map(({ name, data }) => [name, data]));
  const bytes = handleOf({ rows: columnData[0]!.data.length, columns, marks: kvMetadata });
  return bytes.buffer;
}

/** As hyparquet's, of a light table checkpoint. */
export function parquetMetadata(file: ArrayBuffer): { readonly key_value_metadata: readonly Mark[] } {
  return { key_value_metadata: lightFile(new Uint8Array(file)).marks ?? [] };
}

/** As hyparquet's, of a light table checkpoint. */
export async function parquetReadObjects({ file }: { readonly file: ArrayBuffer }): Promise<unknown[]> {
  const { rows, columns } = lightFile(new Uint8Array(file));
  return Array.from({ length: rows }, (_, i) =>
    Object.fromEntries([...columns].map(([name, values]) => [name, values[i] ?? null])),
  );
}
