/**
 * Columns of the lake as columns of PostgreSQL, and their values as the text that PostgreSQL reads. Captured columns
 * get back the type that they have in the source, as far as every server knows it; a type of the source's own is text.
 */
import { unreachable } from "../../core/assert.ts";
import type { ColumnType } from "../../core/columns.ts";
import type { SinkColumn } from "../../core/ports/sink.ts";
import { decimalText, unscaled, valueJson } from "../../core/row-json.ts";

const MICROS = 1_000_000n;
const DAY_MS = 86_400_000;
/** Date holds no more, ms. */
const DATE_MS_MAX = 8_640_000_000_000_000;

/** Types that every server has, by the names that format_type() gives them, without modifier and brackets. */
const KNOWN: ReadonlySet<string> = new Set(
  (
    "bigint,bit varying,boolean,box,bytea,character varying,cidr,circle,date,daterange,datemultirange," +
    "double precision,inet,int4multirange,int4range,int8multirange,int8range,integer,interval,json,jsonb,line,lseg," +
    "macaddr,macaddr8,money,nummultirange,numeric,numrange,path,pg_lsn,point,polygon,text,time without time zone," +
    "time with time zone,timestamp without time zone,timestamp with time zone,tsmultirange,tsquery,tsrange," +
    "tstzmultirange,tstzrange,tsvector,uuid,xml"
  ).split(","),
);
/**
 * What an event type says of a column stays as it was while the column's type only grows (varchar(10) to varchar(20),
 * smallint to integer): so modifiers are left out, and narrow types are the widest that look the same.
 */
const WIDENED: Readonly<Record<string, string>> = {
  character: "text",
  bit: "bit varying",
  smallint: "integer",
  real: "double precision",
};
/** Text that is not PostgreSQL's own of it: what the change has is base64. */
const IN_BASE64 = "bytea";

/** @returns as DDL writes it */
export function postgresType({ type, sourceType }: SinkColumn): string {
  if (type.kind === "decimal" && sourceType?.startsWith("numeric")) return typeOf(type);
  return (sourceType === undefined ? undefined : knownType(sourceType)) ?? typeOf(type);
}

/** Whether a column takes what stands beside it as PostgreSQL's own text (core/change.ts). */
export function takesOwnText(column: SinkColumn): boolean {
  return postgresType(column) !== "jsonb";
}

/** undefined: a type of the source's own, or one that is left to the lake's. */
function knownType(sourceType: string): string | undefined {
  const brackets = /(\[\])*$/.exec(sourceType)![0];
  const bare = sourceType
    .slice(0, sourceType.length - brackets.length)
    .replace(/\(\d+(,-?\d+)?\)/, "")
    .replace(/^interval .*/, "interval");
  // A change has the elements of these as they are: taken apart they would lose digits.
  if (brackets !== "" && /^jsonb?$/.test(bare)) return undefined;
  const name = Object.hasOwn(WIDENED, bare) ? WIDENED[bare]! : bare;
  return KNOWN.has(name) ? name + (brackets === "" ? "" : "[]") : undefined;
}

function typeOf(type: ColumnType): string {
  switch (type.kind) {
    case "string":
      return "text";
    case "long":
      return "bigint";
    case "double":
      return "double precision";
    case "boolean":
    case "date":
      return type.kind;
    case "timestamp":
      return "timestamp with time zone";
    case "binary":
      return "bytea";
    case "decimal":
      return `numeric(${type.precision},${type.scale})`;
    case "json":
    case "struct":
      return "jsonb";
    case "list":
      return isFlat(type.element) ? `${typeOf(type.element)}[]` : "jsonb";
    default:
      return unreachable(type);
  }
}

/** Lists in lists may have several lengths, which arrays of PostgreSQL must not. */
function isFlat({ kind }: ColumnType): boolean {
  return kind !== "list" && kind !== "struct" && kind !== "json";
}

/** A value as PostgreSQL reads it in any context; null for NULL. */
export type TextOf = (value: unknown) => string | null;

export function textOf(column: SinkColumn): TextOf {
  const plain = plainTextOf(column);
  return (value) => (value === null || value === undefined ? null : plain(value));
}

