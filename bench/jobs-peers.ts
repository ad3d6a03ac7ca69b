/**
 * Nexmark's queries as jobs of a whole Muara against PyFlink 2.3.0 with the exported script over the same lines, and
 * q5 and q7 against a program with `Map`s (`npm run bench:jobs-peers`, `--json` for one object): CPU of the whole
 * process tree per event. All take turns; of each the run over few events is taken off the one over many, so that
 * start-up and the first compiling count nowhere; medians. `EVENTS`, `FEW`, `RATE`, `ROUNDS`, `QUERIES`.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { exportJob } from "../lake/job-export/export-job.ts";
import { openEngine } from "../test/lake/job/job-engine.ts";
import { NEXMARK_TABLES } from "../test/nexmark/tables.ts";
import { type PeerInput, runFlink, runMaps, runMuara, writeScript } from "./jobs-peers-run.ts";
import type { NexmarkKind } from "./nexmark/events.ts";
import { nexmarkJob } from "./nexmark/job-file.ts";
import { writeNexmark } from "./nexmark/lines.ts";
import type { NexmarkQuery } from "./nexmark/reference.ts";
import { type Metric, median, printResult } from "./result.ts";

const EVENTS = Number(process.env["EVENTS"] ?? 500_000);
const FEW = Number(process.env["FEW"] ?? 20_000);
/** Of event time, a second. */
const RATE = Number(process.env["RATE"] ?? 1_000);
const ROUNDS = Number(process.env["ROUNDS"] ?? 3);
const QUERIES = (process.env["QUERIES"] ?? "q1,q5,q7,q8,q11,q18").split(",") as readonly NexmarkQuery[];
const DISORDER_MS = 5_000; // landing's default
const SHARES: Readonly<Record<NexmarkKind, number>> = { person: 1 / 50, auction: 3 / 50, bid: 46 / 50 };

type Side = "muara" | "flink" | "maps";

async function costs(folder: string, query: NexmarkQuery, newestMs: number): Promise<Record<Side, number>> {
  const kinds: readonly NexmarkKind[] =
    query === "q8" ? ["person", "auction"] : query === "q20" ? ["auction", "bid"] : ["bid"];
  const input: PeerInput = { query, kinds, folder, newestMs };
  const places = { source: `file://${folder}`, sink: `file://${folder}/flink` } as const;
  const options = { to: "flink", disorderMs: DISORDER_MS, ...places } as const;
  const exported = await exportJob(nexmarkJob(query), NEXMARK_TABLES, await openEngine(), options);
  if (exported.kind === "refused") throw new Error(exported.refusal.reason);
  const muara = await runMuara(input);
  const flink = await runFlink(await writeScript(folder, query, exported.text));
  const maps = query === "q5" || query === "q7" ? await runMaps(query, folder) : Number.NaN;
  return { muara, flink, maps };
}

async function measure(root: string, query: NexmarkQuery): Promise<readonly Metric[]> {
  const [few, many] = [join(root, "few"), join(root, "many")];
  const [fewMs, manyMs] = newest;
  const perEvent: Record<Side, number[]> = { muara: [], flink: [], maps: [] };
  const share = (
    query === "q8" ? ["person", "auction"] : query === "q20" ? ["auction", "bid"] : ["bid"]
  ).reduce((sum, kind) => sum + SHARES[kind as NexmarkKind], 0);
  for (let round = 0; round < ROUNDS; round++) {
    const small = await costs(few, query, fewMs!);
    const large = await costs(many, query, manyMs!);
    for (const side of ["muara", "flink", "maps"] as const)
      perEvent[side].push(((large[side] - small[side]) * 1e6) / ((EVENTS - FEW) * share));
  }
  const ours = median(perEvent.muara);
  const metric = (name: string, values: readonly number[]): Metric => ({
    name: `${query} against ${name} (${values.map((value) => value.toFixed(1)).join(", ")} µs)`,
    value: ours,
    unit: "µs CPU an event",
    reference: median(values),
    ratio: median(values) / ours,
  });
  console.error(query, perEvent);
  const against = [metric("PyFlink 2.3.0", perEvent.flink)];
  return query === "q5" || query === "q7" ? [...against, metric("Maps in memory", perEvent.maps)] : against;
}

const root = await mkdtemp(join(tmpdir(), "muara-peers-"));
const newest = [
  writeNexmark(join(root, "few"), { events: FEW, eventsPerSecond: RATE, disorderMs: 1_500 }),
  writeNexmark(join(root, "many"), { events: EVENTS, eventsPerSecond: RATE, disorderMs: 1_500 }),
];
try {
  const metrics: Metric[] = [];
  for (const query of QUERIES) metrics.push(...(await measure(root, query)));
  printResult("jobs-peers", metrics);
} finally {
  await rm(root, { recursive: true, force: true });
}
