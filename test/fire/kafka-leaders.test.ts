/**
 * Three brokers, of which those that lead die in turns: what was acknowledged is readable once, in its order, and
 * appends go on. A leader that has not everything, since somebody allowed that, is noticed by whoever had read it.
 */
import assert from "node:assert/strict";
import kafkajs from "kafkajs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { hasCode } from "../../core/errors.ts";
import type { Log } from "../../core/ports/log.ts";
import { payloadsOf, readAll, rejects, textBatch } from "../conformance/log-harness.ts";
import { openWith } from "../adapters/kafka/kafka-harness.ts";
import { type KafkaCluster, startKafkaCluster } from "../services/kafka-cluster.ts";
import { Load } from "./kafka-load.ts";

const ENOUGH_MS = 240_000;
const PATIENCE = { timeout: 120_000, interval: 100 };

let cluster: KafkaCluster;
let admin: kafkajs.Admin;
beforeAll(async () => {
  cluster = await startKafkaCluster(3);
  const brokers = [cluster.brokers[0]!.broker];
  admin = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
}, ENOUGH_MS);
afterAll(async () => {
  await admin.disconnect();
  await cluster.stop();
});

interface Led {
  readonly leader: number;
  readonly isr: readonly number[];
}

/** As the controller has it. */
async function partitionsOf(topic: string): Promise<readonly Led[]> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  return topics[0]!.partitions.toSorted((a, b) => a.partitionId - b.partitionId);
}

/** @param replicas [partition] the brokers that have it, the one that should lead it first */
async function createTopic(
  topic: string,
  replicas: readonly number[][],
  configs: Readonly<Record<string, string>>,
): Promise<void> {
  const replicaAssignment = replicas.map((of, partition) => ({ partition, replicas: of }));
  const configEntries = Object.entries({ "message.timestamp.type": "LogAppendTime", ...configs }).map(
    ([name, value]) => ({ name, value }),
  );
  await admin.createTopics({ topics: [{ topic, replicaAssignment, configEntries }] });
}

test(
  "leaders that die one after the other lose nothing and repeat nothing",
  async () => {
    const address = cluster.freshAddress();
    const topic = `${address.split("/").at(-1)}s`;
    await createTopic(
      topic,
      [
        [2, 3, 1],
        [3, 2, 1],
      ],
      { "min.insync.replicas": "2" },
    );
    const log = await openWith(address, { patienceMs: 120_000, requestMs: 5_000 });
    const reader = await openWith(address, { patienceMs: 120_000, requestMs: 5_000 });
    const load = new Load(log, 6);
    const read: string[] = [];
    const end = new AbortController();
    let next = 0;
    const follow = async (): Promise<void> => {
      while (!end.signal.aborted) {
        const batch = await readAll(reader, "s", 0, next);
        read.push(...batch.map(({ payload }) => payload!));
        next += batch.length;
      }
    };
    const following = follow();
    await load.reach(50);
    for (const node of [2, 3]) {
      const broker = cluster.brokers[node - 1]!;
      await broker.kill();
      // Where the other one has not caught up yet, this waits until it has.
      await load.reach(50);
      assert.ok((await partitionsOf(topic)).every(({ leader }) => leader !== node && leader > 0));
      await broker.restart();
    }
    await load.end();
    assert.ok([...load.fates.values()].every((fate) => fate === "acknowledged"));
    await load.check(reader);
    end.abort();
    await following;
    assert.deepEqual(read, (await payloadsOf(reader, "s", 0)).slice(0, read.length));
    await Promise.all([log.close(), reader.close()]);
  },
  ENOUGH_MS,
);

test(
  "a partition that too few brokers have is refused, not half stored, and taken again when they are back",
  async () => {
    const address = cluster.freshAddress();
    const topic = `${address.split("/").at(-1)}s`;
    // Its leader stays: one that is new knows how far readers may go only when there are enough brokers again.
    await createTopic(topic, [[1, 2, 3]], { "min.insync.replicas": "3" });
    const log = await openWith(address, { patienceMs: 1_000, requestMs: 1_000 });
    await log.append("s", 0, textBatch("a"));
    await cluster.brokers[2]!.kill();
    await expect.poll(async () => (await partitionsOf(topic))[0]!.isr.length, PATIENCE).toBe(2);
    await rejects(log.append("s", 0, textBatch("b")), "log.unavailable");
    assert.deepEqual(await payloadsOf(log, "s", 0), ["a"]);
    await cluster.brokers[2]!.restart();
    const append = (): Promise<number> =>
      log.append("s", 0, textBatch("c")).then(({ baseOffset }) => baseOffset);
    await expect.poll(() => append().catch(() => -1), PATIENCE).toBeGreaterThan(0);
    assert.equal((await payloadsOf(log, "s", 0))[1], "c");
    await log.close();
  },
  ENOUGH_MS,
);

test(
  "a leader that has not everything is noticed by whoever had read what is gone",
  async () => {
    const address = cluster.freshAddress();
    const topic = `${address.split("/").at(-1)}s`;
    await createTopic(topic, [[2, 3]], {
      "min.insync.replicas": "1",
      "unclean.leader.election.enable": "true",
    });
    const options = { patienceMs: 60_000, requestMs: 5_000 };
    const log = await openWith(address, options);
    await log.append("s", 0, textBatch("a", "b"));
    const behind = await openWith(address, options);
    assert.equal((await behind.read("s", 0, 0, 1)).next, 1); // read what both leaders have
    await cluster.brokers[2]!.kill();
    await expect.poll(async () => (await partitionsOf(topic))[0]!.isr, PATIENCE).toEqual([2]);
    await log.append("s", 0, textBatch("c", "d"));
    await log.append("s", 0, textBatch("e", "f"));
    assert.equal((await log.read("s", 0, 0, 1_000)).next, 6);
    await cluster.brokers[1]!.kill();
    await cluster.brokers[2]!.restart();
    await expect.poll(async () => (await partitionsOf(topic))[0]!.leader, PATIENCE).toBe(3);
    // While it ends before what was read, and when other records have taken those places.
    const seen = async (): Promise<unknown> => {
      const ends = await log.bounds("s", 0).then(({ endOffset }) => endOffset);
      const answer = await log.read("s", 0, 6, 1_000).then(
        ({ count, next }) => `${count} up to ${next}`,
        (error: unknown) => (hasCode(error, "log.identity") ? "log.identity" : String(error)),
      );
      return [ends, answer];
    };
    expect(await seen()).toEqual([2, "log.identity"]);
    const other = await openWith(address, options);
    await other.append("s", 0, textBatch("C", "D", "E", "F", "G", "H"));
    expect(await seen()).toEqual([8, "log.identity"]);
    // Who had not come so far misses nothing that there is.
    assert.deepEqual(await rest(behind, 1), ["b", "C", "D", "E", "F", "G", "H"]);
    await cluster.brokers[1]!.restart();
    await Promise.all([log.close(), behind.close(), other.close()]);
  },
  ENOUGH_MS,
);

async function rest(log: Log, from: number): Promise<(string | null)[]> {
  return (await readAll(log, "s", 0, from)).map(({ payload }) => payload);
}
