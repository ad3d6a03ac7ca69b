/**
 * Every kind of value, as an event has it, against what the type's own output function shows of the same row: what is
 * in `data` gives that text back, or the text stands beside.
 */
import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ByteBuffer, viewOf } from "../../../adapters/pg/byte-buffer.ts";
import { readTypes, typeForm } from "../../../adapters/pg/type-form.ts";
import { writeValue } from "../../../adapters/pg/value.ts";
import type { ValueForm } from "../../../core/ports/source.ts";
import { startPostgres, type PostgresServer } from "../../services/postgres.ts";
import { makePlace, type Place } from "./replication-place.ts";

/** Type, values as SQL. */
const MATRIX: readonly (readonly [string, readonly string[]])[] = [
  ["bool", ["true", "false"]],
  ["int2", ["0", "-32768", "32767"]],
  ["int4", ["0", "-2147483648", "2147483647"]],
  ["int8", ["0", "-9223372036854775808", "9223372036854775807", "9007199254740993"]],
  ["numeric", ["0", "1.10", "'NaN'", "'Infinity'", "-1e100", "1e-100", "12345678901234567890.123456789"]],
  ["numeric(10,2)", ["0", "-99999999.99", "12.5", "'NaN'"]],
  ["numeric(38,10)", ["1234567890123456789012345678.0123456789"]],
  ["numeric(39,0)", ["1", "'NaN'"]],
  ["numeric(3,-2)", ["12345"]],
  ["numeric(2,4)", ["0.0012"]],
  ["float4", ["0", "'-0'", "1.5", "3.4028235e38", "1e-45", "'NaN'", "'Infinity'", "'-Infinity'"]],
  [
    "float8",
    ["0.1", "1e300", "1e-320", "1.7976931348623157e308", "123456789012345680", "'NaN'", "'-Infinity'"],
  ],
  ["money", ["12.34", "-0.01"]],
  [
    "text",
    ["''", "'plain'", "'ünï ☃ 😀'", "E'tab\\tline\\nquote\"back\\\\\\x01\\x1f\\x7f'", "repeat('ab\"', 1000)"],
  ],
  [
    "text",
    ["repeat('x', 256)", "repeat('x', 257)", "repeat('\"', 256)", "repeat('\"', 257)", "'NULL'", "'null'"],
  ],
  ["varchar(5)", ["'abc'"]],
  ["char(5)", ["'abc'"]],
  ['"char"', ["'x'"]],
  ["name", ["'a name'"]],
  ["uuid", ["'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'"]],
  ["bytea", ["''", "'\\x00'", "'\\x0001'", "'\\x000102'", "'\\xdeadbeefff'", "sha512('x')"]],
  [
    "date",
    [
      "'2026-11-22'",
      "'0001-01-01'",
      "'9999-12-31'",
      "'infinity'",
      "'-infinity'",
      "'0044-03-15 BC'",
      "'12345-01-01'",
    ],
  ],
  ["time", ["'24:00:00'", "'00:00:00.000001'"]],
  ["timetz", ["'12:00:00.5+05:30'"]],
  ["timestamp", ["'2026-11-22 13:00:00.123456'", "'infinity'", "'0044-03-15 12:00:00 BC'"]],
  ["timestamptz", ["'2026-11-22 13:00:00.123456+02'", "'2026-11-22 13:00:00+00'", "'0001-01-01 00:00+00'"]],
  [
    "timestamptz",
    [
      "'infinity'",
      "'-infinity'",
      "'0044-03-15 12:00:00+00 BC'",
      "'10000-01-01 00:00+00'",
      "'1969-12-31 23:59:59.9+00'",
    ],
  ],
  ["interval", ["'1 mon 2 days 03:04:05.678901'", "'-1 year'"]],
  ["json", [`'{"a": 9007199254740993,\n "b":[1e400,"x\\u0041"]}'`, "'null'", "'\"text\"'", "' 1 '"]],
  [
    "json",
    [`'{"a":1,"a":2}'`, `'{"a":1,"\\u0061":2}'`, `'"\\ud800"'`, `'{"a":{"b":1},"b":{"a":1}}'`, `'["a","a"]'`],
  ],
  ["jsonb", [`'{"a": 9007199254740993, "b": [1.10, "x\\u00e9\\u0001"]}'`, "'null'", "'[]'", "'1e400'"]],
  ["jsonb", ["(repeat('[', 60) || repeat(']', 60))::jsonb", "(repeat('[', 61) || repeat(']', 61))::jsonb"]],
  ["xml", ["'<a b=\"c\">d</a>'"]],
  ["inet", ["'10.0.0.1/8'", "'::1'"]],
  ["macaddr", ["'08:00:2b:01:02:03'"]],
  ["bit(3)", ["B'101'"]],
  ["varbit", ["B'10101'"]],
  ["tsvector", ["'a:1 b:2'"]],
  ["point", ["'(1.5,2)'"]],
  ["box", ["'((1,2),(3,4))'"]],
  ["int4range", ["'[1,5)'", "'empty'"]],
  ["int4multirange", ["'{[1,3),[5,7)}'"]],
  ["oid", ["4294967295"]],
  ["pg_lsn", ["'16/B374D848'"]],
  ["int4[]", ["'{}'", "'{1,NULL,3}'", "'{{1,2},{3,4}}'", "'[0:1]={1,2}'", "'{2147483647}'"]],
  ["int8[]", ["'{9007199254740993}'"]],
  ["numeric(5,2)[]", ["'{1.5,NULL}'", "'{NaN}'"]],
  ["float8[]", ["'{0.1,1e300}'", "'{0.1,Infinity}'"]],
  ["bool[]", ["'{t,f,NULL}'"]],
  [
    "text[]",
    [
      `array['a,b', null, 'NULL', '', ' ', 'q"b\\s', '{}', 'ü']`,
      "array[repeat('x', 100), repeat('\"', 100)]",
    ],
  ],
  ["timestamptz[]", ["'{2026-11-22 13:00+00,NULL}'", "'{infinity}'"]],
  ["date[]", ["'{2026-11-22}'"]],
  ["bytea[]", [String.raw`array['\x00ff'::bytea, '\x']`]],
  ["jsonb[]", [`array['{"a": "b\\"c"}'::jsonb, '1', null]`]],
  ["json[]", [`array['{"a":1,"a":2}'::json]`]],
  ["uuid[]", ["array['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid]"]],
  ["box[]", ["array['((1,2),(3,4))'::box, '((1,2),(3,4))']"]],
  ["int2vector", ["'1 2'"]],
  ["mood", ["'calm'"]],
  ["mood[]", ["'{calm,\"not so\"}'"]],
  ["cents", ["12.34"]],
  ["cents[]", ["array[12.34::cents]"]],
  ["deep", ["7"]],
  ["numbers", ["'{1,2}'"]],
  ["pair", ["'(1,\"a b\")'"]],
];

