/**
 * What the decoder should make of an event, said slowly: values by type, what is left over, why it is rejected.
 * Written from design §3, with BigInt fractions and `Date`, without the code under test.
 */
import type { Column, ColumnType } from "../../../core/columns.ts";
import { exactly, isSame, type Node, parseSlowly } from "./slow-json.ts";

/** Values as DuckDB's are turned into by `plain`: longs, times (µs) and unscaled decimals as bigint. */
export type Plain = null | string | boolean | number | bigint | Plain[] | { [field: string]: Plain };

/** The value as what it must be, for tests that know. */
export function as<K extends keyof Kinds>(kind: K, value: Plain | undefined): Kinds[K] {
  const isOne =
    kind === "list" ? Array.isArray(value) : kind === "struct" ? isStruct(value) : typeof value === kind;
  if (!isOne) throw new Error(`${typeof value} where ${kind} was expected`);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- just checked
  return value as Kinds[K];
}

interface Kinds {
  readonly string: string;
  readonly number: number;
  readonly bigint: bigint;
  readonly list: readonly Plain[];
  readonly struct: { readonly [field: string]: Plain };
}

function isStruct(value: Plain | undefined): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What is kept aside: text of a value, or of values further inside. */
export type Kept = string | Map<string, Kept>;

export class Rejected extends Error {
  readonly code: string;
  readonly pointer: string;

  constructor(code: string, pointer: string) {
    super(code);
    this.code = code;
    this.pointer = pointer;
  }
}

/** @throws Rejected */
export function expectedValue(
  type: ColumnType,
  node: Node,
  at: string,
  keep: (path: readonly string[], raw: string) => void,
): Plain {
  if (node.kind === "literal" && node.value === null) return null;
  const refuse = (code: string): never => {
    throw new Rejected(`event.${code}`, at);
  };
  switch (type.kind) {
    case "json":
      return node.raw;
    case "string":
      return node.kind === "string" ? node.value : refuse("value_type");
    case "boolean":
      return node.kind === "literal" && node.value !== null ? node.value : refuse("value_type");
    case "double": {
      if (node.kind !== "number") return refuse("value_type");
      const value = Number(node.raw);
      if (!Number.isFinite(value)) return refuse("value_out_of_range");
      if (!isSame(exactly(node.raw), exactly(String(value)))) keep([], node.raw);
      return value;
    }
    case "long":
      return node.kind === "number" ? scaled(node.raw, 0, 19, refuse, 2n ** 63n) : refuse("value_type");
    case "decimal": {
      const { precision, scale, quoted } = type;
      if (!quoted)
        return node.kind === "number" ? scaled(node.raw, scale, precision, refuse) : refuse("value_type");
      if (node.kind !== "string" || !/^-?[0-9]+(\.[0-9]+)?$/.test(node.value)) return refuse("value_type");
      return scaled(node.value, scale, precision, refuse);
    }
    case "date": {
      if (node.kind !== "string" || !isCalendarDay(node.value)) return refuse("value_type");
      return Date.parse(`${node.value}T00:00:00Z`) / 86_400_000;
    }
    case "timestamp": {
      const instant = node.kind === "string" ? instantOf(node.value) : undefined;
      if (!instant) return refuse("value_type");
      if (instant.us < -62_135_596_800_000_000n || instant.us > 253_402_300_799_999_999n)
        return refuse("value_out_of_range");
      if (instant.isCut) keep([], node.raw);
      return instant.us;
    }
    case "list":
      if (node.kind !== "array") return refuse("value_type");
      return node.items.map((item, i) =>
        expectedValue(type.element, item, `${at}/${i}`, (path, raw) => keep([String(i), ...path], raw)),
      );
    case "struct":
      if (node.kind !== "object") return refuse("value_type");
      return expectedFields(
        type.fields.map((column) => ({ column, field: column.name })),
        node,
        at,
        keep,
      );
    default:
      throw new Error(`no JSON value is ${type.kind}`);
  }
}

