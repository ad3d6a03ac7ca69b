/** Declaring subscriptions: Nakadi's `SubscriptionAT`, over every kind of log. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Grant } from "../../../core/authorize.ts";
import { offsetText } from "../../../workers/ingest/cursors/offset-text.ts";
import { Consumers } from "./consumers.ts";
import { createDoor, type Door } from "./door.ts";
import { call, doorOver, LOG_KINDS } from "./nakadi.ts";

interface Listed {
  readonly items: readonly { readonly id: string; readonly status?: unknown }[];
  readonly _links: { readonly next?: { readonly href: string }; readonly prev?: { readonly href: string } };
}

const on = (action: Grant["action"], name: string): Grant => ({ action, kind: "event_type", name });

const as = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

const idsOf = ({ items }: Listed): string[] => items.map(({ id }) => id);

describe.each(LOG_KINDS)("$name", (kind) => {
  let door: Door;
  let at: Consumers;
  let name: string;
  beforeAll(async () => {
    door = await doorOver(kind, { streams: { partitions: 6 } });
    at = new Consumers(door);
    name = await at.type(2);
  });
  afterAll(async () => {
    await door.log.close();
    await kind.clean();
  });
  let groups = 0;
  const body = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
    owning_application: "shop",
    event_types: [name],
    consumer_group: `group-${++groups}`,
    ...more,
  });
  const create = (given: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    call(door, "POST", "/subscriptions", given, headers);
  const list = async (query: string, token = door.admin): Promise<Listed> => {
    const response = await call(door, "GET", `/subscriptions?${query}`, undefined, as(token));
    expect(response.status).toBe(200);
    return (await response.json()) as Listed;
  };

  test("created: 201 with all its fields; again: 200 with the same", async () => {
    const given = body({ authorization: null, annotations: { a: "b" }, labels: { l: "m" }, unknown: 1 });
    const first = await create(given);
    expect(first.status).toBe(201);
    const answer = (await first.json()) as { id: string };
    expect(answer).toEqual({
      id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      owning_application: "shop",
      event_types: [name],
      consumer_group: given["consumer_group"],
      read_from: "end",
      initial_cursors: [],
      annotations: { a: "b" },
      labels: { l: "m" },
      created_at: expect.any(String),
      updated_at: expect.any(String),
    });
    expect(first.headers.get("location")).toBe(`/subscriptions/${answer.id}`);
    expect(first.headers.get("content-location")).toBe(`/subscriptions/${answer.id}`);
    const second = await create({ ...given, annotations: { other: "x" } });
    expect(second.status).toBe(200);
    expect(await second.json()).toEqual(answer);
    expect(second.headers.get("location")).toBe(`/subscriptions/${answer.id}`);
    expect(second.headers.get("content-location")).toBeNull();
    const shown = await call(door, "GET", `/subscriptions/${answer.id}`);
    expect([shown.status, await shown.json()]).toEqual([200, answer]);
  });

  test("many at once make one, also at two processes", async () => {
    const other = await createDoor({ log: door.log, clock: door.clock });
    const given = JSON.stringify(body());
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        call(i % 2 ? other : door, "POST", "/subscriptions", given, as(i % 2 ? other.admin : door.admin)),
      ),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(7);
    const ids = await Promise.all(answers.map(async (one) => ((await one.json()) as { id: string }).id));
    expect(new Set(ids).size).toBe(1);
  });

  test.each([
    [{ event_types: ["none"] }, "subscription.invalid"],
    [{ event_types: [] }, "subscription.invalid"],
    [{ event_types: ["*", "a"] }, "subscription.invalid"],
    [{ owning_application: undefined }, "subscription.invalid"],
    [{ read_from: "middle" }, "subscription.invalid"],
    [{ read_from: "cursors" }, "subscription.invalid"],
    [{ initial_cursors: [{ event_type: "a", partition: "0", offset: "0" }] }, "subscription.invalid"],
    [{ authorization: { admins: [], readers: [] } }, "subscription.invalid"],
    [
      { annotations: { "nakadi.zalando.org/subscription-max-event-send-count": "3" } },
      "subscription.invalid",
    ],
    [
      {
        annotations: {
          "nakadi.zalando.org/subscription-max-event-send-count": "1",
          "nakadi.zalando.org/subscription-unprocessable-event-policy": "SKIP_EVENT",
        },
      },
      "subscription.invalid",
    ],
  ])("%j: 422", async (more, code) => {
    const response = await create(body(more));
    expect([response.status, await response.json()]).toEqual([422, expect.objectContaining({ code })]);
  });

  test("too many partitions: 422", async () => {
    const big = await at.type(5);
    expect((await create(body({ event_types: [name, big] }))).status).toBe(422);
    expect((await create(body({ event_types: [big] }))).status).toBe(201);
  });

  test("where it begins: the oldest, the newest, or given cursors, exactly one per partition", async () => {
    const own = await at.type(2);
    await at.publish(own, 3);
    const cursors = async (more: Record<string, unknown>): Promise<unknown> => {
      const response = await create(body({ event_types: [own], ...more }));
      expect(response.status, await response.clone().text()).toBe(201);
      return at.cursors(((await response.json()) as { id: string }).id);
    };
    expect(await cursors({ read_from: "begin" })).toEqual({ 0: "001-0001--1", 1: "001-0001--1" });
    expect(await cursors({ read_from: "end" })).toEqual({ 0: offsetText(2), 1: "001-0001--1" });
    const cursor = (partition: string, offset: string): object => ({ event_type: own, partition, offset });
    const given = [cursor("0", offsetText(1)), cursor("1", "BEGIN")];
    expect(await cursors({ read_from: "cursors", initial_cursors: given })).toEqual({
      0: offsetText(1),
      1: "001-0001--1",
    });
    for (const wrong of [
      [given[0]],
      [...given, given[0]],
      [given[0], cursor("1", "5")],
      [given[0], cursor("2", "BEGIN")],
    ])
      expect(
        (await create(body({ event_types: [own], read_from: "cursors", initial_cursors: wrong }))).status,
      ).toBe(422);
  });

  test("lists: newest first, by owner, event types and reader, in pages, with their state", async () => {
    const own = await at.type();
    const ids: string[] = [];
    for (const i of [0, 1, 2, 3]) {
      door.clock.advance(1_000);
      const readers = [{ data_type: "service", value: `reader-${i % 2}` }];
      const authorization = { admins: readers, readers };
      const response = await create(
        body({ owning_application: "list", event_types: i === 3 ? [own] : [own, name], authorization }),
      );
      ids.unshift(((await response.json()) as { id: string }).id);
    }
    expect(idsOf(await list("owning_application=list"))).toEqual(ids);
    expect(idsOf(await list(`event_type=${own}`))).toEqual(ids);
    expect(idsOf(await list(`owning_application=list&event_type=${own}&event_type=${name}`))).toEqual(
      ids.slice(1),
    );
    expect(idsOf(await list(`owning_application=list&event_type=${own},${name}`))).toEqual(ids.slice(1));
    expect(idsOf(await list("owning_application=list&reader=service:reader-1"))).toEqual([ids[0], ids[2]]);
    const page = await list("owning_application=list&limit=2");
    expect(idsOf(page)).toEqual(ids.slice(0, 2));
    expect(page._links.prev).toBeUndefined();
    const next = await list(page._links.next!.href.split("?")[1]!);
    expect(idsOf(next)).toEqual(ids.slice(2));
    expect(next._links.next).toBeUndefined();
    expect(idsOf(await list(next._links.prev!.href.split("?")[1]!))).toEqual(ids.slice(0, 2));
    const [shown] = (await list("owning_application=list&limit=1&show_status=true")).items;
    expect(shown!.status).toEqual([
      { event_type: own, partitions: [{ partition: "0", state: "unassigned", stream_id: "" }] },
    ]);
    for (const wrong of ["limit=0", "limit=1001", "offset=-1"])
      expect((await call(door, "GET", `/subscriptions?${wrong}`)).status).toBe(422);
  });

  test("changed are its rights, annotations and labels, and nothing else", async () => {
    const given = body({ annotations: { a: "1" } });
    const { id } = (await (await create(given)).json()) as { id: string };
    const put = async (more: Record<string, unknown>, token = door.admin): Promise<number> =>
      (await call(door, "PUT", `/subscriptions/${id}`, { ...given, ...more }, as(token))).status;
    const authorization = {
      admins: [{ data_type: "*", value: "*" }],
      readers: [{ data_type: "service", value: "x" }],
    };
    expect(await put({ annotations: { a: "2" }, labels: { l: "1" }, authorization })).toBe(204);
    const shown = (await (await call(door, "GET", `/subscriptions/${id}`)).json()) as Record<string, unknown>;
    expect(shown).toMatchObject({ annotations: { a: "2" }, labels: { l: "1" }, authorization });
    expect(await put({})).toBe(422);
    expect(await put({ authorization, consumer_group: "other" })).toBe(422);
    expect(await put({ authorization, owning_application: "other" })).toBe(422);
    expect(await put({ authorization, event_types: [name, "other"] })).toBe(422);
    expect((await call(door, "PUT", "/subscriptions/none", given)).status).toBe(404);
  });

  test("rights: of event types first, then of the subscription", async () => {
    const [reader, owner, stranger] = await Promise.all([
      door.token([on("read", name)]),
      door.token([on("read", name)]),
      door.token([on("write", name)]),
    ]);
    expect((await create(body(), as(stranger))).status).toBe(403);
    expect((await create(body({ event_types: ["none"] }), as(stranger))).status).toBe(403);
    expect((await create(body({ event_types: ["*"] }), as(owner))).status).toBe(403);
    const { id } = (await (await create(body(), as(owner))).json()) as { id: string };
    const status = async (method: string, path: string, token: string, given?: unknown): Promise<number> => {
      const response = await call(door, method, `/subscriptions/${id}${path}`, given, as(token));
      if (response.headers.get("content-type") === "application/x-json-stream") await response.body?.cancel();
      return response.status;
    };
    const attempts = async (token: string): Promise<number[]> => [
      await status("GET", "", token),
      await status("GET", "/cursors", token),
      await status("GET", "/stats", token),
      await status("HEAD", "/events", token),
      await status("PATCH", "/cursors", token, { items: [] }),
      await status("DELETE", "/nothing", token),
    ];
    expect(await attempts(stranger)).toEqual([403, 403, 403, 403, 403, 404]);
    expect(await attempts(reader)).toEqual([200, 200, 200, 200, 403, 404]);
    expect(await attempts(owner)).toEqual([200, 200, 200, 200, 204, 404]);
    expect((await list(`event_type=${name}`, stranger)).items).toEqual([]);
    expect((await list(`event_type=${name}`, reader)).items.length).toBeGreaterThan(0);
    expect(await status("DELETE", "", reader)).toBe(403);
    expect(await status("DELETE", "", stranger)).toBe(403);
    expect(await status("DELETE", "", owner)).toBe(204);
    expect(await status("DELETE", "", owner)).toBe(404);
    expect(await status("GET", "", owner)).toBe(404);
    const closed = {
      admins: [{ data_type: "token", value: "nobody" }],
      readers: [{ data_type: "token", value: "nobody" }],
    };
    const narrow = (await (await create(body({ authorization: closed }), as(owner))).json()) as {
      id: string;
    };
    const path = `/subscriptions/${narrow.id}/cursors`;
    expect((await call(door, "GET", path, undefined, as(reader))).status).toBe(403);
    expect((await call(door, "GET", path, undefined, as(owner))).status).toBe(200);
  });

  test("it is there after a restart", async () => {
    const given = body();
    const { id } = (await (await create(given)).json()) as { id: string };
    const later = await createDoor({ log: door.log, clock: door.clock });
    const again = await call(later, "POST", "/subscriptions", given);
    expect([again.status, ((await again.json()) as { id: string }).id]).toEqual([200, id]);
  });

  test("a gzipped body is taken", async () => {
    const given = new Blob([JSON.stringify(body())]).stream().pipeThrough(new CompressionStream("gzip"));
    const response = await door.fetch(
      new Request("http://muara.test/subscriptions", {
        method: "POST",
        headers: { ...as(door.admin), "content-type": "application/json", "content-encoding": "gzip" },
        body: await new Response(given).arrayBuffer(),
      }),
    );
    expect(response.status).toBe(201);
  });
});
