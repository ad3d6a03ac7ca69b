/** An independent client: what kafkajs writes we read, what we write it reads. */
import assert from "node:assert/strict";
import kafkajs, { type Admin, type IHeaders, type Producer } from "kafkajs";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Log } from "../../../core/ports/log.ts";
import { packRecords } from "../../../core/record.ts";
import {
  DELETE,
  keyedBatch,
  readAll,
  stateOf,
  textBatch,
  COMPACT,
  rejects,
} from "../../conformance/log-harness.ts";
import { openLogSink } from "../../../workers/deliver/log-sink.ts";
import { batchOf } from "../../conformance/sink.ts";
import { type KafkaServer, startKafka } from "../../services/kafka.ts";
import { openAt } from "./kafka-harness.ts";
import { giveZstd } from "./kafkajs-zstd.ts";

const { CompressionTypes, Kafka, logLevel, Partitioners } = kafkajs;

let server: KafkaServer;
let kafka: InstanceType<typeof Kafka>;
let admin: Admin;
let producer: Producer;
beforeAll(async () => {
  giveZstd();
  server = await startKafka();
  kafka = new Kafka({ clientId: "independent", brokers: [server.broker], logLevel: logLevel.NOTHING });
  admin = kafka.admin();
  producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await Promise.all([admin.connect(), producer.connect()]);
});
afterAll(async () => {
  await Promise.all([admin.disconnect(), producer.disconnect()]);
  await server.stop();
});

/** A fresh log with one stream, and what its topic is called. */
async function fresh(): Promise<{ log: Log; topic: string }> {
  const address = server.freshAddress();
  const log = await openAt(address);
  await log.createStream("s", DELETE);
  return { log, topic: `${address.split("/").at(-1)}s` };
}

function text(bytes: Buffer | null): string | null {
  return bytes && bytes.toString();
}

interface Seen {
  readonly partition: number;
  readonly offset: string;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: IHeaders | undefined;
}

/** Everything of a topic as kafkajs reads it, in order of offsets. */
async function consumed(topic: string, count: number): Promise<Seen[]> {
  const consumer = kafka.consumer({ groupId: `g-${topic}`, readUncommitted: false });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  const seen: Seen[] = [];
  try {
    await new Promise<void>((resolve, reject) => {
      const eachMessage = async ({ partition, message }: kafkajs.EachMessagePayload): Promise<void> => {
        const { offset, key, value, headers } = message;
        seen.push({ partition, offset, key: text(key), value: text(value), headers });
        if (seen.length === count) resolve();
      };
      consumer.run({ eachMessage }).catch(reject);
    });
  } finally {
    await consumer.disconnect();
  }
  return seen.sort((a, b) => a.partition - b.partition || Number(a.offset) - Number(b.offset));
}

test.each([
  ["none", CompressionTypes.None],
  ["gzip", CompressionTypes.GZIP],
  ["zstd", CompressionTypes.ZSTD],
])("what kafkajs writes with %s compression is read as it was written", async (_name, compression) => {
  const { log, topic } = await fresh();
  const texts = Array.from({ length: 500 }, (_, i) => `${i}:${"v".repeat(i % 90)}`);
  const messages = texts.map((value, i) => ({ value, key: i % 3 === 0 ? null : `k${i}`, partition: 0 }));
  for (const from of [0, 7, 300])
    await producer.send({
      topic,
      compression,
      messages: messages.slice(from, from === 0 ? 7 : from === 7 ? 300 : 500),
    });
  const records = await readAll(log, "s", 0, 0, 3_000);
  assert.deepEqual(
    records.map(({ payload }) => payload),
    texts,
  );
  assert.deepEqual(
    records.map(({ key }) => key),
    messages.map(({ key }) => key),
  );
  await log.close();
});

test("its headers are kept, its tombstones are tombstones, empty stays empty", async () => {
  const { log, topic } = await fresh();
  await producer.send({
    topic,
    messages: [
      { partition: 1, value: "a", headers: { trace: "00-ü", twice: ["1", "2"], raw: Buffer.from([255, 0]) } },
      { partition: 1, value: null, key: "gone" },
      { partition: 1, value: "", key: "" },
      { partition: 1, value: "ours", headers: { other: "x", muara: '{"flow":1}' } },
    ],
  });
  const records = await readAll(log, "s", 1, 0);
  assert.deepEqual(
    records.map(({ payload, key }) => [payload, key]),
    [
      ["a", null],
      [null, "gone"],
      ["", ""],
      ["ours", null],
    ],
  );
  assert.deepEqual(JSON.parse(records[0]!.header), {
    headers: [
      ["trace", "00-ü"],
      ["twice", "1"],
      ["twice", "2"],
      ["raw", { base64: "/wA=" }],
    ],
  });
  assert.deepEqual(
    records.slice(1).map(({ header }) => header),
    ["", "", '{"flow":1}'],
  );
  // Read in pieces, made headers go along with their records.
  assert.deepEqual(await readAll(log, "s", 1, 0, 1), records);
  await log.close();
});

