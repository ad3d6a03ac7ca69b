/** Generated schemas with the column type that each must become, and documents for them, good and bad. */
import * as fc from "fast-check";
import type { ColumnType } from "../../../core/columns.ts";
import { type EventType, eventTypeSchema, type JsonSchema } from "../../../core/event-type.ts";

export interface Shape {
  readonly schema: JsonSchema;
  readonly type: ColumnType;
}

const leaf = (schema: JsonSchema, type: ColumnType): Shape => ({ schema, type });
const decimals = fc
  .tuple(fc.integer({ min: 1, max: 38 }), fc.nat({ max: 38 }), fc.boolean())
  .map(([precision, scale, quoted]): Shape => {
    const held = Math.min(precision, scale);
    return leaf(
      { type: quoted ? "string" : "number", format: `decimal(${precision},${held})` },
      { kind: "decimal", precision, scale: held, quoted },
    );
  });
const leaves: fc.Arbitrary<Shape> = fc.oneof(
  fc.constantFrom(
    leaf({ type: "string" }, { kind: "string" }),
    leaf({ type: ["integer", "null"] }, { kind: "long" }),
    leaf({ type: "integer" }, { kind: "long" }),
    leaf({ type: "number" }, { kind: "double" }),
    leaf({ type: "boolean" }, { kind: "boolean" }),
    leaf({ type: "string", format: "date-time" }, { kind: "timestamp" }),
    leaf({ type: "string", format: "date" }, { kind: "date" }),
    leaf({}, { kind: "json" }),
    leaf({ type: ["string", "integer"] }, { kind: "json" }),
  ),
  decimals,
);

export const FIELD_NAMES: readonly string[] = [
  "a",
  "b",
  "sku",
  "qty",
  "__proto__",
  "constructor",
  "toString",
  "length",
  "0",
  "list",
  "element",
  "key",
  "value",
  "ünïcode",
  "日本",
  "🚀",
  'quo"te',
  "back\\slash",
  "a~b/c",
  "dotted.name",
  "$ref",
  "x-y",
  "UPPER",
];

/** The DuckDB client loses a struct's field `__proto__`: a case of its own reads it by SQL. */
const NESTED_NAMES = FIELD_NAMES.filter((name) => name !== "__proto__");

const { shape } = fc.letrec<{ shape: Shape }>((tie) => ({
  shape: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    { weight: 6, arbitrary: leaves },
    { weight: 2, arbitrary: structOf(tie("shape")) },
    {
      weight: 2,
      arbitrary: tie("shape")
        .filter(({ schema }) => Object.keys(schema).length > 0)
        .map(listOf),
    },
  ),
}));

function structOf(inner: fc.Arbitrary<Shape>): fc.Arbitrary<Shape> {
  return fieldsOf(NESTED_NAMES, inner, 1).map((fields) => ({
    schema: { type: "object", properties: propertiesOf(fields) },
    type: { kind: "struct", fields: fields.map(([name, { type }]) => ({ name, type, nullable: true })) },
  }));
}

function listOf(element: Shape): Shape {
  return { schema: { type: "array", items: element.schema }, type: { kind: "list", element: element.type } };
}

/** JavaScript orders such keys first. */
const isIndex = (name: string): boolean => /^\d+$/.test(name);

function fieldsOf(
  names: readonly string[],
  inner: fc.Arbitrary<Shape>,
  minLength: number,
): fc.Arbitrary<[string, Shape][]> {
  const fields = fc.uniqueArray(fc.tuple(fc.constantFrom(...names), inner), {
    minLength,
    maxLength: 5,
    selector: ([name]) => name,
  });
  return fields.map((given) => given.sort(([a], [b]) => Number(isIndex(b)) - Number(isIndex(a))));
}

/** Fields of a payload. */
export const payloads: fc.Arbitrary<readonly (readonly [string, Shape])[]> = fieldsOf(FIELD_NAMES, shape, 0);

export function propertiesOf(fields: readonly (readonly [string, Shape])[]): Record<string, JsonSchema> {
  return Object.fromEntries(fields.map(([name, { schema }]) => [name, schema]));
}

export function eventTypeOf(schema: JsonSchema, category: EventType["category"] = "undefined"): EventType {
  return eventTypeSchema.parse({
    name: "shop.order-placed",
    owning_application: "shop",
    category,
    schema: { type: "json_schema", schema: JSON.stringify(schema) },
  });
}

const digits = (minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(..."0123456789".split("")), minLength, maxLength });
const wholes = fc.oneof(
  fc.maxSafeInteger().map(String),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(String),
  fc.constantFrom("0", "-0", "9223372036854775807", "-9223372036854775808", "9223372036854775808"),
  fc.tuple(fc.integer({ min: 1, max: 9 }), digits(0, 40)).map(([first, rest]) => `${first}${rest}`),
);
const numbers = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: -9_999, max: 9_999 }).map(String) },
  { weight: 2, arbitrary: wholes },
  { weight: 2, arbitrary: fc.tuple(wholes, digits(1, 20)).map(([whole, rest]) => `${whole}.${rest}`) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(wholes, fc.option(digits(1, 25)), fc.constantFrom("e", "E", "e+", "e-"), fc.nat({ max: 400 }))
      .map(([whole, rest, sign, exponent]) => `${whole}${rest === null ? "" : `.${rest}`}${sign}${exponent}`),
  },
  {
    weight: 1,
    arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
  },
);
const strings = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({ unit: "grapheme" }).map((text) => `${text}\\ "\u0000\u2028/`),
  fc.constantFrom("", "x".repeat(70_000)),
);
/** JSON spelling of a string, some characters escaped that need not be. */
const spelled = (text: string, escapes: boolean): string =>
  escapes
    ? JSON.stringify(text).replace(/[a-z0-9:-](?=[^\\]*"$)/, (character) => {
        return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
      })
    : JSON.stringify(text);
