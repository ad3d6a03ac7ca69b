/** Sales that are hard to keep (digits that no double has, fields that no schema knows), and what becomes of them. */
import { expect } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import { eventually, type MuaraProcess } from "../services/muara.ts";

const BATCH = 250;
const DIGITS = "12345678901234567890123";
const UNKNOWN = '{"deep":[1.50,{"note":"as \\u00e9 sent","digits":0.1234567890123456789012}],"empty":{}}';

export interface Sale {
  readonly id: string;
  /** Ten-thousandths, 18 digits in all: no double holds them. */
  readonly cents: bigint;
  readonly quantity: bigint;
}

/** What a reader says of all rows. */
export interface Summary {
  readonly rows: number;
  readonly ids: number;
  readonly amount: string;
  readonly quantity: string;
  readonly extras: readonly string[];
}

/** Declares the type and publishes so many; resolves when SQL has them all. */
export async function publishSales(muara: MuaraProcess, count: number): Promise<readonly Sale[]> {
  const declared = await muara.fetch("/event-types", { method: "POST", body: JSON.stringify(saleType()) });
  expect(declared.status).toBe(201);
  const chance = seededRandomness(23);
  const published: Sale[] = [];
  for (let at = 0; at < count; at += BATCH) {
    const batch = Array.from({ length: BATCH }, () => {
      const sale = {
        id: chance.uuid(),
        cents:
          BigInt(Math.floor(chance.fraction() * 9e8)) * 1_000_000_000n +
          BigInt(Math.floor(chance.fraction() * 1e9)),
        quantity: BigInt(Math.floor(chance.fraction() * 1e6)) * 9_007_199_254_740n + 1n,
      };
      published.push(sale);
      return eventOf(sale);
    });
    const answer = await muara.fetch("/event-types/shop.sale/events", {
      method: "POST",
      body: `[${batch.join(",")}]`,
    });
    expect(answer.status, await answer.text()).toBe(200);
  }
  await eventually("everything landed", 20_000, async () => {
    const [[rows]] = (await muara.sql(`SELECT count(*) FROM "shop.sale"`)) as [[string]];
    return Number(rows) === count;
  });
  return published;
}

export function summaryOf(sales: readonly Sale[]): Summary {
  const quantity = sales.reduce((sum, sale) => sum + sale.quantity, 0n).toString();
  const amount = decimalText(sales.reduce((sum, sale) => sum + sale.cents, 0n));
  return { rows: sales.length, ids: sales.length, amount, quantity, extras: [expectedExtra()] };
}

/** What the schema does not know, at any depth, byte for byte. */
export function expectedExtra(): string {
  return `{"serial":${DIGITS},"unknown":${UNKNOWN},"place":{"gate":7.50}}`;
}

function eventOf(sale: Sale): string {
  return (
    `{"metadata":{"eid":"${sale.id}","occurred_at":"2026-03-01T10:00:00Z"},"amount":${decimalText(sale.cents)},` +
    `"quantity":${sale.quantity},"serial":${DIGITS},"unknown":${UNKNOWN},"place":{"city":"Kuching","gate":7.50}}`
  );
}

/** Four digits behind the point. */
export function decimalText(units: bigint): string {
  const digits = units.toString().padStart(5, "0");
  return `${digits.slice(0, -4)}.${digits.slice(-4)}`;
}

function saleType(): Record<string, unknown> {
  const place = { type: "object", properties: { city: { type: "string" } } };
  const properties = {
    amount: { type: "number", format: "decimal(24,4)" },
    quantity: { type: "integer" },
    place,
  };
  return {
    name: "shop.sale",
    owning_application: "test",
    category: "business",
    enrichment_strategies: ["metadata_enrichment"],
    default_statistic: { messages_per_minute: 1, message_size: 1, read_parallelism: 2, write_parallelism: 2 },
    schema: { type: "json_schema", schema: JSON.stringify({ type: "object", properties }) },
  };
}
