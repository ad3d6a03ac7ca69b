/**
 * What a process of its own costs a query. One table of 30 days in many small files, as landing leaves it before
 * compaction. Asked through the service with a warm process, and by DuckDB in this process with the fastest reader that
 * one would write by hand (`read_parquet(files, hive_partitioning = true)`), its engine already open.
 *
 * CPU is of service and query process together, without what a process costs before a query comes to it: that is
 * measured by itself (`a process before its query`) and spent while nobody waits. Goal: at most 1.1 times plain DuckDB
 * and 25 ms.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import { EVERYTHING } from "../core/authorize.ts";
import { systemClock } from "../core/clock.ts";
import { configSchema } from "../core/config.ts";
import { silentLogger } from "../core/logger.ts";
import type { AddFile, TableLog, TableSnapshot } from "../core/ports/table-log.ts";
import type { Catalog } from "../lake/catalog.ts";
import { MuaraError } from "../core/errors.ts";
import { ProcessPool } from "../lake/query/process-pool.ts";
import { createQueryService, type QueryService } from "../lake/query/service.ts";
import { median, printResult, quantile, type Metric } from "./result.ts";

const DAYS = Number(process.env["DAYS"] ?? 30);
const FILES_PER_DAY = Number(process.env["FILES"] ?? 40);
const ROWS_PER_FILE = 2_000;
const RUNS = Number(process.env["RUNS"] ?? 10);
/** Between two questions, so that the next process is ready: people think. */
const PAUSE_MS = Number(process.env["PAUSE"] ?? 700);
/** Of the goal: the query may cost so many times what plain DuckDB does, and this much more, ms. */
const GOAL_FACTOR = 1.1;
const GOAL_MS = 25;
/** Of the kernel's clock for CPU time, ms. */
const TICK_MS = 10;

const QUERIES: readonly (readonly [string, string])[] = [
  ["one row without a table", "SELECT 1"],
  ["count of one day", "SELECT count(*) FROM orders WHERE ingest_date = DATE '2026-01-15'"],
  ["newest ten", "SELECT * FROM orders ORDER BY ingest_time DESC LIMIT 10"],
  ["sums by country over all days", "SELECT country, count(*), sum(total) FROM orders GROUP BY country"],
];

const folder = mkdtempSync(join(tmpdir(), "muara-bench-query-"));
const principal = { id: "bench", grants: EVERYTHING };

async function writeLake(engine: DuckDBConnection): Promise<AddFile[]> {
  const files: AddFile[] = [];
  for (let day = 0; day < DAYS; day++) {
    const date = new Date(Date.UTC(2026, 0, 1 + day)).toISOString().slice(0, 10);
    mkdirSync(join(folder, "orders", `ingest_date=${date}`), { recursive: true });
    for (let file = 0; file < FILES_PER_DAY; file++) {
      const path = `ingest_date=${date}/${file}.parquet`;
      const target = join(folder, "orders", path);
      if (file === 0)
        await engine.run(
          `COPY (SELECT uuid()::VARCHAR AS event_id,
            TIMESTAMPTZ '${date} 00:00:00Z' + INTERVAL (i) SECOND AS ingest_time,
            ['ID', 'DE', 'FR'][1 + i % 3] AS country, (i % 1000)::DECIMAL(12,2) AS total, i AS number, '{}' AS extra
            FROM range(${ROWS_PER_FILE}) AS r(i)) TO '${target}' (FORMAT parquet, COMPRESSION zstd)`,
        );
      else copyFileSync(join(folder, "orders", `ingest_date=${date}/0.parquet`), target);
      files.push({
        path,
        partitionValues: { ingest_date: date },
        size: 1,
        modificationTime: 0,
        dataChange: true,
      });
    }
  }
  return files;
}

