/**
 * JSON lines to a Parquet file: the kernel's encoder against DuckDB's `read_json` → `COPY`, on one thread, the same
 * lines, zstd 3 and 122,880 rows a row group on both sides. CPU time and peak memory of a process for each run, runs
 * interleaved, medians: `npx node bench/encoder.ts` (`--json` for one object).
 *
 * Three sets of lines: `open` has its payload as one column of JSON text, `typed` has 19 typed columns, `escaped` its
 * payload as a string of escaped JSON. The kernel checks more (every digit, repeated keys, depth) and rounds nothing.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { SETS, writeLines } from "./encoder-lines.ts";
import { type Metric, printResult } from "./result.ts";
import { compareRuns, type Run, runOnce } from "./run.ts";

const ROUNDS = Number(process.env["ROUNDS"] ?? 3);

const folder = mkdtempSync(join(tmpdir(), "muara-bench-"));
const metrics: Metric[] = [];
try {
  for (const set of SETS) {
    const rows = writeLines(set, folder);
    const ours: Run[] = [];
    const theirs: Run[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      ours.push(runOnce("encoder-run.ts", "kernel", set, folder));
      theirs.push(runOnce("encoder-run.ts", "duckdb", set, folder));
    }
    metrics.push(...compareRuns(set, "lines to a file", rows, ours, theirs));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
printResult("encoder", metrics);
