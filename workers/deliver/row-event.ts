/**
 * A row of a table as an event, in the form that the door takes.
 *
 * Its id follows from the delivery and the row: `row_id` of a job's table, id and place in the log of an event's, else
 * the row's number in the delivery. It occurred at the row's `event_time`, else at its `window_end`, else when the row
 * was committed. Its fields are the row's columns, with all their digits; those that every event's table has are left
 * out, unless the type declares a field of that name.
 */
import { type Column, ENVELOPE_COLUMNS, INGEST_DATE } from "../../core/columns.ts";
import type { Delivery } from "../../core/delivery.ts";
import { type EventType, payloadSchema } from "../../core/event-type.ts";
import { ROW_ID_COLUMN } from "../../core/job.ts";
import { namedUuid } from "../../core/named-uuid.ts";
import type { SinkBatch, SinkRow } from "../../core/ports/sink.ts";
import { valueJson } from "../../core/row-json.ts";

const OF_EVERY_EVENT: ReadonlySet<string> = new Set([
  ...ENVELOPE_COLUMNS.map(({ name }) => name),
  INGEST_DATE,
]);
/** The first that a row has. */
const TIMES = ["event_time", "window_end"];

/** @returns [row] JSON objects */
export async function rowEvents(
  { name, id: deliveryId, table }: Pick<Delivery, "id" | "name" | "table">,
  batch: SinkBatch,
  type: EventType,
): Promise<string[]> {
  const columns = fieldsOf(batch.columns, type);
  const times = TIMES.flatMap((time) =>
    batch.columns.filter((column) => column.name === time && column.type.kind === "timestamp"),
  );
  const committed = JSON.stringify(new Date(batch.committedMs).toISOString());
  return Promise.all(
    batch.rows.map(async (row, i) => {
      const identity = identityOf(row, batch.generation, batch.sequence + i);
      const id = JSON.stringify(await namedUuid(JSON.stringify([deliveryId, ...identity])));
      const timed = times.find((column) => isSet(row.values[column.name]));
      const time = timed ? fieldJson(timed, row.values[timed.name]) : committed;
      const fields = columns.flatMap((column) => {
        const value = row.values[column.name];
        return isSet(value) ? [`${JSON.stringify(column.name)}:${fieldJson(column, value)}`] : [];
      });
      const metadata = `"metadata":{"eid":${id},"occurred_at":${time}}`;
      switch (type.category) {
        case "data":
          return `{${metadata},"data_op":"C","data_type":${JSON.stringify(table)},"data":{${fields.join(",")}}}`;
        case "cloudevent": {
          const source = JSON.stringify(`/v1/deliveries/${name}`);
          const kind = JSON.stringify(type.name);
          const head = `"specversion":"1.0","id":${id},"source":${source},"type":${kind},"time":${time}`;
          return `{${head},"data":{${fields.join(",")}}}`;
        }
        default:
          return `{${[metadata, ...fields].join(",")}}`;
      }
    }),
  );
}

function fieldsOf(columns: readonly Column[], type: EventType): readonly Column[] {
  const { properties } = payloadSchema(type);
  const declared = properties ?? {};
  return columns.filter(({ name }) => !OF_EVERY_EVENT.has(name) || Object.hasOwn(declared, name));
}

function identityOf({ values }: SinkRow, generation: number, sequence: number): readonly (string | number)[] {
  const rowId = values[ROW_ID_COLUMN];
  if (typeof rowId === "string") return ["row", rowId];
  const { event_id: eventId, log_partition: partition, log_offset: offset } = values;
  if (typeof eventId === "string" && isSet(partition) && isSet(offset))
    return ["event", eventId, String(partition), String(offset)];
  return ["number", generation, sequence];
}

function isSet(value: unknown): boolean {
  return value !== null && value !== undefined;
}

/** What a table partition says comes as text. */
function fieldJson({ type }: Column, value: unknown): string {
  if (typeof value !== "string" || type.kind === "json") return valueJson(type, value);
  const isBare = type.kind === "long" || type.kind === "double" || type.kind === "boolean";
  return isBare || type.kind === "decimal" ? value : JSON.stringify(value);
}
