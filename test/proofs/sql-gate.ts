/**
 * `npm run proof:sql-gate -- [--mutants 10000] [--seed N]`: the long form of test/lake/query/mutants.test.ts. Mutants
 * of the SQL escapes, judged by the gate and run without it behind the walls of a query process: no canary comes out,
 * no file changes.
 */
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { makeGuardedLake } from "../lake/query/guarded-lake.ts";
import { runMutants } from "../lake/query/mutants.ts";

const TELL_EVERY = 1_000;

const { values } = parseArgs({
  options: { mutants: { type: "string", default: "10000" }, seed: { type: "string", default: "1" } },
});
const [count, seed] = [Number(values.mutants), Number(values.seed)];
const folder = await mkdtemp(path.join(os.tmpdir(), "muara-sql-gate-"));
const guarded = await makeGuardedLake();
console.log(`seed ${seed}, ${count} mutants`);
const result = await runMutants(guarded, folder, {
  seed,
  count,
  progress: (done) => {
    if (done % TELL_EVERY === 0) console.log(`${done} done`);
  },
});
await guarded.close();
await rm(folder, { recursive: true, force: true });
const { escaped, passed, outcomes, starts, isConfined } = result;
console.log(
  `${isConfined ? "behind the walls, raw" : "without walls, one SELECT only"}: ${JSON.stringify(outcomes)}`,
);
console.log(`${passed} would have passed the gate, ${starts} processes, ${escaped.length} escapes`);
for (const one of escaped) console.log(one);
process.exitCode = escaped.length === 0 ? 0 : 1;
