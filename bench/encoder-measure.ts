/**
 * The encoder and those that it is compared with: CPU time and peak memory of a process for each run, runs interleaved,
 * medians. The kernel checks more than any of them (every digit, repeated keys, depth) and rounds nothing.
 *
 * Three sets of lines: `open` has its payload as one column of JSON text, `typed` has 19 typed columns, `escaped` its
 * payload as a string of escaped JSON.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { SETS, type SetName, type Side, writeLines } from "./encoder-lines.ts";
import { PARQUETJS_ROWS } from "./parquetjs.ts";
import type { Metric } from "./result.ts";
import { compareRuns, raceRuns, type Run, runOnce } from "./run.ts";

const ROUNDS = Number(process.env["ROUNDS"] ?? 3);
/** Runs of a process; the first is told apart. */
const REPEATS: Record<Side, number> = { kernel: 8, duckdb: 8, "hyparquet-writer": 2, "parquetjs-lite": 2 };

function run(side: Side, set: SetName, folder: string): Run {
  return runOnce("encoder-run.ts", side, set, folder, String(REPEATS[side]));
}

function measureSet(set: SetName, folder: string): Metric[] {
  const rows = writeLines(set, folder);
  const ours: Run[] = [];
  const theirs: Run[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(run("kernel", set, folder));
    theirs.push(run("duckdb", set, folder));
  }
  const against = (side: Side, count: number): Metric =>
    raceRuns(`${set}: against ${side}`, rows, ours, [run(side, set, folder)], count);
  return [
    ...compareRuns(set, "lines to a file", rows, ours, theirs),
    against("hyparquet-writer", rows),
    against("parquetjs-lite", PARQUETJS_ROWS),
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
