/**
 * The short form of `npm run proof:schemas`, and the places where a validator in the kernel could differ from the
 * door's: each is asked of both.
 */
import { fullFormats } from "ajv-formats/dist/formats.js";
import { describe, expect, test } from "vitest";
import type { JsonSchema } from "../../core/event-type.ts";
import { planSchema } from "../../core/schema-plan.ts";
import { testKernel } from "../core-as/support.ts";
import { judgements, runSchemaProof } from "./schemas.ts";

const SCHEMAS = 400;
const SEED = Number(process.env["SEED"] ?? 20_261_121);

test(`${SCHEMAS} schemas: the kernel says of every document what the validator says`, () => {
  const { schemas, beyond, documents, violations, unjudged } = runSchemaProof(SCHEMAS, 16, SEED);
  expect(schemas).toBe(SCHEMAS);
  expect(beyond).toBeLessThan(SCHEMAS / 20);
  const judged = documents - unjudged;
  expect(violations).toBeGreaterThan(judged / 4);
  expect(violations).toBeLessThan((judged * 3) / 4);
});

/** Values of the member `v`, by whether they are valid. */
const TRAPS: readonly (readonly [name: string, schema: unknown, valid: string[], invalid: string[]])[] = [
  [
    "1.0 is an integer, and so is what JSON.parse makes infinite",
    { type: "integer" },
    ["1.0", "10e-1", "-0", "1e400", "0.0"],
    ["1.5", "0.1e0", '"1"'],
  ],
  [
    "a number too small for a double is 0",
    { type: "integer", maximum: 0 },
    ["1e-400", "-1e-400"],
    ["1e-300"],
  ],
  [
    "numbers are compared as doubles",
    { maximum: 9_007_199_254_740_992 },
    ["9007199254740993", "9007199254740992.9"],
    ["9007199254740994"],
  ],
  [
    "a bound may be left out of itself",
    { exclusiveMinimum: 0, minimum: 0 },
    ["5e-324", "1"],
    ["0", "-0", "1e-400", "-1"],
  ],
  [
    "infinite is more than any bound",
    { maximum: Number.MAX_VALUE },
    ["1.7976931348623158e308"],
    ["1e309", "1.7976931348623159e308"],
  ],
  ["int64 is finite", { format: "int64" }, ["1e300", '"x"', "null"], ["1e400", "0.5"]],
  [
    "int32 ends where it ends",
    { format: "int32" },
    ["2147483647", "-2147483648.0"],
    ["2147483648", "-2147483649"],
  ],
  [
    "lengths count code points",
    { minLength: 2, maxLength: 2 },
    ['"éé"', '"🚀🚀"', '"\\ud83d\\ude80\\n"', '"\\u00e9\\u0000"'],
    ['"🚀"', '"\\ud83d\\ude80"', '"abc"', '"🚀🚀🚀"'],
  ],
  [
    "two escapes may be one character",
    { minLength: 2 },
    ['"\\ud83d\\ude80x"', '"\\n\\t"'],
    ['"\\ud83d\\ude80"', '"\\u00e9"'],
  ],
  [
    "1 and 1.0 are one number",
    { enum: [1, "a"] },
    ["1", "1.0", "1e0", '"a"', '"\\u0061"'],
    ["2", '"b"', '"1"', "true", "null"],
  ],
  ["0 and -0 are one number", { const: 0 }, ["0", "-0", "-0.0", "1e-400"], ["1e-300", "false", '""']],
  ["nothing is both", { enum: ["a", 1], const: "b" }, [], ['"a"', '"b"', "1"]],
  ["an empty text is a text", { enum: [""] }, ['""'], ['" "', "null", '"\\u0000"']],
  [
    "a text with an escape is the text it says",
    { const: '"\\/\u0000é🚀' },
    ['"\\"\\\\\\/\\u0000é\\ud83d\\ude80"'],
    ['"\\"\\\\\\/\\u0000é🚀x"'],
  ],
  [
    "keywords are about their types",
    { minLength: 3, minimum: 3, minItems: 1, required: ["x"] },
    ['"abc"', "3", "[0]", '{"x":null}', "null"],
    ['"ab"', "2", "[]", "{}", '{"y":1}'],
  ],
  [
    "an escaped key is the key it says",
    { properties: { a: { type: "null" } }, required: ["a"], additionalProperties: false },
    ['{"\\u0061":null}', '{"a" : null}'],
    ['{"\\u0061":1}', '{"\\u0062":null}', '{"a":null,"__proto__":1}', "{}"],
  ],
  [
    "names of every object's own are no exception",
    { required: ["toString"], properties: { constructor: { type: "number" } } },
    ['{"toString":1}', '{"toString":null,"constructor":1}'],
    ["{}", '{"toString":1,"constructor":null}'],
  ],
  [
    "a required key that nothing declares",
    { required: ["b"], properties: { a: {} }, additionalProperties: false },
    [],
    ['{"b":1}', '{"a":1}', '{"a":1,"b":1}'],
  ],
  [
    "false refuses what is there",
    { properties: { a: false }, items: false },
    ["{}", "[]", "1"],
    ['{"a":null}', "[null]"],
  ],
  [
    "items of items",
    { items: { items: { type: "integer" }, maxItems: 2 } },
    ["[[1,2],[],[3]]", "[1]"],
    ["[[1,2,3]]", '[[1],["x"]]'],
  ],
  [
    "a list of objects has keys in each",
    { items: { required: ["a", "b"] } },
    ['[{"a":1,"b":1},{"b":1,"a":1}]'],
    ['[{"a":1,"b":1},{"a":1}]', '[{"a":1,"c":1}]'],
  ],
  [
    "any white space may stand for the T",
    { format: "date-time" },
    [
      '"2026-03-01T12:00:00Z"',
      '"2026-03-01\\u00a012:00:00z"',
      '"0000-02-29\\t12:00:00.5+05"',
      '"2016-12-31T24:59:00+01:00"',
      '"2016-12-31T00:29:60+00:30"',
      '"2016-12-31T23:29:60-00:30"',
    ],
    ['"2026-03-01\\u200b12:00:00Z"', '"2026-03-01T12:00:00"', '"2026-02-29T12:00:00Z"'],
  ],
  [
    "59.99… seconds may round up to 60",
    { format: "date-time" },
    ['"2016-12-31T23:59:59.99999999999999999Z"', '"2016-12-31T23:58:59.999999999999993Z"'],
    ['"2016-12-31T23:58:59.99999999999999999Z"', '"2016-12-31T23:59:60.99999999999999999999Z"'],
  ],
  [
    "a UUID may be a URN",
    { format: "uuid" },
    ['"123E4567-e89b-12d3-a456-426614174000"', '"URN:uuid:123e4567-e89b-12d3-a456-426614174000"', "1"],
    ['"{123e4567-e89b-12d3-a456-426614174000}"', '"123e4567-e89b-12d3-a456-42661417400g"'],
  ],
];

