/** Captures of a real server, over their life: begun, stopped, handed over, paused, removed, and left alone. */
import { expect, test } from "vitest";
import type { CaptureState } from "../../../core/capture.ts";
import { MuaraError } from "../../../core/errors.ts";
import { eventually } from "../../services/muara.ts";
import { capturePlaces, STREAMS_MS_MAX, streams } from "./capture-place.ts";

const places = capturePlaces();

const TABLE = "CREATE TABLE t (id int PRIMARY KEY, v text)";
const ids = (records: readonly { data: Readonly<Record<string, unknown>> }[]): unknown[] =>
  records.map(({ data }) => data["id"]);

test("changes are records with headers and keys; a stop and a start lose and repeat nothing", async () => {
  const place = await places.open(TABLE);
  const capture = await place.declare("shop", { shard: "s1" });
  const first = await place.start();
  await place.until("shop", "streams", streams);
  await place.sql("INSERT INTO t SELECT g, 'v' FROM generate_series(1, 100) g");
  const records = await place.landed("shop.public.t", 100);
  expect(records[0]).toMatchObject({
    key: '["s1",1]',
    header: { schema_version: "1.0.0", published_by: "capture:shop" },
    source: { shard: "s1", incarnation: 1 },
  });
  await first.stop();
  await place.sql("INSERT INTO t SELECT g, 'v' FROM generate_series(101, 200) g");
  const state = await place.state("shop");
  const [slot] = await place.sql(
    "SELECT slot_name, confirmed_flush_lsn - '0/0' AS lsn FROM pg_replication_slots",
  );
  expect(slot).toMatchObject({ slot_name: state!.slot, lsn: state!.lsn });
  expect(state).toMatchObject({ captureId: capture.id, phase: "streaming", incarnation: 1 });
  await place.start();
  await place.landed("shop.public.t", 200);
  await place.sql("INSERT INTO t VALUES (201)");
  expect(ids(await place.landed("shop.public.t", 201))).toEqual(Array.from({ length: 201 }, (_, i) => i + 1));
});

test("of two workers one has the capture; the other goes on where it ends", async () => {
  const place = await places.open(TABLE);
  await place.declare("shop");
  const [a, b] = [await place.start(), await place.start()];
  await place.until("shop", "streams", streams);
  const states = (): string[] =>
    [a, b].map(({ worker }) => worker.status().get("shop")?.state ?? "none").toSorted();
  await expect.poll(states, { timeout: STREAMS_MS_MAX }).toEqual(["streaming", "waiting"]);
  await place.sql("INSERT INTO t VALUES (1)");
  await place.landed("shop.public.t", 1);
  const slots = await place.sql(
    "SELECT count(*)::int AS n FROM pg_replication_slots WHERE database = current_database()",
  );
  expect(slots).toEqual([{ n: 1 }]);
  const owner = a.worker.status().get("shop")?.state === "streaming" ? a : b;
  await owner.stop();
  await place.sql("INSERT INTO t VALUES (2)");
  expect(ids(await place.landed("shop.public.t", 2))).toEqual([1, 2]);
});

test("a session that is cut off anywhere repeats nothing in the log", async () => {
  const place = await places.open(TABLE);
  await place.declare("shop");
  const { worker } = await place.start();
  await place.until("shop", "streams", streams);
  for (let round = 0; round < 8; round++) {
    await place.sql(
      `INSERT INTO t SELECT g, repeat('v', 100) FROM generate_series(${round * 500}, ${round * 500 + 499}) g`,
    );
    await eventually("its session is ended", STREAMS_MS_MAX, async () => {
      const ended = await place.sql(
        `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots
          WHERE database = current_database() AND active_pid IS NOT NULL`,
      );
      return ended.length > 0;
    });
  }
  const records = await place.landed("shop.public.t", 4_000);
  expect(worker.status().get("shop")!.sessions).toBeGreaterThan(5);
  expect(ids(records)).toEqual(Array.from({ length: 4_000 }, (_, i) => i));
});

test("a crash between an append and its saved cursor repeats nothing, however long nobody captures then", async () => {
  const place = await places.open(TABLE);
  await place.declare("shop");
  const first = await place.start();
  await place.until("shop", "streams", streams);
  await first.stop();
  const before = (await place.state("shop"))!;
  const slotOf = (from: string, to: string): Promise<unknown> =>
    place.sql(`SELECT pg_copy_logical_replication_slot('${from}', '${to}')`);
  await slotOf(before.slot, `${before.slot}_kept`);
  const second = await place.start();
  await place.sql("INSERT INTO t SELECT g FROM generate_series(1, 50) g");
  await place.landed("shop.public.t", 50);
  await second.stop();
  // State and slot as they were before the rows; the log has them.
  await place.dropSlot(before.slot);
  await slotOf(`${before.slot}_kept`, before.slot);
  await place.dropSlot(`${before.slot}_kept`);
  await place.registry.refresh();
  const stored = place.registry.get<CaptureState>("capture-state", "shop")!;
  await place.registry.put("capture-state", "shop", stored.revision, { ...before, atMs: stored.value!.atMs });
  place.shift(3 * 3_600_000);
  await place.start();
  await place.sql("INSERT INTO t VALUES (51)");
  expect(ids(await place.landed("shop.public.t", 51))).toEqual(Array.from({ length: 51 }, (_, i) => i + 1));
});

