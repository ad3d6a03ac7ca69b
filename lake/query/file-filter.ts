/**
 * Whether a file can have rows that a query wants: by its partition values, and by the least and greatest values that
 * the table's log has of its columns. Bounds may be wide, and never are narrow (delta-stats.ts); those of other writers
 * may be cut off or rounded, so texts are compared as beginnings and times with a second to spare. What is not known,
 * of a type without an order that every writer agrees on, or written in any unusual way, leaves nothing out.
 */
import type { AddFile } from "../../core/ports/table-log.ts";
import { type DeltaType, parseSchema } from "../table/delta-schema.ts";
import type { Constant, Restriction } from "./restriction.ts";

/** Statistics may be in milliseconds, cut off, where rows have microseconds. */
const TIME_SLACK_US = 1_000_000n;
const DATE = /^\d{4}-\d\d-\d\d$/;
const TIME = /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?)?(Z|[+-]\d\d(?::\d\d)?)?$/;

type Value = string | bigint;

/** How values of one type of column are compared. */
interface Order {
  /** @returns undefined where it means something else to the engine, or nothing */
  constant(constant: Constant): Value | undefined;
  /** A value of the log: statistics, or the text of a partition. */
  bound(stored: unknown): Value | undefined;
  /** Whether `value` is less than everything that has the lower bound `least`. */
  isBelow(value: Value, least: Value): boolean;
  isAbove(value: Value, most: Value): boolean;
  /** Bounds are values that rows have, to the last digit. */
  readonly isExact: boolean;
}

interface Bounds {
  readonly least: Value | undefined;
  readonly most: Value | undefined;
  readonly hasValues: boolean;
}

/**
 * @param mentions restrictions per mention of the table in the query; an empty list wants everything
 * @param schemaString Delta schema of the table
 */
export function fileFilter(
  mentions: readonly (readonly Restriction[])[],
  schemaString: string,
  partitionColumns: readonly string[],
): (file: Pick<AddFile, "partitionValues" | "stats">) => boolean {
  const { fields } = parseSchema(schemaString);
  const tests = mentions.map((restrictions) =>
    restrictions.flatMap(({ column, operator, values }) => {
      const field = fields.find(({ name }) => name.toLowerCase() === column);
      const order = field && orderOf(field.type);
      const constants = order ? values.map((value) => order.constant(value)) : [];
      const known = constants.filter((constant) => constant !== undefined);
      if (!field || !order || known.length < values.length) return [];
      const isPartition = partitionColumns.includes(field.name);
      return [{ name: field.name, isPartition, order, operator, constants: known }];
    }),
  );
  if (tests.some((each) => each.length === 0)) return () => true;
  return (file) =>
    tests.some((each) =>
      each.every(({ name, isPartition, order, operator, constants }) => {
        const bounds = isPartition ? partitionBounds(file, name, order) : statedBounds(file, name, order);
        return bounds.hasValues && mayHold(operator, constants, bounds, order);
      }),
    );
}

function mayHold(
  operator: Restriction["operator"],
  constants: readonly Value[],
  { least, most }: Bounds,
  order: Order,
): boolean {
  const isBelow = (value: Value): boolean => least !== undefined && order.isBelow(value, least);
  const isAbove = (value: Value): boolean => most !== undefined && order.isAbove(value, most);
  const [first, second] = [constants[0]!, constants[1]];
  switch (operator) {
    case "=":
    case "in":
      return constants.some((value) => !isBelow(value) && !isAbove(value));
    case "<":
      return !isBelow(first) && !(order.isExact && first === least);
    case "<=":
      return !isBelow(first);
    case ">":
      return !isAbove(first) && !(order.isExact && first === most);
    case ">=":
      return !isAbove(first);
    default:
      return !isAbove(first) && !isBelow(second!);
  }
}

/** Of a partition all rows have the same value; no comparison with NULL is true. */
function partitionBounds(
  { partitionValues }: Pick<AddFile, "partitionValues">,
  name: string,
  order: Order,
): Bounds {
  const value = partitionValues[name];
  if (value == null || value === "") return { least: undefined, most: undefined, hasValues: false };
  const bound = order.bound(value);
  return { least: bound, most: bound, hasValues: true };
}

function statedBounds(file: Pick<AddFile, "stats">, name: string, order: Order): Bounds {
  const { numRecords, minValues, maxValues, nullCount } = statisticsOf(file);
  const nulls = nullCount?.[name];
  return {
    least: order.bound(minValues?.[name]),
    most: order.bound(maxValues?.[name]),
    hasValues: numRecords === undefined || nulls !== numRecords,
  };
}

