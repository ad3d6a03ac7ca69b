/** Conformance of the Log: records, offsets, reading, streams. */
import assert from "node:assert/strict";
import { ABSENT, headerOf, keyOf, packRecords, payloadOf, RECORD_WORDS } from "../../core/record.ts";
import {
  type LogCase,
  DELETE,
  textBatch,
  plainRecords,
  readAll,
  payloadsOf,
  rejects,
  caseList,
} from "./log-harness.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const { cases, add } = caseList();
export const recordCases: readonly LogCase[] = cases;

// records

add(
  "payload, key and header come back byte for byte; absent, empty and tombstone stay apart",
  async ({ open }) => {
    const log = await open();
    await log.createStream("s", DELETE);
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    const batch = packRecords([
      { payload: bytes, key: bytes.subarray(3, 9), header: '{"flow":"ü"}' },
      { payload: new Uint8Array(0), key: "", header: "" },
      { payload: null, key: "gone" },
      { payload: encoder.encode("last") },
    ]);
    const { baseOffset } = await log.append("s", 1, batch);
    const read = await log.read("s", 1, baseOffset, 10_000);
    assert.equal(read.count, 4);
    assert.equal(read.stream, "s");
    assert.equal(read.partition, 1);
    for (let i = 0; i < 4; i++) {
      assert.deepEqual(copyOf(payloadOf(read, i)), copyOf(payloadOf(batch, i)), `payload ${i}`);
      assert.deepEqual(copyOf(keyOf(read, i)), copyOf(keyOf(batch, i)), `key ${i}`);
      assert.deepEqual(copyOf(headerOf(read, i)), copyOf(headerOf(batch, i)), `header ${i}`);
    }
  },
);

/** A record of 11 bytes with its key inside and a header that others share. */
function words(at: number): number[] {
  return [at, 11, at + 7, 2, 37, 10];
}

function copyOf(bytes: Uint8Array | null): Uint8Array | null {
  return bytes && Uint8Array.from(bytes);
}

add(
  "records may lie anywhere in the bytes: between others, shared, overlapping, in no order",
  async ({ open }) => {
    const log = await open();
    await log.createStream("s", DELETE);
    const body = encoder.encode('[{"id":"a1"},{"id":"b2"},{"id":"c3"}]{"flow":7}' + "-".repeat(5000));
    for (const places of [[1, 13, 25], [13], [25, 1], [1, 1, 13]]) {
      const batch = { count: places.length, bytes: body, index: Uint32Array.from(places.flatMap(words)) };
      const { baseOffset } = await log.append("s", 0, batch);
      const read = plainRecords(await log.read("s", 0, baseOffset, 10_000));
      assert.deepEqual(
        read.map(({ payload, key, header }) => ({ payload, key, header })),
        places.map((at) => ({
          payload: decoder.decode(body.subarray(at, at + 11)),
          key: decoder.decode(body.subarray(at + 7, at + 9)),
          header: '{"flow":7}',
        })),
      );
    }
    const sparse = Uint32Array.from([...words(1), 5030, 3, 0, ABSENT, 37, 10, 40, ABSENT, 20, 2, 37, 10]);
    const { baseOffset } = await log.append("s", 1, { count: 3, bytes: body, index: sparse });
    const read = plainRecords(await log.read("s", 1, baseOffset, 10_000));
    assert.deepEqual(
      read.map((record) => [record.payload, record.key]),
      [
        ['{"id":"a1"}', "a1"],
        ["---", null],
        [null, decoder.decode(body.subarray(20, 22))],
      ],
    );
  },
);

add("an index longer than the count is used up to the count", async ({ open }) => {
  const log = await open();
  await log.createStream("s", DELETE);
  const { bytes, index } = textBatch("one", "two", "three");
  await log.append("s", 0, { count: 2, bytes, index });
  assert.deepEqual(await payloadsOf(log, "s", 0), ["one", "two"]);
});

add("the caller's bytes may be reused, and bytes read stay as they are", async ({ open }) => {
  const log = await open();
  await log.createStream("s", DELETE);
  const first = textBatch("kept".repeat(100));
  await log.append("s", 0, first);
  const read = await log.read("s", 0, 0, 10_000);
  first.bytes.fill(0);
  first.index.fill(0);
  for (let round = 0; round < 50; round++) await log.append("s", 0, textBatch("x".repeat(20_000)));
  assert.equal(plainRecords(read)[0]!.payload, "kept".repeat(100));
  assert.equal((await payloadsOf(log, "s", 0))[0], "kept".repeat(100));
});

// offsets and reading

add("the end is told while others append without a pause, and never goes back", async ({ open }) => {
  const log = await open();
  await log.createStream("s", DELETE);
  let acknowledged = 0;
  const end = new AbortController();
  const appending = (async () => {
    for (let i = 0; !end.signal.aborted && i < 100_000; i++)
      acknowledged = (await log.append("s", 0, textBatch(`${i}`))).baseOffset + 1;
  })();
  for (let i = 0; i < 20; i++) {
    const before = acknowledged;
    const { endOffset } = await log.bounds("s", 0);
    assert.ok(endOffset >= before, `the end ${endOffset} is before ${before}, which was acknowledged`);
    const read = await log.read("s", 0, endOffset, 1_000);
    const after = await log.bounds("s", 0);
    assert.ok(after.endOffset >= read.endOffset, `${after.endOffset} after ${read.endOffset} was read`);
  }
  end.abort();
  await appending;
  await log.close();
});

