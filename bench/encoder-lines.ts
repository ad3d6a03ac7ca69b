/** The lines of `encoder.ts` and `land.ts`: seeded, mostly ASCII, one in ten with escapes or other letters. */
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { seededRandomness } from "../core/clock.ts";

export const ROWS = 200_000;
export const SETS = ["open", "typed", "escaped"] as const;
export type SetName = (typeof SETS)[number];

export type FieldKind = "string" | "timestamp" | "long" | "double" | "boolean";
/** Fields of a line beside `payload`. */
export const ENVELOPE: readonly (readonly [string, FieldKind])[] = [
  ["eid", "string"],
  ["event_type", "string"],
  ["occurred_at", "timestamp"],
  ["received_at", "timestamp"],
  ["partition", "long"],
  ["offset", "long"],
  ["key", "string"],
];
/** Fields of the payload in `typed`, beside the struct `customer` of a long `id` and a string `name`. */
export const TYPED: readonly (readonly [string, FieldKind])[] = [
  ["order_id", "string"],
  ["amount", "double"],
  ["currency", "string"],
  ["note", "string"],
  ["paid", "boolean"],
  ["shipped_at", "timestamp"],
  ["weight", "double"],
  ["score", "double"],
  ["qty", "long"],
  ["ref", "long"],
];
export const PAYLOAD_KIND = { open: "json", typed: "struct", escaped: "string" } as const;

const WORDS =
  "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore";
const CURRENCIES = ["EUR", "USD", "GBP", "PLN", "SEK"];
const START_US = 1_700_000_000_000_000;

export function linesPath(set: SetName, folder: string): string {
  return join(folder, `${set}.ndjson`);
}

/** @returns rows */
export function writeLines(set: SetName, folder: string): number {
  const file = openSync(linesPath(set, folder), "w");
  const random = seededRandomness(11);
  let lines: string[] = [];
  for (let i = 0; i < ROWS; i++) {
    lines.push(line(set, i, random));
    if (lines.length < 5_000 && i < ROWS - 1) continue;
    writeSync(file, `${lines.join("\n")}\n`);
    lines = [];
  }
  closeSync(file);
  return ROWS;
}

function line(set: SetName, i: number, random: ReturnType<typeof seededRandomness>): string {
  const below = (n: number): number => Math.floor(random.fraction() * n);
  const us = START_US + i * 7_000 + below(900);
  const payload = payloadOf(set, i, us, below, random);
  const written = set === "escaped" ? JSON.stringify(payload) : payload;
  return (
    `{"eid":"${random.uuid()}","event_type":"order.item-${i % 20}","occurred_at":"${timeText(us)}",` +
    `"received_at":"${timeText(us + 500_000 + below(3_000))}","partition":${i % 16},"offset":${i},` +
    `"key":"key-${below(50_000)}","payload":${written}}`
  );
}

function payloadOf(
  set: SetName,
  i: number,
  us: number,
  below: (n: number) => number,
  random: ReturnType<typeof seededRandomness>,
): string {
  const number = below(100_000);
  const name =
    i % 10 === 3 ? `Jöhn "D" Doe ${number}` : i % 50 === 7 ? `李小龙 🚀\n ${number}` : `John Doe ${number}`;
  const reference = BigInt.asIntN(64, (BigInt(below(2 ** 32)) << 32n) | BigInt(below(2 ** 32)));
  const fields = {
    order_id: `O-${i}`,
    customer: { id: i % 10_007, name },
    amount: below(10_000_000) / 100,
    currency: CURRENCIES[below(5)],
    note: WORDS.slice(0, 40 + (i % 50)),
    paid: i % 7 === 0 ? null : below(5) < 3,
    shipped_at: below(10) < 3 ? null : timeText(us + 3_600_000_000 + below(1_000_000)),
    weight: below(10) === 0 ? undefined : below(5_000_000) / 1000,
    score: random.fraction() * (1 + random.fraction()),
    qty: 1 + (i % 5),
    ref: "@",
    ...(set === "typed"
      ? {}
      : { lines: [{ sku: `SKU${i % 3331}`, qty: 1 + (i % 5), price: 9.99 }], trace: random.uuid() }),
  };
  return JSON.stringify(fields).replace('"@"', String(reference));
}

function timeText(us: number): string {
  const text = new Date(Math.floor(us / 1000)).toISOString();
  return `${text.slice(0, -1)}${String(us % 1000).padStart(3, "0")}Z`;
}
