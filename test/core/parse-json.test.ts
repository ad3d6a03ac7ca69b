/** JSON of any spelling against the value that it was made from; JSON.parse itself is no oracle here. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { parseJson } from "../../core/parse-json.ts";

interface Spelled {
  readonly text: string;
  readonly value: unknown;
}

const space = fc
  .array(fc.constantFrom(" ", "\n", "\t", "\r"), { maxLength: 2 })
  .map((parts) => parts.join(""));
const unit = (text: string, i: number): string => `\\u${text.charCodeAt(i).toString(16).padStart(4, "0")}`;
const string = fc
  .tuple(
    fc.oneof(
      fc.constantFrom("a", "\\", '"', "\n", "", "é", "__proto__", 'x":', "\\u0061"),
      fc.string({ unit: "grapheme", maxLength: 4 }),
    ),
    fc.nat({ max: 2 }),
  )
  .map(([value, how]): Spelled & { value: string } => ({
    value,
    text:
      how === 0
        ? `"${Array.from({ length: value.length }, (_, i) => unit(value, i)).join("")}"`
        : JSON.stringify(value),
  }));
const json = fc.letrec<{ value: Spelled }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.constantFrom<Spelled>(
      { text: "null", value: null },
      { text: "-1.5e3", value: -1_500 },
      { text: "true", value: true },
    ),
    string,
    fc.tuple(fc.array(tie("value"), { maxLength: 4 }), space).map(([items, s]) => ({
      text: `[${s}${items.map(({ text }) => text).join(`${s},${s}`)}${s}]`,
      value: items.map(({ value }) => value),
    })),
    fc
      .tuple(
        fc.uniqueArray(fc.tuple(string, tie("value")), { maxLength: 5, selector: ([{ value }]) => value }),
        space,
      )
      .map(([members, s]) => ({
        text: `{${s}${members.map(([key, { text }]) => `${key.text}${s}:${s}${text}`).join(`${s},${s}`)}${s}}`,
        value: Object.fromEntries(members.map(([key, { value }]) => [key.value, value])),
      })),
  ),
})).value;

test("whatever the spelling, the value is the same", () => {
  fc.assert(
    fc.property(json, space, ({ text, value }, s) => {
      expect(parseJson(`${s}${text}${s}`)).toStrictEqual(value);
    }),
    { numRuns: 10_000 },
  );
});

test("also where JSON.parse has learnt a wrong key", () => {
  JSON.parse('{"x":1,"\\\\":1}');
  expect(parseJson('{"x":1,"\\u0061":2}')).toEqual({ x: 1, a: 2 });
  expect(parseJson('{"x":1,"\\n":{"y":[{"\\"":1}]}}')).toEqual({ x: 1, "\n": { y: [{ '"': 1 }] } });
});

test.each(["", "{", '{"a":1,}', '{"\\u0061":1,}', '{"\\u0061":1}x', '[{"\\u0061":tru}]', "\ufeff1"])(
  "%j is no JSON",
  (text) => {
    expect(() => parseJson(text)).toThrow(SyntaxError);
  },
);

test("time grows with the text", () => {
  const started = process.cpuUsage();
  for (const text of [`{"\\u0061":"${'\\"'.repeat(500_000)}"}`, `{"\\u0061":[${"[],".repeat(200_000)}1]}`])
    parseJson(text);
  const { user, system } = process.cpuUsage(started);
  expect((user + system) / 1e3).toBeLessThan(2_000);
});
