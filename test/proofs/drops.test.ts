/** The short form of `npm run proof:drops`: two volumes, one series of each. */
import { expect, test } from "vitest";
import { CONTENDERS, LONG, medianDelayMinutes, pooled, runDropsProof } from "./drops.ts";
import { DROP_KINDS } from "./drop-series.ts";

const SEED = Number(process.env["SEED"] ?? 20_261_121);
const BUDGET = 1;

test("at equal false alerts a week nobody finds more drops, nor half of them sooner", () => {
  const plan = { ...LONG, seed: SEED, volumes: [5, 1_000], seriesPerVolume: 1, trainedWeeks: 14, weeks: 24 };
  const results = runDropsProof(plan);
  const ours = pooled(results, "ours", BUDGET);
  expect(DROP_KINDS.every((kind) => ours.kinds[kind].drops > 0)).toBe(true);
  expect(ours.falseAlerts / ours.weeks).toBeLessThanOrEqual(2 * BUDGET);
  for (const { name } of CONTENDERS.slice(2)) {
    const rival = pooled(results, name, BUDGET);
    expect(rival.drops).toBe(ours.drops);
    expect([name, rival.found <= ours.found, rival.found, ours.found]).toContain(true);
    expect([name, medianDelayMinutes(ours) <= medianDelayMinutes(rival)]).toContain(true);
  }
});
