/**
 * Streams on the log's bad days: records that others wrote, retention that was faster, processes that died, rights that
 * were withdrawn; and streams that are compressed. What of Nakadi's `HilaAT`, `EventStreamReadingAT` and
 * `SubscriptionAT` is not in the files of those subjects.
 */
import { createGunzip } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gzipStream } from "../../../adapters/http/gzip.ts";
import { offsetText } from "../../../workers/ingest/cursors/offset-text.ts";
import { Consumers } from "./consumers.ts";
import { createDoor, type Door, event, listed } from "./door.ts";
import { type Batch, call, Client, closeDoor, doorOver, LOG_KINDS, passed, until } from "./nakadi.ts";

const HOUR_MS = 3_600_000;
const numbersOf = (client: Client): unknown[] => client.events.map(({ number }) => number);

describe.each(LOG_KINDS)("$name", (kind) => {
  let door: Door;
  let at: Consumers;
  beforeAll(async () => {
    door = await doorOver(kind, { compress: gzipStream, streams: { perPrincipal: 3 } });
    at = new Consumers(door);
  });
  afterAll(async () => {
    await closeDoor(door);
    await kind.clean();
  });

  /** With a log of its own: on disk streams share segments, and the oldest event of any keeps them. */
  async function alone(run: (own: Door, consumers: Consumers) => Promise<void>): Promise<void> {
    const own = await doorOver(kind);
    await run(own, new Consumers(own));
    await closeDoor(own);
  }

  test("who says that he takes gzip gets it, batch by batch", async () => {
    const name = await at.type();
    const id = await at.subscription([name]);
    const headers = { "accept-encoding": "br, gzip" };
    const path = `/subscriptions/${id}/events?batch_limit=2`;
    const response = await passed(door.clock, call(door, "GET", path, undefined, headers));
    expect(response.headers.get("content-encoding")).toBe("gzip");
    expect(response.headers.get("vary")).toBe("accept-encoding");
    const gunzip = createGunzip();
    const lines: Batch[] = [];
    let text = "";
    gunzip.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const whole = text.split("\n");
      text = whole.pop()!;
      lines.push(...whole.map((line) => JSON.parse(line) as Batch));
    });
    const reader = response.body!.getReader();
    const pump = async (): Promise<void> => {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        gunzip.write(value);
      }
    };
    const pumped = pump();
    // The first batch can be read before there is a second.
    for (const from of [0, 2]) {
      await at.publish(name, 2, from);
      await until(door.clock, () => lines.filter(({ events }) => events).length === from / 2 + 1);
    }
    const numbers = lines.flatMap(({ events }) => events ?? []).map(({ number }) => number);
    expect(numbers).toEqual([0, 1, 2, 3]);
    await reader.cancel();
    await pumped;
    for (const refusing of ["gzip;q=0", "identity", ""]) {
      const plain = await passed(
        door.clock,
        call(door, "GET", path, undefined, { "accept-encoding": refusing }),
      );
      expect(plain.headers.get("content-encoding"), refusing).toBeNull();
      await plain.body!.cancel();
    }
  });

  test.each([
    ["headers of their own", true],
    ["no header", false],
  ])(
    "records with %s: JSON as it is, on one line, nothing added; what is none is left out",
    async (_what, hasHeaders) => {
      const name = await at.type();
      await at.publish(name, 1);
      const foreign = [
        '{"number":1,"metadata":{"eid":"x"}}',
        "no JSON",
        '{"number":\r\n2}',
        "4\n5",
        '{"number":3}',
      ];
      await kind.writeForeign(door.log, name, foreign, hasHeaders);
      await at.publish(name, 1, 5);
      const id = await at.subscription([name]);
      const client = await at.stream(id, "batch_limit=10&batch_flush_timeout=1&max_uncommitted_events=100");
      await client.getsEvents(5);
      expect(numbersOf(client)).toEqual([0, 1, 2, 3, 5]);
      expect(client.events[1]).toEqual({ number: 1, metadata: { eid: "x" } });
      expect(client.notes.join()).toContain("2 records that are no JSON were left out");
      // One line a batch: nothing of what was left out breaks it.
      expect(client.text.split("\n").length - 1).toBe(client.batches.length);
      await at.commitLast(id, client);
      await client.leave();
      expect(await at.cursors(id)).toEqual({ 0: offsetText(6) });
      await until(door.clock, () => at.isIdle(id));
    },
  );

  test("only records that cannot be read: the stream passes them, and ends as it would", async () => {
    const name = await at.type();
    await kind.writeForeign(door.log, name, ["", "[", "nul"], false);
    const id = await at.subscription([name]);
    const client = await at.stream(id, "batch_flush_timeout=1&stream_keep_alive_limit=3");
    await client.ends();
    expect(client.events).toEqual([]);
    expect(client.batches.at(-1)!.cursor.offset).toBe(offsetText(2));
    await until(door.clock, () => at.isIdle(id));
  });

  test("retention that passed the cursor: what is left comes, and what is gone is told", async () => {
    await alone(async (own, consumers) => {
      const name = await consumers.type(1, { options: { retention_time: HOUR_MS } });
      await consumers.publish(name, 4);
      const id = await consumers.subscription([name]);
      own.clock.advance(240 * HOUR_MS);
      await kind.expire(own.log, name, 4);
      await consumers.publish(name, 2, 4);
      await until(own.clock, async () => (await own.log.bounds(name, 0)).startOffset === 4);
      expect((await consumers.stats(id))[0]!.partitions[0]!.unconsumed_events).toBe(2);
      const client = await consumers.stream(id, "batch_limit=10&batch_flush_timeout=1");
      await client.getsEvents(2);
      expect(numbersOf(client)).toEqual([4, 5]);
      const gone = `Events ${offsetText(0)} to ${offsetText(3)} were removed by retention before they were read`;
      expect(client.notes.join()).toContain(gone);
      await consumers.commitLast(id, client);
      await client.leave();
      expect(await consumers.cursors(id)).toEqual({ 0: offsetText(5) });
      await until(own.clock, () => consumers.isIdle(id));
      // A cursor of before is one that nobody can reset to, or begin at.
      const items = [{ event_type: name, partition: "0", offset: offsetText(0) }];
      expect((await call(own, "PATCH", `/subscriptions/${id}/cursors`, { items })).status).toBe(422);
      const cursors = JSON.stringify([{ partition: "0", offset: "001-0001--1" }]);
      const low = await call(own, "GET", `/event-types/${name}/events`, undefined, {
        "x-nakadi-cursors": cursors,
      });
      expect(low.status).toBe(412);
    });
  });

  test("retention while a stream is open: it goes on with what is left", async () => {
    await alone(async (own, consumers) => {
      const name = await consumers.type(1, { options: { retention_time: HOUR_MS } });
      // Large enough not to be read ahead together.
      const events = [0, 1, 2, 3].map((number) =>
        event({ number, pad: "x".repeat(200_000) }, { partition: "0" }),
      );
      const published = own.publish(name, JSON.stringify(events));
      expect((await passed(own.clock, published)).status).toBe(200);
      own.clock.advance(240 * HOUR_MS);
      const id = await consumers.subscription([name]);
      const client = await consumers.stream(
        id,
        "batch_limit=1&max_uncommitted_events=1&batch_flush_timeout=1",
      );
      await client.gets(1);
      await kind.expire(own.log, name, 4);
      await consumers.publish(name, 1, 4);
      // What was sent is gone, too; it can be committed all the same.
      for (let batches = 1; !numbersOf(client).includes(4); batches++) {
        await consumers.commitLast(id, client);
        await client.gets(batches + 1);
      }
      // What had been read ahead comes; then what is left.
      const numbers = numbersOf(client) as number[];
      expect(numbers).toEqual([...new Set(numbers)].toSorted((x, y) => x - y));
      const removed = client.notes.join().includes(`to ${offsetText(3)} were removed by retention`);
      expect(removed).toBe(numbers.length < 5);
      // A Kafka client fetches whole batches, so all of it was here already.
      expect(removed || !kind.isTimed).toBe(true);
      await client.leave();
    });
  });

  test("a process of a log that has one dies with streams open: the next has everything at once", async () => {
    const log = door.log;
    const dying = await createDoor({ log, clock: door.clock, isAlone: true });
    const own = new Consumers(dying);
    const name = await own.type(2);
    await own.publish(name, 2);
    const id = await own.subscription([name]);
    const lost = await own.stream(id);
    await lost.getsEvents(2);
    for (const part of ["refresh", "put"] as const)
      dying.registry[part] = () => Promise.reject(new Error("killed"));
    const fromMs = door.clock.monotonicMs();
    const next = await createDoor({ log, clock: door.clock, isAlone: true });
    const client = await at.stream(id, "", { door: next, token: next.admin });
    await client.getsEvents(2);
    // Well before a process is taken for dead that others may only suspect.
    expect(door.clock.monotonicMs() - fromMs).toBeLessThan(5_000);
    expect(numbersOf(client)).toEqual([0, 1]);
    const { status } = await at.commit(id, client.streamId, [client.full.at(-1)!.cursor], next);
    expect(status).toBe(204);
    await client.leave();
    await lost.leave();
    for (const part of ["refresh", "put"]) Reflect.deleteProperty(dying.registry, part);
    for (const one of [dying, next]) {
      one.streams.close();
      await one.subscriptions.close();
    }
  });

  test("deleted and declared again: the same id, and nothing of before", async () => {
    const name = await at.type();
    await at.publish(name, 3);
    const id = await at.subscription([name]);
    const client = await at.stream(id, "batch_limit=2");
    await client.gets(1);
    await at.commitLast(id, client);
    expect((await call(door, "DELETE", `/subscriptions/${id}`)).status).toBe(204);
    await client.ends();
    expect(await at.subscription([name])).toBe(id);
    expect(await at.cursors(id)).toEqual({ 0: "001-0001--1" });
    const { cursor } = client.full.at(-1)!;
    expect((await at.commit(id, client.streamId, [cursor])).status).toBe(422);
    const again = await at.stream(id, "batch_limit=3");
    await again.gets(1);
    expect(numbersOf(again)).toEqual([0, 1, 2]);
    await again.leave();
  });

  test("one principal has so many streams and no more", async () => {
    const name = await at.type(5);
    const id = await at.subscription([name]);
    const token = await door.token([{ action: "read", kind: "event_type", name }]);
    const as = { authorization: `Bearer ${token}` };
    const open = (): Promise<Response> =>
      passed(door.clock, call(door, "GET", `/subscriptions/${id}/events`, undefined, as));
    const responses = [await open(), await open(), await open()];
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 200]);
    const refused = await open();
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "1"]);
    expect(await refused.json()).toMatchObject({ code: "stream.too_many", limit: 3 });
    await responses[0]!.body!.cancel();
    let last = await open();
    await until(door.clock, async () => (last.status === 200 ? true : ((last = await open()), false)));
    for (const one of [...responses.slice(1), last]) await one.body!.cancel();
  });

  test("changing its readers drops the streams of those who are none any more", async () => {
    const name = await at.type(2);
    const readers = [
      await door.token([{ action: "read", kind: "event_type", name }]),
      await door.token([{ action: "read", kind: "event_type", name }]),
    ] as const;
    const body = { owning_application: "shop", event_types: [name], read_from: "begin" };
    const authorization = { admins: listed([door.admin]), readers: listed(readers) };
    const id = await at.subscription([name], { authorization });
    const clients: Client[] = [];
    for (const token of readers) {
      const as = { authorization: `Bearer ${token}` };
      const path = `/subscriptions/${id}/events?batch_flush_timeout=1`;
      const response = await passed(door.clock, call(door, "GET", path, undefined, as));
      expect(response.status).toBe(200);
      clients.push(new Client(response, door.clock));
    }
    const narrow = { admins: listed([door.admin]), readers: listed(readers.slice(0, 1)) };
    const changed = await call(door, "PUT", `/subscriptions/${id}`, { ...body, authorization: narrow });
    expect(changed.status).toBe(204);
    await clients[1]!.ends();
    expect(clients[1]!.notes.at(-1)).toContain("Access was withdrawn");
    expect(clients[0]!.isOver).toBe(false);
    await clients[0]!.leave();
  });

  test("HilaAT: a blocked consumer gets 403, and a stream of his ends; others and later they do not", async () => {
    const [name, other] = [await at.type(), await at.type()];
    const [id, free] = [await at.subscription([name]), await at.subscription([other])];
    const reader = await door.token([{ action: "read", kind: "event_type", name: "*" }]);
    const as = { authorization: `Bearer ${reader}` };
    const opened = async (path: string, headers?: Record<string, string>): Promise<Response> =>
      passed(door.clock, call(door, "GET", `${path}/events?batch_flush_timeout=1`, undefined, headers));
    const block = async (method: "PUT" | "DELETE", entry: string): Promise<void> => {
      expect((await call(door, method, `/settings/blacklist/${entry}`)).status).toBe(204);
    };
    const paths = [`/subscriptions/${id}`, `/event-types/${name}`];
    const clients = [
      new Client(await opened(paths[0]!), door.clock),
      new Client(await opened(paths[1]!), door.clock),
    ];
    const untouched = new Client(await opened(`/subscriptions/${free}`), door.clock);
    await block("PUT", `CONSUMER_ET/${name}`);
    for (const client of clients) {
      await client.ends();
      expect(client.notes.at(-1) ?? "Access was withdrawn").toContain("Access was withdrawn");
    }
    for (const path of paths) {
      const refused = await opened(path);
      expect(refused.status, path).toBe(403);
      expect(await refused.json()).toMatchObject({ code: "auth.blocked" });
    }
    expect(untouched.isOver).toBe(false);
    await untouched.leave();
    await block("DELETE", `CONSUMER_ET/${name}`);
    const app = `token:${reader.split("_")[1]!}`;
    await block("PUT", `CONSUMER_APP/${app}`);
    for (const path of paths) expect((await opened(path, as)).status, path).toBe(403);
    for (const path of paths) {
      const taken = new Client(await opened(path), door.clock);
      await taken.leave();
    }
    await block("DELETE", `CONSUMER_APP/${app}`);
    const again = new Client(await opened(paths[1]!, as), door.clock);
    await again.leave();
  });

  test("without authorization it is for all who read its event types, and is shown without", async () => {
    const name = await at.type();
    const id = await at.subscription([name], { authorization: null });
    const shown = (await (await call(door, "GET", `/subscriptions/${id}`)).json()) as object;
    expect(Object.keys(shown)).not.toContain("authorization");
  });

  test("events of several types and partitions: each partition in order, whatever clients do", async () => {
    const names = [await at.type(2), await at.type(1)] as const;
    const id = await at.subscription(names);
    const published = new Map<string, unknown[]>();
    for (let n = 0; n < 30; n++) {
      const name = names[n % 2]!;
      const partition = name === names[0] ? (n % 4) >> 1 : 0;
      const body = JSON.stringify([event({ number: n }, { partition: String(partition) })]);
      expect((await passed(door.clock, door.publish(name, body))).status).toBe(200);
      const key = `${name}/${partition}`;
      published.set(key, [...(published.get(key) ?? []), n]);
    }
    const got = new Map<string, unknown[]>();
    // It comes and goes; what it commits it does not get again.
    for (let turn = 0; [...got.values()].flat().length < 30; turn++) {
      expect(turn).toBeLessThan(40);
      const client = await at.stream(id, "batch_limit=2&batch_flush_timeout=1&commit_timeout=1");
      await client.gets(1 + (turn % 3));
      for (const { cursor, events = [] } of client.full.slice(0, 2)) {
        if ((await at.commit(id, client.streamId, [cursor])).status !== 204) continue;
        const key = `${cursor.event_type}/${cursor.partition}`;
        got.set(key, [...(got.get(key) ?? []), ...events.map(({ number }) => number)]);
      }
      await client.leave();
      await until(door.clock, () => at.isIdle(id));
    }
    expect(got).toEqual(published);
  });
});
