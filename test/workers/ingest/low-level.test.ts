/** Streams without a subscription, as Nakadi's `EventStreamReadingAT` asks for them, over every kind of log. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { declaration, type Door, event } from "./door.ts";
import { apart, call, Client, doorOver, LOG_KINDS, pass, passed, until } from "./nakadi.ts";

const BEGIN = JSON.stringify([{ partition: "0", offset: "BEGIN" }]);

const numbered = (count: number, from = 0): object[] =>
  Array.from({ length: count }, (_, i) => event({ number: from + i }));

describe.each(LOG_KINDS)("$name", (kind) => {
  let door: Door;
  beforeAll(async () => {
    door = await doorOver(kind);
  });
  afterAll(async () => {
    await door.log.close();
    await kind.clean();
  });

  let types = 0;
  async function typeOf(partitions = 1, more: Record<string, unknown> = {}): Promise<string> {
    const name = `stream.type-${++types}`;
    const default_statistic = { read_parallelism: partitions, write_parallelism: partitions };
    const response = await door.declare(declaration(name, { default_statistic, ...more }));
    expect(response.status, await response.clone().text()).toBe(201);
    return name;
  }
  const publish = async (name: string, ...events: readonly object[]): Promise<void> => {
    const response = await passed(door.clock, door.publish(name, JSON.stringify(events)));
    expect(response.status, await response.text()).toBe(200);
  };
  const open = async (name: string, query = "", headers: Record<string, string> = {}): Promise<Client> => {
    const response = await call(door, "GET", `/event-types/${name}/events?${query}`, undefined, headers);
    expect(response.status, response.status === 200 ? "" : await response.text()).toBe(200);
    return new Client(response, door.clock);
  };
  const status = async (
    name: string,
    query: string,
    headers: Record<string, string> = {},
  ): Promise<number> => {
    const response = await call(door, "GET", `/event-types/${name}/events?${query}`, undefined, headers);
    if (response.status === 200) await response.body?.cancel();
    else expect(response.headers.get("content-type")).toBe("application/problem+json");
    return response.status;
  };

  test("batches as large as asked for, then the rest at the flush timeout, then keep-alives", async () => {
    const name = await typeOf();
    await publish(name, ...numbered(12));
    const client = await open(name, "batch_limit=5&batch_flush_timeout=2&stream_keep_alive_limit=2", {
      "x-nakadi-cursors": BEGIN,
    });
    expect(client.response.headers.get("content-type")).toBe("application/x-json-stream");
    expect(client.response.headers.get("connection")).toBe("close");
    expect(client.response.headers.get("warning")).toContain("Deprecated");
    await client.ends();
    expect(client.batches.map(({ cursor, events }) => [cursor, events?.length])).toEqual([
      [{ partition: "0", offset: "001-0001-000000000000000004" }, 5],
      [{ partition: "0", offset: "001-0001-000000000000000009" }, 5],
      [{ partition: "0", offset: "001-0001-000000000000000011" }, 2],
      [{ partition: "0", offset: "001-0001-000000000000000011" }, undefined],
      [{ partition: "0", offset: "001-0001-000000000000000011" }, undefined],
    ]);
    expect(client.events.map(({ number }) => number)).toEqual([...Array(12).keys()]);
    expect(client.text.endsWith("\n")).toBe(true);
  });

  test("without cursors from the newest; without events a keep-alive before the first offset", async () => {
    const name = await typeOf();
    const empty = await open(name, "batch_flush_timeout=1&stream_keep_alive_limit=1");
    await empty.ends();
    expect(empty.batches).toEqual([{ cursor: { partition: "0", offset: "001-0001--1" } }]);
    await publish(name, ...numbered(3));
    const client = await open(name, "stream_limit=2");
    await publish(name, ...numbered(3, 3));
    await client.ends();
    expect(client.events.map(({ number }) => number)).toEqual([3, 4]);
    expect(client.batches).toHaveLength(2);
  });

  test("events are enriched as Nakadi does it; undefined ones are as they were published", async () => {
    const name = await typeOf(1, { schema: { type: "object" } });
    const metadata = { eid: "00000000-0000-4000-8000-000000000001", occurred_at: "2026-03-01T11:00:00Z" };
    await passed(
      door.clock,
      door.publish(name, JSON.stringify([{ a: "ä", metadata }]), { "x-flow-id": "flow-1" }),
    );
    const own = { ...metadata, flow_id: "own", partition: "7", event_type: name };
    await passed(door.clock, door.publish(name, JSON.stringify([{ metadata: own, z: [1, { b: "]" }] }])));
    const client = await open(name, "stream_limit=2", { "x-nakadi-cursors": BEGIN });
    await client.ends();
    const added = {
      event_type: name,
      partition: "0",
      version: "1.0.0",
      received_at: expect.stringMatching(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      published_by: expect.stringMatching(/^token:/),
    };
    expect(client.events).toEqual([
      { a: "ä", metadata: { ...metadata, ...added, flow_id: "flow-1" } },
      { metadata: { ...own, ...added, flow_id: "own" }, z: [1, { b: "]" }] },
    ]);
    const plain = await typeOf(1, { category: "undefined", schema: { type: "object" } });
    await passed(door.clock, door.publish(plain, '[ {"metadata" : {"a":1}, "n": 1.50} ]'));
    const reader = await open(plain, "stream_limit=1", { "x-nakadi-cursors": BEGIN });
    await reader.ends();
    const cursor = '{"partition":"0","offset":"001-0001-000000000000000000"}';
    expect(reader.text).toBe(`{"cursor":${cursor},"events":[{"metadata" : {"a":1}, "n": 1.50}]}\n`);
  });

  test("several partitions: each with its cursor, only those that are named", async () => {
    const name = await typeOf(4, { partition_strategy: "user_defined" });
    await publish(
      name,
      ...[0, 1, 2, 3].flatMap((p) => [0, 1].map(() => event({ p }, { partition: String(p) }))),
    );
    const all = await open(name, "batch_limit=2&stream_limit=8", {
      "x-nakadi-cursors": JSON.stringify([0, 1, 2, 3].map((p) => ({ partition: `${p}`, offset: "BEGIN" }))),
    });
    await all.ends();
    expect(all.full.map(({ cursor }) => cursor.partition).sort()).toEqual(["0", "1", "2", "3"]);
    for (const { cursor, events } of all.full)
      expect(events!.map(({ p }) => String(p))).toEqual([cursor.partition, cursor.partition]);
    const some = await open(name, "batch_limit=2&batch_flush_timeout=1&stream_keep_alive_limit=1", {
      "x-nakadi-cursors": JSON.stringify([
        { partition: "1", offset: "0" },
        { partition: "3", offset: "001-0001-000000000000000001" },
      ]),
    });
    await some.ends();
    expect(some.full.map(({ cursor, events }) => [cursor.partition, events!.length])).toEqual([["1", 1]]);
  });

  test("a stream ends at its timeout, and events that are there are sent before", async () => {
    const name = await typeOf();
    const client = await open(name, "batch_limit=10&stream_timeout=3&batch_flush_timeout=3");
    await publish(name, ...numbered(4));
    await client.ends();
    expect(client.events).toHaveLength(4);
    expect(client.notes).toEqual([]);
  });

  test("batch_timespan cuts batches by the time of acceptance", async () => {
    const name = await typeOf();
    await publish(name, ...numbered(2));
    await apart(kind, door.clock, 2_500);
    await publish(name, ...numbered(2, 2));
    const client = await open(
      name,
      "batch_limit=100&batch_timespan=1&batch_flush_timeout=10&stream_limit=100",
      {
        "x-nakadi-cursors": BEGIN,
      },
    );
    await client.gets(2);
    expect(client.full.map(({ events }) => events!.length)).toEqual([2, 2]);
    await client.leave();
  });

  test("batches are cut where they would take too much memory, and say so", async () => {
    const name = await typeOf();
    const pad = "x".repeat(300_000);
    await publish(name, ...numbered(8).map((one) => ({ ...one, pad })));
    const client = await open(name, "batch_limit=1000&batch_flush_timeout=1&stream_limit=1000", {
      "x-nakadi-cursors": BEGIN,
    });
    await client.getsEvents(8);
    expect(client.full.length).toBeGreaterThan(1);
    expect(client.notes[0]).toBe("Stream parameters are causing overflow");
    expect(client.events.map(({ number }) => number)).toEqual([...Array(8).keys()]);
    await client.leave();
  });

  test.each([
    ["batch_limit=0", 422],
    ["batch_limit=10&stream_limit=5", 422],
    ["batch_flush_timeout=10&stream_timeout=5", 422],
    ["stream_limit=-1", 422],
    ["batch_limit=many", 400],
    ["batch_limit=1.5", 400],
    ["stream_timeout=5&batch_flush_timeout=5&batch_limit=5&stream_limit=5", 200],
  ])("parameters %s: %i", async (query, expected) => {
    expect(await status(await typeOf(), query)).toBe(expected);
  });

  test.each([
    ["[", 400],
    ['{"partition":"0","offset":"BEGIN"}', 400],
    ["[]", 412],
    ['[{"partition":"0"}]', 412],
    ['[{"partition":"1","offset":"BEGIN"}]', 412],
    ['[{"partition":"00","offset":"BEGIN"}]', 412],
    ['[{"partition":"0","offset":"middle"}]', 412],
    ['[{"partition":"0","offset":"001-0001-000000000000000005"}]', 412],
    ['[{"partition":"0","offset":"BEGIN"},{"partition":"0","offset":"0"}]', 412],
    ['[{"partition":"0","offset":"001-0001--1"}]', 200],
    ['[{"partition":"0","offset":"4"}]', 200],
  ])("cursors %s: %i", async (cursors, expected) => {
    const name = await typeOf();
    await publish(name, ...numbered(5));
    expect(await status(name, "", { "x-nakadi-cursors": cursors })).toBe(expected);
  });

  test("no such type: 404; no right to read it: 403, whether it is there or not", async () => {
    const name = await typeOf();
    expect(await status("nothing.here", "")).toBe(404);
    const writer = await door.token([{ action: "write", kind: "event_type", name: "*" }]);
    const headers = { authorization: `Bearer ${writer}` };
    expect(await status(name, "", headers)).toBe(403);
    expect(await status("nothing.here", "", headers)).toBe(403);
  });

  test("five streams on a partition, no sixth; one that ends makes room", async () => {
    const name = await typeOf();
    const clients = await Promise.all(Array.from({ length: 5 }, () => open(name)));
    const refused = await call(door, "GET", `/event-types/${name}/events`);
    expect(refused.status).toBe(429);
    expect(await refused.json()).toMatchObject({ code: "stream.too_many", limit: 5 });
    await clients[0]!.leave();
    expect(await status(name, "")).toBe(200);
    for (const client of clients) await client.leave();
  });

  test("whoever loses the right to read loses the stream, and is told why", async () => {
    const name = await typeOf();
    const read = [{ action: "read", kind: "event_type", name }] as const;
    const token = await door.token(read);
    const client = await open(name, "", { authorization: `Bearer ${token}` });
    await pass(door.clock, 3_000);
    expect(client.isOver).toBe(false);
    const id = token.split("_")[1]!;
    await door.registry.put("token", id, 1, null);
    await client.ends();
    expect(client.notes).toEqual(["Access was withdrawn: The token is not known here."]);
    expect(await status(name, "", { authorization: `Bearer ${token}` })).toBe(401);
  });

  test("a client that takes nothing costs no memory, and is cut off after the end", async () => {
    const name = await typeOf();
    await publish(name, ...numbered(50));
    const response = await call(
      door,
      "GET",
      `/event-types/${name}/events?stream_timeout=30&batch_limit=1`,
      undefined,
      { "x-nakadi-cursors": BEGIN },
    );
    const reader = response.body!.getReader();
    expect((await passed(door.clock, reader.read())).done).toBe(false);
    await pass(door.clock, 70_000);
    await expect(reader.read()).rejects.toThrow("takes nothing");
  });

  test("a stop of the process ends streams", async () => {
    const own = await doorOver(kind);
    await own.declare(declaration("t"));
    const client = new Client(await call(own, "GET", "/event-types/t/events"), own.clock);
    await until(own.clock, () => client.batches.length > 0);
    own.streams.close();
    await client.ends();
    expect((await call(own, "GET", "/event-types/t/events")).status).toBe(503);
    await own.log.close();
  });
});
