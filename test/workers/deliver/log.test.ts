/** Rows of a table as events of a type of the same Muara: as the door takes them, each in the lake once. */
import { afterEach, expect, test } from "vitest";
import { seededRandomness, systemClock } from "../../../core/clock.ts";
import type { Column } from "../../../core/columns.ts";
import { type Delivery, type DeliveryPosition, nothingDelivered } from "../../../core/delivery.ts";
import { MuaraError } from "../../../core/errors.ts";
import type { EventType } from "../../../core/event-type.ts";
import type { Log } from "../../../core/ports/log.ts";
import type { SinkBatch } from "../../../core/ports/sink.ts";
import { readRows } from "../../../lake/parquet/rows.ts";
import type { DeliverOptions } from "../../../workers/deliver/delivery-loop.ts";
import { createEventSink } from "../../../workers/deliver/event-sink.ts";
import { rowEvents } from "../../../workers/deliver/row-event.ts";
import { createDeliverWorker } from "../../../workers/deliver/worker.ts";
import { Contracts } from "../../../workers/ingest/contract.ts";
import { TableLanding } from "../../../workers/land/table-landing.ts";
import { batchOf } from "../../conformance/sink.ts";
import { counter, declare, event, eventType, install, never, OPTIONS, send, uuid } from "../land/setup.ts";
import { streamRows } from "./stream-rows.ts";

const QUICK: DeliverOptions = { everyMs: 5, saveMs: 0, pauseMsMax: 20, standbyMs: 50, refusedMax: 5 };
const TARGET = "order.told";
const DELIVERY: Delivery = {
  name: "told",
  id: "d1",
  table: "order.created",
  log: { event_type: TARGET },
  from: "begin",
  batch_rows: 4,
  batch_bytes: 65_536,
  timeout_ms: 2_000,
  description: "",
  isPaused: false,
  secret: "",
  by: "test",
  createdMs: 0,
};
const BEGIN = nothingDelivered(DELIVERY, 0);

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

function target(n: object = { type: "integer" }, changed: Record<string, unknown> = {}): EventType {
  const schema = JSON.stringify({ type: "object", properties: { n }, required: ["n"] });
  const keyed = { partition_strategy: "hash", partition_key_fields: ["n"] };
  return eventType({ name: TARGET, schema: { type: "json_schema", schema }, ...keyed, ...changed });
}