type Named = Readonly<Record<string, unknown>>;
interface Statistics {
  readonly numRecords?: number;
  readonly minValues?: Named;
  readonly maxValues?: Named;
  readonly nullCount?: Named;
}

/** A snapshot keeps its files from version to version. */
const parsed = new WeakMap<object, Statistics>();

function statisticsOf(file: Pick<AddFile, "stats">): Statistics {
  const known = parsed.get(file);
  if (known) return known;
  let statistics: Statistics = {};
  try {
    const read: unknown = file.stats === undefined ? undefined : JSON.parse(file.stats);
    if (typeof read === "object" && read !== null) statistics = read;
  } catch {
    // They are a hint; without them the file is read.
  }
  parsed.set(file, statistics);
  return statistics;
}

function orderOf(type: DeltaType): Order | undefined {
  if (typeof type !== "string") return undefined;
  return ORDERS[type];
}

const byNumber = (slack: bigint): Pick<Order, "isBelow" | "isAbove"> => ({
  isBelow: (value, least) => BigInt(value) < BigInt(least) - slack,
  isAbove: (value, most) => BigInt(value) > BigInt(most) + slack,
});

const INTEGERS: Order = {
  ...byNumber(0n),
  isExact: true,
  constant: (constant) => (constant.kind === "integer" ? BigInt(constant.value) : undefined),
  // Larger ones were rounded when they were read.
  bound: (stored) => {
    if (typeof stored === "number" && Number.isSafeInteger(stored)) return BigInt(stored);
    return typeof stored === "string" && /^-?\d{1,18}$/.test(stored) ? BigInt(stored) : undefined;
  },
};

const DATES: Order = {
  isExact: true,
  isBelow: (value, least) => value < least,
  isAbove: (value, most) => value > most,
  constant: (constant) => {
    if (constant.kind !== "text" && constant.kind !== "date") return undefined;
    return dateOf(constant.text);
  },
  bound: (stored) => (typeof stored === "string" ? dateOf(stored) : undefined),
};

const TIMES: Order = {
  ...byNumber(TIME_SLACK_US),
  isExact: false,
  constant: (constant) => {
    if (constant.kind === "integer") return undefined;
    if (constant.kind === "date") return dateOf(constant.text) && timeOf(constant.text);
    // With TIMESTAMP the engine drops an offset.
    if (constant.kind === "timestamp" && /[Z+]|-\d\d(?::\d\d)?$/.test(constant.text.slice(10)))
      return undefined;
    return timeOf(constant.text);
  },
  bound: (stored) => (typeof stored === "string" ? timeOf(stored) : undefined),
};

const TEXTS: Order = {
  isExact: false,
  isBelow: (value, least) => compareUtf8(value, least) < 0,
  // A bound that was cut off stands for all that begins with it.
  isAbove: (value, most) => compareUtf8(value, most) > 0 && !String(value).startsWith(String(most)),
  constant: (constant) => (constant.kind === "text" ? constant.text : undefined),
  bound: (stored) => (typeof stored === "string" ? stored : undefined),
};

const ORDERS: Readonly<Record<string, Order>> = {
  long: INTEGERS,
  integer: INTEGERS,
  short: INTEGERS,
  byte: INTEGERS,
  date: DATES,
  timestamp: TIMES,
  string: TEXTS,
};

/** A real day written in full. */
function dateOf(text: string): string | undefined {
  if (!DATE.test(text)) return undefined;
  const atMs = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(atMs) && new Date(atMs).toISOString().startsWith(text) ? text : undefined;
}

/** µs since 1970 UTC; without an offset it is UTC, as in the engine. */
function timeOf(text: string): bigint | undefined {
  const [, day, time = "00:00:00", fraction = "", offset = "Z"] = TIME.exec(text) ?? [];
  if (day === undefined || dateOf(day) === undefined) return undefined;
  const zone = offset.length === 3 ? `${offset}:00` : offset;
  const atMs = Date.parse(`${day}T${time}${zone}`);
  return Number.isNaN(atMs) ? undefined : BigInt(atMs) * 1_000n + BigInt(fraction.padEnd(6, "0"));
}

/** As the engine does: by bytes. */
function compareUtf8(a: Value, b: Value): number {
  return Buffer.compare(Buffer.from(String(a)), Buffer.from(String(b)));
}
