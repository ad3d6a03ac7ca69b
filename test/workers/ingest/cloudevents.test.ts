/** CloudEvents through the door, sent and read back by the project's own SDK. */
import { CloudEvent, HTTP, type CloudEventV1, type Message } from "cloudevents";
import { expect, test } from "vitest";
import { createDoor, declaration, type Door } from "./door.ts";

const TYPE = "com.shop.order";
const SCHEMA = {
  type: "object",
  properties: { n: { type: "integer" }, source: { type: "string" } },
  required: ["n"],
};

async function doorWith(...types: Record<string, unknown>[]): Promise<Door> {
  const door = await createDoor();
  for (const type of types) expect((await door.declare(type)).status).toBe(201);
  return door;
}

function cloudType(name = TYPE, more: Record<string, unknown> = {}): Record<string, unknown> {
  return declaration(name, { category: "cloudevent", schema: SCHEMA, ...more });
}

function send(door: Door, body: BodyInit, headers: Record<string, string>, token = door.admin) {
  const all = { ...headers, authorization: `Bearer ${token}` };
  return door.fetch(new Request("http://muara.test/cloudevents", { method: "POST", body, headers: all }));
}

function sendMessage(door: Door, { headers, body }: Message): Promise<Response> {
  const texts = Object.entries(headers).map(([name, value]) => [name, String(value)]);
  return send(door, body as BodyInit, Object.fromEntries(texts));
}

