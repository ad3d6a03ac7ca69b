/** Rows of COPY's text format, cut anywhere, against what they were made of. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { CopyText } from "../../../adapters/pg/copy-text.ts";
import { TEXT, Tuple } from "../../../adapters/pg/tuple.ts";

/** As PostgreSQL's CopyAttributeOutText writes it. */
const ESCAPES: Readonly<Record<string, string>> = {
  "\\": String.raw`\\`,
  "\b": String.raw`\b`,
  "\f": String.raw`\f`,
  "\n": String.raw`\n`,
  "\r": String.raw`\r`,
  "\t": String.raw`\t`,
  "\v": String.raw`\v`,
};

function line(values: readonly (string | null)[]): string {
  const texts = values.map((value) =>
    value === null ? String.raw`\N` : value.replaceAll(/[\\\b\f\n\r\t\v]/g, (letter) => ESCAPES[letter]!),
  );
  return `${texts.join("\t")}\n`;
}

function read(columns: number, chunks: readonly Uint8Array[]): (string | null)[][] {
  const text = new CopyText(columns);
  const tuple = new Tuple();
  const rows: (string | null)[][] = [];
  for (const chunk of chunks) {
    text.push(chunk.slice());
    while (text.next(tuple)) {
      const { bytes, kinds, starts, ends } = tuple;
      rows.push(
        Array.from({ length: columns }, (_, i) =>
          kinds[i] === TEXT ? Buffer.from(bytes.subarray(starts[i], ends[i])).toString() : null,
        ),
      );
    }
  }
  expect(text.pending).toBe(0);
  return rows;
}

function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const cuts = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].toSorted(
    (a, b) => a - b,
  );
  return cuts.slice(1).map((end, i) => bytes.subarray(cuts[i], end));
}

const value = fc.option(
  fc.oneof(
    fc.string({
      unit: fc.constantFrom("\\", "\t", "\n", "\r", "\b", "\f", "\v", "N", "n", "b", ".", "é", "a"),
    }),
    fc.string({ unit: "binary" }),
  ),
  { nil: null },
);

test("rows are what they were, wherever the bytes are cut", () => {
  const table = fc
    .integer({ min: 1, max: 5 })
    .chain((columns) =>
      fc.array(fc.array(value, { minLength: columns, maxLength: columns }), { maxLength: 12 }),
    );
  fc.assert(
    fc.property(table, fc.array(fc.nat(), { maxLength: 30 }), (rows, places) => {
      const bytes = Buffer.from(rows.map(line).join(""));
      const whole = rows.map((row) => row.map((text) => text && Buffer.from(text).toString()));
      expect(read(rows[0]?.length ?? 1, cut(bytes, places))).toEqual(whole);
    }),
    { numRuns: 500 },
  );
});

test("a row of many pieces, and rows without columns", () => {
  const wide = "x".repeat(3_000_000);
  const bytes = Buffer.from(line(["a", wide]) + line(["b", wide]));
  const places = Array.from({ length: 400 }, (_, i) => i * 15_001);
  expect(read(2, cut(bytes, places))).toEqual([
    ["a", wide],
    ["b", wide],
  ]);
  expect(read(0, [Buffer.from("\n\n"), Buffer.from("\n")])).toEqual([[], [], []]);
});
