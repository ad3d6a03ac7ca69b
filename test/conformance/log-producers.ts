/** Conformance of the Log: idempotent producers. */
import assert from "node:assert/strict";
import type { ProducerSequence } from "../../core/ports/log.ts";
import { type LogCase, HOUR_MS, DELETE, textBatch, payloadsOf, rejects, caseList } from "./log-harness.ts";

const { cases, add } = caseList();
export const producerCases: readonly LogCase[] = cases;

const sequence = (number: number, epoch = 0, id = "p"): ProducerSequence => ({ id, epoch, sequence: number });

add(
  "an append that is sent again is stored once and answered the same",
  async ({ open }) => {
    const log = await open();
    await log.createStream("s", DELETE);
    const firsts = [];
    for (let i = 0; i < 7; i++) firsts.push(await log.append("s", 0, textBatch(`${i}`, "x"), sequence(i)));
    for (const i of [6, 2, 4]) {
      const again = await log.append("s", 0, textBatch(`${i}`, "x"), sequence(i));
      assert.deepEqual(again, { ...firsts[i]!, isRepeat: true });
    }
    await rejects(log.append("s", 0, textBatch("1", "x"), sequence(1)), "log.producer_sequence");
    assert.equal((await log.bounds("s", 0)).endOffset, 14);
    assert.equal((await log.append("s", 1, textBatch("other partition"), sequence(0))).isRepeat, false);
    assert.equal(
      (await log.append("s", 0, textBatch("other producer"), sequence(0, 0, "q"))).isRepeat,
      false,
    );
  },
  "producers",
);

add(
  "a gap, a fenced epoch and another batch under a known sequence are refused, and store nothing",
  async ({ open }) => {
    const log = await open();
    await log.createStream("s", DELETE);
    await rejects(log.append("s", 0, textBatch("a"), sequence(1)), "log.producer_sequence");
    await log.append("s", 0, textBatch("a"), sequence(0));
    await rejects(log.append("s", 0, textBatch("c"), sequence(2)), "log.producer_sequence");
    await rejects(log.append("s", 0, textBatch("a", "b"), sequence(0)), "log.producer_sequence");
    await rejects(log.append("s", 0, textBatch("b"), sequence(1, 3)), "log.producer_sequence");
    await log.append("s", 0, textBatch("b"), sequence(0, 3));
    await rejects(log.append("s", 0, textBatch("c"), sequence(1, 0)), "log.producer_fenced");
    await rejects(log.append("s", 0, textBatch("a"), sequence(0, 2)), "log.producer_fenced");
    await log.append("s", 0, textBatch("c"), sequence(1, 3));
    assert.deepEqual(await payloadsOf(log, "s", 0), ["a", "b", "c"]);
  },
  "producers",
);

add(
  "sequences sent at once are judged in order, repeats among them included",
  async ({ open }) => {
    const log = await open();
    await log.createStream("s", DELETE);
    const numbers = [0, 1, 1, 2, 0, 3, 2, 4];
    const results = await Promise.all(numbers.map((n) => log.append("s", 0, textBatch(`${n}`), sequence(n))));
    assert.deepEqual(
      results.map((result) => result.baseOffset),
      numbers,
    );
    assert.deepEqual(
      results.map((result) => result.isRepeat),
      [false, false, true, false, true, false, true, false],
    );
    assert.deepEqual(await payloadsOf(log, "s", 0), ["0", "1", "2", "3", "4"]);
    const outcomes = await Promise.allSettled([
      log.append("s", 1, textBatch("a"), sequence(0)),
      log.append("s", 1, textBatch("c"), sequence(2)),
      log.append("s", 1, textBatch("b"), sequence(1)),
    ]);
    assert.deepEqual(
      outcomes.map((outcome) => outcome.status),
      ["fulfilled", "rejected", "fulfilled"],
    );
  },
  "producers",
);

add(
  "a producer idle for longer than its age is forgotten and starts at 0",
  async ({ open, clock }) => {
    const log = await open();
    await log.createStream("s", DELETE);
    await log.append("s", 0, textBatch("a"), sequence(0, 5));
    clock!.advance(8 * 24 * HOUR_MS);
    assert.equal((await log.append("s", 0, textBatch("b"), sequence(0, 5))).isRepeat, false);
    const again = await log.append("s", 0, textBatch("b"), sequence(0, 5));
    assert.deepEqual([again.isRepeat, again.baseOffset], [true, 1]);
    await log.append("s", 0, textBatch("c"), sequence(1, 5));
    assert.deepEqual(await payloadsOf(log, "s", 0), ["a", "b", "c"]);
  },
  "producers",
  "clock",
);
