import { expect, test } from "vitest";
import { planColumns } from "../../../core/columns.ts";
import { deltaSchemaOf } from "../../../lake/parquet/delta-type.ts";
import { formatSchema, parseSchema } from "../../../lake/table/delta-schema.ts";
import { eventTypeOf } from "./shapes.ts";

function nullable(name: string, type: unknown, metadata = {}): object {
  return { name, type, nullable: true, metadata };
}

function required(name: string, type: unknown): object {
  return { name, type, nullable: false, metadata: {} };
}

test("columns become the Delta schema that PROTOCOL.md spells", () => {
  const { columns, partitions } = planColumns(
    eventTypeOf({
      properties: {
        total: { type: "number", format: "decimal(12,2)", description: "gross" },
        any: {},
        items: { type: "array", items: { type: "object", properties: { qty: { type: "integer" } } } },
      },
    }),
  );
  const schema = deltaSchemaOf([...columns, ...partitions]);
  expect(parseSchema(formatSchema(schema))).toEqual(schema);
  const json = { "muara.content": "json" };
  expect(schema.fields).toEqual([
    required("event_id", "string"),
    required("event_time", "timestamp"),
    required("ingest_time", "timestamp"),
    nullable("event_key", "string"),
    required("log_partition", "long"),
    required("log_offset", "long"),
    nullable("watermark", "timestamp"),
    nullable("flow_id", "string"),
    nullable("total", "decimal(12,2)", { comment: "gross" }),
    nullable("any", "string", json),
    nullable("items", {
      type: "array",
      elementType: { type: "struct", fields: [nullable("qty", "long")] },
      containsNull: true,
    }),
    nullable("extra", "string", json),
    required("ingest_date", "date"),
  ]);
});
