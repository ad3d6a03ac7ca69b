/**
 * The model of `bench:scale` against what it is a model of: landing itself in virtual time, in which its waits are
 * those of its pacing alone; CPU of many commits that was measured; and what must hold of any plan.
 */
import { describe, expect, test } from "vitest";
import { quantile } from "../../bench/result.ts";
import { NOTHING, ON_DISK, ON_KAFKA_AND_S3 } from "../../bench/scale-costs.ts";
import { PACING, planFor, simulateLanding } from "../../bench/scale-model.ts";
import { runTrickle } from "../../bench/trickle-run.ts";

/** Within so much of each other. */
function expectNear(modelled: number, measured: number, share: number, what: string): void {
  expect(
    Math.abs(modelled / measured - 1),
    `${what}: ${modelled} modelled, ${measured} measured`,
  ).toBeLessThan(share);
}

describe("waits of landing in virtual time", () => {
  test.each([
    ["a busy type", 1, 200, 20, {}],
    ["twenty types, each commit its own", 20, 2, 20, {}],
    ["beyond the commit budget", 60, 1, 30, { commitsPerSecond: 20 }],
  ])("%s", { timeout: 120_000 }, async (_, types, eventsPerSecond, seconds, land) => {
    const { waitedMs } = await runTrickle({ types, eventsPerSecond, seconds, land });
    const rates = Array.from({ length: types }, () => eventsPerSecond);
    const modelled = simulateLanding(rates, NOTHING, { ...PACING, ...land });
    expectNear(modelled.p50Ms, quantile(waitedMs, 0.5), 0.35, "p50");
    expectNear(modelled.p99Ms, quantile(waitedMs, 0.99), 0.35, "p99");
  });
});

test("CPU of commits, as measured: 300 types against one, ten events a second each, a commit each ten seconds", () => {
  // bench:many-types, ROUNDS=1 TYPES=300 SECONDS=20, 23 November 2026: µs an event, and the same in one type.
  const [many, one] = [270.7, 139.0];
  const pacing = { ...PACING, commitMs: 10_000 };
  const cpuUs = (types: number): number => {
    const rates = Array.from({ length: types }, () => 3_000 / types);
    return (simulateLanding(rates, ON_DISK, pacing).cpu * 1e6) / 3_000;
  };
  expectNear(cpuUs(300) - cpuUs(1), many - one, 0.2, "µs of an event");
});

describe("plans", () => {
  const load = { eventBytes: 500, types: 50, hottestShare: 0.2 };
  const at = (eventsPerSecond: number): ReturnType<typeof planFor> =>
    planFor({ ...load, eventsPerSecond }, ON_KAFKA_AND_S3);

  test("more events need no fewer of anything", () => {
    const plans = [1_000, 10_000, 100_000, 300_000, 1_000_000].map(at);
    for (const [i, plan] of plans.entries()) {
      const before = plans[i - 1] ?? plan;
      for (const part of ["doors", "landers", "machines", "hottestParts", "logMBs", "brokerCores"] as const)
        expect(plan[part]).toBeGreaterThanOrEqual(before[part]);
      expect(plan.landing.backlogS).toBeLessThan(30);
    }
  });

  test("a table that is too much for its process falls behind, and is to be split", () => {
    const rate = 150_000;
    const alone = simulateLanding([rate], ON_KAFKA_AND_S3);
    expect([alone.lanes > 0.45, alone.backlogS > 5]).toEqual([true, true]);
    const plan = planFor({ ...load, eventsPerSecond: rate, types: 2, hottestShare: 0.99 }, ON_KAFKA_AND_S3);
    expect(plan.hottestParts).toBeGreaterThan(1);
    expect(plan.fullFirst).toContain("split");
    expect(plan.landing.backlogS).toBeLessThan(5);
  });
});
