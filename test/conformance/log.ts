/**
 * What every Log must do. Framework-free: each case gets a harness that opens fresh, empty logs.
 * A test file binds it: `for (const [name, run] of logCasesFor(abilities)) test(name, () => run(harness()))`.
 */
import assert from "node:assert/strict";
import type { ProducerSequence } from "../../core/ports/log.ts";
import {
  plainRecords,
  type LogAbility,
  type LogCase,
  HOUR_MS,
  DELETE,
  COMPACT,
  textBatch,
  readAll,
  payloadsOf,
  rejects,
  caseList,
} from "./log-harness.ts";
import { erasureCases } from "./log-erasure.ts";
import { producerCases } from "./log-producers.ts";
import { recordCases } from "./log-records.ts";
import { retentionCases } from "./log-retention.ts";
import { streamCases } from "./log-streams.ts";

const { cases, add } = caseList();

/** The cases that an adapter with these abilities must pass. */
export function logCasesFor(abilities: readonly LogAbility[]): readonly LogCase[] {
  const all = [
    ...recordCases,
    ...cases,
    ...producerCases,
    ...retentionCases,
    ...streamCases,
    ...erasureCases,
  ];
  return all.filter(([, , needs = []]) => needs.every((need) => abilities.includes(need)));
}

// concurrency

add("appends made at once keep their order within each partition", async ({ open }) => {
  const log = await open();
  await log.createStream("s", { ...DELETE, partitions: 4 });
  const appended = await Promise.all(
    Array.from({ length: 400 }, (_, i) => log.append("s", i % 4, textBatch(`${i}`, `${i}+`))),
  );
  for (let partition = 0; partition < 4; partition++) {
    const own = appended.filter((_, i) => i % 4 === partition);
    assert.deepEqual(
      own.map((append) => append.baseOffset),
      own.map((_, i) => i * 2),
    );
    const expected = own.flatMap((_, i) => [`${i * 4 + partition}`, `${i * 4 + partition}+`]);
    assert.deepEqual(await payloadsOf(log, "s", partition), expected);
  }
});

add("a reader beside the writer sees whole batches, in order, and all of them", async ({ open }) => {
  const log = await open();
  await log.createStream("s", DELETE);
  const aborter = new AbortController();
  const seen: string[] = [];
  const reader = (async () => {
    for (let at = 0; seen.length < 300;) {
      const count = log.appendCount;
      const batch = await log.read("s", 0, at, 2000);
      assert.ok(batch.next <= batch.endOffset);
      seen.push(...plainRecords(batch).map((record) => record.payload!));
      at = batch.next;
      if (batch.count === 0) await log.waitForAppend(count, aborter.signal);
    }
  })();
  for (let i = 0; i < 100; i++) {
    const three = Array.from({ length: 3 }, (_, j) => `${i * 3 + j}`);
    const append = log.append("s", 0, textBatch(...three));
    if (i % 5 === 0) await append;
    else void append.catch(() => aborter.abort());
  }
  await reader;
  assert.deepEqual(
    seen,
    Array.from({ length: 300 }, (_, i) => `${i}`),
  );
});

add("waitForAppend sleeps until something is new, or the signal is aborted", async ({ open }) => {
  const log = await open();
  await log.createStream("s", DELETE);
  const before = log.appendCount;
  const aborter = new AbortController();
  let woken = 0;
  const waits = [0, 1, 2].map(() => log.waitForAppend(before, aborter.signal).then(() => woken++));
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(woken, 0);
  await log.append("s", 0, textBatch("a"));
  await Promise.all(waits);
  assert.ok(log.appendCount > before);
  await log.waitForAppend(before, aborter.signal);
  const waiting = log.waitForAppend(log.appendCount, aborter.signal);
  aborter.abort();
  await waiting;
  await log.waitForAppend(log.appendCount, aborter.signal);
});

// time

add(
  "ingest time is the log's, one per batch, and never goes back; the floor holds",
  async ({ open, clock }) => {
    const log = await open();
    await log.createStream("s", DELETE);
    const first = await log.append("s", 0, textBatch("a", "b"));
    assert.equal(first.ingestMs, clock!.nowMs());
    clock!.advance(5000);
    const { ingestFloorMs } = await log.bounds("s", 1);
    assert.equal(ingestFloorMs, clock!.nowMs());
    clock!.advance(-60_000);
    const second = await log.append("s", 1, textBatch("c"));
    assert.ok(second.ingestMs >= ingestFloorMs, "an append below the promised floor");
    const third = await log.append("s", 0, textBatch("d"));
    assert.ok(third.ingestMs >= second.ingestMs);
    const records = await readAll(log, "s", 0, 0);
    assert.deepEqual(
      records.map((record) => record.ingestMs),
      [first.ingestMs, first.ingestMs, third.ingestMs],
    );
    clock!.advance(120_000);
    assert.equal((await log.append("s", 0, textBatch("e"))).ingestMs, clock!.nowMs());
  },
  "clock",
);

