/**
 * `npm run proof:encoder -- [--rounds 10] [--seed N]`: the tests of the encoder with a thousand schemas a round, each
 * round with a seed of its own. The kernel's files against those of the plain encoder, by DuckDB; against what pyarrow
 * and Spark read; and round trips against the slow reference. `--only spark` runs one of them (a file's name).
 */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { parseArgs } from "node:util";

const NAMES = ["kernel-encoder", "pyarrow", "round-trip", "spark"];
const ROUND = { ENCODER_RUNS: "1000", ENCODER_FILES: "400", ROUND_TRIP_RUNS: "500", SPARK_FILES: "1000" };

const { values } = parseArgs({
  options: { rounds: { type: "string" }, seed: { type: "string" }, only: { type: "string" } },
});
const files = NAMES.filter((name) => name === (values.only ?? name)).map(
  (name) => `test/lake/parquet/${name}.test.ts`,
);
if (files.length === 0) throw new Error(`--only names none of ${NAMES.join(", ")}`);
const rounds = Number(values.rounds ?? 10);
const first = Number(values.seed ?? 1);
for (let round = 0; round < rounds; round++) {
  const seed = String(first + round);
  const args = ["vitest", "run", "--project", "parts", "--testTimeout", "3600000", ...files];
  const run = spawnSync("npx", args, {
    env: { ...ROUND, ...process.env, MUARA_TEST_SEED: seed },
    encoding: "utf8",
  });
  console.log(`seed ${seed}: ${run.status === 0 ? "no difference" : "FAILED"}`);
  if (run.status !== 0) {
    console.error(`${run.stdout}\n${run.stderr}`);
    process.exitCode = 1;
    break;
  }
}
