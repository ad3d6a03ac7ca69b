/**
 * The scanner against what the same work costs without it. Ours does every check and takes an identity, a time and two
 * texts of each event, with its copy into the kernel. The references take the same four values and do less: JSON.parse
 * knows no repeated keys and no depth; neither does simdjson's DOM, which has no copy either and decodes no id and no
 * time. All take turns; CPU time, medians.
 */
import process from "node:process";
import type { Kernel } from "../../core/kernel.ts";
import { packRecords, type RecordBatch } from "../../core/record.ts";
import { median, type Metric } from "../result.ts";
import { SCANNED, scannedEvents } from "./scan-events.ts";
import { buildSimdjson } from "./simdjson.ts";

const ROUNDS = 7;
const BATCH = 8192;

interface Parsed {
  readonly metadata: { readonly eid: string; readonly occurred_at: string; readonly event_type: string };
  readonly order_id: string;
}

/** CPU ms. */
function cost(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

function scanner(kernel: Kernel, events: readonly Uint8Array[]): () => void {
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
  const batches: RecordBatch[] = [];
  for (let from = 0; from < events.length; from += BATCH)
    batches.push(packRecords(events.slice(from, from + BATCH).map((payload) => ({ payload }))));
  return () => {
    for (const batch of batches) {
      const { verdicts } = kernel.scanRecords(plan, batch, secret);
      if (verdicts[0] !== 0) throw new Error("an event of the bench is refused");
    }
  };
}

function parser(events: readonly Uint8Array[]): () => void {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  return () => {
    let sink = 0;
    for (const payload of events) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is one of scan-events.ts
      const { metadata, order_id } = JSON.parse(decoder.decode(payload)) as Parsed;
      sink += metadata.eid.length + metadata.event_type.length + order_id.length;
      sink += Date.parse(metadata.occurred_at);
    }
    // used, so that no engine may leave out the work whose result it is
    if (sink === 0) throw new Error("nothing was measured");
  };
}

function rate(ms: readonly number[]): number {
  return SCANNED / median(ms) / 1000;
}

export function benchScan(kernel: Kernel): Metric[] {
  const events = scannedEvents();
  const scan = scanner(kernel, events);
  const parse = parser(events);
  const native = buildSimdjson(events);
  if (!native) process.stderr.write("simdjson is left out: g++ or libsimdjson-dev is not there.\n");
  const costs: Record<"ours" | "parse" | "native", number[]> = { ours: [], parse: [], native: [] };
  for (let round = 0; round <= ROUNDS; round++) {
    const ours = cost(scan);
    const parsed = cost(parse);
    const theirs = native?.run() ?? [];
    if (round === 0) continue; // nothing is compiled yet
    costs.ours.push(ours);
    costs.parse.push(parsed);
    costs.native.push(...theirs);
  }
  native?.close();
  const against = (name: string, ms: readonly number[]): Metric => ({
    name: `scan, against ${name}`,
    value: rate(costs.ours),
    unit: "M events/s",
    reference: rate(ms),
    ratio: median(ms) / median(costs.ours),
  });
  const bytes = events.reduce((sum, { length }) => sum + length, 0);
  return [
    against("JSON.parse", costs.parse),
    ...(native ? [against("simdjson DOM, native", costs.native)] : []),
    { name: "mean event", value: bytes / SCANNED, unit: "bytes" },
  ];
}
