import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  freshPartition,
  landedPartitions,
  type LandedPartition,
  partitionTxns,
  STEP_TXN,
  WATERMARK_TXN,
  watermarkOf,
} from "../../core/landed.ts";

const count = fc.nat(2 ** 48);
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const values: fc.Arbitrary<Omit<LandedPartition, "logId" | "topicId" | "partition">> = fc.record({
  cursor: count,
  landed: count,
  duplicates: count,
  dead: count,
  gap: count,
  newestUs: fc.option(int64, { nil: undefined }),
  ingestMs: fc.option(fc.nat(4_102_444_800_000), { nil: undefined }),
  isIdle: fc.boolean(),
  witness: fc.option(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), { nil: undefined }),
});

/** A value that was once set stays set: the log knows no way to take a `txn` back. */
function onlyForward(before: LandedPartition, after: LandedPartition): LandedPartition {
  return {
    ...after,
    newestUs: after.newestUs ?? before.newestUs,
    ingestMs: after.ingestMs ?? before.ingestMs,
    witness: after.witness ?? before.witness,
  };
}

test("any sequence of states can be read back from the txns alone", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(3), values), { maxLength: 12 }), (moves) => {
      const states = new Map<number, LandedPartition>();
      const txns = new Map<string, bigint>([[STEP_TXN, 7n]]);
      for (const [partition, value] of moves) {
        const before = states.get(partition) ?? freshPartition("log-1", "s_2", partition);
        const after = onlyForward(before, { ...before, ...value });
        const changes = partitionTxns(before, after);
        for (const { appId, version } of changes) {
          expect(txns.get(appId), "only what changed").not.toBe(version);
          txns.set(appId, version);
        }
        states.set(partition, after);
      }
      const expected = [...states.values()]
        .filter((state) => partitionTxns(freshPartition("log-1", "s_2", state.partition), state).length > 0)
        .sort((a, b) => a.partition - b.partition);
      const read = landedPartitions(txns);
      expect(read.filter((one) => expected.some(({ partition }) => partition === one.partition))).toEqual(
        expected,
      );
    }),
  );
});

test("what did not change takes no txn", () => {
  fc.assert(
    fc.property(values, (value) => {
      const state = { ...freshPartition("log", "stream", 0), ...value };
      expect(partitionTxns(state, state)).toEqual([]);
    }),
  );
});

test("two logs and two incarnations of a stream are told apart", () => {
  const txns = new Map([
    ["muara:land:a:s:0", 4n],
    ["muara:land:b:s:0", 5n],
    ["muara:land:a:t:0", 6n],
  ]);
  expect(landedPartitions(txns).map(({ logId, topicId, cursor }) => [logId, topicId, cursor])).toEqual([
    ["a", "s", 4],
    ["b", "s", 5],
    ["a", "t", 6],
  ]);
});

test("others' counters are left alone, an unknown one of landing's own is refused", () => {
  const others = new Map([
    ["muara:removed", 1n],
    ["proj:3", 2n],
    [WATERMARK_TXN, -5n],
  ]);
  expect(landedPartitions(others)).toEqual([]);
  expect(watermarkOf(others)).toBe(-5);
  expect(() => landedPartitions(new Map([["muara:land:a:s:0:later", 1n]]))).toThrow(
    /landing counter "later"/,
  );
});
