/** The short form of `npm run proof:schemathesis`: what the OpenAPI document says, and what it does not, is sent. */
import { expect, test } from "vitest";
import { reached, runSchemathesis } from "../proofs/schemathesis.ts";

const TIMEOUT_MS = 400_000;

test(
  "no 5xx, and every answer is one that the OpenAPI document declares",
  async () => {
    const report = await runSchemathesis({ seconds: 40, examples: 2, seed: 7 });
    expect(report.hasPassed, report.output).toBe(true);
    expect(report.bugs).toEqual([]);
    // It was not turned away at the gate.
    expect(report.requests).toBeGreaterThan(150);
    expect(reached(report).length).toBeGreaterThan(40);
  },
  TIMEOUT_MS,
);
