import process from "node:process";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { CONSTRUCTS } from "./job-texts.ts";
import { cases, runCase, type OracleCount } from "./oracle.ts";

const runs = Number(process.env["MUARA_JOB_CASES"] ?? 1_000);
const seed = Number(process.env["MUARA_JOB_SEED"] ?? 1);

it(
  `gives, step by step, the rows of the batch: ${runs} cases from seed ${seed}`,
  { timeout: 600_000 },
  async () => {
    const count: OracleCount = { cases: 0, rows: 0, corrections: 0 };
    await fc.assert(
      fc.asyncProperty(cases(Object.keys(CONSTRUCTS)), (one) => runCase(one, count)),
      { numRuns: runs, seed },
    );
    expect(count.rows).toBeGreaterThan(runs);
    expect(count.corrections).toBeGreaterThan(runs / 4);
  },
);
