/**
 * From a real broker into a table: what others do to topics stops the table or lands, and never gets lost in silence;
 * what others write as CloudEvents lands as such, and what we write is theirs to read.
 */
import assert from "node:assert/strict";
import * as platformatic from "@platformatic/kafka";
import {
  CloudEvent,
  type CloudEventV1,
  Kafka as KafkaBinding,
  type Message as CloudMessage,
} from "cloudevents";
import kafkajs, { type Message } from "kafkajs";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { EventType } from "../../../core/event-type.ts";
import type { Log } from "../../../core/ports/log.ts";
import { DELETE, textBatch } from "../../conformance/log-harness.ts";
import { type KafkaServer, startKafka } from "../../services/kafka.ts";
import { createDoor, declaration } from "../../workers/ingest/door.ts";
import { event, eventType, never } from "../../workers/land/setup.ts";
import { openAt } from "./kafka-harness.ts";
import { KafkaLake } from "./kafka-lake.ts";
import { giveZstd } from "./kafkajs-zstd.ts";

const PATIENCE = { timeout: 60_000, interval: 50 };
const TYPE = eventType();
const CLOUD: EventType = eventType({
  name: "com.shop.order",
  category: "cloudevent",
  schema: {
    type: "json_schema",
    schema: JSON.stringify({ type: "object", properties: { n: { type: "integer" } } }),
  },
});

let server: KafkaServer;
let admin: kafkajs.Admin;
let producer: kafkajs.Producer;
let kafka: kafkajs.Kafka;
const open: { log: Log; lake: KafkaLake }[] = [];
beforeAll(async () => {
  giveZstd();
  server = await startKafka();
  kafka = new kafkajs.Kafka({ brokers: [server.broker], logLevel: kafkajs.logLevel.NOTHING });
  admin = kafka.admin();
  producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  await Promise.all([admin.connect(), producer.connect()]);
});
afterEach(async () => {
  for (const { log, lake } of open.splice(0)) {
    await log.close();
    lake.remove();
  }
});
afterAll(async () => {
  await Promise.all([admin.disconnect(), producer.disconnect()]);
  await server.stop();
});

async function fresh(type: EventType): Promise<{ log: Log; lake: KafkaLake; topic: string }> {
  const address = server.freshAddress();
  const log = await openAt(address);
  const lake = new KafkaLake(log);
  open.push({ log, lake });
  await log.createStream(type.name, DELETE);
  return { log, lake, topic: `${address.split("/").at(-1)}${type.name}` };
}

/** Everything of each partition is told of: the cursor is at the end of what was landed, refused or passed. */
async function sums(lake: KafkaLake, type: EventType): Promise<Record<string, number>> {
  const total = { landed: 0, duplicates: 0, dead: 0, gap: 0 };
  for (const { cursor, landed, duplicates, dead, gap } of await lake.partitions(type)) {
    assert.equal(landed + duplicates + dead + gap, cursor);
    total.landed += landed;
    total.duplicates += duplicates;
    total.dead += dead;
    total.gap += gap;
  }
  return total;
}

test("retention that came first stops the table, and says which offsets are lost", async () => {
  const { log, lake, topic } = await fresh(TYPE);
  await log.append(TYPE.name, 0, textBatch(event(0), event(1)));
  await lake.land(TYPE);
  await log.append(TYPE.name, 0, textBatch(event(2), event(3), event(4)));
  const own = new platformatic.Admin({ clientId: "test", bootstrapBrokers: [server.broker] });
  await own.deleteRecords({ topics: [{ name: topic, partitions: [{ partition: 0, offset: 4n }] }] });
  await own.close();
  await expect(lake.land(TYPE)).rejects.toMatchObject({
    code: "log.offset_out_of_range",
    details: { partition: 0, from: 2, to: 4 },
  });
  assert.deepEqual(await sums(lake, TYPE), { landed: 2, duplicates: 0, dead: 0, gap: 0 });
  assert.equal((await lake.rows(TYPE)).length, 2);
});

