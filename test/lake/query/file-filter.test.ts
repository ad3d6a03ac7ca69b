/**
 * Files left out by their statistics, against the engine: over any WHERE the rows of the kept files are those of all
 * files, whichever way the statistics were written; and the usual forms do leave files out.
 */
import type { DuckDBConnection } from "@duckdb/node-api";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fileFilter } from "../../../lake/query/file-filter.ts";
import { judge } from "../../../lake/query/gate.ts";
import { openEngine, serializeSql } from "../../../lake/query/session.ts";
import { schemaOf } from "./tiny-lake.ts";

const SCHEMA = schemaOf({ n: "long", s: "string", t: "timestamp", d: "date", x: "double", p: "string" });

interface Row {
  readonly n: number | null;
  readonly s: string | null;
  /** µs after 2026-01-01. */
  readonly t: number | null;
  readonly d: string | null;
}
interface File {
  readonly rows: readonly Row[];
  readonly p: string | null;
  readonly stats: string | undefined;
}

let engine: DuckDBConnection;
beforeAll(async () => {
  engine = await openEngine({ memoryBytes: 5e8, threads: 1 });
});
afterAll(() => engine.closeSync());

const START_US = Date.UTC(2026, 0, 1) * 1_000;
const timeText = (us: number): string => {
  const ms = Math.floor((START_US + us) / 1_000);
  return new Date(ms).toISOString().replace("Z", `${String((START_US + us) % 1_000).padStart(3, "0")}Z`);
};
const compareBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** As writers differ: whole, cut to milliseconds and short beginnings, without some columns, nothing at all. */
type Style = "exact" | "cut" | "sparse" | "none";

function statsOf(rows: readonly Row[], style: Style): string | undefined {
  if (style === "none") return undefined;
  const [least, most, nulls]: Record<string, unknown>[] = [{}, {}, {}];
  for (const name of ["n", "s", "t", "d"] as const) {
    const values = rows.map((row) => row[name]).filter((value) => value !== null);
    nulls![name] = rows.length - values.length;
    if (values.length === 0 || (style === "sparse" && name !== "s")) continue;
    const sorted = values.toSorted((a, b) =>
      typeof a === "number" ? a - Number(b) : compareBytes(a, String(b)),
    );
    const shown = (value: string | number): unknown => {
      if (name === "t") {
        const text = timeText(Number(value));
        return style === "cut" ? `${text.slice(0, 23)}Z` : text;
      }
      return name === "s" && style === "cut" ? String(value).slice(0, 1) : value;
    };
    least![name] = shown(sorted[0]!);
    most![name] = shown(sorted.at(-1)!);
  }
  return JSON.stringify({ numRecords: rows.length, minValues: least, maxValues: most, nullCount: nulls });
}

const nullable = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { freq: 4 });
const number = fc.oneof(
  fc.integer({ min: -3, max: 12 }),
  fc.constantFrom(-9_007_199_254_740_991, 4_000_000_000),
);
const text = fc.constantFrom("", "a", "ab", "abc", "b", "ba", "z", "é", "éa", "\u{1F600}", "\uFF5E", "A");
const micros = fc.oneof(
  fc.integer({ min: 0, max: 5_000_000 }),
  fc.integer({ min: 0, max: 9 }).map((s) => s * 1e6),
);
const day = fc.constantFrom("2025-12-31", "2026-01-01", "2026-01-02", "2026-02-28");
const row: fc.Arbitrary<Row> = fc.record({
  n: nullable(number),
  s: nullable(text),
  t: nullable(micros),
  d: nullable(day),
});
const file: fc.Arbitrary<File> = fc
  .record({
    rows: fc.array(row, { minLength: 1, maxLength: 3 }),
    p: nullable(text),
    style: fc.constantFrom<Style>("exact", "cut", "sparse", "none"),
  })
  .map(({ rows, p, style }) => ({ rows, p, stats: statsOf(rows, style) }));

const quoted = (value: string): string => `'${value.replaceAll("'", "''")}'`;
const timeLiteral = micros.chain((us) =>
  fc.constantFrom(
    quoted(timeText(us)),
    `TIMESTAMPTZ ${quoted(timeText(us))}`,
    `TIMESTAMP ${quoted(timeText(us).slice(0, -1))}`,
    `TIMESTAMP ${quoted(`${timeText(us).slice(0, 19)}+02`)}`,
    quoted(`${timeText(us).slice(0, 19)}+02:00`),
    quoted(timeText(us).slice(0, 19).replace("T", " ")),
    "DATE '2026-01-01'",
    "'2026-01-01'",
  ),
);
const literals: Readonly<Record<string, fc.Arbitrary<string>>> = {
  n: fc.oneof(
    number.map(String),
    number.map((value) => quoted(String(value))),
    fc.constantFrom("2.5", "1e1"),
  ),
  s: fc.oneof(
    text.map(quoted),
    text.map((value) => `${quoted(value)}::VARCHAR`),
  ),
  t: timeLiteral,
  d: fc.oneof(
    day.map(quoted),
    day.map((value) => `DATE ${quoted(value)}`),
    timeLiteral,
  ),
  p: text.map(quoted),
};
const leaf = fc.constantFrom("n", "s", "t", "d", "p").chain((name) => {
  const literal = literals[name]!;
  const operator = fc.constantFrom("=", "<", "<=", ">", ">=", "<>");
  return fc.oneof(
    fc.tuple(operator, literal).map(([sign, value]) => `${name} ${sign} ${value}`),
    fc.tuple(operator, literal).map(([sign, value]) => `${value} ${sign} ${name}`),
    fc.tuple(literal, literal).map(([a, b]) => `${name} BETWEEN ${a} AND ${b}`),
    fc.array(literal, { minLength: 1, maxLength: 3 }).map((list) => `${name} IN (${list.join(", ")})`),
    fc.constant(`${name} IS NULL`),
  );
});
const condition = fc
  .array(leaf, { minLength: 1, maxLength: 3 })
  .chain((leaves) => fc.constantFrom(" AND ", " OR ").map((word) => leaves.join(word)));

