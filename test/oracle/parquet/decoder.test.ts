import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { planColumns } from "../../../core/columns.ts";
import type { JsonSchema } from "../../../core/event-type.ts";
import { compileDecoder } from "./decoder.ts";
import { decodeValue, OneByOne } from "./decode-one.ts";
import { eventTypeOf } from "../../lake/parquet/shapes.ts";

const INTEGER: JsonSchema = { type: "integer" };
const NUMBER: JsonSchema = { type: "number" };
const STRING: JsonSchema = { type: "string" };
const TIME: JsonSchema = { type: "string", format: "date-time" };
const DATE: JsonSchema = { type: "string", format: "date" };
const MONEY: JsonSchema = { type: "number", format: "decimal(38,2)" };
const QUOTED: JsonSchema = { type: "string", format: "decimal(6,2)" };

const OUT = "event.value_out_of_range /v";
const INEXACT = "event.value_inexact /v";
const TYPE = "event.value_type /v";

/** Column value as published, and what `extra` keeps beside it. */
const held = (v: unknown, extra?: string): object => ({ values: extra === undefined ? { v } : { v, extra } });
const refused = (rejected: string): object => ({ rejected });

describe("values that rounding readers get wrong (research/encoder.md)", () => {
  test.each<[string, JsonSchema, string, object]>([
    ["a fraction for an integer", INTEGER, "1.5", refused(INEXACT)],
    ["another fraction", INTEGER, "2.5", refused(INEXACT)],
    ["an exponent that is an integer", INTEGER, "1e2", held(100n)],
    ["a fraction of zeros", INTEGER, "100.0", held(100n)],
    ["a fraction that the exponent undoes", INTEGER, "1.5E+1", held(15n)],
    ["a string for an integer", INTEGER, '"42"', refused(TYPE)],
    ["a boolean for an integer", INTEGER, "true", refused(TYPE)],
    ["2^63", INTEGER, "9223372036854775808", refused(OUT)],
    ["2^63 - 1", INTEGER, "9223372036854775807", held(2n ** 63n - 1n)],
    ["-2^63", INTEGER, "-9223372036854775808", held(-(2n ** 63n))],
    ["-2^63 - 1", INTEGER, "-9223372036854775809", refused(OUT)],
    ["2^53 + 1", INTEGER, "9007199254740993", held(2n ** 53n + 1n)],
    ["2^31, which is a long here", INTEGER, "2147483648", held(2n ** 31n)],
    ["minus zero", INTEGER, "-0", held(0n)],
    ["a huge exponent", INTEGER, "1e999999999", refused(OUT)],
    ["a huge negative exponent", INTEGER, "1e-999999999", refused(INEXACT)],
    ["zero with a huge exponent", INTEGER, "0e999999999999", held(0n)],
    ["21 digits and cents in a decimal", MONEY, "123456789012345678901.12", held(12345678901234567890112n)],
    ["a third decimal place", MONEY, "1.005", refused(INEXACT)],
    ["a third decimal place of zero", MONEY, "1.500", held(150n)],
    ["37 digits before the point", MONEY, "9".repeat(37), refused(OUT)],
    ["the largest decimal", MONEY, `${"9".repeat(36)}.99`, held(10n ** 38n - 1n)],
    ["the smallest decimal", MONEY, `-${"9".repeat(36)}.99`, held(1n - 10n ** 38n)],
    ["a decimal by exponent", MONEY, "12e-1", held(120n)],
    ["a decimal in a string", QUOTED, '"1234.56"', held(123456n)],
    ["a decimal in a string with escapes", QUOTED, '"\\u00312.5"', held(1250n)],
    ["a number where a string is declared", QUOTED, "12.5", refused(TYPE)],
    ["an exponent in a string", QUOTED, '"1e2"', refused(TYPE)],
    ["spaces in a string", QUOTED, '" 1"', refused(TYPE)],
    ["an empty string for a decimal", QUOTED, '""', refused(TYPE)],
    ["a point without digits", QUOTED, '"1."', refused(TYPE)],
    ["too large for the string's decimal", QUOTED, '"10000"', refused(OUT)],
    ["too fine for the string's decimal", QUOTED, '"-0.001"', refused(INEXACT)],
    ["1e400", NUMBER, "1e400", refused(OUT)],
    ["-1e400", NUMBER, "-1e400", refused(OUT)],
    ["a number below all doubles", NUMBER, "1e-400", held(0, '{"v":1e-400}')],
    ["minus zero as a double", NUMBER, "-0", held(-0)],
    ["minus zero with places", NUMBER, "-0.00", held(-0)],
    ["a double's own text", NUMBER, "0.1", held(0.1)],
    ["trailing zeros", NUMBER, "0.1000000000000000000000000000", held(0.1)],
    ["19 digits", NUMBER, "0.1234567890123456789", held(0.12345678901234568, '{"v":0.1234567890123456789}')],
    [
      "23 digits",
      NUMBER,
      "12345678901234567890123",
      held(1.2345678901234568e22, '{"v":12345678901234567890123}'),
    ],
    [
      "16 digits that are a double's own",
      NUMBER,
      "0.3000000000000000444e0",
      held(0.30000000000000004, '{"v":0.3000000000000000444e0}'),
    ],
    ["the largest double", NUMBER, "1.7976931348623157e308", held(Number.MAX_VALUE)],
    ["the smallest double", NUMBER, "5e-324", held(5e-324)],
    [
      "a subnormal with digits to spare",
      NUMBER,
      "4.94065645841246544e-324",
      held(5e-324, '{"v":4.94065645841246544e-324}'),
    ],
    ["halfway between doubles", NUMBER, "9007199254740993", held(9007199254740992, '{"v":9007199254740993}')],
    ["string for a double", NUMBER, '"1.5"', refused(TYPE)],
    ["12.50 for a string", STRING, "12.50", refused(TYPE)],
    [
      "open JSON keeps digits and spacing",
      {},
      '{"a": 1.50,"b":[ 0.1234567890123456789 ]}',
      held('{"a": 1.50,"b":[ 0.1234567890123456789 ]}'),
    ],
    [
      "seven digits of a second",
      TIME,
      '"2024-05-06T07:08:09.1234567Z"',
      held(1714979289123456n, '{"v":"2024-05-06T07:08:09.1234567Z"}'),
    ],
    ["seven digits, the last zero", TIME, '"2024-05-06T07:08:09.1234560Z"', held(1714979289123456n)],
    ["a time without a zone", TIME, '"2024-05-06T07:08:09"', refused(TYPE)],
    ["before 1970, with a fraction", TIME, '"1969-12-31T23:59:59.999999Z"', held(-1n)],
    [
      "before 1970, cut downwards",
      TIME,
      '"1969-12-31T23:59:59.9999999Z"',
      held(-1n, '{"v":"1969-12-31T23:59:59.9999999Z"}'),
    ],
    ["the first instant", TIME, '"0001-01-01T00:00:00Z"', held(-62135596800000000n)],
    ["the last instant", TIME, '"9999-12-31T23:59:59.999999Z"', held(253402300799999999n)],
    ["before the first instant", TIME, '"0001-01-01T00:00:00+00:01"', refused(OUT)],
    ["after the last instant", TIME, '"9999-12-31T23:59:59-00:01"', refused(OUT)],
    [
      "1948 in another zone",
      TIME,
      '"1948-06-21T01:02:03.5+02:00"',
      held(BigInt(Date.UTC(1948, 5, 20, 23, 2, 3, 500)) * 1000n),
    ],
    [
      "a leap second",
      TIME,
      '"2016-12-31T23:59:60Z"',
      held(1483228800000000n, '{"v":"2016-12-31T23:59:60Z"}'),
    ],
    ["a time in escapes", TIME, '"1970\\u002d01-01T00:00:00Z"', held(0n)],
    ["a number for a time", TIME, "0", refused(TYPE)],
    ["the first day", DATE, '"0001-01-01"', held(-719162)],
    ["the last day", DATE, '"9999-12-31"', held(2932896)],
    ["1948", DATE, '"1948-06-21"', held(-7864)],
    ["no leap day", DATE, '"2023-02-29"', refused(TYPE)],
    ["a day and a time", DATE, '"2024-01-01T00:00:00Z"', refused(TYPE)],
    [
      "surrogate pairs and escapes",
      STRING,
      String.raw`"\ud83d\ude80 \"\\\/\b\f\n\r\t\u0000é日"`,
      held('🚀 "\\/\b\f\n\r\t\u0000é日'),
    ],
    ["a number for a boolean", { type: "boolean" }, "1", refused(TYPE)],
    ["an array for an object", { type: "object", properties: { a: {} } }, "[]", refused(TYPE)],
    ["an object for an array", { type: "array", items: INTEGER }, "{}", refused(TYPE)],
    ["an empty array", { type: "array", items: INTEGER }, "[ ]", held([])],
    ["an empty object", { type: "object", properties: { a: {} } }, "{ }", held({ a: null })],
  ])("%s", (_name, schema, token, outcome) => {
    expect(decodeValue(schema, token)).toStrictEqual(outcome);
  });

  test("null is NULL for every type", () => {
    for (const schema of [INTEGER, NUMBER, STRING, TIME, DATE, MONEY, QUOTED, {}])
      expect(decodeValue(schema, "null")).toStrictEqual({ values: {} });
  });
});

