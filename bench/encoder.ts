/**
 * JSON lines to a Parquet file: the kernel's encoder against DuckDB's `read_json` → `COPY`, on one thread, the same
 * lines, zstd 3 and 122,880 rows a row group on both sides. CPU time and peak memory of a process for each run, runs
 * interleaved, medians: `npx node bench/encoder.ts` (`--json` for one object).
 *
 * Three sets of lines: `open` has its payload as one column of JSON text, `typed` has 19 typed columns, `escaped` its
 * payload as a string of escaped JSON. The kernel checks more (every digit, repeated keys, depth) and rounds nothing.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { SETS, type SetName, writeLines } from "./encoder-lines.ts";
import { median, type Metric, printResult } from "./result.ts";

const ROUNDS = Number(process.env["ROUNDS"] ?? 3);

interface Run {
  readonly firstCpuMs: number;
  readonly cpuMs: number;
  readonly peakBytes: number;
  readonly fileBytes: number;
}

function run(side: "kernel" | "duckdb", set: SetName, folder: string): Run {
  const script = new URL("encoder-run.ts", import.meta.url).pathname;
  const text = execFileSync(process.execPath, [script, side, set, folder], { encoding: "utf8" });
  return JSON.parse(text) as Run;
}

const folder = mkdtempSync(join(tmpdir(), "muara-bench-"));
const metrics: Metric[] = [];
try {
  for (const set of SETS) {
    const rows = writeLines(set, folder);
    const ours: Run[] = [];
    const theirs: Run[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      ours.push(run("kernel", set, folder));
      theirs.push(run("duckdb", set, folder));
    }
    const middle = (runs: readonly Run[], of: keyof Run): number => median(runs.map((one) => one[of]));
    const rate = (runs: readonly Run[], of: keyof Run): number =>
      Math.round((rows / middle(runs, of)) * 1000);
    const compare = (name: string, unit: string, of: keyof Run): void => {
      const [value, reference] = [middle(ours, of), middle(theirs, of)];
      metrics.push({ name: `${set}: ${name}`, value, unit, reference, ratio: reference / value });
    };
    const race = (name: string, of: keyof Run): void => {
      const [value, reference] = [rate(ours, of), rate(theirs, of)];
      metrics.push({
        name: `${set}: ${name}`,
        value,
        unit: "rows per CPU second",
        reference,
        ratio: value / reference,
      });
    };
    race("lines to a file", "cpuMs");
    race("the same, first run of a process", "firstCpuMs");
    compare("file", "bytes", "fileBytes");
    compare("peak memory", "bytes", "peakBytes");
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
printResult("encoder", metrics);
