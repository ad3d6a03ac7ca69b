/** The short form of `npm run proof:job-kills`. */
import { expect, test } from "vitest";
import { runJobKills } from "../proofs/job-kills.ts";

test(
  "jobs killed at random moments: tables and sinks hold what the batch gives",
  { timeout: 600_000 },
  async () => {
    const result = await runJobKills({ kills: 5, seed: 2 });
    expect(result.kills).toBe(5);
    expect(result.whole).toBeGreaterThan(0);
    expect(result.engines).toBeGreaterThan(0);
    expect(result.results).toBeGreaterThan(10);
    expect(result.followed).toBeGreaterThan(0);
    expect(result.corrections).toBeGreaterThan(0);
  },
);
