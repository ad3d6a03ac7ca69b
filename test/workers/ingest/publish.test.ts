/** What happens to good events: stored once, whole, in order, where the strategy says; and when the log does not. */
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import type { MemoryLogFault } from "../../../adapters/memory/log.ts";
import { createDoor, declaration, type Door, event } from "./door.ts";

const spread = { default_statistic: { read_parallelism: 1, write_parallelism: 8 } };

async function doorWith(...declarations: Record<string, unknown>[]): Promise<Door> {
  const door = await createDoor();
  for (const one of declarations) expect((await door.declare(one)).status).toBe(201);
  return door;
}

test("stores payloads as published, with what the door adds in the header", async () => {
  const door = await doorWith(declaration("t", { schema: {} }));
  const own = JSON.stringify(event({ n: 1 }, { flow_id: "own" }));
  const other = JSON.stringify(event({ n: 2 }));
  const answer = await door.publish("t", `[${own} ,\n${other}]`, { "x-flow-id": "flow-1" });
  expect([answer.status, await answer.text()]).toEqual([200, ""]);
  expect(answer.headers.get("x-flow-id")).toBe("flow-1");
  const stored = await door.stored("t");
  expect(stored.map(({ payload, key }) => [payload, key])).toEqual([
    [own, null],
    [other, null],
  ]);
  const added = { schema_version: "1.0.0", published_by: expect.stringMatching(/^token:/) };
  expect(stored.map(({ header }) => header)).toEqual([added, { ...added, flow_id: "flow-1" }]);
});

