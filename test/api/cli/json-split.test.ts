/** The splitter against JSON.parse: any objects, in any layout, cut anywhere, come out byte for byte. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { JsonSplitter } from "../../../api/cli/json-split.ts";

const event = fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ maxDepth: 3 }));
const layouts: readonly ((texts: readonly string[]) => string)[] = [
  (texts) => texts.join("\n"),
  (texts) => `${texts.join("\r\n\r\n")}\n`,
  (texts) => `[${texts.join(",")}]`,
  (texts) => ` [\n  ${texts.join(" ,\n  ")}\n]\n`,
  (texts) => texts.join(""),
  (texts) => `\uFEFF${texts.join("\n")}`,
];

function split(bytes: Uint8Array, cuts: readonly number[]): string[] {
  const splitter = new JsonSplitter();
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  const found: string[] = [];
  let from = 0;
  for (const end of [...ends, bytes.length]) {
    found.push(...splitter.push(bytes.subarray(from, end)).map((object) => Buffer.from(object).toString()));
    from = end;
  }
  splitter.end();
  return found;
}

describe("the splitter", () => {
  test("gives back every object as it was", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(event, fc.boolean())),
        fc.constantFrom(...layouts),
        fc.array(fc.nat()),
        (events, layout, cuts) => {
          const texts = events.map(([value, isPretty]) => JSON.stringify(value, null, isPretty ? 2 : 0));
          expect(split(Buffer.from(layout(texts)), cuts)).toEqual(texts);
        },
      ),
    );
  });

  test("keeps digits that a parser would lose", () => {
    expect(split(Buffer.from('{"n":9007199254740993.0000000000001}'), [])).toEqual([
      '{"n":9007199254740993.0000000000001}',
    ]);
  });

  test.each(["1", "x", "{},{}", '"a"', "[1]", "[[]]", "null"])("refuses %s", (text) => {
    expect(() => split(Buffer.from(text), [])).toThrow(SyntaxError);
  });

  test("names the line of the mistake, and an end inside an object", () => {
    expect(() => split(Buffer.from("{}\n{}\noops"), [])).toThrow("line 3");
    expect(() => split(Buffer.from('{}\n{"a": "}'), [])).toThrow("line 2: the input ends inside");
  });
});
