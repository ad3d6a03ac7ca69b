/**
 * Ten events a second in each of 1,000 types, committed every ten seconds, against one type with all of them
 * (`npm run bench:many-types`, `--json` for one object): CPU of landing, log and projections together, data files and
 * peak memory, each run in a process of its own, medians. Compaction is not part of it. `ROUNDS`, `TYPES`, `SECONDS`.
 */
import { execFileSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { MUARA_FLAGS } from "./as-muara.ts";
import { type Metric, median, printResult, quantile } from "./result.ts";
import { runTrickle, type TrickleRun } from "./trickle-run.ts";

const TYPES = Number(process.env["TYPES"] ?? 1_000);
const SECONDS = Number(process.env["SECONDS"] ?? 30);
const ROUNDS = Number(process.env["ROUNDS"] ?? 3);
const PER_SECOND = 10;
const FLUSH_MS = 10_000;

interface Measured extends Omit<TrickleRun, "waitedMs"> {
  readonly waitedP99Ms: number;
  readonly peakBytes: number;
}

async function measureHere(types: number): Promise<void> {
  const { waitedMs, ...run } = await runTrickle({
    types,
    eventsPerSecond: (PER_SECOND * TYPES) / types,
    seconds: SECONDS,
    land: { commitMs: FLUSH_MS, commitMsMax: FLUSH_MS, commitsPerSecond: 1_000_000 },
  });
  const peakBytes = process.resourceUsage().maxRSS * 1_024;
  const measured: Measured = { ...run, waitedP99Ms: quantile(waitedMs, 0.99), peakBytes };
  console.log(JSON.stringify(measured));
}

function measure(types: number): Measured {
  const args = [...MUARA_FLAGS, fileURLToPath(import.meta.url), "run", String(types)];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" })) as Measured;
}

function compare(): void {
  const many: Measured[] = [];
  const one: Measured[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    one.push(measure(1));
    many.push(measure(TYPES));
  }
  const middle = (runs: readonly Measured[], of: keyof Measured): number =>
    median(runs.map((run) => run[of]));
  const perEvent = (runs: readonly Measured[]): number =>
    (middle(runs, "cpuS") * 1e6) / (TYPES * PER_SECOND * SECONDS);
  const metrics: Metric[] = [
    {
      name: `CPU of an event, ${TYPES.toLocaleString("en-US")} types against one`,
      value: perEvent(many),
      unit: "µs",
      reference: perEvent(one),
      ratio: perEvent(one) / perEvent(many),
    },
    ...(["dataFiles", "commits", "syncs"] as const).map((of) => ({
      name: { dataFiles: "data files", commits: "commits, projections included", syncs: "syncs" }[of],
      value: middle(many, of) / SECONDS,
      unit: "/s",
      reference: middle(one, of) / SECONDS,
    })),
    { name: "wait from append to commit, p99", value: middle(many, "waitedP99Ms"), unit: "ms" },
    {
      name: "peak memory",
      value: middle(many, "peakBytes") / 2 ** 20,
      unit: "MiB",
      reference: middle(one, "peakBytes") / 2 ** 20,
    },
  ];
  printResult("many-types", metrics);
}

if (process.argv[2] === "run") await measureHere(Number(process.argv[3]));
else compare();
