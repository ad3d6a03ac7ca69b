/**
 * Landing alone, from a log that is already full: scan, dedup, decode, order, Parquet, commits with their syncs.
 * Once from a log in memory, once from the log on disk in a process of its own, whose peak memory is landing's. The
 * reference reads the same events from a file with DuckDB's `read_json` and copies them, ordered, to Parquet (one
 * thread): it rounds numbers, drops unknown fields and knows no duplicates. Events have about 500 bytes, seven
 * fields with a list of structs, and one field that the schema does not know.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { DuckDBInstance } from "@duckdb/node-api";
import { openFileLog } from "../adapters/file/log.ts";
import { createFileObjectStore } from "../adapters/file/object-store.ts";
import { createMemoryLog } from "../adapters/memory/log.ts";
import { seededRandomness, systemClock, systemRandomness } from "../core/clock.ts";
import { type EventType, eventTypeSchema } from "../core/event-type.ts";
import { createKernel } from "../core/kernel.ts";
import { silentLogger } from "../core/logger.ts";
import type { Log } from "../core/ports/log.ts";
import { packRecords } from "../core/record.ts";
import { openTableLog } from "../lake/table/table-log.ts";
import { TableLanding } from "../workers/land/table-landing.ts";
import { printResult } from "./result.ts";

const EVENTS = Number(process.env["EVENTS"] ?? 200_000);
const BATCH = 1_000;
const PARTITIONS = 2;
const HOUR_MS = 3_600_000;
const services = { clock: systemClock, randomness: systemRandomness, logger: silentLogger };

interface Run {
  readonly cpuS: number;
  readonly wallS: number;
  readonly peakMb: number;
}

const text = { type: "string" };
const type: EventType = eventTypeSchema.parse({
  name: "bench.order",
  owning_application: "bench",
  category: "business",
  enrichment_strategies: ["metadata_enrichment"],
  schema: {
    type: "json_schema",
    schema: JSON.stringify({
      type: "object",
      properties: {
        order_number: text,
        customer: text,
        country: text,
        quantity: { type: "integer" },
        total: { type: "number", format: "decimal(12,2)" },
        paid_at: { type: "string", format: "date-time" },
        items: {
          type: "array",
          items: { type: "object", properties: { sku: text, price: { type: "number" } } },
        },
      },
    }),
  },
});

/** Payloads of one batch; the same for the same number. */
function payloadsOf(batch: number): string[] {
  const chance = seededRandomness(batch);
  return Array.from({ length: BATCH }, (_, i) => {
    const ms = 1_790_000_000_000 + batch * 1_000 + i - Math.floor(chance.fraction() * 5_000);
    return JSON.stringify({
      metadata: { eid: chance.uuid(), occurred_at: new Date(ms).toISOString() },
      order_number: `o-${batch * BATCH + i}`,
      customer: `c-${Math.floor(chance.fraction() * 1e6)}`,
      country: "ID",
      quantity: Math.floor(chance.fraction() * 10),
      total: Math.round(chance.fraction() * 100_000) / 100,
      paid_at: new Date(ms).toISOString(),
      items: [
        { sku: "shoes-118", price: 89.95 },
        { sku: "socks-7", price: 4.95 },
      ],
      campaign: { channel: "mail", tags: ["spring", 2, 2.5], text: "n".repeat(80) },
    });
  });
}

async function fill(log: Log): Promise<void> {
  const encoder = new TextEncoder();
  await log.createStream(type.name, { partitions: PARTITIONS, cleanup: "delete", retentionMs: 48 * HOUR_MS });
  for (let batch = 0; batch * BATCH < EVENTS; batch++) {
    const header = `{"flow_id":"flow-${batch}"}`;
    const records = payloadsOf(batch).map((payload) => ({ payload: encoder.encode(payload), header }));
    await log.append(type.name, batch % PARTITIONS, packRecords(records));
  }
}

function onFatal(error: unknown): void {
  throw error;
}

function openLog(directory: string): Promise<Log> {
  return openFileLog({ directory, ...services, onFatal });
}

