/** What a broker does by itself, and what others do to its topics. */
import assert from "node:assert/strict";
import * as platformatic from "@platformatic/kafka";
import kafkajs, { type Admin } from "kafkajs";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Log } from "../../../core/ports/log.ts";
import {
  COMPACT,
  DELETE,
  HOUR_MS,
  keyedBatch,
  type PlainRecord,
  payloadsOf,
  readAll,
  rejects,
  stateOf,
  textBatch,
} from "../../conformance/log-harness.ts";
import { type KafkaServer, startKafka } from "../../services/kafka.ts";
import { openAt, openWith } from "./kafka-harness.ts";

const PATIENCE = { timeout: 60_000, interval: 100 };

let server: KafkaServer;
let admin: Admin;
/** For what kafkajs cannot: it refuses to delete records. */
let own: platformatic.Admin;
beforeAll(async () => {
  server = await startKafka();
  const { Kafka, logLevel } = kafkajs;
  admin = new Kafka({ brokers: [server.broker], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  own = new platformatic.Admin({ clientId: "test", bootstrapBrokers: [server.broker] });
});
afterAll(async () => {
  await Promise.all([admin.disconnect(), own.close()]);
  await server.stop();
});

/** A fresh log, and what the topic of its stream "s" is called. */
async function fresh(): Promise<{ log: Log; address: string; topic: string }> {
  const address = server.freshAddress();
  return { log: await openAt(address), address, topic: `${address.split("/").at(-1)}s` };
}

async function configure(topic: string, configs: Readonly<Record<string, string>>): Promise<void> {
  const configEntries = Object.entries({ "message.timestamp.type": "LogAppendTime", ...configs });
  await admin.alterConfigs({
    validateOnly: false,
    resources: [
      {
        type: kafkajs.ConfigResourceTypes.TOPIC,
        name: topic,
        configEntries: configEntries.map(([name, value]) => ({ name, value })),
      },
    ],
  });
}

/** What fills segments goes on being compacted. */
function isKept({ key }: PlainRecord): boolean {
  return key !== "filler";
}

/** Nothing makes it smaller. */
function noise(bytes: number): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString("hex");
}

const total = async (log: Log): Promise<number> =>
  (await log.accepted("s")).reduce((sum, { count }) => sum + count, 0);

test("nothing is created by asking for it, though the broker would", async () => {
  const { log, topic } = await fresh();
  await rejects(log.append("s", 0, textBatch("a")), "log.stream_not_found");
  await rejects(log.read("s", 0, 0, 1), "log.stream_not_found");
  assert.equal(await log.stream("s"), undefined);
  assert.equal((await admin.listTopics()).includes(topic), false);
  await rejects(log.createStream("no such: name", DELETE), "log.refused");
  assert.equal(await log.stream("no such: name"), undefined);
  await log.close();
});

test("ingest times are the broker's; offsets are found by them", async () => {
  const { log } = await fresh();
  await log.createStream("s", DELETE);
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    const { ingestMs } = await log.append("s", 0, textBatch(`${i}`, `${i}+`));
    times.push(ingestMs);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  const records = await readAll(log, "s", 0, 0);
  assert.deepEqual(
    records.map(({ ingestMs }) => ingestMs),
    times.flatMap((ms) => [ms, ms]),
  );
  for (const [i, ms] of times.entries()) {
    assert.equal(await log.offsetAt("s", 0, ms), i * 2);
    assert.equal(await log.offsetAt("s", 0, ms - 1), i * 2);
    assert.equal(await log.offsetAt("s", 0, ms + 1), i * 2 + 2);
  }
  assert.equal(await log.offsetAt("s", 0, 0), 0);
  assert.equal(await log.offsetAt("s", 1, 0), 0);
  const { ingestFloorMs } = await log.bounds("s", 0);
  assert.ok(ingestFloorMs < times[4]! + 1_000);
  await log.close();
});

test("accepted counts outlive records and processes", async () => {
  const { log, address, topic } = await fresh();
  await log.createStream("s", DELETE);
  for (let i = 0; i < 20; i++) await log.append("s", i % 2, textBatch(`${i}`, "x", "y"));
  assert.equal(await total(log), 60);
  await log.retain();
  await own.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset: 25n }] }] });
  await rejects(log.read("s", 0, 24, 1), "log.offset_out_of_range");
  assert.equal((await log.bounds("s", 0)).startOffset, 25);
  assert.equal((await payloadsOf(log, "s", 0, 25)).length, 5);
  const before = await log.accepted("s");
  await log.append("s", 0, textBatch("later"));
  await log.close();
  const again = await openAt(address);
  assert.equal(await total(again), 61);
  for (const { partition, hourMs } of before) assert.ok(partition < 2 && hourMs % HOUR_MS === 0);
  // Two that count beside each other, and note it, come to the same.
  const other = await openAt(address);
  await other.append("s", 1, textBatch("more", "and more"));
  for (const one of [again, other, again, other]) {
    await one.retain();
    assert.equal(await total(one), 63);
  }
  await Promise.all([again.close(), other.close()]);
});

