/** How another engine writes names, types, spans and the common functions. */
import type { ExportTarget } from "../../core/job-export.ts";
import { JobRefused } from "../job/refusal.ts";

export interface Dialect {
  /** For refusals. */
  readonly engine: string;
  /** Types of the lake's SQL, without parameters; what is not here is refused. */
  readonly types: Readonly<Record<string, string>>;
  readonly text: (text: string) => string;
  readonly array: (element: string) => string;
  /** A whole number of ms. */
  readonly interval: (ms: number) => string;
  readonly isDistinct: (a: string, b: string) => string;
  /** Scalar functions that give the same, by DuckDB's name. */
  readonly functions: Readonly<Record<string, string>>;
  /** Of an ORDER BY that puts NULL last. */
  readonly nullsLast: string;
}

const COMMON_TYPES = {
  VARCHAR: "STRING",
  BIGINT: "BIGINT",
  INTEGER: "INT",
  SMALLINT: "SMALLINT",
  TINYINT: "TINYINT",
  DOUBLE: "DOUBLE",
  FLOAT: "FLOAT",
  BOOLEAN: "BOOLEAN",
  DATE: "DATE",
} as const;

const COMMON_FUNCTIONS = {
  abs: "ABS",
  ceil: "CEIL",
  ceiling: "CEIL",
  floor: "FLOOR",
  lower: "LOWER",
  upper: "UPPER",
  length: "CHAR_LENGTH",
  nullif: "NULLIF",
} as const;

const UNITS_MS = [
  ["DAY", 86_400_000],
  ["HOUR", 3_600_000],
  ["MINUTE", 60_000],
  ["SECOND", 1_000],
] as const;

export const FLINK: Dialect = {
  engine: "Flink",
  // A time attribute of Flink has three digits.
  types: { ...COMMON_TYPES, "TIMESTAMP WITH TIME ZONE": "TIMESTAMP_LTZ(3)" },
  text: (text) => `'${text.replaceAll("'", "''")}'`,
  array: (element) => `ARRAY<${element}>`,
  interval: flinkInterval,
  isDistinct: (a, b) => `${a} IS DISTINCT FROM ${b}`,
  functions: COMMON_FUNCTIONS,
  nullsLast: " NULLS LAST",
};

export const SPARK: Dialect = {
  engine: "Spark",
  types: { ...COMMON_TYPES, "TIMESTAMP WITH TIME ZONE": "TIMESTAMP" },
  // Two quotes are two texts in older ones, and a backslash begins an escape.
  text: (text) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`,
  array: (element) => `ARRAY<${element}>`,
  interval: (ms) => `INTERVAL '${ms}' MILLISECOND`,
  isDistinct: (a, b) => `NOT (${a} <=> ${b})`,
  functions: COMMON_FUNCTIONS,
  nullsLast: " NULLS LAST",
};

export const DIALECTS: Readonly<Record<ExportTarget, Dialect>> = { flink: FLINK, spark: SPARK };

/** Both take the same; a quote within is doubled. */
export function quoted(name: string): string {
  return `\`${name.replaceAll("`", "``")}\``;
}

/** Of a type of the lake's SQL. @throws JobRefused */
export function typeText(dialect: Dialect, type: string, at: number | null): string {
  if (type.endsWith("[]")) return dialect.array(typeText(dialect, type.slice(0, -2), at));
  if (/^DECIMAL\(\d+,\d+\)$/.test(type)) return type.replace(",", ", ");
  const known = dialect.types[type];
  if (known !== undefined) return known;
  throw new JobRefused(at, `The type ${type} has no likeness in ${dialect.engine} here.`);
}

/** The leading field has two digits unless it says more; two parts of one are written as the smaller unit. */
function flinkInterval(ms: number): string {
  const found = UNITS_MS.find(([, unit]) => ms % unit === 0);
  if (!found) {
    const digits = String(Math.floor(ms / 1_000)).length;
    return `INTERVAL '${(ms / 1_000).toFixed(3)}' SECOND(${Math.max(digits, 2)}, 3)`;
  }
  const [name, unit] = found;
  const value = String(ms / unit);
  return `INTERVAL '${value}' ${name}${value.length > 2 ? `(${value.length})` : ""}`;
}
