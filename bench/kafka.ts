/**
 * The log on Kafka against the bare client that it is built on: `node bench/kafka.ts` (`--json` for one object), on a
 * real broker of one's own. Both append orders of about 500 bytes to a stream of four partitions, a thousand at once,
 * eight times at the same time, idempotent, acknowledged by all, zstd; both read them back, committed ones only. What
 * the client is given was made before: its objects per record are not counted. CPU time is this process's alone.
 * They take turns; medians.
 */
import process from "node:process";
import {
  type CompressionAlgorithmValue,
  Consumer,
  FetchIsolationLevels,
  MessagesStreamModes,
  Producer,
} from "@platformatic/kafka";
import { openKafkaLogAt } from "../adapters/kafka/open.ts";
import { seededRandomness, systemClock } from "../core/clock.ts";
import { packRecords, payloadOf, type RecordBatch } from "../core/record.ts";
import { startKafka } from "../test/services/kafka.ts";
import { orderOf } from "./orders.ts";
import { median, type Metric, printResult } from "./result.ts";

const ROUNDS = Number(process.env["ROUNDS"] ?? 7);
const EVENTS = Number(process.env["EVENTS"] ?? 200_000);
const BATCH = 1_000;
const PARTITIONS = 4;
const AT_ONCE = 8;
const MIB = 1_048_576;

interface Spent {
  readonly cpuMs: number;
  readonly wallMs: number;
}

const chance = seededRandomness(1);
const payloads = Array.from({ length: EVENTS }, (_, i) =>
  Buffer.from(orderOf(i, 1_790_000_000_000 + Math.floor(chance.fraction() * 1e9))),
);
const payloadBytes = payloads.reduce((sum, { length }) => sum + length, 0);
const batches: RecordBatch[] = [];
for (let from = 0; from < EVENTS; from += BATCH)
  batches.push(packRecords(payloads.slice(from, from + BATCH).map((payload) => ({ payload }))));

const server = await startKafka();
const address = server.freshAddress();
const prefix = address.split("/").at(-1)!;
const journal = { pendingBytes: 256 * MIB, cacheBytes: 64 * MIB };
const log = await openKafkaLogAt(address, {}, journal, { clock: systemClock });

async function spent(work: () => Promise<void>): Promise<Spent> {
  const [cpu, startedMs] = [process.cpuUsage(), performance.now()];
  await work();
  const { user, system } = process.cpuUsage(cpu);
  return { cpuMs: (user + system) / 1_000, wallMs: performance.now() - startedMs };
}

/** Each of `AT_ONCE` lanes takes the next batch. */
async function inLanes(send: (batch: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < batches.length) await send(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}

async function freshStream(name: string): Promise<string> {
  await log.createStream(name, { partitions: PARTITIONS, cleanup: "delete", retentionMs: 3_600_000 });
  return `${prefix}${name}`;
}

async function produceOurs(stream: string): Promise<Spent> {
  await freshStream(stream);
  return spent(() => inLanes((i) => log.append(stream, i % PARTITIONS, batches[i]!)));
}

async function produceBare(stream: string): Promise<Spent> {
  const topic = await freshStream(stream);
  const producer = new Producer({
    clientId: "bare",
    bootstrapBrokers: [server.broker],
    idempotent: true,
    compression: "zstd" satisfies CompressionAlgorithmValue,
  });
  const given = batches.map((_, i) =>
    payloads.slice(i * BATCH, (i + 1) * BATCH).map((value) => ({ topic, partition: i % PARTITIONS, value })),
  );
  await producer.metadata({ topics: [topic] });
  await producer.initIdempotentProducer({});
  const result = await spent(() => inLanes((i) => producer.send({ messages: given[i]! })));
  await producer.close();
  return result;
}

async function readOurs(stream: string): Promise<Spent> {
  let [count, bytes] = [0, 0];
  const lane = async (partition: number): Promise<void> => {
    for (let at = 0; ;) {
      const batch = await log.read(stream, partition, at, MIB);
      for (let i = 0; i < batch.count; i++) bytes += payloadOf(batch, i)!.length;
      count += batch.count;
      at = batch.next;
      if (at >= batch.endOffset) return;
    }
  };
  const result = await spent(async () => {
    await Promise.all(Array.from({ length: PARTITIONS }, (_, partition) => lane(partition)));
  });
  check(count, bytes);
  return result;
}

async function readBare(stream: string): Promise<Spent> {
  const consumer = new Consumer({
    clientId: "bare",
    groupId: `bare-${stream}`,
    bootstrapBrokers: [server.broker],
    autocommit: false,
  });
  let [count, bytes] = [0, 0];
  const result = await spent(async () => {
    const messages = await consumer.consume({
      topics: [`${prefix}${stream}`],
      mode: MessagesStreamModes.EARLIEST,
      isolationLevel: FetchIsolationLevels.READ_COMMITTED,
      maxBytes: 4 * MIB,
      maxWaitTime: 50,
    });
    await new Promise<void>((resolve, reject) => {
      messages.on("error", reject);
      messages.on("data", ({ value }) => {
        bytes += value.length;
        if (++count === EVENTS) resolve();
      });
    });
    await messages.close();
  });
  await consumer.close();
  check(count, bytes);
  return result;
}

/** The fastest is the one that reads nothing. */
function check(count: number, bytes: number): void {
  if (count !== EVENTS || bytes !== payloadBytes)
    throw new Error(`${count} events of ${bytes} bytes, not ${EVENTS} of ${payloadBytes}`);
}

const runs: Record<"produce" | "read", Record<"ours" | "bare", Spent[]>> = {
  produce: { ours: [], bare: [] },
  read: { ours: [], bare: [] },
};
for (let round = -1; round < ROUNDS; round++) {
  const [ours, bare] = [`ours${round + 1}`, `bare${round + 1}`];
  const order = round % 2 === 0 ? (["ours", "bare"] as const) : (["bare", "ours"] as const);
  for (const who of order) {
    const isOurs = who === "ours";
    const produced = isOurs ? await produceOurs(ours) : await produceBare(bare);
    const read = isOurs ? await readOurs(ours) : await readBare(bare);
    if (round < 0) continue; // warms up
    runs.produce[who].push(produced);
    runs.read[who].push(read);
  }
}

const metrics: Metric[] = [];
for (const kind of ["produce", "read"] as const) {
  const { ours, bare } = runs[kind];
  for (const [measure, pick] of [
    ["CPU", (run: Spent) => run.cpuMs],
    ["wall", (run: Spent) => run.wallMs],
  ] as const) {
    const [own, reference] = [median(ours.map(pick)), median(bare.map(pick))];
    metrics.push({
      name: `${kind}, ${measure}`,
      value: (own * 1e6) / EVENTS,
      unit: "ns/event",
      reference: (reference * 1e6) / EVENTS,
      ratio: reference / own,
    });
  }
}
printResult("kafka", metrics);
await log.close();
await server.stop();
