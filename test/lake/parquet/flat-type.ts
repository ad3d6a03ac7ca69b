/** An event type of flat fields only: what the smallest Parquet readers know. */
import { type EventType, eventTypeSchema } from "../../../core/event-type.ts";

/** Columns of the payload. */
export const FLAT: Readonly<Record<string, "text" | "long" | "double" | "flag" | "time" | "date">> = {
  name: "text",
  count: "long",
  ratio: "double",
  isOpen: "flag",
  at: "time",
  day: "date",
};

const properties = {
  name: { type: "string" },
  count: { type: "integer" },
  ratio: { type: "number" },
  isOpen: { type: "boolean" },
  at: { type: "string", format: "date-time" },
  day: { type: "string", format: "date" },
};

export function flatType(): EventType {
  return eventTypeSchema.parse({
    name: "shop.order-placed",
    owning_application: "shop",
    category: "undefined",
    schema: { type: "json_schema", schema: JSON.stringify({ type: "object", properties }) },
  });
}
