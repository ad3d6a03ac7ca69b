/**
 * Deliveries of a landed table to a real HTTP receiver: each row arrives under a stable id, in order, whatever the
 * receiver answers and whoever dies. The oracle is what was sent to the log.
 */
import { afterEach, expect, test } from "vitest";
import { createWebhookSink } from "../../../adapters/http/webhook-sink.ts";
import { seededRandomness, systemClock } from "../../../core/clock.ts";
import { type Delivery, type DeliveryPosition, nothingDelivered } from "../../../core/delivery.ts";
import { MuaraError } from "../../../core/errors.ts";
import type { DeliverOptions } from "../../../workers/deliver/delivery-loop.ts";
import { createDeliverWorker, type DeliverWorker } from "../../../workers/deliver/worker.ts";
import { TableLanding } from "../../../workers/land/table-landing.ts";
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
import { type Receiver, startReceiver } from "./receiver.ts";

const SECRET = Buffer.alloc(32, 7).toString("base64");
const QUICK: DeliverOptions = {
  everyMs: 5,
  saveMs: 0,
  pauseMsMax: 20,
  standbyMs: 50,
  refusedMax: 5,
};

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Stand {
  readonly at: Installation;
  readonly receiver: Receiver;
  land: (from: number, to: number) => Promise<void>;
  position: () => DeliveryPosition;
  /** A process that delivers. */
  start: (options?: Partial<DeliverOptions>) => { worker: DeliverWorker; stop: () => Promise<void> };
}

async function stand(changed: Partial<Delivery> = {}): Promise<Stand> {
  const at = await install();
  const type = eventType();
  await declare(at, type);
  const receiver = await startReceiver(SECRET);
  cleanups.push(() => receiver.stop());
  const landing = await TableLanding.open(at.ports, OPTIONS, type);
  const delivery: Delivery = {
    name: "shop",
    id: "d1",
    table: "order.created",
    url: receiver.url,
    from: "begin",
    batch_rows: 4,
    batch_bytes: 65_536,
    timeout_ms: 2_000,
    description: "",
    isPaused: false,
    secret: SECRET,
    by: "test",
    createdMs: 0,
    ...changed,
  };
  await at.registry.put("delivery-position", "shop", 0, nothingDelivered(delivery, 0));
  await at.registry.put("delivery", "shop", 0, delivery);
  return {
    at,
    receiver,
    land: async (from, to) => {
      await send(
        at,
        Array.from({ length: to - from }, (_, i) => event(from + i)),
      );
      while ((await landing.step(never)).hasBacklog);
    },
    position: () => at.registry.get<DeliveryPosition>("delivery-position", "shop")!.value!,
    start: (options) => {
      const ports = {
        ...at,
        clock: systemClock,
        randomness: seededRandomness(3),
        openSink: async (one: Delivery) =>
          createWebhookSink(
            { outgoing: receiver.outgoing, clock: systemClock },
            { url: one.url!, secret: one.secret, timeoutMs: one.timeout_ms },
          ),
      };
      const worker = createDeliverWorker(ports, { ...QUICK, ...options });
      const over = new AbortController();
      const running = worker.run(over.signal);
      const stop = async (): Promise<void> => {
        over.abort();
        await running;
      };
      cleanups.push(stop);
      return { worker, stop };
    },
  };
}