test("a topic made anew is no continuation, however many records it has", async () => {
  const { log, lake, topic } = await fresh(TYPE);
  await log.append(TYPE.name, 0, textBatch(event(0), event(1)));
  const landing = await lake.open(TYPE);
  await landing.step(never);
  await admin.deleteTopics({ topics: [topic] });
  await expect.poll(() => log.stream(TYPE.name), PATIENCE).toBe(undefined);
  const configEntries = [{ name: "message.timestamp.type", value: "LogAppendTime" }];
  await admin.createTopics({ topics: [{ topic, numPartitions: 2, configEntries }] });
  const messages = [5, 6, 7, 8].map((n) => ({ value: event(n), partition: 0 }));
  await producer.send({ topic, messages });
  const step = (): Promise<unknown> => landing.step(never).catch((error: { code?: unknown }) => error.code);
  await expect.poll(step, PATIENCE).toMatch(/^(?:log\.identity|land\.fenced)$/);
  landing.discard();
  await expect(lake.land(TYPE)).rejects.toMatchObject({ code: "log.identity" });
  assert.equal((await lake.rows(TYPE)).length, 2);
});

test("partitions that are added under load are landed from their start, each event once", async () => {
  const { log, lake, topic } = await fresh(TYPE);
  let sent = 0;
  const end = new AbortController();
  const load = async (): Promise<void> => {
    while (!end.signal.aborted) {
      const { partitions } = (await log.stream(TYPE.name))!;
      await log.append(TYPE.name, (sent / 2) % partitions, textBatch(event(sent), event(sent + 1)));
      sent += 2;
    }
  };
  const loading = load();
  let landing = await lake.open(TYPE);
  const step = async (): Promise<boolean> => {
    try {
      return (await landing.step(never)).hasBacklog;
    } catch (error) {
      assert.equal((error as { code?: unknown }).code, "land.fenced");
      landing.discard();
      landing = await lake.open(TYPE);
      return true;
    }
  };
  for (let i = 0; i < 5; i++) await step();
  await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] });
  const cursors = async (): Promise<number> => {
    await step();
    return landing.state.partitions.filter(({ cursor }) => cursor > 0).length;
  };
  await expect.poll(cursors, PATIENCE).toBe(5);
  end.abort();
  await loading;
  while (await step());
  landing.discard();
  assert.deepEqual(await sums(lake, TYPE), { landed: sent, duplicates: 0, dead: 0, gap: 0 });
  const numbers = (await lake.rows(TYPE)).map(({ n }) => Number(n)).sort((a, b) => a - b);
  assert.deepEqual(
    numbers,
    Array.from({ length: sent }, (_, n) => n),
  );
});

test("of a storm of transactions the committed ones land, once; all else is a gap", async () => {
  const { log, lake, topic } = await fresh(TYPE);
  const transactional = await Promise.all(
    [0, 1, 2].map(async (i) => {
      const one = kafka.producer({
        transactionalId: `${topic}-${i}`,
        idempotent: true,
        maxInFlightRequests: 1,
        createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
      });
      await one.connect();
      return one;
    }),
  );
  const committed: number[] = [];
  const landing = await lake.open(TYPE);
  const end = new AbortController();
  const landOn = async (): Promise<void> => {
    while (!end.signal.aborted) await landing.step(never);
  };
  const storm = transactional.map(async (one, lane) => {
    for (let i = 0; i < 12; i++) {
      const numbers = [0, 1, 2].map((k) => lane * 1_000 + i * 10 + k);
      const transaction = await one.transaction();
      // In both partitions, amid the others' and plain ones.
      const messages = numbers.map((n) => ({ value: event(n), partition: n % 2 }));
      await transaction.send({ topic, messages });
      await producer.send({ topic, messages: [{ value: event(5_000 + lane * 100 + i), partition: i % 2 }] });
      committed.push(5_000 + lane * 100 + i);
      if ((i + lane) % 3 === 0) await transaction.abort();
      else {
        await transaction.commit();
        committed.push(...numbers);
      }
    }
  });
  const landed = landOn();
  await Promise.all(storm);
  const count = async (): Promise<number> => (await lake.rows(TYPE)).length;
  await expect.poll(count, PATIENCE).toBe(committed.length);
  end.abort();
  await landed;
  while ((await landing.step(never)).hasBacklog);
  landing.discard();
  await Promise.all(transactional.map((one) => one.disconnect()));
  const numbers = (await lake.rows(TYPE)).map(({ n }) => Number(n)).sort((a, b) => a - b);
  assert.deepEqual(
    numbers,
    committed.toSorted((a, b) => a - b),
  );
  const { landed: rows, duplicates, dead, gap } = await sums(lake, TYPE);
  assert.deepEqual([rows, duplicates, dead], [committed.length, 0, 0]);
  assert.ok(gap! >= 36 + 3 * 12, `${gap} offsets of markers and aborted records`);
  const accepted = (await log.accepted(TYPE.name)).reduce((sum, one) => sum + one.count, 0);
  assert.equal(accepted, committed.length);
});

