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

const NS_PER_S = 1_000_000_000n;

/** A value that the format asked for has no exact form of. */
export class NotExact extends Error {}

/** Writes one value that is not null. */
export type ValueEncoder = (value: DuckDBValue) => string;

/** A type without parts: its text, and what JSON needs around it. */
interface Scalar {
  readonly text: ValueEncoder;
  /** `bare`: a JSON number or boolean. `plain`: quotes, but nothing to escape. `any`: quotes and escapes. */
  readonly form: "bare" | "plain" | "any";
}

function scalarOf(type: DuckDBType): Scalar {
  switch (type.typeId) {
    case DuckDBTypeId.BOOLEAN:
    case DuckDBTypeId.TINYINT:
    case DuckDBTypeId.SMALLINT:
    case DuckDBTypeId.INTEGER:
    case DuckDBTypeId.UTINYINT:
    case DuckDBTypeId.USMALLINT:
    case DuckDBTypeId.UINTEGER:
      return { text: String, form: "bare" };
    case DuckDBTypeId.BIGINT:
    case DuckDBTypeId.UBIGINT:
    case DuckDBTypeId.HUGEINT:
    case DuckDBTypeId.UHUGEINT:
    case DuckDBTypeId.DECIMAL:
    case DuckDBTypeId.UUID:
      return { text: String, form: "plain" };
    case DuckDBTypeId.BLOB:
      return {
        text: (value) => Buffer.from((value as DuckDBBlobValue).bytes).toString("base64"),
        form: "plain",
      };
    case DuckDBTypeId.DATE:
      return { text: (value) => isoDate(value as DuckDBDateValue), form: "plain" };
    case DuckDBTypeId.TIMESTAMP:
    case DuckDBTypeId.TIMESTAMP_S:
    case DuckDBTypeId.TIMESTAMP_MS:
    case DuckDBTypeId.TIMESTAMP_NS:
    case DuckDBTypeId.TIMESTAMP_TZ:
      return { text: isoTimes(), form: "plain" };
    default:
      return { text: String, form: "any" };
  }
}

/** Chosen once per column, so that no type is looked at per value. */
export function jsonEncoder(type: DuckDBType): ValueEncoder {
  switch (type.typeId) {
    case DuckDBTypeId.FLOAT:
    case DuckDBTypeId.DOUBLE:
      return (value) => (Number.isFinite(value) ? String(value) : `"${String(value)}"`);
    case DuckDBTypeId.VARCHAR:
      return (value) => JSON.stringify(value);
    case DuckDBTypeId.LIST:
    case DuckDBTypeId.ARRAY:
      return listEncoder(type.valueType);
    case DuckDBTypeId.STRUCT:
      return structEncoder(type);
    case DuckDBTypeId.MAP:
      return mapEncoder(type);
    case DuckDBTypeId.UNION:
      return unionEncoder(type);
    default: {
      const { text, form } = scalarOf(type);
      if (form === "bare") return text;
      return form === "plain" ? (value) => `"${text(value)}"` : (value) => JSON.stringify(text(value));
    }
  }
}

/** The text of a value by itself; of lists, structs, maps and unions as JSON. */
function textEncoder(type: DuckDBType): ValueEncoder {
  switch (type.typeId) {
    case DuckDBTypeId.LIST:
    case DuckDBTypeId.ARRAY:
    case DuckDBTypeId.STRUCT:
    case DuckDBTypeId.MAP:
    case DuckDBTypeId.UNION:
      return jsonEncoder(type);
    default:
      return scalarOf(type).text;
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

/**
 * ISO 8601 with as many digits of a second as the value has: none, 3, 6 or 9. Rows that follow each other mostly lie
 * in the same second, so its text is kept.
 */
function isoTimes(): ValueEncoder {
  let knownSecond = NaN;
  let knownText = "";
  return (value) => {
    const nanoseconds = nanosecondsOf(value);
    if (nanoseconds === undefined) return String(value); // ±infinity
    const inSecond = ((nanoseconds % NS_PER_S) + NS_PER_S) % NS_PER_S;
    const second = Number((nanoseconds - inSecond) / NS_PER_S);
    if (second !== knownSecond) {
      const date = new Date(second * 1_000);
      if (Number.isNaN(date.getTime())) return String(value); // beyond the years that ISO 8601 in JavaScript knows
      knownSecond = second;
      knownText = date.toISOString().slice(0, -".000Z".length);
    }
    const zone = value instanceof DuckDBTimestampTZValue ? "Z" : "";
    if (inSecond === 0n) return knownText + zone;
    const digits = String(inSecond).padStart(9, "0");
    const length = digits.endsWith("000000") ? 3 : digits.endsWith("000") ? 6 : 9;
    return `${knownText}.${digits.slice(0, length)}${zone}`;
  };
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
    const encode = textEncoder(type);
    return scalarOf(type).form === "any" ? (value) => csvField(encode(value)) : encode;
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

/** NULL is nothing, so the empty text is quoted. */
function csvField(text: string): string {
  return text === "" ? '""' : csvQuote(text);
}

function csvQuote(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
