/** Conformance of the Log: retention, holds, compaction. */
import assert from "node:assert/strict";
import {
  type LogCase,
  HOUR_MS,
  DELETE,
  COMPACT,
  textBatch,
  keyedBatch,
  readAll,
  payloadsOf,
  rejects,
  stateOf,
  caseList,
} from "./log-harness.ts";

const { cases, add } = caseList();
export const retentionCases: readonly LogCase[] = cases;

add(
  "a consumer is holding from its first hold until it releases all, restarts included",
  async ({ open, reopen }) => {
    const log = await open();
    await log.createStream("s", DELETE);
    assert.equal(await log.isHolding("lander"), false);
    await log.hold("lander", [{ stream: "s", partition: 0, offset: 0 }]);
    assert.equal(await log.isHolding("lander"), true);
    assert.equal(await log.isHolding("other"), false);
    const again = await reopen!(log);
    assert.equal(await again.isHolding("lander"), true);
    await again.hold("lander", []);
    assert.equal(await again.isHolding("lander"), false);
  },
  "reopen",
);

add(
  "retention removes what is expired, never what a consumer holds",
  async ({ open, clock }) => {
    const log = await open();
    await log.createStream("s", DELETE);
    await log.append("s", 0, textBatch("a", "b"));
    await log.append("s", 1, textBatch("c"));
    await log.retain();
    assert.deepEqual(await payloadsOf(log, "s", 0), ["a", "b"]);
    const accepted = await log.accepted("s");
    await log.hold("lander", [{ stream: "s", partition: 0, offset: 0 }]);
    await log.hold("other", [{ stream: "s", partition: 0, offset: 1 }]);
    clock!.advance(10 * HOUR_MS);
    await log.append("s", 0, textBatch("fresh"));
    await log.retain();
    assert.equal((await log.bounds("s", 0)).startOffset, 0);
    assert.deepEqual(await payloadsOf(log, "s", 0), ["a", "b", "fresh"]);
    await log.hold("lander", [{ stream: "s", partition: 0, offset: 3 }]);
    await log.retain();
    assert.deepEqual(await payloadsOf(log, "s", 0, (await log.bounds("s", 0)).startOffset), [
      "a",
      "b",
      "fresh",
    ]);
    await log.hold("other", []);
    clock!.advance(10 * HOUR_MS);
    assert.ok((await log.retain()) > 0);
    for (const partition of [0, 1]) {
      const { startOffset, endOffset } = await log.bounds("s", partition);
      assert.equal(startOffset, endOffset);
      await rejects(log.read("s", partition, 0, 1000), "log.offset_out_of_range");
      assert.equal((await log.read("s", partition, endOffset, 1000)).count, 0);
      assert.equal(await log.offsetAt("s", partition, 0), endOffset);
    }
    for (const count of accepted) {
      const still = (await log.accepted("s")).find(
        ({ partition, hourMs }) => partition === count.partition && hourMs === count.hourMs,
      );
      assert.deepEqual(still, count);
    }
    assert.equal((await log.append("s", 0, textBatch("next"))).baseOffset, 3);
    assert.deepEqual(await payloadsOf(log, "s", 0, 3), ["next"]);
    await rejects(log.hold("x", [{ stream: "t", partition: 0, offset: 0 }]), "log.stream_not_found");
  },
  "clock",
  "retention",
  "accepted",
);

add(
  "compaction keeps the newest record of each key where it was, and those without a key",
  async ({ open, clock }) => {
    const log = await open();
    await log.createStream("meta", COMPACT);
    await log.createStream("s", DELETE);
    const write = async (...records: readonly (readonly [string, string | null])[]): Promise<void> => {
      await log.append("meta", 0, keyedBatch(...records));
      await log.append("s", 0, textBatch("filler".repeat(100)));
      clock!.advance(HOUR_MS);
      await log.retain();
    };
    await write(["a", "1"], ["b", "1"], ["c", "1"]);
    await write(["a", "2"], ["d", "1"]);
    await log.append("meta", 0, textBatch("no key"));
    await write(["b", null], ["d", "2"]);
    await write(["e", "1"]);
    const before = await readAll(log, "meta", 0, 0);
    const tombstone = before.find((record) => record.offset === 6);
    assert.equal(tombstone?.payload, null, "a tombstone stays for whoever has yet to read it");
    assert.deepEqual(stateOf(before), { a: "2", c: "1", d: "2", e: "1" });
    clock!.advance(48 * HOUR_MS);
    await write(["f", "1"]);
    clock!.advance(48 * HOUR_MS);
    await log.retain();
    const after = await readAll(log, "meta", 0, 0);
    assert.deepEqual(
      after.map(({ offset, key, payload }) => [offset, key, payload]),
      [
        [2, "c", "1"],
        [3, "a", "2"],
        [5, null, "no key"],
        [7, "d", "2"],
        [8, "e", "1"],
        [9, "f", "1"],
      ],
    );
    for (const record of after.slice(0, 3))
      assert.ok(before.some((old) => old.offset === record.offset && old.ingestMs === record.ingestMs));
    const bounds = await log.bounds("meta", 0);
    assert.deepEqual([bounds.startOffset, bounds.endOffset], [0, 10]);
    assert.deepEqual(await payloadsOf(log, "meta", 0, 4), ["no key", "2", "1", "1"]);
    const gap = await log.read("meta", 0, 6, 1);
    assert.deepEqual([gap.count, gap.offsets[0]], [1, 7]);
    for (const { ingestMs } of after) {
      const first = after.find((record) => record.ingestMs >= ingestMs)!;
      assert.equal(await log.offsetAt("meta", 0, ingestMs), first.offset);
    }
    await log.append("meta", 0, keyedBatch(["c", null]));
    assert.deepEqual(stateOf(await readAll(log, "meta", 0, 0)), { a: "2", d: "2", e: "1", f: "1" });
    const counted = (await log.accepted("meta")).reduce((sum, { count }) => sum + count, 0);
    assert.equal(counted, 11);
  },
  "clock",
  "retention",
  "accepted",
);

add(
  "compaction takes nothing that a consumer has still to read",
  async ({ open, clock }) => {
    const log = await open();
    await log.createStream("meta", COMPACT);
    await log.append("meta", 0, keyedBatch(["a", "1"]));
    clock!.advance(3 * HOUR_MS);
    await log.hold("reader", [{ stream: "meta", partition: 0, offset: 1 }]);
    await log.retain();
    await log.append("meta", 0, keyedBatch(["a", "2"]));
    await log.append("meta", 0, keyedBatch(["a", null]));
    clock!.advance(100 * HOUR_MS);
    await log.retain();
    assert.deepEqual(await payloadsOf(log, "meta", 0, 1), ["2", null]);
    await log.hold("reader", []);
    await log.retain();
    assert.deepEqual(stateOf(await readAll(log, "meta", 0, 0)), {});
  },
  "clock",
  "retention",
);