async function kept(sql: string, files: readonly File[]): Promise<readonly number[]> {
  const judged = judge(await serializeSql(engine, sql));
  if (judged.kind !== "query") throw new Error(`${sql}: ${judged.kind}`);
  const isWanted = fileFilter(judged.tables[0]!.wanted, SCHEMA, ["p"]);
  return files.flatMap(({ p, stats }, i) => {
    return isWanted({ partitionValues: { p }, ...(stats === undefined ? {} : { stats }) }) ? [i] : [];
  });
}

async function load(files: readonly File[]): Promise<void> {
  const rows = files.flatMap(({ rows: list, p }, i) =>
    list.map(({ n, s, t, d }) => {
      // The empty text stands for NULL in partitions.
      const shown = [s, t === null ? null : timeText(t), d, p === "" ? null : p].map((value) =>
        value === null ? "NULL" : quoted(value),
      );
      return `(${i}, ${n ?? "NULL"}, ${shown.join(", ")})`;
    }),
  );
  await engine.run(
    "CREATE OR REPLACE TABLE every (f INTEGER, n BIGINT, s VARCHAR, t TIMESTAMPTZ, d DATE, p VARCHAR);" +
      `INSERT INTO every VALUES ${rows.join(", ")}`,
  );
}

async function answer(sql: string, files: readonly number[]): Promise<string> {
  await engine.run(`CREATE OR REPLACE VIEW orders AS FROM every WHERE f IN (${[-1, ...files].join(", ")})`);
  return JSON.stringify((await engine.runAndReadAll(sql)).getRowsJson());
}

describe("files that a query does not get", () => {
  test("have no row that it asks for", { timeout: 120_000 }, async () => {
    let left = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(file, { minLength: 1, maxLength: 4 }), condition, async (files, where) => {
        const sql = `SELECT f, n, s, t, d, p FROM orders WHERE ${where} ORDER BY ALL`;
        await load(files);
        const every = files.map((_file, i) => i);
        const whole = await answer(sql, every).catch(() => undefined);
        if (whole === undefined) return; // a text that is no number, compared with one
        const some = await kept(sql, files);
        left += files.length - some.length;
        expect(await answer(sql, some), where).toBe(whole);
      }),
      { numRuns: 600 },
    );
    expect(left).toBeGreaterThan(200);
  });

  test.each([
    ["s = 'b'", [1]],
    ["n BETWEEN 5 AND 7", [1]],
    ["n < 5", [0]],
    ["n IN (1, 2, 100)", [0]],
    ["t >= '2026-01-01 00:00:08'", [1]],
    ["t < TIMESTAMP '2026-01-01 00:00:05' AND x > 1", [0]],
    ["p = 'two'", [1]],
    ["p = 'two' AND n = 0", []],
    ["d = DATE '2026-01-01' AND s LIKE '%'", [0]],
    ["x > 5", [0, 1]],
    ["n = 0 OR n = 9", [0, 1]],
    ["n + 0 = 0", [0, 1]],
    ["d = '2026-01-01'::TIMESTAMP", [0, 1]],
  ])("are many for the usual forms: %s", async (where, files) => {
    const first: Row = { n: 0, s: "a", t: 0, d: "2026-01-01" };
    const second: Row = { n: 5, s: "b", t: 9_000_000, d: "2026-01-02" };
    const rows = [
      [first, { ...first, n: 4 }],
      [second, { ...second, n: 9 }],
    ];
    const made = rows.map((list, i) => ({
      rows: list,
      p: ["one", "two"][i]!,
      stats: statsOf(list, "exact"),
    }));
    expect(await kept(`SELECT 1 FROM orders WHERE ${where}`, made)).toEqual(files);
  });

  test.each([
    ["times cut to milliseconds", { t: 8_000_999 }, "cut", "t = '2026-01-01 00:00:08.000999'"],
    ["texts cut to their beginning", { s: "abc" }, "cut", "s = 'abc'"],
    ["texts by bytes, not by UTF-16 units", { s: "\u{1F600}" }, "exact", "s > '\uFF5E'"],
    ["texts by bytes, from the other side", { s: "\uFF5E" }, "exact", "s < '\u{1F600}'"],
    ["an offset that TIMESTAMP drops", { t: 8_000_000 }, "exact", "t = TIMESTAMP '2026-01-01 00:00:08+02'"],
  ] as const)("keep %s", async (_name, value, style, where) => {
    const rows: Row[] = [{ n: 0, s: "x", t: 0, d: "2026-01-01", ...value }];
    const files = [{ rows, p: "a", stats: statsOf(rows, style) }];
    const sql = `SELECT 1 FROM orders WHERE ${where}`;
    await load(files);
    expect(await answer(sql, [0])).toBe("[[1]]");
    expect(await kept(sql, files)).toEqual([0]);
  });

  test("broken statistics leave nothing out", async () => {
    const bad = ["{", "5", "null", '{"minValues":5}', '{"minValues":{"n":"x"},"maxValues":{"n":{}}}'];
    const files = bad.map((stats) => ({ rows: [], p: "a", stats }));
    expect(await kept("SELECT 1 FROM orders WHERE n = 1", files)).toEqual([0, 1, 2, 3, 4]);
  });
});
