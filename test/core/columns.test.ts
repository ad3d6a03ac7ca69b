import { describe, expect, test } from "vitest";
import {
  type Column,
  COLUMN_DEPTH_MAX,
  COLUMNS_MAX,
  type ColumnType,
  ENVELOPE_COLUMNS,
  isColumnName,
  planColumns,
} from "../../core/columns.ts";
import type { EventType, JsonSchema } from "../../core/event-type.ts";
import { eventTypeOf } from "../lake/parquet/shapes.ts";

const typed = (schema: JsonSchema, definitions: JsonSchema = {}): ColumnType | undefined =>
  planColumns(eventTypeOf({ ...definitions, type: "object", properties: { v: schema } })).payload[0]?.type;
const kind = (schema: JsonSchema, definitions: JsonSchema = {}): string =>
  describeType(typed(schema, definitions)!);

/** SQL-like text of a type. */
function describeType(type: ColumnType): string {
  if (type.kind === "list") return `${describeType(type.element)}[]`;
  if (type.kind === "struct") return `{${type.fields.map(describeColumn).join()}}`;
  if (type.kind === "decimal") return `decimal(${type.precision},${type.scale})${type.quoted ? "'" : ""}`;
  return type.kind;
}
const describeColumn = ({ name, type }: Column): string => `${name} ${describeType(type)}`;
const names = (columns: readonly Column[]): string => columns.map((column) => column.name).join();

describe("types", () => {
  test.each<[JsonSchema, string]>([
    [{ type: "string" }, "string"],
    [{ type: "string", format: "uuid" }, "string"],
    [{ type: "string", format: "date-time" }, "timestamp"],
    [{ type: "string", format: "date" }, "date"],
    [{ type: "integer" }, "long"],
    [{ type: "number" }, "double"],
    [{ type: "number", format: "double" }, "double"],
    [{ type: "boolean" }, "boolean"],
    [{ type: "number", format: "decimal(12,2)" }, "decimal(12,2)"],
    [{ type: "integer", format: "decimal(38, 0)" }, "decimal(38,0)"],
    [{ type: "string", format: "decimal(5,5)" }, "decimal(5,5)'"],
    [{ type: ["string", "null"], format: "date-time" }, "timestamp"],
    [{ type: ["null", "integer"] }, "long"],
    [{ type: ["integer", "number", "null"] }, "double"],
    [{ type: ["string", "integer"] }, "json"],
    [{ type: "null" }, "json"],
    [{ type: [] }, "json"],
    [{}, "json"],
    [{ enum: ["a", "b", null] }, "string"],
    [{ enum: ["a", 1] }, "json"],
    [{ enum: [] }, "json"],
    [{ const: "a" }, "string"],
    [{ const: true }, "boolean"],
    [{ const: 1 }, "json"],
    [{ type: "object" }, "json"],
    [{ type: "object", properties: {} }, "json"],
    [{ type: "object", additionalProperties: { type: "string" } }, "json"],
    [{ properties: { a: { type: "string" } } }, "json"],
    [{ type: "object", properties: { a: { type: "string" }, "b c": { type: "string" } } }, "{a string}"],
    [{ type: "object", properties: { "b c": { type: "string" } } }, "json"],
    [{ type: "object", properties: { event_id: { type: "integer" } } }, "{event_id long}"],
    [{ type: "array" }, "json"],
    [{ type: "array", items: {} }, "json"],
    [{ type: "array", items: [{ type: "string" }] }, "json"],
    [{ type: "array", prefixItems: [{}], items: { type: "string" } }, "json"],
    [{ type: "array", items: { type: "array", items: { type: "integer" } } }, "long[][]"],
    [{ type: "array", items: { type: ["string", "integer"] } }, "json[]"],
    [{ oneOf: [{ type: "string" }, { type: "integer" }] }, "json"],
    [{ allOf: [{ type: "string" }] }, "json"],
    [{ anyOf: [{ type: "integer" }, { type: "null" }] }, "long"],
    [{ oneOf: [{ type: "null" }, { type: "object", properties: { a: {} } }] }, "{a json}"],
    [{ anyOf: [{ type: "null" }, { type: "null" }] }, "json"],
    [{ type: "string", oneOf: [{ const: "a" }, { const: "b" }] }, "string"],
    [{ $ref: "#/definitions/missing" }, "json"],
    [{ $ref: "https://example.org/schema.json" }, "json"],
    [{ $ref: "#" }, "json"],
  ])("%j is %s", (schema, expected) => {
    expect(kind(schema)).toBe(expected);
  });

  test("local references are followed, recursion is open", () => {
    const definitions = {
      definitions: {
        "a/b%": { type: "integer" },
        money: { $ref: "#/definitions/cents" },
        cents: { type: "number", format: "decimal(9,2)" },
        node: {
          type: "object",
          properties: {
            name: { type: "string" },
            left: { $ref: "#/definitions/node" },
            all: { type: "array", items: { $ref: "#/definitions/node" } },
          },
        },
        loop: { $ref: "#/definitions/loop" },
      },
    };
    expect(kind({ $ref: "#/definitions/money" }, definitions)).toBe("decimal(9,2)");
    expect(kind({ $ref: "#/definitions/a~1b%25" }, definitions)).toBe("long");
    expect(kind({ $ref: "#/definitions/loop" }, definitions)).toBe("json");
    expect(kind({ $ref: "#/definitions/node" }, definitions)).toBe("{name string,left json,all json[]}");
    // The same reference side by side is no recursion.
    const twice = { a: { $ref: "#/definitions/cents" }, b: { $ref: "#/definitions/money" } };
    expect(kind({ type: "object", properties: twice }, definitions)).toBe("{a decimal(9,2),b decimal(9,2)}");
    const root = { ...definitions, $ref: "#/definitions/node" };
    expect(names(planColumns(eventTypeOf(root)).payload)).toBe("name,left,all");
  });

  test.each(["decimal(0,0)", "decimal(39,2)", "decimal(3,4)", "decimal(3)", "decimal", "decimal(3,-1)"])(
    "%s is refused",
    (format) => {
      expect(() => typed({ type: "number", format })).toThrow(
        expect.objectContaining({ code: "event_type.invalid" }),
      );
    },
  );
});

