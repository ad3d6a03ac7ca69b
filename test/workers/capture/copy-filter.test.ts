/** What is remembered of changes, and for how long. */
import { expect, test } from "vitest";
import { parseSnapshot, widenXid } from "../../../core/transaction-snapshot.ts";
import { CopyBarrier, CopyFilter } from "../../../workers/capture/copy-filter.ts";

const change = { xid: 12, lsn: 100n, isPartial: false };
const view = { snapshot: parseSnapshot("12:14:12"), highLsn: 200n };

test("keys are remembered up to the limit, beyond it a transaction has changed every row", () => {
  const filter = new CopyFilter(2);
  filter.note({ ...change, key: "[1]" });
  filter.note({ ...change, key: "[1]" });
  filter.note({ ...change, key: "[2]" });
  expect(filter.size).toBe(2);
  expect(filter.judge(view, ["[1]", "[3]"])).toMatchObject({ isVoid: false, dropped: new Set(["[1]"]) });
  filter.note({ ...change, key: "[3]" });
  expect(filter.size).toBe(0);
  expect(filter.judge(view, [])).toMatchObject({ isVoid: true });
  filter.forget(parseSnapshot("14:14:"));
  expect(filter.judge(view, ["[1]"])).toMatchObject({ isVoid: false, dropped: new Set() });
});

test("a transaction is remembered until a snapshot has seen it", () => {
  const filter = new CopyFilter();
  filter.note({ ...change, key: "[1]" });
  filter.note({ ...change, xid: 13, lsn: 150n, key: "[2]" });
  filter.forget(view.snapshot);
  expect(filter.size).toBe(1);
  expect(filter.judge(view, ["[1]", "[2]"]).dropped).toEqual(new Set(["[1]"]));
  // What begins at the place itself is behind the chunk.
  expect(filter.judge({ ...view, highLsn: 100n }, ["[1]"]).dropped).toEqual(new Set());
});

test("a barrier opens with what was seen and what was noted", () => {
  const barrier = new CopyBarrier([5, 6, 7]);
  expect(barrier.pass(parseSnapshot("5:7:5,6"))).toBe(false);
  barrier.note(6);
  expect(barrier.pass(parseSnapshot("5:8:5"))).toBe(false);
  expect(barrier.suspects).toEqual([5]);
  expect(barrier.pass(parseSnapshot("8:8:"))).toBe(true);
  expect(new CopyBarrier([]).isOpen).toBe(true);
});

test.each([
  [5, 2n ** 32n + 7n, 2n ** 32n + 5n],
  [0xffff_fff0, 2n ** 32n + 7n, 0xffff_fff0n],
  [3, 2n ** 33n - 2n, 2n ** 33n + 3n],
  [100, 100n, 100n],
])("the id %i near %i is %i", (xid, near, wide) => expect(widenXid(xid, near)).toBe(wide));
