/**
 * Turns the shop's events into what a platform really receives: batches with disorder, resends, resends with other
 * content, late events, events that the door must refuse and events that are accepted but cannot land.
 */
import type { Randomness } from "../../core/clock.ts";
import type { ShopEvent } from "./shop.ts";

export interface TrafficRequest {
  readonly type: string;
  /** JSON array of events. */
  readonly body: string;
  readonly events: number;
  /** Whether the door is expected to refuse it. */
  readonly isBroken: boolean;
}

const RESEND = 0.02;
const CHANGED_RESEND = 0.000_5;
const HELD_BACK = 0.001;
const BROKEN = 0.000_3;
const UNLANDABLE = 0.000_2;
const BATCH_EVENTS = 500;
/** How long a late event is held back, in rounds of `requests`. */
const HELD_ROUNDS = 3;

export class Traffic {
  readonly #chance: Randomness;
  readonly #held: { readonly event: ShopEvent; rounds: number }[] = [];
  #resends: ShopEvent[] = [];

  constructor(chance: Randomness) {
    this.#chance = chance;
  }

  /** The requests for one round of events, given in time order. */
  requests(events: readonly ShopEvent[]): TrafficRequest[] {
    const chance = this.#chance;
    const now: ShopEvent[] = [...this.#resends, ...this.#released()];
    this.#resends = [];
    for (const event of events) {
      if (chance.fraction() < HELD_BACK) this.#held.push({ event, rounds: HELD_ROUNDS });
      else now.push(event);
      if (chance.fraction() < RESEND) this.#resends.push(event);
      if (chance.fraction() < CHANGED_RESEND)
        this.#resends.push({ ...event, fields: { ...event.fields, resent: true } });
    }
    const requests: TrafficRequest[] = [];
    for (const [type, ofType] of Map.groupBy(now, (event) => event.type)) {
      for (let at = 0; at < ofType.length; at += BATCH_EVENTS) {
        const batch = shuffle(ofType.slice(at, at + BATCH_EVENTS), chance);
        requests.push({
          type,
          body: `[${batch.map(toJson).join(",")}]`,
          events: batch.length,
          isBroken: false,
        });
      }
    }
    for (const event of events) {
      if (chance.fraction() < BROKEN) requests.push(brokenRequest(event, chance));
      if (chance.fraction() < UNLANDABLE) requests.push(unlandableRequest(event, chance));
    }
    return requests;
  }

  #released(): ShopEvent[] {
    for (const held of this.#held) held.rounds--;
    const due = this.#held.filter((held) => held.rounds <= 0);
    for (const held of due) this.#held.splice(this.#held.indexOf(held), 1);
    return due.map((held) => held.event);
  }
}

function toJson(event: ShopEvent): string {
  const metadata = { eid: event.eventId, occurred_at: new Date(event.timeMs).toISOString() };
  return JSON.stringify({ metadata, ...event.fields });
}

/** What the door refuses: broken JSON, no id, no time, a field of the wrong type. */
function brokenRequest(event: ShopEvent, chance: Randomness): TrafficRequest {
  const whole = toJson(event);
  const ways = [
    whole.slice(0, -2),
    whole.replace(/"eid":"[^"]*",/, ""),
    whole.replace(/"occurred_at":"[^"]*"/, '"occurred_at":"yesterday"'),
    whole.replace(/^\{"metadata"/, '{"metadata":{},"metadata"'),
  ];
  const body = `[${ways[Math.floor(chance.fraction() * ways.length)]!}]`;
  return { type: event.type, body, events: 1, isBroken: true };
}

/** What a schema lets pass but no column can hold exactly: an integer beyond 64 bits. Its id is its own. */
function unlandableRequest(event: ShopEvent, chance: Randomness): TrafficRequest {
  const id = chance.uuid();
  const metadata = { eid: id, occurred_at: new Date(event.timeMs).toISOString() };
  const fields = { order_number: "0-0", parcel_id: "0-0/1", weight_grams: 0 };
  const body = JSON.stringify({ metadata, ...fields }).replace(
    '"weight_grams":0',
    '"weight_grams":92233720368547758080',
  );
  return { type: "PARCEL_SHIPPED", body: `[${body}]`, events: 1, isBroken: false };
}

function shuffle<Item>(items: Item[], chance: Randomness): Item[] {
  for (let i = items.length - 1; i > 0; i--) {
    // Neighbours change places, so an event is late by seconds, not by hours.
    const j = Math.max(0, i - Math.floor(chance.fraction() * 4));
    [items[i], items[j]] = [items[j]!, items[i]!];
  }
  return items;
}
