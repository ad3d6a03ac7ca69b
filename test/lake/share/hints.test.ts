/** Hints may leave out only files that have no row which the client wants: random predicates against the rows. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AddFile } from "../../../core/ports/table-log.ts";
import { fileFilter } from "../../../lake/query/file-filter.ts";
import { alternativesOf, type Hints } from "../../../lake/share/hints.ts";
import { field, formatSchema, struct } from "../../../lake/table/delta-schema.ts";

const SCHEMA = formatSchema(
  struct(field("n", "long"), field("text", "string"), field("at", "timestamp"), field("day", "date")),
);

interface Row {
  readonly n: number | null;
  readonly text: string | null;
  readonly at: string | null;
}

const arbitraryRow = fc.record<Row>({
  n: fc.option(fc.integer({ min: -5, max: 5 })),
  text: fc.option(fc.constantFrom("a", "b", "b'c", "é")),
  at: fc.option(fc.integer({ min: 0, max: 5 }).map((s) => `2026-01-01T00:00:0${s}.000Z`)),
});
const arbitraryFile = fc.record({
  rows: fc.array(arbitraryRow, { minLength: 1, maxLength: 4 }),
  day: fc.constantFrom("2026-01-01", "2026-01-02", null),
});
type FileOfRows = typeof arbitraryFile extends fc.Arbitrary<infer F> ? F : never;

function addOf({ rows, day }: FileOfRows): AddFile {
  const bounds = (pick: (values: readonly (string | number)[]) => unknown): Record<string, unknown> =>
    Object.fromEntries(
      (["n", "text", "at"] as const).flatMap((name) => {
        const values = rows.map((row) => row[name]).filter((value) => value !== null);
        return values.length === 0
          ? []
          : [[name, pick([...values].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0)))]];
      }),
    );
  const stats = {
    numRecords: rows.length,
    minValues: bounds((values) => values[0]),
    maxValues: bounds((values) => values.at(-1)),
    nullCount: Object.fromEntries(
      (["n", "text", "at"] as const).map((name) => [name, rows.filter((row) => row[name] === null).length]),
    ),
  };
  const path = `day=${day ?? ""}/f.parquet`;
  return {
    path,
    partitionValues: { day },
    size: 1,
    modificationTime: 0,
    dataChange: true,
    stats: JSON.stringify(stats),
  };
}

type Column = "n" | "text" | "at" | "day";
const VALUE_TYPES = { n: "long", text: "string", at: "timestamp", day: "date" } as const;
const SYMBOLS = {
  equal: "=",
  lessThan: "<",
  lessThanOrEqual: "<=",
  greaterThan: ">",
  greaterThanOrEqual: ">=",
};

type Predicate =
  | {
      readonly op: keyof typeof SYMBOLS;
      readonly column: Column;
      readonly value: string;
      readonly isMirrored: boolean;
    }
  | { readonly op: "and" | "or"; readonly children: readonly Predicate[] }
  | { readonly op: "not"; readonly child: Predicate }
  | { readonly op: "isNull"; readonly column: Column };

const arbitraryLeaf: fc.Arbitrary<Predicate> = fc.oneof(
  fc.constantFrom<Column>("n", "text", "at", "day").chain((column) =>
    fc.record({
      op: fc.constantFrom<keyof typeof SYMBOLS>(
        "equal",
        "lessThan",
        "lessThanOrEqual",
        "greaterThan",
        "greaterThanOrEqual",
      ),
      column: fc.constant(column),
      value: valueOf(column),
      isMirrored: fc.boolean(),
    }),
  ),
  fc.record({
    op: fc.constant("isNull" as const),
    column: fc.constantFrom<Column>("n", "text", "at", "day"),
  }),
);

function valueOf(column: Column): fc.Arbitrary<string> {
  if (column === "n") return fc.integer({ min: -6, max: 6 }).map(String);
  if (column === "text") return fc.constantFrom("a", "b", "b'c", "é", "");
  if (column === "day") return fc.constantFrom("2026-01-01", "2026-01-02", "2026-01-03");
  return fc.integer({ min: 0, max: 6 }).map((s) => `2026-01-01T00:00:0${s}Z`);
}

const { predicate } = fc.letrec<{ predicate: Predicate }>((tie) => ({
  predicate: fc.oneof(
    { maxDepth: 3 },
    arbitraryLeaf,
    fc.record({
      op: fc.constantFrom<"and" | "or">("and", "or"),
      children: fc.array(tie("predicate"), { minLength: 2, maxLength: 3 }),
    }),
    fc.record({ op: fc.constant("not" as const), child: tie("predicate") }),
  ),
}));

function jsonOf(one: Predicate): unknown {
  if ("children" in one) return { op: one.op, children: one.children.map(jsonOf) };
  if ("child" in one) return { op: "not", children: [jsonOf(one.child)] };
  const column = { op: "column", name: one.column, valueType: VALUE_TYPES[one.column] };
  if (!("value" in one)) return { op: "isNull", children: [column] };
  const literal = { op: "literal", value: one.value, valueType: VALUE_TYPES[one.column] };
  return { op: one.op, children: one.isMirrored ? [literal, column] : [column, literal] };
}

/** SQL's three values: null is unknown. */
function holds(one: Predicate, row: Row, day: string | null): boolean | null {
  if ("children" in one) {
    const found = new Set(one.children.map((child) => holds(child, row, day)));
    const decided = one.op === "or";
    return found.has(decided) ? decided : found.has(null) ? null : !decided;
  }
  if ("child" in one) {
    const inner = holds(one.child, row, day);
    return inner === null ? null : !inner;
  }
  const stored = one.column === "day" ? day : row[one.column];
  if (!("value" in one)) return stored === null;
  if (stored === null) return null;
  const comparable = (value: string | number): string | number =>
    one.column === "n" ? Number(value) : one.column === "at" ? Date.parse(String(value)) : value;
  const [left, right] = one.isMirrored
    ? [comparable(one.value), comparable(stored)]
    : [comparable(stored), comparable(one.value)];
  const order = left < right ? -1 : left > right ? 1 : 0;
  return {
    equal: order === 0,
    lessThan: order < 0,
    lessThanOrEqual: order <= 0,
    greaterThan: order > 0,
    greaterThanOrEqual: order >= 0,
  }[one.op];
}

