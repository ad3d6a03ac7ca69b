/** What goes wrong between us and the source: silence, slowness, crashes, somebody else; and what is too large. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { hasCode } from "../../../core/errors.ts";
import { startPostgres, type PostgresServer } from "../../services/postgres.ts";
import { startFailingNetwork } from "../../services/toxiproxy.ts";
import { LIMITS, makePlace, type Place } from "./replication-place.ts";

const PATIENCE_MS = 3_000;
const patience = `${PATIENCE_MS}ms`;
let server: PostgresServer;
let place: Place;
let next = 0;

beforeAll(async () => {
  server = await startPostgres();
  place = await makePlace(server, "create table t (id int primary key, v text)");
}, 60_000);

afterAll(() => server?.stop());

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function insert(count: number, length = 1): Promise<number> {
  const from = next;
  next += count;
  await place.client.query(
    `insert into t select g, repeat('v', ${length}) from generate_series(${from}, ${next - 1}) g`,
  );
  return from;
}

it("a reader that is slower than the source's patience keeps its connection", async () => {
  await place.slot("slow");
  const from = await insert(3_000, 100);
  const reader = await place.open("slow", {
    limits: { batchBytes: 65_536, queueBytes: 65_536 },
    patience,
  });
  await reader.until(() => reader.events.length > 0);
  while (!reader.stream.status().isPaused) await sleep(10);
  await sleep(2.5 * PATIENCE_MS);
  await reader.until(() => reader.events.length === 3_000);
  expect(reader.events.map(({ data }) => data["id"])).toEqual(
    Array.from({ length: 3_000 }, (_, i) => from + i),
  );
  await reader.acknowledge();
  await reader.close();
}, 30_000);

it("who says what becomes of a relation may take longer than the source's patience", async () => {
  await place.slot("slow_bind");
  await insert(1);
  const reader = await place.open("slow_bind", {
    patience,
    bind: async (relation) => {
      await sleep(1.5 * PATIENCE_MS);
      return await place.bind(relation);
    },
  });
  await reader.until(() => reader.events.length === 1);
  await reader.acknowledge();
  await reader.close();
});

it("while nothing comes for us, it is told how far the source is, and the source that it may forget", async () => {
  await place.slot("idle");
  const reader = await place.open("idle");
  await place.client.query("create table made_before_commit (n int); drop table made_before_commit");
  const target = await place.lsn();
  await reader.until(() => reader.places.some((cursor) => BigInt(cursor) >= target));
  reader.stream.acknowledge(reader.places.at(-1)!);
  await confirmedUpTo("idle", target);
  // But what comes for us is never passed before it is durable.
  await insert(1);
  await reader.until(() => reader.events.length === 1);
  const commit = BigInt(reader.events[0]!.source.lsn);
  const seen = reader.stream.status().serverLsn;
  await place.client.query("create table unrelated (n int)");
  await reader.until(() => reader.places.some((cursor) => BigInt(cursor) > seen));
  await sleep(10 * LIMITS.statusMs);
  expect(await place.confirmed("idle")).toBeLessThanOrEqual(commit);
  await reader.acknowledge();
  await reader.close();
});

it("a source that waits for ever is told as often, and answers when it is asked", async () => {
  await place.slot("patient");
  const reader = await place.open("patient", { patience: "0" });
  await insert(1);
  await reader.until(() => reader.events.length === 1);
  await reader.acknowledge();
  await place.client.query("create table made_for_ever (n int)");
  const target = await place.lsn();
  reader.stream.ask();
  await reader.until(() => reader.places.some((cursor) => BigInt(cursor) >= target));
  reader.stream.acknowledge(reader.places.at(-1)!);
  await confirmedUpTo("patient", target);
  await reader.close();
});

async function confirmedUpTo(slot: string, lsn: bigint): Promise<void> {
  const endMs = performance.now() + 15_000;
  while ((await place.confirmed(slot)) < lsn && performance.now() < endMs) await sleep(20);
  expect(await place.confirmed(slot)).toBeGreaterThanOrEqual(lsn);
}

it.each([
  ["within twice the source's patience", "half_open", { patience }],
  [
    "though the source waits for ever",
    "half_open_for_ever",
    { patience: "0", limits: { quietMs: PATIENCE_MS } },
  ],
])(
  "a connection that is dead without a word is noticed %s, and what came is not lost",
  async (_when, slot, options) => {
    await place.slot(slot);
    const network = await startFailingNetwork(`http://${server.host}:${server.port}`);
    try {
      const address = { ...place.address, port: Number(new URL(network.url).port) };
      const reader = await place.open(slot, { address, ...options });
      const from = await insert(1);
      await reader.until(() => reader.events.length === 1);
      await network.add({ type: "timeout", stream: "downstream", attributes: { timeout: 0 } });
      await network.add({ type: "timeout", stream: "upstream", attributes: { timeout: 0 } });
      // Frozen, so that it cannot be the server that ends it.
      const [walSender] = (
        await place.client.query<{ pid: number }>(
          `select active_pid as pid from pg_replication_slots where slot_name = '${slot}'`,
        )
      ).rows;
      process.kill(walSender!.pid, "SIGSTOP");
      const startMs = performance.now();
      await insert(1);
      const error: unknown = await reader.until(() => false).catch((reason: unknown) => reason);
      process.kill(walSender!.pid, "SIGCONT");
      expect(error).toMatchObject({
        code: "source.unavailable",
        message: expect.stringContaining("nothing was heard") as string,
      });
      const noticedMs = performance.now() - startMs;
      expect(noticedMs).toBeGreaterThan(PATIENCE_MS);
      expect(noticedMs).toBeLessThan(4 * PATIENCE_MS);
      await reader.close();
      await network.heal();
      const again = await openWhenFree(slot);
      await again.until(() => again.events.length === 2);
      expect(again.events.map(({ data }) => data["id"])).toEqual([from, from + 1]);
      await again.close();
    } finally {
      await network.stop();
    }
  },
  60_000,
);

/** The server needs a while to notice that the former reader is gone. */
async function openWhenFree(slot: string): ReturnType<Place["open"]> {
  for (let tries = 0; ; tries++) {
    try {
      return await place.open(slot);
    } catch (error) {
      if (tries > 200 || !(hasCode(error, "source.busy") || hasCode(error, "source.unavailable")))
        throw error;
      await sleep(50);
    }
  }
}

