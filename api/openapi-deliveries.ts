/** What the OpenAPI document says of deliveries. */
import { z } from "zod";
import { deliveryRequestSchema } from "../core/delivery.ts";
import {
  type Json,
  drop,
  list,
  listOf,
  object,
  path,
  problem,
  query,
  read,
  reference,
  send,
  text,
  textOrNull,
  time,
  whole,
  wholeOrNull,
} from "./openapi-parts.ts";

const delivery = object({
  name: text,
  table: text,
  job: { ...text, description: "Whose sink it is; absent: declared by itself." },
  from: { enum: ["begin", "now"] },
  state: { enum: ["delivering", "failing", "paused"] },
  problem: textOrNull,
  delivered: whole,
  dead: whole,
  version: { type: ["integer", "null"], description: "Of the table: everything up to it is delivered." },
  behind_versions: wholeOrNull,
  lag_ms: {
    ...wholeOrNull,
    description: "Age of the oldest commit that is not delivered, ms; null where that is not known.",
  },
  description: text,
  by: text,
  created_at: time,
  updated_at: time,
});

export const DELIVERY_SCHEMAS: Json = {
  DeliveryRequest: z.toJSONSchema(deliveryRequestSchema, { io: "input" }),
  Delivery: delivery,
};

const one = [path("name")];

export const DELIVERY_PATHS: Json = {
  "/v1/deliveries": {
    get: read("listDeliveries", "Deliveries of tables that the token administers", listOf("Delivery")),
    post: send(
      "createDelivery",
      "Send rows of a table to a webhook, Kafka, a database or an event type; a webhook's secret is shown only now",
      "DeliveryRequest",
      ["201", "Declared.", "Delivery"],
    ),
  },
  "/v1/deliveries/{name}": {
    get: read("showDelivery", "How far a delivery is", reference("Delivery"), one),
    delete: drop("deleteDelivery", "End a delivery", one),
  },
  "/v1/deliveries/{name}/pause": {
    post: read("pauseDelivery", "Rest until it is resumed", reference("Delivery"), one),
  },
  "/v1/deliveries/{name}/resume": {
    post: read("resumeDelivery", "Go on where it was", reference("Delivery"), one),
  },
  "/v1/deliveries/{name}/kibana": {
    get: {
      operationId: "kibanaObjectsOfDelivery",
      summary: "Saved objects for Kibana: a data view, panels, a dashboard, made from the table's columns",
      parameters: one,
      responses: {
        "200": { description: "NDJSON for Kibana's import.", content: { "application/x-ndjson": {} } },
        default: problem(),
      },
    },
  },
  "/v1/deliveries/{name}/dead-letters": {
    get: read(
      "listDeliveryDeadLetters",
      "The newest rows that the receiver has refused",
      object({ count: whole, items: list({ type: "object" }) }),
      [...one, query("limit", whole)],
    ),
  },
};