function plainTextOf(column: SinkColumn): (value: unknown) => string {
  const { type, sourceType = "" } = column;
  if (type.kind === "string" && sourceType === IN_BASE64) return bytesText;
  if (type.kind === "json" && sourceType.endsWith("[]") && knownType(sourceType) !== undefined) {
    const element = sourceType.startsWith(IN_BASE64) ? bytesText : asText;
    return (value) => literalOf(JSON.parse(String(value)) as unknown, element);
  }
  return plainText(type);
}

/** An array of PostgreSQL, of any depth. Integers and decimals are texts in a change: no digit is lost. */
function literalOf(value: unknown, element: (value: unknown) => string): string {
  if (value === null) return "NULL";
  if (Array.isArray(value)) return `{${value.map((one) => literalOf(one, element)).join(",")}}`;
  return inQuotes(element(value));
}

function inQuotes(text: string): string {
  return `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}

function plainText(type: ColumnType): (value: unknown) => string {
  switch (type.kind) {
    case "string":
    case "json":
    case "long":
    case "double":
      return asText;
    case "boolean":
      return (value) => (value === true || value === "true" ? "t" : "f");
    case "timestamp":
      return (value) => (typeof value === "string" ? value : timestampText(value as bigint));
    case "date":
      return (value) => (typeof value === "string" ? value : dateText(Number(value)));
    case "binary":
      return bytesText;
    case "decimal":
      return (value) => (typeof value === "string" ? value : decimalText(unscaled(value), type.scale));
    case "struct":
      return (value) => valueJson(type, value);
    case "list":
      return isFlat(type.element) ? arrayText(type.element) : (value) => valueJson(type, value);
    default:
      return unreachable(type);
  }
}

function asText(value: unknown): string {
  if (typeof value === "string") return value;
  return Object.is(value, -0) ? "-0" : String(value);
}

function bytesText(value: unknown): string {
  const bytes = typeof value === "string" ? Buffer.from(value, "base64") : Buffer.from(value as Uint8Array);
  return `\\x${bytes.toString("hex")}`;
}

function arrayText(element: ColumnType): (value: unknown) => string {
  const plain = plainText(element);
  const one = (value: unknown): string =>
    value === null || value === undefined ? "NULL" : inQuotes(plain(value));
  return (value) =>
    typeof value === "string" ? value : `{${(value as readonly unknown[]).map(one).join(",")}}`;
}

/** UTC with six digits; years before Christ and beyond 9999 as PostgreSQL has them. */
function timestampText(us: bigint): string {
  // Integers are far quicker, and hold everything up to the year 2255.
  const number = Number(us);
  const isSafe = number >= 0 && number <= Number.MAX_SAFE_INTEGER;
  const below = isSafe ? number % 1_000_000 : Number(((us % MICROS) + MICROS) % MICROS);
  const ms = isSafe ? (number - below) / 1_000 : Number((us - BigInt(below)) / 1_000n);
  const [date, era, time] = dayText(ms);
  return `${date} ${time}.${String(below).padStart(6, "0")}+00${era}`;
}

function dateText(days: number): string {
  const [date, era] = dayText(days * DAY_MS);
  return date + era;
}

function dayText(ms: number): readonly [date: string, era: string, time: string] {
  // Beyond, PostgreSQL has no timestamp either, and says so.
  if (Math.abs(ms) > DATE_MS_MAX) return ["out of range", "", ""];
  const text = new Date(ms).toISOString();
  if (text.length === 24 && !text.startsWith("0000")) return [text.slice(0, 10), "", text.slice(11, 19)];
  const year = new Date(ms).getUTCFullYear();
  const number = year > 0 ? year : 1 - year;
  const monthAndDay = text.slice(-19, -14);
  return [`${String(number).padStart(4, "0")}-${monthAndDay}`, year > 0 ? "" : " BC", text.slice(-13, -5)];
}

/** One field of COPY's text format. */
export function copyField(text: string | null): string {
  if (text === null) return "\\N";
  return /[\\\t\n\r]/.test(text) ? text.replaceAll(/[\\\t\n\r]/g, escapeOf) : text;
}

function escapeOf(letter: string): string {
  switch (letter) {
    case "\t":
      return "\\t";
    case "\n":
      return "\\n";
    case "\r":
      return "\\r";
    default:
      return "\\\\";
  }
}

/** A name as SQL takes it, whatever is in it. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
