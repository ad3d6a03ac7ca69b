/** Columns become properties without ever taking away or narrowing what is declared. */
import { expect, test } from "vitest";
import { mergeProperties } from "../../../workers/capture/property-merge.ts";

const column = (name: string, typeName: string, schema: object) => ({
  name,
  typeName,
  schema: { ...schema },
});
const text = { type: ["string", "null"] };
const whole = { type: ["integer", "null"] };
const decimal = (precision: number, scale: number) => ({ ...text, format: `decimal(${precision},${scale})` });

test("new columns are added with their type as description; known ones stay", () => {
  const first = mergeProperties({}, [column("id", "integer", whole)], true);
  expect(first).toEqual({
    properties: { id: { ...whole, description: "integer" } },
    names: ["id"],
    isChanged: true,
  });
  const again = mergeProperties(first.properties, [column("id", "integer", whole)], true);
  expect(again).toEqual({ ...first, isChanged: false });
});

test("a column that is gone stays declared", () => {
  const { properties } = mergeProperties({}, [column("a", "text", text), column("b", "text", text)], true);
  expect(Object.keys(mergeProperties(properties, [column("b", "text", text)], true).properties)).toEqual([
    "a",
    "b",
  ]);
});

test("another form goes on beside, under its type; and back", () => {
  const { properties } = mergeProperties({}, [column("n", "integer", whole)], true);
  const retyped = mergeProperties(properties, [column("n", "character varying(10)", text)], true);
  expect(retyped.names).toEqual(["n__character_varying_10"]);
  expect(retyped.properties["n"]).toEqual(properties["n"]);
  const back = mergeProperties(retyped.properties, [column("n", "integer", whole)], true);
  expect(back).toMatchObject({ names: ["n"], isChanged: false });
});

/** @returns what is said of the column's type, and whether that is new */
function joined(before: string, after: string, schema: object, mayWiden = true): readonly unknown[] {
  const { properties } = mergeProperties({}, [column("n", before, schema)], true);
  const now = mergeProperties(properties, [column("n", after, schema)], mayWiden);
  return [now.names[0], now.properties["n"]!["description"], now.isChanged];
}

test("a column whose type changes within one form says a type that takes both", () => {
  expect(joined("smallint", "integer", whole)).toEqual(["n", "smallint", false]);
  expect(joined("character varying(10)", "text", text)).toEqual(["n", "character varying(10)", false]);
  expect(joined("uuid", "text", text)).toEqual(["n", "text", true]);
  expect(joined("text", "inet", text)).toEqual(["n", "text", false]);
  expect(joined("numeric(19,0)", "bigint", decimal(19, 0))).toEqual(["n", "numeric(19,0)", false]);
  expect(joined("bigint", "numeric(19,0)", decimal(19, 0))).toEqual(["n", "numeric(19,0)", true]);
  expect(joined("integer[]", "bigint[]", {})).toEqual(["n", "text[]", true]);
  expect(joined("integer[]", "jsonb", {})).toEqual(["n", "jsonb", true]);
  expect(joined("uuid", "text", text, false)).toEqual(["n", "uuid", false]);
});

test("decimals hold the values of both; nothing is narrowed", () => {
  const { properties } = mergeProperties({}, [column("n", "numeric(10,2)", decimal(10, 2))], true);
  const same = mergeProperties(properties, [column("n", "numeric(8,1)", decimal(8, 1))], true);
  expect(same).toMatchObject({ names: ["n"], isChanged: false });
  const wider = mergeProperties(properties, [column("n", "numeric(9,4)", decimal(9, 4))], true);
  expect(wider).toMatchObject({
    names: ["n"],
    isChanged: true,
    properties: { n: { format: "decimal(12,4)", description: "numeric(12,4)" } },
  });
  const kept = mergeProperties(properties, [column("n", "numeric(9,4)", decimal(9, 4))], false);
  expect(kept.names).toEqual(["n__numeric_9_4"]);
  expect(kept.properties["n"]).toEqual(properties["n"]);
});

test("decimals at the edge of what a column holds", () => {
  const { properties } = mergeProperties({}, [column("n", "numeric(38,0)", decimal(38, 0))], true);
  expect(mergeProperties(properties, [column("n", "numeric(37,1)", decimal(37, 1))], true).names).toEqual([
    "n__numeric_37_1",
  ]);
  const narrow = mergeProperties({}, [column("n", "numeric(37,0)", decimal(37, 0))], true);
  expect(
    mergeProperties(narrow.properties, [column("n", "numeric(2,1)", decimal(2, 1))], true),
  ).toMatchObject({
    names: ["n"],
    properties: { n: { format: "decimal(38,1)" } },
  });
});

test("two columns never share a property, and names of objects are none", () => {
  const taken = { n__text: { ...whole, description: "integer" } };
  const { names } = mergeProperties(
    { ...taken, n: { ...whole, description: "integer" } },
    [column("n", "text", text), column("toString", "text", text)],
    true,
  );
  expect(names).toEqual(["n__text_2", "toString"]);
});

test("a column that is text now does not go where the texts of other values stand", () => {
  const was = mergeProperties(
    {},
    [{ name: "n", typeName: "double precision", schema: { type: "number" } }],
    true,
  );
  const now = [{ name: "n", typeName: "text", schema: { type: "string" } }];
  expect(mergeProperties(was.properties, now, true).names).toEqual(["n__text_2"]);
});
