/**
 * Rows as text, exact: what JSON numbers cannot hold (64-bit and wider integers, decimals, NaN, infinities) are
 * strings; times are ISO 8601, with Z where the type has a time zone; blobs are base64; lists, structs and maps
 * are JSON, also inside CSV.
 */
import type { DuckDBBlobValue, DuckDBDateValue } from "@duckdb/node-api";
import {
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBTypeId,
  type DuckDBArrayValue,
  type DuckDBListValue,
  type DuckDBMapType,
  type DuckDBMapValue,
  type DuckDBStructType,
  type DuckDBStructValue,
  type DuckDBType,
  type DuckDBUnionType,
  type DuckDBUnionValue,
  type DuckDBValue,
} from "@duckdb/node-api";

/** Writes one value that is not null as JSON text. */
export type ValueEncoder = (value: DuckDBValue) => string;

const asNumber: ValueEncoder = (value) => String(value);
const asString: ValueEncoder = (value) => JSON.stringify(String(value));
const asFloat: ValueEncoder = (value) => (Number.isFinite(value) ? String(value) : `"${String(value)}"`);

/** Chosen once per column, so that no type is looked at per value. */
export function jsonEncoder(type: DuckDBType): ValueEncoder {
  switch (type.typeId) {
    case DuckDBTypeId.BOOLEAN:
    case DuckDBTypeId.TINYINT:
    case DuckDBTypeId.SMALLINT:
    case DuckDBTypeId.INTEGER:
    case DuckDBTypeId.UTINYINT:
    case DuckDBTypeId.USMALLINT:
    case DuckDBTypeId.UINTEGER:
      return asNumber;
    case DuckDBTypeId.FLOAT:
    case DuckDBTypeId.DOUBLE:
      return asFloat;
    case DuckDBTypeId.VARCHAR:
      return (value) => JSON.stringify(value);
    case DuckDBTypeId.BLOB:
      return (value) => `"${Buffer.from((value as DuckDBBlobValue).bytes).toString("base64")}"`;
    case DuckDBTypeId.DATE:
      return (value) => `"${isoDate(value as DuckDBDateValue)}"`;
    case DuckDBTypeId.TIMESTAMP:
    case DuckDBTypeId.TIMESTAMP_S:
    case DuckDBTypeId.TIMESTAMP_MS:
    case DuckDBTypeId.TIMESTAMP_NS:
    case DuckDBTypeId.TIMESTAMP_TZ:
      return (value) => `"${isoTime(value)}"`;
    case DuckDBTypeId.LIST:
    case DuckDBTypeId.ARRAY:
      return listEncoder(type.valueType);
    case DuckDBTypeId.STRUCT:
      return structEncoder(type);
    case DuckDBTypeId.MAP:
      return mapEncoder(type);
    case DuckDBTypeId.UNION:
      return unionEncoder(type);
    default:
      return asString;
  }
}

function listEncoder(valueType: DuckDBType): ValueEncoder {
  const encode = orNull(jsonEncoder(valueType));
  return (value) => `[${(value as DuckDBListValue | DuckDBArrayValue).items.map(encode).join(",")}]`;
}

function structEncoder(type: DuckDBStructType): ValueEncoder {
  const names = type.entryNames;
  const keys = names.map((name) => JSON.stringify(name));
  const encoders = type.entryTypes.map((entry) => orNull(jsonEncoder(entry)));
  return (value) => {
    const { entries } = value as DuckDBStructValue;
    return `{${names.map((name, i) => `${keys[i]!}:${encoders[i]!(entries[name])}`).join(",")}}`;
  };
}

/** Text keys make an object, others a list of [key, value]. */
function mapEncoder(type: DuckDBMapType): ValueEncoder {
  const encodeKey = orNull(jsonEncoder(type.keyType));
  const encode = orNull(jsonEncoder(type.valueType));
  const isObject = type.keyType.typeId === DuckDBTypeId.VARCHAR;
  return (value) => {
    const { entries } = value as DuckDBMapValue;
    if (isObject)
      return `{${entries.map((entry) => `${encodeKey(entry.key)}:${encode(entry.value)}`).join(",")}}`;
    return `[${entries.map((entry) => `[${encodeKey(entry.key)},${encode(entry.value)}]`).join(",")}]`;
  };
}

function unionEncoder(type: DuckDBUnionType): ValueEncoder {
  const encoders = new Map(
    type.memberTags.map((tag, i) => [tag, orNull(jsonEncoder(type.memberTypes[i]!))] as const),
  );
  return (value) => {
    const { tag, value: inner } = value as DuckDBUnionValue;
    return encoders.get(tag)!(inner);
  };
}

