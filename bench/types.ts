/**
 * Scan and dedup over 1,000 event types against one with the same total, in CPU time of this process: `npm run
 * bench:types` (`--json` for one object). Every type has a scan plan and an id set of its own, as in landing; a
 * thousand types come in a thousand small batches. Once with room for all ids, once within a budget that seals.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { seededRandomness } from "../core/clock.ts";
import { ADMIT_UNSETTLED, SETTLED_NEW } from "../core/kernel-set.ts";
import { createKernel } from "../core/kernel.ts";
import { packRecords, type RecordBatch } from "../core/record.ts";
import { type Metric, median, printResult } from "./result.ts";

const EVENTS = 400_000;
const ROUNDS = 5;
const START_MS = 1_767_225_600_000;

const random = seededRandomness(1);
const encoder = new TextEncoder();
const module = new WebAssembly.Module(readFileSync(new URL("../core-as/kernel.wasm", import.meta.url)));

function payload(i: number): Uint8Array {
  const at = new Date(START_MS + i).toISOString();
  return encoder.encode(
    `{"metadata":{"eid":"${random.uuid()}","occurred_at":"${at}","event_type":"order.created"},` +
      `"order_id":"O-${i}","amount":${i % 9973}.25,"note":"lorem ipsum dolor sit amet consectetur adipiscing elit"}`,
  );
}

const payloads = Array.from({ length: EVENTS }, (_, i) => ({ payload: payload(i) }));

/** In commits: each type's share of them in batches of `batchEvents`. */
function batchesOf(batchEvents: number): RecordBatch[] {
  return Array.from({ length: EVENTS / batchEvents }, (_, b) =>
    packRecords(payloads.slice(b * batchEvents, (b + 1) * batchEvents)),
  );
}

/** CPU ms of scanning and admitting everything, spread over so many types in turn. */
function run(types: number, batches: readonly RecordBatch[], identityBytes: number | undefined): number {
  const kernel = createKernel(module, new Uint8Array(16).fill(7), identityBytes ? { identityBytes } : {});
  const secret = new Uint8Array(16).fill(9);
  const limits = { maxBytes: 999_000, maxDepth: 64 };
  const tables = Array.from({ length: types }, () => ({
    plan: kernel.plan(
      [
        { keys: ["metadata", "eid"], kind: "id" },
        { keys: ["metadata", "occurred_at"], kind: "time" },
        { keys: ["metadata", "event_type"], kind: "text" },
      ],
      limits,
    ),
    set: kernel.createIdentitySet(),
  }));
  const before = process.cpuUsage();
  batches.forEach((batch, b) => {
    const { plan, set } = tables[b % types]!;
    const scan = kernel.scanRecords(plan, batch, secret);
    const identities = scan.identities(0).slice();
    const ingest = new Float64Array(batch.count).fill(START_MS + b);
    const verdicts = new Uint8Array(batch.count);
    const answers = set.admit(batch.count, identities, ingest, verdicts);
    if (answers.includes(ADMIT_UNSETTLED))
      set.admit(batch.count, identities, ingest, verdicts, new Uint8Array(batch.count).fill(SETTLED_NEW));
    set.keep();
  });
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

const metrics: Metric[] = [];
const one = batchesOf(8_000);
const many = batchesOf(100);
for (const [name, bytes] of [
  ["1,000 types, all ids exact", undefined],
  ["1,000 types, 6 MiB for ids", 6 << 20],
] as const) {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(run(1_000, many, bytes));
    theirs.push(run(1, one, bytes));
  }
  const [value, reference] = [EVENTS / median(ours) / 1000, EVENTS / median(theirs) / 1000];
  metrics.push({ name, value, unit: "M events/s", reference, ratio: value / reference });
}
printResult("types", metrics);
