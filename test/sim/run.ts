/**
 * The simulator's command line.
 *
 *   npm run sim -- 17                        one seed
 *   npm run sim -- --seeds 1..2000           many; ends at the first that fails, unless --go-on
 *   npm run sim -- 17 --plant "BUG"          with a planted bug, or with what must do no harm (planted-keepers.ts)
 *   npm run sim -- --plants --seeds 1..2000  every planted bug until a seed catches it (--part 1/2: every second one)
 *
 * `--json` prints the sums as one object; `--report FILE` writes it now and then, so that a long run tells of itself
 * while it goes on.
 */
// oxlint-disable-next-line import/no-unassigned-import -- it changes how the rest is loaded
import "./hooks.ts";
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { FaultCounts } from "./faults.ts";
import type { Plant } from "./world.ts";

const { FAULTS } = await import("./faults.ts");
const { simulate } = await import("./simulate.ts");
const { OPEN_PLANTS, PLANTS } = await import("./planted.ts");
const { HARMLESS } = await import("./planted-keepers.ts");

const PROGRESS_EVERY = 1_000;
const REPORT_EVERY = 100;
const STACK_FRAMES = 30;

const { values, positionals } = parseArgs({
  options: {
    seeds: { type: "string" },
    plant: { type: "string" },
    plants: { type: "boolean", default: false },
    part: { type: "string", default: "1/1" },
    report: { type: "string" },
    json: { type: "boolean", default: false },
    "go-on": { type: "boolean", default: false },
  },
  allowPositionals: true,
});
const [from, to = from] = (values.seeds ?? positionals[0] ?? "1").split("..").map(Number) as [
  number,
  number?,
];
const started = process.cpuUsage();
const startedMs = performance.now();
const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage(started);
  return (user + system) / 1e6;
};
const say = (text: string): void => void (values.json || console.log(text));

/** Stacks cost more than errors, and most errors are faults; whoever wants to see one runs the seed again. */
Error.stackTraceLimit = 0;

async function explain(seed: number, plant: Plant | undefined, first: unknown): Promise<unknown> {
  Error.stackTraceLimit = STACK_FRAMES;
  try {
    await simulate(seed, plant);
    const problem = `seed ${seed} fails once and not again: the simulator itself is at fault`;
    return new Error(problem, { cause: first });
  } catch (error) {
    return error;
  } finally {
    Error.stackTraceLimit = 0;
  }
}

async function runSeeds(name: string | undefined): Promise<number> {
  const plant =
    name === undefined ? undefined : (PLANTS.get(name) ?? HARMLESS.get(name) ?? OPEN_PLANTS.get(name));
  if (name !== undefined && !plant)
    throw new Error(`no such bug; there are ${[...PLANTS.keys(), ...HARMLESS.keys()].join("; ")}`);
  const sums = { seeds: 0, steps: 0, events: 0, commits: 0, virtualMs: 0, trace: 0, failed: [] as number[] };
  const faults: FaultCounts = new Map(FAULTS.map((fault) => [fault, 0]));
  const report = (): string => {
    const wallSeconds = Math.round((performance.now() - startedMs) / 1_000);
    return JSON.stringify({
      ...sums,
      cpuSeconds: cpuSeconds(),
      wallSeconds,
      faults: Object.fromEntries(faults),
    });
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
    } catch (first) {
      sums.failed.push(seed);
      console.error(await explain(seed, plant, first));
      console.error(`again: npm run sim -- ${seed}${name ? ` --plant "${name}"` : ""}`);
      if (!values["go-on"]) break;
    }
    sums.seeds++;
    if (values.report && sums.seeds % REPORT_EVERY === 0) writeFileSync(values.report, report());
    if (sums.seeds % PROGRESS_EVERY === 0)
      say(`${sums.seeds} seeds, ${(sums.seeds / cpuSeconds()).toFixed(1)} per CPU second`);
  }
  if (values.report) writeFileSync(values.report, report());
  if (values.json) console.log(report());
  for (const [fault, count] of faults) say(`${String(count).padStart(10)}  ${fault}`);
  say(
    `${sums.seeds} seeds (${sums.failed.length} failed), ${(sums.seeds / cpuSeconds()).toFixed(1)} per CPU second: ` +
      `${sums.events} events, ${sums.commits} commits, ${sums.steps} steps, ` +
      `${(sums.virtualMs / 3_600_000).toFixed(1)} simulated hours`,
  );
  return sums.failed.length;
}

/** The first seed that catches each planted bug. @returns bugs that none catches */
async function runPlants(): Promise<number> {
  const [part, parts] = values.part.split("/").map(Number) as [number, number];
  const caught: Record<string, number | null> = {};
  for (const [i, [name, plant]] of [...PLANTS].entries()) {
    if (i % parts !== part - 1) continue;
    caught[name] = null;
    for (let seed = from; seed <= to && caught[name] === null; seed++)
      await simulate(seed, plant).catch(() => (caught[name] = seed));
    const seed = caught[name] as number | null; // the loop above has changed it
    say(`${(seed === null ? "never" : `${seed}`).padStart(6)}  ${name}`);
  }
  if (values.json) console.log(JSON.stringify(caught));
  return Object.values(caught).filter((seed) => seed === null).length;
}

const problems = values.plants ? await runPlants() : await runSeeds(values.plant);
process.exitCode = problems > 0 ? 1 : 0;