const keeps = (hints: Hints, file: FileOfRows): boolean =>
  fileFilter(alternativesOf(hints), SCHEMA, ["day"])(addOf(file));

describe("predicates as hints", () => {
  test("no tree of operations leaves out a file with a row that it wants", () => {
    let leftOut = 0;
    fc.assert(
      fc.property(predicate, arbitraryFile, (tree, file) => {
        const isKept = keeps({ jsonPredicateHints: JSON.stringify(jsonOf(tree)) }, file);
        if (!isKept) leftOut++;
        const isWanted = file.rows.some((row) => holds(tree, row, file.day) === true);
        expect(isWanted && !isKept).toBe(false);
      }),
      { numRuns: 3_000 },
    );
    expect(leftOut).toBeGreaterThan(100);
  });

  test("no list of SQL conditions leaves out a file with a row that it wants", () => {
    let leftOut = 0;
    const comparison = arbitraryLeaf.filter((one) => "value" in one);
    fc.assert(
      fc.property(fc.array(comparison, { maxLength: 3 }), arbitraryFile, (list, file) => {
        const predicateHints = list.map(sqlOf);
        const isKept = keeps({ predicateHints }, file);
        if (!isKept) leftOut++;
        const all: Predicate = { op: "and", children: list };
        const isWanted = file.rows.some((row) => holds(all, row, file.day) === true);
        expect(isWanted && !isKept).toBe(false);
      }),
      { numRuns: 3_000 },
    );
    expect(leftOut).toBeGreaterThan(100);
  });

  const file: FileOfRows = { rows: [{ n: 1, text: "b", at: null }], day: "2026-01-01" };

  test.each<[string, unknown]>([
    ["is no JSON", "{"],
    ["is a number", 7],
    ["has an unknown operation", { op: "like", children: [] }],
    ["has an operation that is a property of every object", { op: "constructor", children: [{}, {}] }],
    ["names an unknown column", equal("nothing", "1", "long")],
    ["compares with another type", equal("n", "x", "string")],
    ["compares with a number beyond what is exact", equal("n", "9007199254740993", "long")],
    ["has too few children", { op: "equal", children: [{ op: "column", name: "n" }] }],
    ["is too deep", deep(40)],
    ["has too many alternatives", wide(65)],
  ])("what %s leaves nothing out", (_what, hint) => {
    const jsonPredicateHints = typeof hint === "string" ? hint : JSON.stringify(hint);
    expect(keeps({ jsonPredicateHints }, file)).toBe(true);
  });

  test("up to the bounds it is understood", () => {
    expect(keeps({ jsonPredicateHints: JSON.stringify(deep(31)) }, file)).toBe(false);
    expect(keeps({ jsonPredicateHints: JSON.stringify(wide(64)) }, file)).toBe(false);
    expect(keeps({ predicateHints: ["`n` = 2"] }, file)).toBe(false);
    expect(keeps({ predicateHints: ["n <> 1", "n IS NULL", "n = 1 OR n = 2", "n = 2; DROP"] }, file)).toBe(
      true,
    );
  });
});

function sqlOf({ op, column, value, isMirrored }: Extract<Predicate, { value: string }>): string {
  const literal = column === "n" ? value : `'${value.replaceAll("'", "''")}'`;
  const parts = [column, SYMBOLS[op], literal];
  return (isMirrored ? parts.toReversed() : parts).join(" ");
}

function equal(name: string, value: string, valueType: string): unknown {
  const literal = { op: "literal", value, valueType };
  return { op: "equal", children: [{ op: "column", name, valueType }, literal] };
}

/** A condition that the file does not meet, below so many ANDs. */
function deep(depth: number): unknown {
  let tree: unknown = equal("n", "7", "long");
  for (let i = 0; i < depth; i++) tree = { op: "and", children: [tree] };
  return tree;
}

function wide(count: number): unknown {
  return {
    op: "or",
    children: Array.from({ length: count }, (_, i) => equal("n", String(100 + i), "long")),
  };
}