test("takes gzip, chunks of any size, JSON by other names", async () => {
  const door = await doorWith(declaration("t"));
  const body = JSON.stringify([event()]);
  const chunked = new ReadableStream({
    start(controller) {
      for (const byte of new TextEncoder().encode(body)) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  const sent = [
    await door.publish("t", gzipSync(body), { "content-encoding": "gzip" }),
    await door.publish("t", gzipSync(body), { "content-encoding": "X-GZIP" }),
    await door.publish("t", body, { "content-encoding": "identity" }),
    await door.publish("t", chunked),
    await door.publish("t", body, { "content-type": "application/json; charset=UTF-8" }),
    await door.publish("t", body, { "content-type": "application/vnd.shop+json" }),
    await door.publish("t", body, { "content-type": "" }),
  ];
  expect(sent.map((answer) => answer.status)).toEqual(sent.map(() => 200));
  expect(await door.stored("t")).toHaveLength(sent.length);
});

test("an event sent again meets its twin", async () => {
  const door = await doorWith(declaration("t", spread));
  const events = Array.from({ length: 200 }, (_, n) => event({ n }));
  await door.publish("t", JSON.stringify(events));
  for (const one of events.toReversed()) {
    const upper = JSON.stringify([one]).replace(/[0-9a-f-]{36}/, (eid) => eid.toUpperCase());
    expect((await door.publish("t", upper)).status).toBe(200);
  }
  const places = new Map<number, Set<number>>();
  for (const { payload, partition } of await door.stored("t")) {
    const { n } = JSON.parse(payload) as { n: number };
    places.set(n, (places.get(n) ?? new Set()).add(partition));
  }
  expect([...places.values()].every((partitions) => partitions.size === 1)).toBe(true);
  const used = new Set([...places.values()].map((partitions) => [...partitions][0]));
  expect(used.size).toBe(8);
});

test("events without an id are spread", async () => {
  const door = await doorWith(declaration("t", { ...spread, category: "undefined" }));
  for (let i = 0; i < 100; i++) await door.publish("t", "[{},{}]");
  const counts = Array.from({ length: 8 }, () => 0);
  for (const { partition } of await door.stored("t")) counts[partition]!++;
  expect(Math.min(...counts)).toBeGreaterThan(4);
});

test("user_defined goes where it says", async () => {
  const door = await doorWith(declaration("t", { ...spread, partition_strategy: "user_defined" }));
  const events = [7, 0, 3].map((partition) => event({ partition }, { partition: String(partition) }));
  expect((await door.publish("t", JSON.stringify(events))).status).toBe(200);
  const stored = await door.stored("t");
  expect(stored.map(({ partition, payload }) => [partition, JSON.parse(payload).partition])).toEqual([
    [0, 0],
    [3, 3],
    [7, 7],
  ]);
});

test("the key is the key fields' text", async () => {
  const keys = { partition_strategy: "hash", partition_key_fields: ["a", "b.c"] };
  const schema = { properties: { a: {}, b: { properties: { c: {} } } } };
  const door = await doorWith(
    declaration("t", { ...keys, schema }),
    declaration("d", { ...keys, schema, category: "data" }),
  );
  const bodies = [
    { a: "x", b: { c: "y" } },
    { a: 'q"\u00e4\n', b: { c: "" } },
    { a: 1.5, b: { c: true } },
    { a: null, b: { c: "😀" } },
  ];
  const expected = ["x,y", 'q"ä\n,', "1.5,true", "null,😀"];
  await door.publish("t", JSON.stringify(bodies.map((body) => event(body))));
  await door.publish(
    "d",
    JSON.stringify(bodies.map((data) => ({ ...event(), data_op: "C", data_type: "x", data }))),
  );
  for (const name of ["t", "d"]) expect((await door.stored(name)).map(({ key }) => key)).toEqual(expected);
});

/** Publishes 64 events into 8 partitions while appends to some fail. */
async function publishWith(faultOf: (partition: number) => MemoryLogFault | undefined): Promise<{
  answer: Response;
  eids: string[];
  stored: Set<string>;
}> {
  const door = await doorWith(declaration("t", spread));
  const events = Array.from({ length: 64 }, () => event()) as { metadata: { eid: string } }[];
  door.faults.onAppend = (stream, partition) => (stream === "t" ? faultOf(partition) : undefined);
  const answer = await door.publish("t", JSON.stringify(events));
  const stored = (await door.stored("t")).map(({ payload }) => JSON.parse(payload).metadata.eid as string);
  return { answer, eids: events.map(({ metadata }) => metadata.eid), stored: new Set(stored) };
}

test("207 names what is stored where some partitions refuse", async () => {
  const { answer, eids, stored } = await publishWith((partition) => {
    return (["overloaded", "full", "lost_unknown"] as const)[partition];
  });
  expect(answer.status).toBe(207);
  const items = (await answer.json()) as Record<string, string>[];
  expect(items.map(({ eid }) => eid)).toEqual(eids);
  for (const { eid, publishing_status, step, code } of items) {
    expect(step).toBe("publishing");
    expect(publishing_status).toBe(stored.has(eid!) ? "submitted" : "failed");
    expect(code ?? "").toMatch(stored.has(eid!) ? /^$/ : /^log\.(overloaded|full|append_unknown)$/);
  }
  expect(stored.size).toBeGreaterThan(0);
  expect(stored.size).toBeLessThan(64);
});

test("207 also where those that refuse have surely stored nothing", async () => {
  const { answer, stored } = await publishWith((partition) => (partition === 3 ? "overloaded" : undefined));
  expect(answer.status).toBe(207);
  const items = (await answer.json()) as Record<string, string>[];
  const submitted = items.filter((item) => item["publishing_status"] === "submitted");
  expect(new Set(submitted.map(({ eid }) => eid))).toEqual(stored);
  expect(submitted.length).toBeLessThan(64);
});

test("events far apart in the body", async () => {
  const door = await doorWith(declaration("t"));
  const events = Array.from({ length: 5 }, () => JSON.stringify(event()));
  expect((await door.publish("t", `[${events.join(` ,${" ".repeat(1_000)}`)}]`)).status).toBe(200);
  expect((await door.stored("t")).map(({ payload }) => payload)).toEqual(events);
  const { bytes } = await door.log.read("t", 0, 0, 1_000_000);
  expect(bytes.length).toBeLessThan(2_000);
});

test.each([
  ["overloaded", 429, "log.overloaded"],
  ["full", 507, "log.full"],
] as const)("all %s: nothing is stored, try again later", async (fault, status, code) => {
  const { answer, stored } = await publishWith(() => fault);
  expect(answer.status).toBe(status);
  expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(await answer.json()).toMatchObject({ code });
  expect(stored.size).toBe(0);
});

test.each(["stored_unknown", "lost_unknown"] as const)(
  "all %s: 207, send the same ids again",
  async (fault) => {
    const { answer, eids } = await publishWith(() => fault);
    expect(answer.status).toBe(207);
    const items = (await answer.json()) as Record<string, string>[];
    expect(items.map(({ eid, publishing_status, code }) => [eid, publishing_status, code])).toEqual(
      eids.map((eid) => [eid, "failed", "log.append_unknown"]),
    );
  },
);

test("a closed log", async () => {
  const door = await doorWith(declaration("t"));
  await door.publish("t", JSON.stringify([event()]));
  await door.log.close();
  const answer = await door.publish("t", JSON.stringify([event()]));
  expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([503, "log.closed"]);
});

test("is acknowledged only when the log has resolved", async () => {
  const door = await doorWith(declaration("t"));
  const append = door.log.append.bind(door.log);
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  door.log.append = async (...given) => {
    const appended = await append(...given);
    await released;
    return appended;
  };
  let isAnswered = false;
  const answer = door.publish("t", JSON.stringify([event()])).then((got) => {
    isAnswered = true;
    return got;
  });
  for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve));
  expect([isAnswered, (await door.stored("t")).length]).toEqual([false, 1]);
  release();
  expect((await answer).status).toBe(200);
});

test("bodies in flight are bounded, before they are read", async () => {
  const door = await createDoor({ inFlightBytes: 1_000_000 });
  await door.declare(declaration("t"));
  const { promise: sent, resolve: send } = Promise.withResolvers<void>();
  const held = new ReadableStream({
    async start(controller) {
      controller.enqueue(new TextEncoder().encode(`[${" ".repeat(900_000)}`));
      await sent;
      controller.enqueue(new TextEncoder().encode(`${JSON.stringify(event())}]`));
      controller.close();
    },
  });
  const first = door.publish("t", held);
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
  const body = JSON.stringify([event({ pad: "x".repeat(200_000) })]);
  const plain = await door.publish("t", body, { "content-length": String(body.length) });
  const streamed = await door.publish("t", new Blob([body]).stream());
  const zipped = await door.publish("t", gzipSync(body), { "content-encoding": "gzip" });
  for (const answer of [plain, streamed, zipped]) {
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([429, "1"]);
    expect(await answer.json()).toMatchObject({ code: "log.overloaded" });
  }
  send();
  expect((await first).status).toBe(200);
  expect((await door.publish("t", body)).status).toBe(200);
  expect(await door.stored("t")).toHaveLength(2);
});

test("one request always fits, and leaves nothing behind", async () => {
  const door = await createDoor({ inFlightBytes: 10 });
  expect((await door.declare(declaration("t"))).status).toBe(201);
  for (const sent of ["[", JSON.stringify([event()]), "{}", JSON.stringify([event()])]) {
    const answer = await door.publish("t", sent, { "content-length": String(sent.length) });
    expect(answer.status).toBe(sent.length > 2 ? 200 : 400);
  }
});

test("many at once are all stored, each once", async () => {
  const door = await doorWith(
    declaration("a", spread),
    declaration("b", { ...spread, schema: { properties: { n: { type: "integer" } } } }),
  );
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, n) =>
      door.publish(n % 2 ? "a" : "b", JSON.stringify([event({ n }), event({ n })])),
    ),
  );
  expect(answers.every((answer) => answer.status === 200)).toBe(true);
  const stored = [...(await door.stored("a")), ...(await door.stored("b"))];
  expect(new Set(stored.map(({ payload }) => payload)).size).toBe(400);
  expect(stored).toHaveLength(400);
});
