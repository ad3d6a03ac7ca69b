/**
 * Events to Parquet in CPU time of this process: `npx node bench/parquet.ts` (`--json` for one object).
 * Decoding (exact, leftovers kept) is compared with JSON.parse, which rounds and types nothing; decoding and
 * writing with DuckDB's read_json → COPY on one thread, zstd level 3 both, which rounds, too.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { DuckDBInstance } from "@duckdb/node-api";
import { seededRandomness } from "../core/clock.ts";
import { planColumns } from "../core/columns.ts";
import { eventTypeSchema } from "../core/event-type.ts";
import { createEventEncoder, type EnvelopeColumns } from "../lake/parquet/writer.ts";
import { printResult, type Metric } from "./result.ts";

const EVENTS = 50_000;
const ROUNDS = 5;
const random = seededRandomness(1);

const TEXT = { type: "string" };
const WHOLE = { type: "integer" };
const NUMBER = { type: "number" };
const PROPERTIES = {
  order_id: TEXT,
  customer_id: WHOLE,
  name: TEXT,
  total: { type: "number", format: "decimal(12,2)" },
  currency: TEXT,
  note: TEXT,
  paid: { type: "boolean" },
  shipped_at: { type: "string", format: "date-time" },
  weight: NUMBER,
  score: NUMBER,
  lines: {
    type: "array",
    items: { type: "object", properties: { sku: TEXT, qty: WHOLE, price: NUMBER } },
  },
};
const SQL_COLUMNS = `{metadata: 'STRUCT(eid VARCHAR, occurred_at TIMESTAMPTZ, event_type VARCHAR, flow_id VARCHAR)',
  order_id: 'VARCHAR', customer_id: 'BIGINT', name: 'VARCHAR', total: 'DECIMAL(12,2)', currency: 'VARCHAR',
  note: 'VARCHAR', paid: 'BOOLEAN', shipped_at: 'TIMESTAMPTZ', weight: 'DOUBLE', score: 'DOUBLE',
  lines: 'STRUCT(sku VARCHAR, qty BIGINT, price DOUBLE)[]'}`;
const NOTE = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt";

function event(i: number): string {
  const at = new Date(1_700_000_000_000 + i * 7 + Math.floor(random.fraction() * 5000)).toISOString();
  return JSON.stringify({
    metadata: { eid: random.uuid(), occurred_at: at, event_type: "shop.order-placed", flow_id: `flow-${i}` },
    order_id: `O-${i}`,
    customer_id: i % 10_007,
    name: i % 10 === 3 ? `Jöhn "D" Doe ${i}` : `John Doe ${i}`,
    total: Math.floor(random.fraction() * 10_000_000) / 100,
    currency: ["EUR", "USD", "PLN"][i % 3],
    note: NOTE.slice(0, 40 + (i % 45)),
    paid: i % 7 === 0 ? null : i % 2 === 0,
    shipped_at: i % 3 === 0 ? undefined : at,
    weight: Math.floor(random.fraction() * 5_000_000) / 1000,
    score: random.fraction(),
    lines: [
      { sku: `SKU${i % 3331}`, qty: 1 + (i % 5), price: 9.99 },
      { sku: `SKU${i % 17}`, qty: 1, price: 19.5 },
    ],
  });
}

/** CPU ms of the fastest of several rounds. */
async function cost(work: () => unknown): Promise<number> {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    await work();
    const spent = process.cpuUsage(before);
    best = Math.min(best, (spent.user + spent.system) / 1000);
  }
  return best;
}

const texts = Array.from({ length: EVENTS }, (_, i) => event(i));
const bytes = Buffer.from(texts.join("\n"));
const lengths = Uint32Array.from(texts, (text) => Buffer.byteLength(text));
const type = eventTypeSchema.parse({
  name: "shop.order-placed",
  owning_application: "shop",
  category: "business",
  schema: { type: "json_schema", schema: JSON.stringify({ type: "object", properties: PROPERTIES }) },
});
const encoder = createEventEncoder(planColumns(type));
const order = Uint32Array.from(texts, (_, i) => i);
const envelope: EnvelopeColumns = {
  eventIds: texts.map((text) => text.slice(20, 56)),
  eventTimesUs: BigInt64Array.from(texts, (_, i) => 1_700_000_000_000_000n + BigInt(i) * 7_000n),
  ingestMs: Float64Array.from(texts, (_, i) => 1_700_000_005_000 + Math.floor(i / 50)),
  keys: texts.map(() => null),
  partitions: new Int32Array(EVENTS),
  offsets: Float64Array.from(texts, (_, i) => i),
  flowIds: texts.map((_, i) => `flow-${i}`),
  watermarkUs: 1_700_000_000_000_000n,
};

function decodeAll(): void {
  encoder.reset();
  let at = 0;
  for (const length of lengths) {
    if (encoder.add(bytes, at, length)) throw new Error("an event of the bench was rejected");
    at += length + 1;
  }
}

function parseAll(): number {
  let at = 0;
  let fields = 0;
  for (const length of lengths) {
    const value: object = JSON.parse(bytes.toString("utf8", at, at + length));
    fields += Object.keys(value).length;
    at += length + 1;
  }
  return fields;
}

const folder = mkdtempSync(join(tmpdir(), "muara-bench-"));
const metrics: Metric[] = [];
let fileBytes = 0;
let theirBytes = 0;
try {
  const perSecond = (ms: number): number => Math.round((EVENTS / ms) * 1000);
  const report = (name: string, ours: number, theirs: number): void => {
    metrics.push({
      name,
      value: perSecond(ours),
      unit: "events per CPU second",
      reference: perSecond(theirs),
      ratio: Math.round((theirs / ours) * 100) / 100,
    });
  };
  report("decode, against JSON.parse", await cost(decodeAll), await cost(parseAll));

  writeFileSync(join(folder, "events.ndjson"), bytes);
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  const source = `read_json('${join(folder, "events.ndjson")}', format='newline_delimited', columns=${SQL_COLUMNS})`;
  const target = join(folder, "duckdb.parquet");
  const copy = `COPY (SELECT metadata.eid AS event_id, metadata.occurred_at AS event_time, metadata.flow_id AS flow_id,
    * EXCLUDE (metadata) FROM ${source}) TO '${target}' (FORMAT parquet, COMPRESSION zstd)`;
  const ours = await cost(() => {
    decodeAll();
    const file = encoder.write(order, envelope);
    writeFileSync(join(folder, "muara.parquet"), file.bytes);
    fileBytes = file.bytes.length;
  });
  report("decode and write, against DuckDB read_json and COPY", ours, await cost(() => connection.run(copy)));
  theirBytes = readFileSync(target).length;
  connection.closeSync();
  instance.closeSync();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

metrics.push(
  { name: "mean event", value: bytes.length / EVENTS, unit: "bytes" },
  { name: "file", value: fileBytes, unit: "bytes", reference: theirBytes, ratio: theirBytes / fileBytes },
);
printResult("parquet", metrics);
