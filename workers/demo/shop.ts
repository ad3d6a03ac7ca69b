/**
 * A shop that never closes, from a seed: orders with parcels and payments, price changes and new customers in
 * several countries, in a daily and weekly rhythm. The same seed and the same minutes give the same events with the
 * same ids, so that a run that is killed and started again repeats events instead of inventing others.
 */
import { seededRandomness, type Randomness } from "../../core/clock.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
/** The longest an order's last event comes after it. */
const TAIL_MS = 36 * HOUR_MS;

const COUNTRIES: readonly [string, string, number][] = [
  ["DE", "EUR", 34],
  ["FR", "EUR", 17],
  ["IT", "EUR", 12],
  ["NL", "EUR", 10],
  ["PL", "PLN", 10],
  ["SE", "SEK", 7],
  ["CH", "CHF", 6],
  ["DK", "DKK", 4],
];
const CATEGORIES: readonly [string, number, number][] = [
  ["shoes", 3_900, 15_900],
  ["shirts", 900, 5_900],
  ["jackets", 4_900, 29_900],
  ["bags", 1_900, 19_900],
  ["socks", 400, 1_900],
];
const CARRIERS = ["DHL", "UPS", "PostNL", "DPD", "Bring"];
const METHODS = ["card", "invoice", "paypal", "sepa"];

export interface ShopEvent {
  readonly type: string;
  /** Event time, ms since 1970 UTC. */
  readonly timeMs: number;
  readonly eventId: string;
  /** Payload without metadata. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** Decimal number text for a JSON number of cents; JSON.stringify would print 12.5 for 12.50, which is equal. */
function money(cents: number): number {
  return Math.round(cents) / 100;
}

/** Events in time order. Call `until` with growing times. */
export class Shop {
  readonly #seed: number;
  readonly #ordersPerMinute: (timeMs: number) => number;
  #minute: number;
  /** Events of generated orders that are not due yet, in time order. */
  #due: ShopEvent[] = [];

  /**
   * @param startMs events before it are left out; orders from before still ship after it
   * @param ordersPerMinute mean rate at a time; a lower one gives a subset of the same orders
   */
  constructor(seed: number, startMs: number, ordersPerMinute: (timeMs: number) => number) {
    this.#seed = seed;
    this.#ordersPerMinute = ordersPerMinute;
    this.#minute = Math.floor((startMs - TAIL_MS) / MINUTE_MS);
    this.#generateTo(startMs);
    this.#due = this.#due.filter((event) => event.timeMs >= startMs);
  }

  /** Everything that happened before `endMs` and was not returned yet, in time order. */
  until(endMs: number): ShopEvent[] {
    this.#generateTo(endMs);
    const at = this.#due.findIndex((event) => event.timeMs >= endMs);
    return this.#due.splice(0, at < 0 ? this.#due.length : at);
  }