function percentEncoded(text: string): string {
  return text.replaceAll(/[^\x21-\x7e]|["%]/gu, encodeURIComponent);
}

/** As the specification has it (§3.1.3.2 of the HTTP binding), and this SDK does not. */
function encoded(message: Message): Message {
  const headers = Object.entries(message.headers).map(([name, value]) => {
    return [name, name.startsWith("ce-") ? percentEncoded(String(value)) : value];
  });
  return { ...message, headers: Object.fromEntries(headers) };
}

const structured = (door: Door, event: unknown, token?: string): Promise<Response> => {
  const body = typeof event === "string" ? event : JSON.stringify(event);
  return send(door, body, { "content-type": "application/cloudevents+json" }, token);
};

const batched = (door: Door, events: readonly unknown[], token?: string): Promise<Response> =>
  send(door, JSON.stringify(events), { "content-type": "application/cloudevents-batch+json" }, token);

function bare(id: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return { specversion: "1.0", id, source: "/shop", type: TYPE, data: { n: 1 }, ...more };
}

/** What the SDK makes of a stored event. */
function received(payload: string): CloudEventV1<unknown> {
  const headers = { "content-type": "application/cloudevents+json" };
  return (HTTP.toEvent({ headers, body: payload }) as CloudEvent<unknown>).toJSON() as never;
}

async function problemOf(answer: Response): Promise<[number, string, unknown]> {
  const problem = (await answer.json()) as Record<string, unknown>;
  return [answer.status, String(problem["code"]), problem["pointer"] ?? problem["field"]];
}

test("an event sent by the SDK, in each mode, is stored as the SDK reads it", async () => {
  const door = await doorWith(cloudType());
  const events = [
    new CloudEvent({ type: TYPE, source: "/shop", data: { n: 1 } }),
    new CloudEvent({
      id: 'a "quoted" id, 100 % Größe €',
      type: TYPE,
      source: "https://shop.test/orders?a=b%20c",
      subject: "naïve/\u{1f9e6}",
      time: "2026-03-01T12:00:00.123456789Z",
      dataschema: "https://shop.test/schema",
      data: { n: 2, source: "inner" },
      traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      sequence: "7",
    }),
  ];
  for (const event of events) {
    for (const message of [encoded(HTTP.binary(event)), HTTP.structured(event)])
      expect((await sendMessage(door, message)).status).toBe(200);
    expect((await batched(door, [event.toJSON()])).status).toBe(200);
  }
  const stored = (await door.stored(TYPE)).map(({ payload }) => received(payload));
  expect(stored).toHaveLength(6);
  stored.forEach((one, i) => {
    const { datacontenttype: _type, ...sent } = events[
      Math.floor(i / 3)
    ]!.toJSON() as never as CloudEventV1<unknown>;
    const { datacontenttype: _other, ...kept } = one;
    expect(kept).toEqual(sent);
  });
});

test("data stays byte for byte what was sent", async () => {
  const door = await doorWith(cloudType());
  const data = '{ "n" : 1.0e0,"b":"\\u00e9" }';
  const headers = {
    "content-type": "application/json",
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": "/s",
    "ce-type": TYPE,
  };
  expect((await send(door, data, headers)).status).toBe(200);
  expect((await door.stored(TYPE))[0]!.payload).toContain(`"data":${data}}`);
  // What is no single value does not become other members.
  for (const body of ['{"n":1},"extra":1', '{"n":1}}', "", " ", '{"n":1},{"n":2}', "{"]) {
    const answer = await send(door, body, headers);
    expect([body, answer.status]).toEqual([body, 422]);
  }
  expect(await door.stored(TYPE)).toHaveLength(1);
});

test("other content becomes data_base64, where the type allows an event without data", async () => {
  const door = await doorWith(cloudType(TYPE, { schema: { type: "object" } }));
  const headers = { "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": TYPE };
  const bytes = Uint8Array.from({ length: 20_000 }, (_, i) => i % 251);
  const answers = [
    await send(door, bytes, { ...headers, "content-type": "application/octet-stream" }),
    await send(door, "", { ...headers, "content-type": "application/json" }),
    await structured(door, bare("3", { data: null, time: null, subject: null })),
  ];
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  const [first, ...others] = (await door.stored(TYPE)).map(({ payload }) => JSON.parse(payload));
  expect(Buffer.from(first.data_base64, "base64").equals(Buffer.from(bytes))).toBe(true);
  expect(others.map(({ data }) => data ?? null)).toEqual([null, null]);
});

test("what is wrong with an event is said by code and place, and nothing is stored", async () => {
  const door = await doorWith(cloudType());
  const cases: [Record<string, unknown> | string, string, string | null][] = [
    [bare("", {}), "event.id_malformed", "/id"],
    [{ ...bare("1"), id: undefined }, "event.id_missing", "/id"],
    [{ ...bare("1"), id: null }, "event.id_malformed", "/id"],
    [{ ...bare("1"), source: undefined }, "event.schema", "/source"],
    [bare("1", { source: "" }), "event.schema", "/source"],
    [bare("1", { source: 5 }), "event.schema", "/source"],
    [bare("1", { specversion: "0.3" }), "event.schema", "/specversion"],
    [{ ...bare("1"), specversion: undefined }, "event.schema", "/specversion"],
    [bare("1", { time: "yesterday" }), "event.time_malformed", "/time"],
    [bare("1", { subject: "" }), "event.schema", "/subject"],
    [bare("1", { dataschema: 1 }), "event.schema", "/dataschema"],
    [bare("1", { data: "text" }), "event.schema", "/data"],
    [bare("1", { data: [1] }), "event.schema", "/data"],
    [bare("1", { data: { n: "x" } }), "event.schema", "/data/n"],
    [bare("1", { data: {} }), "event.schema", "/data/n"],
    [{ ...bare("1"), data: undefined }, "event.schema", "/data/n"],
    [bare("1", { data: null }), "event.schema", "/data/n"],
    [bare("1", { data_base64: "AA==" }), "event.schema", "/data_base64"],
    [bare("1", { Upper: 1 }), "event.schema", "/Upper"],
    [bare("1", { with_line: 1 }), "event.schema", "/with_line"],
    [bare("1", { nested: {} }), "event.schema", "/nested"],
    [bare("1", { list: [] }), "event.schema", "/list"],
    ['{"type":"com.shop.order","type":"com.shop.order"}', "event.duplicate_key", null],
    [{ ...bare("1"), type: undefined }, "event.type_mismatch", "/type"],
    [bare("1", { type: 7 }), "event.type_mismatch", "/type"],
    ["", "event.not_json", null],
    ["[]", "event.not_object", null],
    ["{}{}", "event.not_json", null],
    [`${JSON.stringify(bare("1"))},${JSON.stringify(bare("2"))}`, "event.not_json", null],
  ];
  for (const [event, code, pointer] of cases) {
    const [status, said, at] = await problemOf(await structured(door, event));
    expect([event, status, said, at ?? null]).toEqual([event, 422, code, pointer]);
  }
  expect(await door.stored(TYPE)).toEqual([]);
});

test("requests that are no CloudEvent, and headers that are none", async () => {
  const door = await doorWith(cloudType(), declaration("plain"));
  const good = { "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": TYPE };
  const json = { "content-type": "application/json" };
  const refusals: [Record<string, string>, number][] = [
    [json, 415],
    [{ "content-type": "application/cloudevents+avro", ...good }, 415],
    [{ "content-type": "application/cloudevents+json; charset=latin1", ...good }, 415],
    [{ ...good, ...json, "ce-type": "" }, 400],
    [{ ...good, ...json, "ce-source": "%ff" }, 400],
    [{ ...good, ...json, "ce-not_one": "x" }, 400],
    [{ ...good, ...json, "ce-data": "x" }, 400],
    [{ ...good, ...json, "ce-type": "nobody.knows" }, 404],
    [{ ...good, ...json, "ce-type": "plain" }, 422],
    [{ ...good, ...json, "ce-specversion": "2.0" }, 422],
  ];
  const spelled = { "ce-id": '"a \\\\ \\"b\\""', "ce-source": "100%/%41%zz", "ce-subject": "%E2%82%AC" };
  expect((await send(door, '{"n":1}', { ...good, ...json, ...spelled })).status).toBe(200);
  const { id, source, subject } = JSON.parse((await door.stored(TYPE))[0]!.payload);
  expect([id, source, subject]).toEqual(['a \\ "b"', "100%/A%zz", "€"]);
  for (const [headers, status] of refusals) {
    const answer = await send(door, '{"n":1}', headers);
    expect([headers, answer.status]).toEqual([headers, status]);
    expect(answer.headers.get("content-type")).toBe("application/problem+json");
  }
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`ce-a${i}`, "x"]));
  expect((await send(door, '{"n":1}', { ...good, ...json, ...many })).status).toBe(400);
  expect(await door.stored(TYPE)).toHaveLength(1);
});

