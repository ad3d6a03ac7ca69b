/** The door and captured event types: their names, what cannot be taken back, and what an event of theirs has. */
import { expect, test } from "vitest";
import { CAPTURED_ANNOTATION } from "../../../core/change.ts";
import { createDoor, declaration, type Door } from "./door.ts";

const NAME = "shop1.public.accounts";

function captured(name = NAME, more: Record<string, unknown> = {}): Record<string, unknown> {
  return declaration(name, {
    category: "data",
    annotations: { [CAPTURED_ANNOTATION]: "on" },
    schema: { type: "object", properties: { id: { type: "integer" } } },
    ...more,
  });
}

async function publish(door: Door, name: string, event: unknown): Promise<number> {
  const body = JSON.stringify([event]);
  const headers = { authorization: `Bearer ${door.admin}`, "content-type": "application/json" };
  const url = `http://muara.test/event-types/${name}/events`;
  return (await door.fetch(new Request(url, { method: "POST", body, headers }))).status;
}

const CHANGE = {
  metadata: { eid: "00000000-0000-8000-8000-000000000001", occurred_at: "2026-03-01T10:00:00Z" },
  data_op: "C",
  data_type: "public.accounts",
  source: { shard: "shop1", incarnation: 1, lsn: 1, index: 0, xid: 1, change: "create" },
  data: { id: 1 },
};

test("source and before are members of changes, and of nothing else", async () => {
  const door = await createDoor();
  expect((await door.declare(captured())).status).toBe(201);
  const other = captured("plain", { annotations: {} });
  expect((await door.declare(other)).status).toBe(201);
  const { source: _, ...bare } = CHANGE;
  expect(await publish(door, NAME, CHANGE)).toBe(200);
  expect(await publish(door, NAME, { ...CHANGE, before: { id: 1 } })).toBe(200);
  expect(await publish(door, NAME, { ...CHANGE, before: null })).toBe(200);
  for (const bad of [bare, { ...CHANGE, source: "x" }, { ...CHANGE, before: 1 }, { ...CHANGE, after: {} }])
    expect(await publish(door, NAME, bad)).toBe(422);
  expect(await publish(door, "plain", bare)).toBe(200);
  expect(await publish(door, "plain", CHANGE)).toBe(422);
  expect(await publish(door, "plain", { ...bare, before: {} })).toBe(422);
});

test("only data is captured, for good, and names leave room for the current state's", async () => {
  const door = await createDoor();
  expect((await door.declare(captured("a", { category: "business" }))).status).toBe(422);
  const odd = captured("a", { annotations: { [CAPTURED_ANNOTATION]: "yes" } });
  expect((await door.declare(odd)).status).toBe(422);
  for (const name of ["a.current", "a.CURRENT", "b.c.current"])
    for (const annotations of [{}, { [CAPTURED_ANNOTATION]: "on" }])
      expect((await door.declare(captured(name, { annotations }))).status).toBe(422);
  expect((await door.declare(captured("a.currents"))).status).toBe(201);
  expect((await door.declare(captured("a".repeat(247)))).status).toBe(201);
  expect((await door.declare(captured("b".repeat(248)))).status).toBe(422);
  expect((await door.declare(captured("b".repeat(248), { annotations: {} }))).status).toBe(201);
  const put = async (annotations: Record<string, string>): Promise<number> => {
    const headers = { authorization: `Bearer ${door.admin}`, "content-type": "application/json" };
    const body = JSON.stringify(captured("a.currents", { annotations }));
    const url = "http://muara.test/event-types/a.currents";
    return (await door.fetch(new Request(url, { method: "PUT", body, headers }))).status;
  };
  expect(await put({ [CAPTURED_ANNOTATION]: "on", more: "x" })).toBe(200);
  expect(await put({})).toBe(422);
});
