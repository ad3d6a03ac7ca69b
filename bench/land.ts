/**
 * A full log on disk to a committed table, against writers of one file that commit nothing: DuckDB's `read_json` →
 * `COPY` (the statement of `encoder.ts`, one thread), and `JSON.parse` with parquetjs-lite, not compressed. CPU time
 * and peak memory of a process for each run, runs interleaved, medians: `npx node bench/land.ts` (`--json` for one
 * object).
 *
 * The lines are those of `encoder.ts`; in the log they are events, whose id and time stand in `metadata`. Landing does
 * more with them: it reads and checks the log, keeps ids for duplicates, orders by event time, adds the envelope's
 * columns and a bloom filter, and makes durable commits, with the configuration's defaults. No side pays for opening
 * its engine or its log.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { linesPath, SETS, writeLines } from "./encoder-lines.ts";
import { fillLog, logPath } from "./land-log.ts";
import { PARQUETJS_ROWS } from "./parquetjs.ts";
import { type Metric, printResult } from "./result.ts";
import { compareRuns, raceRuns, type Run, runOnce } from "./run.ts";

const ROUNDS = Number(process.env["ROUNDS"] ?? 3);

const folder = mkdtempSync(join(tmpdir(), "muara-bench-"));
const metrics: Metric[] = [];
try {
  for (const set of SETS) {
    const rows = writeLines(set, folder);
    await fillLog(set, folder);
    const ours: Run[] = [];
    const duckdb: Run[] = [];
    const parquetjs: Run[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      ours.push(runOnce("land-run.ts", "land", set, folder));
      duckdb.push(runOnce("encoder-run.ts", "duckdb", set, folder));
      parquetjs.push(runOnce("land-run.ts", "parquetjs", set, folder));
    }
    metrics.push(
      ...compareRuns(set, "log to a committed table", rows, ours, duckdb),
      raceRuns(`${set}: the same, against parquetjs-lite`, rows, ours, parquetjs, PARQUETJS_ROWS),
    );
    for (const path of [linesPath(set, folder), logPath(set, folder), join(folder, `${set}-lake`)])
      rmSync(path, { recursive: true, force: true });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
printResult("land", metrics);