describe("what the schema does not know", () => {
  const order = new OneByOne({
    id: STRING,
    total: NUMBER,
    items: {
      type: "array",
      items: {
        type: "object",
        properties: { sku: STRING, qty: INTEGER, tags: { type: "array", items: NUMBER } },
      },
    },
    buyer: {
      type: "object",
      properties: { name: STRING, home: { type: "object", properties: { city: STRING } } },
    },
  });

  test.each([
    ["nothing", '{"id":"1"}', undefined],
    ["a field", '{"id":"1", "note" : { "a" : [1.50] } }', '{"note":{ "a" : [1.50] }}'],
    ["null, which was said", '{"note":null}', '{"note":null}'],
    [
      "a field of an element",
      '{"items":[{"sku":"a"},{"sku":"b","note":"x"}]}',
      '{"items":{"1":{"note":"x"}}}',
    ],
    [
      "fields of several elements and after them",
      '{"items":[{"a":1},null,{"b":2,"sku":"c"}],"z":true}',
      '{"items":{"0":{"a":1},"2":{"b":2}},"z":true}',
    ],
    [
      "digits in lists in lists",
      '{"items":[{"tags":[1,0.1234567890123456789]}],"total":12345678901234567890}',
      '{"items":{"0":{"tags":{"1":0.1234567890123456789}}},"total":12345678901234567890}',
    ],
    [
      "two levels down and up again",
      '{"buyer":{"home":{"zip":"1"},"age":3},"y":[]}',
      '{"buyer":{"home":{"zip":"1"},"age":3},"y":[]}',
    ],
    ["a key's own spelling", String.raw`{"n\u006fte":1,"q\"":2}`, String.raw`{"n\u006fte":1,"q\"":2}`],
    ["__proto__", '{"__proto__":{"id":5},"constructor":1}', '{"__proto__":{"id":5},"constructor":1}'],
    [
      "brackets in strings",
      String.raw`{"a":{"b":"}\\\"]"},"c":"\\"}`,
      String.raw`{"a":{"b":"}\\\"]"},"c":"\\"}`,
    ],
  ])("%s", (_name, event, extra) => {
    expect(order.decode(event).values?.["extra"]).toBe(extra);
  });

  test("an escaped key is the field that it spells", () => {
    expect(order.decode(String.raw`{"\u0069d":"1"}`)).toStrictEqual({ values: { id: "1" } });
  });

  test("a field named __proto__ is a field, at the top and inside", () => {
    // As JSON.parse makes it: an own property.
    const properties = Object.fromEntries([
      ["__proto__", STRING],
      ["constructor", INTEGER],
    ]);
    const one = new OneByOne(
      Object.fromEntries([
        ["__proto__", INTEGER],
        ["s", { type: "object", properties }],
      ]),
    );
    const { values } = one.decode('{"__proto__":1,"s":{"__proto__":"x"}}');
    expect(Object.getOwnPropertyDescriptor(values, "__proto__")?.value).toBe(1n);
    const inner: object = Object(values?.["s"]);
    expect(Object.getOwnPropertyDescriptor(inner, "__proto__")?.value).toBe("x");
    expect(Object.entries(inner)).toHaveLength(2);
  });

  test("keys without end, as in a map, are all kept", () => {
    for (let i = 0; i < 6_000; i++) {
      const { values } = order.decode(`{"key-${i}":${i},"id":"${i}"}`);
      expect(values).toStrictEqual({ id: String(i), extra: `{"key-${i}":${i}}` });
    }
  });
});

