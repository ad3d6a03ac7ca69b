/**
 * An event that nobody commits is left behind: skipped, or kept as an event of its own type in
 * `nakadi.dead.letter.queue`, which is declared when it is first needed. Its id is made of the place of the event, so
 * that it is there once, however often this is tried.
 */
import type { EventType } from "../../../core/event-type.ts";
import { hasCode } from "../../../core/errors.ts";
import { packRecords, payloadOf } from "../../../core/record.ts";
import { offsetText } from "../cursors/offset-text.ts";
import { declareEventType, ensureStream, findEventType } from "../declaration.ts";
import type { StreamPorts } from "../streams/stream-host.ts";
import type { Part, SubscriptionStore } from "./store.ts";
import type { PoisonPolicy, Subscription } from "./subscription.ts";
import { committed } from "./trials.ts";

export const DEAD_LETTER_TYPE = "nakadi.dead.letter.queue";
const REASON = "The event was sent as often as its subscription allows, and never committed.";

const text = { type: "string" };
const DECLARATION = {
  name: DEAD_LETTER_TYPE,
  owning_application: "muara",
  category: "business",
  schema: {
    type: "json_schema",
    schema: JSON.stringify({
      type: "object",
      properties: {
        subscription_id: text,
        event_type: text,
        partition: text,
        offset: text,
        error: { type: "object", properties: { message: text } },
        event: { type: "object" },
      },
      required: ["subscription_id", "event_type", "partition", "offset", "error", "event"],
    }),
  },
};

export interface GiveUpPorts extends StreamPorts {
  readonly store: SubscriptionStore;
}

/** @returns the offset behind the event */
export async function giveUp(
  ports: GiveUpPorts,
  subscription: Subscription,
  part: Part,
  position: number,
  { policy }: PoisonPolicy,
): Promise<number> {
  const { log, logger, store } = ports;
  const batch = await log.read(part.type.name, part.partition, position, 1);
  const offset = batch.count > 0 ? batch.offsets[0]! : position;
  const payload = batch.count > 0 ? payloadOf(batch, 0) : null;
  if (policy === "DEAD_LETTER_QUEUE" && payload) await keep(ports, subscription, part, offset, payload);
  logger.warn("an event was given up", {
    subscription: subscription.id,
    event_type: part.type.name,
    partition: part.partition,
    offset,
    policy,
  });
  const next = offset + 1;
  await store.changeCursors(subscription, (before) => {
    const positions = [...(before.positions[part.type.name] ?? [])];
    if ((positions[part.partition] ?? 0) >= next) return undefined;
    for (let p = positions.length; p < part.partition; p++) positions[p] = 0;
    positions[part.partition] = next;
    return { ...before, positions: { ...before.positions, [part.type.name]: positions } };
  });
  await store.changeTopology(subscription.id, (before) => committed(before, new Map([[part.key, next]])));
  return next;
}

async function keep(
  ports: GiveUpPorts,
  subscription: Subscription,
  part: Part,
  offset: number,
  payload: Uint8Array,
): Promise<void> {
  const type = await deadLetterType(ports);
  const stream = await ensureStream(ports.log, type);
  const place = [subscription.id, part.type.name, part.partition, offset].join("/");
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(place)));
  const event = {
    metadata: { eid: uuidOf(hash), occurred_at: new Date(ports.clock.nowMs()).toISOString() },
    subscription_id: subscription.id,
    event_type: part.type.name,
    partition: String(part.partition),
    offset: offsetText(offset),
    error: { message: REASON },
  };
  // The event itself byte for byte.
  const head = JSON.stringify(event).slice(0, -1);
  const bytes = new TextEncoder().encode(`${head},"event":${new TextDecoder().decode(payload)}}`);
  const header = JSON.stringify({ schema_version: type.schema.version, published_by: "muara" });
  const partition = hash[15]! % stream.partitions;
  await ports.log.append(DEAD_LETTER_TYPE, partition, packRecords([{ payload: bytes, header }]));
}

async function deadLetterType(ports: GiveUpPorts): Promise<EventType> {
  const known = (await findEventType(ports.registry, DEAD_LETTER_TYPE))?.value;
  if (known) return known;
  try {
    return await declareEventType(ports, DECLARATION);
  } catch (error) {
    const other = hasCode(error, "event_type.exists")
      ? (await findEventType(ports.registry, DEAD_LETTER_TYPE))?.value
      : undefined;
    if (other) return other;
    throw error;
  }
}

function uuidOf(hash: Uint8Array): string {
  const bytes = hash.slice(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x80;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
