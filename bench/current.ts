/**
 * Merging 100,000 changes into a current state of a million rows, against one plain DuckDB that makes the same state
 * from all changes, to one file, with the same memory and one thread. CPU of this process and of that which merges,
 * without the first round, in which engines start; sides take turns, medians: `npm run bench:current` (`--json` for
 * one object). Then what a query pays: the state with as many changes laid over it, against the merged state.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { openEngine } from "../lake/query/session.ts";
import { printResult } from "./result.ts";
import { raceRuns, type Run, runOnce } from "./run.ts";

const TURNS = Number(process.env["TURNS"] ?? 2);
const ROUNDS = Number(process.env["ROUNDS"] ?? 3);
const ROWS = Number(process.env["ROWS"] ?? 1_000_000);
const CHANGES = Number(process.env["CHANGES"] ?? 100_000);

const folder = mkdtempSync(join(tmpdir(), "muara-bench-"));
try {
  await writeFiles();
  const ours: Run[] = [];
  const plain: Run[] = [];
  const sizes = [String(ROUNDS), String(ROWS), String(CHANGES)];
  for (let turn = 0; turn < TURNS; turn++) {
    ours.push(runOnce("current-run.ts", "muara", folder, ...sizes));
    rmSync(join(folder, "lake"), { recursive: true, force: true });
    plain.push(runOnce("current-run.ts", "plain", folder, ...sizes));
  }
  const query = runOnce("current-run.ts", "overlay", folder, ...sizes);
  rmSync(join(folder, "lake"), { recursive: true, force: true });
  printResult("current", [
    raceRuns(`${CHANGES} changes into ${ROWS} rows`, CHANGES, ours, plain),
    {
      name: "a sum over the state with them laid over it",
      value: query.cpuMs,
      unit: "CPU ms",
      reference: query.firstCpuMs,
      ratio: query.firstCpuMs / query.cpuMs,
    },
  ]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** A file of creates, then one of updates (some without their long column) and deletes for each round. */
async function writeFiles(): Promise<void> {
  const engine = await openEngine({ memoryBytes: 500_000_000, threads: 1 });
  mkdirSync(join(folder, "files"));
  await engine.run("SELECT setseed(0.5)");
  const write = async (name: string, select: string): Promise<void> => {
    await engine.run(
      `COPY (${select}) TO '${join(folder, "files", `${name}.parquet`)}' (FORMAT parquet, COMPRESSION zstd)`,
    );
  };
  await write("0", `${row("i", "i", "'create'")} FROM range(${ROWS}) AS r(i)`);
  for (let round = 1; round <= ROUNDS; round++) {
    const first = ROWS + (round - 1) * CHANGES;
    const change = "CASE WHEN i % 20 = 0 THEN 'delete' ELSE 'update' END";
    await write(
      String(round),
      `${row("k", "i", change)} FROM (SELECT i, (random() * ${ROWS - 1})::BIGINT AS k
        FROM range(${first}, ${first + CHANGES}) AS r(i))`,
    );
  }
  engine.closeSync();
}

/** Places grow with the offset, and so do times. */
function row(id: string, offset: string, change: string): string {
  return `SELECT
    md5(${offset}::VARCHAR) AS event_id, TIMESTAMPTZ '2026-01-01 00:00:00Z' + to_milliseconds(${offset}) AS event_time,
    TIMESTAMPTZ '2026-01-01 00:00:00Z' + to_milliseconds(${offset}) AS ingest_time,
    '["shop1",' || (${id})::VARCHAR || ']' AS event_key, 0::BIGINT AS log_partition, ${offset} AS log_offset,
    {shard: 'shop1', incarnation: 1::BIGINT, lsn: ${offset} * 8, "index": 0::BIGINT, xid: ${offset},
      change: ${change}, unchanged: CASE WHEN ${change} = 'update' AND ${offset} % 10 = 0 THEN ['bio'] END} AS source,
    NULL::VARCHAR AS "before", (${id})::BIGINT AS id, (random() * 1000)::DECIMAL(12,2) AS balance,
    'name ' || ${offset}::VARCHAR AS name,
    CASE WHEN ${change} <> 'update' OR ${offset} % 10 <> 0 THEN 'bio ' || md5(${offset}::VARCHAR) END AS bio,
    NULL::VARCHAR AS extra`;
}
