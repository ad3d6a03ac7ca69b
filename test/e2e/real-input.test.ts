/** The short form of `npm run proof:real-input`: a small generated file of the same shape, with and without kills. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { runReplay } from "../../bench/replay.ts";
import { writeOrderFile } from "../proofs/order-file.ts";
import { temporaryFolder } from "../services/muara.ts";

const ROWS = 5_000;
const KILLS = 3;

test(`${ROWS} rows with ${KILLS} kills: the file's rows, exactly`, { timeout: 120_000 }, async () => {
  const folder = await temporaryFolder("real-input");
  const file = join(folder.path, "orders.parquet");
  await writeOrderFile(file, ROWS);
  const result = await runReplay({ file, kills: KILLS, seed: 7, rate: 4_000 });
  await folder.remove();
  // The replay has compared everything; here is what it must have met to be worth something.
  expect(result.restartMs.length).toBe(KILLS);
  expect(result.books.landed).toBe(ROWS);
  expect(result.books.duplicates).toBeGreaterThanOrEqual(result.plan.resends);
  expect(result.plan.resends).toBeGreaterThan(ROWS / 30);
  expect(result.plan.unlandable.size).toBeGreaterThan(ROWS / 200);
  expect(result.plan.refusals.size).toBeGreaterThan(8);
  expect(result.compared.values).toBeGreaterThan(ROWS / 2);
});