describe("the table's columns", () => {
  test("envelope, payload, extra; the table partition beside them", () => {
    const schema = { type: "object", properties: { b: { type: "string", description: "what b is" }, a: {} } };
    const plan = planColumns(eventTypeOf(schema, "business"));
    expect(names(plan.columns)).toBe(
      "event_id,event_time,ingest_time,event_key,log_partition,log_offset,watermark,flow_id,b,a,extra",
    );
    expect(plan.columns.slice(0, ENVELOPE_COLUMNS.length)).toEqual(ENVELOPE_COLUMNS);
    expect(plan.columns.filter((column) => !column.nullable).map((column) => column.name)).toEqual([
      "event_id",
      "event_time",
      "ingest_time",
      "log_partition",
      "log_offset",
    ]);
    expect(plan.partitions).toEqual([{ name: "ingest_date", type: { kind: "date" }, nullable: false }]);
    expect(plan.payload[0]).toMatchObject({ description: "what b is", field: "b" });
    expect(plan).toMatchObject({ body: [], heldTime: ["metadata", "occurred_at"] });
  });

  test("data events add data_op and data_type and read their data", () => {
    const plan = planColumns(eventTypeOf({ properties: { id: {}, metadata: {} } }, "data"));
    expect(names(plan.columns.slice(7))).toBe("flow_id,data_op,data_type,id,metadata,extra");
    expect(plan.body).toEqual(["data"]);
  });

  test("changes add source and before, whose leaves count", () => {
    const annotations = { "muara/captured": "on" };
    const fields = Array.from({ length: COLUMNS_MAX - 20 }, (_, i) => [`f${i}`, {}]);
    const changes = (more: object): EventType => ({
      ...eventTypeOf({ properties: { ...Object.fromEntries(fields), ...more } }, "data"),
      annotations,
    });
    const plan = planColumns(changes({ Source: {} }));
    expect(names(plan.beside)).toBe("data_op,data_type,source,before");
    expect(plan.payload.at(-1)).toMatchObject({ name: "data_Source", field: "Source" });
    expect(() => planColumns(changes({ a: {}, b: {} }))).toThrow("more than 1000");
    expect(names(planColumns({ ...changes({}), category: "business" }).beside)).toBe("");
  });

  test("metadata is a field like any other only where there is no envelope", () => {
    const schema = { properties: { metadata: { type: "string" }, id: {} } };
    expect(names(planColumns(eventTypeOf(schema, "business")).payload)).toBe("id");
    expect(names(planColumns(eventTypeOf(schema, "undefined")).payload)).toBe("metadata,id");
  });

  test("reserved names get a prefix, whatever their case", () => {
    const properties = { event_id: {}, Extra: {}, ingest_date: {}, DATA_OP: {}, id: {} };
    const { payload } = planColumns(eventTypeOf({ properties }));
    expect(payload.map(({ name, field }) => `${field}→${name}`)).toEqual([
      "event_id→data_event_id",
      "Extra→data_Extra",
      "ingest_date→data_ingest_date",
      "DATA_OP→data_DATA_OP",
      "id→id",
    ]);
  });

  test("names that no table can hold stay in extra", () => {
    const long = "n".repeat(256);
    const fields = [
      "",
      "a b",
      "a,b",
      "a;b",
      "{",
      "}",
      "(",
      ")",
      "a\nb",
      "a\tb",
      "a=b",
      "\u0007",
      "\ud800",
      long,
    ];
    expect(fields.filter(isColumnName)).toEqual([]);
    const properties = Object.fromEntries(fields.concat("ok").map((field) => [field, {}]));
    expect(names(planColumns(eventTypeOf({ properties })).payload)).toBe("ok");
    expect(isColumnName(long.slice(1))).toBe(true);
  });

  test.each([
    [{ properties: { a: {}, A: {} } }, '"a" and "A"'],
    [{ properties: { event_id: {}, data_event_id: {} } }, '"event_id" and "data_event_id"'],
    [{ properties: { s: { type: "object", properties: { É: {}, é: {} } } } }, '"É" and "é"'],
    [
      { properties: { l: { type: "array", items: { type: "object", properties: { x: {}, X: {} } } } } },
      '"x" and "X"',
    ],
  ])("%j collides", (schema, pair) => {
    expect(() => planColumns(eventTypeOf(schema))).toThrow(
      expect.objectContaining({ code: "event_type.invalid", message: expect.stringContaining(pair) }),
    );
  });

  test("equal names at different levels do not collide", () => {
    const inner = { type: "object", properties: { a: { type: "object", properties: { A: {} } } } };
    expect(kind(inner)).toBe("{a {A json}}");
  });
});