const ROWS = Math.max(...MATRIX.map(([, values]) => values.length));

let server: PostgresServer;
let place: Place;

beforeAll(async () => {
  server = await startPostgres();
  const columns = MATRIX.map(([type], i) => `c${i} ${type}`).join(", ");
  place = await makePlace(
    server,
    `create type mood as enum ('calm', 'not so'); create domain cents as numeric(12,2);
     create domain first as int; create domain deep as first; create domain numbers as int[];
     create type pair as (a int, b text);
     create table t (id serial primary key, ${columns})`,
  );
}, 60_000);

afterAll(() => server?.stop());

/** The text that a value in `data` stands for; undefined where it is not of its form. */
function textOf(form: ValueForm, value: unknown, shown: string): string | undefined {
  if (form === "boolean") return value === true ? "t" : value === false ? "f" : undefined;
  if (form === "integer") return Number.isInteger(value) ? String(value) : undefined;
  // The nearest double of both is the same.
  if (form === "float")
    return typeof value === "number" && Object.is(value, Number(shown)) ? shown : undefined;
  if (typeof value !== "string") return undefined;
  if (form === "bytes") return `\\x${Buffer.from(value, "base64").toString("hex")}`;
  if (form !== "instant") return value;
  const match = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)\.(\d{6})Z$/.exec(value);
  if (!match) return undefined;
  const fraction = match[3]!.replace(/0+$/, "");
  return `${match[1]} ${match[2]}${fraction && "."}${fraction}+00`;
}

