/** A landed table into one of a real PostgreSQL: each row once, refused ones as dead letters, whoever is stopped. */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { seededRandomness, systemClock } from "../../../core/clock.ts";
import {
  type Delivery,
  type DeliveryPosition,
  type PostgresTarget,
  nothingDelivered,
} from "../../../core/delivery.ts";
import { createDeliverWorker } from "../../../workers/deliver/worker.ts";
import { TableLanding } from "../../../workers/land/table-landing.ts";
import { sinkStand, type SinkStand } from "../../adapters/pg/sink-stand.ts";
import { eventually } from "../../services/muara.ts";
import { type PostgresServer, startPostgres } from "../../services/postgres.ts";
import {
  declare,
  event,
  eventType,
  install,
  type Installation,
  never,
  OPTIONS,
  send,
} from "../land/setup.ts";

const DONE_MS_MAX = 30_000;

let server: PostgresServer;
const cleanups: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  server = await startPostgres();
}, 60_000);
afterAll(() => server.stop());
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Stand {
  readonly at: Installation;
  readonly store: SinkStand;
  land(events: readonly string[]): Promise<void>;
  position(): DeliveryPosition;
  readonly start: () => { readonly stop: () => Promise<void> };
}

async function stand(target: Omit<PostgresTarget, "target">): Promise<Stand> {
  const [at, store] = [await install(), await sinkStand(server)];
  cleanups.push(() => store.close());
  const type = eventType();
  await declare(at, type);
  const landing = await TableLanding.open(at.ports, OPTIONS, type);
  const own = { name: "shop", id: "d1", table: "order.created", postgres: { target: "store", ...target } };
  const rest = {
    from: "begin",
    batch_rows: 7,
    batch_bytes: 65_536,
    timeout_ms: 5_000,
    description: "",
  } as const;
  const delivery: Delivery = { ...own, ...rest, isPaused: false, secret: "", by: "test", createdMs: 0 };
  await at.registry.put("delivery-position", "shop", 0, nothingDelivered(delivery, 0));
  await at.registry.put("delivery", "shop", 0, delivery);
  return {
    at,
    store,
    land: async (events) => {
      await send(at, events);
      while ((await landing.step(never)).hasBacklog);
    },
    position: () => at.registry.get<DeliveryPosition>("delivery-position", "shop")!.value!,
    start: () => {
      const ports = {
        ...at,
        clock: systemClock,
        randomness: seededRandomness(3),
        openSink: async () => store.open(target),
      };
      const quick = { everyMs: 5, saveMs: 0, pauseMsMax: 20, standbyMs: 50, refusedMax: 5 };
      const over = new AbortController();
      const running = createDeliverWorker(ports, quick).run(over.signal);
      const stop = async (): Promise<void> => {
        over.abort();
        await running;
      };
      cleanups.push(stop);
      return { stop };
    },
  };
}

test("each row is there once, wherever it was stopped", async () => {
  const it = await stand({ table: "ods.orders", mode: "append" });
  let count = 0;
  for (let round = 0; round < 5; round++) {
    const { stop } = it.start();
    await it.land(Array.from({ length: 30 }, () => event(count++)));
    if (round < 4) await stop();
  }
  await eventually("all are there", DONE_MS_MAX, async () => it.position().delivered === 150);
  const rows = await it.store.sql("select n::int, event_id, ingest_date::text from ods.orders order by n");
  expect(rows.map(({ n }) => n)).toEqual(Array.from({ length: 150 }, (_, n) => n));
  expect(rows[7]).toMatchObject({
    event_id: "00000000-0000-4000-8000-000000000007",
    ingest_date: expect.stringMatching(/^20\d\d-\d\d-\d\d$/) as string,
  });
});

test("a row that the table refuses is a dead letter; the others of its batch are there", async () => {
  const it = await stand({ table: "ods.orders", mode: "upsert", key: ["n"] });
  await it.land([event(0)]);
  const { stop } = it.start();
  await eventually("the table is made", DONE_MS_MAX, async () => it.position().delivered === 1);
  await it.store.sql("alter table ods.orders add check (n <> 5)");
  await it.land(Array.from({ length: 11 }, (_, i) => event(i + 1)));
  await eventually(
    "all are done",
    DONE_MS_MAX,
    async () => it.position().delivered + it.position().dead === 12,
  );
  const rows = await it.store.sql("select n::int from ods.orders order by n");
  expect(rows.map(({ n }) => n)).toEqual([0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]);
  const letters = await it.at.store.list("_deliveries/d1");
  const text = new TextDecoder().decode(await it.at.store.get(letters[0]!.path));
  expect(JSON.parse(text)).toMatchObject({
    row: { n: 5 },
    reason: expect.stringContaining("violates check constraint") as string,
  });
  await stop();
});