const days = fc
  .date({ min: new Date("0001-01-01T00:00:00Z"), max: new Date("9999-12-31T00:00:00Z"), noInvalidDate: true })
  .map((date) => date.toISOString());
const dates = fc.oneof(
  { weight: 8, arbitrary: days.map((text) => text.slice(0, 10)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "2023-02-29",
      "2024-02-29",
      "1900-02-29",
      "2000-02-29",
      "2024-13-01",
      "2024-1-01",
      "",
      "0000-01-01",
      "1948-06-21",
    ),
  },
);
const times = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(
        days,
        fc.option(digits(1, 12)),
        fc.constantFrom("Z", "z", "+00:00", "-00:00", "+05:30", "-23:59", "+14:00"),
      )
      .map(([text, fraction, zone]) => text.slice(0, 19) + (fraction === null ? "" : `.${fraction}`) + zone),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      "2016-12-31T23:59:60Z",
      "2017-01-01T05:29:60.5+05:30",
      "2016-12-31T23:58:60Z",
      "2024-01-01T24:00:00Z",
      "2024-01-01",
      "2024-01-01T00:00:00",
      "2024-01-01 00:00:00Z",
      "2024-01-01T00:00:00.Z",
      "0001-01-01T00:00:00+01:00",
      "9999-12-31T23:59:59.9999999Z",
      "1969-12-31T23:59:59.999999Z",
      "1969-12-31T23:59:59.0000001Z",
      "2024-01-01T00:00:00+0100",
    ),
  },
);

const anything: fc.Arbitrary<string> = fc.oneof(
  numbers,
  strings.map((text) => JSON.stringify(text)),
  fc.constantFrom(
    "true",
    "false",
    "null",
    "{}",
    "[]",
    '{"a": [1.50, {"b":null}]}',
    '[[],[{"]":"}"}], "\\"" ]',
    '"\\\\"',
  ),
);

/** JSON text of a value of this type, now and then of something else. */
function valueOf(type: ColumnType): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 40, arbitrary: good(type) },
    { weight: 3, arbitrary: fc.constant("null") },
    { weight: 1, arbitrary: anything },
  );
}

const quotedBy = (texts: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.tuple(texts, fc.boolean()).map(([text, escapes]) => spelled(text, escapes));

function good(type: ColumnType): fc.Arbitrary<string> {
  switch (type.kind) {
    case "string":
      return quotedBy(strings);
    case "long":
      return fc.oneof(
        { weight: 9, arbitrary: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String) },
        numbers,
      );
    case "double":
      return numbers;
    case "boolean":
      return fc.constantFrom("true", "false");
    case "timestamp":
      return quotedBy(times);
    case "date":
      return quotedBy(dates);
    case "decimal": {
      const exact = fc
        .tuple(fc.bigInt({ min: 0n, max: 10n ** BigInt(type.precision) - 1n }), fc.constantFrom("", "-"))
        .map(([unscaled, sign]) => {
          const text = String(unscaled).padStart(type.scale + 1, "0");
          const point = text.length - type.scale;
          return sign + text.slice(0, point) + (type.scale === 0 ? "" : `.${text.slice(point)}`);
        });
      const token = fc.oneof({ weight: 9, arbitrary: exact }, numbers);
      return type.quoted ? quotedBy(token) : token;
    }
    case "list":
      return fc.tuple(fc.array(valueOf(type.element), { maxLength: 4 }), spaces).map(([items, space]) => {
        return `[${space}${items.join(`${space},${space}`)}${space}]`;
      });
    case "struct":
      return objectOf(type.fields.map(({ name, type: inner }) => [name, inner]));
    default:
      return anything;
  }
}

const spaces = fc.constantFrom("", "", " ", "\n\t ");

/** JSON text of an object with some of these fields, in any order, and some that nobody declared. */
export function objectOf(fields: readonly (readonly [string, ColumnType])[]): fc.Arbitrary<string> {
  const declared = fields.map(([name, type]) =>
    fc.option(fc.tuple(fc.constant(name), valueOf(type)), { freq: 6 }),
  );
  const names = new Set(fields.map(([name]) => name));
  const others = fc.uniqueArray(fc.tuple(fc.constantFrom(...FIELD_NAMES, "note", "Sku", "A"), anything), {
    maxLength: 2,
    selector: ([name]) => name,
  });
  return fc
    .tuple(fc.tuple(...declared), others, spaces, fc.boolean(), fc.nat())
    .map(([chosen, unknown, space, escapes, seed]) => {
      const entries = [
        ...chosen.filter((entry) => entry !== null),
        ...unknown.filter(([name]) => !names.has(name)),
      ];
      const turned = entries.map((_, i) => entries[(i + seed) % entries.length]!);
      return `{${space}${turned
        .map(([name, value]) => `${spelled(name, escapes)}${space}:${space}${value}`)
        .join(`${space},${space}`)}${space}}`;
    });
}
