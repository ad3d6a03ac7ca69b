/**
 * Brokers that die, hang and cannot be reached: what was acknowledged is readable once, what was refused is not there,
 * what is unknown is there once or not at all; and everything goes on afterwards by itself.
 */
import assert from "node:assert/strict";
import { afterAll, afterEach, beforeAll, test } from "vitest";
import { type Randomness, seededRandomness } from "../../core/clock.ts";
import { hasCode } from "../../core/errors.ts";
import type { Log } from "../../core/ports/log.ts";
import { DELETE, payloadsOf, rejects, textBatch } from "../conformance/log-harness.ts";
import { type KafkaServer, startKafka } from "../services/kafka.ts";
import { openWith } from "../adapters/kafka/kafka-harness.ts";
import { Load } from "./kafka-load.ts";

const ENOUGH_MS = 240_000;

let server: KafkaServer;
const logs: Log[] = [];
beforeAll(async () => {
  server = await startKafka({ isProxied: true });
});
afterEach(async () => {
  await server.proxied.network.heal();
  await Promise.all(logs.splice(0).map((log) => log.close()));
});
afterAll(() => server.stop());

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function open(address: string, patienceMs: number, requestMs: number): Promise<Log> {
  const log = await openWith(address, { patienceMs, requestMs });
  logs.push(log);
  return log;
}

test(
  "a broker that is killed and comes back loses nothing and repeats nothing",
  async () => {
    const log = await open(server.freshAddress(), 120_000, 5_000);
    await log.createStream("s", DELETE);
    const load = new Load(log, 8);
    await load.reach(300);
    await server.kill();
    await sleep(300);
    await server.restart();
    await load.reach(200);
    await load.end();
    assert.ok([...load.fates.values()].every((fate) => fate === "acknowledged"));
    await load.check(log);
  },
  ENOUGH_MS,
);

test(
  "a broker that stays away is reported, and what was said holds when it is back",
  async () => {
    const address = server.freshAddress();
    const log = await open(address, 1_000, 1_000);
    await log.createStream("s", DELETE);
    const load = new Load(log, 4);
    await load.reach(50);
    await server.kill();
    while (![...load.fates.values()].includes("refused")) await sleep(10);
    await rejects(log.append("s", 0, textBatch("x")), "log.unavailable");
    await rejects(log.read("s", 0, 0, 1_000), "log.unavailable");
    await rejects(log.bounds("s", 1), "log.unavailable");
    await rejects(openWith(address, { patienceMs: 200 }), "log.unavailable");
    await server.restart();
    await load.reach(50);
    await load.end();
    await load.check(log);
  },
  ENOUGH_MS,
);

test(
  "a broker that hangs leaves outcomes unknown, stored once or not at all; appends go on after it",
  async () => {
    const log = await open(server.freshAddress(), 1_500, 500);
    await log.createStream("s", DELETE);
    for (let hang = 0; hang < 3; hang++) {
      const load = new Load(log, 4);
      await load.reach(30);
      server.pause();
      try {
        while (![...load.fates.values()].includes("unknown")) await sleep(10);
      } finally {
        server.resume();
      }
      await load.reach(30);
      await load.end();
      await log.append("s", 0, textBatch(`end of ${hang}`));
      if (hang === 0) {
        await log.append("s", 1, textBatch("end"));
        const rest = new Map(load.fates);
        const found = [...(await payloadsOf(log, "s", 0)), ...(await payloadsOf(log, "s", 1))];
        for (const [text, fate] of rest) {
          const count = found.filter((one) => one === text).length;
          assert.ok(fate === "unknown" ? count <= 1 : count === (fate === "acknowledged" ? 1 : 0), text);
        }
      }
    }
  },
  ENOUGH_MS,
);

/** Faults one after the other, for as long as the load needs. */
async function trouble(randomness: Randomness, rounds: number): Promise<void> {
  const { network } = server.proxied;
  const below = (n: number): number => Math.floor(randomness.fraction() * n);
  for (let round = 0; round < rounds; round++) {
    const stream = below(2) === 0 ? "upstream" : "downstream";
    const kind = round % 4;
    if (kind === 0) await network.add({ type: "reset_peer", stream, attributes: { timeout: below(40) } });
    else if (kind === 1)
      await network.add({ type: "latency", stream, attributes: { latency: below(150), jitter: 50 } });
    else {
      // Answers are short: cut off after a few, the last one's request was carried out.
      const bytes = kind === 2 ? 100 + below(500) : 200 + below(4_000);
      await network.add({
        type: "limit_data",
        stream: kind === 2 ? "downstream" : "upstream",
        attributes: { bytes },
      });
    }
    await sleep(300 + below(500));
    await network.heal();
    await sleep(100 + below(300));
  }
}

test(
  "over a network that breaks at any byte every record is stored once, in order",
  async () => {
    const address = server.freshAddress(server.proxied.broker);
    const log = await open(address, 120_000, 3_000);
    await log.createStream("s", DELETE);
    const load = new Load(log, 6);
    await load.reach(20);
    await trouble(seededRandomness(7), 12);
    await load.reach(50);
    await load.end();
    assert.ok([...load.fates.values()].every((fate) => fate === "acknowledged"));
    const calm = await open(address.replace(server.proxied.broker, server.broker), 30_000, 10_000);
    await load.check(calm);
  },
  ENOUGH_MS,
);

test(
  "a named producer that repeats what it got no answer for is stored once, over processes",
  async () => {
    const address = server.freshAddress(server.proxied.broker);
    const calm = await open(address.replace(server.proxied.broker, server.broker), 30_000, 10_000);
    await calm.createStream("s", DELETE);
    const over = trouble(seededRandomness(11), 8);
    const expected: string[] = [];
    for (let sequence = 0; sequence < 40; sequence++) {
      const text = `${sequence}`;
      expected.push(text, `${text}+`);
      for (;;) {
        // Each attempt is another process, and gives up early.
        const attempt = await openWith(address, { patienceMs: 150, requestMs: 100 }).catch(() => undefined);
        if (!attempt) continue;
        try {
          await attempt.append("s", 0, textBatch(text, `${text}+`), { id: "p", epoch: 3, sequence });
          break;
        } catch (error) {
          assert.ok(hasCode(error, "log.append_unknown") || hasCode(error, "log.unavailable"), String(error));
        } finally {
          await attempt.close();
        }
      }
    }
    await over;
    assert.deepEqual(await payloadsOf(calm, "s", 0), expected);
    await rejects(
      calm.append("s", 0, textBatch("x"), { id: "p", epoch: 2, sequence: 40 }),
      "log.producer_fenced",
    );
  },
  ENOUGH_MS,
);
