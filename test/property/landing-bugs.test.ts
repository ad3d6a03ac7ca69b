/** The histories of landing.test.ts must find every planted bug. */
import { afterEach, expect, test, vi } from "vitest";
import { BUGS } from "./landing-bugs.ts";
import { noCounts, runLandingHistory } from "./landing-history.ts";

const SEEDS_MAX = 300;

afterEach(() => vi.restoreAllMocks());

test.each(BUGS)("found: %s", async (_, plant) => {
  let found: Error | undefined;
  let seed = 0;
  while (!found && seed < SEEDS_MAX) {
    try {
      await runLandingHistory(++seed, noCounts(), plant);
    } catch (error) {
      found = error as Error;
    }
  }
  expect(found, `not found in ${SEEDS_MAX} histories`).toBeDefined();
  let cause: unknown = found;
  while (cause instanceof Error && cause.cause !== undefined) cause = cause.cause;
  console.log(`seed ${seed}: ${String(cause).split("\n")[0]}`);
});
