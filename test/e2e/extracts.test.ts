/** The short form of `npm run proof:extracts`: both sides of an extract killed where it matters, and one erasure. */
import { expect, onTestFinished, test } from "vitest";
import { runExtracts } from "../proofs/extracts.ts";
import { startS3 } from "../services/versitygw.ts";

test.each(["a directory", "S3"])(
  "a consumer and a maker that are killed, and late data, end with exactly the rows, the lake in %s",
  { timeout: 600_000 },
  async (place) => {
    const server = place === "S3" ? await startS3() : undefined;
    if (server) onTestFinished(() => server.stop());
    const result = await runExtracts({ seconds: 0, seed: 7, ...(server ? { server } : {}) });
    expect(result.unpublished).toBeGreaterThan(0);
    expect(result.consumer.inFile + result.consumer.beforeVersion).toBeGreaterThan(0);
    expect(result.audited + result.unreadable).toBe(result.windows);
    expect(result.audited).toBeGreaterThan(0);
    expect(result.reasons["late events"]).toBeGreaterThan(0);
    expect(result.reasons["erasure"]).toBeGreaterThan(0);
    expect(result.rows).toBeGreaterThan(20);
  },
);
