/**
 * Types of the warehouses that extracts are loaded into: one table of DuckDB's types against theirs. Decimals are never
 * floating point; a timestamp with a zone is an instant everywhere; lengths are in characters where a target counts
 * bytes. What a target has no exact type for is text or JSON, never something near it.
 */
import { MuaraError } from "../../core/errors.ts";

export const TARGETS = ["oracle", "snowflake", "bigquery", "redshift"] as const;
export type Target = (typeof TARGETS)[number];
type Row = Readonly<Record<Target, string>> & { readonly logical: string };

const row = (logical: string, oracle: string, snowflake: string, bigquery: string, redshift: string): Row => {
  return { logical, oracle, snowflake, bigquery, redshift };
};

/** `logical` is the word of the Open Data Contract Standard. */
const TYPES: Readonly<Record<string, Row>> = {
  BOOLEAN: row("boolean", "NUMBER(1)", "BOOLEAN", "BOOL", "BOOLEAN"),
  SMALLINT: row("integer", "NUMBER(5)", "NUMBER(5,0)", "INT64", "SMALLINT"),
  INTEGER: row("integer", "NUMBER(10)", "NUMBER(10,0)", "INT64", "INTEGER"),
  BIGINT: row("integer", "NUMBER(19)", "NUMBER(19,0)", "INT64", "BIGINT"),
  FLOAT: row("number", "BINARY_FLOAT", "FLOAT", "FLOAT64", "REAL"),
  DOUBLE: row("number", "BINARY_DOUBLE", "FLOAT", "FLOAT64", "DOUBLE PRECISION"),
  BLOB: row("string", "BLOB", "BINARY", "BYTES", "VARBYTE(1024000)"),
  DATE: row("date", "DATE", "DATE", "DATE", "DATE"),
  TIMESTAMP: row("timestamp", "TIMESTAMP(6)", "TIMESTAMP_NTZ(6)", "DATETIME", "TIMESTAMP"),
  "TIMESTAMP WITH TIME ZONE": row(
    "timestamp",
    "TIMESTAMP(6) WITH TIME ZONE",
    "TIMESTAMP_TZ(6)",
    "TIMESTAMP",
    "TIMESTAMPTZ",
  ),
};

/** Lengths where none is declared: the longest that each target takes. */
const LENGTHS: Readonly<Record<Target, number>> = {
  oracle: 4_000,
  snowflake: 16_777_216,
  bigquery: 0,
  redshift: 65_535,
};
/** Redshift counts bytes, and a character may have four. */
const BYTES_PER_CHARACTER = 4;

/** @param length declared characters of a text @throws assertion-free: a type of no row is nested and gets JSON */
export function targetType(target: Target, type: string, length?: number): string {
  const known = TYPES[type];
  if (known) return known[target];
  if (type === "VARCHAR") return textType(target, length);
  const decimal = /^DECIMAL\((\d+),(\d+)\)$/.exec(type);
  if (decimal) return decimalType(target, Number(decimal[1]), Number(decimal[2]));
  return nestedType(target, type);
}

function textType(target: Target, length: number | undefined): string {
  const characters = length ?? LENGTHS[target];
  switch (target) {
    case "oracle":
      return characters > LENGTHS.oracle ? "CLOB" : `VARCHAR2(${characters} CHAR)`;
    case "bigquery":
      return length === undefined ? "STRING" : `STRING(${length})`;
    case "redshift":
      return `VARCHAR(${length === undefined ? characters : Math.min(length * BYTES_PER_CHARACTER, LENGTHS.redshift)})`;
    default:
      return `VARCHAR(${characters})`;
  }
}

function decimalType(target: Target, precision: number, scale: number): string {
  if (target === "bigquery") {
    // NUMERIC has 29 digits before and 9 behind the point, BIGNUMERIC 38 and 38.
    const isSmall = scale <= 9 && precision - scale <= 29;
    return `${isSmall ? "NUMERIC" : "BIGNUMERIC"}(${precision}, ${scale})`;
  }
  return `${target === "redshift" ? "DECIMAL" : "NUMBER"}(${precision},${scale})`;
}

/** Lists, structs and maps. */
function nestedType(target: Target, type: string): string {
  switch (target) {
    case "oracle":
      return "CLOB";
    case "snowflake":
      return type.endsWith("]") ? "ARRAY" : "VARIANT";
    case "redshift":
      return "SUPER";
    default:
      return bigqueryNested(type);
  }
}

function bigqueryNested(type: string): string {
  return type.endsWith("]") && TYPES[type.slice(0, -2)]
    ? `ARRAY<${TYPES[type.slice(0, -2)]!.bigquery}>`
    : type === "VARCHAR[]"
      ? "ARRAY<STRING>"
      : "JSON";
}

/** The Open Data Contract Standard's word for a type. */
export function logicalType(type: string): string {
  if (TYPES[type]) return TYPES[type].logical;
  if (type === "VARCHAR") return "string";
  if (type.startsWith("DECIMAL(")) return "number";
  return type.endsWith("]") ? "array" : "object";
}

/** @throws request.malformed */
export function targetOf(text: string | undefined): Target {
  const found = TARGETS.find((target) => target === text);
  if (found) return found;
  throw new MuaraError("request.malformed", `target is one of ${TARGETS.join(", ")}.`, {
    details: { parameter: "target" },
  });
}