async function stand(type: EventType | null = target(), wrap: (log: Log) => Log = (log) => log) {
  const at = await install();
  const source = eventType();
  await declare(at, source);
  if (type) await declare(at, type, 2);
  const landing = await TableLanding.open(at.ports, OPTIONS, source);
  await at.registry.put("delivery-position", "told", 0, BEGIN);
  await at.registry.put("delivery", "told", 0, DELIVERY);
  const ports = { ...at, log: wrap(at.log) };
  const contracts = new Contracts(ports, { maxBytes: OPTIONS.eventBytes, maxDepth: OPTIONS.depth });
  const openSink = async (one: Delivery) =>
    createEventSink({ ...ports, contracts }, one, one.log!.event_type);
  const position = () => at.registry.get<DeliveryPosition>("delivery-position", "told")!;
  return {
    at,
    position: () => position().value!,
    /** As a process that was killed before it wrote how far it is leaves it. */
    forget: () => at.registry.put("delivery-position", "told", position().revision, BEGIN),
    land: async (from: number, to: number) => {
      const numbers = Array.from({ length: to - from }, (_, i) => from + i);
      await send(
        at,
        numbers.map((n) => event(n)),
      );
      while ((await landing.step(never)).hasBacklog);
    },
    start: () => {
      const worker = createDeliverWorker(
        { ...at, clock: systemClock, randomness: seededRandomness(3), openSink },
        QUICK,
      );
      const over = new AbortController();
      const running = worker.run(over.signal);
      const stop = async (): Promise<void> => {
        over.abort();
        await running;
      };
      cleanups.push(stop);
      return stop;
    },
    landed: async (known: EventType = type!): Promise<number[]> => {
      const own = await TableLanding.open(at.ports, OPTIONS, known);
      while ((await own.step(never)).hasBacklog);
      const { files } = await at.openTable(TARGET).snapshot();
      const columns: readonly Column[] = [{ name: "n", type: { kind: "long" }, nullable: true }];
      const rows: Record<string, unknown>[] = [];
      for (const { path } of files.values())
        rows.push(...(await readRows((await at.store.get(`${TARGET}/${path}`))!, columns)));
      return rows.map(({ n }) => Number(n)).toSorted((a, b) => a - b);
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

test("each row is an event that lands, under an id of its own", async () => {
  const it = await stand();
  await it.land(0, 10);
  it.start();
  await until("ten", () => it.position().delivered === 10);
  expect(await it.landed()).toEqual(numbers(0, 10));
  const events = (await streamRows(it.at.log, TARGET)).map((text) => JSON.parse(text));
  expect(events.toSorted((a, b) => a.n - b.n).map(({ n, metadata }) => [n, metadata.occurred_at])).toEqual(
    numbers(0, 10).map((n) => [n, "2026-03-01T22:00:00.000Z"]),
  );
  expect(events.flatMap((one) => Object.keys(one)).filter((name) => !/^(metadata|n)$/.test(name))).toEqual(
    [],
  );
  const ids = new Set(events.map(({ metadata }) => metadata.eid));
  expect(ids.size).toBe(10);
  expect(ids.has(uuid(3))).toBe(false);
});

test("killed between the append and its place: sent again, in the lake once, and booked", async () => {
  const it = await stand();
  await it.land(0, 10);
  for (let round = 0; round < 3; round++) {
    const stop = it.start();
    await until("ten", () => it.position().delivered === 10);
    await stop();
    if (round < 2) await it.forget();
  }
  const texts = await streamRows(it.at.log, TARGET);
  expect(texts.length).toBe(30);
  expect(new Set(texts).size).toBe(10);
  expect(await it.landed()).toEqual(numbers(0, 10));
  expect(await counter(it.at, "duplicates", TARGET)).toBe(20);
});

test("an append that is lost, or that nobody answers, is made again", async () => {
  const chance = seededRandomness(5);
  const append =
    (log: Log): Log["append"] =>
    async (...asked) => {
      const dice = chance.fraction();
      if (dice < 0.2) throw new MuaraError("log.overloaded", "not now");
      const appended = await log.append(...asked);
      if (dice < 0.4) throw new MuaraError("log.append_unknown", "stored, and not answered");
      return appended;
    };
  const it = await stand(
    target(),
    (log) =>
      new Proxy(log, {
        get: (of, name) => {
          if (name === "append") return append(of);
          const value: unknown = Reflect.get(of, name);
          return typeof value === "function" ? (value.bind(of) as unknown) : value;
        },
      }),
  );
  await it.land(0, 60);
  it.start();
  await until("sixty", () => it.position().delivered === 60);
  expect(it.position().dead).toBe(0);
  expect(await it.landed()).toEqual(numbers(0, 60));
});

test("what the type does not take is a dead letter, with the door's words; the others land", async () => {
  const it = await stand(target({ type: "integer", not: { enum: [2, 9] }, maximum: 10 }));
  await it.land(0, 12);
  it.start();
  await until("all", () => it.position().delivered + it.position().dead === 12);
  expect(it.position()).toMatchObject({ delivered: 9, dead: 3 });
  expect(await it.landed()).toEqual(numbers(0, 11).filter((n) => n !== 2 && n !== 9));
  const letters = await it.at.store.list("_deliveries/d1");
  const texts = await Promise.all(
    letters.map(async ({ path }) => JSON.parse(new TextDecoder().decode(await it.at.store.get(path)))),
  );
  expect(texts.map(({ row }) => row.n)).toEqual([2, 9, 11]);
  expect(texts[2].reason).toMatch(/^event\.schema: #\/n: /);
});

test("a type that is not there is waited for, and no row is dropped", async () => {
  const it = await stand(null);
  await it.land(0, 6);
  it.start();
  await until("failing", () => it.position().state === "failing");
  expect(it.position().problem).toContain(`No event type "${TARGET}"`);
  const late = target();
  await declare(it.at, late, 2);
  await until("all", () => it.position().delivered === 6);
  expect(it.position().dead).toBe(0);
  expect(await it.landed(late)).toEqual(numbers(0, 6));
});

test("a type that is blocked is waited for", async () => {
  const it = await stand();
  await it.land(0, 3);
  const none = { CONSUMER_APP: [], CONSUMER_ET: [], PRODUCER_APP: [], PRODUCER_ET: [] };
  const blocked = { ...none, PRODUCER_ET: [TARGET] };
  const { revision } = await it.at.registry.put("setting", "blacklist", 0, blocked);
  it.start();
  await until("failing", () => it.position().state === "failing");
  expect(await streamRows(it.at.log, TARGET)).toEqual([]);
  await it.at.registry.put("setting", "blacklist", revision, none);
  await until("all", () => it.position().delivered === 3);
});

const COLUMNS: readonly Column[] = [
  { name: "event_time", type: { kind: "timestamp" }, nullable: false },
  { name: "window_end", type: { kind: "timestamp" }, nullable: true },
  { name: "watermark", type: { kind: "timestamp" }, nullable: true },
  { name: "row_id", type: { kind: "string" }, nullable: true },
  { name: "big", type: { kind: "long" }, nullable: true },
  { name: "price", type: { kind: "decimal", precision: 38, scale: 4, quoted: false }, nullable: true },
  { name: "note", type: { kind: "json" }, nullable: true },
  { name: "day", type: { kind: "date" }, nullable: true },
];

function batch(values: Record<string, unknown>, sequence = 0): SinkBatch {
  return { ...batchOf(0, 1), sequence, columns: COLUMNS, rows: [{ key: null, json: "{}", values }] };
}

const OWN = { id: "d1", name: "told", table: "order_hourly" };
const VALUES = {
  window_end: 1_772_366_400_123_456n,
  watermark: 1_772_366_400_000_000n,
  row_id: "r-1",
  big: 9_007_199_254_740_993n,
  price: 12_345_678_901_234_567_890_123_456n,
  note: '{"a":1.10}',
  day: "2026-03-01",
};

test("all digits stay, times are RFC 3339, and what is empty is left out", async () => {
  const [text] = await rowEvents(OWN, batch(VALUES), target());
  const { eid } = JSON.parse(text!).metadata;
  expect(eid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(text).toBe(
    `{"metadata":{"eid":"${eid}","occurred_at":"2026-03-01T12:00:00.123456Z"},` +
      '"window_end":"2026-03-01T12:00:00.123456Z","row_id":"r-1","big":9007199254740993,' +
      '"price":1234567890123456789012.3456,"note":{"a":1.10},"day":"2026-03-01"}',
  );
  const [timed] = await rowEvents(OWN, batch({ ...VALUES, event_time: 0n }), target());
  expect(JSON.parse(timed!).metadata.occurred_at).toBe("1970-01-01T00:00:00.000Z");
  const [committed] = await rowEvents(OWN, batch({ big: 1n }), target());
  expect(JSON.parse(committed!).metadata.occurred_at).toBe("2026-03-01T12:00:00.000Z");
});

test("the other categories have their own forms; a declared name of the envelope is a field", async () => {
  const [data] = await rowEvents(OWN, batch({ big: 1n }), target({}, { category: "data" }));
  expect(JSON.parse(data!)).toMatchObject({ data_op: "C", data_type: "order_hourly", data: { big: 1 } });
  const [cloud] = await rowEvents(OWN, batch({ big: 1n }), target({}, { category: "cloudevent" }));
  expect(JSON.parse(cloud!)).toEqual({
    specversion: "1.0",
    id: expect.any(String),
    source: "/v1/deliveries/told",
    type: TARGET,
    time: "2026-03-01T12:00:00.000Z",
    data: { big: 1 },
  });
  const schema = JSON.stringify({ type: "object", properties: { watermark: { type: "string" } } });
  const [declared] = await rowEvents(
    OWN,
    batch(VALUES),
    target({}, { schema: { type: "json_schema", schema } }),
  );
  expect(JSON.parse(declared!).watermark).toBe("2026-03-01T12:00:00.000Z");
});

test("the id is the row's: of its row_id, of its place in the log, else of its number", async () => {
  const idOf = async (values: Record<string, unknown>, sequence = 0, own = OWN): Promise<string> =>
    JSON.parse((await rowEvents(own, batch(values, sequence), target()))[0]!).metadata.eid;
  expect(await idOf(VALUES, 5)).toBe(await idOf(VALUES));
  expect(await idOf({ ...VALUES, row_id: "r-2" })).not.toBe(await idOf(VALUES));
  expect(await idOf(VALUES, 0, { ...OWN, id: "d2" })).not.toBe(await idOf(VALUES));
  const landed = { event_id: "e", log_partition: 0n, log_offset: 7n };
  expect(await idOf(landed, 5)).toBe(await idOf(landed));
  expect(await idOf({ ...landed, log_offset: 8n })).not.toBe(await idOf(landed));
  expect(await idOf({ big: 1n }, 5)).not.toBe(await idOf({ big: 1n }, 6));
});
