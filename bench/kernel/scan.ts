/**
 * The scanner against what the same work costs without it: every check, an id, a time and two texts of each event. Its
 * reference is JSON.parse with the same four values, which checks less. Here belong, too, the comparisons with a native
 * scanner and with other writers of Parquet files: each a function that returns metrics, called in bench/kernel.ts.
 */
import process from "node:process";
import { seededRandomness } from "../../core/clock.ts";
import type { Kernel } from "../../core/kernel.ts";
import { packRecords, type RecordBatch } from "../../core/record.ts";
import type { Metric } from "../result.ts";

const EVENTS = 100_000;
const ROUNDS = 7;
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

/** CPU ms of the fastest of several rounds. */
function cost(work: () => void): number {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    work();
    const spent = process.cpuUsage(before);
    best = Math.min(best, (spent.user + spent.system) / 1000);
  }
  return best;
}

export function benchScan(kernel: Kernel): Metric[] {
  const secret = new Uint8Array(16).fill(9);
  const plan = kernel.plan(
    [
      { keys: ["metadata", "eid"], kind: "id" },
      { keys: ["metadata", "occurred_at"], kind: "time" },
      { keys: ["metadata", "event_type"], kind: "text" },
      { keys: ["order_id"], kind: "text", javaHash: true },
    ],
    { maxBytes: 999_000, maxDepth: 64 },
  );

  const texts = Array.from({ length: EVENTS }, (_, i) => event(i));
  const encoder = new TextEncoder();
  const batches: { batch: RecordBatch; payloads: { payload: Uint8Array }[] }[] = [];
  for (let from = 0; from < EVENTS; from += 8192) {
    const part = texts.slice(from, from + 8192);
    const payloads = part.map((text) => ({ payload: encoder.encode(text) }));
    batches.push({ batch: packRecords(payloads), payloads });
  }
  const bytes = batches.reduce((sum, { batch }) => sum + batch.bytes.length, 0);
  const scanMs = cost(() => {
    for (const { batch } of batches) kernel.scanRecords(plan, batch, secret);
  });
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let sink = 0;
  const parseMs = cost(() => {
    for (const { payloads } of batches) {
      for (const { payload } of payloads) {
        const value = JSON.parse(decoder.decode(payload)) as {
          metadata: { eid: string; occurred_at: string; event_type: string };
          order_id: string;
        };
        sink += value.metadata.eid.length + value.metadata.event_type.length + value.order_id.length;
        sink += Date.parse(value.metadata.occurred_at);
      }
    }
  });
  // Used, so that no engine may leave out the work whose result it is.
  if (sink === 0) throw new Error("nothing was measured");
  const value = EVENTS / scanMs / 1000;
  const reference = EVENTS / parseMs / 1000;
  return [
    { name: "scan, against JSON.parse", value, unit: "M events/s", reference, ratio: value / reference },
    { name: "mean event", value: bytes / EVENTS, unit: "bytes" },
  ];
}
