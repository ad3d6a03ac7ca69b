/**
 * Reads fields of parsed JSON (or of rows of a Parquet table checkpoint, where 64-bit integers are bigints) with
 * their types checked. Anything unexpected is table.corrupt: a log that we misread is worse than one we refuse.
 */
import { MuaraError } from "../../core/errors.ts";

export type Fields = Readonly<Record<string, unknown>>;

export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function corrupt(message: string, cause?: unknown): MuaraError {
  return new MuaraError("table.corrupt", message, cause === undefined ? {} : { cause });
}

export function textField(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== "string") throw corrupt(`${name} is not a text`);
  return value;
}

export function optionalText(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  return value === undefined || value === null ? undefined : textField(fields, name);
}

/** An integer that a double holds exactly. */
export function integerField(fields: Fields, name: string): number {
  const value = fields[name];
  const integer = typeof value === "bigint" ? Number(value) : value;
  if (typeof integer !== "number" || !Number.isSafeInteger(integer))
    throw corrupt(`${name} is not an integer`);
  return integer;
}

export function optionalInteger(fields: Fields, name: string): number | undefined {
  const value = fields[name];
  return value === undefined || value === null ? undefined : integerField(fields, name);
}

export function bigintField(fields: Fields, name: string): bigint {
  const value = fields[name];
  if (typeof value === "bigint") return value;
  throw corrupt(`${name} is not a 64-bit integer`);
}

export function booleanField(fields: Fields, name: string): boolean {
  const value = fields[name];
  if (typeof value !== "boolean") throw corrupt(`${name} is not a boolean`);
  return value;
}

export function textList(fields: Fields, name: string): readonly string[] {
  const value = fields[name] ?? [];
  if (!Array.isArray(value)) throw corrupt(`${name} is not a list`);
  return value.map((item: unknown) => {
    if (typeof item !== "string") throw corrupt(`${name} holds something else than texts`);
    return item;
  });
}

/** A map of texts; absent counts as empty. */
export function textMap(fields: Fields, name: string): Readonly<Record<string, string>> {
  const map: Record<string, string> = {};
  for (const [key, value] of Object.entries(nullableTextMap(fields, name))) {
    if (value === null) throw corrupt(`${name}.${key} is null`);
    map[key] = value;
  }
  return map;
}

export function nullableTextMap(fields: Fields, name: string): Readonly<Record<string, string | null>> {
  const value = fields[name] ?? {};
  if (!isFields(value)) throw corrupt(`${name} is not a map`);
  const map: Record<string, string | null> = {};
  for (const [key, item] of Object.entries(value)) {
    if (item !== null && item !== undefined && typeof item !== "string")
      throw corrupt(`${name}.${key} is no text`);
    map[key] = item ?? null;
  }
  return map;
}