describe("the envelope inside the event", () => {
  const metadata =
    '"metadata":{"eid":"e","occurred_at":"2024-01-01T00:00:00Z","event_type":"t","flow_id":"f","partition":"0"';

  test("known metadata is in columns, the rest in extra", () => {
    const one = new OneByOne({ id: STRING, metadata: { type: "object" } }, "business");
    expect(one.decode(`{"id":"1",${metadata}}}`)).toStrictEqual({ values: { id: "1" } });
    expect(one.decode(`{${metadata},"version":"1", "x":[1]}}`)).toStrictEqual({
      values: { extra: '{"metadata":{"version":"1","x":[1]}}' },
    });
  });

  test("digits of a time that its column does not hold stay", () => {
    const one = new OneByOne({ id: STRING }, "business");
    expect(one.decode('{"metadata":{"occurred_at":"2024-01-01T00:00:00.0000001Z","eid":"e"}}')).toStrictEqual(
      {
        values: { extra: '{"metadata":{"occurred_at":"2024-01-01T00:00:00.0000001Z"}}' },
      },
    );
    expect(one.decode('{"metadata":{"occurred_at":"2024-01-01T00:00:00.0000010Z"}}')).toStrictEqual({
      values: {},
    });
  });

  test("a data event's columns come from its data", () => {
    const one = new OneByOne({ id: STRING, data_op: INTEGER, metadata: INTEGER }, "data");
    expect(
      one.decode(
        `{${metadata}},"data_op":"U","data_type":"order","data":{"id":"1","data_op":7,"metadata":8,"n":1},"o":2}`,
      ),
    ).toStrictEqual({
      values: {
        data_op: "U",
        data_type: "order",
        id: "1",
        data_data_op: 7n,
        metadata: 8n,
        extra: '{"data":{"n":1},"o":2}',
      },
    });
    expect(one.decode('{"data":null,"data_op":"D"}')).toStrictEqual({ values: { data_op: "D" } });
    expect(one.decode('{"data":[1]}')).toStrictEqual({ rejected: "event.value_type /data" });
    expect(one.decode('{"data":{"id":5}}')).toStrictEqual({ rejected: "event.value_type /data/id" });
    expect(one.decode('{"data_op":5}')).toStrictEqual({ rejected: "event.value_type /data_op" });
  });
});

