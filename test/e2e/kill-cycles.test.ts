/** The short form of `npm run proof:kill-cycles`: a few kills at random moments, everything checked at the end. */
import { expect, test } from "vitest";
import { runKillCycles } from "../proofs/kill-cycles.ts";

const CYCLES = 8;

test(`${CYCLES} kills at random moments`, { timeout: 300_000 }, async () => {
  const result = await runKillCycles({ cycles: CYCLES, seed: 4 });
  const kills = Object.values(result.kills).reduce((sum, count) => sum + count, 0);
  expect(kills + result.cleanStops).toBe(CYCLES);
  // Kills while it starts, and while it works; and work that was done.
  expect(result.kills.recovering).toBeGreaterThan(0);
  expect(result.kills.landing).toBeGreaterThan(0);
  expect(result.events).toBeGreaterThan(500);
});
