/** A small shop for the pages of the lake: typed rows, dead letters, an extract with a receipt that differs. */
import { expect } from "vitest";
import type { ConfigInput } from "../../core/config.ts";
import { eventually } from "../services/muara.ts";
import { startStack, type Stack } from "../api/stack.ts";

export const TYPE = "ORDER_PLACED";
export const FEED = "orders_hourly";
/** Beyond what a double holds exactly. */
export const BIG = "9007199254740993";
const HOUR_MS = 3_600_000;
export const HOUR = Math.floor(Date.now() / HOUR_MS - 2) * HOUR_MS;
const COUNTRIES = ["DE", "FR", "IT"];

const SCHEMA = {
  type: "object",
  properties: {
    number: { type: "integer", description: "Number of the order." },
    country: { type: "string" },
    note: { type: "string" },
    quantity: { type: "integer", format: "int32" },
  },
  required: ["number"],
};

export function order(index: number, number = String(index)): string {
  const eid = `bbbbbbbb-0000-4000-8000-${String(index).padStart(12, "0")}`;
  const time = new Date(HOUR + index * 60_000).toISOString();
  const note = index % 2 === 0 ? `,"note":"n${index}"` : "";
  const country = COUNTRIES[index % 3]!;
  return `{"metadata":{"eid":"${eid}","occurred_at":"${time}"},"number":${number},"country":"${country}"${note}}`;
}

export async function send(stack: Stack, events: readonly string[]): Promise<void> {
  const response = await stack.call("POST", `/event-types/${TYPE}/events`, `[${events.join(",")}]`);
  expect(response.status, await response.text()).toBe(200);
}

/** 90 orders over an hour and a half, one with a big number; three dead letters; with `extract`, a published hour. */
export async function seededLake(hasExtract = false): Promise<Stack> {
  const extracts: ConfigInput["extracts"] = {
    [FEED]: {
      sql: `SELECT event_id, event_time, number, country FROM ${TYPE}`,
      window: "hour",
      time: "event_time",
      key: ["event_id"],
      totals: ["number"],
      checks: [{ notNull: ["event_id"] }],
      description: "Orders, once each.",
      owner: "shop",
    },
  };
  const stack = await startStack(undefined, {
    query: { namespace: "off" },
    ...(hasExtract ? { extract: { everyMs: HOUR_MS }, extracts } : {}),
  });
  const type = {
    name: TYPE,
    owning_application: "shop",
    category: "business",
    partition_strategy: "random",
    annotations: { "muara/freshness": "30 s" },
    schema: { type: "json_schema", schema: JSON.stringify(SCHEMA) },
    default_statistic: { messages_per_minute: 1, message_size: 1, read_parallelism: 2, write_parallelism: 2 },
  };
  expect((await stack.call("POST", "/event-types", type)).status).toBe(201);
  await send(
    stack,
    Array.from({ length: 90 }, (_, index) => order(index, index === 7 ? BIG : String(index))),
  );
  await send(
    stack,
    [101, 102, 103].map((index) => order(index, "18446744073709551616")),
  );
  await stack.settled(TYPE);
  if (hasExtract) await publish(stack);
  return stack;
}

async function publish(stack: Stack): Promise<void> {
  const wanted = new Date(HOUR + HOUR_MS).toISOString();
  await eventually("the hour is published", 30_000, async () => {
    const made = await stack.call("POST", `/v1/extracts/${FEED}/make`);
    return ((await made.json()) as { complete_through: string | null }).complete_through === wanted;
  });
  const receipt = { rows: 59 };
  expect((await stack.call("POST", `/v1/extracts/${FEED}/versions/1/receipts`, receipt)).status).toBe(409);
}