it("gives back the text that the database shows, or has it beside", async () => {
  await place.slot("matrix");
  for (let row = 0; row < ROWS; row++) {
    const given = MATRIX.flatMap(([type, values], i) =>
      values[row] ? [[`c${i}`, `(${values[row]})::${type}`]] : [],
    );
    await place.client.query(
      `insert into t (${given.map(([name]) => name).join()}) values (${given.map(([, value]) => value).join()})`,
    );
  }
  const reader = await place.open("matrix");
  await reader.until(() => reader.events.length === ROWS);
  await reader.close();
  const columns = place.relations[0]!.columns;
  const types = await readTypes(
    place.client,
    columns.map(({ typeId }) => typeId),
  );
  await place.client.query("set timezone = 'UTC'; set extra_float_digits = 3");
  const list = MATRIX.map(
    (_, i) => `case when c${i} is not null then format('%s', c${i}) end as c${i}`,
  ).join();
  const { rows: shown } = await place.client.query<Record<string, string | null>>(
    `select ${list} from t order by id`,
  );
  const beside: string[] = [];
  const flaws = shown.flatMap((texts, row) =>
    MATRIX.flatMap(([type], i) => {
      const { name, typeId, modifier } = columns[i + 1]!;
      const text = texts[name]!;
      const { data } = reader.events[row]!;
      const stands = standsAs(typeForm(typeId, modifier, types).form, data, name, text);
      if (stands === "beside") beside.push(`${type} ${text.length > 40 ? "…" : text}`);
      return stands === "wrong" ? [`${type} ${text}: ${JSON.stringify(data[name])}`] : [];
    }),
  );
  expect(flaws).toEqual([]);
  expect(beside.toSorted()).toEqual(BESIDE.toSorted());
});

function right(is: boolean): "right" | "wrong" {
  return is ? "right" : "wrong";
}

/** How a value stands in an event whose text the database shows. */
function standsAs(
  form: ValueForm,
  data: Readonly<Record<string, unknown>>,
  name: string,
  text: string | null,
): "right" | "beside" | "wrong" {
  const value = data[name];
  if (`${name}__text` in data) return value === null && data[`${name}__text`] === text ? "beside" : "wrong";
  if (text === null) return right(value === null);
  if (form === "json" || form === "loose-json") return right(isDeepStrictEqual(value, JSON.parse(text)));
  // Of arrays there is a test of its own.
  return form === "array" ? right(Array.isArray(value)) : right(textOf(form, value, text) === text);
}

const BESIDE: readonly string[] = [
  "numeric(10,2) NaN",
  ...["float4", "float8"].flatMap((type) => [`${type} NaN`, `${type} -Infinity`]),
  "float4 Infinity",
  "date infinity",
  "date -infinity",
  "date 0044-03-15 BC",
  "date 12345-01-01",
  "timestamptz infinity",
  "timestamptz -infinity",
  "timestamptz 0044-03-15 12:00:00+00 BC",
  "timestamptz 10000-01-01 00:00:00+00",
  'json {"a":1,"a":2}',
  'json {"a":1,"\\u0061":2}',
  'json "\\ud800"',
  "jsonb …",
  "int4[] [0:1]={1,2}",
  "numeric(5,2)[] {NaN}",
  "float8[] {0.1,Infinity}",
  "timestamptz[] {infinity}",
  'json[] {"{\\"a\\":1,\\"a\\":2}"}',
];

function at(type: string): string {
  return `c${MATRIX.findIndex(([name]) => name === type)}`;
}