test.each(TRAPS)("%s", (_name, inner, valid, invalid) => {
  const texts = [...valid, ...invalid].map((text) => `{"v":${text}}`);
  const { kernel, validator } = judgements({ properties: { v: inner } }, texts);
  const expected = [...valid.map(() => true), ...invalid.map(() => false)];
  expect(validator).toEqual(expected);
  expect(kernel).toEqual(expected);
});

test("numbers of every length of whole and fraction are the doubles that JSON.parse makes", () => {
  const nines = "98765432198765432198";
  const texts: string[] = [];
  for (let whole = 1; whole <= 18; whole++)
    for (let fraction = 0; fraction <= 18; fraction++) {
      const text =
        nines.slice(0, whole) + (fraction === 0 ? "" : `.${nines.slice(whole % 2, fraction + (whole % 2))}`);
      texts.push(text, `-${text}`, `${text}e3`, `${text}E-3`);
    }
  texts.push("0", "-0", "0.5", "-0.00000001", "10000000", "100000000", "0.12345678", "0.123456789");
  // another last digit before the exponent, which may still be the same double, and another first one, which is not
  const altered = texts.map((text) =>
    text.replace(/\d(?=e|E|$)/, (digit) => String((Number(digit) + 5) % 10)),
  );
  const others = texts.map((text) => text.replace(/\d/, (digit) => (digit === "9" ? "8" : "9")));
  for (let from = 0; from < texts.length; from += 100) {
    const part = texts.slice(from, from + 100);
    const properties = Object.fromEntries(part.map((text, i) => [`n${i}`, { const: Number(text) }]));
    const documents = [part, altered.slice(from, from + 100), others.slice(from, from + 100)].flatMap((all) =>
      all.map((text, i) => `{"n${i}":${text}}`),
    );
    const { kernel, validator } = judgements({ properties }, documents);
    expect(kernel).toEqual(validator);
    expect(validator.slice(0, part.length)).not.toContain(false);
    expect(validator.slice(part.length * 2)).not.toContain(true);
  }
});

