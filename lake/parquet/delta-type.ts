/**
 * The Delta schema of a table's columns, the counterpart of `parquet-schema.ts`. JSON text is a `string` whose
 * metadata says so; a description becomes the comment that Spark and others show.
 */
import { unreachable } from "../../core/assert.ts";
import type { Column, ColumnType } from "../../core/columns.ts";
import {
  arrayOf,
  decimal,
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
