/** Examples of the door: event types, publishing, streams, subscriptions, settings. */
import type { Step } from "./step.ts";
import { some } from "./pick.ts";

export const ORDER_SCHEMA = {
  type: "object",
  properties: {
    order_number: { type: "string" },
    country: { type: "string" },
    email: { type: "string" },
    total: { type: "number", format: "decimal(10,2)" },
  },
  required: ["order_number"],
};
const GROWN = { ...ORDER_SCHEMA.properties, gift: { type: "boolean" } };
const schemaText = (properties: object): string => JSON.stringify({ ...ORDER_SCHEMA, properties });

const orderType = {
  name: "order.created",
  owning_application: "shop",
  category: "business",
  enrichment_strategies: ["metadata_enrichment"],
  schema: { type: "json_schema", schema: schemaText(ORDER_SCHEMA.properties) },
};

const eid = (last: number): string => `0b7a5d4e-6c1b-4f0e-9a53-2f1d0c9be${String(last).padStart(3, "0")}`;
const order = (index: number, at: string, total: number, country = "DE"): object => ({
  metadata: { eid: eid(index), occurred_at: at },
  order_number: `A-${index}`,
  country,
  email: `buyer${index}@example.org`,
  total,
});

const NAME = { name: "order.created" };
const OWN = { data_type: "token", value: "{{OWN_TOKEN}}" };
const one = { partition: "0", offset: "001-0001--1" };