it("arrays are arrays of what their elements are", async () => {
  const reader = await place.open("matrix");
  await reader.until(() => reader.events.length === ROWS);
  const [first, second, third] = reader.events.map(({ data }) => data);
  await reader.close();
  expect(first![at("int4[]")]).toEqual([]);
  expect(second![at("int4[]")]).toEqual([1, null, 3]);
  expect(third![at("int4[]")]).toEqual([
    [1, 2],
    [3, 4],
  ]);
  expect(first![at("int8[]")]).toEqual(["9007199254740993"]);
  expect(first![at("numeric(5,2)[]")]).toEqual(["1.50", null]);
  expect(first![at("float8[]")]).toEqual([0.1, 1e300]);
  expect(first![at("bool[]")]).toEqual([true, false, null]);
  expect(first![at("text[]")]).toEqual(["a,b", null, "NULL", "", " ", 'q"b\\s', "{}", "ü"]);
  expect(second![at("text[]")]).toEqual(["x".repeat(100), '"'.repeat(100)]);
  expect(first![at("timestamptz[]")]).toEqual(["2026-11-22T13:00:00.000000Z", null]);
  expect(first![at("bytea[]")]).toEqual(["AP8=", ""]);
  expect(first![at("jsonb[]")]).toEqual([{ a: 'b"c' }, 1, null]);
  expect(first![at("mood[]")]).toEqual(["calm", "not so"]);
  expect(first![at("cents")]).toBe("12.34");
  expect(first![at("cents[]")]).toEqual(["12.34"]);
  expect(first![at("deep")]).toBe(7);
  expect(first![at("numbers")]).toEqual([1, 2]);
  expect(first![at("box[]")]).toBe("{(3,4),(1,2);(3,4),(1,2)}");
});

describe("a text that its form cannot have", () => {
  const encoder = new TextEncoder();
  const written = (form: ValueForm, text: string, element?: ValueForm): string | null => {
    const out = new ByteBuffer();
    const bytes = encoder.encode(`#${text}#`);
    const field = element ? { name: "x", form, element } : { name: "x", form };
    const isWritten = writeValue(out, field, { bytes, view: viewOf(bytes) }, 1, bytes.length - 1);
    const json = new TextDecoder().decode(out.bytes.subarray(0, out.length));
    if (!isWritten) expect(json).toBe("");
    return isWritten ? json : null;
  };
  it.each([
    ["integer", ["", "-", "+1", "1.0", "1e3", "0x1", " 1", "1 "]],
    ["decimal", ["", "-", ".5", "5.", "1.2.3", "NaN", "-Infinity", "1e5", "1,5"]],
    ["boolean", ["", "true", "1", "tt"]],
    ["float", ["", "-", "1.", ".1", "01", "1e", "1e+", "inf", "NaN", "1 "]],
    [
      "instant",
      [
        "",
        "2026-11-22",
        "2026-11-22 13:00:00",
        "2026-11-22 13:00:00.+00",
        "2026-11-22 13:00:00.1234567+00",
        "2026-11-22 13:00:00+01",
        "2026-11-22T13:00:00+00",
        "2026-11-22 13:00:00.1x+00",
      ],
    ],
    ["date", ["", "2026-11-2", "2026-11-22 ", "x026-11-22"]],
    ["bytes", ["", "\\x0", "\\x0g", "abc", "\\y00", "\\xAB"]],
    ["json", ["", "[".repeat(61)]],
    ["loose-json", ["", '{"a":1,"a":1}', '{"a":{"b":1,"c":2,"b":3}}', '"\\udc00"', '{"\\ud83d":1}']],
  ] as const)("%s goes beside", (form, texts) => {
    for (const text of texts) expect([text, written(form, text)]).toEqual([text, null]);
  });
  it("an array goes beside", () => {
    const broken = [
      "",
      "{",
      "}",
      "{1",
      "1}",
      "{1,}",
      "{,1}",
      "{1 2}}",
      "{}{}",
      '{"1}',
      "{{1}",
      "[1:2]={1,2}",
      "{{{{{{{1}}}}}}}",
      "{x}",
    ];
    for (const text of broken) expect([text, written("array", text, "integer")]).toEqual([text, null]);
    expect(written("array", "{{{{{{1}}}}}}", "integer")).toBe("[[[[[[1]]]]]]");
    expect(written("loose-json", '{"a":{"b":1},"b":[{"a":1},{"a":2}]}')).toBe(
      '{"a":{"b":1},"b":[{"a":1},{"a":2}]}',
    );
    expect(written("float", "-0")).toBe("-0");
    expect(written("float", "1e-05")).toBe("1e-05");
  });
});
