/**
 * One side of a comparison in a process of its own: the same work several times, its costs as a line of JSON. The first
 * time compiles and takes memory from the system; the others are what a process that lives pays. What happens before
 * (the engine or the log opened) is nobody's cost.
 */
import { execFileSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { collectAsMuara } from "./as-muara.ts";
import { median, type Metric } from "./result.ts";

export interface Run {
  readonly firstCpuMs: number;
  readonly cpuMs: number;
  readonly peakBytes: number;
  readonly fileBytes: number;
}

/**
 * In the child; ends the process.
 * @param rounds at least 2 @param fileBytes of what the last round wrote
 */
export async function reportRun(
  rounds: number,
  work: (round: number) => Promise<void>,
  fileBytes: () => number,
): Promise<never> {
  collectAsMuara();
  const costs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    await work(round);
    const { user, system } = process.cpuUsage(before);
    costs.push((user + system) / 1_000);
  }
  const peakBytes = process.resourceUsage().maxRSS * 1_024;
  const run: Run = {
    firstCpuMs: costs[0]!,
    cpuMs: median(costs.slice(1)),
    peakBytes,
    fileBytes: fileBytes(),
  };
  console.log(JSON.stringify(run));
  process.exit(0);
}

/** @param script beside this file */
export function runOnce(script: string, ...args: readonly string[]): Run {
  const file = fileURLToPath(new URL(script, import.meta.url));
  const options = "Deno" in globalThis ? ["run", "-A"] : process.execArgv;
  const text = execFileSync(process.execPath, [...options, file, ...args], { encoding: "utf8" });
  return JSON.parse(text) as Run;
}

/** Rows per CPU second, medians of runs that took turns. @param theirRows where they had fewer */
export function raceRuns(
  name: string,
  rows: number,
  ours: readonly Run[],
  theirs: readonly Run[],
  theirRows = rows,
  of: "cpuMs" | "firstCpuMs" = "cpuMs",
): Metric {
  const rate = (runs: readonly Run[], count: number): number =>
    Math.round((count / median(runs.map((run) => run[of]))) * 1_000);
  const [value, reference] = [rate(ours, rows), rate(theirs, theirRows)];
  return { name, value, unit: "rows per CPU second", reference, ratio: value / reference };
}

/** All that runs of the same rows differ in. @param name begins every metric's */
export function compareRuns(
  name: string,
  work: string,
  rows: number,
  ours: readonly Run[],
  theirs: readonly Run[],
): Metric[] {
  const middle = (runs: readonly Run[], of: keyof Run): number => median(runs.map((run) => run[of]));
  const compare = (title: string, of: keyof Run): Metric => {
    const [value, reference] = [middle(ours, of), middle(theirs, of)];
    return { name: `${name}: ${title}`, value, unit: "bytes", reference, ratio: reference / value };
  };
  return [
    raceRuns(`${name}: ${work}`, rows, ours, theirs),
    raceRuns(`${name}: the same, first run of a process`, rows, ours, theirs, rows, "firstCpuMs"),
    compare("file", "fileBytes"),
    compare("peak memory", "peakBytes"),
  ];
}