  #generateTo(endMs: number): void {
    const before = this.#due.length;
    for (; this.#minute * MINUTE_MS < endMs; this.#minute++) this.#due.push(...this.#minuteOf(this.#minute));
    if (this.#due.length > before)
      this.#due.sort((a, b) => a.timeMs - b.timeMs || (a.eventId < b.eventId ? -1 : 1));
  }

  #minuteOf(minute: number): ShopEvent[] {
    const chance = seededRandomness(Math.imul(this.#seed + 1, 0x9e3779b1) ^ minute);
    const startMs = minute * MINUTE_MS;
    const expected = this.#ordersPerMinute(startMs) * rhythm(startMs);
    const orders = Math.floor(expected) + (chance.fraction() < expected % 1 ? 1 : 0);
    const events: ShopEvent[] = [];
    for (let i = 0; i < orders; i++)
      events.push(...orderOf(minute, i, startMs + chance.fraction() * MINUTE_MS, chance));
    if (chance.fraction() < 0.2) events.push(priceChange(startMs + chance.fraction() * MINUTE_MS, chance));
    return events;
  }
}

/** Share of the mean order rate at a time: quiet nights, busy evenings, busier Sundays. */
export function rhythm(timeMs: number): number {
  const hour = (timeMs % (24 * HOUR_MS)) / HOUR_MS;
  const daily = 1 + 0.5 * Math.sin(((hour - 13.5) / 24) * 2 * Math.PI);
  const isSunday = new Date(timeMs).getUTCDay() === 0;
  return Math.max(0.1, daily) * (isSunday ? 1.35 : 1);
}

function orderOf(minute: number, number: number, timeMs: number, chance: Randomness): ShopEvent[] {
  const orderNumber = `${minute}-${number}`;
  const [country, currency] = weighted(COUNTRIES, chance);
  const customerId = `c-${Math.floor(chance.fraction() * 50_000)}`;
  const items = Array.from({ length: 1 + Math.floor(chance.fraction() * 3) }, () => itemOf(chance));
  const totalCents = items.reduce((sum, item) => sum + item.cents * item.quantity, 0);
  const parcels = Math.min(items.length, 1 + Math.floor(chance.fraction() * 2.2));
  const events: ShopEvent[] = [];
  const emit = (type: string, atMs: number, fields: Record<string, unknown>): void => {
    events.push({ type, timeMs: Math.floor(atMs), eventId: chance.uuid(), fields });
  };
  if (chance.fraction() < 0.15)
    emit("CUSTOMER_REGISTERED", timeMs - 30_000, {
      customer_id: customerId,
      country,
      newsletter: chance.fraction() < 0.4,
    });
  emit("ORDER_CREATED", timeMs, {
    order_number: orderNumber,
    customer_id: customerId,
    country,
    currency,
    parcels_to_ship: parcels,
    total: money(totalCents),
    items: items.map(({ cents, ...item }) => ({ ...item, price: money(cents) })),
  });
  if (chance.fraction() < 0.97) {
    const paidMs = timeMs + chance.fraction() ** 3 * 2 * HOUR_MS;
    const fields = { order_number: orderNumber, method: pick(METHODS, chance), amount: money(totalCents) };
    emit("PAYMENT_RECEIVED", paidMs, { ...fields, received_at: new Date(paidMs).toISOString() });
  }
  for (let parcel = 1; parcel <= parcels; parcel++) {
    if (chance.fraction() < 0.02) continue; // never shipped: what a process monitor has to find
    emit("PARCEL_SHIPPED", timeMs + (2 + chance.fraction() * 30) * HOUR_MS, {
      order_number: orderNumber,
      parcel_id: `${orderNumber}/${parcel}`,
      carrier: pick(CARRIERS, chance),
      warehouse: `W${1 + Math.floor(chance.fraction() * 4)}`,
      weight_grams: 200 + Math.floor(chance.fraction() * 4_000),
    });
  }
  return events;
}

function itemOf(chance: Randomness): { sku: string; category: string; quantity: number; cents: number } {
  const [category, low, high] = pick(CATEGORIES, chance);
  const sku = `${category}-${Math.floor(chance.fraction() * 400)}`;
  const cents = Math.floor((low + chance.fraction() * (high - low)) / 100) * 100 + 95;
  return { sku, category, quantity: 1 + Math.floor(chance.fraction() ** 4 * 4), cents };
}

function priceChange(timeMs: number, chance: Randomness): ShopEvent {
  const { sku, category, cents } = itemOf(chance);
  const fields = {
    sku,
    category,
    old_price: money(cents),
    new_price: money(cents * (0.7 + chance.fraction() * 0.5)),
    campaign: chance.fraction() < 0.3 ? { name: "late-summer", stacking: [1, 2.5] } : null,
  };
  return { type: "PRICE_CHANGED", timeMs: Math.floor(timeMs), eventId: chance.uuid(), fields };
}

function weighted(
  choices: readonly [string, string, number][],
  chance: Randomness,
): [string, string, number] {
  let at = chance.fraction() * choices.reduce((sum, [, , weight]) => sum + weight, 0);
  return choices.find(([, , weight]) => (at -= weight) < 0) ?? choices[0]!;
}

function pick<Item>(items: readonly Item[], chance: Randomness): Item {
  return items[Math.floor(chance.fraction() * items.length)]!;
}