describe("limits", () => {
  test("a thousand leaf columns, envelope included", () => {
    const room = COLUMNS_MAX - ENVELOPE_COLUMNS.length - 1;
    expect(planColumns(eventTypeOf(stringFields(room))).columns).toHaveLength(COLUMNS_MAX);
    expect(() => planColumns(eventTypeOf(stringFields(room + 1)))).toThrow(
      expect.objectContaining({ code: "event_type.invalid" }),
    );
  });

  test("references that multiply end at the limit, not at the end of memory", () => {
    const levels = Array.from({ length: 15 }, (_, i) => {
      const next = i === 14 ? { type: "string" } : { $ref: `#/definitions/d${i + 1}` };
      const properties = Object.fromEntries("abcdefgh".split("").map((name) => [name, next]));
      return [`d${i}`, { type: "object", properties }] as const;
    });
    const schema = {
      definitions: Object.fromEntries(levels),
      properties: { v: { $ref: "#/definitions/d0" } },
    };
    expect(() => planColumns(eventTypeOf(schema))).toThrow(
      expect.objectContaining({ code: "event_type.invalid" }),
    );
  });

  test("what is nested deeper than the limit is JSON text", () => {
    const nested = (levels: number): JsonSchema =>
      levels === 0 ? { type: "integer" } : { type: "array", items: nested(levels - 1) };
    expect(kind(nested(COLUMN_DEPTH_MAX))).toBe(`long${"[]".repeat(COLUMN_DEPTH_MAX)}`);
    expect(kind(nested(COLUMN_DEPTH_MAX + 1))).toBe(`json${"[]".repeat(COLUMN_DEPTH_MAX)}`);
  });
});

function stringFields(count: number): JsonSchema {
  const fields = Array.from({ length: count }, (_, i) => [`f${i}`, { type: "string" }]);
  return { type: "object", properties: Object.fromEntries(fields) };
}
