/** Upkeep of current states: which tables, how often, and what it leaves alone. */
import { expect, test } from "vitest";
import { ManualClock } from "../../../core/clock.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { TableSnapshot } from "../../../core/ports/table-log.ts";
import { currentTask } from "../../../lake/current/current-task.ts";
import type { Merged } from "../../../lake/current/merge.ts";
import type { UpkeepTable } from "../../../lake/upkeep.ts";
import { eventType, never } from "../../workers/land/setup.ts";
import { capturedType } from "./changes.ts";

const MERGED: Merged = { changes: 5, steps: 1, files: 1, bytes: 1, hasMore: false, isVoid: false };

function world(results: readonly Merged[], takesMs: number) {
  const clock = new ManualClock(0);
  let cursor = 1n;
  let merges = 0;
  const merger = {
    merge: async (): Promise<Merged> => {
      clock.advance(takesMs);
      return results[Math.min(merges++, results.length - 1)]!;
    },
  };
  const table = (type = capturedType({})): UpkeepTable => ({
    name: type.name,
    eventType: type,
    log: undefined as never,
    snapshot: async (): Promise<TableSnapshot> => ({
      version: 1,
      timestampMs: 0,
      metadata: undefined,
      files: new Map(),
      txns: new Map([["muara:land:log:topic:0", cursor]]),
    }),
  });
  const task = currentTask({ clock, logger: silentLogger }, merger, { everyMs: 10, share: 0.25 });
  return { clock, task, table, merges: () => merges, land: () => cursor++ };
}

test("a merge is followed by a pause that keeps its share; what has not changed is not merged again", async () => {
  const { clock, task, table, merges, land } = world([MERGED], 100);
  await task.run(table(), never);
  expect(merges()).toBe(1);
  clock.advance(1_000);
  await task.run(table(), never);
  expect(merges()).toBe(1);
  land();
  await task.run(table(), never);
  expect(merges()).toBe(2);
  land();
  // It took 100 ms of 400.
  clock.advance(299);
  await task.run(table(), never);
  expect(merges()).toBe(2);
  clock.advance(1);
  await task.run(table(), never);
  expect(merges()).toBe(3);
});

test("what is left over, or another has merged meanwhile, is looked at again", async () => {
  const { clock, task, table, merges } = world(
    [{ ...MERGED, hasMore: true }, { ...MERGED, isVoid: true }, MERGED],
    1,
  );
  for (let turn = 0; turn < 5; turn++) {
    await task.run(table(), never);
    clock.advance(1_000);
  }
  expect(merges()).toBe(3);
});

test("only captured types that land have a state", async () => {
  const { task, table, merges } = world([MERGED], 1);
  await task.run(table(eventType()), never);
  const captured = capturedType({});
  const off = { ...captured.annotations, "datalake.zalando.org/materialize-events": "off" };
  await task.run(table({ ...captured, annotations: off }), never);
  await task.run({ ...table(), eventType: undefined }, never);
  expect(merges()).toBe(0);
});
