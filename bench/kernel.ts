/**
 * The kernel against what the same work costs without it, in CPU time of this process: `npx node bench/kernel.ts`
 * (`--json` for one object). Scan: every check, an id, a time and two texts of each event; its reference is
 * JSON.parse with the same four values, which checks less. Dedup: a Set of strings. Order: Array.sort.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { seededRandomness } from "../core/clock.ts";
import { createKernel } from "../core/kernel.ts";
import { packRecords, type RecordBatch } from "../core/record.ts";
import { printResult, type Metric } from "./result.ts";

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

const module = new WebAssembly.Module(readFileSync(new URL("../core-as/kernel.wasm", import.meta.url)));
const kernel = createKernel(module, new Uint8Array(16).fill(7));
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
const metrics: Metric[] = [];

function thousandths(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** Costs in CPU ms, as millions of events a second. */
function report(name: string, ours: number, theirs: number): void {
  const value = thousandths(EVENTS / ours / 1000);
  const reference = thousandths(EVENTS / theirs / 1000);
  metrics.push({ name, value, unit: "M events/s", reference, ratio: thousandths(theirs / ours) });
}

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
report("scan, against JSON.parse", scanMs, parseMs);

const columns = batches.map(({ batch }) => {
  const scan = kernel.scanRecords(plan, batch, secret);
  return { identities: scan.identities(0).slice(), times: scan.timesUs(1).slice(), count: batch.count };
});
const ingest = columns.map(({ count }, b) => new Float64Array(count).fill(1_700_000_000_000 + b * 1000));
const verdicts = new Uint8Array(8192);
const admitMs = cost(() => {
  const set = kernel.createIdentitySet();
  columns.forEach(({ identities, count }, b) => {
    set.admit(count, identities, ingest[b]!, verdicts);
    set.keep();
  });
  set.destroy();
});
const ids = texts.map((text) => text.slice(20, 56));
const setMs = cost(() => {
  const seen = new Set<string>();
  for (const id of ids) if (!seen.has(id)) seen.add(id);
  sink += seen.size;
});
report("admit, against a Set of strings", admitMs, setMs);

const orderMs = cost(() => {
  for (const { times } of columns)
    kernel.order(
      times,
      Uint32Array.from(times, (_, i) => i),
    );
});
const sortMs = cost(() => {
  for (const { times } of columns) {
    const positions = Array.from(times, (_, i) => i);
    positions.sort((a, b) => Number(times[a]! - times[b]!) || a - b);
    sink += positions[0]!;
  }
});
report("order, against Array.sort", orderMs, sortMs);

// Used, so that no engine may leave out the work whose result it is.
if (sink === 0) throw new Error("nothing was measured");
metrics.push({ name: "mean event", value: bytes / EVENTS, unit: "bytes" });
printResult("kernel", metrics);
