/**
 * Upkeep of a table over HTTP, on the whole program: put together on request, paused, resumed; who may; and a foreign
 * writer (delta-rs) that rewrites the table under a pause while events go on arriving.
 */
import assert from "node:assert/strict";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runPython } from "../services/python.ts";
import { orderEvent, orderType, startStack, type Stack } from "./stack.ts";

const TYPE = "shop.ORDER-PLACED";
const HOUR_MS = 3_600_000;

type Item = Readonly<Record<string, unknown>>;

let stack: Stack;
let sent = 0;

beforeAll(async () => {
  stack = await startStack(undefined, { upkeep: { compactFiles: 4 } });
  assert.equal((await stack.call("POST", "/event-types", orderType(TYPE, 1))).status, 201);
}, 60_000);
afterAll(() => stack.close());

/** Each in a commit of its own, unless landing is paused. */
async function publish(count: number, isWaited = true): Promise<void> {
  for (let i = 0; i < count; i++) {
    const event = orderEvent(sent, String(sent));
    sent++;
    const response = await stack.call("POST", `/event-types/${TYPE}/events`, `[${event}]`);
    assert.equal(response.status, 200);
    if (isWaited) await stack.settled(TYPE);
  }
}

const shown = (): Promise<Item> => stack.get<Item>(`/v1/tables/${TYPE}`);
const act = async (
  what: string,
  body?: unknown,
  token?: string,
): Promise<{ status: number; answer: Item }> => {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await stack.call("POST", `/v1/tables/${TYPE}/${what}`, body, headers);
  return { status: response.status, answer: (await response.json()) as Item };
};

/** Every number that was sent, once. */
async function expectAll(): Promise<void> {
  const response = await stack.call("POST", "/v1/sql", {
    sql: `SELECT count(*), count(DISTINCT number), min(number), max(number) FROM "${TYPE}"`,
  });
  const { rows } = (await response.json()) as { rows: unknown[][] };
  expect(rows).toEqual([[String(sent), String(sent), "0", String(sent - 1)]]);
}

test("files are put together on request; the rows stay, and what comes again is known", async () => {
  await publish(10);
  expect((await shown())["files"]).toBe(10);
  const { status, answer } = await act("compact");
  expect([status, answer]).toMatchObject([
    200,
    { table: TYPE, files_before: 10, files_after: 1, rows: 10, elsewhere: false },
  ]);
  expect((await shown())["files"]).toBe(1);
  await expectAll();
  const again = await stack.call("POST", `/event-types/${TYPE}/events`, `[${orderEvent(3, "3")}]`);
  expect(again.status).toBe(200);
  await stack.settled(TYPE);
  const { items } = await stack.get<{ items: Item[] }>(`/v1/books?event_type=${TYPE}`);
  expect(items[0]).toMatchObject({ landed: 10, duplicates: 1, balanced: true });
  const verified = await stack.get<Item>(`/v1/tables/${TYPE}/verify?deep=true`);
  expect(verified["holds"]).toBe(true);
}, 120_000);

test("under a pause the door stays open, the state is shown, and delta-rs may rewrite the table", async () => {
  await publish(6);
  const { status, answer } = await act("pause");
  expect([status, answer["table"]]).toEqual([200, TYPE]);
  const untilMs = Date.parse(String(answer["paused_until"]));
  expect(untilMs - Date.now()).toBeGreaterThan(HOUR_MS - 60_000);
  expect(untilMs - Date.now()).toBeLessThanOrEqual(HOUR_MS);
  const pausedVersion = Number(answer["version"]);

  await publish(5, false);
  await expect.poll(async () => (await shown())["landing"], { timeout: 20_000 }).toBe("paused");
  expect(Date.parse(String((await shown())["paused_until"]))).toBe(untilMs);
  const health = (await (await stack.call("GET", "/health/ready")).json()) as Item;
  expect(health).toMatchObject({ status: "degraded", checks: { landing: "table.paused" } });
  expect((await act("compact")).answer).toMatchObject({ code: "table.paused", status: 409 });

  const rewritten = (await runPython(
    `
import sys, json
from deltalake import DeltaTable
table = DeltaTable(sys.argv[1])
before = table.version()
done = table.optimize.compact()
print(json.dumps({"before": before, "after": table.version(), "removed": done["numFilesRemoved"]}))
`,
    [path.join(stack.data, "lake", TYPE)],
    { timeoutMs: 300_000 },
  )) as { before: number; after: number; removed: number };
  // Nobody of Muara wrote meanwhile.
  expect(rewritten).toMatchObject({ before: pausedVersion, after: pausedVersion + 1 });
  expect(rewritten.removed).toBeGreaterThan(1);
  await publish(3, false);

  const resumed = await act("resume");
  expect(resumed.answer).toMatchObject({ table: TYPE, paused_until: null });
  await stack.settled(TYPE);
  await expectAll();
  expect(await shown()).toMatchObject({ landing: "landing", paused_until: null });
  // Ids of rows that somebody else has written anew are known.
  await stack.call("POST", `/event-types/${TYPE}/events`, `[${orderEvent(2, "2")}]`);
  await stack.settled(TYPE);
  await expectAll();
  await act("compact");
  await expectAll();
}, 600_000);

test("a pause ends by itself", async () => {
  const { answer } = await act("pause", { for_ms: 1_500 });
  await publish(1, false);
  expect(Date.parse(String(answer["paused_until"])) - Date.now()).toBeLessThanOrEqual(1_500);
  await stack.settled(TYPE);
  await expectAll();
}, 60_000);

test("for a time within bounds, by administrators of the table alone", async () => {
  for (const body of [{ for_ms: 999 }, { for_ms: 86_400_001 }, { for_ms: "1h" }, { until: 1 }, "[", "null"])
    expect((await act("pause", body)).status, JSON.stringify(body)).toBe(400);
  expect((await act("pause", "x".repeat(2_000))).status).toBe(413);
  const tokenOf = async (action: string): Promise<string> => {
    const response = await stack.call("POST", "/v1/tokens", {
      description: "a test",
      grants: [{ action, kind: "table", name: TYPE }],
    });
    return ((await response.json()) as { token: string }).token;
  };
  const [reader, administrator] = [await tokenOf("read"), await tokenOf("admin")];
  for (const what of ["compact", "pause", "resume"]) {
    expect((await act(what, undefined, reader)).answer, what).toMatchObject({ code: "auth.forbidden" });
    expect((await act(what, undefined, administrator)).status, what).toBe(200);
  }
  expect((await stack.call("POST", "/v1/tables/nothing/pause")).status).toBe(404);
}, 60_000);