test("aborted transactions and markers are gaps; nothing is read behind the last stable offset", async () => {
  const { log, topic } = await fresh();
  const transactional = kafka.producer({
    transactionalId: `t-${topic}`,
    idempotent: true,
    maxInFlightRequests: 1,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await transactional.connect();
  const expected: string[] = [];
  const batch = (
    texts: readonly string[],
  ): { topic: string; messages: { partition: number; value: string }[] } => ({
    topic,
    messages: texts.map((value) => ({ partition: 0, value })),
  });
  for (let i = 0; i < 12; i++) {
    const transaction = await transactional.transaction();
    const texts = [`${i}a`, `${i}b`];
    await transaction.send(batch(texts));
    await producer.send(batch([`${i} plain`])); // amid it
    if (i % 3 === 0) {
      expected.push(...texts, `${i} plain`);
      await transaction.commit();
    } else {
      expected.push(`${i} plain`);
      await transaction.abort();
    }
  }
  // Two records, a plain one and a marker each; the last marker is written after the answer.
  const endOffset = async (): Promise<number> => (await log.bounds("s", 0)).endOffset;
  await expect.poll(endOffset, { timeout: 20_000 }).toBe(12 * 4);
  for (const maxBytes of [0, 40, 1_000_000])
    assert.deepEqual(
      (await readAll(log, "s", 0, 0, maxBytes)).map(({ payload }) => payload),
      expected,
    );
  const counted = (await log.accepted("s")).reduce((sum, { count }) => sum + count, 0);
  assert.equal(counted, expected.length);
  const open = await transactional.transaction();
  await open.send(batch(["open"]));
  await producer.send(batch(["behind it"]));
  assert.equal(await endOffset(), 48);
  assert.deepEqual((await log.read("s", 0, 48, 1_000)).count, 0);
  await rejects(log.read("s", 0, 49, 1_000), "log.offset_out_of_range");
  await open.abort();
  await expect
    .poll(async () => (await readAll(log, "s", 0, 48)).map(({ payload }) => payload), { timeout: 20_000 })
    .toEqual(["behind it"]);
  await transactional.disconnect();
  await log.close();
});

test("kafkajs reads what we write: payloads, keys, headers, tombstones", async () => {
  const { log, topic } = await fresh();
  await log.append("s", 0, textBatch(...Array.from({ length: 300 }, (_, i) => `event ${i}`)));
  await log.append(
    "s",
    1,
    packRecords([
      { payload: Buffer.from("{}"), key: "k", header: '{"flow":"ü"}' },
      { payload: null, key: "gone" },
      { payload: Buffer.alloc(0), key: null },
    ]),
  );
  const seen = await consumed(topic, 303);
  assert.deepEqual(
    seen.slice(0, 300).map(({ partition, offset, value }) => [partition, offset, value]),
    Array.from({ length: 300 }, (_, i) => [0, String(i), `event ${i}`]),
  );
  assert.deepEqual(
    seen.slice(300).map(({ key, value }) => [key, value]),
    [
      ["k", "{}"],
      ["gone", null],
      [null, ""],
    ],
  );
  assert.equal(seen[300]!.headers!["muara"]!.toString(), '{"flow":"ü"}');
  assert.deepEqual(seen[301]!.headers, {});
  await log.close();
});

test("a compacted stream is a compacted topic, and a record without a key is refused by name", async () => {
  const address = server.freshAddress();
  const log = await openAt(address);
  await log.createStream("meta", COMPACT);
  await log.append("meta", 0, keyedBatch(["a", "1"], ["b", "1"], ["a", "2"], ["b", null]));
  assert.deepEqual(stateOf(await readAll(log, "meta", 0, 0)), { a: "2" });
  await rejects(log.append("meta", 0, textBatch("no key")), "log.refused");
  await log.append("meta", 0, keyedBatch(["c", "after a refusal"]));
  const name = `${address.split("/").at(-1)}meta`;
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name, configNames: ["cleanup.policy"] }],
  });
  assert.equal(resources[0]!.configEntries[0]!.configValue, "compact");
  await log.close();
});

function plain(all: readonly { readonly key: string | null; readonly json: string }[]): string[] {
  return all.map(({ key, json }) => `${key} ${json}`).toSorted();
}

test("rows of deliveries are records with their keys, once each, also where they were sent again", async () => {
  const { log, topic } = await fresh();
  const never = new AbortController().signal;
  const sink = await openLogSink(log, "s", "d");
  await sink.write(batchOf(0, 4), never);
  const again = await openLogSink(await openAt(`kafka://${server.broker}/${topic.slice(0, -1)}`), "s", "d");
  await again.write(batchOf(0, 6), never);
  await sink.write(batchOf(0, 6), never);
  const seen = await consumed(topic, 6);
  const rows = [...batchOf(0, 4).rows, ...batchOf(0, 6).rows.slice(4)];
  expect(plain(seen.map(({ key, value }) => ({ key, json: value! })))).toEqual(plain(rows));
  await again.close();
  await log.close();
});
