/** Quotas at the door: refused before the body, told when to come again, and nobody pays for another. */
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { resolveConfig, type ConfigInput } from "../../../core/config.ts";
import type { Grant } from "../../../core/authorize.ts";
import { createDoor, type Door } from "./door.ts";

const TYPE = "metered";
const GRANTS: readonly Grant[] = [
  { action: "write", kind: "event_type", name: "*" },
  { action: "read", kind: "event_type", name: "*" },
];
const schema = { type: "json_schema", schema: '{"type":"object"}' };

async function openDoor(quotas: NonNullable<ConfigInput["quotas"]>): Promise<Door> {
  const door = await createDoor({
    quotas: resolveConfig({ environment: {}, file: { quotas } }).config.quotas,
  });
  for (const [name, category] of [
    [TYPE, "undefined"],
    ["cloudy", "cloudevent"],
  ])
    await door.declare({ name, category, owning_application: "test", schema });
  return door;
}

const as = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });
const events = (count: number): string => JSON.stringify(Array.from({ length: count }, (_, i) => ({ i })));

describe("events per second", () => {
  test("a batch too many is refused, until the debt is paid, and another principal is not", async () => {
    const door = await openDoor({ eventsPerSecond: 10, burstMs: 1_000 });
    const [one, two] = [await door.token(GRANTS), await door.token(GRANTS)];
    const first = await door.publish(TYPE, events(25), as(one));
    expect([first.status, first.headers.get("ratelimit-policy")]).toEqual([200, '"events";q=10;w=1']);
    expect(first.headers.get("ratelimit")).toBe('"events";r=0;t=3');
    const second = await door.publish(TYPE, events(1), as(one));
    expect([second.status, second.headers.get("retry-after")]).toEqual([429, "2"]);
    expect([second.headers.get("ratelimit-policy"), second.headers.get("ratelimit")]).toEqual([
      '"events";q=10;w=1',
      '"events";r=0;t=2',
    ]);
    expect(await second.json()).toMatchObject({
      code: "quota.exceeded",
      quota: "events",
      limit: 10,
      wait_ms: 1_600,
    });
    expect((await door.publish(TYPE, events(1), as(two))).status).toBe(200);
    door.clock.advance(1_599);
    expect((await door.publish(TYPE, events(1), as(one))).status).toBe(429);
    door.clock.advance(1);
    expect((await door.publish(TYPE, events(1), as(one))).status).toBe(200);
    expect(await door.stored(TYPE)).toHaveLength(27);
  });

  test("events that are refused cost as much, CloudEvents too, a dry look at them nothing", async () => {
    const door = await openDoor({ eventsPerSecond: 10, burstMs: 1_000 });
    const token = await door.token(GRANTS);
    expect((await door.publish(TYPE, "[1,2,3]", as(token))).headers.get("ratelimit")).toContain("r=7;");
    const cloud = Array.from({ length: 4 }, (_, i) => ({
      specversion: "1.0",
      id: String(i),
      source: "/a",
      type: "cloudy",
      data: {},
    }));
    const answer = await door.fetch(
      new Request("http://muara.test/cloudevents", {
        method: "POST",
        headers: { ...as(token), "content-type": "application/cloudevents-batch+json" },
        body: JSON.stringify(cloud),
      }),
    );
    expect([answer.status, answer.headers.get("ratelimit")]).toEqual([200, '"events";r=3;t=1']);
  });

  test("a wait of minutes is said as it is", async () => {
    const door = await openDoor({ eventsPerSecond: 1, burstMs: 1_000 });
    const token = await door.token(GRANTS);
    await door.publish(TYPE, events(121), as(token));
    expect((await door.publish(TYPE, events(1), as(token))).headers.get("retry-after")).toBe("121");
  });
});

describe("bytes per second", () => {
  test("what is refused is not read", async () => {
    const door = await openDoor({ bytesPerSecond: 100, burstMs: 1_000 });
    const token = await door.token(GRANTS);
    expect((await door.publish(TYPE, events(30), as(token))).status).toBe(200);
    let pulls = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          pulls++;
          controller.enqueue(new TextEncoder().encode("[{}]"));
          controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    const refused = await door.publish(TYPE, body, as(token));
    expect([refused.status, pulls]).toEqual([429, 0]);
  });

  test("bytes count as they are without compression, announced or not", async () => {
    const door = await openDoor({ bytesPerSecond: 10_000, burstMs: 1_000 });
    const token = await door.token(GRANTS);
    const text = `[{"a":"${"x".repeat(4_990)}"}]`;
    const left = async (body: BodyInit, headers = {}): Promise<string | null> =>
      (await door.publish(TYPE, body, { ...as(token), ...headers })).headers.get("ratelimit");
    expect(await left(gzipSync(text), { "content-encoding": "gzip" })).toBe('"bytes";r=5000;t=1');
    expect(await left(text, { "content-length": String(text.length) })).toBe('"bytes";r=0;t=1');
  });
});

test("streams at a time", async () => {
  const door = await openDoor({ roles: { reader: { streams: 1 } } });
  await door.registry.put("role", "reader", 0, { description: "", grants: GRANTS });
  const { createToken } = await import("../../../core/token.ts");
  const { text, declared } = await createToken("test", [], door.clock.nowMs(), null, ["reader"]);
  await door.registry.put("token", declared.id, 0, declared);
  const open = (): Promise<Response> =>
    door.fetch(new Request(`http://muara.test/event-types/${TYPE}/events`, { headers: as(text) }));
  const first = await open();
  const second = await open();
  expect([first.status, second.status]).toEqual([200, 429]);
  expect(await second.text()).toContain("quotas");
  await first.body?.cancel();
  const third = await open();
  expect(third.status).toBe(200);
  await third.body?.cancel();
});