describe("a rejected event", () => {
  test("names the place", () => {
    const one = new OneByOne({
      "a~b/c": {
        type: "array",
        items: { type: "array", items: { type: "object", properties: { "": {}, q: INTEGER } } },
      },
    });
    expect(one.decode('{"a~b/c":[[],[{"q":1},{"q":0.5}]]}')).toStrictEqual({
      rejected: "event.value_inexact /a~0b~1c/1/1/q",
    });
  });

  test("leaves nothing behind", () => {
    const one = new OneByOne({
      s: STRING,
      n: INTEGER,
      x: NUMBER,
      b: { type: "boolean" },
      d: DATE,
      t: TIME,
      m: MONEY,
      l: { type: "array", items: { type: "object", properties: { q: NUMBER } } },
      last: INTEGER,
    });
    const full =
      '"s":"s","n":1,"x":0.1234567890123456789,"b":true,"d":"2024-01-01","t":"2024-01-01T00:00:00.1234567Z",' +
      '"m":1.5,"z":1,"l":[{"q":1,"w":1}]';
    expect(one.decode(`{${full},"last":"no"}`)).toStrictEqual({ rejected: "event.value_type /last" });
    expect(one.decode('{"l":[{"w":2},{"q":1,"y":1,"q2":{"a":1},"q":"no"}]}')).toStrictEqual({
      rejected: "event.value_type /l/1/q",
    });
    expect(one.decode("{}")).toStrictEqual({ values: {} });
    expect(one.decode(`{${full},"last":1}`).values).toHaveProperty("last", 1n);
    expect(one.decode("{}")).toStrictEqual({ values: {} });
  });
});

