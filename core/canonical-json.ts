/**
 * One text for one JSON value (RFC 8785, JSON Canonicalization Scheme): members sorted by UTF-16 code units, no space,
 * numbers and strings as ECMAScript writes them. So that a hash of a value is a hash of what it says.
 */
import { assert } from "./assert.ts";

export type CanonicalValue =
  | string
  | number
  | boolean
  | null
  | readonly CanonicalValue[]
  | { readonly [member: string]: CanonicalValue | undefined };

/** @param value members that are undefined are left out; numbers are finite, strings have no lone surrogates */
export function canonicalJson(value: CanonicalValue): string {
  if (typeof value === "number") assert(Number.isFinite(value), "JSON has finite numbers only");
  if (typeof value === "string") assert(value.isWellFormed(), "a lone surrogate has no canonical form");
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item: CanonicalValue) => canonicalJson(item)).join(",")}]`;
  const members = Object.entries(value as Readonly<Record<string, CanonicalValue | undefined>>)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${canonicalJson(name)}:${canonicalJson(member!)}`).join(",")}}`;
}
