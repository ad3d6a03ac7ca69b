/**
 * What Nakadi's acceptance tests hold of event types, a test for each line that applies, on every kind of log:
 * EventTypeAT, SchemaControllerAT, HilaRepartitionAT and HilaDeleteEventsAT (the event type's side),
 * CompressedEventPublishingAT, UserJourneyAT, InvalidRequestAT, MetricsAT and HealthCheckAT.
 */
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { EventType } from "../../../core/event-type.ts";
import { keyOf, payloadOf } from "../../../core/record.ts";
import { createDoor, declaration, type Door, event } from "./door.ts";
import { call, Client, doorOver, LOG_KINDS, until } from "./nakadi.ts";

type Json = Record<string, unknown>;
const ORDER = "shop.order";
const PATH = `/event-types/${ORDER}`;
const KEYED = { type: "object", properties: { n: { type: "integer" }, sku: { type: "string" } } };

/** An event with this envelope alone. */
const of = (metadata: unknown): object => ({ metadata });
const fields = (count: number): Json =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`f${n}`, {}]));

const grown = (count: number): string =>
  JSON.stringify({ ...KEYED, properties: { ...KEYED.properties, ...fields(count) } });

describe.each(LOG_KINDS)("$name", (kind) => {
  let door: Door;
  beforeEach(async () => {
    door = await doorOver(kind);
  });
  afterEach(() => kind.clean());

  const answer = async (method: string, path: string, body?: unknown): Promise<[number, Json]> => {
    const response = await call(door, method, path, body);
    const text = await response.text();
    return [response.status, text === "" ? {} : (JSON.parse(text) as Json)];
  };
  const declare = (more: Json = {}, name = ORDER): Promise<[number, Json]> =>
    answer("POST", "/event-types", declaration(name, { schema: KEYED, ...more }));
  const read = async (): Promise<EventType> => (await answer("GET", PATH))[1] as unknown as EventType;
  const publish = (events: readonly object[], path = "events"): Promise<Response> =>
    call(door, "POST", `${PATH}/${path}`, events);
  const stream = () => door.log.stream(ORDER);

  test("EventTypeAT: create, list, read, update, delete", async () => {
    expect((await declare())[0]).toBe(201);
    expect((await declare())[0]).toBe(409);
    expect((await read()).name).toBe(ORDER);
    expect((await call(door, "GET", "/event-types")).status).toBe(200);
    expect((await answer("PUT", PATH, { owning_application: "other" }))[0]).toBe(200);
    expect((await read()).owning_application).toBe("other");
    expect((await answer("PUT", PATH, { name: "shop.other" }))[0]).toBe(422);
    expect((await answer("DELETE", PATH))[0]).toBe(200);
    expect((await answer("GET", PATH))[0]).toBe(404);
    expect((await answer("DELETE", PATH))[0]).toBe(404);
    expect((await publish([event()])).status).toBe(404);
  });

  test("EventTypeAT: long names, and those that are too long", async () => {
    const longest = `a${"b".repeat(200)}`;
    expect((await declare({}, longest))[0]).toBe(201);
    expect((await declare({}, "a".repeat(256)))[0]).toBe(422);
  });

  test("EventTypeAT: a strategy changes from random to another, once", async () => {
    await declare();
    expect((await answer("PUT", PATH, { partition_strategy: "hash" }))[0]).toBe(422);
    const hash = { partition_strategy: "hash", partition_key_fields: ["sku"] };
    expect((await answer("PUT", PATH, hash))[0]).toBe(200);
    const token = await door.token([{ action: "admin", kind: "event_type", name: ORDER }]);
    const owner = { authorization: `Bearer ${token}` };
    const back = await call(door, "PUT", PATH, { partition_strategy: "random" }, owner);
    expect(back.status).toBe(422);
    expect((await answer("PUT", PATH, { partition_strategy: "user_defined" }))[0]).toBe(200); // an administrator
  });

  test("EventTypeAT: retention is the log's too; null changes nothing", async () => {
    await declare({ options: { retention_time: 20_000_000 } });
    expect((await stream())?.retentionMs).toBe(20_000_000);
    expect((await answer("PUT", PATH, { options: { retention_time: 30_000_000 } }))[0]).toBe(200);
    expect((await stream())?.retentionMs).toBe(30_000_000);
    expect((await answer("PUT", PATH, { options: { retention_time: null } }))[0]).toBe(200);
    expect((await answer("PUT", PATH, { options: {} }))[0]).toBe(200);
    expect((await read()).options.retention_time).toBe(30_000_000);
    expect((await stream())?.retentionMs).toBe(30_000_000);
  });

  test("EventTypeAT: from delete to compact_and_delete, and nowhere else", async () => {
    await declare();
    expect((await publish([event()])).status).toBe(200);
    expect((await answer("PUT", PATH, { cleanup_policy: "compact" }))[0]).toBe(422);
    expect((await answer("PUT", PATH, { cleanup_policy: "compact_and_delete" }))[0]).toBe(200);
    expect((await stream())?.cleanup).toBe("compact_and_delete");
    expect((await publish([event()])).status).toBe(422);
    expect((await publish([event({}, { partition_compaction_key: "" })])).status).toBe(422);
    expect((await publish([event({}, { partition_compaction_key: "A" })])).status).toBe(200);
    for (const policy of ["delete", "compact"])
      expect((await answer("PUT", PATH, { cleanup_policy: policy }))[0]).toBe(422);
  });

  test("EventTypeAT: a compacted type's journey: the key of the log is the compaction key", async () => {
    const statistic = { read_parallelism: 3, write_parallelism: 3 };
    expect((await declare({ cleanup_policy: "compact", default_statistic: statistic }))[0]).toBe(201);
    expect((await stream())?.cleanup).toBe("compact");
    expect((await declare({ category: "undefined", cleanup_policy: "compact" }, "shop.raw"))[0]).toBe(422);
    const keyed = ["A", 'ä"\\b', "A"].map((key, n) => event({ n }, { partition_compaction_key: key }));
    expect((await publish(keyed)).status).toBe(200);
    const stored = await door.stored(ORDER);
    expect(stored.map(({ key }) => String(key)).toSorted()).toEqual(["A", "A", 'ä"\\b']);
    const [first, second] = stored.filter(({ key }) => key === "A");
    expect(first!.partition).toBe(second!.partition);
    const refused = (await (await publish([event()])).json()) as Json[];
    expect(refused[0]).toMatchObject({
      publishing_status: "failed",
      step: "validating",
      pointer: "#/metadata/partition_compaction_key",
    });
    await declare({}, "shop.plain");
    const plain = await call(door, "POST", "/event-types/shop.plain/events", keyed);
    expect(plain.status).toBe(422); // there it is no part of the envelope
  });

  test("EventTypeAT: authorization is kept, changed, and never taken away", async () => {
    const one = { data_type: "user", value: "a" };
    const authorization = { admins: [one], readers: [one], writers: [one] };
    await declare({ authorization });
    expect((await answer("PUT", PATH, {}))[1]["authorization"]).toEqual(authorization);
    expect((await answer("PUT", PATH, { authorization: null }))[0]).toBe(422);
    expect((await answer("PUT", PATH, { authorization: { ...authorization, admins: [] } }))[0]).toBe(422);
    const wider = { ...authorization, readers: [one, { data_type: "*", value: "*" }] };
    expect((await answer("PUT", PATH, { authorization: wider }))[1]["authorization"]).toEqual(wider);
    const listed = await answer("GET", "/event-types?writer=user:a");
    expect(listed[1]).toHaveLength(1);
    expect((await answer("GET", "/event-types?writer=user:b"))[1]).toHaveLength(0);
  });

  test("EventTypeAT: annotations and labels stay where they are left out, and bad ones are refused", async () => {
    const kept = { annotations: { "example.org/a": "x" }, labels: { team: "a" } };
    await declare(kept);
    expect((await answer("PUT", PATH, {}))[1]).toMatchObject(kept);
    expect((await answer("PUT", PATH, { labels: { team: "b" } }))[1]["labels"]).toEqual({ team: "b" });
    for (const bad of [{ "a b": "x" }, { "-": "x" }, { "Example.org/a": "x" }, { a: "ö" }])
      expect((await answer("PUT", PATH, { labels: bad }))[0], JSON.stringify(bad)).toBe(422);
    for (const bad of [{ "a/b/c": "x" }, { "": "x" }, { a: "x".repeat(1_001) }])
      expect((await answer("PUT", PATH, { annotations: bad }))[0], JSON.stringify(bad)).toBe(422);
    expect(await read()).toMatchObject({ annotations: kept.annotations, labels: { team: "b" } });
  });

  test("EventTypeAT: an owner selector may come, and stays as it came", async () => {
    const selector = { type: "path", name: "retailer", value: "sku" };
    await declare();
    expect((await answer("PUT", PATH, { event_owner_selector: { ...selector, value: "x" } }))[0]).toBe(422);
    expect((await answer("PUT", PATH, { event_owner_selector: selector }))[0]).toBe(200);
    expect((await answer("PUT", PATH, { event_owner_selector: { ...selector, name: "b" } }))[0]).toBe(422);
    expect((await answer("PUT", PATH, { event_owner_selector: null }))[0]).toBe(422);
    expect((await read()).event_owner_selector).toEqual(selector);
  });

  test("EventTypeAT: an audience changes, and does not go; the statistic is fixed", async () => {
    const statistic = { messages_per_minute: 1, message_size: 1, read_parallelism: 2, write_parallelism: 1 };
    await declare({ audience: "company-internal", default_statistic: statistic });
    expect((await answer("PUT", PATH, { audience: "external-public" }))[0]).toBe(200);
    expect((await answer("PUT", PATH, { audience: null }))[0]).toBe(422);
    expect((await answer("PUT", PATH, { default_statistic: { ...statistic, message_size: 2 } }))[0]).toBe(
      422,
    );
    expect((await answer("PUT", PATH, { default_statistic: statistic }))[0]).toBe(200);
    expect((await stream())?.partitions).toBe(2);
  });

  test("SchemaControllerAT: versions, pages, one of them, the newest, looking one up, adding one", async () => {
    await declare();
    for (const i of [1, 2, 3])
      expect((await answer("POST", `${PATH}/schemas`, { type: "json_schema", schema: grown(i) }))[0]).toBe(
        201,
      );
    const page = await answer("GET", `${PATH}/schemas?limit=2&offset=1`);
    expect((page[1]["items"] as Json[]).map(({ version }) => version)).toEqual(["1.2.0", "1.1.0"]);
    expect(page[1]["_links"]).toMatchObject({ prev: {}, next: {} });
    expect((await answer("GET", `${PATH}/schemas/latest`))[1]["version"]).toBe("1.3.0");
    expect((await answer("GET", `${PATH}/schemas/1.1.0`))[1]["schema"]).toBe(grown(1));
    expect((await answer("GET", `${PATH}/schemas/9.9.9`))[0]).toBe(404);
    expect((await answer("POST", `${PATH}/schemas?fetch=true`, { schema: grown(2) }))[1]["version"]).toBe(
      "1.2.0",
    );
    expect((await answer("POST", `${PATH}/schemas?fetch=true`, { schema: "{}" }))[0]).toBe(404);
    const check = (version: string, schema: string): Promise<[number, Json]> =>
      answer("POST", `${PATH}/schemas/${version}/compatibility-check`, { schema });
    expect(await check("latest", grown(4))).toMatchObject([200, { compatible: true, error: null }]);
    expect(await check("1.0.0", "{}")).toMatchObject([200, { compatible: false }]);
  });

  test("HilaRepartitionAT: partitions grow, what is there stays, events go to the new ones", async () => {
    const grow = (count: unknown): Promise<[number, Json]> =>
      answer("PUT", `${PATH}/partition-count`, { partition_count: count });
    expect((await grow(2))[0]).toBe(404);
    await declare({ partition_strategy: "user_defined" });
    const before = await stream();
    expect((await publish([event({}, { partition: "0" })])).status).toBe(200);
    expect((await publish([event({}, { partition: "3" })])).status).toBe(422);
    for (const bad of [0, 65, 1.5, "2", null]) expect((await grow(bad))[0], String(bad)).toBe(422);
    expect((await grow(4))[0]).toBe(204);
    expect((await grow(4))[0]).toBe(204);
    expect((await grow(3))[0]).toBe(422);
    expect(await stream()).toEqual({ ...before, partitions: 4 });
    expect((await read()).default_statistic).toMatchObject({ read_parallelism: 4, write_parallelism: 4 });
    expect((await publish([event({}, { partition: "3" })])).status).toBe(200);
    const shown = await (await call(door, "GET", `${PATH}/partitions`)).json();
    expect(shown).toHaveLength(4);
    expect((await door.stored(ORDER)).map(({ partition }) => partition)).toEqual([0, 3]);
    expect(
      (await answer("PUT", PATH, { default_statistic: { read_parallelism: 5, write_parallelism: 5 } }))[0],
    ).toBe(422);
  });

  test("HilaDeleteEventsAT: tombstones follow what they delete, and no reader gets them", async () => {
    const statistic = { read_parallelism: 4, write_parallelism: 4 };
    await declare({ cleanup_policy: "compact", default_statistic: statistic });
    const keys = ["a", "b", "c", "d", "e"];
    const keyed = keys.map((key) => event({}, { partition_compaction_key: key }));
    expect((await publish(keyed)).status).toBe(200);
    expect(
      (
        await publish(
          [of({ partition_compaction_key: "b" }), of({ partition_compaction_key: "d" })],
          "deleted-events",
        )
      ).status,
    ).toBe(200);
    const client = new Client(
      await call(
        door,
        "GET",
        `${PATH}/events?stream_limit=5&batch_flush_timeout=1&stream_timeout=20`,
        undefined,
        {
          "x-nakadi-cursors": JSON.stringify(
            [0, 1, 2, 3].map((p) => ({ partition: String(p), offset: "BEGIN" })),
          ),
        },
      ),
      door.clock,
    );
    await client.getsEvents(5);
    await client.ends();
    expect(client.events).toHaveLength(5);
    const partitions = new Map<string, number>();
    const gone: string[] = [];
    for (let partition = 0; partition < 4; partition++) {
      const batch = await door.log.read(ORDER, partition, 0, 1_000_000);
      for (let i = 0; i < batch.count; i++) {
        const key = Buffer.from(keyOf(batch, i)!).toString();
        if (payloadOf(batch, i)) partitions.set(key, partition);
        else gone.push(`${key} ${partitions.get(key) === partition}`);
      }
    }
    expect(gone.sort()).toEqual(["b true", "d true"]);
  });

  test("HilaDeleteEventsAT: only of compacted types, only with a key, all or nothing", async () => {
    await declare();
    expect(
      await answer("POST", `${PATH}/deleted-events`, [of({ partition_compaction_key: "a" })]),
    ).toMatchObject([422, { code: "event_type.not_compacted" }]);
    await answer("PUT", PATH, { cleanup_policy: "compact_and_delete" });
    const bad = [of({ partition_compaction_key: "a" }), of({}), of({ partition_compaction_key: 7 }), {}];
    const items = (await answer("POST", `${PATH}/deleted-events`, bad))[1] as unknown as Json[];
    expect(items.map((item) => item["publishing_status"])).toEqual(["aborted", "failed", "failed", "failed"]);
    expect((await door.log.bounds(ORDER, 0)).endOffset).toBe(0);
    expect((await answer("POST", `${PATH}/deleted-events`, []))[0]).toBe(422);
    expect((await call(door, "POST", `${PATH}/deleted-events`, "x")).status).toBe(400);
    expect((await call(door, "GET", `${PATH}/deleted-events`)).status).toBe(405);
    const token = await door.token([{ action: "read", kind: "event_type", name: ORDER }]);
    const reader = { authorization: `Bearer ${token}` };
    expect((await call(door, "POST", `${PATH}/deleted-events`, bad, reader)).status).toBe(403);
  });

  test("CompressedEventPublishingAT: gzip is taken, to publish and to delete; broken gzip is not", async () => {
    await declare({ cleanup_policy: "compact" });
    const send = (path: string, body: Uint8Array): Promise<Response> =>
      door.fetch(
        new Request(`http://muara.test${PATH}/${path}`, {
          method: "POST",
          body: Buffer.from(body),
          headers: {
            authorization: `Bearer ${door.admin}`,
            "content-type": "application/json",
            "content-encoding": "gzip",
          },
        }),
      );
    const body = JSON.stringify([event({}, { partition_compaction_key: "a" })]);
    expect((await send("events", gzipSync(body))).status).toBe(200);
    expect((await send("deleted-events", gzipSync(body))).status).toBe(200);
    expect((await send("events", new TextEncoder().encode(body))).status).toBe(400);
    expect((await door.log.bounds(ORDER, 0)).endOffset).toBe(2);
  });

  test("UserJourneyAT: create, update, publish, read, delete", async () => {
    expect((await declare())[0]).toBe(201);
    expect((await answer("GET", "/event-types"))[1]).toHaveLength(1);
    const more = { ...KEYED, properties: { ...KEYED.properties, note: { type: "string" } } };
    const schema = { type: "json_schema", schema: JSON.stringify(more) };
    expect((await answer("PUT", PATH, { schema }))[0]).toBe(200);
    expect((await publish([event({ note: "a" }), event({ note: "b" })])).status).toBe(200);
    expect(await (await call(door, "GET", `${PATH}/partitions/0`)).json()).toMatchObject({ partition: "0" });
    const client = new Client(
      await call(
        door,
        "GET",
        `${PATH}/events?stream_limit=2&batch_limit=2&batch_flush_timeout=1`,
        undefined,
        {
          "x-nakadi-cursors": '[{"partition":"0","offset":"BEGIN"}]',
        },
      ),
      door.clock,
    );
    expect(await client.getsEvents(2)).toHaveLength(2);
    await client.ends();
    expect((await answer("DELETE", PATH))[0]).toBe(200);
    expect((await answer("GET", "/event-types"))[1]).toHaveLength(0);
    expect((await answer("GET", `${PATH}/schemas`))[0]).toBe(404);
  });

  test("a type with subscriptions stays, unless the feature is on; its name is taken until it landed", async () => {
    await declare();
    const subscribed = { owning_application: "x", event_types: [ORDER], read_from: "begin" };
    const [, { id }] = await answer("POST", "/subscriptions", subscribed);
    const [status, problem] = await answer("DELETE", PATH);
    expect([status, problem["code"], problem["detail"]]).toEqual([
      409,
      "event_type.in_use",
      expect.stringContaining(String(id)),
    ]);
    const feature = { feature: "delete_event_type_with_subscriptions", enabled: true };
    expect((await answer("POST", "/settings/features", feature))[0]).toBe(204);
    expect((await answer("DELETE", PATH))[0]).toBe(200);
    expect((await answer("GET", `/subscriptions/${String(id)}`))[0]).toBe(404);
    expect((await declare())[1]).toMatchObject({ status: 409, code: "event_type.removing" });
    expect((await declare({}, "shop-order"))[0]).toBe(201);
  });

  test("the archiver's subscription goes with its type", async () => {
    await declare();
    const archiver = { owning_application: "nakadi_archiver", consumer_group: "nakadi_to_s3" };
    const [, { id }] = await answer("POST", "/subscriptions", { ...archiver, event_types: [ORDER] });
    expect((await answer("DELETE", PATH))[0]).toBe(200);
    expect((await answer("GET", `/subscriptions/${String(id)}`))[0]).toBe(404);
  });

  test("several processes: what one deletes, the others accept no more", async () => {
    await declare();
    const other = await createDoor({ log: door.log, clock: door.clock });
    expect((await call(other, "POST", `${PATH}/events`, [event()])).status).toBe(200);
    expect((await answer("DELETE", PATH))[0]).toBe(200);
    await other.registry.refresh();
    expect((await call(other, "POST", `${PATH}/events`, [event()])).status).toBe(404);
    expect((await door.stored(ORDER)).length).toBe(1);
    await until(door.clock, async () => (await door.log.bounds(ORDER, 0)).endOffset === 1);
  });
});

test("InvalidRequestAT: what cannot be read is 400, what cannot be 422, what is nowhere 404", async () => {
  const door = await createDoor();
  const problems: readonly (readonly [string, string, unknown, number])[] = [
    ["POST", "/event-types", "{", 400],
    ["POST", "/event-types", "[]", 422],
    ["POST", "/event-types", {}, 422],
    ["PUT", "/event-types/none", {}, 404],
    ["GET", "/event-types/none", undefined, 404],
    ["PUT", "/event-types/none/partition-count", {}, 422],
    ["POST", "/settings/features", { feature: "x" }, 422],
    ["GET", "/nowhere", undefined, 404],
  ];
  for (const [method, path, body, status] of problems) {
    const answer = await call(door, method, path, body);
    expect([answer.status, answer.headers.get("content-type")], `${method} ${path}`).toEqual([
      status,
      "application/problem+json",
    ]);
    expect(await answer.json()).toMatchObject({
      status,
      title: expect.any(String),
      detail: expect.any(String),
    });
  }
});

test("HealthCheckAT: OK, without a token", async () => {
  const door = await createDoor();
  const answer = await door.fetch(new Request("http://muara.test/health"));
  expect([answer.status, await answer.text()]).toEqual([200, "OK"]);
});