async function until(what: string, check: () => boolean): Promise<void> {
  const endMs = performance.now() + 30_000;
  while (!check()) {
    if (performance.now() > endMs) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

/** Rows by number, once per id of their batch. */
function rowsOf({ received }: Receiver): number[] {
  const byId = new Map(received.map((one) => [one.id, one]));
  return [...byId.values()]
    .toSorted((a, b) => a.sequence - b.sequence)
    .flatMap(({ rows }) => rows.map((row) => Number(row["n"])));
}

test("rows come in order, in batches, signed, with all their columns", async () => {
  const it = await stand();
  await it.land(0, 10);
  it.start();
  await until("ten", () => it.position().delivered === 10);
  expect(it.receiver.received.map(({ rows }) => rows.length)).toEqual([4, 4, 2]);
  expect(it.receiver.received.map(({ id }) => id)).toEqual(["d1.0.0-4", "d1.0.4-4", "d1.0.8-2"]);
  expect(it.receiver.received.every(({ id, key }) => id === key)).toBe(true);
  expect(it.receiver.badSignatures).toEqual([]);
  expect(rowsOf(it.receiver)).toEqual(numbers(0, 10));
  expect(it.receiver.received[0]!.rows[1]).toEqual({
    event_id: "00000000-0000-4000-8000-000000000001",
    event_time: "2026-03-01T22:00:00.000Z",
    ingest_time: expect.stringMatching(/^20\d\d-.*Z$/) as string,
    ingest_date: expect.stringMatching(/^20\d\d-\d\d-\d\d$/) as string,
    log_partition: 0,
    log_offset: 1,
    n: 1,
  });
  await it.land(10, 13);
  await until("more", () => it.position().delivered === 13);
  expect(rowsOf(it.receiver)).toEqual(numbers(0, 13));
});

test("what a receiver does not take now it gets again, under the same id, when it asks for it", async () => {
  const it = await stand();
  await it.land(0, 8);
  let attempts = 0;
  it.receiver.answer = ({ sequence }) => {
    if (sequence !== 4) return { status: 200 };
    attempts++;
    if (attempts === 1) return { status: 429, headers: { "retry-after": "1" } };
    if (attempts === 2) return "hang up";
    return attempts === 3 ? { status: 503 } : { status: 200 };
  };
  it.start();
  await until("all", () => it.position().delivered === 8);
  const again = it.receiver.received.filter(({ sequence }) => sequence === 4);
  expect(again.map(({ id }) => id)).toEqual(Array.from({ length: 4 }, () => "d1.0.4-4"));
  expect(new Set(again.map(({ text }) => text)).size).toBe(1);
  expect(again[1]!.atMs - again[0]!.atMs).toBeGreaterThanOrEqual(990);
  expect(it.position()).toMatchObject({ dead: 0, state: "delivering", problem: null });
});

test("a row that is refused becomes a dead letter, with the reason; the others of its batch arrive", async () => {
  const it = await stand();
  await it.land(0, 12);
  it.receiver.answer = ({ rows }) =>
    rows.some(({ n }) => n === 2 || n === 9) ? { status: 422, body: "no such thing" } : { status: 200 };
  it.start();
  await until("all", () => it.position().delivered + it.position().dead === 12);
  expect(it.position()).toMatchObject({ delivered: 10, dead: 2 });
  const letters = await it.at.store.list("_deliveries/d1");
  const texts = await Promise.all(
    letters.map(async ({ path }) => JSON.parse(new TextDecoder().decode(await it.at.store.get(path)))),
  );
  expect(texts).toMatchObject([
    { sequence: 2, table: "order.created", row: { n: 2 }, reason: "the receiver answers 422: no such thing" },
    { sequence: 9, row: { n: 9 } },
  ]);
  const good = it.receiver.received.filter(({ rows }) => !rows.some(({ n }) => n === 2 || n === 9));
  expect(good.flatMap(({ rows }) => rows.map(({ n }) => n))).toEqual(
    numbers(0, 12).filter((n) => n !== 2 && n !== 9),
  );
});

test("one that refuses everything is not believed for ever, and loses nothing then", async () => {
  const it = await stand();
  await it.land(0, 20);
  let isBroken = true;
  it.receiver.answer = () => (isBroken ? { status: 400 } : { status: 200 });
  it.start();
  await until("failing", () => it.position().state === "failing");
  expect(it.position()).toMatchObject({ dead: 5, delivered: 0 });
  expect(it.position().problem).toContain("5 rows in a row were refused");
  isBroken = false;
  await until("all", () => it.position().delivered === 15);
  expect(it.position()).toMatchObject({ dead: 5, state: "delivering" });
});

test.each([401, 403, 404, 410, 302])("%i says nothing about rows: they wait", async (status) => {
  const it = await stand();
  await it.land(0, 3);
  it.receiver.answer = () => ({ status, headers: { location: "http://169.254.169.254/" } });
  it.start();
  await until("failing", () => it.position().state === "failing");
  it.receiver.answer = () => ({ status: 200 });
  await until("all", () => it.position().delivered === 3);
  expect(it.position().dead).toBe(0);
});

test("after a stop anywhere it goes on where it was; what comes again has its id and its bytes", async () => {
  const it = await stand();
  const chance = seededRandomness(11);
  await it.land(0, 60);
  it.receiver.answer = () => (chance.fraction() < 0.2 ? { status: 500 } : { status: 200 });
  for (let round = 0; round < 8; round++) {
    // Saves seldom: what a killed process knew is lost.
    const { stop } = it.start({ saveMs: round % 2 === 0 ? 60_000 : 0 });
    const seen = it.receiver.received.length;
    await until("some", () => it.receiver.received.length > seen + 2 || it.position().delivered === 60);
    await stop();
  }
  it.start();
  await until("all", () => it.position().delivered === 60);
  expect(rowsOf(it.receiver)).toEqual(numbers(0, 60));
  const texts = Map.groupBy(it.receiver.received, ({ id }) => id);
  for (const [, same] of texts) expect(new Set(same.map(({ text }) => text)).size).toBe(1);
});

test("of two processes one delivers; when it has gone the other does", async () => {
  const it = await stand();
  await it.land(0, 8);
  const first = it.start();
  const second = it.start();
  await until("eight", () => it.position().delivered === 8);
  for (let n = 8; n < 40; n += 4) {
    await it.land(n, n + 4);
    await until("more", () => it.position().delivered >= n + 4);
  }
  await first.stop();
  await it.land(40, 44);
  await until("the other", () => it.position().delivered === 44);
  expect(rowsOf(it.receiver)).toEqual(numbers(0, 44));
  await second.stop();
});

test("while one delivers, the other asks for nothing", async () => {
  const it = await stand();
  it.start({ standbyMs: 60_000 });
  it.start({ standbyMs: 60_000 });
  let n = 0;
  const isSettled = (): boolean => it.at.lines.some(({ message }) => message === "another process delivers");
  while (!isSettled()) {
    await it.land(n, n + 4);
    n += 4;
    await until("more", () => it.position().delivered >= n || isSettled());
  }
  const before = n;
  for (; n < before + 20; n += 4) {
    await it.land(n, n + 4);
    await until("more", () => it.position().delivered === n + 4);
  }
  const later = it.receiver.received.filter(({ sequence }) => sequence >= before).map(({ id }) => id);
  expect(later.length).toBe(5);
  expect(new Set(later).size).toBe(5);
});

test("a commit in the same process is delivered at once, whenever a look was due", async () => {
  const it = await stand();
  it.start({ everyMs: 3_600_000 });
  for (let n = 0; n < 12; n += 4) {
    await it.land(n, n + 4);
    await until("delivered", () => it.position().delivered === n + 4);
  }
});

test("one that is overtaken begins again with the whole table", async () => {
  const it = await stand();
  await it.land(0, 6);
  const { files } = await it.at.openTable("order.created").snapshot();
  expect(files.size).toBeGreaterThan(0);
  const { stop } = it.start();
  await until("six", () => it.position().delivered === 6);
  await stop();
  await it.land(6, 9);
  const log = it.at.openTable("order.created");
  const { version } = await log.snapshot();
  // What clean-up leaves: a checkpoint, and no commits before it.
  const read = log.read.bind(log);
  log.read = async (wanted) => {
    if (wanted <= version) throw new MuaraError("table.version_not_found", "cleaned up");
    return read(wanted);
  };
  (it.at as { openTable: unknown }).openTable = () => log;
  it.start();
  await until("again", () => it.position().delivered === 15);
  const rows = it.receiver.received.flatMap((one) => one.rows.map(({ n }) => Number(n)));
  expect(rows.slice(6).toSorted((a, b) => a - b)).toEqual(numbers(0, 9));
  const ids = it.receiver.received.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});

test("paused it rests, deleted it ends", async () => {
  const it = await stand();
  await it.land(0, 4);
  const { worker } = it.start();
  await until("four", () => it.position().delivered === 4);
  expect(worker.samples().find(({ name }) => name === "muara_delivery_rows")?.value).toBe(4);
  const { value, revision } = it.at.registry.get<Delivery>("delivery", "shop")!;
  const paused = await it.at.registry.put("delivery", "shop", revision, { ...value!, isPaused: true });
  await until("rest", () => worker.samples().length === 0);
  await it.land(4, 8);
  expect(it.receiver.received.length).toBe(1);
  const resumed = await it.at.registry.put("delivery", "shop", paused.revision, {
    ...value!,
    isPaused: false,
  });
  await until("eight", () => it.position().delivered === 8);
  await it.at.registry.put("delivery", "shop", resumed.revision, null);
  await until("the end", () => worker.samples().length === 0);
});
