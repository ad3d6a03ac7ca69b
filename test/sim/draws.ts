/** How a simulated world is configured, and which errors its faults explain. */
import type { Randomness } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type { LandOptions } from "../../workers/land/options.ts";
import { pick } from "./events.ts";
import { DiskFault } from "./sim-disk.ts";

const HOUR_MS = 3_600_000;

/** Whether an error comes from the faults. */
export function isForeseen(error: unknown): boolean {
  if (error instanceof DiskFault || (error instanceof MuaraError && error.retryable)) return true;
  return error instanceof Error && error.cause !== undefined && isForeseen(error.cause);
}

export function drawOptions(random: Randomness): LandOptions {
  const isShort = random.fraction() < 0.3;
  return {
    commitMs: pick(random, [300, 1_000, 3_000]),
    commitBytes: pick(random, [600, 3_000, 1 << 20]),
    commitRows: pick(random, [4, 12, 1_000]),
    horizonMs: isShort ? 2 * HOUR_MS : 48 * HOUR_MS,
    imageIds: pick(random, [1, 4, 250_000]),
    imageCommits: pick(random, [1, 3, 1_000]),
    commitMsMax: 3_000,
    commitsPerSecond: pick(random, [0.5, 2, 1_000]),
    generationMs: isShort ? HOUR_MS / 2 : 12 * HOUR_MS,
    disorderMs: 5_000,
    idleAfterMs: pick(random, [2_000, 10_000, 60_000]),
    skewMs: HOUR_MS,
    eventBytes: 20_000,
    depth: 16,
  };
}
