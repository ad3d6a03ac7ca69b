/**
 * Many event types, each with one event a second: what landing and the projections cost within the commit budget of
 * 100 commits/s, and as the reference without one (`npm run bench:trickle`, `--json` for one object).
 */
import process from "node:process";
import { printResult, quantile } from "./result.ts";
import { runTrickle } from "./trickle-run.ts";

const UNLIMITED = 1_000_000;
const trickle = {
  types: Number(process.env["TYPES"] ?? 300),
  eventsPerSecond: 1,
  seconds: Number(process.env["SECONDS"] ?? 30),
};

const within = await runTrickle({ ...trickle, land: { commitsPerSecond: 100 } });
const without = await runTrickle({ ...trickle, land: { commitsPerSecond: UNLIMITED } });
printResult("trickle", [
  { name: "event types with an event a second", value: trickle.types, unit: "" },
  ...(["cpuS", "commits", "syncs"] as const).map((name) => ({
    name: {
      cpuS: "CPU",
      commits: "commits, projections included",
      syncs: "syncs of files and folders of the lake",
    }[name],
    value: within[name] / trickle.seconds,
    unit: name === "cpuS" ? "s/s" : "/s",
    reference: without[name] / trickle.seconds,
    ratio: without[name] / within[name],
  })),
  ...[0.5, 0.99, 1].map((share) => ({
    name: `wait from append to commit, ${share === 1 ? "longest" : `p${share * 100}`}`,
    value: quantile(within.waitedMs, share),
    unit: "ms",
    reference: quantile(without.waitedMs, share),
  })),
]);