/** Lands all that the log has into a lake in `folder`. */
async function land(log: Log, folder: string): Promise<Run> {
  const module = await WebAssembly.compile(readFileSync(new URL("../core-as/kernel.wasm", import.meta.url)));
  const kernel = createKernel(module, crypto.getRandomValues(new Uint8Array(16)));
  const store = createFileObjectStore({ root: folder });
  const openTable = (name: string): ReturnType<typeof openTableLog> => openTableLog(store, name, services);
  const startedMs = performance.now();
  const before = process.cpuUsage();
  const landing = await TableLanding.open(
    { log, store, openTable, kernel, ...services },
    {
      commitMs: 500,
      commitBytes: 64 << 20,
      commitRows: 25_000,
      horizonMs: 48 * HOUR_MS,
      generationMs: 12 * HOUR_MS,
      disorderMs: 5_000,
      idleAfterMs: 60_000,
      skewMs: HOUR_MS,
      eventBytes: 999_000,
      depth: 64,
    },
    type,
  );
  const { signal } = new AbortController();
  while ((await landing.step(signal)).hasBacklog);
  const spent = process.cpuUsage(before);
  const wallS = (performance.now() - startedMs) / 1_000;
  const landed = landing.state.partitions.reduce((sum, partition) => sum + partition.landed, 0);
  if (landed !== EVENTS) throw new Error(`${landed} of ${EVENTS} events landed`);
  landing.discard();
  const peakMb = process.resourceUsage().maxRSS / 1_024;
  return { cpuS: (spent.user + spent.system) / 1e6, wallS, peakMb };
}

async function duckdb(folder: string): Promise<number> {
  const path = join(folder, "events.ndjson");
  for (let batch = 0; batch * BATCH < EVENTS; batch++)
    writeFileSync(path, `${payloadsOf(batch).join("\n")}\n`, { flag: "a" });
  const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
  const connection = await instance.connect();
  const columns = `{metadata: 'STRUCT(eid VARCHAR, occurred_at TIMESTAMPTZ)', order_number: 'VARCHAR',
    customer: 'VARCHAR', country: 'VARCHAR', quantity: 'BIGINT', total: 'DECIMAL(12,2)', paid_at: 'TIMESTAMPTZ',
    items: 'STRUCT(sku VARCHAR, price DOUBLE)[]'}`;
  const before = process.cpuUsage();
  await connection.run(`COPY (SELECT metadata.eid AS event_id, metadata.occurred_at AS event_time, * EXCLUDE (metadata)
    FROM read_json('${path}', columns=${columns}, format='newline_delimited') ORDER BY event_time)
    TO '${join(folder, "events.parquet")}' (FORMAT parquet, COMPRESSION zstd)`);
  const spent = process.cpuUsage(before);
  connection.closeSync();
  instance.closeSync();
  return (spent.user + spent.system) / 1e6;
}

const child = process.argv.indexOf("--land");
if (child > 0) {
  const folder = process.argv[child + 1]!;
  const log = await openLog(join(folder, "log"));
  console.log(JSON.stringify(await land(log, join(folder, "lake"))));
  await log.close();
} else {
  const folder = mkdtempSync(join(tmpdir(), "muara-bench-land-"));
  try {
    const memoryLog = createMemoryLog(services);
    await fill(memoryLog);
    const memory = await land(memoryLog, join(folder, "lake-memory"));
    const fileLog = await openLog(join(folder, "log"));
    await fill(fileLog);
    await fileLog.close();
    const file = fileURLToPath(import.meta.url);
    const answer = execFileSync(process.execPath, [file, "--land", folder], { encoding: "utf8" });
    const disk = JSON.parse(answer) as Run;
    const reference = EVENTS / (await duckdb(folder));
    const perCpuS = (run: Run): number => EVENTS / run.cpuS;
    const compared = (run: Run) => ({ reference, ratio: perCpuS(run) / reference });
    printResult("land", [
      {
        name: "landed per CPU second, log in memory",
        value: perCpuS(memory),
        unit: "events",
        ...compared(memory),
      },
      { name: "landed per CPU second, log on disk", value: perCpuS(disk), unit: "events", ...compared(disk) },
      { name: "landed per second, log on disk", value: EVENTS / disk.wallS, unit: "events" },
      { name: "peak resident memory, log on disk", value: disk.peakMb, unit: "MB" },
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
