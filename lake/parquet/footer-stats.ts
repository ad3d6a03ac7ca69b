/**
 * The statistics in a Parquet footer as they are stored, for `deltaStats`: exact, decimals as unscaled integers,
 * times in µs. A general reader gives decimals as doubles, which are not what the file says.
 */
import type { RowGroup, Statistics } from "hyparquet";
import { deserializeTCompactProtocol } from "hyparquet/src/thrift.js";
import type { Column } from "../../core/columns.ts";

/** Of a footer, what bounds need; field numbers are those of Parquet's format (parquet.thrift). */
interface RawStatistics {
  readonly field_3?: bigint; // null_count
  readonly field_5?: Uint8Array; // max_value
  readonly field_6?: Uint8Array; // min_value
}
interface RawColumn {
  readonly field_3: {
    readonly field_3: readonly Uint8Array[]; // path_in_schema
    readonly field_12?: RawStatistics;
  };
}
interface RawFooter {
  readonly field_3: bigint; // num_rows
  readonly field_4: readonly { readonly field_1: readonly RawColumn[] }[]; // row_groups
}

export interface FooterStatistics {
  readonly rows: number;
  /** Only the statistics of `columns` are in them. */
  readonly groups: readonly RowGroup[];
}

/**
 * @param footer a file's end, from the metadata's first byte on
 * @param columns whose values are stored in the types that Delta asks for
 */
export function footerStatistics(footer: Uint8Array, columns: readonly Column[]): FooterStatistics {
  const view = new DataView(footer.buffer, footer.byteOffset, footer.length);
  const raw = deserializeTCompactProtocol({ view, offset: 0 }) as unknown as RawFooter;
  const byName = new Map(columns.map((column) => [column.name, column]));
  const decoder = new TextDecoder();
  const groups = raw.field_4.map(({ field_1: chunks }) => ({
    columns: chunks.flatMap(({ field_3: chunk }) => {
      const path = chunk.field_3.map((part) => decoder.decode(part));
      const column = path.length === 1 ? byName.get(path[0]!) : undefined;
      const statistics = column && chunk.field_12 && statisticsOf(column, chunk.field_12);
      return statistics ? [{ meta_data: { path_in_schema: path, statistics } }] : [];
    }),
  }));
  return { rows: Number(raw.field_3), groups: groups as unknown as readonly RowGroup[] };
}

function statisticsOf(column: Column, raw: RawStatistics): Statistics {
  const { field_3: nulls, field_5: max, field_6: min } = raw;
  return {
    ...(nulls === undefined ? {} : { null_count: nulls }),
    ...(max === undefined ? {} : { max_value: valueOf(column, max) }),
    ...(min === undefined ? {} : { min_value: valueOf(column, min) }),
  } as Statistics;
}

/** undefined for what has no bounds. */
function valueOf({ type }: Column, bytes: Uint8Array): string | number | bigint | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  switch (type.kind) {
    case "string":
      return new TextDecoder().decode(bytes); // cut off in a character at most, far behind what a bound has
    case "long":
    case "timestamp":
      return integerOf(view);
    case "date":
      return bytes.length === 4 ? view.getInt32(0, true) : undefined;
    case "double":
      return bytes.length === 4 ? view.getFloat32(0, true) : view.getFloat64(0, true);
    case "decimal":
      // Of more than 18 digits: two's complement, the highest byte first.
      return bytes.length <= 8 ? integerOf(view) : BigInt.asIntN(bytes.length * 8, bigEndian(bytes));
    default:
      return undefined;
  }
}

function integerOf(view: DataView): bigint {
  return view.byteLength === 4 ? BigInt(view.getInt32(0, true)) : view.getBigInt64(0, true);
}

function bigEndian(bytes: Uint8Array): bigint {
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
