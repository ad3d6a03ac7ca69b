/** Orders of about 500 bytes, numbered, for the benches that need a running Muara. */
import { seededRandomness } from "../core/clock.ts";
import type { MuaraProcess } from "../test/services/muara.ts";

const chance = seededRandomness(500);

/** Body for `POST /event-types`; unconstrained but for the types of its columns. */
export function orderType(partitions: number): Record<string, unknown> {
  const text = { type: "string" };
  const item = {
    type: "object",
    properties: { sku: text, quantity: { type: "integer" }, price: { type: "number" } },
  };
  const properties = {
    number: { type: "integer" },
    customer: text,
    country: text,
    total: { type: "number", format: "decimal(12,2)" },
    paid_at: { type: "string", format: "date-time" },
    items: { type: "array", items: item },
  };
  return {
    name: "bench.order",
    owning_application: "bench",
    category: "business",
    enrichment_strategies: ["metadata_enrichment"],
    default_statistic: {
      messages_per_minute: 1,
      message_size: 500,
      read_parallelism: partitions,
      write_parallelism: partitions,
    },
    schema: { type: "json_schema", schema: JSON.stringify({ type: "object", properties }) },
  };
}

export function orderOf(number: number, nowMs: number): string {
  return JSON.stringify({
    metadata: { eid: chance.uuid(), occurred_at: new Date(nowMs).toISOString() },
    number,
    customer: `c-${Math.floor(chance.fraction() * 1e6)}`,
    country: "ID",
    total: Math.round(chance.fraction() * 100_000) / 100,
    paid_at: new Date(nowMs).toISOString(),
    items: [
      { sku: "shoes-118", quantity: 1, price: 89.95 },
      { sku: "socks-7", quantity: 3, price: 4.95 },
    ],
    note: "n".repeat(150),
  });
}

/** @throws when the door does not take them */
export async function publishOrders(muara: MuaraProcess, from: number, count: number): Promise<void> {
  const events = Array.from({ length: count }, (_, i) => orderOf(from + i, Date.now()));
  const response = await muara.fetch("/event-types/bench.order/events", {
    method: "POST",
    body: `[${events.join(",")}]`,
  });
  const text = await response.text();
  if (response.status !== 200) throw new Error(`the door answered ${response.status}: ${text.slice(0, 500)}`);
}
