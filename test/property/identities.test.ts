/** The id set is a function of the table version. `MUARA_SEED=n` replays a history, `MUARA_SEEDS=n` runs that many. */
import { expect, test } from "vitest";
import { IdentitiesAudit } from "./identities-audit.ts";
import { noCounts, runLandingHistory } from "./landing-history.ts";

const SEEDS = Number(process.env["MUARA_SEEDS"] ?? 40);
const first = process.env["MUARA_SEED"];

test("live, from an image and rebuilt, the id set is the same", { timeout: 600_000 }, async () => {
  const counts = { looks: 0, images: 0, ids: 0 };
  const run = async (seed: number): Promise<void> => {
    const audit = new IdentitiesAudit(counts);
    await runLandingHistory(seed, noCounts(), audit.plant, audit.observe);
  };
  if (first !== undefined) {
    await run(Number(first));
    return;
  }
  for (let seed = 1; seed <= SEEDS; seed++) await run(seed);
  console.log(`${SEEDS} histories: ${JSON.stringify(counts)}`);
  expect(counts.looks).toBeGreaterThan(SEEDS * 3);
  expect(counts.images).toBeGreaterThan(SEEDS * 2);
  expect(counts.ids).toBeGreaterThan(SEEDS * 20);
});
