/**
 * Publishing events that a schema constrains, in CPU time: `node bench/schema.ts` (`--json` for one object). Ours is
 * the whole of a publish between body and log: scan, envelope, schema, partitions, batches (appends are dropped). The
 * reference is the least that a door without the kernel would do: `JSON.parse` of the body and ajv on each event.
 */
import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import { fullFormats } from "ajv-formats/dist/formats.js";
import { createMemoryLog } from "../adapters/memory/log.ts";
import { EVERYTHING } from "../core/authorize.ts";
import { seededRandomness, systemClock, systemRandomness } from "../core/clock.ts";
import { createKernel } from "../core/kernel.ts";
import type { Log } from "../core/ports/log.ts";
import { Registry } from "../core/registry.ts";
import { Contracts } from "../workers/ingest/contract.ts";
import { declareEventType } from "../workers/ingest/declaration.ts";
import { publish } from "../workers/ingest/publish.ts";
import { collectAsMuara } from "./as-muara.ts";
import { median, type Metric, printResult } from "./result.ts";

const EVENTS = 100;
const BODIES = 40;
const ROUNDS = Number(process.env["BENCH_ROUNDS"] ?? 15);
const random = seededRandomness(5);
const clock = systemClock;

const text = (maxLength: number): unknown => ({ type: "string", minLength: 1, maxLength });
const SCHEMA = {
  type: "object",
  properties: {
    order_id: text(40),
    customer: {
      type: "object",
      properties: { id: { type: "integer", minimum: 0 }, name: text(80) },
      required: ["id"],
    },
    amount: { type: "number", minimum: 0, exclusiveMaximum: 1e9 },
    currency: { enum: ["EUR", "USD", "GBP", "CHF", "SEK", "PLN"] },
    placed_at: { type: "string", format: "date-time" },
    session: { type: "string", format: "uuid" },
    note: { type: ["string", "null"], maxLength: 500 },
    paid: { type: ["boolean", "null"] },
    score: { type: "number", minimum: 0, maximum: 1 },
    lines: {
      type: "array",
      items: {
        type: "object",
        properties: {
          sku: text(20),
          qty: { type: "integer", minimum: 1 },
          price: { type: "number", minimum: 0 },
        },
        required: ["sku", "qty"],
        additionalProperties: false,
      },
    },
  },
  required: ["order_id", "customer", "amount", "lines"],
};

function event(i: number): unknown {
  const note = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt";
  return {
    metadata: { eid: random.uuid(), occurred_at: new Date(1_700_000_000_000 + i * 7).toISOString() },
    order_id: `O-${i}`,
    customer: { id: i % 10_007, name: i % 10 === 3 ? `Jöhn "D" Doe ${i}` : `John Doe ${i}` },
    amount: Math.floor(random.fraction() * 10_000_000) / 100,
    currency: "EUR",
    placed_at: new Date(1_700_000_005_000 + i * 7).toISOString(),
    session: random.uuid(),
    note: note.slice(0, 40 + (i % 45)),
    paid: i % 7 === 0 ? null : i % 2 === 0,
    score: random.fraction(),
    lines: [
      { sku: `SKU${i % 3331}`, qty: 1 + (i % 5), price: 9.99 },
      { sku: `SKU${i % 17}`, qty: 1, price: 19.5 },
    ],
  };
}

function eventType(name: string, schema: unknown): unknown {
  return {
    name,
    owning_application: "bench",
    category: "business",
    schema: { type: "json_schema", schema: JSON.stringify(schema) },
  };
}

/** A log whose appends to event types are dropped. */
function droppingLog(): Log {
  const log = createMemoryLog({ clock, randomness: systemRandomness });
  const append = log.append.bind(log);
  log.append = async (stream, partition, batch, producer) =>
    stream.startsWith("muara.")
      ? append(stream, partition, batch, producer)
      : { baseOffset: 0, ingestMs: clock.nowMs(), isRepeat: false };
  return log;
}

/** CPU time of one round, µs per body. */
async function costUs(work: () => Promise<void> | void): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / BODIES;
}

collectAsMuara();
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
const bodies = Array.from({ length: BODIES }, (_, b) =>
  encoder.encode(JSON.stringify(Array.from({ length: EVENTS }, (__, i) => event(b * EVENTS + i)))),
);
const log = droppingLog();
const registry = await Registry.open(log, "bench", clock);
const kernel = createKernel(
  new WebAssembly.Module(readFileSync(new URL("../core-as/kernel.wasm", import.meta.url))),
  crypto.getRandomValues(new Uint8Array(16)),
);
// The same schema once more, in words that only a validator of the whole language knows.
const WHOLE = { ...SCHEMA, allOf: [{}] };
for (const [name, schema] of [
  ["open", {}],
  ["checked", SCHEMA],
  ["whole", WHOLE],
] as const)
  await declareEventType({ log, registry, clock }, eventType(name, schema));
const contracts = new Contracts({ log, registry, kernel }, { maxBytes: 999_000, maxDepth: 64 });

async function publishAll(name: string): Promise<void> {
  for (const body of bodies) {
    const answer = await contracts.use(name, (contract) =>
      publish(log, kernel, {
        contract,
        body,
        principal: { id: "bench", grants: EVERYTHING },
        flowId: "bench",
        maxEvents: 10_000,
        spare: 0,
      }),
    );
    if (answer.status !== 200) throw new Error(await answer.text());
  }
}

const ajv = new Ajv({ strict: false });
for (const [name, format] of Object.entries(fullFormats)) ajv.addFormat(name, format);
const validate = ajv.compile(SCHEMA);

function parseAll(isChecked: boolean): void {
  let valid = 0;
  for (const body of bodies)
    for (const value of JSON.parse(decoder.decode(body)) as unknown[])
      if (!isChecked || validate(value)) valid++;
  if (valid !== EVENTS * BODIES) throw new Error("an event is not valid");
}

const works: readonly [string, () => Promise<void> | void][] = [
  ["publish, open schema", () => publishAll("open")],
  ["publish, schema checked by the kernel", () => publishAll("checked")],
  ["publish, schema checked by ajv", () => publishAll("whole")],
  ["JSON.parse", () => parseAll(false)],
  ["JSON.parse and ajv", () => parseAll(true)],
];
const costs = works.map((): number[] => []);
for (let round = 0; round < ROUNDS + 3; round++)
  for (const [i, [, work]] of works.entries()) {
    const cost = await costUs(work);
    if (round >= 3) costs[i]!.push(cost); // the first rounds only warm up
  }
const reference = median(costs.at(-1)!);
const metrics = works.map(([name], i): Metric => {
  const value = median(costs[i]!);
  const metric = { name: `${name}, per body of ${EVENTS}`, value, unit: "µs" };
  return i < 4 ? { ...metric, reference, ratio: reference / value } : metric;
});
metrics.push({
  name: "mean body",
  value: bodies.reduce((sum, { length }) => sum + length, 0) / BODIES,
  unit: "bytes",
});
printResult("schema", metrics);
