/**
 * `npm run proof:crash-points`: every point of a fresh start, each with `RECOVERIES` kills in the recovery (spread
 * over its points so that each of those is met as well), in `LANES` processes at a time. Prints the figures for
 * docs/proofs/crash-points.md.
 */
import process from "node:process";
import { crashAt, findPoints, type Point } from "./crash-points.ts";

const RECOVERIES = Number(process.env["RECOVERIES"] ?? 1);
const LANES = Number(process.env["LANES"] ?? 2);

const startedMs = performance.now();
const [fresh, recovery] = [await findPoints(0), await findPoints(1)];
console.log(`points: ${countsOf(fresh)}; of a recovery: ${countsOf(recovery)}`);

const plans: (readonly Point[])[] = [];
let next = 0;
for (const point of fresh) {
  if (RECOVERIES === 0) plans.push([point]);
  for (let i = 0; i < RECOVERIES; i++) plans.push([point, recovery[next++ % recovery.length]!]);
}
// Three in a row: killed, killed in the recovery, killed in the recovery of that.
for (let i = 0; i < fresh.length; i += 20)
  plans.push([fresh[i]!, recovery[(i * 7) % recovery.length]!, recovery[(i * 13) % recovery.length]!]);

let runs = 0;
let kills = 0;
let acknowledged = 0;
const places = new Set<string>();
const faults: string[] = [];
const lane = async (): Promise<void> => {
  for (let points = plans.shift(); points; points = plans.shift()) {
    const outcome = await crashAt(points);
    runs++;
    kills += outcome.killedAt.length;
    acknowledged += outcome.acknowledged;
    for (const place of outcome.killedAt) places.add(place.replace(/ \d+ /, " "));
    for (const fault of outcome.faults) {
      faults.push(fault);
      console.log(`FAULT at ${JSON.stringify(points)} (${outcome.killedAt.join("; ")}): ${fault}`);
    }
    if (runs % 20 === 0)
      console.log(`${runs} runs, ${plans.length} to go, ${kills} kills, ${faults.length} faults`);
  }
};
await Promise.all(Array.from({ length: LANES }, lane));

console.log(`${runs} runs, ${kills} kills, ${acknowledged} batches acknowledged, ${faults.length} faults`);
console.log(`${((performance.now() - startedMs) / 1_000).toFixed(0)} s; calls and files killed at:`);
for (const place of [...places].sort((a, b) => (a < b ? -1 : 1))) console.log(`  ${place}`);
process.exitCode = faults.length > 0 ? 1 : 0;

function countsOf(points: readonly Point[]): string {
  const counts = new Map<string, number>();
  for (const { call } of points) counts.set(call, (counts.get(call) ?? 0) + 1);
  return `${points.length} (${[...counts].map(([call, count]) => `${call} ${count}`).join(", ")})`;
}
