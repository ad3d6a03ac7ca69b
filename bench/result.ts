/** The one form in which a bench reports: an object for machines (`--json`), lines for people. */
import { execFileSync } from "node:child_process";
import { cpus } from "node:os";

export interface Metric {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** The same figure of what it is compared with, measured in the same run. */
  readonly reference?: number;
  /** Ours ÷ the reference's, from CPU time; higher is better. */
  readonly ratio?: number;
}

export function printResult(bench: string, metrics: readonly Metric[]): void {
  if (process.argv.includes("--json")) {
    console.log(
      JSON.stringify({ bench, machine: cpus()[0]?.model ?? "unknown", commit: commitOf(), metrics }),
    );
    return;
  }
  for (const { name, value, unit, reference, ratio } of metrics) {
    const compared =
      ratio === undefined ? "" : `  reference ${rounded(reference ?? Number.NaN)}, ratio ${rounded(ratio)}`;
    console.log(`${name.padEnd(48)} ${rounded(value)} ${unit}${compared}`);
  }
}

/** The middle value; of an even number the mean of the two. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Linear between neighbours. */
export function quantile(values: readonly number[], share: number): number {
  const ordered = values.toSorted((a, b) => a - b);
  const at = (ordered.length - 1) * share;
  const low = ordered[Math.floor(at)]!;
  return low + (ordered[Math.ceil(at)]! - low) * (at % 1);
}

function rounded(value: number): string {
  return Math.abs(value) >= 100
    ? Math.round(value).toLocaleString("en-US")
    : String(Math.round(value * 100) / 100);
}

function commitOf(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}
