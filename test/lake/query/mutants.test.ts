/** A thousand mutants of the escapes; ten thousand by `npm run proof:sql-gate`. */
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { env } from "node:process";
import { expect, test } from "vitest";
import { makeGuardedLake } from "./guarded-lake.ts";
import { Mutator, runMutants } from "./mutants.ts";

const SEED = Number(env["MUARA_TEST_SEED"] ?? 20_261_121);
const COUNT = 1_000;

test("a thousand mutants of the escapes read and write nothing", async () => {
  const guarded = await makeGuardedLake();
  const folder = await mkdtemp(path.join(os.tmpdir(), "muara-mutants-"));
  try {
    const result = await runMutants(guarded, folder, { seed: SEED, count: COUNT });
    console.log(`seed ${SEED}: ${JSON.stringify(result)}`);
    expect(result.escaped).toEqual([]);
    // They are not all nonsense: some parse and answer, and some would have passed the gate.
    expect(result.outcomes["answer"]).toBeGreaterThan(COUNT / 50);
    expect(result.passed).toBeGreaterThan(COUNT / 100);
  } finally {
    await guarded.close();
    await rm(folder, { recursive: true, force: true });
  }
}, 300_000);

test("mutants are those of their seed, and differ", () => {
  expect(breed(7)).toEqual(breed(7));
  expect(new Set([...breed(7), ...breed(8)]).size).toBeGreaterThan(60);
});

function breed(seed: number): string[] {
  const mutator = new Mutator(seed, ["SELECT * FROM orders", "FROM read_text('x')"]);
  return Array.from({ length: 50 }, () => mutator.next());
}
