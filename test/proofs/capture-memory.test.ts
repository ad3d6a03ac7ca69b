/** The short form of `npm run proof:capture-memory`: less, and still more than may be held. */
import { expect, test } from "vitest";
import { MEMORY_MB_MAX, runCaptureMemory } from "./capture-memory.ts";

test("a transaction larger than memory is captured within it", { timeout: 240_000 }, async () => {
  const { peakMb, payloadBytes } = await runCaptureMemory({ megabytes: 400, seed: 1 });
  expect(payloadBytes).toBeGreaterThan(400_000_000);
  expect(peakMb).toBeLessThan(MEMORY_MB_MAX);
});
