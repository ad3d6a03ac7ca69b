import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, test } from "vitest";
import { type FileLogLimits, openFileLog } from "../../../adapters/file/log.ts";
import { ManualClock, seededRandomness } from "../../../core/clock.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { Log } from "../../../core/ports/log.ts";
import { logCasesFor, type LogHarness } from "../../conformance/log.ts";
import { runHistory } from "../../conformance/log-history.ts";

const root = await mkdtemp(join(tmpdir(), "muara-log-"));
afterAll(() => rm(root, { recursive: true, force: true }));
let directories = 0;

function harness(limits: Partial<FileLogLimits>): LogHarness {
  const clock = new ManualClock(1_700_000_000_000);
  const randomness = seededRandomness(1);
  const directory = join(root, `${directories++}`);
  const open = (): Promise<Log> =>
    openFileLog({ directory, clock, randomness, logger: silentLogger, ...limits });
  const reopen = async (log: Log): Promise<Log> => {
    await log.close();
    return open();
  };
  return { clock, open, reopen, abilities: ["clock", "reopen", "producers", "retention", "accepted"] };
}

/** Every way of storing and reading must show the same log. */
const VARIANTS: readonly (readonly [string, Partial<FileLogLimits>])[] = [
  ["default limits", {}],
  ["tiny segments, nothing cached", { segmentBytes: 1500, cacheBytes: 0, openSegmentsMax: 2 }],
  ["a segment per group", { segmentBytes: 0 }],
  ["one segment, nothing cached", { cacheBytes: 0 }],
];

for (const [variant, limits] of VARIANTS)
  describe(`conformance, ${variant}`, () => {
    // oxlint-disable-next-line vitest/valid-title -- they are strings
    for (const [name, run] of logCasesFor(harness({}).abilities)) test(name, () => run(harness(limits)));

    test("random histories equal the model", async () => {
      for (let seed = 1; seed <= 8; seed++) await runHistory(harness(limits), { seed, steps: 50 });
    });
  });
