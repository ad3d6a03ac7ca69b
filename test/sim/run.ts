/**
 * The simulator's command line. `npm run sim -- 17` runs one seed, `npm run sim -- --seeds 1..2000` many,
 * `--plant NAME` with a planted bug, `--json` prints the sums as one object.
 */
// oxlint-disable-next-line import/no-unassigned-import -- it changes how the rest is loaded
import "./hooks.ts";
import { parseArgs } from "node:util";
import type { FaultCounts } from "./faults.ts";

const { FAULTS } = await import("./faults.ts");
const { simulate } = await import("./simulate.ts");
const { PLANTS } = await import("./planted.ts");

const PROGRESS_EVERY = 1_000;

const { values, positionals } = parseArgs({
  options: {
    seeds: { type: "string" },
    plant: { type: "string" },
    json: { type: "boolean", default: false },
    "go-on": { type: "boolean", default: false },
  },
  allowPositionals: true,
});
const [from, to = from] = (values.seeds ?? positionals[0] ?? "1").split("..").map(Number) as [
  number,
  number?,
];
const plant = values.plant === undefined ? undefined : PLANTS.get(values.plant);
if (values.plant !== undefined && !plant)
  throw new Error(`no such bug; there are ${[...PLANTS.keys()].join("; ")}`);

const sums = { seeds: 0, steps: 0, events: 0, commits: 0, virtualMs: 0, trace: 0, failed: [] as number[] };
const faults: FaultCounts = new Map(FAULTS.map((fault) => [fault, 0]));
Error.stackTraceLimit = 0;
const started = process.cpuUsage();
const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage(started);
  return (user + system) / 1e6;
};

for (let seed = from; seed <= to; seed++) {
  try {
    const history = await simulate(seed, plant);
    sums.steps += history.steps;
    sums.trace = (Math.imul(sums.trace, 31) + history.trace) | 0;
    sums.events += history.events;
    sums.commits += history.commits;
    sums.virtualMs += history.virtualMs;
    for (const [fault, count] of history.faults) faults.set(fault, faults.get(fault)! + count);
  } catch (error) {
    sums.failed.push(seed);
    console.error(error);
    console.error(`again: npm run sim -- ${seed}${values.plant ? ` --plant "${values.plant}"` : ""}`);
    if (!values["go-on"]) break;
  }
  sums.seeds++;
  if (!values.json && sums.seeds % PROGRESS_EVERY === 0)
    console.log(`${sums.seeds} seeds, ${(sums.seeds / cpuSeconds()).toFixed(1)} per CPU second`);
}

const seconds = cpuSeconds();
if (values.json)
  console.log(JSON.stringify({ ...sums, cpuSeconds: seconds, faults: Object.fromEntries(faults) }));
else {
  for (const [fault, count] of faults) console.log(`${String(count).padStart(10)}  ${fault}`);
  const hours = (sums.virtualMs / 3_600_000).toFixed(1);
  console.log(
    `${sums.seeds} seeds (${sums.failed.length} failed), ${(sums.seeds / seconds).toFixed(1)} per CPU second: ` +
      `${sums.events} events, ${sums.commits} commits, ${sums.steps} steps, ${hours} simulated hours`,
  );
}
process.exitCode = sums.failed.length > 0 ? 1 : 0;
