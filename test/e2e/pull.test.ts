/**
 * Events of another Nakadi, which is a second Muara behind a network that fails: the puller is killed, the remote is
 * killed, connections break. What the remote has accepted is in the local lake once, in the order of its partition,
 * and the books of both balance.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";
import { startFailingNetwork } from "../services/toxiproxy.ts";

const THERE = "shop.order-created";
const HERE = "order.created";
const EVENTS = 3_000;
const BATCH = 50;
const PARTITIONS = 3;
const ARRIVED_MS_MAX = 120_000;

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

function declared(name: string, type: string): string {
  const schema = {
    type: "object",
    properties: { order: { type: "string" }, n: { type } },
    required: ["order", "n"],
  };
  return JSON.stringify({
    name,
    owning_application: "shop",
    category: "business",
    partition_strategy: "hash",
    partition_key_fields: ["order"],
    default_statistic: { read_parallelism: PARTITIONS, write_parallelism: PARTITIONS },
    schema: { type: "json_schema", schema: JSON.stringify(schema) },
  });
}

async function declare(muara: MuaraProcess, name: string, type = "integer"): Promise<void> {
  const response = await muara.fetch("/event-types", { method: "POST", body: declared(name, type) });
  expect(response.status, await response.text()).toBe(201);
}

interface Sent {
  readonly id: string;
  readonly order: string;
  readonly n: number;
}

/** The same again until it is acknowledged: the remote may have it twice in its log, and once by its ids. */
async function publish(remote: () => MuaraProcess, events: readonly Sent[]): Promise<void> {
  const body = JSON.stringify(
    events.map(({ id, order, n }) => ({
      metadata: { eid: id, occurred_at: "2026-03-01T12:00:00Z" },
      order,
      n,
    })),
  );
  for (;;) {
    const response = await remote()
      .fetch(`/event-types/${THERE}/events`, { method: "POST", body })
      .catch(() => undefined);
    await response?.text();
    if (response?.status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

interface Books {
  readonly event_type: string;
  readonly balanced: boolean;
  readonly landed: number;
  readonly dead_letters: number;
  readonly in_flight: number;
}

async function booksOf(muara: MuaraProcess): Promise<Books | undefined> {
  const { items } = (await (await muara.fetch("/v1/books")).json()) as { items: Books[] };
  return items.find((item) => item.event_type === HERE);
}

function total(books: readonly Books[], name: "landed" | "dead_letters"): number {
  return books.reduce((sum, one) => sum + one[name], 0);
}

async function configOf(folder: string, url: string, token: string): Promise<Record<string, string>> {
  const [path, tokenPath] = [join(folder, "muara.config.js"), join(folder, "remote-token")];
  await writeFile(tokenPath, `${token}\n`);
  const pull = {
    url,
    token: { file: tokenPath },
    owningApplication: "lake",
    eventTypes: { [THERE]: HERE },
    batchEvents: 40,
    maxUncommittedEvents: 400,
    commitSeconds: 2,
    silenceMs: 2_000,
  };
  const config = { outgoing: { allow: ["127.0.0.1"] }, pulls: { shop: pull } };
  await writeFile(path, `export default ${JSON.stringify(config)};\n`);
  return { MUARA_CONFIG: path };
}

test("each event is here once, in order, whoever dies and whatever the network does", async () => {
  const [there, here] = [await temporaryFolder("pull-remote"), await temporaryFolder("pull")];
  cleanups.push(there.remove, here.remove);
  const startRemote = (): Promise<MuaraProcess> => startMuara(there.path, { MUARA_STREAMS_NODE_MS: "3000" });
  let remote = await startRemote();
  cleanups.push(() => remote.kill());
  const network = await startFailingNetwork(remote.url);
  cleanups.push(() => network.stop());
  const environment = await configOf(here.path, network.url, remote.token);
  const start = (): Promise<MuaraProcess> => startMuara(join(here.path, "data"), environment);
  let puller = await start();
  cleanups.push(() => puller.kill());
  await declare(remote, THERE);
  await declare(puller, HERE);

  const chance = seededRandomness(20_260_301);
  const sent = Array.from({ length: EVENTS }, (_, n) => ({ id: chance.uuid(), order: `o${n % 97}`, n }));
  const at = (share: number): number => Math.floor((EVENTS * share) / BATCH) * BATCH;
  for (let from = 0; from < EVENTS; from += BATCH) {
    if (from === at(0.2)) {
      await puller.kill();
      puller = await start();
    }
    if (from === at(0.35))
      await network.add({ type: "reset_peer", stream: "downstream", attributes: { timeout: 300 } });
    if (from === at(0.45)) await network.heal();
    if (from === at(0.5)) {
      await remote.kill();
      remote = await startRemote();
      await network.redirect(remote.url);
    }
    // Nothing comes, and nothing ends: only the silence tells.
    if (from === at(0.65))
      await network.add({ type: "timeout", stream: "downstream", attributes: { timeout: 0 } });
    if (from === at(0.8)) await network.heal();
    if (from === at(0.9)) {
      await puller.kill();
      puller = await start();
    }
    await publish(() => remote, sent.slice(from, from + BATCH));
  }

  const count = async (): Promise<number> =>
    Number((await puller.sql(`SELECT count(*) FROM "${HERE}"`))[0]![0]);
  await eventually("all are in the lake", ARRIVED_MS_MAX, async () => (await count()) === EVENTS);
  const rows = await puller.sql(
    `SELECT event_id, "order", n, log_partition FROM "${HERE}" ORDER BY log_partition, log_offset`,
  );
  expect(new Set(rows.map(([id]) => id)).size).toBe(EVENTS);
  const byOrder = new Map<unknown, number>();
  for (const [, order, n] of rows) {
    expect(Number(n)).toBeGreaterThan(byOrder.get(order) ?? -1);
    byOrder.set(order, Number(n));
  }
  const partitions = await remote.sql(`SELECT event_id, log_partition FROM "${THERE}"`);
  const partitionThere = new Map(partitions.map(([id, partition]) => [id, partition]));
  expect(rows.every(([id, , , partition]) => partitionThere.get(id) === partition)).toBe(true);
  await eventually("the books balance", ARRIVED_MS_MAX, async () => {
    const mine = await booksOf(puller);
    return mine?.balanced === true && mine.in_flight === 0 && mine.landed === EVENTS;
  });
  const metrics = await (await puller.fetch("/metrics")).text();
  expect(metrics).toMatch(/muara_pull_events_total\{pull="shop"\} [1-9]/);
}, 300_000);

test("two processes share the partitions; what only one door takes is a dead letter of the other", async () => {
  const folders = await Promise.all(["remote", "a", "b"].map((name) => temporaryFolder(`pull-${name}`)));
  cleanups.push(...folders.map(({ remove }) => remove));
  const remote = await startMuara(folders[0]!.path, { MUARA_STREAMS_NODE_MS: "3000" });
  cleanups.push(() => remote.kill());
  await declare(remote, THERE, "number");
  const pullers = await Promise.all(
    folders.slice(1).map(async ({ path }) => {
      const environment = await configOf(path, remote.url, remote.token);
      const puller = await startMuara(join(path, "data"), environment);
      await declare(puller, HERE);
      return puller;
    }),
  );
  cleanups.push(...pullers.map((puller) => () => puller.kill()));
  const streaming = async (): Promise<boolean> => {
    const texts = await Promise.all(pullers.map(async (one) => (await one.fetch("/metrics")).text()));
    return texts.every((text) => text.includes('muara_pull_streaming{pull="shop"} 1'));
  };
  await eventually("both have a stream", ARRIVED_MS_MAX, streaming);
  const chance = seededRandomness(7);
  // Every tenth has a fraction where we have an integer.
  const sent = Array.from({ length: 300 }, (_, n) => ({
    id: chance.uuid(),
    order: `o${n % 50}`,
    n: n % 10 === 9 ? n + 0.5 : n,
  }));
  await publish(() => remote, sent);
  const sums = async (): Promise<Books[]> =>
    (await Promise.all(pullers.map((one) => booksOf(one)))).filter((books) => books !== undefined);
  await eventually("all are somewhere", ARRIVED_MS_MAX, async () => {
    const books = await sums();
    return total(books, "landed") === 270 && total(books, "dead_letters") === 30;
  });
  const books = await sums();
  expect(books.every(({ balanced, landed }) => balanced && landed > 0)).toBe(true);
  const letters = await pullers[0]!.sql("SELECT reason, pointer, header FROM dead_letters LIMIT 1");
  expect(letters[0]!.slice(0, 2)).toEqual(["event.schema", "/n"]);
  expect(JSON.parse(String(letters[0]![2]))).toMatchObject({
    origin: { pull: "shop", event_type: THERE, metadata: { event_type: THERE } },
  });
  const ids = await Promise.all(pullers.map((one) => one.sql(`SELECT event_id FROM "${HERE}"`)));
  const landed = sent.filter(({ n }) => Number.isInteger(n)).map(({ id }) => id);
  expect(ids.flat(2).map(String).toSorted()).toEqual(landed.toSorted());
  // What one had goes to the other.
  await pullers[0]!.kill();
  const more = Array.from({ length: 50 }, (_, n) => ({ id: chance.uuid(), order: `o${n}`, n }));
  await publish(() => remote, more);
  const wanted = more.map(({ id }) => `'${id}'`).join(",");
  await eventually("the other takes over", ARRIVED_MS_MAX, async () => {
    const found = await pullers[1]!.sql(`SELECT count(*) FROM "${HERE}" WHERE event_id IN (${wanted})`);
    return Number(found[0]![0]) === 50;
  });
}, 300_000);
