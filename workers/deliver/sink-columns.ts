/** What a sink is told of a table's columns: of a captured one also what they are in the source. */
import { planColumns } from "../../core/columns.ts";
import { CAPTURED_ANNOTATION } from "../../core/change.ts";
import type { EventType } from "../../core/event-type.ts";
import type { SinkColumn } from "../../core/ports/sink.ts";
import { columnsOf } from "../../lake/parquet/delta-type.ts";
import { parseSchema } from "../../lake/table/delta-schema.ts";

/** @param eventType that lands in the table; the description of a captured column is its type in the source */
export function sinkColumns(schemaString: string, eventType: EventType | undefined): readonly SinkColumn[] {
  const columns = columnsOf(parseSchema(schemaString));
  if (eventType?.annotations[CAPTURED_ANNOTATION] !== "on") return columns;
  const declared = new Map(planColumns(eventType).payload.map((column) => [column.name, column]));
  return columns.map((column): SinkColumn => {
    const { field, description } = declared.get(column.name) ?? {};
    return {
      ...column,
      ...(field === undefined ? {} : { field }),
      ...(description === undefined ? {} : { sourceType: description }),
    };
  });
}
