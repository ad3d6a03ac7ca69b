/**
 * The Delta schema of a table's columns, the counterpart of `parquet-schema.ts`. JSON text is a `string` whose
 * metadata says so; a description becomes the comment that Spark and others show.
 */
import { unreachable } from "../../core/assert.ts";
import type { Column, ColumnType } from "../../core/columns.ts";
import {
  arrayOf,
  decimal,
  decimalParts,
  type DeltaField,
  type DeltaStruct,
  type DeltaType,
} from "../table/delta-schema.ts";

/** Annotation of string columns that hold JSON text. */
export const CONTENT_ANNOTATION = "muara.content";

/** @param columns of the data files and of the table partition, in the table's order */
export function deltaSchemaOf(columns: readonly Column[]): DeltaStruct {
  return { type: "struct", fields: columns.map(deltaField) };
}

/**
 * The columns of a Delta schema, as far as their values in data files are concerned: narrow integers are `long`, a
 * float is a `double`. A map, which Muara only reads, stands as a struct without fields.
 */
export function columnsOf(schema: DeltaStruct): readonly Column[] {
  return schema.fields.map(({ name, type, nullable, metadata }) => {
    const isJson = type === "string" && metadata[CONTENT_ANNOTATION] === "json";
    return { name, type: isJson ? { kind: "json" } : columnType(type), nullable };
  });
}

function columnType(type: DeltaType): ColumnType {
  if (typeof type !== "string") {
    if (type.type === "array") return { kind: "list", element: columnType(type.elementType) };
    return { kind: "struct", fields: type.type === "struct" ? columnsOf(type) : [] };
  }
  const parts = decimalParts(type);
  if (parts) return { kind: "decimal", ...parts, quoted: false };
  switch (type) {
    case "integer":
    case "short":
    case "byte":
      return { kind: "long" };
    case "float":
      return { kind: "double" };
    default:
      return { kind: type as "string" };
  }
}

export function deltaType(type: ColumnType): DeltaType {
  switch (type.kind) {
    case "json":
      return "string";
    case "string":
    case "long":
    case "double":
    case "boolean":
    case "timestamp":
    case "date":
    case "binary":
      return type.kind;
    case "decimal":
      return decimal(type.precision, type.scale);
    case "struct":
      return deltaSchemaOf(type.fields);
    case "list":
      return arrayOf(deltaType(type.element));
    default:
      return unreachable(type);
  }
}

function deltaField(column: Column): DeltaField {
  return {
    name: column.name,
    type: deltaType(column.type),
    nullable: column.nullable,
    metadata: {
      ...(column.description === undefined ? {} : { comment: column.description }),
      ...(column.type.kind === "json" ? { [CONTENT_ANNOTATION]: "json" } : {}),
    },
  };
}
