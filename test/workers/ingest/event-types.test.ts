/** The registry's endpoints: what may be declared, who sees it, and what is answered otherwise. */
import { expect, test } from "vitest";
import { createMemoryLog } from "../../../adapters/memory/log.ts";
import { ManualClock, seededRandomness } from "../../../core/clock.ts";
import { landConsumer } from "../../../core/landed.ts";
import { createDoor, declaration, type Door, event, NOW_MS } from "./door.ts";

const get = (door: Door, path: string, headers: Record<string, string> = {}): Promise<Response> =>
  door.fetch(
    new Request(`http://muara.test${path}`, {
      headers: { authorization: `Bearer ${door.admin}`, ...headers },
    }),
  );
const codeOf = async (answer: Response): Promise<unknown> => ((await answer.json()) as { code: string }).code;

test("what is declared is answered, listed and read back unchanged", async () => {
  const door = await createDoor();
  const schema = '{ "type" : "object",\n "properties": {"a": {"type":"string"}} }';
  const full = {
    ...declaration("shop.order-placed.v1", { schema }),
    enrichment_strategies: ["metadata_enrichment"],
    partition_strategy: "hash",
    partition_key_fields: ["a"],
    compatibility_mode: "none",
    cleanup_policy: "delete",
    default_statistic: {
      messages_per_minute: 100,
      message_size: 500,
      read_parallelism: 2,
      write_parallelism: 4,
    },
    options: { retention_time: 86_400_000 },
    ordering_key_fields: ["a"],
    audience: "company-internal",
    event_owner_selector: { type: "path", name: "shop", value: "a" },
    annotations: {
      "datalake.zalando.org/materialize-events": "on",
      "datalake.zalando.org/retention-period": "30d",
      "datalake.zalando.org/retention-period-reason": "audits",
    },
    labels: { team: "shop" },
    authorization: { admins: [{ data_type: "user", value: "a" }], readers: [], writers: [] },
  };
  const sent = { ...full, schema: { type: "json_schema", schema, version: "7.0.0" }, unknown_field: 1 };
  const created = await door.declare(sent);
  expect(created.status).toBe(201);
  const stored = await created.json();
  const at = "2026-03-01T12:00:00.000Z";
  expect(stored).toEqual({
    ...full,
    schema: { type: "json_schema", schema, version: "1.0.0", created_at: at },
    created_at: at,
    updated_at: at,
  });
  expect(await (await get(door, "/event-types/shop.order-placed.v1")).json()).toEqual(stored);
  expect(await (await get(door, "/event-types")).json()).toEqual([stored]);
  expect(await (await get(door, "/event-types?owning_application=other")).json()).toEqual([]);
  expect(await door.log.stream("shop.order-placed.v1")).toMatchObject({
    partitions: 4,
    cleanup: "delete",
    retentionMs: 86_400_000,
  });
});

const schema = (value: unknown): Record<string, unknown> => ({ schema: value });
const recursive = (node: unknown): Record<string, unknown> =>
  schema({ definitions: { node }, properties: { root: { $ref: "#/definitions/node" } } });
const self = { $ref: "#/definitions/node" };
/** `a1` refers to `a2` twice, that to `a3` twice …: 2^n visits. */
const doubling = Object.fromEntries(
  Array.from({ length: 20 }, (_, i) => [
    `a${i}`,
    { allOf: [{ $ref: `#/definitions/a${i + 1}` }, { $ref: `#/definitions/a${i + 1}` }] },
  ]),
);
let deep: unknown = {};
for (let i = 0; i < 40; i++) deep = { properties: { a: deep } };

