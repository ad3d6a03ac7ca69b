/**
 * The long run of the jobs' oracle: `npm run proof:jobs -- [--cases 5000] [--seed N]`. Prints what it met; ends with
 * the first case, shrunk, whose steps give other rows than its batch.
 */
import * as fc from "fast-check";
import { CONSTRUCTS } from "../lake/job/job-texts.ts";
import { cases, runCase, type OracleCount } from "../lake/job/oracle.ts";
import { proofCommand } from "./proof-command.ts";

const ROUND = 250;

await proofCommand({ cases: 5_000 }, async ({ cases: wanted, seed, tell }) => {
  const counts: Record<string, OracleCount> = {};
  for (let done = 0; done < wanted; done += ROUND) {
    await fc.assert(
      fc.asyncProperty(cases(Object.keys(CONSTRUCTS)), async (one) => {
        counts[one.construct] ??= { cases: 0, rows: 0, corrections: 0 };
        await runCase(one, counts[one.construct]!);
      }),
      { numRuns: Math.min(ROUND, wanted - done), seed: seed + done },
    );
    tell?.(`${Math.min(done + ROUND, wanted)} cases`);
  }
  return counts;
});
