import * as fc from "fast-check";
import type { RowGroup } from "hyparquet";
import { describe, expect, test } from "vitest";
import type { Column, ColumnType } from "../../../core/columns.ts";
import { decimalText, deltaStats } from "../../../lake/parquet/delta-stats.ts";
import { writeRows } from "../../../lake/parquet/rows.ts";

interface Stats {
  readonly numRecords: number;
  readonly minValues: Readonly<Record<string, string | number>>;
  readonly maxValues: Readonly<Record<string, string | number>>;
  readonly nullCount: Readonly<Record<string, number>>;
}

function statsOf(type: ColumnType, values: readonly unknown[]): Stats {
  const column: Column = { name: "v", type, nullable: true };
  const parsed: Stats = JSON.parse(
    writeRows(
      [column],
      values.map((v) => ({ v })),
    ).stats,
  );
  return parsed;
}

/** Order of UTF-8 bytes, which readers use. */
const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
const nullable = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<(T | null)[]> =>
  fc.array(fc.option(values), { minLength: 1, maxLength: 20 });
const present = <T>(values: readonly (T | null)[]): T[] => values.filter((value) => value !== null);

describe("bounds enclose every value", () => {
  const strings = fc.oneof(
    fc.string({ unit: "binary" }).filter((text) => text.isWellFormed()),
    fc.string({ unit: "grapheme", minLength: 30, maxLength: 70 }),
    fc
      .array(fc.constantFrom("\u{10ffff}", "\ud7ff", "z", "\uffff"), { minLength: 30, maxLength: 70 })
      .map((parts) => parts.join("")),
  );

  test("strings, by their bytes", () => {
    fc.assert(
      fc.property(nullable(strings), (values) => {
        const { minValues, maxValues, nullCount, numRecords } = statsOf({ kind: "string" }, values);
        const texts = present(values);
        expect([numRecords, nullCount["v"]]).toEqual([values.length, values.length - texts.length]);
        const [min, max] = [minValues["v"], maxValues["v"]];
        expect(min === undefined).toBe(max === undefined);
        for (const text of min === undefined ? [] : texts) {
          expect(byBytes(String(min), text)).toBeLessThanOrEqual(0);
          expect(byBytes(text, String(max))).toBeLessThanOrEqual(0);
        }
        expect(String(max ?? "").isWellFormed()).toBe(true);
        expect(Array.from(String(max ?? "")).length).toBeLessThanOrEqual(32);
        // Short ones are said exactly.
        const sorted = texts.toSorted(byBytes);
        const isShort = texts.every((text) => text.length <= 32);
        expect(isShort ? [min, max] : []).toEqual(isShort ? [sorted[0], sorted.at(-1)] : []);
      }),
      { numRuns: 300 },
    );
  });

  test("integers and doubles exactly", () => {
    fc.assert(
      fc.property(nullable(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })), (values) => {
        const column: Column = { name: "v", type: { kind: "long" }, nullable: true };
        const { stats } = writeRows(
          [column],
          values.map((v) => ({ v })),
        );
        const sorted = present(values).toSorted((a, b) => (a < b ? -1 : 1));
        const expected = sorted.length === 0 ? "{}" : `{"v":${sorted[0]}}`;
        expect(stats).toContain(`"minValues":${expected}`);
        expect(stats).toContain(`"maxValues":${expected.replace(String(sorted[0]), String(sorted.at(-1)))}`);
      }),
    );
    fc.assert(
      fc.property(nullable(fc.double({ noNaN: true, noDefaultInfinity: true })), (values) => {
        const { minValues, maxValues } = statsOf({ kind: "double" }, values);
        const numbers = present(values);
        const bounds =
          numbers.length === 0
            ? [undefined, undefined]
            : [Math.min(...numbers) + 0, Math.max(...numbers) + 0];
        expect([minValues["v"], maxValues["v"]]).toEqual(bounds);
      }),
    );
  });

  test("times to the millisecond, the upper bound rounded up", () => {
    const times = fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n });
    fc.assert(
      fc.property(nullable(times), (values) => {
        const { minValues, maxValues } = statsOf({ kind: "timestamp" }, values);
        const isSaid = minValues["v"] !== undefined;
        expect(maxValues["v"] !== undefined).toBe(isSaid);
        for (const us of isSaid ? present(values) : []) {
          const from = us - BigInt(Date.parse(String(minValues["v"]))) * 1_000n;
          const to = BigInt(Date.parse(String(maxValues["v"]))) * 1_000n - us;
          expect(from >= 0n && to >= 0n).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
    const near = statsOf({ kind: "timestamp" }, [-1n, 1_714_979_289_123_001n]);
    expect(near.minValues["v"]).toBe("1969-12-31T23:59:59.999Z");
    expect(near.maxValues["v"]).toBe("2024-05-06T07:08:09.124Z");
    expect(statsOf({ kind: "timestamp" }, [-62_135_596_800_000_000n, 0n]).minValues).toEqual({});
  });

  test("dates and decimals", () => {
    const dated = statsOf({ kind: "date" }, [19_782, null, -7_864]);
    expect([dated.minValues["v"], dated.maxValues["v"]]).toEqual(["1948-06-21", "2024-02-29"]);
    expect(statsOf({ kind: "date" }, [-719_162, 0])).toMatchObject({
      minValues: {},
      maxValues: {},
      nullCount: { v: 0 },
    });
    const column: Column = {
      name: "v",
      type: { kind: "decimal", precision: 38, scale: 3, quoted: false },
      nullable: true,
    };
    const { stats } = writeRows([column], [{ v: 12345678901234567890123n }, { v: -5n }]);
    expect(stats).toContain('"minValues":{"v":-0.005},"maxValues":{"v":12345678901234567890.123}');
  });
});

