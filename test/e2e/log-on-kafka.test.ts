/** The short form of `npm run proof:scale-out`: fewer event types, each kind of process killed once, all audited. */
import { expect, test } from "vitest";
import { runScaleOut } from "../proofs/scale-out.ts";

test(
  "several processes land from Kafka on S3; one of each kind is killed, and the broker",
  { timeout: 400_000 },
  async () => {
    const result = await runScaleOut({
      seconds: 6,
      pauseMs: [500, 1_500],
      seed: 20_261_122,
      types: 4,
      eventsPerSecond: 1_000,
      takeoverMs: 20_000, // five seconds where nothing else runs: the long form holds them
    });
    console.log(JSON.stringify(result));
    expect(Object.values(result.kills).every((count) => count > 0)).toBe(true);
    // The dead one had tables, and others took them.
    expect(result.moved.some((tables) => tables > 0)).toBe(true);
    expect(result.events).toBeGreaterThan(2_000);
    expect(result.duplicates).toBeGreaterThan(0);
  },
);