export const DOOR_STEPS: readonly Step[] = [
  { id: "version" },
  { id: "health" },
  { id: "live" },
  { id: "ready" },
  { id: "openapi" },
  { id: "reference" },
  { id: "referenceFile", path: { file: "reference.css" } },
  { id: "listErrors" },
  { id: "showError", path: { code: "event_type.not_found" } },
  { id: "enrichmentStrategies" },
  { id: "partitionStrategies" },
  { id: "declareEventType", body: orderType },
  {
    id: "publishEvents",
    path: NAME,
    body: [
      order(1, "{{HOUR}}:05:00Z", 89.95),
      order(2, "{{HOUR}}:20:00Z", 12.5, "FR"),
      order(1, "{{HOUR}}:05:00Z", 89.95),
      order(3, "{{HOUR}}:40:00Z", 4.955),
      order(4, "{{NEXT_HOUR}}:30:00Z", 240),
    ],
  },
  { id: "listEventTypes" },
  { id: "showEventType", path: NAME },
  {
    id: "listPartitions",
    path: NAME,
    keep: { OLDEST: "0.oldest_available_offset", NEWEST: "0.newest_available_offset" },
  },
  { id: "showPartition", path: { ...NAME, partition: "0" } },
  {
    id: "readEvents",
    path: NAME,
    query: { batch_limit: "2", batch_flush_timeout: "1", stream_limit: "2" },
    headers: { "X-Nakadi-Cursors": '[{"partition":"0","offset":"BEGIN"}]' },
  },
  {
    id: "cursorDistances",
    path: NAME,
    body: [
      { initial_cursor: { ...one, offset: "{{OLDEST}}" }, final_cursor: { ...one, offset: "{{NEWEST}}" } },
    ],
  },
  { id: "cursorsLag", path: NAME, body: [{ ...one, offset: "{{OLDEST}}" }] },
  { id: "shiftCursors", path: NAME, body: [{ ...one, offset: "{{OLDEST}}", shift: 2 }] },
  { id: "checkSchema", path: { ...NAME, version: "latest" }, body: { schema: schemaText(GROWN) } },
  { id: "addSchema", path: NAME, body: { schema: schemaText(GROWN) } },
  { id: "listSchemas", path: NAME },
  { id: "showSchema", path: { ...NAME, version: "1.0.0" } },
  {
    id: "changeEventType",
    path: NAME,
    query: { dry_run: "true" },
    body: {
      ...orderType,
      schema: { type: "json_schema", schema: schemaText({ ...GROWN, note: { type: "string" } }) },
    },
  },
  {
    id: "publishCloudEvents",
    headers: { "content-type": "application/cloudevents+json" },
    body: { specversion: "1.0", id: "17", source: "/shop", type: "shop.parcel", data: { parcel_id: "P-1" } },
    before: async (world) => {
      const schema = {
        type: "json_schema",
        schema: '{"type":"object","properties":{"parcel_id":{"type":"string"}}}',
      };
      await world.call("POST", "/event-types", {
        name: "shop.parcel",
        owning_application: "shop",
        category: "cloudevent",
        schema,
      });
    },
  },
  {
    id: "deleteEvents",
    path: { name: "shop.price" },
    body: [{ metadata: { partition_compaction_key: "shoes-118" } }],
    before: async (world) => {
      const schema = {
        type: "json_schema",
        schema: '{"type":"object","properties":{"price":{"type":"number"}}}',
      };
      await world.call("POST", "/event-types", {
        name: "shop.price",
        owning_application: "shop",
        category: "business",
        cleanup_policy: "compact",
        enrichment_strategies: ["metadata_enrichment"],
        schema,
      });
    },
  },
  { id: "growPartitions", path: { name: "shop.parcel" }, body: { partition_count: 2 } },
  {
    id: "subscribe",
    body: { owning_application: "warehouse", event_types: ["order.created"], read_from: "begin" },
    keep: { SUBSCRIPTION: "id" },
  },
  { id: "listSubscriptions", query: { owning_application: "warehouse" }, until: some },
  { id: "showSubscription", path: { id: "{{SUBSCRIPTION}}" } },
  {
    id: "commitCursors",
    path: { id: "{{SUBSCRIPTION}}" },
    headers: { "X-Nakadi-StreamId": "{{STREAM}}" },
    body: {
      items: [
        { event_type: "order.created", partition: "0", offset: "{{SENT}}", cursor_token: "{{CURSOR_TOKEN}}" },
      ],
    },
    before: (world) => world.openStream(),
  },
  { id: "subscriptionCursors", path: { id: "{{SUBSCRIPTION}}" } },
  { id: "subscriptionStats", path: { id: "{{SUBSCRIPTION}}" }, query: { show_time_lag: "true" } },
  {
    id: "resetCursors",
    path: { id: "{{SUBSCRIPTION}}" },
    body: { items: [{ event_type: "order.created", partition: "0", offset: "BEGIN" }] },
    before: (world) => world.closeStream(),
  },
  {
    id: "streamEvents",
    path: { id: "{{SUBSCRIPTION}}" },
    query: { batch_limit: "2", batch_flush_timeout: "1", stream_limit: "2" },
  },
  {
    id: "streamEventsOf",
    path: { id: "{{SUBSCRIPTION}}" },
    body: {
      batch_limit: 2,
      stream_limit: 2,
      batch_flush_timeout: 1,
      partitions: [{ event_type: "order.created", partition: "0" }],
    },
    before: (world) => world.freeSubscription(),
  },
  {
    id: "changeSubscription",
    path: { id: "{{SUBSCRIPTION}}" },
    body: {
      owning_application: "warehouse",
      event_types: ["order.created"],
      read_from: "begin",
      labels: { team: "warehouse" },
    },
  },
  { id: "deleteSubscription", path: { id: "{{SUBSCRIPTION}}" } },
  { id: "listFeatures" },
  { id: "setFeature", body: { feature: "disable_event_type_deletion", enabled: false } },
  { id: "showAdmins" },
  { id: "setAdmins", body: { admins: [OWN], readers: [OWN], writers: [OWN] } },
  { id: "block", path: { kind: "PRODUCER_ET", name: "shop.parcel" } },
  { id: "showDenyList" },
  { id: "unblock", path: { kind: "PRODUCER_ET", name: "shop.parcel" } },
];
