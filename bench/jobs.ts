/**
 * CPU of a job's process for each event, from data files to rows of results, against Maps in memory that parse the
 * same events as lines of JSON (jobs-maps.ts). Steps of 10,000 and of 200,000 events: live, and behind. Landing is not
 * in it.
 */
import { execFileSync } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openEngine } from "../lake/query/session.ts";
import { temporaryFolder } from "../test/services/muara.ts";
import { DrivenJob } from "./driven-job.ts";
import { BID_SCHEMA, BIDS, bids, JOBS, watermarkMs } from "./jobs-load.ts";
import { type Metric, printResult } from "./result.ts";

const EVENTS = Number(process.env["EVENTS"] ?? 1_000_000);
const MIB = 1_048_576;

const folder = await temporaryFolder("bench-jobs");
const maker = await openEngine({ memoryBytes: 1_024 * MIB, threads: 1 });
const metrics: Metric[] = [];

async function files(step: number): Promise<readonly string[]> {
  const place = join(folder.path, "files", String(step));
  await mkdir(place, { recursive: true });
  const paths: string[] = [];
  for (let from = 0; from < EVENTS; from += step) {
    const path = join(place, `${from}.parquet`);
    await maker.run(
      `COPY (${bids(from, Math.min(EVENTS, from + step))}) TO '${path}' (FORMAT parquet, COMPRESSION zstd)`,
    );
    paths.push(path);
  }
  return paths;
}

/** ns of CPU an event, and rows. */
async function run(
  name: string,
  select: string,
  step: number,
  paths: readonly string[],
): Promise<[number, number]> {
  const job = await DrivenJob.start({
    folder: join(folder.path, "files"),
    text: `CREATE JOB ${name} AS ${select} EMIT ON WINDOW CLOSE INTO lake ${name}`,
    table: BIDS,
    schema: BID_SCHEMA,
    memoryBytes: 768 * MIB,
  });
  try {
    const before = await job.cpuSeconds();
    let rows = 0;
    for (const [i, path] of paths.entries()) {
      const until = Math.min(EVENTS, (i + 1) * step);
      const isLast = until === EVENTS;
      const result = await job.step({
        rows: null,
        files: [path],
        watermarkMs: watermarkMs(until) + (isLast ? 3_600_000 : 0),
      });
      rows += result?.rows ?? 0;
      await job.keep();
    }
    return [((await job.cpuSeconds()) - before) * (1e9 / EVENTS), rows];
  } finally {
    await job.close();
  }
}

const lines = join(folder.path, "bids.jsonl");
await maker.run(`COPY (SELECT * REPLACE (strftime(event_time, '%Y-%m-%dT%H:%M:%S.%gZ') AS event_time)
  FROM (${bids(0, EVENTS)})) TO '${lines}' (FORMAT json)`);
const maps = fileURLToPath(new URL("jobs-maps.ts", import.meta.url));
for (const [name, select] of Object.entries(JOBS)) {
  const text = execFileSync(process.execPath, [...process.execArgv, maps, name, lines], { encoding: "utf8" });
  const theirs = JSON.parse(text) as { cpuMs: number; rows: number };
  const reference = (theirs.cpuMs * 1e6) / EVENTS;
  for (const step of [10_000, 200_000]) {
    const [value, rows] = await run(name, select, step, await files(step));
    if (rows !== theirs.rows) throw new Error(`${name}: ${rows} rows, ${theirs.rows} by Maps`);
    metrics.push({
      name: `${name}, steps of ${step.toLocaleString("en-US")} events`,
      value,
      unit: "ns CPU an event",
      reference,
      ratio: reference / value,
    });
  }
}
maker.closeSync();
await folder.remove();
printResult("jobs", metrics);
process.exit(0);
