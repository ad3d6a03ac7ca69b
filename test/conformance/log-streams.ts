/** Conformance of the Log: streams that get other options, and streams that go. */
import assert from "node:assert/strict";
import type { StreamOptions } from "../../core/ports/log.ts";
import {
  caseList,
  COMPACT,
  DELETE,
  HOUR_MS,
  keyedBatch,
  type LogCase,
  payloadsOf,
  readAll,
  rejects,
  textBatch,
} from "./log-harness.ts";

const { cases, add } = caseList();
export const streamCases: readonly LogCase[] = cases;

const GROWN: StreamOptions = { ...DELETE, partitions: 5 };

add("a stream grows: what it holds stays, what is added is empty and takes records", async ({ open }) => {
  const log = await open();
  const before = await log.createStream("s", DELETE);
  await log.append("s", 0, textBatch("a", "b"));
  await rejects(log.append("s", 4, textBatch("x")), "log.partition_not_found");
  const grown = await log.alterStream("s", GROWN);
  assert.deepEqual(grown, { ...before, partitions: 5 });
  assert.deepEqual(await log.stream("s"), grown);
  assert.deepEqual(await log.alterStream("s", GROWN), grown);
  assert.deepEqual(await log.createStream("s", GROWN), grown);
  await rejects(log.createStream("s", DELETE), "declaration.conflict");
  assert.equal((await log.bounds("s", 4)).endOffset, 0);
  assert.equal((await log.append("s", 4, textBatch("c"))).baseOffset, 0);
  assert.equal((await log.append("s", 0, textBatch("d"))).baseOffset, 2);
  await log.hold("lander", [{ stream: "s", partition: 4, offset: 0 }]);
  assert.deepEqual(await payloadsOf(log, "s", 0), ["a", "b", "d"]);
  assert.deepEqual(await payloadsOf(log, "s", 4), ["c"]);
  assert.deepEqual(await payloadsOf(log, "s", 3), []);
  assert.equal(await log.offsetAt("s", 3, 0), 0);
});

add(
  "what was added is there after a restart, and counted",
  async ({ open, reopen }) => {
    const log = await open();
    await log.createStream("s", DELETE);
    await log.append("s", 1, textBatch("a"));
    await log.alterStream("s", { ...GROWN, retentionMs: 9 * HOUR_MS });
    await log.append("s", 3, textBatch("b", "c"));
    const again = await reopen!(log);
    assert.deepEqual(
      await again.stream("s").then((info) => info && [info.partitions, info.retentionMs, info.cleanup]),
      [5, 9 * HOUR_MS, "delete"],
    );
    assert.deepEqual(await payloadsOf(again, "s", 3), ["b", "c"]);
    assert.equal((await again.append("s", 3, textBatch("d"))).baseOffset, 2);
    assert.equal((await again.append("s", 2, textBatch("e"))).baseOffset, 0);
    const counts = new Map((await again.accepted("s")).map(({ partition, count }) => [partition, count]));
    assert.deepEqual([counts.get(1), counts.get(2), counts.get(3)], [1, 1, 3]);
  },
  "reopen",
  "accepted",
);

add("what a stream cannot become is refused, and changes nothing", async ({ open }) => {
  const log = await open();
  const before = await log.createStream("s", DELETE);
  await log.createStream("meta", COMPACT);
  await rejects(log.alterStream("s", { ...DELETE, partitions: 1 }), "declaration.conflict");
  await rejects(log.alterStream("s", { ...DELETE, cleanup: "compact" }), "declaration.conflict");
  await rejects(log.alterStream("meta", { ...COMPACT, cleanup: "delete" }), "declaration.conflict");
  await rejects(log.alterStream("other", DELETE), "log.stream_not_found");
  assert.deepEqual(await log.stream("s"), before);
  const altered = await log.alterStream("s", { ...DELETE, cleanup: "compact_and_delete" });
  assert.deepEqual(altered, { ...before, cleanup: "compact_and_delete" });
});

add(
  "another retention counts for what is there already",
  async ({ open, clock }) => {
    const log = await open();
    await log.createStream("s", DELETE);
    await log.append("s", 0, textBatch("a"));
    await log.alterStream("s", { ...DELETE, retentionMs: 20 * HOUR_MS, cleanup: "compact_and_delete" });
    clock!.advance(10 * HOUR_MS);
    await log.retain();
    assert.deepEqual(await payloadsOf(log, "s", 0), ["a"]);
    clock!.advance(11 * HOUR_MS);
    await log.retain();
    assert.equal((await log.bounds("s", 0)).startOffset, 1);
  },
  "clock",
  "retention",
);

