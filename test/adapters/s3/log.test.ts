import { describe, test } from "vitest";
import type { S3LogOptions } from "../../../adapters/s3/log.ts";
import { logCasesFor } from "../../conformance/log.ts";
import type { LogHarness } from "../../conformance/log-harness.ts";
import { runHistory } from "../../conformance/log-history.ts";
import { manyProcesses, memoryStore, s3LogHarness } from "./s3-harness.ts";

const DEFAULTS: Partial<S3LogOptions> = {};
const VARIANTS: readonly (readonly [string, Partial<S3LogOptions>])[] = [
  ["default limits", DEFAULTS],
  ["nothing cached, few batches per group", { cacheBytes: 0, groupBytesMax: 300 }],
];

function harness(limits: Partial<S3LogOptions>): LogHarness {
  return s3LogHarness(memoryStore, limits);
}

describe.each(VARIANTS)("conformance over memory, %s", (_name, limits) => {
  const { abilities } = harness(limits);
  // oxlint-disable-next-line vitest/valid-title -- they are strings
  for (const [name, run] of logCasesFor(abilities)) test(name, () => run(harness(limits)));
});

test.each(VARIANTS)("random histories equal the model, %s", async (_name, limits) => {
  for (let seed = 1; seed <= 30; seed++) await runHistory(harness(limits), { seed, steps: 60 });
});

describe("several processes as one log", () => {
  for (const [name, run] of logCasesFor(harness(DEFAULTS).abilities))
    // oxlint-disable-next-line vitest/valid-title -- they are strings
    test(name, () => run(manyProcesses()));
});

test("random histories of several processes equal the model", async () => {
  for (let seed = 1; seed <= 30; seed++) await runHistory(manyProcesses(), { seed, steps: 60 });
});
