/**
 * The encoder and those that it is compared with: CPU time and peak memory of a process for each run, runs interleaved,
 * medians. The kernel checks more than any of them (every digit, repeated keys, depth) and rounds nothing.
 *
 * Three sets of lines: `open` has its payload as one column of JSON text, `typed` has 19 typed columns, `escaped` its
 * payload as a string of escaped JSON.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { SETS, type SetName, type Side, writeLines } from "./encoder-lines.ts";
import { median, type Metric } from "./result.ts";

const ROUNDS = Number(process.env["ROUNDS"] ?? 3);
/** Runs of a process; the first is told apart. */
const REPEATS: Record<Side, number> = { kernel: 4, duckdb: 4, "hyparquet-writer": 2, "parquetjs-lite": 2 };
/** Slow: a process each. */
const SLOW: readonly Side[] = ["hyparquet-writer", "parquetjs-lite"];

interface Run {
  readonly firstCpuMs: number;
  readonly cpuMs: number;
  readonly peakBytes: number;
  readonly fileBytes: number;
}

function run(side: Side, set: SetName, folder: string): Run {
  const script = new URL("encoder-run.ts", import.meta.url).pathname;
  const permissions = "Deno" in globalThis ? ["run", "-A"] : [];
  const parameters = [...permissions, script, side, set, folder, String(REPEATS[side])];
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- encoder-run.ts prints it
  return JSON.parse(execFileSync(process.execPath, parameters, { encoding: "utf8" })) as Run;
}

const middle = (runs: readonly Run[], of: keyof Run): number => median(runs.map((one) => one[of]));

function measureSet(set: SetName, folder: string): Metric[] {
  const rows = writeLines(set, folder);
  const ours: Run[] = [];
  const theirs: Run[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(run("kernel", set, folder));
    theirs.push(run("duckdb", set, folder));
  }
  const race = (name: string, of: keyof Run, others: readonly Run[]): Metric => {
    const rate = (runs: readonly Run[]): number => Math.round((rows / middle(runs, of)) * 1000);
    const [value, reference] = [rate(ours), rate(others)];
    return {
      name: `${set}: ${name}`,
      value,
      unit: "rows per CPU second",
      reference,
      ratio: value / reference,
    };
  };
  const compare = (name: string, of: keyof Run): Metric => {
    const [value, reference] = [middle(ours, of), middle(theirs, of)];
    return { name: `${set}: ${name}`, value, unit: "bytes", reference, ratio: reference / value };
  };
  return [
    race("lines to a file", "cpuMs", theirs),
    race("the same, first run of a process", "firstCpuMs", theirs),
    compare("file", "fileBytes"),
    compare("peak memory", "peakBytes"),
    ...SLOW.map((side) => race(`lines to a file, against ${side}`, "cpuMs", [run(side, set, folder)])),
  ];
}

/** @param sets those to measure */
export function measureEncoder(sets: readonly SetName[] = SETS): Metric[] {
  const folder = mkdtempSync(join(tmpdir(), "muara-bench-"));
  try {
    return sets.flatMap((set) => measureSet(set, folder));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
