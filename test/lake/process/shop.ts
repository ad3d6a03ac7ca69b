/** A shop's orders and parcels by chance, and what is true of them, worked out event by event. */
import type { Randomness } from "../../../core/clock.ts";
import { type ProcessDeclaration, processRequestSchema } from "../../../core/process.ts";

export const HOUR_MS = 3_600_000;
export const START_MS = Date.UTC(2026, 2, 1);

export interface ShopEvent {
  readonly kind: "order" | "parcel";
  readonly id: string;
  readonly timeMs: number;
  /** Of the table before its commit. */
  readonly watermarkMs: number | null;
  /** Of an order one. */
  readonly orders: readonly (number | null)[];
  readonly parcels: number | null;
  readonly list: readonly string[] | null;
  readonly parcel: string | null;
  readonly country: string | null;
  readonly total: number;
  /** Of a parcel: whether it is on its way, or only packed. */
  readonly isShipped: boolean;
}

export const SHOP: ProcessDeclaration = processRequestSchema.parse({
  name: "shop",
  lateness: "1 hour",
  activities: {
    ordered: {
      from: "shop.order",
      case: "number",
      fields: {
        country: "country",
        region: {
          of: "country",
          values: { DE: "Europe's", AT: "Europe's", US: "America" },
          otherwise: "elsewhere",
        },
        parcels: "parcels",
        list: "list",
        total: "total",
      },
    },
    shipped: {
      from: "shop.parcel",
      when: "state = 'shipped'",
      cases: "orders",
      fields: { parcel: "parcel" },
    },
  },
  deadlines: {
    in_time: { from: "ordered", to: "shipped", within: "48 hours", carry: ["region"] },
    never: { from: "ordered", to: "shipped", within: "48 hours", emit: "breached" },
    again: { from: "ordered", to: "ordered", within: "24 hours", emit: "met" },
  },
  completions: {
    all_shipped: {
      anchor: "ordered",
      parts: "shipped",
      part: "parcel",
      needed: "parcels",
      within: "7 days",
      carry: ["country"],
    },
    listed: {
      anchor: "ordered",
      parts: "shipped",
      part: "parcel",
      expected: "list",
      within: "3 days",
      emit: "exceeded",
    },
    burst: {
      anchor: "ordered",
      parts: "ordered",
      part: "event_id",
      needed: 3,
      within: "3 days",
      emit: "complete",
    },
  },
  velocities: {
    orders: {
      activity: "ordered",
      window: "2 hours",
      by: ["region"],
      measures: { revenue: { of: "total", is: "sum" } },
    },
    parcels: { activity: "shipped", window: "6 hours", every: "3 hours", at_least: 2 },
  },
});

export function makeShop(random: Randomness, orders: number): readonly ShopEvent[] {
  const events: ShopEvent[] = [];
  const below = (n: number): number => Math.floor(random.fraction() * n);
  for (let i = 0; i < orders; i++) {
    const timeMs = START_MS + below(200) * HOUR_MS + below(3) * 1_000;
    const number = below(2) === 0 ? below(i + 1) : i;
    const own = Array.from({ length: below(4) }, (_, part) => `p${i}.${part}`);
    const about = { watermarkMs: null, list: own, parcels: below(9) === 0 ? null : own.length, parcel: null };
    const country = ["DE", "AT", "US", "BR", null][below(5)]!;
    const order = { orders: [below(30) === 0 ? null : number], total: below(1_000), isShipped: true };
    events.push({ kind: "order", id: `o${i}`, timeMs, ...about, ...order, country });
    for (const parcel of own)
      // Not at all, once, or twice; now and then with items of another order, or of nobody.
      for (let again = below(6); again < 5 && again > 0; again = again === 1 ? 5 : 0) {
        const atMs = timeMs + (below(8) - 1) * 24 * HOUR_MS + below(2) * 24 * HOUR_MS * below(4);
        const shared = [[number], [number, below(orders)], [number, null], [number, number]][below(4)]!;
        const id = `s${events.length}`;
        const part = {
          parcels: null,
          list: null,
          parcel: below(20) === 0 ? null : parcel,
          total: 0,
          country: null,
        };
        events.push({
          kind: "parcel",
          id,
          timeMs: atMs,
          watermarkMs: null,
          orders: shared,
          ...part,
          isShipped: below(5) > 0,
        });
      }
  }
  return events;
}

/** Some land long after they happened. */
export function landed(random: Randomness, events: readonly ShopEvent[]): readonly ShopEvent[] {
  return events.map((event) => {
    const chance = random.fraction();
    const aheadMs = chance < 0.6 ? -HOUR_MS : Math.floor(240 * random.fraction()) * HOUR_MS;
    return { ...event, watermarkMs: chance > 0.95 ? null : event.timeMs + aheadMs };
  });
}

const isOrder = ({ kind }: ShopEvent): boolean => kind === "order";
const isParcel = ({ kind, isShipped }: ShopEvent): boolean => kind === "parcel" && isShipped;