/** As kafkajs wants it: attributes that are not there are no headers, and data is bytes. */
function messageOf({ headers, body }: CloudMessage, key?: string): Message {
  const given = Object.entries(headers).filter(([, value]) => value !== undefined);
  const value =
    body === undefined || Buffer.isBuffer(body) || typeof body === "string"
      ? ((body as string | undefined) ?? null)
      : JSON.stringify(body);
  const texts = given.map(([name, text]) => [name, String(text)]);
  return { value, headers: Object.fromEntries(texts), partition: 0, ...(key === undefined ? {} : { key }) };
}

function cloudEvent(id: string, more: Partial<CloudEventV1<unknown>> = {}): CloudEvent<unknown> {
  return new CloudEvent<unknown>({ id, source: "/shop", type: CLOUD.name, data: { n: 1 }, ...more });
}

function idOf({ source, id }: { readonly source: string; readonly id: string }): string {
  return `${Buffer.byteLength(source)}:${source}${id}`;
}

test("CloudEvents that a Kafka producer writes, binary and structured, land with their identity", async () => {
  const { lake, topic } = await fresh(CLOUD);
  const events = [
    cloudEvent("1"),
    cloudEvent("1", { source: "/other" }),
    cloudEvent('ü "2" %41', {
      subject: "naïve/\u{1f9e6}",
      time: "2026-03-01T12:00:00.123Z",
      dataschema: "https://shop.test/schema",
      data: { n: 7, more: [1.5, "a,b:}"] },
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      partitionkey: "customer 7",
    }),
    cloudEvent("3", { data: undefined }),
  ];
  const messages = events.map((one) => messageOf(KafkaBinding.binary(one) as CloudMessage, "k"));
  messages[0]!.headers!["other"] = "kept";
  // Each again in the other mode: a duplicate.
  const twice = events.slice(0, 3).map((one) => messageOf(KafkaBinding.structured(one) as CloudMessage));
  await producer.send({ topic, messages: [...messages, ...twice] });
  await lake.land(CLOUD);
  assert.deepEqual(await sums(lake, CLOUD), { landed: 4, duplicates: 3, dead: 0, gap: 0 });
  const rows = await lake.rows(CLOUD);
  assert.deepEqual(
    rows.map((row) => [row["event_id"], row["source"], row["subject"], row["dataschema"], row["n"]]),
    events.map((one) => {
      const { n } = (one.data ?? {}) as { n?: number };
      const text = n === undefined ? null : String(n);
      return [idOf(one), one.source, one.subject ?? null, one.dataschema ?? null, text];
    }),
  );
  expect(rows.map((row) => row["event_key"])).toEqual(["k", "k", "k", "k"]);
  expect(rows[2]!["event_time"]).toMatch(/^2026-03-01 12:00:00\.123/);
  expect(JSON.parse(rows[2]!["extra"] as string)).toMatchObject({
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    partitionkey: "customer 7",
    data: { more: [1.5, "a,b:}"] },
  });
});

