/** Compiled payload schemas: which events they refuse and where, and which schemas need no parsing at all. */
import { expect, test } from "vitest";
import { parseEventType } from "../../../core/event-type.ts";
import { compilePayloadSchema, type Violation } from "../../../workers/ingest/payload-schema.ts";

function compiled(schema: unknown, more: Record<string, unknown> = {}) {
  const text = typeof schema === "string" ? schema : JSON.stringify(schema);
  return compilePayloadSchema(
    parseEventType({
      name: "t",
      owning_application: "shop",
      category: "business",
      schema: { type: "json_schema", schema: text },
      ...more,
    }),
  );
}

test.each([
  ["{}"],
  ['{"type":"object"}'],
  ['{"$schema":"http://json-schema.org/draft-07/schema#","title":"x","description":"y","type":"object"}'],
  ['{"properties":{"a":{},"b":true,"c":{"description":"free"}},"additionalProperties":true,"required":[]}'],
  ['{"definitions":{"unused":{"type":"string"}}}'],
  ['{"additionalProperties":{}}'],
])("%s constrains nothing", (schema) => {
  expect(compiled(schema)).toBeNull();
});

const VIOLATIONS: readonly [string, unknown, unknown, string, RegExp][] = [
  ["type", { properties: { qty: { type: "integer" } } }, { qty: "1" }, "#/qty", /^must be integer$/],
  [
    "a nested type",
    { properties: { a: { properties: { b: { type: "string" } } } } },
    { a: { b: 1 } },
    "#/a/b",
    /string/,
  ],
  ["a list's item", { properties: { a: { items: { type: "null" } } } }, { a: [null, 1] }, "#/a/1", /null/],
  ["required", { required: ["x/y~z"] }, {}, "#/x~1y~0z", /required/],
  ["required, inherited", { required: ["toString"] }, {}, "#/toString", /required/],
  ["additional", { properties: { a: {} }, additionalProperties: false }, { a: 1, b: 2 }, "#/b", /additional/],
  ["false", { properties: { a: false } }, { a: 1 }, "#/a", /false/],
  ["enum", { properties: { a: { enum: ["x", { y: 1 }] } } }, { a: { y: 2 } }, "#/a", /allowed values/],
  ["pattern", { properties: { a: { pattern: "^\\d{3}$" } } }, { a: "12a" }, "#/a", /pattern/],
  [
    "patternProperties",
    { patternProperties: { "^n_": { type: "number" } } },
    { n_a: "1" },
    "#/n_a",
    /number/,
  ],
  [
    "date-time without zone",
    { properties: { a: { format: "date-time" } } },
    { a: "2026-03-01T00:00:00" },
    "#/a",
    /format/,
  ],
  [
    "a URL",
    { properties: { a: { format: "url" } } },
    { a: `http://${":".repeat(100_000)}` },
    "#/a",
    /format/,
  ],
  [
    "uniqueItems",
    { properties: { a: { uniqueItems: true } } },
    {
      a: [
        { x: 1, y: 2 },
        { y: 2, x: 1 },
      ],
    },
    "#/a",
    /duplicate/,
  ],
  ["multipleOf", { properties: { a: { multipleOf: 0.01 } } }, { a: 4.355 }, "#/a", /multiple/],
  [
    "draft-04's exclusive bound",
    { properties: { a: { minimum: 1, exclusiveMinimum: true } } },
    { a: 1 },
    "#/a",
    /> 1/,
  ],
  [
    "a reference",
    { definitions: { n: { type: "number" } }, properties: { a: { $ref: "#/definitions/n" } } },
    { a: "" },
    "#/a",
    /number/,
  ],
  ["anyOf", { anyOf: [{ required: ["a"] }, { required: ["b"] }] }, { c: 1 }, "#/a", /required/],
  ["dependencies", { dependencies: { a: ["b"] } }, { a: 1 }, "#/b", /when/],
];

test.each(VIOLATIONS)("%s", (_name, schema, event, pointer, reason) => {
  const violation = compiled(schema)!(event);
  expect(violation).toEqual({ pointer, reason: expect.stringMatching(reason) } satisfies Violation);
});

test.each([
  ["integers as 1.0", { properties: { a: { type: "integer" } } }, JSON.parse('{"a":1.0}')],
  ["cents", { properties: { a: { multipleOf: 0.01 } } }, { a: 4.35 }],
  [
    "equal text and list",
    { properties: { a: { uniqueItems: true } } },
    { a: [{ a: 1 }, [["a", 1]], '{"a":1}', 1, "1", null] },
  ],
  [
    "metadata in a closed schema",
    { additionalProperties: false, properties: { a: {} } },
    { metadata: {}, a: 1 },
  ],
  ["a leap second", { properties: { a: { format: "date-time" } } }, { a: "2016-12-31T23:59:60Z" }],
  ["__proto__", { properties: { a: { type: "string" } } }, JSON.parse('{"__proto__":{"a":1}}')],
])("accepts %s", (_name, schema, event) => {
  expect(compiled(schema)!(event)).toBeNull();
});

test("of a data event the schema is its data's", () => {
  const check = compiled({ properties: { a: { type: "integer" } } }, { category: "data" })!;
  expect(check({ a: "1" })).toMatchObject({ pointer: "#/data/a" });
  expect(check({ a: 1, metadata: 1 })).toBeNull();
});

test("compatible closes every object", () => {
  const check = compiled(
    { properties: { a: { type: "object", properties: { b: {} } } } },
    { compatibility_mode: "compatible" },
  )!;
  expect(check({ metadata: {}, a: { b: 1 } })).toBeNull();
  expect(check({ c: 1 })).toMatchObject({ pointer: "#/c" });
  expect(check({ a: { c: 1 } })).toMatchObject({ pointer: "#/a/c" });
});

test("a long list is compared in linear time, long strings against formats too", () => {
  const formats = [
    "uri",
    "uri-reference",
    "uri-template",
    "email",
    "hostname",
    "ipv6",
    "json-pointer",
    "duration",
    "regex",
    "byte",
  ];
  const properties = Object.fromEntries(formats.map((format) => [format, { type: "string", format }]));
  const check = compiled({ properties: { ...properties, list: { uniqueItems: true } } })!;
  const started = process.cpuUsage();
  check({ list: Array.from({ length: 200_000 }, (_, i) => ({ i })) });
  for (const format of formats)
    for (const unit of ["a", "a.", "a-", "1", ":", "/", "%20", "{a}", "@", "A1", "::", "=", "\n"])
      check({ [format]: unit.repeat(65_536 / unit.length) + "!" });
  const { user, system } = process.cpuUsage(started);
  expect((user + system) / 1e3).toBeLessThan(4_000);
});
