/**
 * Column types as Parquet schema elements, both the old converted and the new logical annotation, since
 * readers differ in which they look at. JSON text is a plain STRING: Delta has no JSON type and a reader
 * that parsed it by itself would round its numbers.
 */
import type { SchemaElement } from "hyparquet";
import { unreachable } from "../../core/assert.ts";
import { decimalBytes, LONG_PRECISION, NARROW_PRECISION } from "../../core/column-layout.ts";
import type { Column, ColumnType } from "../../core/columns.ts";

/** Root first, depth first. */
export function parquetSchemaOf(columns: readonly Column[]): SchemaElement[] {
  return [
    { name: "root", num_children: columns.length },
    ...columns.flatMap((column) => elementsOf(column.name, column.type, column.nullable)),
  ];
}

function elementsOf(name: string, type: ColumnType, isNullable: boolean): SchemaElement[] {
  const repetition = isNullable ? "OPTIONAL" : "REQUIRED";
  const element: SchemaElement = { name, repetition_type: repetition };
  switch (type.kind) {
    case "string":
    case "json":
      return [{ ...element, type: "BYTE_ARRAY", converted_type: "UTF8", logical_type: { type: "STRING" } }];
    case "binary":
      return [{ ...element, type: "BYTE_ARRAY" }];
    case "long":
      return [{ ...element, type: "INT64" }];
    case "double":
      return [{ ...element, type: "DOUBLE" }];
    case "boolean":
      return [{ ...element, type: "BOOLEAN" }];
    case "date":
      return [{ ...element, type: "INT32", converted_type: "DATE", logical_type: { type: "DATE" } }];
    case "timestamp":
      return [
        {
          ...element,
          type: "INT64",
          converted_type: "TIMESTAMP_MICROS",
          logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MICROS" },
        },
      ];
    case "decimal":
      return [decimalElement(element, type.precision, type.scale)];
    case "struct":
      return [
        { ...element, num_children: type.fields.length },
        ...type.fields.flatMap((field) => elementsOf(field.name, field.type, field.nullable)),
      ];
    case "list":
      return [
        { ...element, num_children: 1, converted_type: "LIST", logical_type: { type: "LIST" } },
        { name: "list", repetition_type: "REPEATED", num_children: 1 },
        ...elementsOf("element", type.element, true),
      ];
    default:
      return unreachable(type);
  }
}

function decimalElement(element: SchemaElement, precision: number, scale: number): SchemaElement {
  const decimal: SchemaElement = {
    ...element,
    converted_type: "DECIMAL",
    precision,
    scale,
    logical_type: { type: "DECIMAL", precision, scale },
  };
  if (precision <= NARROW_PRECISION) return { ...decimal, type: "INT32" };
  if (precision <= LONG_PRECISION) return { ...decimal, type: "INT64" };
  return { ...decimal, type: "FIXED_LEN_BYTE_ARRAY", type_length: decimalBytes(precision) };
}