function orNull(encode: ValueEncoder): (value: DuckDBValue | undefined) => string {
  return (value) => (value === null || value === undefined ? "null" : encode(value));
}

function isoDate(value: DuckDBDateValue): string {
  return value.toString().replace(/^(\d+-\d\d-\d\d) \(BC\)$/, "-$1");
}

/** ISO 8601 with as many digits of a second as the value has: none, 3, 6 or 9. */
function isoTime(value: DuckDBValue): string {
  const isZoned = value instanceof DuckDBTimestampTZValue;
  const nanoseconds = nanosecondsOf(value);
  if (nanoseconds === undefined) return String(value); // ±infinity
  const NS_PER_MS = 1_000_000n;
  const rest = ((nanoseconds % NS_PER_MS) + NS_PER_MS) % NS_PER_MS;
  const date = new Date(Number((nanoseconds - rest) / NS_PER_MS));
  if (Number.isNaN(date.getTime())) return String(value); // beyond the years that ISO 8601 in JavaScript knows
  const [whole, fraction] = date.toISOString().slice(0, -1).split(".") as [string, string];
  const digits = `${fraction}${String(rest).padStart(6, "0")}`.replace(/(?:000)+$/, "");
  return `${whole}${digits === "" ? "" : `.${digits}`}${isZoned ? "Z" : ""}`;
}

/** Since 1970; undefined for infinities. */
function nanosecondsOf(value: DuckDBValue): bigint | undefined {
  const isFinite = (value as { isFinite?: boolean }).isFinite;
  if (isFinite === false) return undefined;
  if (value instanceof DuckDBTimestampTZValue || value instanceof DuckDBTimestampValue)
    return value.micros * 1_000n;
  if (value instanceof DuckDBTimestampMillisecondsValue) return value.millis * 1_000_000n;
  if (value instanceof DuckDBTimestampSecondsValue) return value.seconds * 1_000_000_000n;
  if (value instanceof DuckDBTimestampNanosecondsValue) return value.nanos;
  return undefined;
}

/** Writes chunks of rows in one text format. Column-wise input, row-wise output. */
export interface RowEncoder {
  /** Text before the first row. */
  readonly head: string;
  /** @param columns [column][row] @param count rows to write */
  rows(columns: readonly (readonly DuckDBValue[])[], count: number, isFirst: boolean): string;
}

/** The rows as items of a JSON list: `[…],[…]`. The list's brackets are the service's. */
export function jsonRows(types: readonly DuckDBType[]): RowEncoder {
  const encoders = types.map((type) => orNull(jsonEncoder(type)));
  return {
    head: "",
    rows: (columns, count, isFirst) => {
      const lines = new Array<string>(count);
      for (let row = 0; row < count; row++)
        lines[row] = `[${encoders.map((encode, column) => encode(columns[column]![row])).join(",")}]`;
      return `${isFirst ? "" : ",\n"}${lines.join(",\n")}`;
    },
  };
}

/** One object per line. */
export function ndjsonRows(names: readonly string[], types: readonly DuckDBType[]): RowEncoder {
  const encoders = types.map((type) => orNull(jsonEncoder(type)));
  const keys = names.map((name) => JSON.stringify(name));
  return {
    head: "",
    rows: (columns, count) => {
      const lines = new Array<string>(count);
      for (let row = 0; row < count; row++)
        lines[row] =
          `{${encoders.map((encode, i) => `${keys[i]!}:${encode(columns[i]![row])}`).join(",")}}\n`;
      return lines.join("");
    },
  };
}

/** RFC 4180 with a header; NULL is nothing, an empty text is "". */
export function csvRows(names: readonly string[], types: readonly DuckDBType[]): RowEncoder {
  const encoders = types.map((type): ValueEncoder => {
    const encode = jsonEncoder(type);
    return (value) => csvField(encode(value));
  });
  return {
    head: `${names.map((name) => csvQuote(name)).join(",")}\r\n`,
    rows: (columns, count) => {
      const lines = new Array<string>(count);
      for (let row = 0; row < count; row++) {
        const fields = encoders.map((encode, i) => {
          const value = columns[i]![row];
          return value === null || value === undefined ? "" : encode(value);
        });
        lines[row] = `${fields.join(",")}\r\n`;
      }
      return lines.join("");
    },
  };
}

function csvField(json: string): string {
  if (!json.startsWith('"')) return csvQuote(json);
  const text = JSON.parse(json) as string;
  return text === "" ? '""' : csvQuote(text);
}

function csvQuote(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
