/** Landing under faults: `MUARA_SEED=n` replays one history, `MUARA_SEEDS=n` runs that many. */
import { expect, test } from "vitest";
import { noCounts, runLandingHistory } from "./landing-history.ts";

const SEEDS = Number(process.env["MUARA_SEEDS"] ?? 300);
const first = process.env["MUARA_SEED"];

test("every accepted event has exactly one fate, whatever happens", { timeout: 600_000 }, async () => {
  const counts = noCounts();
  if (first !== undefined) {
    await runLandingHistory(Number(first), counts);
    return;
  }
  for (let seed = 1; seed <= SEEDS; seed++) await runLandingHistory(seed, counts);
  console.log(`${SEEDS} histories: ${JSON.stringify(counts)}`);
  // A test that does nothing proves nothing.
  expect(counts.commits).toBeGreaterThan(SEEDS * 5);
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(SEEDS / 10);
});
