/** Bytes that changed on the broker's disk, and topics that changed behind our back: seen, and never passed over. */
import assert from "node:assert/strict";
import { open, readFile } from "node:fs/promises";
import { crc32c } from "@platformatic/kafka";
import kafkajs, { type Admin } from "kafkajs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BATCH, IS_CONTROL } from "../../../adapters/kafka/batch-format.ts";
import { type Clock, systemClock } from "../../../core/clock.ts";
import { MuaraError } from "../../../core/errors.ts";
import type { Log } from "../../../core/ports/log.ts";
import { DELETE, payloadsOf, rejects, textBatch } from "../../conformance/log-harness.ts";
import { type KafkaServer, startKafka } from "../../services/kafka.ts";
import { openAt, openWith } from "./kafka-harness.ts";

const PATIENCE = { timeout: 60_000, interval: 50 };
const TEXTS = ["first", "second", "third"];

let server: KafkaServer;
let admin: Admin;
beforeAll(async () => {
  server = await startKafka();
  admin = new kafkajs.Kafka({ brokers: [server.broker], logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
});
afterAll(async () => {
  await admin.disconnect();
  await server.stop();
});

interface Fresh {
  readonly log: Log;
  readonly address: string;
  readonly topic: string;
}

async function fresh(): Promise<Fresh> {
  const address = server.freshAddress();
  const log = await openAt(address);
  await log.createStream("s", DELETE);
  return { log, address, topic: `${address.split("/").at(-1)}s` };
}

/** Changes one of the batches of partition 0 where the broker has it; it reads what stands there. */
async function damage(topic: string, at: number, change: (batch: Buffer) => void): Promise<void> {
  const file = await open(server.segmentPath(topic, 0), "r+");
  try {
    const bytes = await file.readFile();
    let start = 0;
    const endOf = (from: number): number => from + BATCH.leaderEpoch + bytes.readInt32BE(from + BATCH.length);
    for (let i = 0; i < at; i++) start = endOf(start);
    const batch = bytes.subarray(start, endOf(start));
    change(batch);
    await file.write(batch, 0, batch.length, start);
  } finally {
    await file.close();
  }
}

/** As if it had been written so. */
function seal(batch: Buffer): void {
  batch.writeUInt32BE(crc32c(batch.subarray(BATCH.attributes)), BATCH.crc);
}

const flip =
  (at: number, bits: number) =>
  (batch: Buffer): void => {
    const place = at < 0 ? batch.length + at : at;
    batch[place] = batch[place]! ^ bits;
  };

const DAMAGE: readonly (readonly [string, (batch: Buffer) => void, RegExp])[] = [
  ["a bit of a payload", flip(-3, 1), /checksum that does not match at offset 1/],
  // Without the checksum the next ones would be a marker, records of nobody, a batch of another length of offsets.
  ["the bit that makes a marker", flip(BATCH.attributes + 1, IS_CONTROL), /checksum .* at offset 1/],
  ["the count", flip(BATCH.count + 3, 1), /checksum .* at offset 1/],
  ["how far it reaches", flip(BATCH.lastOffsetDelta + 2, 1), /checksum .* at offset 1/],
  ["its first offset, back", flip(BATCH.baseOffset + 7, 1), /a batch that begins before/],
  ["its first offset, far ahead", flip(BATCH.baseOffset + 2, 1), /not where it should be|not sent whole/],
  [
    "a compression that there is not",
    (batch) => {
      batch[BATCH.attributes + 1] = 5;
      seal(batch);
    },
    /cannot be decompressed \(an unknown compression \(5\)\) at offset 1/,
  ],
  [
    "a compression that it does not have",
    (batch) => {
      batch[BATCH.attributes + 1] = 4;
      seal(batch);
    },
    /cannot be decompressed .* at offset 1/,
  ],
  [
    "a record's length",
    (batch) => {
      batch[BATCH.head] = batch[BATCH.head]! + 2;
      seal(batch);
    },
    /records that do not fit their lengths at offset 1/,
  ],
];

test.each(DAMAGE)("%s: reported with its place, and nothing is passed over", async (_name, change, words) => {
  const { log, address, topic } = await fresh();
  for (const text of TEXTS) await log.append("s", 0, textBatch(text));
  await log.append("s", 1, textBatch("elsewhere"));
  await damage(topic, 1, change);
  for (const one of [log, await openAt(address)]) {
    const error = await payloadsOf(one, "s", 0).then(
      (texts) => assert.fail(`read: ${texts.join(", ")}`),
      (caught: unknown) => caught,
    );
    assert.ok(error instanceof MuaraError && error.code === "log.corrupt", String(error));
    expect(error.message).toMatch(words);
    expect(error.message).toContain(`${topic}/0`);
    assert.deepEqual(await payloadsOf(one, "s", 1), ["elsewhere"]);
    await one.close();
  }
});

test("counts are not made from what is damaged", async () => {
  const { log, topic } = await fresh();
  for (const text of TEXTS) await log.append("s", 0, textBatch(text));
  await damage(topic, 1, flip(BATCH.count + 3, 2));
  await rejects(log.accepted("s"), "log.corrupt");
  await log.close();
});

test.each(["gzip", "snappy", "lz4", "zstd", "uncompressed"])(
  "a topic that stores %s is read, whatever we send",
  async (compression) => {
    const { log, topic } = await fresh();
    await admin.alterConfigs({
      validateOnly: false,
      resources: [
        {
          type: kafkajs.ConfigResourceTypes.TOPIC,
          name: topic,
          configEntries: [
            { name: "message.timestamp.type", value: "LogAppendTime" },
            { name: "compression.type", value: compression },
          ],
        },
      ],
    });
    const texts = Array.from(
      { length: 400 },
      (_, i) => `${i}: ${"text that repeats itself, ".repeat(i % 7)}`,
    );
    const codecs = ["uncompressed", "gzip", "snappy", "lz4", "zstd"];
    const written: string[] = [];
    // A topic's configuration takes its time until it holds.
    const codecOfNext = async (): Promise<string> => {
      const before = await readFile(server.segmentPath(topic, 0));
      await log.append("s", 0, textBatch(...texts));
      written.push(...texts);
      const bytes = await readFile(server.segmentPath(topic, 0));
      return codecs[bytes.readInt16BE(before.length + BATCH.attributes) & 7]!;
    };
    await expect.poll(codecOfNext, PATIENCE).toBe(compression);
    assert.deepEqual(await payloadsOf(log, "s", 0), written);
    await log.close();
  },
);

/** A clock that a test moves on. */
class MovedClock implements Clock {
  movedMs = 0;
  nowMs = (): number => systemClock.nowMs();
  monotonicMs = (): number => systemClock.monotonicMs() + this.movedMs;
  sleep = (ms: number, signal?: AbortSignal): Promise<void> => systemClock.sleep(ms, signal);
}

test.each([
  ["by identity", false],
  ["on brokers that know names alone", true],
])("a topic made anew is not written to in place of the old one, unseen: %s", async (_name, isOld) => {
  const address = server.freshAddress();
  const topic = `${address.split("/").at(-1)}s`;
  const clock = new MovedClock();
  const log = await openWith(address, { isOld, clock, metadataMs: 1e9 });
  const { topicId } = await log.createStream("s", DELETE);
  assert.equal((await log.append("s", 0, textBatch("a", "b"))).baseOffset, 0);
  assert.equal((await log.append("s", 0, textBatch("c"))).baseOffset, 2);
  assert.deepEqual(await payloadsOf(log, "s", 0), ["a", "b", "c"]);
  await admin.deleteTopics({ topics: [topic] });
  const other = await openAt(address);
  await expect.poll(() => other.stream("s"), PATIENCE).toBe(undefined);
  const again = await other.createStream("s", DELETE);
  assert.notEqual(again.topicId, topicId);
  // What this process knows of topics is as old as the first append; nobody told it.
  clock.movedMs = 2_000;
  await rejects(log.append("s", 0, textBatch("d")), "log.identity");
  assert.deepEqual(await payloadsOf(other, "s", 0), []);
  await rejects(log.read("s", 0, 0, 1_000), "log.identity");
  await Promise.all([log.close(), other.close()]);
});
