/** The short form of `npm run proof:kill-cycles`: a few kills at random moments, everything checked at the end. */
import { expect, onTestFinished, test } from "vitest";
import { runKillCycles } from "../proofs/kill-cycles.ts";
import { startS3 } from "../services/versitygw.ts";

const CYCLES = 8;

test.each(["a directory", "S3"])(
  `${CYCLES} kills at random moments, the lake in %s`,
  { timeout: 300_000 },
  async (place) => {
    const server = place === "S3" ? await startS3() : undefined;
    if (server) onTestFinished(() => server.stop());
    const result = await runKillCycles({ cycles: CYCLES, seed: 4, ...(server ? { server } : {}) });
    const kills = Object.values(result.kills).reduce((sum, count) => sum + count, 0);
    expect(kills + result.cleanStops).toBe(CYCLES);
    // Kills while it starts, and while it works; and work that was done.
    expect(result.kills.recovering).toBeGreaterThan(0);
    expect(result.kills.landing).toBeGreaterThan(0);
    expect(result.events).toBeGreaterThan(500);
  },
);