/** Fields in the event's own order, because the first bad one decides. */
export function expectedFields(
  fields: readonly { readonly column: Column; readonly field: string }[],
  node: Node & { kind: "object" },
  at: string,
  keep: (path: readonly string[], raw: string) => void,
): { [field: string]: Plain } {
  const values = new Map<string, Plain>(fields.map(({ column }) => [column.name, null]));
  for (const [key, child] of node.entries) {
    const known = fields.find(({ field }) => field === key);
    if (known) {
      const pointer = `${at}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      const value = expectedValue(known.column.type, child, pointer, (path, raw) =>
        keep([key, ...path], raw),
      );
      values.set(known.column.name, value);
    } else keep([key], child.raw);
  }
  return Object.fromEntries(values);
}

/** The leftovers as a tree; a leaf is the value's text. */
export function keeper(): {
  readonly kept: Map<string, Kept>;
  keep: (path: readonly string[], raw: string) => void;
} {
  const kept = new Map<string, Kept>();
  return {
    kept,
    keep: (path, raw) => {
      let level = kept;
      for (const step of path.slice(0, -1)) {
        let inner = level.get(step);
        if (!(inner instanceof Map)) level.set(step, (inner = new Map<string, Kept>()));
        level = inner;
      }
      level.set(path.at(-1)!, raw);
    },
  };
}

/** The same tree from the text of `extra`, opened as far as `like` is. */
export function keptTree(text: string, like: Map<string, Kept>): Kept {
  const walk = (node: Node, guide: Kept | undefined): Kept => {
    if (!(guide instanceof Map) || node.kind !== "object") return node.raw;
    return new Map(node.entries.map(([key, child]) => [key, walk(child, guide.get(key))]));
  };
  return walk(parseSlowly(text), like);
}

export function instantOf(text: string): { us: bigint; isCut: boolean; picos: string } | undefined {
  const match = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([-+])(\d\d):(\d\d))$/.exec(
    text,
  );
  if (!match) return undefined;
  const [, day, hour, minute, second, fraction = "", sign, zoneHour = "0", zoneMinute = "0"] = match;
  if (!isCalendarDay(day!)) return undefined;
  if (+hour! > 23 || +minute! > 59 || +second! > 60 || +zoneHour > 23 || +zoneMinute > 59) return undefined;
  const zone = BigInt((+zoneHour * 60 + +zoneMinute) * 60 * (sign === "-" ? -1 : 1));
  const seconds =
    BigInt(Date.parse(`${day}T00:00:00Z`)) / 1000n + BigInt(+hour! * 3600 + +minute! * 60 + +second!) - zone;
  const isLeap = second === "60";
  if (isLeap && seconds % 86_400n !== 0n) return undefined;
  const digits = isLeap ? "" : fraction;
  const us = seconds * 1_000_000n + BigInt(digits.slice(0, 6).padEnd(6, "0"));
  return { us, isCut: isLeap || /[1-9]/.test(digits.slice(6)), picos: digits.slice(6).replace(/0+$/, "") };
}

function isCalendarDay(text: string): boolean {
  const date = new Date(`${text}T00:00:00Z`);
  return (
    /^\d{4}-\d\d-\d\d$/.test(text) &&
    !text.startsWith("0000") &&
    !Number.isNaN(date.getTime()) &&
    date.toISOString().startsWith(text)
  );
}

function scaled(
  token: string,
  scale: number,
  digits: number,
  refuse: (code: string) => never,
  limit?: bigint,
): bigint {
  const { numerator, denominator } = exactly(token);
  const shifted = numerator * 10n ** BigInt(scale);
  const magnitude = (shifted < 0n ? -shifted : shifted) / denominator;
  if (magnitude >= 10n ** BigInt(digits)) return refuse("value_out_of_range");
  if (shifted % denominator !== 0n) return refuse("value_inexact");
  const value = shifted / denominator;
  if (limit !== undefined && (value >= limit || value < -limit)) return refuse("value_out_of_range");
  return value;
}
