/** Short forms of `npm run proof:job-states`. */
import { expect, it } from "vitest";
import { runSliding, runSoaks } from "./job-states.ts";

it(
  "keeps windows of 48 hours over many keys in little memory, and their results right",
  { timeout: 60_000 },
  async () => {
    const result = await runSliding({ seed: 3, hours: 1, perMinute: 60 });
    expect(result.windowsCompared).toBeGreaterThan(0);
    expect(result.resultRows).toBeGreaterThan(1_000);
  },
);

it("keeps no more rows of state the longer it runs", { timeout: 90_000 }, async () => {
  const { sessions } = await runSoaks({ seed: 3, hours: 2, perMinute: 20, only: ["sessions"] });
  expect(sessions!.stored).toHaveLength(2);
  expect(sessions!.stored[1]).toBeGreaterThan(0);
  expect(sessions!.stored[1]).toBeLessThan(2 * 20 * 60);
});
