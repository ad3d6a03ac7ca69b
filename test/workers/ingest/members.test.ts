/** Looking at objects in place, against the values that their text was made from. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { pointerAt, unknownMember } from "../../../workers/ingest/members.ts";

const NAMES = ["eid", "a", "", 'ä"\\'];
const members = NAMES.map((name) => ({ name, bytes: new TextEncoder().encode(name) }));
const space = fc.array(fc.constantFrom(" ", "\n", "\t"), { maxLength: 2 }).map((parts) => parts.join(""));

const unit = (text: string, i: number): string => `\\u${text.charCodeAt(i).toString(16).padStart(4, "0")}`;
/** A string's JSON, sometimes all in escapes. */
function quoted(text: string, isEscaped: boolean): string {
  if (!isEscaped) return JSON.stringify(text);
  return `"${Array.from({ length: text.length }, (_, i) => unit(text, i)).join("")}"`;
}

const value = fc.oneof(
  fc.json({ maxDepth: 2 }),
  fc.constantFrom(
    '"}"',
    '"\\""',
    '"\\\\"',
    '"\\\\\\",\\"x\\":{"',
    '[{"zz":1},"]"]',
    '{"zz":{"yy":","}}',
    "-1.5e3",
  ),
);
const object = fc.array(
  fc.tuple(fc.oneof(fc.constantFrom(...NAMES), fc.string()), fc.boolean(), value, space),
  { maxLength: 6 },
);

test("the first unknown member is found, however it is spelled", () => {
  let unknowns = 0;
  fc.assert(
    fc.property(object, fc.nat({ max: 5 }), (entries, offset) => {
      const seen = new Set<string>();
      const unique = entries.filter(([key]) => !seen.has(key) && seen.add(key));
      const written = unique.map(
        ([key, isEscaped, one, s]) => `${s}${quoted(key, isEscaped)}${s}:${s}${one}${s}`,
      );
      const text = `{${written.join()}}`;
      const bytes = new TextEncoder().encode(`${"x".repeat(offset)}${text}"more":1`);
      const expected = unique.find(([key]) => !NAMES.includes(key))?.[0];
      const length = new TextEncoder().encode(text).length;
      expect(unknownMember(bytes, offset, offset + length, members)).toBe(expected);
      if (expected !== undefined) unknowns++;
    }),
    { numRuns: 3_000 },
  );
  expect(unknowns).toBeGreaterThan(500);
});

test("a pointer leads to the value at a byte", () => {
  const path = fc.array(fc.oneof(fc.nat({ max: 3 }), fc.string({ maxLength: 4 })), {
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(
    fc.property(path, value, space, fc.nat({ max: 3 }), ([...steps], before, s, offset) => {
      // From the inside out: each step wraps what is there in an object or a list, behind other values.
      let text = '"HERE"';
      for (const step of steps.toReversed())
        text =
          typeof step === "number"
            ? `[${`${before}${s},`.repeat(step)}${s}${text}${s}]`
            : `{${JSON.stringify(`other ${step}`)}${s}:${before}${s},${JSON.stringify(step)}${s}:${s}${text}}`;
      const bytes = new TextEncoder().encode(`${"[".repeat(offset)}${text}`);
      const at = Buffer.from(bytes).lastIndexOf('"HERE"');
      const pointer = steps.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`);
      expect(pointerAt(bytes, offset, at)).toBe(`#${pointer.join("")}`);
      expect(pointerAt(bytes, offset, at + 3)).toBe(`#${pointer.join("")}`);
    }),
    { numRuns: 2_000 },
  );
});
