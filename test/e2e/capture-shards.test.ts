/** The short form of `npm run proof:capture`: two servers, a few kills, a crash of each, a store that goes away. */
import { expect, test } from "vitest";
import { runCapture } from "../proofs/capture.ts";

test("captured shards end as their sources, whatever is killed", { timeout: 300_000 }, async () => {
  const result = await runCapture({ seconds: 20, shards: 2, kills: 4, rate: 60, seed: 5 });
  expect(result.kills).toBe(4);
  expect(result.serverCrashes).toBe(2);
  expect(result.storeAwaySeconds).toBeGreaterThanOrEqual(8);
  expect(result.transactionsCompared).toBeGreaterThan(500);
  expect(result.changes).toBe(result.transactionsCompared * 4);
  expect(result.copied).toBeGreaterThanOrEqual(200_000);
  expect(result.rows).toBeGreaterThan(200_000);
});