interface Step extends ShopEvent {
  readonly caseId: string;
}

/** One for each case. */
export function stepsOf(events: readonly ShopEvent[], of: "ordered" | "shipped"): readonly Step[] {
  return events
    .filter(of === "ordered" ? isOrder : isParcel)
    .flatMap((event) =>
      [...new Set(event.orders)].flatMap((order) =>
        order === null ? [] : [{ ...event, caseId: String(order) }],
      ),
    );
}

export interface Outcome {
  readonly caseId: string;
  readonly id: string;
  readonly isGood: boolean;
  readonly atMs: number;
  readonly got: number;
}

/** @param isOther whether an event does not count for itself */
export function deadlineModel(
  from: readonly Step[],
  to: readonly Step[],
  withinMs: number,
  isOther = false,
): readonly Outcome[] {
  return from.map(({ caseId, id, timeMs }) => {
    const times = to
      .filter((step) => step.caseId === caseId && step.timeMs >= timeMs && step.timeMs <= timeMs + withinMs)
      .filter((step) => !isOther || step.id !== id)
      .map((step) => step.timeMs);
    return {
      caseId,
      id,
      isGood: times.length > 0,
      atMs: times.length > 0 ? Math.min(...times) : timeMs + withinMs,
      got: times.length,
    };
  });
}

export function completionModel(
  anchors: readonly Step[],
  parts: readonly Step[],
  withinMs: number,
  partOf: (step: Step) => string | null,
  neededOf: (anchor: Step) => number | null,
  counts: (anchor: Step, part: string) => boolean = () => true,
): readonly Outcome[] {
  return anchors.map((anchor) => {
    const { caseId, id, timeMs } = anchor;
    const firsts = new Map<string, number>();
    for (const step of parts) {
      const part = partOf(step);
      if (part === null || step.caseId !== caseId || !counts(anchor, part)) continue;
      if (step.timeMs < timeMs || step.timeMs > timeMs + withinMs) continue;
      firsts.set(part, Math.min(firsts.get(part) ?? Infinity, step.timeMs));
    }
    const needed = neededOf(anchor);
    const isGood = needed !== null && firsts.size >= needed;
    const times = [...firsts.values()].toSorted((a, b) => a - b);
    const atMs = !isGood ? timeMs + withinMs : needed === 0 ? timeMs : times[needed - 1]!;
    return { caseId, id, isGood, atMs, got: firsts.size };
  });
}

const sqlText = (text: string | null): string => (text === null ? "NULL" : `'${text}'`);
const sqlTime = (ms: number | null): string => (ms === null ? "NULL" : `make_timestamptz(${ms * 1_000})`);
const sqlList = (items: readonly (string | null)[] | null, type: string): string =>
  items === null ? "NULL" : `[${items.map((item) => item ?? "NULL").join(", ")}]::${type}[]`;

const BASE =
  "event_id VARCHAR, event_time TIMESTAMPTZ, ingest_time TIMESTAMPTZ, log_partition INTEGER, log_offset BIGINT, " +
  "watermark TIMESTAMPTZ";

const filled = (table: string, rows: readonly string[]): readonly string[] =>
  rows.length === 0 ? [] : [`INSERT INTO "${table}" VALUES ${rows.join(", ")}`];

/** Tables as the lake has them. */
export function shopTables(events: readonly ShopEvent[]): readonly string[] {
  const base = ({ id, timeMs, watermarkMs }: ShopEvent): string =>
    [
      sqlText(id),
      sqlTime(timeMs),
      sqlTime(timeMs),
      "0",
      String(events.findIndex((other) => other.id === id)),
      sqlTime(watermarkMs),
    ].join(", ");
  const orders = events.filter(isOrder).map((event) => {
    const { parcels, list, country, total } = event;
    const [number] = event.orders;
    const own = [number ?? "NULL", parcels ?? "NULL", sqlList(list?.map(sqlText) ?? null, "VARCHAR")];
    return `(${[base(event), ...own, sqlText(country), total].join(", ")})`;
  });
  const parcels = events
    .filter(({ kind }) => kind === "parcel")
    .map((event) => {
      const list = sqlList(
        event.orders.map((order) => (order === null ? null : String(order))),
        "BIGINT",
      );
      return `(${base(event)}, ${list}, ${sqlText(event.parcel)}, ${event.isShipped ? "'shipped'" : "'packed'"})`;
    });
  return [
    `CREATE OR REPLACE TABLE "shop.order" (${BASE}, number BIGINT, parcels BIGINT, list VARCHAR[],
      country VARCHAR, total BIGINT)`,
    `CREATE OR REPLACE TABLE "shop.parcel" (${BASE}, orders BIGINT[], parcel VARCHAR, state VARCHAR)`,
    ...filled("shop.order", orders),
    ...filled("shop.parcel", parcels),
  ];
}