test("texts around both ends of their lengths, in bytes and in characters", () => {
  const schemas = [0, 1, 2, 5, 64, 1_073_741_823, 1_073_741_824, 4_294_967_295].flatMap((minLength) =>
    [0, 1, 4, 8, 20, 255, 256, 4_294_967_295].map((maxLength) => ({ minLength, maxLength })),
  );
  const texts = ["a", "é", "€", "🚀", "\\n", "\\ud83d\\ude80"].flatMap((character) =>
    [0, 1, 2, 3, 4, 5, 7, 8, 9, 19, 20, 21, 63, 64, 65, 255, 256, 257].map((count) =>
      character.repeat(count),
    ),
  );
  for (const lengths of schemas) {
    const schema = { properties: { v: { type: "string", ...lengths } }, required: ["v"] };
    const { kernel, validator } = judgements(
      schema,
      texts.map((text) => `{"v":"${text}"}`),
    );
    expect(kernel).toEqual(validator);
  }
});

describe("not for the kernel", () => {
  test.each<[string, JsonSchema]>([
    ["#/properties/a/pattern", { properties: { a: { pattern: "^a" } } }],
    ["#/properties/a~1b/items", { properties: { "a/b": { items: [{}] } } }],
    ["#/anyOf", { anyOf: [{}] }],
    ["#/properties/a/$ref", { properties: { a: { $ref: "#/definitions/a" } }, definitions: { a: {} } }],
    ["#/properties/a/enum", { properties: { a: { enum: ["x", { y: 1 }] } } }],
    ["#/properties/a/const", { properties: { a: { const: [] } } }],
    ["#/properties/a/const", { properties: { a: { const: "\ud800" } } }],
    ["#/properties/__proto__", { properties: Object.fromEntries([["__proto__", {}]]) }],
    ["#/required", { required: [""] }],
    ["#/additionalProperties", { additionalProperties: { type: "string" } }],
    ["#/properties/a/format", { properties: { a: { format: "email" } } }],
    ["#/properties/a/format", { properties: { a: { format: "toString" } } }],
    ["#/properties/a/uniqueItems", { properties: { a: { uniqueItems: true } } }],
    ["#/minProperties", { minProperties: 1 }],
    ["#/x-unit", { "x-unit": 1 }],
  ])("%s", (beyond, schema) => {
    expect(planSchema(schema)).toEqual({ description: null, beyond });
  });

  test("a format that the validator knows and the kernel does not", () => {
    const known = new Set([
      "date",
      "date-time",
      "uuid",
      "int32",
      "int64",
      "float",
      "double",
      "password",
      "binary",
    ]);
    for (const format of [...Object.keys(fullFormats), "url"])
      expect([format, planSchema({ format }).beyond === null]).toEqual([format, known.has(format)]);
  });
});

test("a plan whose checks find no memory is not made, and nothing of it stays", () => {
  const kernel = testKernel({ maxMemoryBytes: 2 ** 21 });
  const { description } = planSchema({
    properties: { a: { enum: Array.from({ length: 2_000 }, (_, i) => `${i}`.padEnd(900)) } },
  });
  const before = kernel.usedBytes;
  expect(() => kernel.plan([], { maxBytes: 1_000, maxDepth: 8 }, description)).toThrow("memory");
  expect(kernel.usedBytes - before).toBeLessThan(2 ** 21);
  const plan = kernel.plan([], { maxBytes: 1_000, maxDepth: 8 }, planSchema({ required: ["a"] }).description);
  plan.destroy();
});
