/** Runs every bench, one after another, each in a process of its own. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const BENCHES = [
  "kernel",
  "encoder",
  "schema",
  "types",
  "log",
  "ingest",
  "land",
  "compact",
  "capture",
  "current",
  "query",
  "start",
  "rebuild",
  "ods",
  "ods-latency",
  "table",
  "settle",
  "freshness",
  "backlog",
  "jobs",
  "jobs-peers",
];

let failures = 0;
for (const bench of BENCHES) {
  if (!process.argv.includes("--json")) console.log(`\n── ${bench}`);
  const file = fileURLToPath(new URL(`${bench}.ts`, import.meta.url));
  const { status } = spawnSync(process.execPath, [file, ...process.argv.slice(2)], { stdio: "inherit" });
  if (status !== 0) failures++;
}
process.exitCode = failures > 0 ? 1 : 0;
