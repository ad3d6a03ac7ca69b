/**
 * What every Log must do. Framework-free: each case gets a harness that opens fresh, empty logs.
 * A test file binds it: `for (const [name, run] of logCasesFor(harness)) test(name, () => run(harness))`.
 */
import assert from "node:assert/strict";
import type { ManualClock } from "../../core/clock.ts";
import { hasCode, type ErrorCode } from "../../core/errors.ts";
import type { Log, ProducerSequence, StreamOptions } from "../../core/ports/log.ts";
import {
  ABSENT,
  headerOf,
  keyOf,
  packRecords,
  payloadOf,
  RECORD_WORDS,
  type ReadBatch,
  type RecordBatch,
} from "../../core/record.ts";

/** What an adapter may lack. `clock`: the log's time is the harness's; `reopen`: it survives a close. */
export type LogAbility = "clock" | "reopen" | "producers" | "retention" | "accepted";

export interface LogHarness {
  /** A fresh, empty log. */
  readonly open: () => Promise<Log>;
  /** Closes the log and opens it again. */
  readonly reopen?: (log: Log) => Promise<Log>;
  /** The log's time. */
  readonly clock?: ManualClock;
  readonly abilities: readonly LogAbility[];
}

export type LogCase = readonly [
  name: string,
  run: (harness: LogHarness) => Promise<void>,
  needs?: readonly LogAbility[],
];

/** The cases that an adapter with these abilities must pass. */
export function logCasesFor(abilities: readonly LogAbility[]): readonly LogCase[] {
  return logCases.filter(([, , needs = []]) => needs.every((need) => abilities.includes(need)));
}

export const HOUR_MS = 3_600_000;
export const DELETE: StreamOptions = { partitions: 2, cleanup: "delete", retentionMs: 2 * HOUR_MS };
export const COMPACT: StreamOptions = { partitions: 1, cleanup: "compact", retentionMs: HOUR_MS };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A record as text: easy to compare, exact enough since every record has another text. */
export interface PlainRecord {
  readonly offset: number;
  readonly ingestMs: number;
  readonly payload: string | null;
  readonly key: string | null;
  readonly header: string;
}

export function textBatch(...payloads: readonly string[]): RecordBatch {
  return packRecords(payloads.map((payload) => ({ payload: encoder.encode(payload) })));
}

export function keyedBatch(
  ...records: readonly (readonly [key: string, payload: string | null])[]
): RecordBatch {
  return packRecords(
    records.map(([key, payload]) => ({ key, payload: payload === null ? null : encoder.encode(payload) })),
  );
}

export function plainRecords(batch: ReadBatch): PlainRecord[] {
  return Array.from({ length: batch.count }, (_, i) => {
    const payload = payloadOf(batch, i);
    const key = keyOf(batch, i);
    return {
      offset: batch.offsets[i]!,
      ingestMs: batch.ingestMs[i]!,
      payload: payload && decoder.decode(payload),
      key: key && decoder.decode(key),
      header: decoder.decode(headerOf(batch, i)),
    };
  });
}

/** Everything from `from` on, following `next`; checks on the way what every read must hold. */
export async function readAll(
  log: Log,
  stream: string,
  partition: number,
  from: number,
  maxBytes = 1_000_000,
): Promise<PlainRecord[]> {
  const records: PlainRecord[] = [];
  let at = from;
  for (;;) {
    const batch = await log.read(stream, partition, at, maxBytes);
    const found = plainRecords(batch);
    assert.ok(batch.next >= at && batch.next <= batch.endOffset, `next ${batch.next} after ${at}`);
    for (const { offset } of found) {
      assert.ok(offset >= at && offset < batch.next, `offset ${offset} outside of [${at}, ${batch.next})`);
      assert.ok(offset > (records.at(-1)?.offset ?? -1), "offsets increase");
    }
    for (const record of found) {
      assert.ok(record.ingestMs >= (records.at(-1)?.ingestMs ?? 0), "ingest times never decrease");
      records.push(record);
    }
    if (batch.next === batch.endOffset && found.length === 0) return records;
    assert.ok(found.length > 0 || batch.next > at, "a read that does not advance");
    at = batch.next;
  }
}

export async function payloadsOf(
  log: Log,
  stream: string,
  partition: number,
  from = 0,
): Promise<(string | null)[]> {
  return (await readAll(log, stream, partition, from)).map((record) => record.payload);
}

export async function rejects(work: Promise<unknown>, code: ErrorCode): Promise<void> {
  await assert.rejects(work, (error: unknown) => {
    assert.ok(hasCode(error, code), `expected ${code}, got ${String(error)}`);
    return true;
  });
}

const logCases: LogCase[] = [];
function add(name: string, run: LogCase[1], ...needs: readonly LogAbility[]): void {
  logCases.push([name, run, needs]);
}

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

// producers

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
    assert.equal((await log.append("s", 0, textBatch("b"), sequence(0, 5))).isRepeat, true);
    await log.append("s", 0, textBatch("c"), sequence(1, 5));
    assert.deepEqual(await payloadsOf(log, "s", 0), ["a", "b", "c"]);
  },
  "producers",
  "clock",
);

// retention

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

/** What a reader of a compacted stream ends up with. */
export function stateOf(records: readonly PlainRecord[]): Record<string, string> {
  const state = new Map<string, string>();
  for (const { key, payload } of records) {
    if (key === null) continue;
    if (payload === null) state.delete(key);
    else state.set(key, payload);
  }
  return Object.fromEntries([...state].sort(([a], [b]) => (a < b ? -1 : 1)));
}

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