test("what the broker's retention removed is out of range, and offsets go on", async () => {
  const { log, topic } = await fresh();
  await log.createStream("s", DELETE);
  await log.hold("lander", [{ stream: "s", partition: 0, offset: 0 }]);
  await log.append("s", 0, textBatch("a", "b", "c"));
  await configure(topic, { "cleanup.policy": "delete", "retention.ms": "100", "segment.ms": "100" });
  const start = async (): Promise<number> => (await log.bounds("s", 0)).startOffset;
  await expect.poll(start, PATIENCE).toBe(3); // holds or not: hasOwnRetention
  assert.equal(log.hasOwnRetention, true);
  await rejects(log.read("s", 0, 0, 1_000), "log.offset_out_of_range");
  assert.equal(await log.offsetAt("s", 0, 0), 3);
  await configure(topic, { "cleanup.policy": "delete" });
  assert.equal((await log.append("s", 0, textBatch("d"))).baseOffset, 3);
  assert.deepEqual(await payloadsOf(log, "s", 0, 3), ["d"]);
  assert.deepEqual(await log.read("s", 0, 3, 1_000).then(({ next }) => next), 4);
  await log.close();
});

test("what the broker's compaction took is a gap; the newest of each key stays", async () => {
  const { log, topic } = await fresh();
  await log.createStream("s", COMPACT);
  await configure(topic, {
    "cleanup.policy": "compact",
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.001",
    "delete.retention.ms": "50",
  });
  const write = (...records: readonly (readonly [string, string | null])[]): Promise<unknown> =>
    log.append("s", 0, keyedBatch(...records));
  for (let i = 0; i < 30; i++) await write(["a", `${i}`], ["b", `${i}`], [`c${i % 3}`, `${i}`]);
  await write(["b", null]);
  const expected = { a: "29", c0: "27", c1: "28", c2: "29" };
  const settled = async (): Promise<number> => {
    await write(["filler", "x"]); // so that segments end
    const records = await readAll(log, "s", 0, 0);
    const { filler: _, ...state } = stateOf(records);
    assert.deepEqual(state, expected);
    return records.filter(({ key }) => key !== "filler").length;
  };
  await expect.poll(settled, PATIENCE).toBe(4);
  const records = (await readAll(log, "s", 0, 0)).filter(isKept);
  assert.ok(records[0]!.offset > 0);
  const { endOffset } = await log.bounds("s", 0);
  for (let from = 0; from < endOffset; from += 7)
    assert.deepEqual(
      (await readAll(log, "s", 0, from, 10)).filter(isKept),
      records.filter(({ offset }) => offset >= from),
    );
  await log.close();
});

test("a topic deleted and created anew is another stream, and never read or written as the old one", async () => {
  const { log, address, topic } = await fresh();
  const created = await log.createStream("s", DELETE);
  await log.append("s", 0, textBatch("old"));
  await admin.deleteTopics({ topics: [topic] });
  await expect.poll(() => log.stream("s"), PATIENCE).toBe(undefined);
  const configEntries = [{ name: "message.timestamp.type", value: "LogAppendTime" }];
  await admin.createTopics({ topics: [{ topic, numPartitions: 2, configEntries }], waitForLeaders: false });
  await expect
    .poll(async () => (await log.stream("s"))?.topicId ?? created.topicId, PATIENCE)
    .not.toBe(created.topicId);
  await rejects(log.read("s", 0, 0, 1_000), "log.identity");
  await rejects(log.append("s", 0, textBatch("new")), "log.identity");
  const other = await openAt(address);
  assert.equal(other.id, log.id);
  assert.deepEqual(await other.stream("s"), await log.stream("s"));
  assert.deepEqual(await payloadsOf(other, "s", 0), []);
  await Promise.all([log.close(), other.close()]);
});