function group(min: string, max: string, nulls: bigint): RowGroup {
  return {
    columns: [
      {
        file_offset: 0n,
        meta_data: {
          type: "BYTE_ARRAY",
          encodings: ["PLAIN"],
          path_in_schema: ["v"],
          codec: "ZSTD",
          num_values: 1n,
          total_uncompressed_size: 1n,
          total_compressed_size: 1n,
          data_page_offset: 0n,
          statistics: { min_value: min, max_value: max, null_count: nulls },
        },
      },
    ],
    total_byte_size: 1n,
    num_rows: 1n,
  };
}

test("row groups are taken together, strings by code point", () => {
  const column: Column = { name: "v", type: { kind: "string" }, nullable: true };
  const stats: Stats = JSON.parse(
    deltaStats([column], 9, [group("\u{10000}", "\u{10000}", 2n), group("\uffff", "\uffff", 3n)]),
  );
  expect(stats).toEqual({
    numRecords: 9,
    minValues: { v: "\uffff" },
    maxValues: { v: "\u{10000}" },
    nullCount: { v: 5 },
  });
});

test("what has no useful bounds has none", () => {
  const columns: Column[] = [
    { name: "j", type: { kind: "json" }, nullable: true },
    { name: "b", type: { kind: "boolean" }, nullable: true },
    { name: "y", type: { kind: "binary" }, nullable: true },
    { name: "l", type: { kind: "list", element: { kind: "long" } }, nullable: true },
  ];
  const row = { j: "{}", b: true, y: new Uint8Array(1), l: [1] };
  expect(JSON.parse(writeRows(columns, [row, {}]).stats)).toEqual({
    numRecords: 2,
    minValues: {},
    maxValues: {},
    nullCount: { b: 1 },
  });
});

test("only so many columns weigh on the table log", () => {
  const columns = Array.from({ length: 100 }, (_, i): Column => ({
    name: `c${i}`,
    type: { kind: "long" },
    nullable: true,
  }));
  const stats: Stats = JSON.parse(
    writeRows(columns, [Object.fromEntries(columns.map(({ name }) => [name, 1]))]).stats,
  );
  expect(Object.keys(stats.nullCount)).toHaveLength(32);
});

test("a decimal's text has its point where it belongs", () => {
  expect([decimalText(0n, 0), decimalText(-5n, 0), decimalText(5n, 3), decimalText(-1234n, 2)]).toEqual([
    "0",
    "-5",
    "0.005",
    "-12.34",
  ]);
});