add("a batch gets consecutive offsets; partitions count apart", async ({ open }) => {
  const log = await open();
  await log.createStream("s", DELETE);
  assert.equal((await log.append("s", 0, textBatch("a", "b", "c"))).baseOffset, 0);
  assert.equal((await log.append("s", 1, textBatch("d"))).baseOffset, 0);
  const { baseOffset, isRepeat } = await log.append("s", 0, textBatch("e", "f"));
  assert.equal(baseOffset, 3);
  assert.equal(isRepeat, false);
  const records = await readAll(log, "s", 0, 0);
  assert.deepEqual(
    records.map((record) => record.offset),
    [0, 1, 2, 3, 4],
  );
  assert.deepEqual(
    records.map((record) => record.payload),
    ["a", "b", "c", "e", "f"],
  );
  const bounds = await log.bounds("s", 0);
  assert.equal(bounds.startOffset, 0);
  assert.equal(bounds.endOffset, 5);
});

add(
  "a read returns at least one record, else about maxBytes, and next reads on exactly once",
  async ({ open }) => {
    const log = await open();
    await log.createStream("s", DELETE);
    const expected: string[] = [];
    for (let i = 0; i < 40; i++) {
      const batch = Array.from({ length: 1 + (i % 7) }, (_, j) => `${i}.${j}:` + "p".repeat((i * 37) % 300));
      expected.push(...batch);
      await log.append("s", 0, textBatch(...batch));
      await log.append("s", 1, textBatch("between"));
    }
    for (const maxBytes of [0, 1, 100, 1000, 5000, 1_000_000]) {
      const read = await readAll(log, "s", 0, 0, maxBytes);
      assert.deepEqual(
        read.map((record) => record.payload),
        expected,
        `maxBytes ${maxBytes}`,
      );
    }
    const one = await log.read("s", 0, 0, 1);
    assert.equal(one.count, 1);
    const some = await log.read("s", 0, 0, 1000);
    const bytes = plainRecords(some).reduce((sum, record) => sum + record.payload!.length, 0);
    assert.ok(bytes <= 1000, `${bytes} bytes of payload`);
    for (const from of [1, 5, 33, expected.length - 1])
      assert.deepEqual(await payloadsOf(log, "s", 0, from), expected.slice(from));
  },
);

add("many batches come back as one contiguous read", async ({ open }) => {
  const log = await open();
  await log.createStream("s", DELETE);
  const appends = Array.from({ length: 100 }, (_, i) => log.append("s", i % 2, textBatch(`${i}`, `${i}'`)));
  await Promise.all(appends);
  const read = await log.read("s", 0, 0, 1_000_000);
  assert.equal(read.count, 100);
  assert.equal(read.index.length, 100 * RECORD_WORDS);
  assert.equal(read.next, 100);
});

add("reading at the end is empty; beyond it, or before 0, is out of range", async ({ open }) => {
  const log = await open();
  await log.createStream("s", DELETE);
  const empty = await log.read("s", 0, 0, 1000);
  assert.deepEqual([empty.count, empty.next, empty.endOffset], [0, 0, 0]);
  await log.append("s", 0, textBatch("a"));
  const end = await log.read("s", 0, 1, 1000);
  assert.deepEqual([end.count, end.next, end.endOffset], [0, 1, 1]);
  await rejects(log.read("s", 0, 2, 1000), "log.offset_out_of_range");
  await rejects(log.read("s", 0, -1, 1000), "log.offset_out_of_range");
});

add("unknown streams and partitions are refused by name", async ({ open }) => {
  const log = await open();
  await log.createStream("s", DELETE);
  await rejects(log.append("t", 0, textBatch("a")), "log.stream_not_found");
  await rejects(log.append("s", 2, textBatch("a")), "log.partition_not_found");
  await rejects(log.append("s", -1, textBatch("a")), "log.partition_not_found");
  await rejects(log.read("t", 0, 0, 1), "log.stream_not_found");
  await rejects(log.read("s", 2, 0, 1), "log.partition_not_found");
  await rejects(log.bounds("t", 0), "log.stream_not_found");
  await rejects(log.offsetAt("s", 7, 0), "log.partition_not_found");
});

// streams

add("a stream is created once, with an identity of its own; other options conflict", async ({ open }) => {
  const log = await open();
  const created = await log.createStream("orders.v1", DELETE);
  assert.equal(created.name, "orders.v1");
  assert.equal(created.partitions, 2);
  assert.deepEqual(await log.createStream("orders.v1", DELETE), created);
  assert.deepEqual(await log.stream("orders.v1"), created);
  assert.equal(await log.stream("none"), undefined);
  await rejects(log.createStream("orders.v1", { ...DELETE, partitions: 3 }), "declaration.conflict");
  await rejects(log.createStream("orders.v1", { ...DELETE, cleanup: "compact" }), "declaration.conflict");
  const other = await log.createStream("orders.v2", DELETE);
  assert.notEqual(other.topicId, created.topicId);
  const names = (await log.listStreams()).map((stream) => stream.name);
  assert.deepEqual(names.sort(), ["orders.v1", "orders.v2"]);
});

add("of many callers creating the same stream all get the same one", async ({ open }) => {
  const log = await open();
  const created = await Promise.all(Array.from({ length: 20 }, () => log.createStream("s", DELETE)));
  assert.equal(new Set(created.map((stream) => stream.topicId)).size, 1);
  assert.equal((await log.listStreams()).length, 1);
});