test("partitions that are added begin at 0 and are found", async () => {
  const { log, address, topic } = await fresh();
  await log.createStream("s", DELETE);
  await log.append("s", 0, textBatch("a"));
  await rejects(log.append("s", 3, textBatch("b")), "log.partition_not_found");
  await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] });
  const partitions = async (): Promise<number> => (await log.stream("s"))!.partitions;
  await expect.poll(partitions, PATIENCE).toBe(4);
  assert.equal((await log.append("s", 3, textBatch("b"))).baseOffset, 0);
  assert.deepEqual(await payloadsOf(log, "s", 3), ["b"]);
  assert.equal(await total(log), 2);
  const other = await openAt(address);
  assert.equal((await other.append("s", 2, textBatch("c"))).baseOffset, 0);
  await Promise.all([log.close(), other.close()]);
});

test("a topic that keeps its producers' times is refused, with what to set", async () => {
  const { log, topic } = await fresh();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: false });
  const answer = (): Promise<unknown> => log.stream("s").catch((error: unknown) => String(error));
  await expect.poll(answer, PATIENCE).toMatch(/message\.timestamp\.type=LogAppendTime/);
  await configure(topic, {});
  await expect.poll(async () => (await log.stream("s"))?.partitions, PATIENCE).toBe(1);
  await log.close();
});

test("a process sees within moments what another appends", async () => {
  const { log, address } = await fresh();
  const other = await openAt(address);
  await log.createStream("s", DELETE);
  assert.equal((await other.bounds("s", 1)).endOffset, 0);
  const never = new AbortController().signal;
  for (let i = 0; i < 5; i++) {
    const waiting = other.waitForAppend(other.appendCount, never);
    // Its first look only learns what is there; one that follows sees the change.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const again = other.waitForAppend(other.appendCount, never);
    await log.append("s", 1, textBatch(`${i}`));
    await Promise.all([waiting, again]);
    await expect.poll(async () => (await other.bounds("s", 1)).endOffset, PATIENCE).toBe(i + 1);
  }
  assert.deepEqual(await payloadsOf(other, "s", 1), ["0", "1", "2", "3", "4"]);
  await Promise.all([log.close(), other.close()]);
});

test("a batch that the topic cannot take is refused alone; those beside it are stored", async () => {
  const { log, topic } = await fresh();
  await log.createStream("s", DELETE);
  await configure(topic, { "max.message.bytes": "20000" });
  // A configuration takes its time until it holds.
  const tooLarge = (): Promise<unknown> =>
    log.append("s", 1, textBatch(noise(30_000))).catch((error: { code?: unknown }) => error.code);
  await expect.poll(tooLarge, PATIENCE).toBe("log.batch_too_large");
  const [small, large, last] = [noise(3_000), noise(30_000), noise(4_000)];
  const appends = [small, large, last, "end"].map((text) => log.append("s", 0, textBatch(text)));
  const refused = appends[1]!;
  await rejects(refused, "log.batch_too_large");
  const stored = await Promise.all([appends[0]!, appends[2]!, appends[3]!]);
  assert.deepEqual(
    stored.map(({ baseOffset }) => baseOffset),
    [0, 1, 2],
  );
  assert.deepEqual(await payloadsOf(log, "s", 0), [small, last, "end"]);
  await log.close();
});

test("more than may wait is refused until less does", async () => {
  const address = server.freshAddress();
  const log = await openWith(address, { pendingBytesMax: 50_000 });
  await log.createStream("s", DELETE);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) => log.append("s", i % 2, textBatch("x".repeat(10_000)))),
  );
  const stored = outcomes.filter(({ status }) => status === "fulfilled").length;
  assert.ok(stored >= 4 && stored < 20, `${stored} stored`);
  for (const outcome of outcomes)
    if (outcome.status === "rejected") assert.match(String(outcome.reason), /waiting/);
  await log.append("s", 0, textBatch("y"));
  assert.equal(await total(log), stored + 1);
  await log.close();
});