describe("bytes that hold several events", () => {
  const plan = planColumns(eventTypeOf({ type: "object", properties: { s: STRING } }));
  const said = [
    "plain",
    'with "escapes" \\ \n',
    "äöü",
    '日本 "\\',
    "",
    "x".repeat(3_000),
    "a\tb",
    "ü".repeat(9_000),
  ];
  const events = said.map((s) => Buffer.from(JSON.stringify({ s })));
  const bytes = Buffer.concat(events);
  const places = events.map((_, i) => events.slice(0, i).reduce((sum, { length }) => sum + length, 0));

  test("are read in any order, again and again", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: said.length - 1 }), { minLength: 1, maxLength: 20 }), (order) => {
        const decoder = compileDecoder(plan);
        for (const i of order) expect(decoder.add(bytes, places[i]!, events[i]!.length)).toBeUndefined();
        const values = decoder.vectors.get("s")!.gather(Uint32Array.from(order.keys()), 0, order.length);
        expect(values).toEqual(order.map((i) => said[i]));
      }),
    );
  });

  test("are read beyond one window of text, and from other bytes in between", () => {
    const many = Buffer.concat(Array.from({ length: 400 }, () => bytes));
    const decoder = compileDecoder(plan);
    for (let round = 0; round < 400; round++)
      events.forEach(({ length }, i) => {
        decoder.add(many, round * bytes.length + places[i]!, length);
        if (round % 100 === 0) decoder.add(bytes, places[i]!, length);
      });
    const values = decoder.vectors.get("s")!.gather(
      Uint32Array.from({ length: decoder.rows }, (_, i) => i),
      0,
      decoder.rows,
    );
    const expected = Array.from({ length: 400 }, (_, round) =>
      said.flatMap((s) => (round % 100 === 0 ? [s, s] : [s])),
    );
    expect(values).toEqual(expected.flat());
    expect(many.length).toBeGreaterThan(1_000_000);
  });

  test("malformed text is a bug, and does not spoil what follows", () => {
    const decoder = compileDecoder(plan);
    const read = (text: string): unknown => decoder.add(Buffer.from(text), 0, text.length);
    for (const text of ['{"s', "{s:1}", '{"s" 1}', '{"s":"a" "b":1}', '{"s":"a"', "[]", '{"":{"']) {
      expect(() => read(text)).toThrow("the decoder was given");
      expect(read('{"s":"a","b":1}')).toBeUndefined();
    }
  });

  test("must not change before the decoder is reset", () => {
    const decoder = compileDecoder(plan);
    const changing = Buffer.from('{"s":"a"} {"s":"b"} ');
    decoder.add(changing, 0, 9);
    changing.write('{} {"s":"c"}  ', 10);
    expect(() => decoder.add(changing, 13, 9)).toThrow("changed before it was reset");
  });
});

test("huge strings and numbers take linear time", () => {
  const digits = "1".repeat(900_000);
  expect(decodeValue(STRING, `"${"ä".repeat(400_000)}\\n"`).values?.["v"]).toHaveLength(400_001);
  expect(decodeValue(INTEGER, digits)).toStrictEqual(refused(OUT));
  expect(decodeValue(INTEGER, `0.${digits}`)).toStrictEqual(refused(INEXACT));
  expect(decodeValue(MONEY, `${"0".repeat(0)}0.${"0".repeat(900_000)}1`)).toStrictEqual(refused(INEXACT));
  expect(decodeValue(NUMBER, `0.${"0".repeat(900_000)}1e900000`).values?.["v"]).toBe(0.1);
  expect(decodeValue(NUMBER, `1${"0".repeat(300)}`)).toStrictEqual(held(1e300));
});
