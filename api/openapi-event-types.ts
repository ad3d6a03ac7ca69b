/** Event types, their schemas, partitions, cursors and events in the description of the API: Nakadi's own addresses. */
import { z } from "zod";
import { eventTypeSchema, grantsSchema } from "../core/event-type.ts";
import { DENY_KINDS, FEATURES, fixedFeatures } from "../core/settings.ts";
import {
  answer,
  body,
  flag,
  full,
  list,
  operation,
  path,
  query,
  reference,
  text,
  textOrNull,
  whole,
  type Json,
} from "./openapi-parts.ts";

/** What a path has: `{name}` is an event type. */
const NAME = [path("name")];
const cursor = full({ partition: text, offset: text });
const STREAM = { "application/x-json-stream": { schema: text } };
const shownType = full({
  name: text,
  owning_application: text,
  category: { enum: ["undefined", "business", "data", "cloudevent"] },
  schema: full({ type: text, schema: text, version: text, created_at: text }),
  enrichment_strategies: list(text),
  partition_strategy: text,
  partition_key_fields: list(text),
  compatibility_mode: text,
  cleanup_policy: text,
  annotations: { type: "object", additionalProperties: text },
  labels: { type: "object", additionalProperties: text },
  options: { type: "object" },
  created_at: text,
  updated_at: text,
});

export const EVENT_TYPE_SCHEMAS: Json = {
  EventTypeRequest: z.toJSONSchema(eventTypeSchema, { io: "input" }),
  EventType: shownType,
  StoredSchema: full({ type: text, schema: text, version: text, created_at: text }),
  Cursor: cursor,
  Partition: {
    ...full({ partition: text, oldest_available_offset: text, newest_available_offset: text }),
    description: "Offsets are opaque texts; with a cursor in the request, unconsumed_events behind it.",
  },
  PageLinks: {
    type: "object",
    properties: { prev: full({ href: text }), next: full({ href: text }) },
  },
  BatchItemResponse: {
    ...full({ publishing_status: { enum: ["submitted", "failed", "aborted"] }, step: text, detail: text }),
    description: "Of one event; a failed one also has the error's `code` and the `pointer` of the field.",
  },
};

const partitions = list(reference("Partition"));
const items = list(reference("BatchItemResponse"));
const cursors = body(list(reference("Cursor")));
const strategies = list(text);
const feature = full({
  feature: { enum: [...Object.keys(FEATURES), ...Object.keys(fixedFeatures(false))].sort() },
  enabled: flag,
});
const attributes = list(full({ data_type: text, value: text }));
const admins = full({ admins: attributes, readers: attributes, writers: attributes });
const denied = full({ apps: list(text), event_types: list(text) });
const DENIED = [{ ...path("kind"), schema: { enum: DENY_KINDS } }, path("name")];
/** The same status may also be a problem, of the request as a whole. */
const problemToo: Json = { "application/problem+json": { schema: reference("Problem") } };

/** Numbers that say how a stream goes; 0 is each one's default, but for batch_limit. */
export const STREAM_QUERY: readonly Json[] = [
  "batch_limit",
  "batch_flush_timeout",
  "batch_timespan",
  "stream_limit",
  "stream_timeout",
  "stream_keep_alive_limit",
].map((name) => query(name, { type: "integer", minimum: name === "batch_limit" ? 1 : 0 }));

