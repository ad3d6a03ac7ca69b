import { describe, expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import { Dice } from "../core-as/documents.ts";
import { emptyTally, live } from "../core-as/pane-history.ts";
import { testKernel } from "../core-as/support.ts";

const SEED = Number(process.env["SEED"] ?? 20_260_411);
/** The proof takes 20,000; here are as many as take a few seconds. */
const HISTORIES = Number(process.env["PANE_HISTORIES"] ?? 400);

describe("histories", () => {
  test(
    "random ones equal what their raw rows give, however batched, restored or short of memory",
    () => {
      const tally = emptyTally();
      let kernel = testKernel();
      for (let history = 0; history < HISTORIES; history++) {
        if (history % 500 === 0) kernel = testKernel();
        const seed = SEED + history;
        live(kernel, new Dice(seededRandomness(seed)), `seed ${seed} alone`, tally);
      }
      console.log(`${HISTORIES} histories: ${JSON.stringify(tally)}`);
      for (const count of Object.values(tally)) expect(count).toBeGreaterThan(HISTORIES / 10);
    },
    4 * 3_600_000,
  );
});