add("a stream that is deleted is gone; its name is free, for another one", async ({ open }) => {
  const log = await open();
  const old = await log.createStream("s", { ...DELETE, partitions: 3 });
  await log.createStream("t", DELETE);
  await log.append("s", 0, textBatch("a", "b"));
  await log.append("t", 0, textBatch("kept"));
  await log.hold("lander", [{ stream: "s", partition: 0, offset: 0 }]);
  await log.deleteStream("s", (await log.stream("t"))!.topicId);
  assert.deepEqual(await log.stream("s"), old);
  await log.deleteStream("s", old.topicId);
  assert.equal(await log.stream("s"), undefined);
  assert.ok(!(await log.listStreams()).some(({ name }) => name === "s"));
  await rejects(log.append("s", 0, textBatch("c")), "log.stream_not_found");
  await rejects(log.read("s", 0, 0, 100), "log.stream_not_found");
  await rejects(log.bounds("s", 0), "log.stream_not_found");
  await rejects(log.hold("x", [{ stream: "s", partition: 0, offset: 0 }]), "log.stream_not_found");
  await log.deleteStream("s", old.topicId);
  const next = await log.createStream("s", DELETE);
  assert.notEqual(next.topicId, old.topicId);
  assert.deepEqual(await payloadsOf(log, "s", 0), []);
  assert.equal((await log.append("s", 0, textBatch("new"))).baseOffset, 0);
  await log.deleteStream("s", old.topicId);
  assert.deepEqual(await payloadsOf(log, "s", 0), ["new"]);
  assert.deepEqual(await payloadsOf(log, "t", 0), ["kept"]);
});

add(
  "what was deleted stays so after a restart, and what came after it is there",
  async ({ open, reopen }) => {
    const log = await open();
    const old = await log.createStream("s", DELETE);
    await log.append("s", 0, textBatch("a", "b"));
    await log.deleteStream("s", old.topicId);
    let again = await reopen!(log);
    assert.equal(await again.stream("s"), undefined);
    const next = await again.createStream("s", DELETE);
    await again.append("s", 1, textBatch("new"));
    again = await reopen!(again);
    assert.equal((await again.stream("s"))?.topicId, next.topicId);
    assert.deepEqual(await payloadsOf(again, "s", 0), []);
    assert.deepEqual(await payloadsOf(again, "s", 1), ["new"]);
    const counts = (await again.accepted("s")).map(({ partition, count }) => [partition, count]);
    assert.deepEqual(counts, [[1, 1]]);
  },
  "reopen",
  "accepted",
);

add(
  "retention goes on over deleted streams, compacted ones too, whoever held them",
  async ({ open, clock, reopen }) => {
    let log = await open();
    const old = await log.createStream("s", DELETE);
    const meta = await log.createStream("m", COMPACT);
    await log.createStream("kept", COMPACT);
    await log.append("s", 0, textBatch("a".repeat(2_000)));
    await log.append("m", 0, keyedBatch(["k", "1"]));
    await log.append("kept", 0, keyedBatch(["k", "1"], ["l", "1"]));
    await log.hold("lander", [{ stream: "s", partition: 0, offset: 0 }]);
    await log.deleteStream("s", old.topicId);
    await log.deleteStream("m", meta.topicId);
    clock!.advance(2 * HOUR_MS);
    await log.retain();
    await log.createStream("s", DELETE);
    await log.append("s", 0, textBatch("new"));
    await log.append("kept", 0, keyedBatch(["k", "2"]));
    for (const round of [1, 2]) {
      clock!.advance(2 * HOUR_MS);
      await log.hold("lander", [{ stream: "s", partition: 0, offset: 0 }]);
      await log.retain();
      assert.deepEqual(await payloadsOf(log, "s", 0), ["new"], `round ${round}`);
      const kept = await readAll(log, "kept", 0, 0);
      assert.deepEqual(new Set(kept.map(({ payload }) => payload)), new Set(["1", "2"]));
      if (reopen) log = await reopen(log);
    }
    assert.equal(await log.stream("m"), undefined);
  },
  "clock",
  "retention",
);

add("of what is appended beside a deletion nothing is both refused and kept", async ({ open }) => {
  const log = await open();
  const old = await log.createStream("s", DELETE);
  const appends = [1, 2, 3].map((i) => log.append("s", 0, textBatch(`before ${i}`)));
  const gone = log.deleteStream("s", old.topicId);
  const settled = await Promise.allSettled([...appends, log.append("s", 0, textBatch("beside"))]);
  await gone;
  for (const outcome of settled)
    if (outcome.status === "rejected")
      await rejects(Promise.reject(outcome.reason as Error), "log.stream_not_found");
  await rejects(log.append("s", 0, textBatch("after")), "log.stream_not_found");
});
