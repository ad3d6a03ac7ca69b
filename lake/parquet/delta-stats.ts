/**
 * Delta's file statistics (protocol, "Per-file Statistics") from those of the Parquet row groups, so that
 * readers can skip files. A bound may be wide, never narrow; where in doubt there is none (research/lake.md §5).
 *
 * Surprising rules: times get milliseconds, the maximum rounded up, since some readers drop the rest. Times
 * beyond what 64-bit nanoseconds hold have no bound: readers that parse bounds that way would fail.
 */
import type { RowGroup, Statistics } from "hyparquet";
import type { Column } from "../../core/columns.ts";

/** Columns with bounds, from the left; Delta's own default. Further ones would only bloat the log. */
const COLUMNS_WITH_STATS = 32;
const STRING_LENGTH_MAX = 32;
const DAY_MS = 86_400_000n;
const TIME_MIN_US: bigint = BigInt(Date.UTC(1678, 0, 1)) * 1_000n;
const TIME_MAX_US: bigint = BigInt(Date.UTC(2262, 0, 1)) * 1_000n;
const DATE_MIN = Number(BigInt(Date.UTC(1678, 0, 1)) / DAY_MS);
const DATE_MAX = Number(BigInt(Date.UTC(2262, 0, 1)) / DAY_MS);

interface Bounds {
  min: unknown;
  max: unknown;
  nulls: bigint;
  isKnown: boolean;
}

/** @returns JSON text for `add.stats` */
export function deltaStats(columns: readonly Column[], rows: number, groups: readonly RowGroup[]): string {
  const minimums: string[] = [];
  const maximums: string[] = [];
  const nullCounts: string[] = [];
  for (const column of columns.filter(isFlat).slice(0, COLUMNS_WITH_STATS)) {
    const bounds = boundsOf(column.name, groups);
    if (!bounds.isKnown) continue;
    const name = JSON.stringify(column.name);
    nullCounts.push(`${name}:${bounds.nulls}`);
    const min = jsonBound(column, bounds.min, false);
    const max = jsonBound(column, bounds.max, true);
    if (min === undefined || max === undefined) continue;
    minimums.push(`${name}:${min}`);
    maximums.push(`${name}:${max}`);
  }
  return (
    `{"numRecords":${rows},"minValues":{${minimums.join(",")}},` +
    `"maxValues":{${maximums.join(",")}},"nullCount":{${nullCounts.join(",")}}}`
  );
}

/** Columns that the writer makes statistics of. */
export function isFlat(column: Column): boolean {
  const { kind } = column.type;
  return kind !== "struct" && kind !== "list" && kind !== "binary" && kind !== "json";
}

function boundsOf(name: string, groups: readonly RowGroup[]): Bounds {
  const bounds: Bounds = { min: undefined, max: undefined, nulls: 0n, isKnown: true };
  for (const group of groups) {
    const chunk = group.columns.find(({ meta_data: data }) => {
      return data?.path_in_schema.length === 1 && data.path_in_schema[0] === name;
    });
    const statistics: Statistics | undefined = chunk?.meta_data?.statistics;
    if (statistics?.null_count === undefined) return { ...bounds, isKnown: false };
    bounds.nulls += statistics.null_count;
    const { min_value: min, max_value: max } = statistics;
    if (min === undefined || max === undefined) continue;
    if (bounds.min === undefined || isBelow(min, bounds.min)) bounds.min = min;
    if (bounds.max === undefined || isBelow(bounds.max, max)) bounds.max = max;
  }
  return bounds;
}

/** Strings by UTF-16 units would differ from readers' byte order; only code points are compared. */
function isBelow(a: unknown, b: unknown): boolean {
  if (typeof a === "string" && typeof b === "string") return compareCodePoints(a, b) < 0;
  if (typeof a === "bigint" || typeof a === "number") {
    if (typeof b === "bigint" || typeof b === "number") return a < b;
  }
  return false;
}

function compareCodePoints(a: string, b: string): number {
  const left = Array.from(a, (character) => character.codePointAt(0)!);
  const right = Array.from(b, (character) => character.codePointAt(0)!);
  for (let i = 0; i < left.length && i < right.length; i++)
    if (left[i] !== right[i]) return left[i]! - right[i]!;
  return left.length - right.length;
}

/** JSON text of one bound; undefined where it is better not said. */
function jsonBound(column: Column, value: unknown, isMax: boolean): string | undefined {
  const { type } = column;
  switch (type.kind) {
    case "string":
      return typeof value === "string" ? stringBound(value, isMax) : undefined;
    case "long":
      return typeof value === "bigint" || typeof value === "number" ? String(value) : undefined;
    case "double":
      return typeof value === "number" && Number.isFinite(value) ? JSON.stringify(value) : undefined;
    case "decimal":
      return typeof value === "bigint" ? decimalText(value, type.scale) : undefined;
    case "timestamp":
      return typeof value === "bigint" ? timeBound(value, isMax) : undefined;
    case "date":
      return typeof value === "number" && value > DATE_MIN && value < DATE_MAX
        ? `"${isoTime(BigInt(value) * DAY_MS).slice(0, 10)}"`
        : undefined;
    default:
      return undefined; // booleans: two values never skip a file
  }
}

function timeBound(us: bigint, isMax: boolean): string | undefined {
  if (us <= TIME_MIN_US || us >= TIME_MAX_US) return undefined;
  const up = isMax ? 999n : 0n;
  const shifted = us + up;
  const ms = shifted >= 0n ? shifted / 1_000n : (shifted - 999n) / 1_000n;
  return `"${isoTime(ms)}"`;
}

function isoTime(ms: bigint): string {
  return new Date(Number(ms)).toISOString();
}

/** A prefix bounds from below; from above its last character that has a successor is raised. */
function stringBound(value: string, isMax: boolean): string | undefined {
  const characters = Array.from(value.slice(0, STRING_LENGTH_MAX * 2 + 2));
  const isWhole = characters.length <= STRING_LENGTH_MAX && value.length <= STRING_LENGTH_MAX * 2;
  if (isWhole) return JSON.stringify(value);
  const prefix = characters.slice(0, STRING_LENGTH_MAX);
  if (!isMax) return JSON.stringify(prefix.join(""));
  for (let last = prefix.length - 1; last >= 0; last--) {
    const code = prefix[last]!.codePointAt(0)!;
    if (code >= 0x10_ffff) continue;
    const next = code === 0xd7ff ? 0xe000 : code + 1;
    return JSON.stringify(prefix.slice(0, last).join("") + String.fromCodePoint(next));
  }
  return undefined;
}

/** An unscaled value with its decimal point. */
export function decimalText(unscaled: bigint, scale: number): string {
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, "0");
  const whole = digits.slice(0, digits.length - scale);
  const sign = unscaled < 0n ? "-" : "";
  return scale === 0 ? sign + whole : `${sign}${whole}.${digits.slice(digits.length - scale)}`;
}
