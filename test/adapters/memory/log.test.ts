import assert from "node:assert/strict";
import { describe, test } from "vitest";
import { createMemoryLog, type MemoryLogFaults } from "../../../adapters/memory/log.ts";
import { ManualClock, seededRandomness } from "../../../core/clock.ts";
import { logCasesFor } from "../../conformance/log.ts";
import { DELETE, type LogHarness, payloadsOf, rejects, textBatch } from "../../conformance/log-harness.ts";
import { runHistory } from "../../conformance/log-history.ts";

function harness(faults: MemoryLogFaults = {}): LogHarness & { readonly clock: ManualClock } {
  const clock = new ManualClock(1_700_000_000_000);
  const randomness = seededRandomness(1);
  return {
    clock,
    open: async () => createMemoryLog({ clock, randomness, faults }),
    abilities: ["clock", "producers", "retention", "accepted", "erase"],
  };
}

describe("conformance", () => {
  const { abilities } = harness();
  // oxlint-disable-next-line vitest/valid-title -- they are strings
  for (const [name, run] of logCasesFor(abilities)) test(name, () => run(harness()));
});

test("random histories equal the model", async () => {
  for (let seed = 1; seed <= 60; seed++) await runHistory(harness(), { seed, steps: 60 });
});

test("injected faults: refused, lost and stored behind an unknown outcome", async () => {
  const faults: MemoryLogFaults = {};
  const log = await harness(faults).open();
  await log.createStream("s", DELETE);
  faults.onAppend = (_, partition) => (partition === 0 ? "lost_unknown" : "stored_unknown");
  await rejects(log.append("s", 0, textBatch("lost")), "log.append_unknown");
  await rejects(log.append("s", 1, textBatch("stored")), "log.append_unknown");
  faults.onAppend = () => "overloaded";
  await rejects(log.append("s", 0, textBatch("no")), "log.overloaded");
  faults.onAppend = () => "full";
  await rejects(log.append("s", 0, textBatch("no")), "log.full");
  delete faults.onAppend;
  assert.deepEqual([await payloadsOf(log, "s", 0), await payloadsOf(log, "s", 1)], [[], ["stored"]]);
});

test("injected delays: a read waits on the log's clock", async () => {
  const faults: MemoryLogFaults = { readDelayMs: () => 50 };
  const { clock, open } = harness(faults);
  const log = await open();
  await log.createStream("s", DELETE);
  await log.append("s", 0, textBatch("a"));
  let isDone = false;
  const read = log.read("s", 0, 0, 100).finally(() => (isDone = true));
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(isDone, false);
  clock.advance(50);
  assert.equal((await read).count, 1);
});