add(
  "offsetAt finds the first record at or after a time",
  async ({ open, clock }) => {
    const log = await open();
    await log.createStream("s", DELETE);
    assert.equal(await log.offsetAt("s", 0, 0), 0);
    const times: number[] = [];
    for (let i = 0; i < 60; i++) {
      const { ingestMs } = await log.append("s", 0, textBatch(..."abc".slice(0, 1 + (i % 3)).split("")));
      for (let j = 0; j <= i % 3; j++) times.push(ingestMs);
      if (i % 4 !== 0) clock!.advance(i * 10);
    }
    for (const time of new Set(times.flatMap((ms) => [ms - 1, ms, ms + 1]))) {
      const expected = times.findIndex((ms) => ms >= time);
      assert.equal(await log.offsetAt("s", 0, time), expected < 0 ? times.length : expected, `at ${time}`);
    }
  },
  "clock",
);

add(
  "accepted counts records per partition and hour, repeats not",
  async ({ open, clock }) => {
    const log = await open();
    await log.createStream("s", DELETE);
    const hourMs = clock!.nowMs() - (clock!.nowMs() % HOUR_MS);
    const producer = { id: "p", epoch: 0, sequence: 0 };
    await log.append("s", 0, textBatch("a", "b"), producer);
    await log.append("s", 0, textBatch("a", "b"), producer);
    await log.append("s", 1, textBatch("c"));
    clock!.advance(HOUR_MS);
    await log.append("s", 0, textBatch("d", "e", "f"));
    assert.deepEqual(await log.accepted("s"), [
      { partition: 0, hourMs, count: 2 },
      { partition: 0, hourMs: hourMs + HOUR_MS, count: 3 },
      { partition: 1, hourMs, count: 1 },
    ]);
    await rejects(log.accepted("t"), "log.stream_not_found");
  },
  "clock",
  "accepted",
);

const sequence = (number: number, epoch: number): ProducerSequence => ({ id: "p", epoch, sequence: number });

// closing

add("a closed log refuses everything, and closing twice is harmless", async ({ open }) => {
  const log = await open();
  await log.createStream("s", DELETE);
  const last = log.append("s", 0, textBatch("a"));
  const waiting = log.waitForAppend(log.appendCount + 10, new AbortController().signal);
  await Promise.all([log.close(), log.close()]);
  assert.equal((await last).baseOffset, 0);
  await waiting;
  await rejects(log.append("s", 0, textBatch("a")), "log.closed");
  await rejects(log.read("s", 0, 0, 1), "log.closed");
  await rejects(log.createStream("t", DELETE), "log.closed");
  await rejects(log.bounds("s", 0), "log.closed");
});

add(
  "a log opened again is the same log",
  async ({ open, reopen, clock }) => {
    let log = await open();
    const { id } = log;
    const created = await log.createStream("s", DELETE);
    await log.append("s", 0, textBatch("a", "b"), sequence(0, 2));
    const first = await log.append("s", 0, textBatch("c"), sequence(1, 2));
    const { ingestFloorMs } = await log.bounds("s", 1);
    clock?.advance(5000);
    const raised = await log.bounds("s", 1);
    const before = { accepted: await log.accepted("s"), records: await readAll(log, "s", 0, 0) };
    clock?.advance(-60_000);
    log = await reopen!(log);
    assert.equal(log.id, id);
    assert.deepEqual(await log.listStreams(), [created]);
    assert.deepEqual(await log.createStream("s", DELETE), created);
    assert.deepEqual({ accepted: await log.accepted("s"), records: await readAll(log, "s", 0, 0) }, before);
    assert.deepEqual(await log.append("s", 0, textBatch("c"), sequence(1, 2)), { ...first, isRepeat: true });
    await rejects(log.append("s", 0, textBatch("d"), sequence(0, 1)), "log.producer_fenced");
    const next = await log.append("s", 0, textBatch("d"), sequence(2, 2));
    assert.equal(next.baseOffset, 3);
    assert.ok(next.ingestMs >= ingestFloorMs && next.ingestMs >= raised.ingestFloorMs);
    await log.createStream("t", COMPACT);
    log = await reopen!(log);
    assert.deepEqual(await payloadsOf(log, "s", 0), ["a", "b", "c", "d"]);
    assert.equal((await log.listStreams()).length, 2);
  },
  "reopen",
  "producers",
  "accepted",
);