export const EVENT_TYPE_PATHS: Json = {
  "/event-types": {
    get: operation("listEventTypes", "Event types that the token may read or write", [], {
      parameters: [query("owning_application", text)],
      responses: answer("200", list(reference("EventType"))),
    }),
    post: operation("declareEventType", "Declare an event type", ["admin event_type"], {
      requestBody: body(reference("EventTypeRequest")),
      responses: answer("201", reference("EventType")),
    }),
  },
  "/event-types/{name}": {
    get: operation("showEventType", "One event type", ["read event_type", "write event_type"], {
      parameters: NAME,
      responses: answer("200", reference("EventType")),
    }),
    put: operation(
      "changeEventType",
      "Declare an event type anew; If-Match guards it",
      ["admin event_type"],
      {
        parameters: [...NAME, query("dry_run", flag)],
        requestBody: body(reference("EventTypeRequest")),
        responses: answer("200", { type: "object" }),
      },
    ),
    delete: operation(
      "deleteEventType",
      "Delete it: what was accepted lands, its table stays",
      ["admin event_type"],
      { parameters: NAME, responses: { "200": { description: "Nothing is accepted any more." } } },
    ),
  },
  "/event-types/{name}/schemas": {
    get: operation("listSchemas", "Its schemas, newest first", ["read event_type", "write event_type"], {
      parameters: [...NAME, query("limit", whole), query("offset", whole)],
      responses: answer(
        "200",
        full({ items: list(reference("StoredSchema")), _links: reference("PageLinks") }),
      ),
    }),
    post: operation(
      "addSchema",
      "Declare its next schema; with fetch=true find the version that is the same",
      ["admin event_type"],
      {
        parameters: [...NAME, query("fetch", flag)],
        requestBody: body(full({ schema: text })),
        responses: {
          ...answer("200", reference("StoredSchema")),
          ...answer("201", reference("StoredSchema")),
        },
      },
    ),
  },
  "/event-types/{name}/schemas/{version}": {
    get: operation("showSchema", "One version, or `latest`", ["read event_type", "write event_type"], {
      parameters: [...NAME, path("version")],
      responses: answer("200", reference("StoredSchema")),
    }),
  },
  "/event-types/{name}/schemas/{version}/compatibility-check": {
    post: operation(
      "checkSchema",
      "Whether a schema could follow this version, and what would change",
      ["read event_type", "write event_type"],
      {
        parameters: [...NAME, path("version")],
        requestBody: body(full({ schema: text })),
        responses: answer(
          "200",
          full({ compatible: flag, compatibility_mode: text, schema_version: text, error: textOrNull }),
        ),
      },
    ),
  },
  "/event-types/{name}/events": {
    get: operation(
      "readEvents",
      "A stream of events; X-Nakadi-Cursors says from where, by default the newest",
      ["read event_type"],
      {
        parameters: [
          ...NAME,
          ...STREAM_QUERY,
          { name: "X-Nakadi-Cursors", in: "header", required: false, schema: text },
        ],
        responses: { "200": { description: "Batches, one a line.", content: STREAM } },
      },
    ),
    post: operation("publishEvents", "Publish a batch; all are written, or none is", ["write event_type"], {
      parameters: NAME,
      requestBody: body({ type: "array", items: { type: "object" } }),
      responses: {
        ...answer("207", items, "Some are written."),
        "200": { description: "All are written." },
        "422": {
          description: "None is written: an event is bad, and what became of each.",
          content: { "application/json": { schema: items }, ...problemToo },
        },
      },
    }),
  },
  "/event-types/{name}/partitions": {
    get: operation("listPartitions", "What can be read of each", ["read event_type", "write event_type"], {
      parameters: [...NAME, { ...query("cursors", text), description: "A JSON list of cursors." }],
      responses: answer("200", partitions),
    }),
  },
  "/event-types/{name}/partitions/{partition}": {
    get: operation("showPartition", "One of them", ["read event_type", "write event_type"], {
      parameters: [...NAME, path("partition"), query("consumed_offset", text)],
      responses: answer("200", reference("Partition")),
    }),
  },
  "/event-types/{name}/partition-count": {
    put: operation("growPartitions", "Give it more partitions", ["admin event_type"], {
      parameters: NAME,
      requestBody: body(full({ partition_count: { ...whole, minimum: 1, maximum: 64 } })),
      responses: { "204": { description: "So many there are." } },
    }),
  },
  "/event-types/{name}/deleted-events": {
    post: operation(
      "deleteEvents",
      "Delete the events of some keys from the log of a compacted event type",
      ["write event_type"],
      {
        parameters: NAME,
        requestBody: body(list(full({ metadata: full({ partition_compaction_key: text }) }))),
        responses: {
          ...answer("207", items, "Some go."),
          "200": { description: "All keys go." },
          "422": {
            description: "None goes: what became of each.",
            content: { "application/json": { schema: items }, ...problemToo },
          },
        },
      },
    ),
  },
  "/event-types/{name}/cursor-distances": {
    post: operation("cursorDistances", "Offsets between cursors", ["read event_type"], {
      parameters: NAME,
      requestBody: body(list(full({ initial_cursor: cursor, final_cursor: cursor }))),
      responses: answer("200", list(full({ initial_cursor: cursor, final_cursor: cursor, distance: whole }))),
    }),
  },
  "/event-types/{name}/cursors-lag": {
    post: operation("cursorsLag", "Offsets behind cursors", ["read event_type"], {
      parameters: NAME,
      requestBody: cursors,
      responses: answer("200", partitions),
    }),
  },
  "/event-types/{name}/shifted-cursors": {
    post: operation("shiftCursors", "Cursors so many offsets further", ["read event_type"], {
      parameters: NAME,
      requestBody: body(list(full({ partition: text, offset: text, shift: whole }))),
      responses: answer("200", list(reference("Cursor"))),
    }),
  },
  "/cloudevents": {
    post: operation(
      "publishCloudEvents",
      "Publish CloudEvents (structured, batched, binary) to the types that they name",
      ["write event_type"],
      {
        requestBody: {
          required: true,
          content: {
            "application/cloudevents+json": { schema: { type: "object" } },
            "application/cloudevents-batch+json": { schema: list({ type: "object" }) },
          },
        },
        responses: {
          "200": { description: "All are written." },
          "207": { description: "Some are written.", content: { "application/json": { schema: items } } },
          "422": {
            description: "None is written.",
            content: { "application/json": { schema: items }, ...problemToo },
          },
        },
      },
    ),
  },
  "/settings/features": {
    get: operation("listFeatures", "Features, and whether they are on", ["admin system"], {
      responses: answer("200", full({ items: list(feature) })),
    }),
    post: operation("setFeature", "Switch a feature on or off", ["admin system"], {
      requestBody: body(feature),
      responses: { "204": { description: "Set." } },
    }),
  },
  "/settings/admins": {
    get: operation("showAdmins", "Who administers everything", ["admin system"], {
      responses: answer("200", admins),
    }),
    post: operation("setAdmins", "Set who administers everything", ["admin system"], {
      requestBody: body(z.toJSONSchema(grantsSchema, { io: "input" })),
      responses: answer("200", admins),
    }),
  },
  "/settings/blacklist": {
    get: operation("showDenyList", "Applications and event types that are blocked", ["admin system"], {
      responses: answer("200", full({ consumers: denied, producers: denied })),
    }),
  },
  "/settings/blacklist/{kind}/{name}": {
    put: operation("block", "Block an application or an event type", ["admin system"], {
      parameters: DENIED,
      responses: { "204": { description: "Blocked." } },
    }),
    delete: operation("unblock", "Unblock it", ["admin system"], {
      parameters: DENIED,
      responses: { "204": { description: "Not blocked." } },
    }),
  },
  "/registry/enrichment-strategies": {
    get: operation("enrichmentStrategies", "What can be declared", [], {
      responses: answer("200", strategies),
    }),
  },
  "/registry/partition-strategies": {
    get: operation("partitionStrategies", "What can be declared", [], {
      responses: answer("200", strategies),
    }),
  },
  "/version": {
    get: operation("version", "The version of Nakadi's API, and of the server", [], {
      responses: answer("200", full({ version: text, server: text })),
    }),
  },
  "/health": {
    get: {
      operationId: "health",
      summary: "Whether the door answers: OK",
      security: [],
      responses: { "200": { description: "Yes.", content: { "text/plain": { schema: text } } } },
    },
  },
};