function catalogOf(files: readonly AddFile[]): Catalog {
  const fields = { event_id: "string", ingest_time: "timestamp", country: "string", total: "decimal(12,2)" };
  const all = { ...fields, number: "long", extra: "string", ingest_date: "date" };
  const schemaString = JSON.stringify({
    type: "struct",
    fields: Object.entries(all).map(([name, type]) => ({ name, type, nullable: true, metadata: {} })),
  });
  const snapshot: TableSnapshot = {
    version: 0,
    timestampMs: 0,
    metadata: undefined,
    files: new Map(files.map((file) => [file.path, file])),
    txns: new Map(),
  };
  const table = { name: "orders", kind: "other", alias: "orders", eventType: undefined } as const;
  return {
    list: () => Promise.resolve([table]),
    find: (name) => Promise.resolve(name === "orders" ? table : undefined),
    snapshot: () => Promise.resolve(snapshot),
    log: () => ({}) as TableLog,
    location: (name, path) => join(folder, name, path ?? ""),
    schema: () => ({ schemaString, partitionColumns: ["ingest_date"] }),
  };
}

/** CPU time of this process and of its processes that have ended, ms. */
function cpuMs(): number {
  const fields = readFileSync("/proc/self/stat", "latin1").split(") ")[1]!.split(" ");
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return ticks * TICK_MS;
}

interface Measured {
  readonly wallMs: readonly number[];
  readonly cpuMs: number;
}

/** @param pauseMs before each run, not counted */
async function measure(run: () => Promise<unknown>, pauseMs: number): Promise<Measured> {
  await run();
  const wallMs: number[] = [];
  const before = cpuMs();
  for (let i = 0; i < RUNS; i++) {
    await systemClock.sleep(pauseMs);
    const startMs = performance.now();
    await run();
    wallMs.push(performance.now() - startMs);
  }
  await systemClock.sleep(pauseMs);
  return { wallMs, cpuMs: (cpuMs() - before) / RUNS };
}

const ask = (service: QueryService, sql: string): Promise<unknown> =>
  service.rows({ sql, principal }, new AbortController().signal);

const engine = await (await DuckDBInstance.create(":memory:")).connect();
const files = await writeLake(engine);
const paths = files.map((file) => `'${join(folder, "orders", file.path)}'`).join(", ");
const reader = `read_parquet([${paths}], hive_partitioning = true)`;
const options = { ...configSchema.parse({}).query, warm: 1 };
const services = { catalog: catalogOf(files), clock: systemClock, logger: silentLogger };
const service = createQueryService({ ...services, options });
const cold = createQueryService({ ...services, options: { ...options, warm: 0 } });

const over = new MuaraError("internal", "the bench has seen enough");
const pool = new ProcessPool({ options, lake: folder, clock: systemClock, logger: silentLogger });
const layers = await pool.layers();
const idle = await measure(async () => {
  const child = await pool.take();
  child.kill(over);
  await child.gone();
}, PAUSE_MS);
await pool.close();

const metrics: Metric[] = [{ name: "a process before its query: CPU", value: idle.cpuMs, unit: "ms" }];
for (const [name, sql] of QUERIES) {
  const ours = await measure(() => ask(service, sql), PAUSE_MS);
  const plain = sql.replace("orders", reader);
  const theirs = await measure(async () => (await engine.runAndReadAll(plain)).getRowsJson(), 0);
  const cpu = Math.max(ours.cpuMs - idle.cpuMs, 0);
  const beyond = cpu - GOAL_FACTOR * theirs.cpuMs;
  const wall = { value: median(ours.wallMs), reference: median(theirs.wallMs), unit: "ms" };
  metrics.push(
    { name: `${name}: wait, middle`, ...wall },
    { name: `${name}: wait, p90`, value: quantile(ours.wallMs, 0.9), unit: "ms" },
    {
      name: `${name}: CPU`,
      value: cpu,
      unit: "ms",
      reference: theirs.cpuMs,
      ratio: theirs.cpuMs / Math.max(cpu, 1),
    },
    { name: `${name}: CPU beyond 1.1 of plain (goal ${GOAL_MS})`, value: beyond, unit: "ms" },
  );
}
const coldRuns = await measure(() => ask(cold, "SELECT 1"), 0);
metrics.push({ name: "one row, no warm process: wait, middle", value: median(coldRuns.wallMs), unit: "ms" });

await Promise.all([service.close(), cold.close()]);
rmSync(folder, { recursive: true, force: true });
if (!process.argv.includes("--json")) console.log(`layers: ${layers.join(", ")}`);
printResult("query", metrics);