test("what is said to be a CloudEvent and is none becomes a dead letter, and no other event", async () => {
  const { log, lake, topic } = await fresh(CLOUD);
  const good = { ce_specversion: "1.0", ce_id: "1", ce_source: "/s", ce_type: CLOUD.name };
  const json = { ...good, "content-type": "application/json" };
  const bad: Message[] = [
    { value: '{"n":1},"id":"9"', headers: json }, // would become another member
    { value: '{"n":1}}', headers: json },
    { value: '{"n":1},{"n":2}', headers: json },
    { value: '"n":1', headers: json },
    { value: '{"n":1', headers: json },
    { value: '{"n":"one"}', headers: json },
    { value: '{"n":1}', headers: { ...json, ce_id: Buffer.from([0xff]) } },
    { value: '{"n":1}', headers: { ...json, ce_id: ["1", "2"] } },
    { value: '{"n":1}', headers: { ...json, "ce_No-Name": "x" } },
    { value: '{"n":1}', headers: { ...json, ce_data: "x" } },
    { value: '{"n":1}', headers: { ...json, ce_type: "another.type" } },
    { value: '{"n":1}', headers: { ce_specversion: "1.0", ce_source: "/s", ce_type: CLOUD.name } },
    // The binding has no batches, and we no other formats.
    {
      value: JSON.stringify([cloudEvent("7").toJSON()]),
      headers: { "content-type": "application/cloudevents-batch+json" },
    },
    { value: Buffer.from([0, 1, 2]), headers: { ...good, "content-type": "application/cloudevents+avro" } },
    { value: '{"n":1}', headers: {} },
  ];
  const fine: Message[] = [
    { value: '{"n":1}', headers: json },
    { value: Buffer.from([0xff, 0]), headers: { ...good, ce_id: "2", "content-type": "image/png" } },
  ];
  const messages = [...bad, ...fine].map((message) => ({ ...message, partition: 0 }));
  await producer.send({ topic, messages });
  await lake.land(CLOUD);
  assert.deepEqual(await sums(lake, CLOUD), { landed: 2, duplicates: 0, dead: bad.length, gap: 0 });
  const rows = await lake.rows(CLOUD);
  assert.deepEqual(
    rows.map((row) => row["event_id"]),
    ["2:/s1", "2:/s2"],
  );
  assert.equal(JSON.parse(rows[1]!["extra"] as string).data_base64, "/wA=");
  // What was no event is in the log as it came.
  const batch = await log.read(CLOUD.name, 0, 0, 1_000_000);
  const decoder = new TextDecoder();
  const index = batch.index;
  assert.equal(decoder.decode(batch.bytes.subarray(index[0], index[0]! + index[1]!)), '{"n":1},"id":"9"');
});

/** The SDK sets it from the key, also where there is none. */
function plain(one: object): unknown {
  return { ...(one as CloudEventV1<unknown>), partitionkey: undefined };
}

test("what the door writes is a CloudEvent to the SDK that reads the topic", async () => {
  const { log, topic } = await fresh(CLOUD);
  const door = await createDoor({ log });
  const declared = await door.declare(
    declaration(CLOUD.name, { category: "cloudevent", schema: { type: "object" } }),
  );
  assert.equal(declared.status, 201, await declared.text());
  const sent = [
    cloudEvent("1", { time: "2026-03-01T12:00:00.123Z", subject: "ü", traceparent: "00-1" }),
    cloudEvent("2", { source: "/other", time: "2026-03-01T12:00:01.000Z", data: { n: [1, "x"] } }),
  ];
  const answer = await door.fetch(
    new Request("http://muara.test/cloudevents", {
      method: "POST",
      body: JSON.stringify(sent.map((one) => one.toJSON())),
      headers: {
        authorization: `Bearer ${door.admin}`,
        "content-type": "application/cloudevents-batch+json",
      },
    }),
  );
  assert.equal(answer.status, 200, await answer.text());
  const consumer = kafka.consumer({ groupId: `g-${topic}` });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  const seen: CloudEventV1<unknown>[] = [];
  await new Promise<void>((resolve, reject) => {
    const eachMessage = async ({ message }: kafkajs.EachMessagePayload): Promise<void> => {
      const texts = Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]);
      const value = message.value!.toString();
      const read = KafkaBinding.toEvent({ headers: Object.fromEntries(texts), body: value, value } as never);
      seen.push((read as CloudEvent<unknown>).toJSON() as never);
      if (seen.length === sent.length) resolve();
    };
    consumer.run({ eachMessage }).catch(reject);
  });
  await consumer.disconnect();
  seen.sort((a, b) => Number(a.id) - Number(b.id));
  assert.deepEqual(
    JSON.parse(JSON.stringify(seen.map(plain))),
    JSON.parse(JSON.stringify(sent.map((one) => plain(one.toJSON())))),
  );
});