const BAD: readonly [string, string, Record<string, unknown>, RegExp?][] = [
  ["no name", "name", { name: undefined }],
  ["an empty name", "name", { name: "" }],
  ["a name with a slash", "name", { name: "a/b" }],
  ["a name with dots in a row", "name", { name: "a..b" }],
  ["a name that starts with a digit", "name", { name: "1a" }],
  ["a long name", "name", { name: "a".repeat(256) }],
  ["a reserved name", "name", { name: "books" }],
  ["a reserved name in capitals", "name", { name: "BOOKS" }],
  ["an alias of a reserved name", "name", { name: "dead-letters" }],
  ["an alias with a dot", "name", { name: "dead.letters" }],
  ["a reserved prefix", "name", { name: "muara.own" }],
  ["a reserved prefix by its alias", "name", { name: "Muara-own" }],
  ["no owner", "owning_application", { owning_application: undefined }],
  ["no category", "category", { category: undefined }],
  ["an unknown category", "category", { category: "general" }],
  ["no schema", "schema", { schema: undefined, raw: true }],
  [
    "enrichment for undefined",
    "enrichment_strategies",
    { category: "undefined", enrichment_strategies: ["metadata_enrichment"] },
  ],
  ["no enrichment for business", "enrichment_strategies", { enrichment_strategies: [] }],
  ["hash without keys", "partition_key_fields", { partition_strategy: "hash" }],
  [
    "a key that is not declared",
    "partition_key_fields",
    { partition_strategy: "hash", partition_key_fields: ["a"] },
  ],
  [
    "a key that is an object",
    "partition_key_fields",
    {
      partition_strategy: "hash",
      partition_key_fields: ["a"],
      ...schema({ properties: { a: { type: "object" } } }),
    },
  ],
  ["an ordering key that is not declared", "ordering_key_fields", { ordering_key_fields: ["x.y"] }],
  [
    "instance ids without keys",
    "ordering_instance_ids",
    { ordering_instance_ids: ["a"], ...schema({ properties: { a: {} } }) },
  ],
  [
    "user_defined without metadata",
    "partition_strategy",
    { category: "undefined", partition_strategy: "user_defined" },
  ],
  [
    "compaction of events without metadata",
    "cleanup_policy",
    { category: "undefined", cleanup_policy: "compact" },
  ],
  [
    "an owner that the schema does not know",
    "event_owner_selector",
    { event_owner_selector: { type: "path", name: "x", value: "owner" } },
  ],
  ["a key that is none", "annotations.-a", { annotations: { "-a": "x" } }],
  [
    "nobody who administers",
    "authorization.admins",
    { authorization: { admins: [], readers: [], writers: [] } },
  ],
  [
    "materialisation that is neither on nor off",
    "annotations.datalake.zalando.org/materialize-events",
    { annotations: { "datalake.zalando.org/materialize-events": "yes" } },
  ],
  [
    "materialisation without a period",
    "annotations.datalake.zalando.org/retention-period",
    { annotations: { "datalake.zalando.org/materialize-events": "on" } },
  ],
  [
    "a period without a reason",
    "annotations.datalake.zalando.org/retention-period-reason",
    { annotations: { "datalake.zalando.org/retention-period": "30d" } },
  ],
  [
    "65 partitions",
    "default_statistic.read_parallelism",
    { default_statistic: { read_parallelism: 65, write_parallelism: 1 } },
  ],
  [
    "an id path that is no pointer",
    "annotations",
    { category: "undefined", annotations: { "muara/event-id-path": "id" } },
  ],
  [
    "an id path for business",
    "annotations.muara/event-id-path",
    { annotations: { "muara/event-id-path": "/id" } },
  ],
  ["a schema that is no JSON", "schema.schema", schema("{")],
  ["a schema that is a list", "schema.schema", schema("[]")],
  ["a schema of 1 MiB and more", "schema.schema", schema({ description: "x".repeat(1_048_576) })],
  ["a schema nested too deeply", "schema.schema", schema(deep), /nested deeper/],
  ["a schema for strings", "schema.schema", schema({ type: "string" }), /#\/type/],
  ["a schema for objects and null", "schema.schema", schema({ type: ["object", "null"] }), /#\/type/],
  [
    "metadata in a business schema",
    "schema.schema",
    schema({ properties: { metadata: {} } }),
    /#\/properties\/metadata/,
  ],
  [
    "an unknown type keyword",
    "schema.schema",
    schema({ properties: { a: { type: "text" } } }),
    /no JSON Schema/,
  ],
  ["required that is no list", "schema.schema", schema({ required: "a" }), /no JSON Schema/],
  [
    "another dialect",
    "schema.schema",
    schema({ $schema: "https://json-schema.org/draft/2020-12/schema" }),
    /draft-07/,
  ],
  [
    "a remote reference",
    "schema.schema",
    schema({ properties: { a: { $ref: "http://127.0.0.1:1/x.json" } } }),
    /not followed/,
  ],
  [
    "a reference to a file",
    "schema.schema",
    schema({ properties: { a: { $ref: "other.json#/a" } } }),
    /not followed/,
  ],
  [
    "a reference to nowhere",
    "schema.schema",
    schema({ properties: { a: { $ref: "#/definitions/b" } } }),
    /leads nowhere/,
  ],
  ["a reference to itself", "schema.schema", schema({ allOf: [{ $ref: "#" }] }), /leads back/],
  ["two references in a circle", "schema.schema", recursive({ anyOf: [{ allOf: [self] }] }), /leads back/],
  [
    "a reference twice per place",
    "schema.schema",
    recursive({ anyOf: [{ properties: { a: self } }, { properties: { a: self } }] }),
    /twice/,
  ],
  [
    "a reference by name and by pattern",
    "schema.schema",
    recursive({ properties: { a: self }, patternProperties: { "^a": self } }),
    /twice/,
  ],
  [
    "a reference that doubles",
    "schema.schema",
    recursive({ properties: { a: { ...self, properties: { a: self } } } }),
    /twice/,
  ],
  [
    "references that multiply",
    "schema.schema",
    schema({ definitions: { ...doubling, a20: {} }, allOf: [{ $ref: "#/definitions/a0" }] }),
    /more than/,
  ],
  [
    "2,001 values",
    "schema.schema",
    schema({ properties: { a: { enum: Array.from({ length: 2_001 }, (_, i) => i) } } }),
    /2000 values/,
  ],
  ["asynchronous validation", "schema.schema", schema({ $async: true }), /\$async/],
  [
    "a pattern with lookahead",
    "schema.schema",
    schema({ properties: { a: { pattern: "^(?=a)" } } }),
    /lookaround/,
  ],
  [
    "a pattern with a backreference",
    "schema.schema",
    schema({ patternProperties: { "(a)\\1": {} } }),
    /backreference/,
  ],
  ["a pattern that is none", "schema.schema", schema({ properties: { a: { pattern: "(" } } }), /unclosed/],
  [
    "additionalProperties when compatible",
    "schema.schema",
    { compatibility_mode: "compatible", ...schema({ additionalProperties: true }) },
    /compatible/,
  ],
  [
    "columns that differ in case",
    "schema.schema",
    schema({ properties: { a: { type: "string" }, A: { type: "string" } } }),
    /column name/,
  ],
  [
    "an impossible decimal",
    "schema.schema",
    schema({ properties: { a: { type: "number", format: "decimal(39,2)" } } }),
    /decimal/,
  ],
];

test.each(BAD)("refuses %s", async (_name, field, more, reason = /./) => {
  const door = await createDoor();
  const { raw, ...rest } = more;
  const declared = { ...declaration("shop.order", rest), ...("name" in rest ? { name: rest["name"] } : {}) };
  if (raw === true) Reflect.deleteProperty(declared, "schema");
  const answer = await door.declare(declared);
  const problem = (await answer.json()) as Record<string, string>;
  expect([answer.status, problem["code"], problem["field"]]).toEqual([422, "event_type.invalid", field]);
  expect(problem["detail"]).toMatch(reason);
  expect(problem["detail"]).toContain(field);
  expect(await (await get(door, "/event-types")).json()).toEqual([]);
  expect((await door.log.listStreams()).map(({ name }) => name)).toEqual(["muara.meta"]);
});

test.each([
  ["a tree", recursive({ properties: { left: self, right: { anyOf: [{ type: "null" }, self] } } })],
  ["a list of itself", recursive({ properties: { children: { type: "array", items: self } } })],
  [
    "draft-04",
    schema({
      $schema: "http://json-schema.org/draft-04/schema#",
      id: "x",
      properties: { a: { minimum: 1, exclusiveMinimum: true } },
    }),
  ],
  ["an unknown format", schema({ properties: { a: { type: "string", format: "colour" } } })],
  ["an id of its own", schema({ $id: "http://shop.example/order.json", properties: { a: {} } })],
  ["keys in metadata", { partition_strategy: "hash", partition_key_fields: ["metadata.eid"] }],
  [
    "keys by reference",
    {
      partition_strategy: "hash",
      partition_key_fields: ["a.b"],
      ...schema({
        definitions: { x: { properties: { b: { type: "string" } } } },
        properties: { a: { $ref: "#/definitions/x" } },
      }),
    },
  ],
  ["metadata in a data schema", { category: "data", ...schema({ properties: { metadata: {} } }) }],
  ["__proto__ as a field", schema('{"properties":{"__proto__":{"type":"string"}}}')],
])("accepts %s", async (_name, more) => {
  const door = await createDoor();
  const answer = await door.declare(declaration("shop.order", more));
  expect([answer.status, await answer.text()]).toEqual([201, expect.any(String)]);
});

test("one name, whatever its case", async () => {
  const door = await createDoor();
  expect((await door.declare(declaration("shop.Order"))).status).toBe(201);
  for (const name of ["shop.Order", "shop.order", "SHOP.ORDER"]) {
    const answer = await door.declare(declaration(name));
    expect([answer.status, await codeOf(answer)]).toEqual([409, "event_type.exists"]);
  }
  const both = await Promise.all([door.declare(declaration("a.b")), door.declare(declaration("A.B"))]);
  expect(both.map((answer) => answer.status).sort((a, b) => a - b)).toEqual([201, 409]);
});

test("one name in SQL, too, where dots and dashes are _", async () => {
  const door = await createDoor();
  expect((await door.declare(declaration("shop.order-paid"))).status).toBe(201);
  for (const name of ["shop-order.paid", "shop_order_paid", "Shop.Order_Paid"]) {
    const answer = await door.declare(declaration(name));
    expect(answer.status).toBe(409);
    const problem = (await answer.json()) as { code: string; detail: string };
    expect(problem.code).toBe("event_type.exists");
    expect(problem.detail).toContain('"shop.order-paid"');
  }
  expect((await door.declare(declaration("shop.order.paid2"))).status).toBe(201);
});

test("only who may sees, reads, declares", async () => {
  const door = await createDoor();
  for (const name of ["a", "b", "c", "d"]) await door.declare(declaration(name));
  const token = await door.token([
    { action: "read", kind: "event_type", name: "a" },
    { action: "write", kind: "event_type", name: "b" },
    { action: "admin", kind: "event_type", name: "e" },
    { action: "admin", kind: "table", name: "c" },
  ]);
  const headers = { authorization: `Bearer ${token}` };
  const listed = (await (await get(door, "/event-types", headers)).json()) as { name: string }[];
  expect(listed.map(({ name }) => name)).toEqual(["a", "b"]);
  const read = async (name: string): Promise<number> =>
    (await get(door, `/event-types/${name}`, headers)).status;
  expect([await read("a"), await read("b"), await read("c"), await read("unknown"), await read("e")]).toEqual(
    [200, 200, 403, 403, 404],
  );
  const declare = async (body: string): Promise<number> =>
    (await door.fetch(new Request("http://muara.test/event-types", { method: "POST", body, headers })))
      .status;
  expect(await declare(JSON.stringify(declaration("e")))).toBe(415); // text/plain
  headers["content-type" as keyof typeof headers] = "application/json";
  expect(await declare(JSON.stringify(declaration("e")))).toBe(201);
  expect(await declare(JSON.stringify(declaration("f")))).toBe(403);
  expect(await declare(JSON.stringify(declaration("a")))).toBe(403);
  expect(await declare("{}")).toBe(403);
  expect(await declare("{")).toBe(400);
});

test.each([
  ["GET", "/event-types", 401],
  ["POST", "/event-types", 401],
  ["GET", "/event-types/a", 401],
  ["POST", "/event-types/a/events", 401],
  ["DELETE", "/event-types/a", 401],
  ["GET", "/nowhere", 401],
  ["GET", "/health", 200],
])("%s %s without a token: %i", async (method, path, status) => {
  const door = await createDoor();
  const answer = await door.fetch(new Request(`http://muara.test${path}`, { method }));
  expect(answer.status).toBe(status);
  expect(answer.headers.get("www-authenticate") !== null).toBe(status === 401);
  expect(await answer.text()).toMatch(status === 401 ? /"code":"auth.missing"/ : /^OK$/);
});

test.each([
  ["PUT", "/event-types/a/events", 405, "GET, HEAD, POST"],
  ["PATCH", "/event-types/a", 405, "GET, HEAD, PUT, DELETE"],
  ["DELETE", "/event-types/a", 404, null],
  ["PUT", "/event-types/a/schemas", 405, "GET, HEAD, POST"],
  ["PATCH", "/event-types", 405, "GET, HEAD, POST"],
  ["GET", "/event-types/a/b/c", 404, null],
  ["GET", "/event-types/", 404, null],
  ["GET", "/", 404, null],
])("%s %s: %i", async (method, path, status, allow) => {
  const door = await createDoor();
  const authorization = `Bearer ${door.admin}`;
  const answer = await door.fetch(
    new Request(`http://muara.test${path}`, { method, headers: { authorization } }),
  );
  expect([answer.status, answer.headers.get("allow")]).toEqual([status, allow]);
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
});

test("flow ids are echoed when well-formed, else made", async () => {
  const door = await createDoor({ isOpen: true });
  const echoed = async (flowId: string): Promise<string | null> =>
    (
      await door.fetch(new Request("http://muara.test/health", { headers: { "x-flow-id": flowId } }))
    ).headers.get("x-flow-id");
  for (const good of ["a", "GKY7oDhpSiKY_gAAAABZ_A", "a/b+c=-_", "x".repeat(128)])
    expect(await echoed(good)).toBe(good);
  for (const bad of ["", "a b", "<script>", "x".repeat(129), "a;b", "ä"])
    expect(await echoed(bad)).toMatch(/^[0-9a-f-]{36}$/);
});

test("a crash between the declaration and its stream heals", async () => {
  const clock = new ManualClock(NOW_MS);
  const log = createMemoryLog({ clock, randomness: seededRandomness(1) });
  const createStream = log.createStream.bind(log);
  const before = await createDoor({ log });
  log.createStream = () => Promise.reject(new Error("killed"));
  expect((await before.declare(declaration("t"))).status).toBe(500);
  log.createStream = createStream;
  const after = await createDoor({ log });
  expect(await log.stream("t")).toBeUndefined();
  expect((await after.publish("t", JSON.stringify([event()]))).status).toBe(200);
  expect(await after.stored("t")).toHaveLength(1);
});

test("what another process declares is known at once", async () => {
  const clock = new ManualClock(NOW_MS);
  const log = createMemoryLog({ clock, randomness: seededRandomness(1) });
  const [one, other] = [await createDoor({ log }), await createDoor({ log })];
  await one.declare(declaration("t"));
  expect((await other.publish("t", JSON.stringify([event()]))).status).toBe(200);
});

test("without authentication everybody is admin", async () => {
  const door = await createDoor({ isOpen: true });
  const body = JSON.stringify(declaration("t"));
  const headers = { "content-type": "application/json" };
  const answer = await door.fetch(
    new Request("http://muara.test/event-types", { method: "POST", body, headers }),
  );
  expect(answer.status).toBe(201);
});

test("a new revision counts from the next request on", async () => {
  const door = await createDoor();
  const declared = (await (await door.declare(declaration("t"))).json()) as Record<string, unknown>;
  const body = JSON.stringify([event({ n: "1" })]);
  expect((await door.publish("t", body)).status).toBe(200);
  const stricter = {
    type: "json_schema",
    schema: '{"properties":{"n":{"type":"integer"}}}',
    version: "1.1.0",
  };
  await door.registry.put("event-type", "t", 1, { ...declared, schema: stricter });
  expect((await door.publish("t", body)).status).toBe(422);
  expect((await door.publish("t", JSON.stringify([event({ n: 1 })]))).status).toBe(200);
  expect((await door.stored("t")).map(({ header }) => header["schema_version"])).toEqual(["1.0.0", "1.1.0"]);
});

test("retention waits for landing, even where none has started", async () => {
  const door = await createDoor();
  await door.declare({ ...declaration("shop.kept"), options: { retention_time: 10_800_000 } });
  expect((await door.publish("shop.kept", JSON.stringify([event()]))).status).toBe(200);
  door.clock.advance(30 * 86_400_000);
  await door.log.retain();
  expect((await door.log.bounds("shop.kept", 0)).startOffset).toBe(0);
  await door.log.hold(landConsumer("shop.kept"), []);
  await door.log.retain();
  expect((await door.log.bounds("shop.kept", 0)).startOffset).toBe(1);
});

test("a stream whose creator ended before it was held is held by the next door", async () => {
  const door = await createDoor();
  await door.declare({ ...declaration("shop.orphan"), options: { retention_time: 10_800_000 } });
  expect((await door.publish("shop.orphan", JSON.stringify([event()]))).status).toBe(200);
  await door.log.hold(landConsumer("shop.orphan"), []);
  const next = await createDoor({ log: door.log });
  expect((await next.publish("shop.orphan", JSON.stringify([event()]))).status).toBe(200);
  door.clock.advance(30 * 86_400_000);
  await door.log.retain();
  expect((await door.log.bounds("shop.orphan", 0)).startOffset).toBe(0);
});
