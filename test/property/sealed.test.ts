/**
 * Landing whose id sets are sealed all the time equals the same model as ever: what a part leaves open is settled by
 * the lake. `MUARA_SEED=n` replays a history, `MUARA_SEEDS=n` runs that many.
 */
import { expect, test } from "vitest";
import { ADMIT_UNSETTLED, type IdentitySet } from "../../core/kernel-set.ts";
import type { Kernel } from "../../core/kernel.ts";
import { noCounts, runLandingHistory } from "./landing-history.ts";
import type { Plant } from "./landing-world.ts";

const SEEDS = Number(process.env["MUARA_SEEDS"] ?? 60);
const first = process.env["MUARA_SEED"];

const counts = { looks: 0, seals: 0, unsettled: 0 };

function over<Target extends object>(target: Target, changed: Partial<Target>): Target {
  return new Proxy(target, {
    get: (_, name) => {
      if (name in changed) return Reflect.get(changed, name) as unknown;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

/** Whatever may be sealed is, at once; now and then without a filter. */
function sealAll(set: IdentitySet, seed: number): void {
  if (set.tentative > 0) return;
  for (const [place, { size }] of set.generations().entries()) {
    const look = seed + counts.looks++;
    if (size === 0 || look % 5 === 0) continue;
    expect(set.seal(place, look % 7 === 0)).toBe(true);
    counts.seals++;
  }
}

function sealing(seed: number): Plant {
  return (ports) => ({
    ...ports,
    kernel: over<Kernel>(ports.kernel, {
      createIdentitySet: (options) => {
        const set = ports.kernel.createIdentitySet(options);
        return over(set, {
          keep: () => {
            set.keep();
            sealAll(set, seed);
          },
          insert: (...rows) => {
            set.insert(...rows);
            sealAll(set, seed);
          },
          importGeneration: (...entries) => {
            const isDone = set.importGeneration(...entries);
            sealAll(set, seed);
            return isDone;
          },
          admit: (...rows) => {
            const answers = set.admit(...rows);
            for (const answer of answers) if (answer === ADMIT_UNSETTLED) counts.unsettled++;
            return answers;
          },
        });
      },
    }),
  });
}

test("every accepted event has exactly one fate while ids are sealed", { timeout: 600_000 }, async () => {
  const audit = noCounts();
  const run = async (seed: number): Promise<unknown> => runLandingHistory(seed, audit, sealing(seed));
  if (first !== undefined) {
    await run(Number(first));
    return;
  }
  for (let seed = 1; seed <= SEEDS; seed++) await run(seed);
  console.log(`${SEEDS} histories: ${JSON.stringify({ ...audit, ...counts })}`);
  expect(audit.duplicates).toBeGreaterThan(SEEDS);
  expect(counts.seals).toBeGreaterThan(SEEDS * 5);
  expect(counts.unsettled).toBeGreaterThan(SEEDS);
});
