/**
 * Parquet of Muara's own small tables and side files, row by row; and columns of any of our files read back.
 * Not for the hot path: every value is an object here.
 */
import { parquetMetadataAsync, parquetRead, type ParquetParsers } from "hyparquet";
import { assert, unreachable } from "../../core/assert.ts";
import type { Column, ColumnType } from "../../core/columns.ts";
import type { EncodedFile } from "./encoded-file.ts";
import { DECOMPRESSORS, encodeFile, type FileColumn } from "./parquet-file.ts";

/** Values as stored: times in µs since 1970 UTC, dates in days, JSON as text. */
const PARSERS: Partial<ParquetParsers> = {
  timestampFromMilliseconds: (ms) => ms * 1_000n,
  timestampFromMicroseconds: (us) => us,
  timestampFromNanoseconds: (ns) => ns / 1_000n,
  dateFromDays: (days) => days,
};

/**
 * @param rows at least one, with values by column name: long, timestamp (µs) and unscaled decimal as bigint or
 *   whole number, date in days, json as text, binary as bytes; null or absent for NULL
 */
export function writeRows(columns: readonly Column[], rows: readonly object[]): EncodedFile {
  const files = columns.map((column): FileColumn => {
    return {
      ...column,
      gather: (from, to) => ({ data: rows.slice(from, to).map((row) => stored(column, row)) }),
    };
  });
  return encodeFile(files, rows.length);
}

/**
 * Columns of a file, in file order: INT64 and timestamps (µs) as bigint, dates as days, null for NULL. A column
 * that the file does not have (it is older than the column) is all null.
 */
export async function readColumns(
  bytes: Uint8Array,
  names: readonly string[],
): Promise<Record<string, unknown[]>> {
  const file = asyncBufferOf(bytes);
  const metadata = await parquetMetadataAsync(file);
  const count = Number(metadata.num_rows);
  const wanted = new Map(names.map((name) => [name, new Array<unknown>(count).fill(null)]));
  const present = new Set(metadata.row_groups[0]?.columns.map((chunk) => chunk.meta_data?.path_in_schema[0]));
  const columns = names.filter((name) => present.has(name));
  if (columns.length > 0)
    await parquetRead({
      file,
      metadata,
      columns,
      compressors: DECOMPRESSORS,
      parsers: PARSERS,
      utf8: false,
      onChunk: ({ columnName, columnData, rowStart }) => {
        const values = wanted.get(columnName);
        assert(values !== undefined, `nobody asked for ${columnName}`);
        for (let i = 0; i < columnData.length; i++) values[rowStart + i] = columnData[i] ?? null;
      },
    });
  return Object.fromEntries(wanted);
}

/** Rows of a file with the given columns, values as in `readColumns`. */
export async function readRows(
  bytes: Uint8Array,
  columns: readonly Column[],
): Promise<Record<string, unknown>[]> {
  const values = await readColumns(
    bytes,
    columns.map((column) => column.name),
  );
  const entries = Object.entries(values);
  const count = entries[0]?.[1].length ?? 0;
  return Array.from({ length: count }, (_, i) =>
    Object.fromEntries(entries.map(([name, column]) => [name, column[i]])),
  );
}

function asyncBufferOf(bytes: Uint8Array): {
  byteLength: number;
  slice: (from: number, to?: number) => ArrayBuffer;
} {
  return {
    byteLength: bytes.length,
    // A copy by constructor: `slice` of a Buffer would be a view into its pool.
    slice: (from, to = bytes.length) => new Uint8Array(bytes.subarray(from, to)).buffer,
  };
}

function stored(column: Column, row: object): unknown {
  const value: unknown = Object.getOwnPropertyDescriptor(row, column.name)?.value ?? null;
  assert(value !== null || column.nullable, `${column.name} must not be null`);
  return value === null ? null : storedValue(column.type, value);
}

function storedValue(type: ColumnType, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  switch (type.kind) {
    case "long":
    case "timestamp":
    case "decimal":
      return typeof value === "number" ? BigInt(value) : value;
    case "struct":
      return Object.fromEntries(
        type.fields.map((field) => [field.name, stored({ ...field, nullable: true }, value)]),
      );
    case "list":
      assert(Array.isArray(value), "a list is an array");
      return value.map((element) => storedValue(type.element, element));
    case "string":
    case "json":
    case "binary":
    case "double":
    case "boolean":
    case "date":
      return value;
    default:
      return unreachable(type);
  }
}
