/** Conformance of the Log: records that become tombstones where they are. */
import assert from "node:assert/strict";
import type { LogRecord } from "../../core/ports/log.ts";
import { packRecords } from "../../core/record.ts";
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
export const erasureCases: readonly LogCase[] = cases;

const never = new AbortController().signal;
const has =
  (text: string) =>
  ({ payload }: LogRecord): boolean =>
    Buffer.from(payload).includes(text);
const whole = [0, 1].map((partition) => ({ partition, from: 0, to: 1_000 }));

add(
  "an erased record is a tombstone; everything else of the log is what it was, restarts included",
  async ({ open, reopen }) => {
    const log = await open();
    await log.createStream("s", DELETE);
    await log.createStream("t", DELETE);
    const producer = { id: "p", epoch: 0, sequence: 0 };
    await log.append("s", 0, textBatch("a", "b secret", "c"), producer);
    await log.append("s", 1, textBatch("secret"));
    await log.append("t", 0, textBatch("secret of another stream"));
    const header = '{"flow":1}';
    const shared = packRecords([
      { payload: Buffer.from("secret, too"), key: "secret key", header: '{"h":"secret"}' },
      { payload: Buffer.from("d"), key: "k", header },
    ]);
    await log.append("s", 0, shared);
    const before = [await readAll(log, "s", 0, 0), await readAll(log, "s", 1, 0)];
    const bounds = [await log.bounds("s", 0), await log.bounds("s", 1)].map(({ startOffset, endOffset }) => [
      startOffset,
      endOffset,
    ]);
    assert.equal(await log.erase!("s", whole, has("secret"), never), 3);
    const after = before.map((records) =>
      records.map((record) =>
        record.payload?.includes("secret") === true
          ? { ...record, payload: null, key: null, header: "" }
          : record,
      ),
    );
    const seen = async (one: typeof log): Promise<unknown> => [
      await readAll(one, "s", 0, 0),
      await readAll(one, "s", 1, 0),
    ];
    assert.deepEqual(await seen(log), after);
    assert.deepEqual(await payloadsOf(log, "t", 0), ["secret of another stream"]);
    assert.equal(await log.erase!("s", whole, has("secret"), never), 0);
    const again = await reopen!(log);
    assert.deepEqual(await seen(again), after);
    assert.deepEqual(
      [await again.bounds("s", 0), await again.bounds("s", 1)].map(({ startOffset, endOffset }) => [
        startOffset,
        endOffset,
      ]),
      bounds,
    );
    assert.equal((await again.append("s", 0, textBatch("a", "b secret", "c"), producer)).isRepeat, true);
    assert.equal((await again.append("s", 0, textBatch("e"))).baseOffset, 5);
    assert.deepEqual(await payloadsOf(again, "s", 0), ["a", null, "c", null, "d", "e"]);
  },
  "erase",
  "reopen",
  "producers",
);

add(
  "only what lies in the ranges is asked for, and no tombstone",
  async ({ open }) => {
    const log = await open();
    await log.createStream("s", DELETE);
    await log.append("s", 0, textBatch("0", "1", "2", "3"));
    await log.append("s", 1, textBatch("0"));
    const asked: number[] = [];
    const isGone = ({ partition, offset }: LogRecord): boolean => {
      assert.equal(partition, 0);
      asked.push(offset);
      return offset === 2;
    };
    const ranges = [{ partition: 0, from: 1, to: 3 }];
    assert.equal(await log.erase!("s", ranges, isGone, never), 1);
    assert.deepEqual([...new Set(asked)], [1, 2]);
    asked.length = 0;
    assert.equal(await log.erase!("s", ranges, isGone, never), 0);
    assert.deepEqual([...new Set(asked)], [1]);
    await rejects(log.erase!("no", ranges, isGone, never), "log.stream_not_found");
    await log.createStream("c", COMPACT);
    await log.append("c", 0, keyedBatch(["k", "v"]));
    await assert.rejects(log.erase!("c", ranges, isGone, never));
    const ended = AbortSignal.abort(new Error("enough"));
    await assert.rejects(log.erase!("s", [{ partition: 0, from: 0, to: 9 }], () => true, ended));
    assert.deepEqual(await payloadsOf(log, "s", 0), ["0", "1", null, "3"]);
  },
  "erase",
);

add(
  "readers, writers and retention go on beside it, and see each record as it was or erased",
  async ({ open, clock }) => {
    const log = await open();
    await log.createStream("s", DELETE);
    for (let i = 0; i < 200; i++) await log.append("s", 0, textBatch(`${i}`, `secret ${i}`, "x".repeat(50)));
    const reader = (async () => {
      for (let round = 0; round < 20; round++) {
        const { startOffset } = await log.bounds("s", 0);
        const payloads = await payloadsOf(log, "s", 0, startOffset);
        payloads.forEach((payload, i) => {
          const offset = startOffset + i;
          const expected = [`${Math.floor(offset / 3)}`, `secret ${Math.floor(offset / 3)}`, "x".repeat(50)];
          if (payload !== null) assert.equal(payload, expected[offset % 3]);
          else assert.equal(offset % 3, 1);
        });
      }
    })();
    const erasing = [100, 300, 600].map((to) =>
      log.erase!("s", [{ partition: 0, from: 0, to }], has("secret"), never),
    );
    for (let i = 200; i < 260; i++)
      await log.append("s", 0, textBatch(`${i}`, `secret ${i}`, "x".repeat(50)));
    const counts = await Promise.all(erasing);
    assert.deepEqual(counts, [33, 67, 100]);
    await reader;
    clock!.advance(10 * HOUR_MS);
    await log.append("s", 0, textBatch("780"));
    await Promise.all([log.erase!("s", whole, has("secret"), never), log.retain()]);
    assert.ok(
      (await payloadsOf(log, "s", 0, (await log.bounds("s", 0)).startOffset)).every(
        (text) => text?.includes("secret") !== true,
      ),
    );
  },
  "erase",
  "clock",
  "retention",
);
