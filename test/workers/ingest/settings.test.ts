/**
 * Nakadi's settings and what they do: SettingsControllerAT, FeatureFlagsAT and BlockEventPublishingAT, and the bounds
 * that the configuration sets to declarations.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { EVERYTHING, type Grant } from "../../../core/authorize.ts";
import { checkNotBlocked } from "../../../core/settings.ts";
import { createDoor, declaration, type Door, event, listed } from "./door.ts";
import { call, doorOver, LOG_KINDS } from "./nakadi.ts";

type Json = Record<string, unknown>;

async function answer(door: Door, method: string, path: string, body?: unknown, token?: string) {
  const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
  const response = await call(door, method, path, body, headers);
  const text = await response.text();
  return [response.status, text === "" ? null : (JSON.parse(text) as Json)] as const;
}

const set = (door: Door, feature: string, enabled: boolean) =>
  answer(door, "POST", "/settings/features", { feature, enabled });
const isSet = async (door: Door, feature: string): Promise<unknown> => {
  const [, body] = await answer(door, "GET", "/settings/features");
  return (body!["items"] as Json[]).find((one) => one["feature"] === feature)?.["enabled"];
};

describe.each(LOG_KINDS)("$name", (kind) => {
  let door: Door;
  beforeEach(async () => {
    door = await doorOver(kind);
  });
  afterEach(() => kind.clean());

  test("SettingsControllerAT: features are set, listed, and known to other processes", async () => {
    expect(await isSet(door, "disable_event_type_creation")).toBe(false);
    expect((await set(door, "disable_event_type_creation", true))[0]).toBe(204);
    expect(await isSet(door, "disable_event_type_creation")).toBe(true);
    const other = await createDoor({ log: door.log });
    expect(await isSet(other, "disable_event_type_creation")).toBe(true);
    expect((await set(door, "no_such_feature", true))[0]).toBe(422);
    expect((await set(door, "toString", true))[0]).toBe(422);
    expect((await set(door, "skip_misplaced_events", true))[0]).toBe(501);
    expect((await set(door, "skip_misplaced_events", false))[0]).toBe(204);
    expect((await answer(door, "POST", "/settings/features", { feature: "repartitioning" }))[0]).toBe(422);
  });

  test("SettingsControllerAT: the blacklist is filled, shown and emptied", async () => {
    const entry = "/settings/blacklist/CONSUMER_APP/bad.app";
    expect((await answer(door, "PUT", entry))[0]).toBe(204);
    expect((await answer(door, "PUT", entry))[0]).toBe(204);
    expect((await answer(door, "PUT", "/settings/blacklist/PRODUCER_ET/shop.order"))[0]).toBe(204);
    expect((await answer(door, "GET", "/settings/blacklist"))[1]).toEqual({
      consumers: { apps: ["bad.app"], event_types: [] },
      producers: { apps: [], event_types: ["shop.order"] },
    });
    expect((await answer(door, "DELETE", entry))[0]).toBe(204);
    expect((await answer(door, "DELETE", entry))[0]).toBe(204);
    expect((await answer(door, "GET", "/settings/blacklist"))[1]).toMatchObject({ consumers: { apps: [] } });
    expect((await answer(door, "PUT", "/settings/blacklist/NOBODY/x"))[0]).toBe(422);
    expect((await answer(door, "PUT", `/settings/blacklist/PRODUCER_ET/${"x".repeat(256)}`))[0]).toBe(422);
  });

  test("SettingsControllerAT: administrators are set and read back; there must be one", async () => {
    const admins = { admins: [{ data_type: "user", value: "a" }], readers: [], writers: [] };
    expect((await answer(door, "GET", "/settings/admins"))[1]).toEqual({
      admins: [],
      readers: [],
      writers: [],
    });
    expect(await answer(door, "POST", "/settings/admins", admins)).toEqual([200, admins]);
    expect((await answer(door, "GET", "/settings/admins"))[1]).toEqual(admins);
    expect((await answer(door, "POST", "/settings/admins", { ...admins, admins: [] }))[0]).toBe(422);
    expect((await answer(door, "POST", "/settings/admins", { admins: admins.admins }))[0]).toBe(422);
  });

  test("whom /settings/admins names may do that with every event type, whatever its own lists say", async () => {
    const [boss, reader, writer] = [await door.token([]), await door.token([]), await door.token([])];
    const nobody = [{ data_type: "user", value: "nobody" }];
    const authorization = { admins: nobody, readers: nobody, writers: nobody };
    await door.declare(declaration("shop.order", { authorization }));
    const all = async (token: string): Promise<readonly number[]> => [
      (await answer(door, "GET", "/event-types/shop.order/partitions", undefined, token))[0],
      (await answer(door, "POST", "/event-types/shop.order/events", [event()], token))[0],
      (await answer(door, "POST", "/event-types/shop.order/shifted-cursors", [], token))[0],
      (
        await answer(door, "PUT", "/event-types/shop.order/partition-count", { partition_count: 1 }, token)
      )[0],
      (await answer(door, "GET", "/settings/admins", undefined, token))[0],
    ];
    for (const token of [boss, reader, writer]) expect(await all(token)).toEqual([403, 403, 403, 403, 403]);
    const admins = { admins: listed([boss]), readers: listed([reader]), writers: listed([writer]) };
    expect((await answer(door, "POST", "/settings/admins", admins))[0]).toBe(200);
    expect(await all(boss)).toEqual([200, 200, 422, 204, 200]); // 422: no cursor is named
    expect(await all(reader)).toEqual([200, 403, 422, 403, 403]);
    expect(await all(writer)).toEqual([200, 200, 403, 403, 403]);
    const declared = await answer(door, "POST", "/event-types", declaration("shop.new"), boss);
    expect(declared[0]).toBe(201);
    expect((await answer(door, "POST", "/event-types", declaration("shop.newer"), writer))[0]).toBe(403);
  });

  test("BlockEventPublishingAT: blocked types and applications get 403, others and later they not", async () => {
    for (const name of ["shop.order", "shop.other"]) await door.declare(declaration(name));
    await door.declare(declaration("shop.cloud", { category: "cloudevent" }));
    const grants: Grant[] = [{ action: "write", kind: "event_type", name: "*" }];
    const writer = await door.token(grants);
    const send = async (name: string, token?: string): Promise<number> =>
      (await answer(door, "POST", `/event-types/${name}/events`, [event()], token))[0];
    await answer(door, "PUT", "/settings/blacklist/PRODUCER_ET/shop.order");
    expect([await send("shop.order"), await send("shop.other")]).toEqual([403, 200]);
    const [, problem] = await answer(door, "POST", "/event-types/shop.order/events", [event()]);
    expect(problem).toMatchObject({ code: "auth.blocked", detail: "Application or event type is blocked." });
    await answer(door, "DELETE", "/settings/blacklist/PRODUCER_ET/shop.order");
    expect(await send("shop.order", writer)).toBe(200);
    const tokens = door.registry.list<{ id: string; grants: readonly Grant[] }>("token");
    const own = tokens.find(({ value: one }) => one!.grants[0]!.action === "write")!.value!.id;
    await answer(door, "PUT", `/settings/blacklist/PRODUCER_APP/token:${own}`);
    expect([await send("shop.order", writer), await send("shop.order")]).toEqual([403, 200]);
    await answer(door, "PUT", "/settings/blacklist/PRODUCER_ET/shop.cloud");
    const cloud = { specversion: "1.0", id: "1", source: "/a", type: "shop.cloud" };
    const body = JSON.stringify(cloud);
    const type = { "content-type": "application/cloudevents+json" };
    expect((await call(door, "POST", "/cloudevents", body, type)).status).toBe(403);
  });

  test("FeatureFlagsAT: declarations that are not to be written answer 503; events go on", async () => {
    await door.declare(declaration("shop.order"));
    const [, { id }] = (await answer(door, "POST", "/subscriptions", {
      owning_application: "a",
      event_types: ["shop.order"],
    })) as [number, { id: string }];
    await set(door, "disable_db_write_operations", true);
    for (const [method, path] of [
      ["POST", "/event-types"],
      ["POST", "/event-types/"],
      ["PUT", "/event-types/shop.order"],
      ["DELETE", "/event-types/shop.order"],
      ["POST", "/event-types/shop.order/schemas"],
      ["PUT", "/event-types/shop.order/partition-count"],
      ["POST", "/event-types/shop.order/timelines"],
      ["POST", "/subscriptions"],
      ["PUT", `/subscriptions/${id}`],
      ["DELETE", `/subscriptions/${id}`],
      ["POST", "/storages"],
      ["DELETE", "/storages/x"],
      ["PUT", "/storages/default/x"],
    ] as const)
      expect(await answer(door, method, path, {}), `${method} ${path}`).toMatchObject([
        503,
        { code: "feature.disabled", feature: "disable_db_write_operations" },
      ]);
    expect((await answer(door, "POST", "/event-types/shop.order/events", [event()]))[0]).toBe(200);
    expect((await answer(door, "GET", "/event-types/shop.order"))[0]).toBe(200);
    await set(door, "disable_db_write_operations", false);
    expect((await answer(door, "PUT", "/event-types/shop.order", {}))[0]).toBe(200);
  });

  test("FeatureFlagsAT: creating, deleting and growing are switched off one by one", async () => {
    await door.declare(declaration("shop.order"));
    const off = async (feature: string, method: string, path: string, body: unknown): Promise<void> => {
      await set(door, feature, feature !== "repartitioning");
      expect((await answer(door, method, path, body))[0], feature).toBe(503);
      await set(door, feature, feature === "repartitioning");
      expect((await answer(door, method, path, body))[0], feature).toBeLessThan(300);
    };
    await off("disable_event_type_creation", "POST", "/event-types", declaration("shop.b"));
    const subscription = { owning_application: "a", event_types: ["shop.b"] };
    await off("disable_subscription_creation", "POST", "/subscriptions", subscription);
    await off("repartitioning", "PUT", "/event-types/shop.b/partition-count", { partition_count: 2 });
    await off("disable_event_type_deletion", "DELETE", "/event-types/shop.order", undefined);
  });

  test("FeatureFlagsAT: authorization and the lake's annotations are demanded; bodies are left out", async () => {
    await set(door, "force_event_type_authz", true);
    expect((await answer(door, "POST", "/event-types", declaration("a")))[1]).toMatchObject({
      field: "authorization",
    });
    const one = [{ data_type: "user", value: "a" }];
    const authorization = { admins: one, readers: one, writers: one };
    await set(door, "force_data_lake_annotations", true);
    expect(
      (await answer(door, "POST", "/event-types", declaration("a", { authorization })))[1],
    ).toMatchObject({
      field: "annotations.datalake.zalando.org/materialize-events",
    });
    await set(door, "return_body_on_create_update_event_type", false);
    const annotations = { "datalake.zalando.org/materialize-events": "off" };
    const declared = declaration("a", { authorization, annotations });
    expect(await answer(door, "POST", "/event-types", declared)).toEqual([201, null]);
    expect(await answer(door, "PUT", "/event-types/a", { labels: { a: "b" } })).toEqual([200, null]);
  });
});

test("only who administers the system sees and changes settings", async () => {
  const door = await createDoor();
  const types = await door.token([{ action: "admin", kind: "event_type", name: "*" }]);
  const system = await door.token([{ action: "admin", kind: "system", name: "*" }]);
  for (const [method, path, body] of [
    ["GET", "/settings/features", undefined],
    ["POST", "/settings/features", { feature: "repartitioning", enabled: true }],
    ["GET", "/settings/admins", undefined],
    ["POST", "/settings/admins", { admins: [{ data_type: "user", value: "a" }], readers: [], writers: [] }],
    ["GET", "/settings/blacklist", undefined],
    ["PUT", "/settings/blacklist/PRODUCER_ET/x", undefined],
    ["DELETE", "/settings/blacklist/PRODUCER_ET/x", undefined],
  ] as const) {
    expect((await answer(door, method, path, body, types))[0], `${method} ${path}`).toBe(403);
    expect((await answer(door, method, path, body, system))[0], `${method} ${path}`).toBeLessThan(300);
    expect((await call(door, method, path, body, { authorization: "" })).status).toBe(401);
  }
  expect((await answer(door, "PATCH", "/settings/features", {}))[0]).toBe(405);
});

test("several at once: every entry counts", async () => {
  const door = await createDoor();
  const doors = [door, await createDoor({ log: door.log }), await createDoor({ log: door.log })];
  const names = Array.from({ length: 12 }, (_, i) => `app-${i}`);
  const put = (name: string, i: number) =>
    call(doors[i % 3]!, "PUT", `/settings/blacklist/PRODUCER_APP/${name}`, undefined, {
      authorization: `Bearer ${door.admin}`,
    });
  for (const one of doors) await one.registry.refresh();
  expect((await Promise.all(names.map(put))).map(({ status }) => status)).toEqual(names.map(() => 204));
  await door.registry.refresh();
  for (const name of names)
    expect(() => checkNotBlocked(door.registry, "PRODUCER", name, [])).toThrow(/blocked/);
  expect(() => checkNotBlocked(door.registry, "CONSUMER", "app-1", ["x"])).not.toThrow();
});

const statistic = (n: number): Json => ({
  default_statistic: { read_parallelism: n, write_parallelism: n },
});
const retention = (ms: number): Json => ({ options: { retention_time: ms } });

test("the configuration bounds partitions and retention, except for administrators of the system", async () => {
  const eventTypes = { partitions: 8, retentionMinMs: 10_800_000, retentionMaxMs: 345_600_000 };
  const door = await createDoor({ eventTypes });
  const owner = await door.token([{ action: "admin", kind: "event_type", name: "*" }]);
  const admin = await door.token(EVERYTHING);
  let n = 0;
  for (const [more, status] of [
    [statistic(8), 201],
    [statistic(9), 422],
    [retention(10_800_000), 201],
    [retention(10_799_999), 422],
    [retention(345_600_000), 201],
    [retention(345_600_001), 422],
  ] as const) {
    const [name, other] = [`t${n++}`, `u${n}`];
    expect((await answer(door, "POST", "/event-types", declaration(name, more), owner))[0]).toBe(status);
    expect((await answer(door, "POST", "/event-types", declaration(other, more), admin))[0]).toBe(201);
  }
  const grow = (count: number, token: string) =>
    answer(door, "PUT", "/event-types/t0/partition-count", { partition_count: count }, token);
  expect([(await grow(9, owner))[0], (await grow(9, admin))[0]]).toEqual([422, 204]);
  expect((await answer(door, "PUT", "/event-types/t2", retention(1), owner))[0]).toBe(422);
});
