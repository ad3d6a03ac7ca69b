/** Where the columns of a captured table are in the table of their event type. */
import { BESIDE_SUFFIX } from "../../../core/change.ts";
import { type ColumnType, EXTRA, planColumns } from "../../../core/columns.ts";
import { type EventType, payloadSchema } from "../../../core/event-type.ts";
import type { RowColumn } from "../../../core/row-text.ts";
import { mergeProperties, type Properties } from "../property-merge.ts";
import { jsonPointer, type LakeColumn, quoteName, quoteText } from "./lake-text.ts";

export interface PlacedColumn extends LakeColumn, RowColumn {
  /** Its key in `data`. */
  readonly field: string;
}

/** @param type as it is declared now: a column that it does not know has no value in the lake */
export function placeColumns(type: EventType, columns: readonly RowColumn[]): readonly PlacedColumn[] {
  const declared = (payloadSchema(type).properties ?? {}) as Properties;
  const { names } = mergeProperties(declared, columns, false);
  const planned = new Map(planColumns(type).payload.map((column) => [column.field, column]));
  return columns.map((column, i): PlacedColumn => {
    const field = names[i]!;
    const place = planned.get(field);
    const inExtra = extraSql(field);
    const at = place
      ? { value: quoteName(place.name), lakeType: sqlTypeOf(place.type) }
      : { value: inExtra, lakeType: "VARCHAR" };
    const beside = planned.get(field + BESIDE_SUFFIX);
    return {
      ...column,
      field,
      ...at,
      beside: beside ? quoteName(beside.name) : extraSql(field + BESIDE_SUFFIX),
    };
  });
}

/** What the schema does not know is kept where it would be in the event. */
function extraSql(field: string): string {
  return `json_extract_string(${EXTRA}, ${quoteText(jsonPointer("data", field))})`;
}

function sqlTypeOf(type: ColumnType): string {
  switch (type.kind) {
    case "long":
      return "BIGINT";
    case "double":
      return "DOUBLE";
    case "boolean":
      return "BOOLEAN";
    case "date":
      return "DATE";
    case "timestamp":
      return "TIMESTAMP WITH TIME ZONE";
    case "decimal":
      return `DECIMAL(${type.precision},${type.scale})`;
    default:
      return "VARCHAR";
  }
}
