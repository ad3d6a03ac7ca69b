/**
 * Event → final row of a job, on a whole Muara at its defaults, events at a steady rate with the time of now. Of a
 * row-wise job: from acceptance to the commit that has the row. Of windows of a second: from the moment at which the
 * window can be known to be over (its end, and what the log may deliver in disorder) to the commit that has its row. A
 * commit is there when its file has its name, which the file system says.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { eventually, startMuara, temporaryFolder } from "../test/services/muara.ts";
import { printResult, quantile } from "./result.ts";

const RATE = Number(process.env["RATE"] ?? 500);
const SECONDS = Number(process.env["SECONDS"] ?? 40);
const BATCH = 10;
const TYPE = "bench.order";
/** `land.disorderMs`; without the variable the configuration's default. */
const DISORDER_MS = Number(process.env["MUARA_LAND_DISORDER_MS"] ?? 5_000);
const DEADLINE_MS = 60_000;
const ROWS = `CREATE JOB bench_rows AS SELECT event_time, ingest_time, number FROM bench_order
  EMIT ON WINDOW CLOSE INTO lake bench_rows`;
const WINDOWS = `CREATE JOB bench_windows AS SELECT window_start, window_end, count(*) AS n
  FROM TUMBLE(bench_order, event_time, INTERVAL '1 second') GROUP BY window_start, window_end
  EMIT ON WINDOW CLOSE INTO lake bench_windows`;

const folder = await temporaryFolder("jobs-latency");
const muara = await startMuara(folder.path);
let number = 0;

async function publish(count: number): Promise<void> {
  const events = Array.from({ length: count }, () => ({
    metadata: { eid: crypto.randomUUID(), occurred_at: new Date().toISOString() },
    number: number++,
  }));
  await muara.fetch(`/event-types/${TYPE}/events`, { method: "POST", body: JSON.stringify(events) });
}

async function shown(job: string): Promise<{ is_live: boolean; behind_versions: number | null }> {
  return (await (await muara.fetch(`/v1/jobs/${job}`)).json()) as never;
}

async function through(): Promise<void> {
  for (const job of ["bench_rows", "bench_windows"])
    await eventually(`${job} is through`, DEADLINE_MS, async () => {
      const { is_live, behind_versions } = await shown(job);
      return is_live && behind_versions === 0;
    });
}

const schema = { type: "object", properties: { number: { type: "integer" } } };
await muara.fetch("/event-types", {
  method: "POST",
  body: JSON.stringify({
    name: TYPE,
    owning_application: "bench",
    category: "business",
    schema: { type: "json_schema", schema: JSON.stringify(schema) },
  }),
});
await publish(BATCH);
await eventually("it has landed", DEADLINE_MS, async () => {
  return Number((await muara.sql(`SELECT count(*) FROM "${TYPE}"`))[0]![0]) === BATCH;
});
for (const text of [ROWS, WINDOWS]) {
  const answer = await muara.fetch("/v1/jobs", { method: "POST", body: JSON.stringify({ text }) });
  if (!answer.ok) throw new Error(await answer.text());
}
await through();
const beganMs = Date.now();
const startedMs = performance.now();
for (let batch = 0; batch < (RATE * SECONDS) / BATCH; batch++) {
  const waitMs = startedMs + (batch * BATCH * 1_000) / RATE - performance.now();
  if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
  await publish(BATCH);
}
const endedMs = Date.now();
await through();
await muara.stop();

/** Files of a table with the moment of their commit, ms. */
async function commitsOf(table: string): Promise<ReadonlyMap<string, number>> {
  const log = join(folder.path, "lake", table, "_delta_log");
  const found = new Map<string, number>();
  for (const name of await readdir(log)) {
    if (!/^\d{20}\.json$/.test(name)) continue;
    const { mtimeMs } = await stat(join(log, name));
    for (const line of (await readFile(join(log, name), "utf8")).trim().split("\n")) {
      const { add } = JSON.parse(line) as { add?: { path: string; dataChange: boolean } };
      if (add?.dataChange) found.set(join(folder.path, "lake", table, add.path), mtimeMs);
    }
  }
  return found;
}

/** @param time SQL: of a row, from which it is counted, ms since 1970 */
async function delaysOf(table: string, time: string, from: number, until: number): Promise<number[]> {
  const commits = await commitsOf(table);
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  const delays: number[] = [];
  for (const [path, atMs] of commits) {
    const found = await connection.runAndReadAll(`SELECT ${time} FROM read_parquet('${path}')`);
    for (const [ms] of found.getRowsJson() as string[][])
      if (Number(ms) >= from && Number(ms) <= until) delays.push(atMs - Number(ms));
  }
  connection.closeSync();
  return delays;
}

const rows = await delaysOf("bench_rows", "epoch_ms(ingest_time)", beganMs, endedMs);
const windows = await delaysOf(
  "bench_windows",
  `epoch_ms(window_end) + ${DISORDER_MS}`,
  beganMs + DISORDER_MS,
  endedMs,
);
await folder.remove();

printResult("jobs-latency", [
  { name: "offered", value: (number * 1_000) / (endedMs - beganMs), unit: "events/s" },
  { name: "accepted to row of a row-wise job, p50", value: quantile(rows, 0.5), unit: "ms" },
  { name: "accepted to row of a row-wise job, p99", value: quantile(rows, 0.99), unit: "ms" },
  { name: "windows", value: windows.length, unit: "" },
  { name: "window over to its final row, p50", value: quantile(windows, 0.5), unit: "ms" },
  { name: "window over to its final row, p99", value: quantile(windows, 0.99), unit: "ms" },
  { name: "window over to its final row, max", value: Math.max(...windows), unit: "ms" },
]);
