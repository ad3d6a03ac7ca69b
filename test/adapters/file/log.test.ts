import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, test } from "vitest";
import { type FileLogLimits, openFileLog } from "../../../adapters/file/log.ts";
import { systemDisk } from "../../../adapters/file/disk.ts";
import { ManualClock, seededRandomness } from "../../../core/clock.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { Log } from "../../../core/ports/log.ts";
import { logCasesFor } from "../../conformance/log.ts";
import type { LogHarness } from "../../conformance/log-harness.ts";
import { runHistory } from "../../conformance/log-history.ts";
import { quickDisk, quickRoot } from "./log-disks.ts";

const slowRoot = await mkdtemp(join(tmpdir(), "muara-log-"));
const root = await mkdtemp(join(quickRoot, "muara-log-"));
afterAll(() => Promise.all([slowRoot, root].map((path) => rm(path, { recursive: true, force: true }))));
let directories = 0;

/** With `isDurable` on a real disk with every sync. */
function harness(limits: Partial<FileLogLimits>, isDurable = false): LogHarness {
  const clock = new ManualClock(1_700_000_000_000);
  const randomness = seededRandomness(1);
  const directory = join(isDurable ? slowRoot : root, `${directories++}`);
  const disk = isDurable ? systemDisk : quickDisk;
  const open = (): Promise<Log> =>
    openFileLog({ directory, clock, randomness, logger: silentLogger, disk, ...limits });
  const reopen = async (log: Log): Promise<Log> => {
    await log.close();
    return open();
  };
  return {
    clock,
    open,
    reopen,
    abilities: ["clock", "reopen", "producers", "retention", "accepted", "erase"],
  };
}

const DEFAULTS: Partial<FileLogLimits> = {};

/** Every way of storing and reading must show the same log. */
const VARIANTS: readonly (readonly [string, Partial<FileLogLimits>])[] = [
  ["default limits, with syncs", DEFAULTS],
  ["tiny segments, nothing cached", { segmentBytes: 1500, cacheBytes: 0, openSegmentsMax: 2 }],
  ["a segment per group", { segmentBytes: 0 }],
  ["one segment, nothing cached", { cacheBytes: 0 }],
];

for (const [variant, limits] of VARIANTS)
  describe(`conformance, ${variant}`, () => {
    for (const [name, run] of logCasesFor(harness({}).abilities))
      // oxlint-disable-next-line vitest/valid-title -- they are strings
      test(name, () => run(harness(limits, limits === DEFAULTS)));

    test("random histories equal the model", async () => {
      for (let seed = 1; seed <= 8; seed++) await runHistory(harness(limits), { seed, steps: 50 });
    });
  });
