/**
 * Dedup, order, reorder and panes, each and together, by the kernel and four other ways that must all agree: the same
 * algorithms in C for this machine and as wasm32 with SIMD (bench/native), tuned typed arrays, and objects as one would
 * write them at first. All take turns; CPU time, medians.
 */
import process from "node:process";
import { createKernel, type Kernel } from "../../core/kernel.ts";
import { median, type Metric } from "../result.ts";
import { runKernel } from "./by-kernel.ts";
import { runIdiomatic, toObjects } from "./idiomatic.ts";
import { buildNative } from "./native.ts";
import { OPERATORS, type Run } from "./report.ts";
import { runTyped } from "./typed.ts";
import { BATCH, EVENTS, makeWorkload } from "./workload.ts";

const ROUNDS = Number(process.env["ROUNDS"] ?? 7);
/** The slow way takes part in so many of them. */
const SLOW_ROUNDS = Math.min(3, ROUNDS);
/** `order` sorts what `reorder` sorts again: only one of them belongs to a whole. */
const WHOLES = [
  ["dedup", "order", "panes"],
  ["dedup", "reorder", "panes"],
] as const;

export const OURS = "AssemblyScript";
export const WAYS = ["C, native", "C, wasm32-simd", "typed arrays", "idiomatic"] as const;

/** A column per way, the kernel first: CPU ns an event. */
export interface OperatorRow {
  readonly name: string;
  readonly ns: ReadonlyMap<string, number>;
}

function nsOf(run: Run, operators: readonly string[]): number {
  const ms = OPERATORS.reduce((sum, name, i) => sum + (operators.includes(name) ? run.spentMs[i]! : 0), 0);
  return (ms * 1e6) / EVENTS;
}

/** @returns all runs of each way */
function runAll(kernel: Kernel): Map<string, Run[]> {
  const workload = makeWorkload();
  const native = buildNative(workload);
  const inC = native.wasm && createKernel(native.wasm, new Uint8Array(16).fill(7));
  const runs = new Map<string, Run[]>();
  const checks = new Set<string>();
  const note = (name: string, isKept: boolean, run: Run): void => {
    checks.add(run.checks.join());
    if (checks.size > 1) throw new Error(`${name} disagrees: ${[...checks].join(" and ")}`);
    if (isKept) runs.set(name, [...(runs.get(name) ?? []), run]);
  };
  for (let round = 0; round <= ROUNDS; round++) {
    const isKept = round > 0; // in the first nothing is compiled yet
    note(OURS, isKept, runKernel(kernel, workload));
    if (native.run) note(WAYS[0], isKept, native.run());
    if (inC) note(WAYS[1], isKept, runKernel(inC, workload));
    note(WAYS[2], isKept, runTyped(workload));
    if (isKept && round <= SLOW_ROUNDS) note(WAYS[3], true, runIdiomatic(toObjects(workload)));
  }
  native.close();
  return runs;
}

export function measureOperators(kernel: Kernel): OperatorRow[] {
  const runs = runAll(kernel);
  for (const way of WAYS)
    if (!runs.has(way)) process.stderr.write(`${way} is left out: its compiler is not there.\n`);
  const rows: [string, readonly string[]][] = [
    ...OPERATORS.map((name): [string, readonly string[]] => [name, [name]]),
    ...WHOLES.map((names): [string, readonly string[]] => [names.join(" + "), names]),
  ];
  return rows.map(([name, operators]) => ({
    name,
    ns: new Map(
      [...runs].map(([way, some]) => [way, median(some.map((run) => nsOf(run, operators)))] as const),
    ),
  }));
}

export function operatorMetrics(rows: readonly OperatorRow[]): Metric[] {
  const metrics = rows.flatMap(({ name, ns }) =>
    WAYS.flatMap((way): Metric[] => {
      const value = ns.get(OURS)!;
      const reference = ns.get(way);
      if (reference === undefined) return [];
      return [
        { name: `${name}, against ${way}`, value, unit: "ns/event", reference, ratio: reference / value },
      ];
    }),
  );
  return [...metrics, { name: "events in batches of", value: BATCH, unit: "events" }];
}
