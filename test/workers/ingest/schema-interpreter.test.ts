import assert from "node:assert/strict";
import process from "node:process";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonSchema } from "../../../core/event-type.ts";
import { compile, interpret } from "../../../workers/ingest/payload-schema.ts";

const KEYS = ["a", "b", "a/b", "é"];
const FORMATS = [
  "date-time",
  "date",
  "uuid",
  "email",
  "int32",
  "double",
  "byte",
  "url",
  "regex",
  "unheard-of",
];
const TEXTS = [
  "",
  "a",
  "abc",
  "😀😀",
  "2026-01-01T00:00:00Z",
  "2026-02-30",
  "11111111-1111-4111-8111-111111111111",
  "a@b.example",
  "https://x.example",
  "(",
];

const scalar = fc.oneof(
  fc.constantFrom<unknown>(null, true, false, 0, 1, -1, 1.5, 2.5e9, 1e300, 0.3, 7),
  fc.constantFrom<unknown>(...TEXTS),
);
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    scalar,
    // Of an empty array ajv may say that it contains what the array before it did (a variable is left over).
    fc.array(tie("value"), { minLength: 1, maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...KEYS), tie("value"), { maxKeys: 4 }),
  ),
}));

const count = fc.integer({ min: 0, max: 3 });
const schemas = fc.letrec((tie) => {
  const schema = tie("schema");
  const list = fc.array(schema, { minLength: 1, maxLength: 3 });
  const map = fc.dictionary(fc.constantFrom(...KEYS), schema, { maxKeys: 3 });
  const keys = fc.uniqueArray(fc.constantFrom(...KEYS), { maxLength: 3 });
  const type = fc.constantFrom("null", "boolean", "object", "array", "number", "string", "integer");
  const keyword = fc.oneof(
    fc.record({ type: fc.oneof(type, fc.uniqueArray(type, { minLength: 1, maxLength: 3 })) }),
    fc.record({ enum: fc.array(value, { minLength: 1, maxLength: 3 }) }),
    fc.record({ const: value }),
    fc.record({ minimum: count, maximum: count }),
    fc.record({ exclusiveMinimum: count, exclusiveMaximum: count }),
    fc.record({ multipleOf: fc.constantFrom(0.1, 0.5, 2, 3) }),
    fc.record({ minLength: count, maxLength: count }),
    fc.record({ pattern: fc.constantFrom("^a", "b", "^.{2}$", "^[0-9]+$") }),
    fc.record({ format: fc.constantFrom(...FORMATS) }),
    fc.record({ items: fc.oneof(schema, list) }),
    fc.record({ items: list, additionalItems: schema }),
    fc.record({ contains: schema }),
    fc.record({ minItems: count, maxItems: count }),
    fc.record({ uniqueItems: fc.boolean() }),
    fc.record({ properties: map, required: keys }),
    fc.record({ properties: map, additionalProperties: schema }),
    fc.record({ patternProperties: fc.dictionary(fc.constantFrom("a", "^b$"), schema, { maxKeys: 2 }) }),
    fc.record({ patternProperties: fc.constant({ "^a": {} }), additionalProperties: fc.constant(false) }),
    fc.record({ propertyNames: schema }),
    fc.record({ minProperties: count, maxProperties: count }),
    fc.record({
      dependencies: fc.dictionary(fc.constantFrom(...KEYS), fc.oneof(schema, keys), { maxKeys: 2 }),
    }),
    fc.record({ allOf: list }),
    fc.record({ anyOf: list }),
    fc.record({ oneOf: list }),
    fc.record({ not: schema }),
    fc.record({ if: schema }, { requiredKeys: [] }),
    // oxlint-disable-next-line unicorn/no-thenable -- the keyword of that name
    fc.record({ if: schema, then: schema, else: schema }, { requiredKeys: ["if"] }),
    fc.record({ $ref: fc.constantFrom("#/definitions/x", "#/definitions/y~1z") }),
  );
  return {
    schema: fc.oneof(
      { depthSize: "small" },
      fc.boolean(),
      keyword,
      fc.tuple(keyword, keyword, keyword).map((parts) => {
        const { contains, ...others } = Object.assign({}, ...parts) as JsonSchema;
        // Beside a list of items ajv sometimes takes `contains` for fulfilled (a variable is shared).
        return contains === undefined || Array.isArray(others.items) ? others : { ...others, contains };
      }),
    ),
  };
});
const root = fc
  .tuple(schemas.schema, schemas.schema, schemas.schema)
  .filter(([main, ...others]) => typeof main === "object" && !JSON.stringify(others).includes("$ref"))
  .map(([main, x, y]) => ({ ...(main as JsonSchema), definitions: { x, "y/z": y } }));

/** What it gives, or the words with which it refuses. */
function attempted<Result>(work: () => Result): Result | string {
  try {
    return work();
  } catch (error) {
    return String(error);
  }
}

describe("the interpreter beside ajv", () => {
  test("an empty array contains nothing, also where ajv says so", () => {
    const schema: JsonSchema = { additionalProperties: { contains: { type: "number" } } };
    expect(interpret(schema)({ a: [7], b: [] })).toBe(false);
    expect(compile(schema)({ a: [], b: [7] })).toBe(false);
    expect(compile(schema)({ a: [7], b: [] }), "ajv was corrected: drop the exception above").toBe(true);
  });

  test(
    "same verdict, same place, same words, over generated schemas and values",
    { timeout: 600_000 },
    () => {
      let refused = 0;
      fc.assert(
        fc.property(root, fc.array(value, { minLength: 1, maxLength: 8 }), (anySchema, anyValues) => {
          const [schema, values] = JSON.parse(JSON.stringify([anySchema, anyValues])) as [
            JsonSchema,
            unknown[],
          ];
          const generated = attempted(() => compile(schema));
          const interpreted = attempted(() => interpret(schema));
          if (typeof generated === "string" || typeof interpreted === "string") {
            // Ajv goes on to list what else is wrong with the branches of its own schema.
            assert.ok(String(generated).startsWith(String(interpreted)), String(interpreted));
            return;
          }
          for (const one of values) {
            const isValid = generated(one);
            const expected = isValid ? undefined : generated.errors![0];
            if (!isValid) refused++;
            const got = interpreted(one) ? undefined : interpreted.errors![0];
            expect([got?.instancePath, got?.message]).toEqual([expected?.instancePath, expected?.message]);
          }
        }),
        { numRuns: process.env["MUARA_LONG"] ? 20_000 : 1_500 },
      );
      expect(refused).toBeGreaterThan(500);
    },
  );

  test.each<unknown>([
    { type: "strin" },
    { required: "a" },
    { minLength: -1 },
    { enum: "a" },
    { properties: { a: 7 } },
    { allOf: [] },
    { multipleOf: 0 },
  ])("%j is no schema for either", (schema) => {
    expect(() => compile(schema as JsonSchema)).toThrow("is no JSON Schema");
    expect(() => interpret(schema as JsonSchema)).toThrow("is no JSON Schema");
  });
});
