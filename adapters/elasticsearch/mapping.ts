/**
 * What an index must know of a table's columns, so that nothing is guessed from the first document. The document
 * itself keeps every digit; what is searched and summed is what the engine has: milliseconds and doubles.
 */
import type { MappingProperty, MappingTypeMapping } from "@elastic/elasticsearch/lib/api/types";
import { unreachable } from "../../core/assert.ts";
import type { Column, ColumnType } from "../../core/columns.ts";

/** Longer texts are found by their words, not as a whole: Lucene takes terms of 32,766 bytes. */
export const KEYWORD_LENGTH_MAX = 8_191;

/** @param owner kept in the mapping: of which delivery the index is */
export function mappingOf(columns: readonly Column[], owner: string): MappingTypeMapping {
  return { dynamic: false, _meta: { muara: owner }, properties: propertiesOf(columns) };
}

function propertiesOf(columns: readonly Column[]): Record<string, MappingProperty> {
  return Object.fromEntries(columns.map(({ name, type }) => [name, propertyOf(type)]));
}

function propertyOf(type: ColumnType): MappingProperty {
  switch (type.kind) {
    case "string":
      return { type: "keyword", ignore_above: KEYWORD_LENGTH_MAX, fields: { text: { type: "text" } } };
    case "long":
    case "double":
    case "boolean":
    case "binary":
      return { type: type.kind };
    case "decimal":
      return { type: "double", fields: { exact: { type: "keyword" } } };
    case "timestamp":
      return { type: "date", format: "strict_date_optional_time_nanos" };
    case "date":
      return { type: "date", format: "strict_date" };
    case "json":
      // Any JSON value, of another form in each row: shown, never looked into.
      return { type: "object", enabled: false };
    case "struct":
      return { type: "object", dynamic: false, properties: propertiesOf(type.fields) };
    case "list":
      return propertyOf(type.element); // the engine's fields have any number of values
    default:
      return unreachable(type);
  }
}