it("a slot has one reader; one that is not there is lost", async () => {
  await place.slot("taken");
  const reader = await place.open("taken");
  await expect(place.open("taken")).rejects.toMatchObject({ code: "source.busy" });
  await reader.close();
  await expect(place.open("nowhere")).rejects.toMatchObject({ code: "source.lost" });
  const again = await openWhenFree("taken");
  await place.client.query(
    "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = 'taken'",
  );
  await expect(again.until(() => false)).rejects.toMatchObject({ code: "source.unavailable" });
  await again.close();
});

it("a transaction larger than a batch comes in parts, of which only the last moves the cursor", async () => {
  await place.slot("large");
  const from = await insert(20_000, 50);
  await insert(1);
  const reader = await place.open("large", { limits: { batchBytes: 262_144, queueBytes: 262_144 } });
  let most = 0;
  await reader.until(() => {
    most = Math.max(most, reader.stream.status().queuedBytes);
    return reader.events.length === 20_001;
  });
  const parts = reader.batches.filter(({ changes }) => changes > 0);
  expect(parts.length).toBeGreaterThan(10);
  const firstEnd = parts.findIndex(({ cursor }) => cursor !== null);
  expect(parts.slice(0, firstEnd).reduce((sum, { changes }) => sum + changes, 0)).toBeGreaterThan(19_000);
  for (const { bytes } of parts) expect(bytes).toBeLessThan(262_144 + 65_536);
  expect(most).toBeLessThan(4 * 262_144);
  expect(reader.events.map(({ data }) => data["id"])).toEqual(
    Array.from({ length: 20_001 }, (_, i) => from + i),
  );
  // Half of it read is nothing read.
  await reader.close();
  const half = await place.open("large", { limits: { batchBytes: 262_144 } });
  await half.until(() => half.events.length > 5_000);
  expect(half.cursors).toEqual([]);
  await half.close();
  const whole = await openWhenFree("large");
  await whole.until(() => whole.events.length === 20_001);
  expect(whole.events).toEqual(reader.events);
  await whole.acknowledge();
  await whole.close();
});

it("the end of a transaction is told even where all of its changes were before", async () => {
  await place.slot("ends");
  const reader = await place.open("ends", { limits: { batchBytes: 1 } });
  await insert(3);
  await reader.until(() => reader.cursors.length > 0);
  expect(reader.batches.map(({ changes, cursor }) => [changes, cursor !== null])).toEqual([
    [1, false],
    [1, false],
    [1, false],
    [0, true],
  ]);
  await reader.acknowledge();
  await reader.close();
});

it("a row of many megabytes comes through a small queue", async () => {
  await place.slot("wide");
  await place.client.query(`insert into t values (${next++}, repeat('"', 20000000))`);
  const reader = await place.open("wide", { limits: { batchBytes: 65_536, queueBytes: 65_536 } });
  await reader.until(() => reader.events.length === 1);
  expect(reader.events[0]!.data["v"]).toHaveLength(20_000_000);
  await reader.close();
});

it("after a crash of the server everything is there that was not acknowledged", async () => {
  await place.slot("crash");
  const from = await insert(10);
  const reader = await place.open("crash");
  await reader.until(() => reader.events.length === 10);
  await reader.acknowledge();
  await insert(10);
  await reader.until(() => reader.events.length === 20);
  await server.restart("immediate");
  await expect(reader.until(() => false)).rejects.toMatchObject({ code: "source.unavailable" });
  await reader.close();
  // What the server remembers of our word may be older than our word; ours counts.
  const again = await place.open("crash", { cursor: reader.cursors.find((cursor) => BigInt(cursor) > 0n)! });
  await again.until(() => again.events.length === 10);
  expect(again.events.map(({ data }) => data["id"])).toEqual(
    Array.from({ length: 10 }, (_, i) => from + 10 + i),
  );
  expect(again.events).toEqual(reader.events.slice(10));
  await again.close();
});
