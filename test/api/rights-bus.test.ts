/**
 * The door's part of the authorization matrix: every operation of the OpenAPI document × every role × an event type
 * and a subscription that are the role's own, somebody else's, or not there. What the document declares decides; a
 * plain model beside it says what that means.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openapiDocument } from "../../api/openapi.ts";
import type { Right } from "../../api/openapi-parts.ts";
import { type Action, EVERYTHING, type Grant } from "../../core/authorize.ts";
import { isDoorPath } from "../../workers/ingest/open-door.ts";
import { createDoor, declaration, type Door, event } from "../workers/ingest/door.ts";
import { call } from "../workers/ingest/nakadi.ts";

interface Operation {
  readonly security?: readonly unknown[];
  readonly "x-muara-rights"?: readonly Right[];
}

const document = openapiDocument("0") as unknown as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
};
const OPERATIONS = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).flatMap(([method, operation]) =>
    isDoorPath(path) ? [{ name: `${method.toUpperCase()} ${path}`, method, path, operation }] : [],
  ),
);

/** A stream that is not there, a category that takes no CloudEvents, names that are taken. */
const REFUSED_ANYWAY = new Set([
  "POST /subscriptions/{id}/cursors",
  "POST /cloudevents",
  "POST /event-types",
  "DELETE /event-types/{name}", // it has a subscription
  "POST /event-types/{name}/deleted-events", // it is not compacted
]);

const [OWN, FOREIGN, NOWHERE] = ["own.type", "foreign.type", "no.type"] as const;
type Name = typeof OWN | typeof FOREIGN | typeof NOWHERE;
const NAMES: readonly Name[] = [OWN, FOREIGN, NOWHERE];

interface Role {
  readonly name: string;
  readonly grants: readonly Grant[];
}

const on = (action: Action, name: string, kind: Grant["kind"] = "event_type"): Grant => ({
  action,
  kind,
  name,
});
const ROLES: readonly Role[] = [
  { name: "nobody", grants: [] },
  { name: "reader", grants: [on("read", OWN)] },
  { name: "writer", grants: [on("write", OWN)] },
  { name: "owner", grants: [on("admin", OWN)] },
  { name: "reader of all", grants: [on("read", "*")] },
  { name: "writer of all", grants: [on("write", "*")] },
  { name: "owner of all", grants: [on("admin", "*")] },
  { name: "reader of tables", grants: [on("admin", "*", "table"), on("admin", "*", "share")] },
  { name: "reader of a column", grants: [{ ...on("read", OWN), columns: ["number"] }] },
  { name: "administrator", grants: EVERYTHING },
];

/** What grants mean, without a look at core/authorize.ts. */
function has({ grants }: Role, wanted: Action, name: string): boolean {
  return grants.some(
    ({ action, kind, name: granted, columns }) =>
      columns === undefined &&
      (kind === "*" || kind === "event_type") &&
      (granted === "*" || granted === name) &&
      (action === wanted || action === "admin"),
  );
}

/** A subscription of somebody else, without lists of its own, takes reading to read and administering to change. */
function isAllowed(role: Role, rights: readonly Right[], name: string): boolean {
  return (
    rights.length === 0 ||
    rights.some((right) => {
      const [action, kind] = right.split(" ") as [Action, string];
      if (kind === "system") return role.grants === EVERYTHING;
      return has(role, action, name) && (kind === "event_type" || has(role, "read", name));
    })
  );
}

let door: Door;
const tokens = new Map<string, string>();
const subscriptions = new Map<string, string>();
beforeAll(async () => {
  door = await createDoor();
  for (const name of [OWN, FOREIGN]) {
    expect((await door.declare(declaration(name))).status).toBe(201);
    await door.publish(name, JSON.stringify([event({ number: 1 })]));
  }
  for (const name of [OWN, FOREIGN]) await subscriptionTo(name);
  for (const { name, grants } of ROLES) tokens.set(name, await door.token(grants));
});
afterAll(async () => {
  door.streams.close();
  await door.subscriptions.close();
});

async function subscriptionTo(name: Name): Promise<string> {
  const known = subscriptions.get(name);
  // One that was deleted is declared again; where there is no such type there is no subscription either.
  if (name === NOWHERE) return "00000000-0000-8000-8000-000000000000";
  if (known && (await call(door, "GET", `/subscriptions/${known}`)).status === 200) return known;
  const body = { owning_application: "shop", event_types: [name], read_from: "begin" };
  const response = await call(door, "POST", "/subscriptions", body);
  const { id } = (await response.json()) as { id: string };
  subscriptions.set(name, id);
  return id;
}

const cursor = { partition: "0", offset: "BEGIN" };

