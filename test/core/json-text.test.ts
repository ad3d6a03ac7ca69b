import * as fc from "fast-check";
import { expect, test } from "vitest";
import { editJson, jsonDifferences, type JsonEdit } from "../../core/json-text.ts";

const key = fc.oneof(
  fc.string({ maxLength: 4 }),
  fc.constantFrom("a", "b", "~", "/", "a/b", '"', "\\", "", "0", "-"),
);
const scalar = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.string(),
  fc.boolean(),
  fc.constant(null),
);
const tree = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    scalar,
    fc.array(tie("value"), { maxLength: 4 }),
    fc
      .array(fc.tuple(key, tie("value")), { maxLength: 4 })
      .map((entries) => Object.assign(Object.create(null), Object.fromEntries(entries)) as object),
  ),
})).value;

/** Text of a value with white space where JSON allows it. */
function spaced(value: unknown, indent: number): string {
  return JSON.stringify(value, null, indent);
}

/** Every place of a value, as steps. */
function placesOf(value: unknown): string[][] {
  if (typeof value !== "object" || value === null) return [[]];
  return [
    [],
    ...Object.entries(value).flatMap(([name, child]) => placesOf(child).map((place) => [name, ...place])),
  ];
}

function pointerOf(steps: readonly string[]): string {
  return steps.map((step) => `/${step.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** The same by objects: parse, walk, assign. */
function edited(value: unknown, steps: readonly string[], put: unknown, isRemoval: boolean): unknown {
  const [step, ...rest] = steps;
  if (step === undefined) return put;
  if (Array.isArray(value)) {
    const items = [...(value as unknown[])];
    if (rest.length === 0 && isRemoval) items.splice(Number(step), 1);
    else
      items[step === "-" ? items.length : Number(step)] = edited(items[Number(step)], rest, put, isRemoval);
    return items;
  }
  const entries = Object.entries(value as object);
  if (rest.length === 0 && isRemoval) return Object.fromEntries(entries.filter(([name]) => name !== step));
  const next = edited((value as Record<string, unknown>)[step], rest, put, isRemoval);
  const map = new Map<string, unknown>(entries);
  map.set(step, next);
  return Object.fromEntries(map);
}

test("an edit of the text is an edit of the value", () => {
  fc.assert(
    fc.property(
      tree,
      tree,
      fc.nat(),
      fc.nat(2),
      fc.boolean(),
      key,
      (value, put, pick, indent, isRemoval, added) => {
        const places = placesOf(value);
        let steps = places[pick % places.length]!;
        const at = steps.reduce<unknown>((node, step) => (node as Record<string, unknown>)[step], value);
        // Now and then something new: behind the last item of a list, or a member that is not there.
        if (!isRemoval && typeof at === "object" && at !== null)
          steps = [...steps, Array.isArray(at) ? "-" : added];
        const removes = isRemoval && steps.length > 0;
        const edit: JsonEdit = { pointer: pointerOf(steps), json: removes ? null : spaced(put, indent) };
        const result = editJson(spaced(value, indent), [edit]);
        expect(JSON.parse(result)).toEqual(JSON.parse(JSON.stringify(edited(value, steps, put, removes))));
        const again = jsonDifferences(result, JSON.stringify(edited(value, steps, put, removes)), 10);
        expect(again).toEqual([]);
      },
    ),
    { numRuns: 2_000 },
  );
});

test("what is not touched keeps every byte", () => {
  const text = '{ "id" : 12345678901234567890, "price":1.50,"list":[ 1e400 ,-0.0], "\\u0061": "\\u00e9" }';
  expect(editJson(text, [{ pointer: "/price", json: "2.500" }])).toBe(text.replace("1.50", "2.500"));
  expect(editJson(text, [{ pointer: "/list/0", json: "7" }])).toBe(text.replace("1e400", "7"));
  expect(editJson(text, [{ pointer: "/a", json: null }])).toBe(text.replace(', "\\u0061": "\\u00e9"', ""));
  expect(editJson(text, [{ pointer: "/new", json: "0" }])).toBe(text.replace('" }', '","new":0 }'));
});

test("what does not fit is refused with the place", () => {
  const text = '{"a":{"b":1},"l":[1],"twice":1,"twice":2}';
  const wrong: [string, string | null][] = [
    ["a", "1"],
    ["/a~2", "1"],
    ["/x/y", "1"],
    ["/a/b/c", "1"],
    ["/l/3", "1"],
    ["/l/01", "1"],
    ["/l/-", null],
    ["/l/1", null],
    ["/x", null],
    ["", null],
    ["/twice", "1"],
    ["/twice", null],
    ["/a", "{"],
    ["/a", ""],
  ];
  for (const [pointer, json] of wrong)
    expect(() => editJson(text, [{ pointer, json }]), pointer).toThrow(
      expect.objectContaining({ code: "dead_letter.correction", details: { pointer } }),
    );
  expect(() => editJson("{", [{ pointer: "/a", json: "1" }])).toThrow(/whole event/);
  expect(() => editJson("[".repeat(600) + "]".repeat(600), [{ pointer: "/0", json: "1" }])).toThrow(
    /whole event/,
  );
});

test("differences name the place and both texts", () => {
  expect(
    jsonDifferences('{"a":1,"b":[1,2],"c":"x"}', '{"b":[1,3,4], "a":1.0,"c":"\\u0078","d":{}}', 10),
  ).toEqual([
    { pointer: "/a", first: "1", second: "1.0" },
    { pointer: "/b/1", first: "2", second: "3" },
    { pointer: "/b/2", first: null, second: "4" },
    { pointer: "/d", first: null, second: "{}" },
  ]);
  expect(jsonDifferences("[1,2,3]", "[4,5,6]", 2)).toHaveLength(2);
  expect(jsonDifferences("{", "{}", 2)).toBeUndefined();
});
