/** Subscriptions in the description of the API: Nakadi's own addresses, and what Muara has beyond them. */
import { STREAM_QUERY } from "./openapi-event-types.ts";
import {
  answer,
  body,
  flag,
  full,
  list,
  object,
  operation,
  path,
  query,
  reference,
  text,
  whole,
  type Json,
} from "./openapi-parts.ts";

const ID = [path("id")];
const STREAM_ID = { name: "X-Nakadi-StreamId", in: "header", required: true, schema: text };
const name: Json = { type: "string", minLength: 1, maxLength: 255 };
const texts: Json = { type: "object", additionalProperties: text };
const attributes: Json = { ...list(full({ data_type: name, value: name })), minItems: 1 };
const authorization = full({ admins: attributes, readers: attributes });
const place = { event_type: text, partition: text };
const cursor = full({ ...place, offset: text });
const isShared = {
  state: { enum: ["unassigned", "reassigning", "assigned"] },
  stream_id: { ...text, description: "Of the stream that has it; empty where none has." },
};
const cursorWithToken = full({ ...place, offset: text, cursor_token: text });

/** Numbers of a stream in a body instead of the address. */
const streamNumbers: Json = Object.fromEntries(
  STREAM_QUERY.map((one) => [String(one["name"]), one["schema"] as Json]),
);
const ownNumbers: Json = {
  max_uncommitted_events: { type: "integer", minimum: 1 },
  commit_timeout: { type: "integer", minimum: 0, maximum: 60 },
};
const streamAnswer: Json = {
  "200": {
    description: "Batches, one a line, until the stream ends; the last one says why.",
    headers: { "X-Nakadi-StreamId": { required: true, schema: text } },
    content: { "application/x-json-stream": { schema: text } },
  },
};

export const SUBSCRIPTION_SCHEMAS: Json = {
  SubscriptionRequest: {
    type: "object",
    required: ["owning_application", "event_types"],
    properties: {
      owning_application: name,
      event_types: {
        ...list(name),
        minItems: 1,
        description: '["*"]: all that there are, and all that will be.',
      },
      consumer_group: name,
      read_from: { enum: ["begin", "end", "cursors"] },
      initial_cursors: list(cursor),
      authorization,
      annotations: texts,
      labels: texts,
    },
  },
  Subscription: full({
    id: text,
    owning_application: text,
    event_types: list(text),
    consumer_group: text,
    read_from: text,
    initial_cursors: list(cursor),
    annotations: texts,
    labels: texts,
    created_at: text,
    updated_at: text,
  }),
  CommitRequest: full({ items: { ...list(cursor), minItems: 1 } }),
  ResetRequest: full({
    items: {
      ...list({
        type: "object",
        properties: { ...place, offset: text, timestamp: { type: "string", format: "date-time" } },
      }),
      description:
        "Offsets of partitions; or a timestamp, of a partition, of an event type, or of all. None: nothing moves.",
    },
  }),
  SubscriptionStats: full({
    event_type: text,
    partitions: list(full({ partition: text, ...isShared, unconsumed_events: whole })),
  }),
};

export const SUBSCRIPTION_PATHS: Json = {
  "/subscriptions": {
    get: operation("listSubscriptions", "Subscriptions to what the token may read, newest first", [], {
      parameters: [
        query("owning_application", text),
        { ...query("event_type", list(text)), explode: true },
        { ...query("reader", text), description: "`data_type:value`, of its own list." },
        query("show_status", flag),
        query("limit", { type: "integer", minimum: 1, maximum: 1_000 }),
        query("offset", { type: "integer", minimum: 0 }),
      ],
      responses: answer(
        "200",
        full({ items: list(reference("Subscription")), _links: reference("PageLinks") }),
      ),
    }),
    post: operation(
      "subscribe",
      "Declare a subscription; 200 with the one that is there for this owner, group and event types",
      ["read event_type"],
      {
        requestBody: body(reference("SubscriptionRequest")),
        responses: {
          ...answer("200", reference("Subscription"), "It was there."),
          ...answer("201", reference("Subscription"), "It is new."),
        },
      },
    ),
  },
  "/subscriptions/{id}": {
    get: operation("showSubscription", "One subscription", ["read subscription"], {
      parameters: ID,
      responses: answer("200", reference("Subscription")),
    }),
    put: operation(
      "changeSubscription",
      "Change its authorization, annotations and labels",
      ["admin subscription"],
      {
        parameters: ID,
        requestBody: body(reference("SubscriptionRequest")),
        responses: { "204": { description: "Done." } },
      },
    ),
    delete: operation("deleteSubscription", "Delete it; its streams end", ["admin subscription"], {
      parameters: ID,
      responses: { "204": { description: "Done." } },
    }),
  },
  "/subscriptions/{id}/cursors": {
    get: operation("subscriptionCursors", "What is committed", ["read subscription"], {
      parameters: ID,
      responses: answer("200", full({ items: list(cursorWithToken) })),
    }),
    post: operation("commitCursors", "Commit what a stream has sent", ["read subscription"], {
      parameters: [...ID, STREAM_ID],
      requestBody: body(reference("CommitRequest")),
      responses: {
        "204": { description: "All of them are ahead of what was committed." },
        ...answer(
          "200",
          full({ items: list(full({ cursor, result: { enum: ["committed", "outdated"] } })) }),
          "Some were committed before.",
        ),
      },
    }),
    patch: operation("resetCursors", "Move them, back too; streams end", ["admin subscription"], {
      parameters: ID,
      requestBody: body(reference("ResetRequest")),
      responses: { "204": { description: "Done." } },
    }),
  },
  "/subscriptions/{id}/events": {
    get: operation("streamEvents", "A stream of its events", ["read subscription"], {
      parameters: [
        ...ID,
        ...STREAM_QUERY,
        ...Object.entries(ownNumbers).map(([one, schema]) => query(one, schema as Json)),
      ],
      responses: streamAnswer,
    }),
    post: operation("streamEventsOf", "A stream, also of given partitions", ["read subscription"], {
      parameters: ID,
      requestBody: body({
        type: "object",
        properties: { ...streamNumbers, ...ownNumbers, partitions: list(full(place)) },
      }),
      responses: streamAnswer,
    }),
  },
  "/subscriptions/{id}/stats": {
    get: operation("subscriptionStats", "How far it is, by partition", ["read subscription"], {
      parameters: [...ID, query("show_time_lag", flag)],
      responses: answer("200", object({ items: list(reference("SubscriptionStats")) })),
    }),
  },
};
