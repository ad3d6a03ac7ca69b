/**
 * Some rows of a data file as they are stored, nested values included: integers and unscaled decimals as bigint or
 * bytes, times in µs, dates in days, JSON as text. Not for the hot path: every value is an object here.
 */
import { type FileMetaData, parquetMetadataAsync, parquetReadObjects, type ParquetParsers } from "hyparquet";
import type { Column } from "../../core/columns.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import { DECOMPRESSORS } from "./parquet-file.ts";

/** A file up to this is read in one piece. */
const WHOLE_BYTES_MAX = 33_554_432;

const PARSERS: Partial<ParquetParsers> = {
  timestampFromMilliseconds: (ms) => ms * 1_000n,
  timestampFromMicroseconds: (us) => us,
  timestampFromNanoseconds: (ns) => ns / 1_000n,
  dateFromDays: (days) => days,
};

interface Bytes {
  readonly byteLength: number;
  readonly slice: (from: number, to?: number) => ArrayBuffer | Promise<ArrayBuffer>;
}

export class DataFile {
  readonly rows: number;
  readonly #bytes: Bytes;
  readonly #metadata: FileMetaData;

  private constructor(bytes: Bytes, metadata: FileMetaData) {
    this.rows = Number(metadata.num_rows);
    this.#bytes = bytes;
    this.#metadata = metadata;
  }

  /** @returns undefined where there is no such file @throws store.unavailable */
  static async open(store: ObjectStore, path: string, size: number): Promise<DataFile | undefined> {
    const whole = size <= WHOLE_BYTES_MAX ? await store.get(path) : undefined;
    if (size <= WHOLE_BYTES_MAX && !whole) return undefined;
    if (!whole && !(await store.head(path))) return undefined;
    const bytes: Bytes = whole
      ? { byteLength: whole.length, slice: (from, to = whole.length) => copyOf(whole.subarray(from, to)) }
      : {
          byteLength: size,
          slice: async (from, to = size) => copyOf((await store.getRange(path, from, to - from))!),
        };
    const metadata = await parquetMetadataAsync(bytes);
    // The reader would make doubles of decimals.
    for (const element of metadata.schema)
      if (element.converted_type === "DECIMAL") delete element.converted_type;
    return new DataFile(bytes, metadata);
  }

  /** Rows [from, to), with those of the columns that the file has. */
  async read(columns: readonly Column[], from: number, to: number): Promise<Record<string, unknown>[]> {
    const { schema } = this.#metadata;
    const present = new Set(childNames(schema));
    const wanted = columns.map(({ name }) => name).filter((name) => present.has(name));
    if (wanted.length === 0) return Array.from({ length: to - from }, () => ({}));
    return parquetReadObjects({
      file: this.#bytes,
      metadata: this.#metadata,
      columns: wanted,
      rowStart: from,
      rowEnd: to,
      compressors: DECOMPRESSORS,
      parsers: PARSERS,
      utf8: false,
    });
  }
}

/** Names right below the root: a schema is a tree written out, each node with how many children follow. */
function childNames(schema: FileMetaData["schema"]): readonly string[] {
  const names: string[] = [];
  let at = 1;
  const skip = (): void => {
    const children = schema[at++]?.num_children ?? 0;
    for (let i = 0; i < children; i++) skip();
  };
  while (at < schema.length) {
    names.push(schema[at]!.name);
    skip();
  }
  return names;
}

/** By constructor: `slice` of a Buffer would be a view into its pool. */
function copyOf(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
