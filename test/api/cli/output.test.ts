/** What the commands print: columns line up, nothing of an event can steer the terminal, JSON and CSV read back. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { printObjects, printRows, tableText, visible, type Row } from "../../../api/cli/output.ts";
import type { OutputFormat } from "../../../api/cli/services.ts";

const FIELDS = [{ name: "text" }, { name: "number", isNumber: true }];
const rows = fc.array(fc.tuple(fc.oneof(fc.string({ unit: "binary" }), fc.constant(null)), fc.integer()));

function printed(format: OutputFormat, found: readonly Row[]): string {
  const parts: string[] = [];
  printRows({ write: (text) => parts.push(String(text)) }, format, FIELDS, found);
  return parts.join("");
}

describe("output", () => {
  test("as a table has one line per row, numbers to the right, two spaces between", () => {
    expect(
      tableText(FIELDS, [
        ["a", 5],
        ["longer", 12_345],
        [null, null],
      ]),
    ).toBe("text    number\na            5\nlonger   12345\n-            -\n");
  });

  test("as a table fits a terminal by its long cells alone, the longest first", () => {
    const [fields, id] = [[{ name: "id" }, { name: "long" }, { name: "longer" }], "i".repeat(40)];
    const row = [id, "l".repeat(50), "x".repeat(70)];
    const style = { nowMs: 0, isWide: false, isColoured: false };
    const cells = (columns: number | undefined, isWide = false): number[] =>
      tableText(fields, [row], { ...style, isWide, columns })
        .split("\n")[1]!
        .split("  ")
        .map((cell) => cell.length);
    expect(cells(undefined)).toEqual([40, 50, 70]);
    expect(cells(164)).toEqual([40, 50, 70]);
    expect(cells(163)).toEqual([40, 50, 69]);
    expect(cells(134)).toEqual([40, 45, 45]);
    // As far as it goes: what people copy stays whole.
    expect(cells(76)).toEqual([40, 16, 16]);
    expect(cells(30)).toEqual([40, 16, 16]);
    expect(cells(30, true)).toEqual([40, 50, 70]);
  });

  test("as a table sends no control character but line ends", () => {
    fc.assert(
      fc.property(rows, (found) => {
        const text = printed("table", found);
        expect(text.split("\n").length).toBe(found.length + 2);
        // oxlint-disable-next-line no-control-regex -- exactly these must not be there
        expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/);
      }),
    );
    expect(visible("\u001b[2J\u202e")).toBe("\\u001b[2J\\u202e");
  });

  test("as JSON, JSON lines and CSV reads back", () => {
    fc.assert(
      fc.property(rows, (found) => {
        const objects = found.map(([text, number]) => ({ text, number }));
        expect(JSON.parse(printed("json", found))).toEqual(objects);
        const lines = printed("jsonl", found).split("\n").slice(0, -1);
        expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(objects);
        expect(readCsv(printed("csv", found)).slice(1)).toEqual(
          found.map(([text, number]) => [text ?? "", String(number)]),
        );
      }),
    );
  });

  test("of nothing is an empty list in JSON, and only the head in a table", () => {
    const parts: string[] = [];
    printObjects({ write: (text) => parts.push(String(text)) }, "json", FIELDS, []);
    expect(parts.join("")).toBe("[]\n");
    expect(printed("table", [])).toBe("text  number\n");
  });
});

/** RFC 4180, for the test. */
function readCsv(text: string): string[][] {
  const found: string[][] = [];
  let record: string[] = [];
  for (const match of text.matchAll(/("(?:[^"]|"")*"|[^,"\r\n]*)(,|\r\n)/g)) {
    const field = match[1]!;
    record.push(field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field);
    if (match[2] === ",") continue;
    found.push(record);
    record = [];
  }
  return found;
}
