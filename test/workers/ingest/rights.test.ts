/**
 * The authorization matrix of the door: every route of its own table × everybody × own and foreign event types and
 * subscriptions, against what each route takes, said in one line. A new route fails until it has its line.
 */
import { beforeAll, describe, expect, test } from "vitest";
import type { Grant } from "../../../core/authorize.ts";
import { createToken } from "../../../core/token.ts";
import { createDoor, NOW_MS, type Door } from "./door.ts";

type Need = "open" | "token" | "see" | "read" | "write" | "admin" | "declare" | "use" | "manage" | "system";

const TYPE = "/event-types/:name";
const ONE = "/subscriptions/:id";
/** What each route takes: of the event type in the path, or of the subscription. */
const NEEDS: Readonly<Record<string, Need>> = {
  "GET /health": "open",
  "GET /version": "token",
  "GET /registry/enrichment-strategies": "token",
  "GET /registry/partition-strategies": "token",
  "GET /event-types": "token",
  "POST /event-types": "declare",
  "POST /cloudevents": "token",
  [`GET ${TYPE}`]: "see",
  [`PUT ${TYPE}`]: "admin",
  [`POST ${TYPE}/events`]: "write",
  [`GET ${TYPE}/events`]: "read",
  [`GET ${TYPE}/schemas`]: "see",
  [`POST ${TYPE}/schemas`]: "admin",
  [`GET ${TYPE}/schemas/:version`]: "see",
  [`POST ${TYPE}/schemas/:version/compatibility-check`]: "see",
  [`GET ${TYPE}/partitions`]: "see",
  [`GET ${TYPE}/partitions/:partition`]: "see",
  [`PUT ${TYPE}/partition-count`]: "admin",
  [`DELETE ${TYPE}`]: "admin", // each has subscriptions, and stays
  [`POST ${TYPE}/deleted-events`]: "write",
  [`POST ${TYPE}/cursor-distances`]: "read",
  [`POST ${TYPE}/cursors-lag`]: "read",
  [`POST ${TYPE}/shifted-cursors`]: "read",
  "GET /subscriptions": "token",
  "POST /subscriptions": "use",
  [`GET ${ONE}`]: "use",
  [`PUT ${ONE}`]: "manage",
  [`DELETE ${ONE}`]: "manage",
  [`GET ${ONE}/cursors`]: "use",
  [`POST ${ONE}/cursors`]: "use",
  [`PATCH ${ONE}/cursors`]: "manage",
  [`GET ${ONE}/events`]: "use",
  [`POST ${ONE}/events`]: "use",
  [`GET ${ONE}/stats`]: "use",
  "GET /settings/features": "system",
  "POST /settings/features": "system",
  "GET /settings/admins": "system",
  "POST /settings/admins": "system",
  "GET /settings/blacklist": "system",
  "PUT /settings/blacklist/:kind/:name": "system",
  "DELETE /settings/blacklist/:kind/:name": "system",
};
/** Answered with 501 to whoever has a token. */
const NOT_SUPPORTED = /^\w+ (\/storages|\/avro-schemas\/|\/event-types\/:name\/timelines$)/;

interface Who {
  readonly token: string;
  readonly id: string;
  readonly role: string | undefined;
  readonly grants: readonly Grant[];
}
interface Lists {
  readonly admins: readonly Attribute[];
  readonly readers: readonly Attribute[];
  readonly writers: readonly Attribute[];
}
interface Attribute {
  readonly data_type: string;
  readonly value: string;
}

const on = (action: Grant["action"], name: string): Grant => ({ action, kind: "event_type", name });
const schema = JSON.stringify({ type: "object", properties: { a: { type: "string" } } });
const declaration = (name: string, lists?: Lists): Record<string, unknown> => ({
  name,
  owning_application: "test",
  category: "undefined",
  schema: { type: "json_schema", schema },
  ...(lists ? { authorization: lists } : {}),
});

let door: Door;
const people = new Map<string, Who>();
const types = new Map<string, Lists | undefined>();
/** By event type: a subscription without lists and one with. */
const subscriptions = new Map<string, { readonly body: Record<string, unknown>; readonly id: string }[]>();
let narrow: Pick<Lists, "admins" | "readers">;

async function add(name: string, grants: readonly Grant[], role?: string): Promise<void> {
  const { text, declared } = await createToken(name, grants, NOW_MS, null, role ? [role] : []);
  await door.registry.put("token", declared.id, 0, declared);
  people.set(name, { token: text, id: declared.id, role, grants });
}

const listed = (name: string): Attribute => ({ data_type: "token", value: people.get(name)!.id });

