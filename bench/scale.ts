/**
 * How Muara grows, by a model with measured costs (`npm run bench:scale`, `--json` for one object; docs/SCALE.md):
 * machines, freshness, and what is full first for 1,000 to 1,000,000 events/s. `TYPES`, `HOTTEST`, `BYTES`, `CORES`.
 */
import process from "node:process";
import { type Metric, printResult } from "./result.ts";
import { ON_DISK, ON_KAFKA_AND_S3 } from "./scale-costs.ts";
import { planFor, type Plan } from "./scale-model.ts";

const POINTS: readonly (readonly [rate: number, isOwn: boolean])[] = [
  [1_000, true],
  [10_000, true],
  [1_000, false],
  [10_000, false],
  [100_000, false],
  [1_000_000, false],
];
const TYPES = Number(process.env["TYPES"] ?? 50);
const HOTTEST = Number(process.env["HOTTEST"] ?? 0.2);
const BYTES = Number(process.env["BYTES"] ?? 500);
const CORES = Number(process.env["CORES"] ?? 8);

const HEADINGS = [
  "events/s",
  "log, lake",
  "doors",
  "landing",
  "machines",
  "brokers' cores",
  "core; commits under way of the fullest",
  "fresh p50; p99",
  "backlog",
  "log MB/s",
  "store's writes; reads /s",
  "full first",
];

interface Row {
  readonly rate: number;
  readonly place: string;
  readonly plan: Plan;
}

const rows = POINTS.map(([eventsPerSecond, isOwn]): Row => {
  const load = { eventsPerSecond, eventBytes: BYTES, types: TYPES, hottestShare: HOTTEST };
  const plan = planFor(load, isOwn ? ON_DISK : ON_KAFKA_AND_S3, CORES);
  return { rate: eventsPerSecond, place: isOwn ? "own, disk" : "Kafka, S3", plan };
});

if (process.argv.includes("--json"))
  printResult(
    "scale",
    rows.flatMap(({ rate, place, plan }): Metric[] => [
      { name: `${place}: machines at ${rate}/s`, value: plan.machines, unit: "machines" },
      { name: `${place}: freshness p99 at ${rate}/s`, value: plan.landing.p99Ms, unit: "ms" },
    ]),
  );
else {
  console.log(
    `${TYPES} event types, the busiest has ${HOTTEST * 100} %, events of ${BYTES} bytes, machines of ${CORES} cores`,
  );
  console.log(`| ${HEADINGS.join(" | ")} |`);
  console.log("|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|");
  for (const row of rows) console.log(rowOf(row));
}

function rowOf({ rate, place, plan }: Row): string {
  const { landing } = plan;
  const cells = [
    rate.toLocaleString("en-US"),
    place,
    plan.doors === 0 ? "the same" : plan.doors,
    plan.landers,
    plan.machines,
    plan.brokerCores.toFixed(1),
    `${(landing.cpu * 100).toFixed(0)}; ${(landing.lanes * 100).toFixed(0)} %`,
    `${(landing.p50Ms / 1_000).toFixed(2)}; ${(landing.p99Ms / 1_000).toFixed(2)} s`,
    `${landing.backlogS.toFixed(1)} s`,
    plan.logMBs.toFixed(1),
    `${plan.writesPerSecond.toFixed(0)}; ${plan.readsPerSecond.toFixed(0)}`,
    plan.fullFirst,
  ];
  return `| ${cells.join(" | ")} |`;
}