test("an append that is refused, or of unknown outcome, is repeated until it is there", async () => {
  let failures = 0;
  const place = await places.open(TABLE, {
    wrap: (log) => ({
      ...wrapped(log),
      append: async (stream, partition, batch, producer) => {
        if (stream !== "shop.public.t" || failures >= 6)
          return log.append(stream, partition, batch, producer);
        failures++;
        if (failures % 2 === 1) throw new MuaraError("log.overloaded", "no room");
        await log.append(stream, partition, batch, producer);
        throw new MuaraError("log.append_unknown", "no answer");
      },
    }),
  });
  await place.declare("shop");
  await place.start();
  await place.until("shop", "streams", streams);
  await place.sql("INSERT INTO t SELECT g, 'v' FROM generate_series(1, 50) g");
  await eventually("the last one is there", STREAMS_MS_MAX, async () => failures >= 6);
  await place.sql("INSERT INTO t VALUES (51)");
  await eventually("all are there", STREAMS_MS_MAX, async () => {
    const seen = new Set((await place.records("shop.public.t")).map(({ metadata }) => metadata.eid));
    return seen.size === 51;
  });
  const firsts = [
    ...new Map(
      (await place.records("shop.public.t")).toReversed().map((one) => [one.metadata.eid, one]),
    ).values(),
  ];
  expect(ids(firsts.toReversed()).toSorted((x, y) => Number(x) - Number(y))).toEqual(
    Array.from({ length: 51 }, (_, i) => i + 1),
  );
});

test("an idle source moves on, so that it need not keep its log", async () => {
  const place = await places.open(TABLE);
  await place.declare("shop");
  await place.start();
  const before = await place.until("shop", "streams", streams);
  await place.sql("CREATE TABLE other (id int); INSERT INTO other SELECT generate_series(1, 1000)");
  const [end] = await place.sql("SELECT (pg_current_wal_lsn() - '0/0')::text AS lsn");
  const after = await place.until(
    "shop",
    "has passed it",
    ({ lsn }) => BigInt(lsn) >= BigInt(String(end!["lsn"])),
  );
  expect(BigInt(after.lsn)).toBeGreaterThan(BigInt(before.lsn));
  await eventually("the slot, too", STREAMS_MS_MAX, async () => {
    const [row] = await place.sql(
      "SELECT (confirmed_flush_lsn - '0/0')::text AS lsn FROM pg_replication_slots WHERE database = current_database()",
    );
    return BigInt(String(row!["lsn"])) >= BigInt(String(end!["lsn"]));
  });
});

test("a dead source disturbs no other", async () => {
  const place = await places.open(TABLE, {
    openSource: (openSource) => async (name) => {
      const source = await openSource(name);
      if (name !== "dead") return source;
      return { ...source, server: dead, slot: dead, tables: dead, claim: dead };
    },
  });
  await place.declare("dead", { database: "dead", prefix: "dead" });
  await place.declare("shop");
  const { worker } = await place.start();
  await place.until("shop", "streams", streams);
  await place.sql("INSERT INTO t VALUES (1)");
  await place.landed("shop.public.t", 1);
  expect(worker.status().get("dead")).toMatchObject({ state: "retrying", problem: "nobody answers" });
  expect((await place.until("dead", "tells", ({ problem }) => problem !== null)).problem).toBe(
    "nobody answers",
  );
});

test("a paused one rests and keeps its slot; a removed one leaves nothing behind", async () => {
  const place = await places.open(TABLE);
  await place.declare("shop");
  const { worker } = await place.start();
  await place.until("shop", "streams", streams);
  await place.change("shop", (capture) => ({ ...capture, isPaused: true }));
  await eventually("it rests", STREAMS_MS_MAX, async () => !worker.status().has("shop"));
  await place.sql("INSERT INTO t VALUES (1)");
  expect(await place.records("shop.public.t")).toEqual([]);
  await place.change("shop", (capture) => ({ ...capture, isPaused: false }));
  await place.landed("shop.public.t", 1);
  await place.change("shop", () => null);
  await eventually("nothing is left", STREAMS_MS_MAX, async () => {
    const left = await place.sql(
      `SELECT slot_name AS n FROM pg_replication_slots WHERE database = current_database()
       UNION ALL SELECT pubname FROM pg_publication`,
    );
    return left.length === 0 && (await place.state("shop")) === undefined;
  });
}, 60_000);

test("messages with any prefix are handed over before their transaction counts as durable", async () => {
  const place = await places.open(TABLE);
  await place.declare("shop", { messages: { order: "shop.order" } });
  await place.start();
  await place.until("shop", "streams", streams);
  await place.sql("SELECT pg_logical_emit_message(true, 'order', '{\"a\":1}')");
  await eventually("it is there", STREAMS_MS_MAX, async () => place.messages.length === 1);
  expect(new TextDecoder().decode(place.messages[0]!.content)).toBe('{"a":1}');
});

test("heartbeats move a source on that nobody writes to", async () => {
  const place = await places.open(TABLE, { capture: { heartbeatMs: 100 } });
  await place.declare("shop", { heartbeat: true });
  await place.start();
  const { lsn } = await place.until("shop", "streams", streams);
  await place.until("shop", "has moved", (state) => BigInt(state.lsn) > BigInt(lsn) + 200n);
  expect(place.messages.filter(({ prefix }) => prefix !== "muara.heartbeat")).toEqual([]);
});

function dead(): Promise<never> {
  return Promise.reject(new MuaraError("source.unavailable", "nobody answers"));
}

/** A log whose methods can be replaced. */
function wrapped<T extends object>(log: T): T {
  return new Proxy(log, {
    get: (target, key) => {
      const value = Reflect.get(target, key, target) as unknown;
      return typeof value === "function" ? value.bind(target) : value;
    },
    ownKeys: (target) => [
      ...new Set([...Reflect.ownKeys(target), ...Reflect.ownKeys(Object.getPrototypeOf(target) as object)]),
    ],
    getOwnPropertyDescriptor: (target, key) => ({
      configurable: true,
      enumerable: true,
      value: Reflect.get(target, key, target) as unknown,
    }),
  });
}