const call = (method: string, path: string, token: string | undefined, body?: unknown): Promise<Response> =>
  door.fetch(
    new Request(`http://muara.test${path}`, {
      method,
      headers: {
        "content-type": "application/json",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }),
  );

beforeAll(async () => {
  door = await createDoor({ streams: { perPrincipal: 10_000, perPartition: 10_000 } });
  await door.registry.put("role", "staff", 0, { description: "", grants: [] });
  await add("platform", [{ action: "admin", kind: "*", name: "*" }]);
  await add("stranger", [on("read", "elsewhere"), { action: "admin", kind: "table", name: "*" }]);
  for (const action of ["read", "write", "admin"] as const) {
    await add(`${action} by grant`, [on(action, "granted"), on(action, "narrow")]);
    await add(`${action} by list`, []);
  }
  await add("by role", [], "staff");
  const role = { data_type: "role", value: "staff" };
  const lists: Lists = {
    admins: [listed("admin by list")],
    readers: [listed("read by list"), role],
    writers: [listed("write by list"), role],
  };
  const everybody = [{ data_type: "*", value: "*" }];
  const nobody = [{ data_type: "token", value: "nobody" }];
  types.set("granted", undefined);
  types.set("narrow", lists);
  types.set("open", { admins: nobody, readers: everybody, writers: everybody });
  types.set("foreign", { admins: nobody, readers: nobody, writers: nobody });
  narrow = { admins: [listed("admin by list"), listed("read by grant")], readers: [listed("read by list")] };
  for (const [name, own] of types) {
    expect((await door.declare(declaration(name, own))).status).toBe(201);
    const bodies = [undefined, narrow].map((authorization, i) => ({
      owning_application: "test",
      event_types: [name],
      consumer_group: `g${i}`,
      ...(authorization ? { authorization } : {}),
    }));
    const made = bodies.map(async (body) => {
      const answer = await call("POST", "/subscriptions", people.get("platform")!.token, body);
      return { body, id: ((await answer.json()) as { id: string }).id };
    });
    subscriptions.set(name, await Promise.all(made));
  }
});

/** The rules, plainly. */
const isIn = ({ id, role }: Who, list: readonly Attribute[]): boolean =>
  list.some(({ data_type: type, value }) =>
    type === "*" ? value === "*" : type === "role" ? value === role : type === "token" && value === id,
  );
function mayDo(who: Who, action: Grant["action"], type: string): boolean {
  const held = new Set(
    who.grants
      .filter(({ kind, name }) => kind !== "table" && [type, "*"].includes(name))
      .map((g) => g.action),
  );
  const lists = types.get(type);
  if (held.has("admin")) return true;
  if (!lists) return held.has(action);
  return isIn(who, { read: lists.readers, write: lists.writers, admin: lists.admins }[action]);
}
function isAllowed(who: Who, need: Need, type: string, hasLists: boolean): boolean {
  switch (need) {
    case "open":
    case "token":
      return true;
    case "system":
      return who.grants.some(({ action, kind }) => action === "admin" && ["*", "system"].includes(kind));
    case "see":
      return (["read", "write", "admin"] as const).some((action) => mayDo(who, action, type));
    case "declare":
      return who.grants.some(
        ({ action, kind, name }) => action === "admin" && kind !== "table" && [type, "*"].includes(name),
      );
    case "use":
    case "manage": {
      if (!mayDo(who, "read", type)) return false;
      const manages =
        who === people.get("platform") || mayDo(who, "admin", type) || (hasLists && isIn(who, narrow.admins));
      return manages || (need === "use" && (!hasLists || isIn(who, narrow.readers)));
    }
    default:
      return mayDo(who, need, type);
  }
}

const bodies: Readonly<Record<string, (type: string) => unknown>> = {
  "POST /event-types": (type) => declaration(type),
  [`PUT ${TYPE}`]: () => ({}),
  [`POST ${TYPE}/events`]: () => [{ a: "x" }],
  [`POST ${TYPE}/schemas`]: () => ({ schema }),
  [`POST ${TYPE}/schemas/:version/compatibility-check`]: () => ({ schema }),
  [`PUT ${TYPE}/partition-count`]: () => ({ partition_count: 1 }),
  [`POST ${TYPE}/deleted-events`]: () => [{ metadata: { partition_compaction_key: "a" } }],
};

async function statusOf(
  route: string,
  who: Who | undefined,
  type: string,
  hasLists: boolean,
): Promise<number> {
  const [method, pattern] = route.split(" ") as [string, string];
  const subscription = subscriptions.get(type)![hasLists ? 1 : 0]!;
  const path = pattern
    .replace(":name", type)
    .replace(":id", subscription.id)
    .replace(":version", "1.0.0")
    .replace(":partition", "0")
    .replace(":kind", "x");
  const isSubscribing = route === "POST /subscriptions" || route === `PUT ${ONE}`;
  const body = isSubscribing
    ? subscription.body
    : (bodies[route]?.(type) ?? (method === "GET" ? undefined : {}));
  const answer = await call(method, path, who?.token, body);
  await answer.body?.cancel();
  // The same id again: it is made of what the subscription reads.
  if (route === `DELETE ${ONE}` && answer.status === 204)
    await call("POST", "/subscriptions", people.get("platform")!.token, subscription.body);
  return answer.status;
}

describe("the authorization matrix of the door", () => {
  test("has a line for every route", () => {
    const routes = new Set(
      door.routes.filter(({ method }) => method !== "ALL").map(({ method, path }) => `${method} ${path}`),
    );
    expect([...routes].filter((route) => !NOT_SUPPORTED.test(route)).toSorted()).toEqual(
      Object.keys(NEEDS).toSorted(),
    );
  });

  test.each(Object.entries(NEEDS))("%s takes: %s", async (route, need) => {
    const [wrong, seen] = [[] as string[], new Set<boolean>()];
    for (const type of types.keys())
      for (const hasLists of route.includes("/subscriptions") ? [false, true] : [false]) {
        const unknown = await statusOf(route, undefined, type, hasLists);
        if ((unknown === 401) === (need === "open")) wrong.push(`nobody: ${unknown}`);
        for (const [name, who] of people) {
          // Whoever may declare it finds that it is there already.
          const expected = isAllowed(who, need, type, hasLists && route !== "POST /subscriptions");
          const status = await statusOf(route, who, type, hasLists);
          seen.add(expected);
          if (expected !== (status !== 403) || status === 401 || status >= 500)
            wrong.push(
              `${name} on ${type}${hasLists ? ", with lists" : ""}: ${status}, allowed: ${expected}`,
            );
        }
      }
    expect(wrong).toEqual([]);
    expect(seen.size).toBe(need === "open" || need === "token" ? 1 : 2);
  });

  test("lists show everybody what they may do something with, and nothing else", async () => {
    for (const who of people.values()) {
      const shown = (await (await call("GET", "/event-types", who.token)).json()) as { name: string }[];
      const expected = [...types.keys()].filter((type) => isAllowed(who, "see", type, false));
      expect(shown.map(({ name }) => name).toSorted()).toEqual(expected.toSorted());
      const answer = await call("GET", "/subscriptions?limit=100", who.token);
      const { items } = (await answer.json()) as { items: { event_types: string[] }[] };
      const readable = [...types.keys()].filter((type) => mayDo(who, "read", type));
      expect([...new Set(items.flatMap((one) => one.event_types))].toSorted()).toEqual(readable.toSorted());
    }
  });
});

test("streams end when an event type's readers change", async () => {
  const reader = people.get("read by list")!;
  const stay = people.get("by role")!;
  const open = (token: string): Promise<Response> =>
    call("GET", `${TYPE.replace(":name", "narrow")}/events`, token);
  const [leaves, stays] = await Promise.all([open(reader.token), open(stay.token)]);
  const ended = leaves.text();
  const { readers, ...lists } = types.get("narrow")!;
  const changed = { ...lists, readers: readers.filter(({ data_type: type }) => type === "role") };
  const answer = await call("PUT", "/event-types/narrow", people.get("admin by list")!.token, {
    authorization: changed,
  });
  expect(answer.status).toBe(200);
  const deadline = performance.now() + 30_000;
  const state = { isOver: false };
  void ended.then(() => (state.isOver = true));
  while (!state.isOver && performance.now() < deadline) {
    door.clock.advance(1_000);
    await new Promise((done) => setImmediate(done));
  }
  expect(await ended).not.toContain("x");
  expect((await open(reader.token)).status).toBe(403);
  const again = await open(stay.token);
  expect(again.status).toBe(200);
  await Promise.all([stays.body?.cancel(), again.body?.cancel()]);
});

test("all types at once: only for whoever may read each that has lists", async () => {
  const body = { owning_application: "all", event_types: ["*"] };
  await add("reads all", [on("read", "*")]);
  await add("administers all", [on("admin", "*")]);
  expect((await call("POST", "/subscriptions", people.get("reads all")!.token, body)).status).toBe(403);
  expect((await call("POST", "/subscriptions", people.get("administers all")!.token, body)).status).toBe(201);
});
