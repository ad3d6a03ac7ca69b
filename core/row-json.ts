/**
 * Rows of data files as JSON texts, exactly: integers and decimals with all their digits, times with their
 * microseconds, JSON columns as their own text. Columns without a value are left out.
 */
import { assert, unreachable } from "./assert.ts";
import type { Column, ColumnType } from "./columns.ts";

const MICROS = 1_000_000n;
const DAY_MS = 86_400_000;

export function rowJson(columns: readonly Column[], row: Readonly<Record<string, unknown>>): string {
  const members: string[] = [];
  for (const { name, type } of columns) {
    const value = row[name];
    if (value !== null && value !== undefined)
      members.push(`${JSON.stringify(name)}:${valueJson(type, value)}`);
  }
  return `{${members.join(",")}}`;
}

/** What a data file holds of a column that has no parts. */
type Scalar = string | number | bigint | boolean;

/** @param value as a data file holds it */
export function valueJson(type: ColumnType, value: unknown): string {
  if (value === null || value === undefined) return "null";
  const scalar = value as Scalar;
  switch (type.kind) {
    case "string":
      return JSON.stringify(String(scalar));
    case "json":
    case "long":
      return String(scalar);
    case "boolean":
      return value === true ? "true" : "false";
    case "double":
      return doubleJson(Number(value));
    case "decimal":
      return decimalText(unscaled(value), type.scale);
    case "timestamp":
      return `"${timeText(value as bigint)}"`;
    case "date":
      return `"${new Date(Number(value) * DAY_MS).toISOString().slice(0, 10)}"`;
    case "binary":
      assert(value instanceof Uint8Array, "a binary value is bytes");
      return `"${Buffer.from(value).toString("base64")}"`;
    case "struct":
      return rowJson(type.fields, value as Record<string, unknown>);
    case "list":
      return `[${(value as readonly unknown[]).map((one) => valueJson(type.element, one)).join(",")}]`;
    default:
      return unreachable(type);
  }
}

/** What JSON has no number for is null. */
function doubleJson(value: number): string {
  return Object.is(value, -0) ? "-0" : JSON.stringify(value);
}

/** A big-endian two's complement integer, or a small one. */
export function unscaled(value: unknown): bigint {
  if (!(value instanceof Uint8Array)) return BigInt(value as bigint | number);
  let number = 0n;
  for (const byte of value) number = (number << 8n) | BigInt(byte);
  return BigInt.asIntN(value.length * 8, number);
}

export function decimalText(number: bigint, scale: number): string {
  if (scale === 0) return String(number);
  const sign = number < 0n ? "-" : "";
  const digits = String(number < 0n ? -number : number).padStart(scale + 1, "0");
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** ISO 8601 UTC with as many digits as there are, at least three. */
function timeText(us: bigint): string {
  const below = ((us % MICROS) + MICROS) % MICROS;
  const seconds = new Date(Number((us - below) / 1_000n)).toISOString().slice(0, 19);
  const digits = String(below).padStart(6, "0");
  return `${seconds}.${digits.endsWith("000") ? digits.slice(0, 3) : digits}Z`;
}