/** A request that would be carried out for whoever may do everything. */
function bodyOf(operation: string, name: Name): unknown {
  const bodies: Readonly<Record<string, unknown>> = {
    "POST /event-types": declaration(name),
    "PUT /event-types/{name}": declaration(name),
    "POST /event-types/{name}/schemas": { schema: '{"type":"object"}' },
    "POST /event-types/{name}/schemas/{version}/compatibility-check": { schema: '{"type":"object"}' },
    "POST /event-types/{name}/events": [event({ number: 2 })],
    "PUT /event-types/{name}/partition-count": { partition_count: 1 },
    "POST /event-types/{name}/cursor-distances": [{ initial_cursor: cursor, final_cursor: cursor }],
    "POST /event-types/{name}/cursors-lag": [cursor],
    "POST /event-types/{name}/shifted-cursors": [{ ...cursor, shift: 0 }],
    "POST /event-types/{name}/deleted-events": [{ metadata: { partition_compaction_key: "a" } }],
    "POST /settings/features": { feature: "repartitioning", enabled: true },
    "POST /settings/admins": { admins: [{ data_type: "user", value: "a" }], readers: [], writers: [] },
    "POST /cloudevents": { specversion: "1.0", id: "1", source: "/a", type: name },
    "POST /subscriptions": { owning_application: "other", event_types: [name] },
    "PUT /subscriptions/{id}": { owning_application: "shop", event_types: [name] },
    "POST /subscriptions/{id}/cursors": { items: [{ event_type: name, ...cursor }] },
    "PATCH /subscriptions/{id}/cursors": { items: [] },
    "POST /subscriptions/{id}/events": {},
  };
  return bodies[operation];
}

async function ask(
  { name: operation, method, path }: (typeof OPERATIONS)[number],
  name: Name,
  token: string | undefined,
): Promise<{ readonly status: number; readonly text: string }> {
  const address = path
    .replace("{name}", name)
    .replace("{id}", path.includes("{id}") ? await subscriptionTo(name) : "")
    .replace("{version}", "latest")
    .replace("{partition}", "0")
    .replace("{kind}", "PRODUCER_APP");
  const type = path === "/cloudevents" ? "application/cloudevents+json" : "application/json";
  const headers: Record<string, string> = {
    "content-type": type,
    "x-nakadi-streamid": "00000000-0000-4000-8000-000000000000",
    authorization: token === undefined ? "" : `Bearer ${token}`,
  };
  if (token === undefined) delete headers["authorization"];
  const request = new Request(`http://muara.test${address}`, {
    method: method.toUpperCase(),
    headers,
    ...(bodyOf(operation, name) === undefined ? {} : { body: JSON.stringify(bodyOf(operation, name)) }),
  });
  const response = await door.fetch(request);
  const isStream = response.headers.get("content-type") === "application/x-json-stream";
  if (isStream) await response.body!.cancel();
  return { status: response.status, text: isStream ? "" : await response.text() };
}

const isDenied = (status: number): boolean => status === 401 || status === 403;

describe.each(OPERATIONS)("$name", (one) => {
  const { operation, name } = one;
  const rights = operation["x-muara-rights"];

  test("is for whom the document declares it, and for nobody else", async () => {
    let allowed = 0;
    for (const role of ROLES)
      for (const target of NAMES) {
        const { status, text } = await ask(one, target, tokens.get(role.name));
        const isGone = name.includes("{id}") && target === NOWHERE; // no subscription, so nothing to have a right to
        const isOpen = !rights || isGone || isAllowed(role, rights, target);
        const label = `${role.name} ${target}: ${status} ${text}`;
        expect(isDenied(status), label).toBe(!isOpen);
        expect(status, label).toBeLessThan(500);
        // What is not there is not told from what is denied.
        expect(!isOpen && text.includes("not_found"), label).toBe(false);
        if (isOpen && status < 300) allowed++;
      }
    // Somebody was let in: what is refused for other reasons would show nothing.
    expect(allowed > 0 || REFUSED_ANYWAY.has(name)).toBe(true);
  });

  test("no token, a wrong one, a revoked one", async () => {
    const revoked = await door.token(EVERYTHING);
    const id = revoked.split("_")[1]!;
    await door.registry.put("token", id, door.registry.get("token", id)!.revision, null);
    for (const token of [undefined, "muara_000000000000_aaaaaaaa", revoked]) {
      const { status } = await ask(one, OWN, token);
      expect(status === 401, `${token}: ${status}`).toBe(operation.security === undefined);
    }
  });
});

test("the matrix is not trivial", () => {
  const cells = OPERATIONS.flatMap(({ operation }) =>
    ROLES.flatMap((role) => NAMES.map((name) => isAllowed(role, operation["x-muara-rights"] ?? [], name))),
  );
  expect(OPERATIONS.length).toBeGreaterThan(25);
  expect(cells.filter(Boolean).length).toBeGreaterThan(200);
  expect(cells.filter((cell) => !cell).length).toBeGreaterThan(200);
});
