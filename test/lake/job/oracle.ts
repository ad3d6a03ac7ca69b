/** A job that runs step by step gives the rows that its SELECT gives at once, whatever happens on the way. */
import { isDeepStrictEqual } from "node:util";
import type { DuckDBConnection } from "@duckdb/node-api";
import * as fc from "fast-check";
import type { JobPlan } from "../../../lake/job/plan.ts";
import { planJob } from "../../../lake/job/plan-job.ts";
import { JobEngine, openEngine, runBatch } from "./job-engine.ts";
import { CONSTRUCTS, jobText, sizes } from "./job-texts.ts";
import { TABLES, worlds } from "./job-world.ts";

export const cases = (names: readonly string[]): fc.Arbitrary<Parameters<typeof runCase>[0]> =>
  fc.record({ construct: fc.constantFrom(...names), sizes, world: worlds });

interface Case {
  readonly construct: string;
  readonly sizes: Parameters<(typeof CONSTRUCTS)[string]>[0];
  readonly world: Parameters<typeof runBatch>[1];
}

export interface OracleCount {
  cases: number;
  rows: number;
  corrections: number;
}

/** @throws where a row is missing, too many, or state is left over */
export async function runCase({ construct, sizes: given, world }: Case, count: OracleCount): Promise<void> {
  const text = jobText(CONSTRUCTS[construct]!(given), given.lateness);
  const planned = await planJob(text, TABLES, await engineFor("plan"));
  if (planned.kind === "refused") throw new Error(`${construct}: ${JSON.stringify(planned.refusal)}`);
  const streamed = await new JobEngine(planned.plan, world, await engineFor("job")).live();
  const batch = await runBatch(planned.plan, world, await engineFor("batch"));
  count.cases += 1;
  count.rows += batch.length;
  count.corrections += streamed.corrections.length;
  const missing = without(batch, streamed.released);
  const extra = without(streamed.released, batch);
  if (missing.length + extra.length > 0)
    throw new Error(
      `${construct}: ${JSON.stringify({ missing, extra, released: streamed.released }, null, 1)}`,
    );
  if (streamed.kept > leftOver(planned.plan))
    throw new Error(`${construct}: ${streamed.kept} rows of state are left`);
  if (!isDeepStrictEqual(streamed.released, batch)) throw new Error(`${construct}: not the same`);
}

/** Of an as-of join the newest right row of each key stays: of `k` there are two values, of `n` nine. */
function leftOver({ kind }: JobPlan): number {
  return kind === "asof" ? 18 : 0;
}

/** EXCEPT ALL. */
function without(rows: readonly string[], others: readonly string[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const row of others) counts.set(row, (counts.get(row) ?? 0) + 1);
  return rows.filter((row) => {
    const left = counts.get(row) ?? 0;
    counts.set(row, left - 1);
    return left <= 0;
  });
}

/** Engines are opened once; what a case leaves in them the next one replaces. */
const engines = new Map<string, Promise<DuckDBConnection>>();
function engineFor(use: string): Promise<DuckDBConnection> {
  if (!engines.has(use)) engines.set(use, openEngine());
  return engines.get(use)!;
}