test("a batch of several types is judged as a whole, and each event goes where it belongs", async () => {
  const other = "com.shop.return";
  const door = await doorWith(cloudType(), cloudType(other));
  const events = Array.from({ length: 40 }, (_, i) =>
    bare(String(i), { type: i % 3 === 0 ? other : TYPE, data: { n: i } }),
  );
  const bad = [...events, bare("x", { data: { n: 0.5 } })];
  const refused = await batched(door, bad);
  expect(refused.status).toBe(422);
  const items = (await refused.json()) as Record<string, string>[];
  expect(items.map((item) => item["publishing_status"])).toEqual([...events.map(() => "aborted"), "failed"]);
  expect(items.at(-1)).toMatchObject({ code: "event.schema", pointer: "#/data/n" });
  expect(items.at(-1)!["detail"]).toMatch(/^event 40: /);
  expect([...(await door.stored(TYPE)), ...(await door.stored(other))]).toEqual([]);

  expect((await batched(door, events)).status).toBe(200);
  for (const [name, rest] of [
    [TYPE, (i: number) => i % 3 !== 0],
    [other, (i: number) => i % 3 === 0],
  ] as const) {
    const stored = (await door.stored(name)).map(({ payload }) => JSON.parse(payload));
    expect(stored).toEqual(events.filter((_, i) => rest(i)));
  }
  expect((await batched(door, [bare("1"), bare("2", { type: undefined })])).status).toBe(422);
  expect((await batched(door, [])).status).toBe(422);
});

test("rights are those on each type", async () => {
  const other = "com.shop.return";
  const door = await doorWith(cloudType(), cloudType(other));
  const token = await door.token([{ action: "write", kind: "event_type", name: TYPE }]);
  expect((await structured(door, bare("1"), token)).status).toBe(200);
  for (const type of [other, "nobody.knows"])
    expect((await structured(door, bare("1", { type }), token)).status).toBe(403);
  expect((await batched(door, [bare("2"), bare("3", { type: other })], token)).status).toBe(403);
  expect(await door.stored(TYPE)).toHaveLength(1);
  expect((await structured(door, bare("1"), "muara_none")).status).toBe(401);
});

test("an event sent again meets its twin, whatever the mode", async () => {
  const spread = { default_statistic: { read_parallelism: 1, write_parallelism: 8 } };
  const door = await doorWith(cloudType(TYPE, spread));
  for (let i = 0; i < 40; i++) {
    const event = new CloudEvent({ id: `id-${i}`, type: TYPE, source: "/s/%C3%A4", data: { n: i } });
    await sendMessage(door, encoded(HTTP.binary(event)));
    await sendMessage(door, HTTP.structured(event));
  }
  const places = Map.groupBy(await door.stored(TYPE), ({ payload }) => JSON.parse(payload).id as string);
  const partitions = [...places.values()].map((twins) => new Set(twins.map(({ partition }) => partition)));
  expect(partitions.map(({ size }) => size)).toEqual(partitions.map(() => 1));
  expect(new Set(partitions.map((one) => [...one][0])).size).toBeGreaterThan(4);
});
