/** Declaring an event type anew over HTTP: what may change, who learns of it, and what several at once come to. */
import { expect, test } from "vitest";
import { createMemoryLog } from "../../../adapters/memory/log.ts";
import { ManualClock, seededRandomness } from "../../../core/clock.ts";
import type { EventType } from "../../../core/event-type.ts";
import { type Door, createDoor, declaration, event, NOW_MS } from "./door.ts";

type Json = Record<string, unknown>;

const FIELDS: Json = {
  n: { type: "integer" },
  place: { type: "object", properties: { city: { type: "string" } } },
};
const GROWN: Json = {
  ...FIELDS,
  place: { type: "object", properties: { city: { type: "string" }, floor: { type: "integer" } } },
  note: { type: "string" },
};
const of = (properties: Json, more: Json = {}): Json => ({ type: "object", properties, ...more });
const declared = (schema: unknown, more: Json = {}): Json => declaration("shop.order", { schema, ...more });

function call(
  door: Door,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return door.fetch(
    new Request(`http://muara.test${path}`, {
      method,
      headers: { authorization: `Bearer ${door.admin}`, "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }),
  );
}

const put = (
  door: Door,
  body: unknown,
  query = "",
  headers: Record<string, string> = {},
): Promise<Response> => call(door, "PUT", `/event-types/shop.order${query}`, body, headers);
const read = async (door: Door): Promise<EventType> =>
  (await (await call(door, "GET", "/event-types/shop.order")).json()) as EventType;
const versions = async (door: Door): Promise<(string | undefined)[]> => {
  const answer = (await (await call(door, "GET", "/event-types/shop.order/schemas")).json()) as {
    items: EventType["schema"][];
  };
  return answer.items.map(({ version }) => version);
};

test("what grows gets the next version, is validated against at once, and keeps its older schemas", async () => {
  const door = await createDoor();
  await door.declare(declared(of(FIELDS)));
  const send = (fields: object): Promise<Response> =>
    door.publish("shop.order", JSON.stringify([event({ n: 1, ...fields })]));
  expect((await send({ note: 7 })).status).toBe(200); // nobody declared it
  door.clock.advance(60_000);
  const answer = await put(door, declared(of(GROWN)));
  expect([answer.status, answer.headers.get("etag")]).toEqual([200, '"2"']);
  const shown = (await answer.json()) as EventType;
  expect(shown.schema).toMatchObject({ version: "1.1.0", created_at: "2026-03-01T12:01:00.000Z" });
  expect([shown.created_at, shown.updated_at]).toEqual([
    "2026-03-01T12:00:00.000Z",
    "2026-03-01T12:01:00.000Z",
  ]);
  expect(await read(door)).toEqual(shown);
  expect((await send({ note: 7 })).status).toBe(422);
  expect((await send({ note: "x" })).status).toBe(200);
  expect((await door.stored("shop.order")).map(({ header }) => header["schema_version"])).toEqual([
    "1.0.0",
    "1.1.0",
  ]);
  const described = of({ ...GROWN, note: { type: "string", description: "by the customer" } });
  expect(((await (await put(door, declared(described))).json()) as EventType).schema.version).toBe("1.1.1");
  expect(await versions(door)).toEqual(["1.1.1", "1.1.0", "1.0.0"]);
});

test("the same again changes nothing, however its text is written, and what is left out stays", async () => {
  const door = await createDoor();
  await door.declare(declared(of(FIELDS), { audience: "company-internal", labels: { team: "a" } }));
  const before = await read(door);
  door.clock.advance(1_000);
  const spaced = JSON.stringify(of(FIELDS), null, 2);
  for (const body of [declared(of(FIELDS)), declared(spaced), before, {}])
    expect((await put(door, body)).headers.get("etag")).toBe('"1"');
  expect(await read(door)).toEqual(before);
  const answer = await put(door, { labels: { team: "b" } });
  expect(answer.headers.get("etag")).toBe('"2"');
  expect(await read(door)).toMatchObject({ labels: { team: "b" }, audience: "company-internal" });
  expect((await read(door)).schema).toEqual(before.schema);
  expect(await versions(door)).toEqual(["1.0.0"]);
});

const REFUSED: readonly [string, Json, Json, Json][] = [
  [
    "a field that goes",
    of(FIELDS),
    of({ n: { type: "integer" } }),
    { field: "place", new: null, reason: expect.stringMatching(/cannot go/) as unknown },
  ],
  [
    "a field with another name",
    of({ n: { type: "integer" }, old: { type: "string" } }),
    of({ n: { type: "integer" }, fresh: { type: "string" } }),
    { field: "old", reason: expect.stringMatching(/renamed to "fresh"/) as unknown },
  ],
  [
    "another type",
    of({ n: { type: "integer" } }),
    of({ n: { type: "string" } }),
    { field: "n", old: "integer", new: "string" },
  ],
  [
    "a narrower type",
    of({ n: { type: ["integer", "null"] } }),
    of({ n: { type: "integer" } }),
    { field: "n", reason: expect.stringMatching(/may not be null/) as unknown },
  ],
  [
    "a type that the table's column cannot become",
    of({ n: { type: "integer" } }),
    of({ n: { type: "number" } }),
    {
      field: "n",
      old: "long",
      new: "double",
      reason: expect.stringMatching(/decimal\(precision,scale\)/) as unknown,
    },
  ],
  [
    "text that may be something else now",
    of({ s: { type: "string" } }),
    of({ s: { type: ["string", "integer"] } }),
    { field: "s", old: "text", new: "JSON text" },
  ],
  [
    "texts in a list that may be something else now",
    of({ s: { type: "array", items: { type: "string" } } }),
    of({ s: { type: "array", items: { type: ["string", "integer"] } } }),
    { field: "s[]", old: "text", new: "JSON text" },
  ],
  [
    "fewer digits",
    of({ n: { type: "number", format: "decimal(10,2)" } }),
    of({ n: { type: "number", format: "decimal(10,4)" } }),
    { field: "n", old: "decimal(10,2)", new: "decimal(10,4)" },
  ],
  [
    "fewer values",
    of({ s: { enum: ["a", "b"] } }),
    of({ s: { enum: ["a"] } }),
    { field: "s", old: ["a", "b"], new: ["a"], reason: expect.stringMatching(/lacks "b"/) as unknown },
  ],
  [
    "a higher minimum",
    of({ n: { type: "integer", minimum: 1 } }),
    of({ n: { type: "integer", minimum: 2 } }),
    { field: "n", old: 1, new: 2 },
  ],
  [
    "a shorter text",
    of({ s: { type: "string" } }),
    of({ s: { type: "string", maxLength: 5 } }),
    { field: "s", new: 5 },
  ],
  [
    "no more unknown fields",
    of(FIELDS),
    of(FIELDS, { additionalProperties: false }),
    { field: "", new: false },
  ],
  [
    "inside of a list",
    of({ l: { type: "array", items: of({ x: { type: "integer" } }) } }),
    of({ l: { type: "array", items: of({ x: { type: "boolean" } }) } }),
    { field: "l[].x", old: "integer" },
  ],
  [
    "behind a reference",
    { ...of({ a: { $ref: "#/definitions/x" } }), definitions: { x: { type: "string", maxLength: 9 } } },
    { ...of({ a: { $ref: "#/definitions/x" } }), definitions: { x: { type: "string", maxLength: 8 } } },
    { field: "a", old: 9, new: 8 },
  ],
  ["a rule that nobody looks into", of(FIELDS), of(FIELDS, { not: { required: ["x"] } }), { keyword: "not" }],
];

test.each(REFUSED)("%s is refused, by name", async (_name, before, after, expected) => {
  const door = await createDoor();
  expect((await door.declare(declared(before))).status).toBe(201);
  const revision = (await call(door, "GET", "/event-types/shop.order")).headers.get("etag");
  const answer = await put(door, declared(after));
  expect([answer.status, answer.headers.get("content-type")]).toEqual([422, "application/problem+json"]);
  const problem = (await answer.json()) as Json & { changes: readonly Json[]; detail: string };
  expect(problem["code"]).toBe("event_type.incompatible");
  expect(problem.changes[0]).toMatchObject(expected);
  expect(problem.detail).toContain(String(problem.changes[0]!["reason"]));
  expect((await call(door, "GET", "/event-types/shop.order")).headers.get("etag")).toBe(revision);
  expect(await versions(door)).toEqual(["1.0.0"]);
});

const GROWING: readonly [string, Json, Json, readonly string[], readonly string[]][] = [
  ["new fields, at any depth", of(FIELDS), of(GROWN), ["place.floor", "note"], []],
  [
    "a field of a list's elements",
    of({ l: { type: "array", items: of({ x: { type: "integer" } }) } }),
    of({ l: { type: "array", items: of({ x: { type: "integer" }, y: { type: "string" } }) } }),
    ["l[].y"],
    [],
  ],
  [
    "an integer that gets digits",
    of({ n: { type: "integer" } }),
    of({ n: { type: "number", format: "decimal(30,2)" } }),
    [],
    ["n"],
  ],
  [
    "more digits",
    of({ n: { type: "number", format: "decimal(10,2)" } }),
    of({ n: { type: "number", format: "decimal(14,4)" } }),
    [],
    ["n"],
  ],
  [
    "null beside a type",
    of({ n: { type: "integer" } }),
    of({ n: { anyOf: [{ type: "integer" }, { type: "null" }] } }),
    [],
    [],
  ],
  ["more values", of({ s: { enum: ["a"] } }), of({ s: { enum: ["b", "a"] } }), [], []],
  ["any text instead of some", of({ s: { enum: ["a"] } }), of({ s: { type: "string" } }), [], []],
  [
    "looser bounds",
    of({ n: { type: "integer", minimum: 3, maximum: 5 } }),
    of({ n: { type: "integer", exclusiveMinimum: 2, maximum: 6 } }),
    [],
    [],
  ],
  ["what was required is optional", of(FIELDS, { required: ["n"] }), of(FIELDS), [], []],
  [
    "a schema that refers to itself",
    { ...of({ a: { $ref: "#/definitions/x" } }), definitions: { x: of({ x: { $ref: "#/definitions/x" } }) } },
    {
      ...of({ a: { $ref: "#/definitions/x" } }),
      definitions: { x: of({ x: { $ref: "#/definitions/x" }, y: { type: "string" } }) },
    },
    ["a.y"],
    [],
  ],
  [
    "a field whose name an open rule took",
    of({}, { additionalProperties: false }),
    of({ n: { type: "integer" } }, { additionalProperties: false }),
    ["n"],
    [],
  ],
];

test.each(GROWING)("%s: compatible", async (_name, before, after, added, widened) => {
  const door = await createDoor();
  expect((await door.declare(declared(before))).status).toBe(201);
  const judged = (await (await put(door, declared(after), "?dry_run=true")).json()) as Json;
  expect(judged).toMatchObject({
    verdict: "compatible",
    from: "1.0.0",
    to: "1.1.0",
    columns: { added, widened },
  });
  expect(await versions(door)).toEqual(["1.0.0"]);
  expect((await put(door, declared(after))).status).toBe(200);
  expect(await versions(door)).toEqual(["1.1.0", "1.0.0"]);
});

test("a definition that moves says nothing new", async () => {
  const door = await createDoor();
  const a = { type: "string" };
  await door.declare(declared({ ...of({ a: { $ref: "#/definitions/x" } }), definitions: { x: a } }));
  expect((await put(door, declared(of({ a })))).status).toBe(200);
  expect(await versions(door)).toEqual(["1.0.1", "1.0.0"]);
});

test.each([
  ["category", { category: "undefined" }],
  ["cleanup_policy", { cleanup_policy: "compact" }],
  ["default_statistic", { default_statistic: { read_parallelism: 4, write_parallelism: 4 } }],
])("%s is fixed", async (field, change) => {
  const door = await createDoor();
  await door.declare(declared(of(FIELDS), { partition_strategy: "random" }));
  const answer = await put(door, {
    ...(field === "category" ? { enrichment_strategies: [] } : {}),
    ...change,
  });
  expect(answer.status).toBe(422);
  expect(((await answer.json()) as { changes: Json[] }).changes.map((one) => one["field"])).toContain(field);
});

test("a type that promises nothing may change as far as its table can", async () => {
  const door = await createDoor();
  await door.declare(declared(of(FIELDS), { compatibility_mode: "none" }));
  const change = (schema: Json): Promise<Response> =>
    put(door, { schema: { type: "json_schema", schema: JSON.stringify(schema) } });
  expect((await change(of({ place: FIELDS["place"] }, { required: ["place"] }))).status).toBe(200);
  expect((await read(door)).schema.version).toBe("2.0.0");
  // The column is still there.
  const answer = await change(of({ place: FIELDS["place"], n: { type: "string" } }));
  expect(answer.status).toBe(422);
  expect(((await answer.json()) as { changes: Json[] }).changes[0]).toMatchObject({
    field: "n",
    old: "long",
    new: "string",
  });
  expect((await change(of(FIELDS))).status).toBe(200);
  expect(await versions(door)).toEqual(["2.1.0", "2.0.0", "1.0.0"]);
  expect((await put(door, { compatibility_mode: "forward" })).status).toBe(200);
  expect((await change(of({ n: { type: "integer" } }))).status).toBe(422);
});

test("only who may administer the type declares it anew, and learns whether it exists", async () => {
  const door = await createDoor();
  await door.declare(declared(of(FIELDS)));
  const token = await door.token([{ action: "write", kind: "event_type", name: "shop.order" }]);
  for (const name of ["shop.order", "shop.gone"]) {
    const headers = { authorization: `Bearer ${token}` };
    expect((await call(door, "PUT", `/event-types/${name}?dry_run=true`, {}, headers)).status).toBe(403);
  }
  expect((await call(door, "PUT", "/event-types/shop.gone", declared(of(FIELDS)))).status).toBe(404);
  expect((await put(door, { name: "shop.other" })).status).toBe(422);
  expect((await put(door, { schema: { type: "json_schema", schema: "{" } })).status).toBe(422);
});

test("of several processes each judges against the newest; a revision that is named must be it", async () => {
  const log = createMemoryLog({ clock: new ManualClock(NOW_MS), randomness: seededRandomness(1) });
  const doors = await Promise.all(Array.from({ length: 4 }, () => createDoor({ log })));
  const [one, other] = doors as [Door, Door];
  await one.declare(declared(of(FIELDS)));
  const names = doors.map((_, i) => `f${i}`);
  const answers = await Promise.all(
    doors.map((door, i) => put(door, declared(of({ ...FIELDS, [names[i]!]: { type: "string" } })))),
  );
  // Each lacks what the others added, so whoever comes second takes a field away.
  expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 422, 422, 422]);
  expect(await versions(one)).toEqual(["1.1.0", "1.0.0"]);
  const type = await read(other);
  const tag = (await call(other, "GET", "/event-types/shop.order")).headers.get("etag")!;
  expect((await put(one, { labels: { a: "1" } }, "", { "if-match": tag })).status).toBe(200);
  const late = await put(other, { ...type, labels: { a: "2" } }, "", { "if-match": tag });
  expect([late.status, ((await late.json()) as Json)["code"]]).toEqual([409, "declaration.conflict"]);
  expect((await put(other, {}, "", { "if-match": "W/1" })).status).toBe(400);
  // Changes that do not touch all happen.
  const labels = await Promise.all(doors.map((door, i) => put(door, { labels: { [names[i]!]: "x" } })));
  expect(labels.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
});

test("a process that ends between storing the old schema and declaring the new one loses nothing", async () => {
  const door = await createDoor();
  await door.declare(declared(of(FIELDS)));
  const append = door.log.append.bind(door.log);
  let appends = 0;
  door.log.append = (stream, ...rest) => {
    if (stream === "muara.meta" && ++appends === 2) throw new Error("ended");
    return append(stream, ...rest);
  };
  expect((await put(door, declared(of(GROWN)))).status).toBe(500);
  door.log.append = append;
  const next = await createDoor({ log: door.log });
  const again = (door2: Door): Promise<Response> =>
    door2.fetch(
      new Request("http://muara.test/event-types/shop.order", {
        method: "PUT",
        headers: { authorization: `Bearer ${next.admin}`, "content-type": "application/json" },
        body: JSON.stringify(declared(of(GROWN))),
      }),
    );
  expect(await versions(next)).toEqual(["1.0.0"]);
  expect((await again(next)).status).toBe(200);
  expect(await versions(next)).toEqual(["1.1.0", "1.0.0"]);
});
