/** The events that the scanner is measured on: seeded, 486 bytes on average, one in eight beyond ASCII or escaped. */
import { seededRandomness } from "../../core/clock.ts";

export const SCANNED = 100_000;
const random = seededRandomness(1);

function event(i: number): string {
  const note = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt";
  const name = i % 10 === 3 ? `Jöhn "D" Doe ${i}` : i % 50 === 7 ? `李小龙 🚀\n ${i}` : `John Doe ${i}`;
  return JSON.stringify({
    metadata: {
      eid: random.uuid(),
      event_type: `order.item-${i % 20}`,
      occurred_at: new Date(1_700_000_000_000 + i * 7 + Math.floor(random.fraction() * 5000)).toISOString(),
      received_at: new Date(1_700_000_005_000 + i * 7).toISOString(),
      partition: String(i % 16),
    },
    order_id: `O-${i}`,
    customer: { id: i % 10_007, name },
    amount: Math.floor(random.fraction() * 10_000_000) / 100,
    currency: "EUR",
    note: note.slice(0, 40 + (i % 45)),
    paid: i % 7 === 0 ? null : i % 2 === 0,
    score: random.fraction(),
    lines: [
      { sku: `SKU${i % 3331}`, qty: 1 + (i % 5), price: 9.99 },
      { sku: `SKU${i % 17}`, qty: 1, price: 19.5 },
    ],
  });
}

/** As UTF-8. */
export function scannedEvents(): Uint8Array[] {
  const encoder = new TextEncoder();
  return Array.from({ length: SCANNED }, (_, i) => encoder.encode(event(i)));
}
