/** Bodies of publish requests, byte by byte, and the event types that tests of bad input send them to. */
import { expect } from "vitest";
import { declaration, type Door } from "./door.ts";

export const TYPE = "shop.order";

export async function declareTypes(door: Door): Promise<void> {
  await declared(door, declaration(TYPE));
  await declared(
    door,
    declaration("shop.checked", {
      schema: { properties: { qty: { type: "integer" } }, required: ["qty"] },
    }),
  );
  await declared(
    door,
    declaration("shop.keyed", {
      schema: { properties: { key: {} } },
      partition_strategy: "hash",
      partition_key_fields: ["key"],
    }),
  );
  await declared(
    door,
    declaration("shop.placed", {
      partition_strategy: "user_defined",
      default_statistic: { read_parallelism: 3, write_parallelism: 1 },
    }),
  );
  await declared(door, declaration("shop.change", { category: "data" }));
  await declared(
    door,
    declaration("shop.free", {
      category: "undefined",
      annotations: { "muara/event-id-path": "/a~1b/id", "muara/event-time-path": "/at" },
    }),
  );
}

async function declared(door: Door, one: Record<string, unknown>): Promise<void> {
  const answer = await door.declare(one);
  expect([answer.status, await answer.text()]).toEqual([201, expect.any(String)]);
}

export function bytes(...parts: (string | readonly number[])[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part as string))));
}

export const metadata = (more = ""): string =>
  `"metadata":{"eid":"11111111-1111-4111-8111-111111111111","occurred_at":"2026-03-01T11:00:00Z"${more}}`;
export const valid: string = `{${metadata()}}`;

/** An event of exactly `length` bytes. */
export function eventOf(length: number): string {
  const frame = `{${metadata()},"pad":""}`;
  return frame.replace('""', `"${"x".repeat(length - frame.length)}"`);
}
/** An event nested `depth` deep. */
export function nested(depth: number): string {
  return `{${metadata()},"deep":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
}

/** name, event type, body, code, pointer; one event of two is bad. */
