/** The shop's event types, as its teams would declare them over HTTP. */

const APPLICATION = "muara-demo-shop";

interface Declared {
  readonly name: string;
  readonly partitions: number;
  readonly keys: readonly string[];
  readonly properties: Readonly<Record<string, unknown>>;
  readonly required: readonly string[];
}

const text = { type: "string" };
const whole = { type: "integer" };
const money = { type: "number", format: "decimal(12,2)" };

const DECLARED: readonly Declared[] = [
  {
    name: "ORDER_CREATED",
    partitions: 2,
    keys: ["order_number"],
    properties: {
      order_number: text,
      customer_id: text,
      country: text,
      currency: text,
      parcels_to_ship: whole,
      total: money,
      items: {
        type: "array",
        items: { type: "object", properties: { sku: text, category: text, quantity: whole, price: money } },
      },
    },
    required: ["order_number", "customer_id", "parcels_to_ship"],
  },
  {
    name: "PARCEL_SHIPPED",
    partitions: 2,
    keys: ["order_number"],
    properties: { order_number: text, parcel_id: text, carrier: text, warehouse: text, weight_grams: whole },
    required: ["order_number", "parcel_id"],
  },
  {
    name: "PAYMENT_RECEIVED",
    partitions: 1,
    keys: [],
    properties: {
      order_number: text,
      method: text,
      amount: money,
      received_at: { type: "string", format: "date-time" },
    },
    required: ["order_number", "amount"],
  },
  {
    name: "PRICE_CHANGED",
    partitions: 1,
    keys: [],
    properties: { sku: text, category: text, old_price: money, new_price: money, campaign: {} },
    required: ["sku", "new_price"],
  },
  {
    name: "CUSTOMER_REGISTERED",
    partitions: 1,
    keys: [],
    properties: { customer_id: text, country: text, newsletter: { type: "boolean" } },
    required: ["customer_id", "country"],
  },
];

/** Bodies for `POST /event-types`. */
export const SHOP_EVENT_TYPES: readonly Record<string, unknown>[] = DECLARED.map((type) => ({
  name: type.name,
  owning_application: APPLICATION,
  category: "business",
  enrichment_strategies: ["metadata_enrichment"],
  partition_strategy: type.keys.length > 0 ? "hash" : "random",
  partition_key_fields: type.keys,
  compatibility_mode: "forward",
  default_statistic: {
    messages_per_minute: 1_000,
    message_size: 500,
    read_parallelism: type.partitions,
    write_parallelism: type.partitions,
  },
  schema: {
    type: "json_schema",
    schema: JSON.stringify({ type: "object", properties: type.properties, required: type.required }),
  },
}));
