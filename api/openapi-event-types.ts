/** Event types, their schemas, publishing and settings (Nakadi's addresses) in the description of the API. */
import { z } from "zod";
import { eventTypeSchema, grantsSchema } from "../core/event-type.ts";
import { DENY_KINDS, FEATURES, FIXED_FEATURES } from "../core/settings.ts";
import {
  flag,
  json,
  type Json,
  list,
  object,
  path,
  problem,
  query,
  read,
  reference,
  text,
  textOrNull,
  whole,
} from "./openapi-parts.ts";

const texts = list(text);
const link = object({ href: text });

export const EVENT_TYPE_SCHEMAS: Json = {
  EventType: z.toJSONSchema(eventTypeSchema, { io: "input" }),
  EventTypeSchema: object({ type: text, schema: text, version: text, created_at: text }),
  EventTypeSchemas: object({
    items: list(reference("EventTypeSchema")),
    _links: object({ prev: link, next: link }),
  }),
  SchemaRequest: object({ type: text, schema: { ...text, description: "JSON Schema, as text." } }),
  Compatibility: object({
    compatible: flag,
    compatibility_mode: text,
    schema_version: text,
    error: textOrNull,
    changes: list({ type: "object" }),
  }),
  PartitionCount: object({ partition_count: { ...whole, minimum: 1, maximum: 64 } }),
  Deletions: list(object({ metadata: object({ partition_compaction_key: text, partition: text }) })),
  BatchItemResponses: list(
    object({ eid: text, publishing_status: text, step: text, detail: text, code: text, pointer: text }),
  ),
  Grants: z.toJSONSchema(grantsSchema, { io: "input" }),
  Feature: object({
    feature: { ...text, enum: [...Object.keys(FEATURES), ...Object.keys(FIXED_FEATURES)].sort() },
    enabled: flag,
  }),
  Features: object({ items: list(reference("Feature")) }),
  DenyList: object({
    consumers: object({ apps: texts, event_types: texts }),
    producers: object({ apps: texts, event_types: texts }),
  }),
};

const NAME = [path("name")];

function write(
  operationId: string,
  summary: string,
  body: string | null,
  answer: readonly [status: string, description: string, schema: string | null],
  parameters: readonly Json[] = [],
): Json {
  const [status, description, schema] = answer;
  const responses = {
    [status]: { description, ...(schema === null ? {} : { content: json(schema) }) },
    default: problem(),
  };
  const requestBody = body === null ? {} : { requestBody: { required: true, content: json(body) } };
  return { operationId, summary, parameters, ...requestBody, responses };
}

const ENTRY = [{ ...path("kind"), schema: { ...text, enum: DENY_KINDS } }, path("name")];

export const EVENT_TYPE_PATHS: Json = {
  "/event-types": {
    get: read("listEventTypes", "Event types that one may see", list(reference("EventType")), [
      query("owning_application", text),
      query("writer", text),
    ]),
    post: write("declareEventType", "Declare an event type", "EventType", ["201", "Declared.", "EventType"]),
  },
  "/event-types/{name}": {
    get: read("readEventType", "One event type", reference("EventType"), NAME),
    put: write(
      "redeclareEventType",
      "Declare an event type anew; what is left out stays",
      "EventType",
      ["200", "As it is now; with `dry_run` what would change.", "EventType"],
      [...NAME, query("dry_run", flag)],
    ),
    delete: write(
      "deleteEventType",
      "Delete an event type: what was accepted lands, its table stays",
      null,
      ["200", "Nothing is accepted any more.", null],
      NAME,
    ),
  },
  "/event-types/{name}/partition-count": {
    put: write(
      "growEventType",
      "Give an event type more partitions",
      "PartitionCount",
      ["204", "Done.", null],
      NAME,
    ),
  },
  "/event-types/{name}/schemas": {
    get: read("listSchemas", "Versions of the schema, newest first", reference("EventTypeSchemas"), [
      ...NAME,
      query("limit", whole),
      query("offset", whole),
    ]),
    post: write(
      "addSchema",
      "Declare another schema, or with `fetch` look one up",
      "SchemaRequest",
      ["201", "Declared.", "EventTypeSchema"],
      [...NAME, query("fetch", flag)],
    ),
  },
  "/event-types/{name}/schemas/{version}": {
    get: read("readSchema", "One version, or `latest`", reference("EventTypeSchema"), [
      ...NAME,
      path("version"),
    ]),
  },
  "/event-types/{name}/schemas/{version}/compatibility-check": {
    post: write(
      "checkSchema",
      "Whether a schema would be taken after that version",
      "SchemaRequest",
      ["200", "The verdict.", "Compatibility"],
      [...NAME, path("version")],
    ),
  },
  "/event-types/{name}/deleted-events": {
    post: write(
      "deleteEvents",
      "Delete the events of some keys from the log of a compacted event type",
      "Deletions",
      ["200", "All keys go. 422 and 207 say what became of each.", null],
      NAME,
    ),
  },
  "/settings/features": {
    get: read("listFeatures", "Features, and whether they are on", reference("Features")),
    post: write("setFeature", "Switch a feature on or off", "Feature", ["204", "Set.", null]),
  },
  "/settings/admins": {
    get: read("readAdmins", "Who administers everything", reference("Grants")),
    post: write("setAdmins", "Set who administers everything", "Grants", ["200", "Set.", "Grants"]),
  },
  "/settings/blacklist": {
    get: read("readDenyList", "Who and what is blocked", reference("DenyList")),
  },
  "/settings/blacklist/{kind}/{name}": {
    put: write("block", "Block an application or an event type", null, ["204", "Blocked.", null], ENTRY),
    delete: write("unblock", "Unblock it", null, ["204", "Not blocked.", null], ENTRY),
  },
};
