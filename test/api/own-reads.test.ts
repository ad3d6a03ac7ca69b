/** What requests may ask for by SQL bounds no read of Muara's own: nothing is refused, nothing is cut short. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventId, orderEvent, orderType, type Stack, startStack, TINY_QUERY } from "./stack.ts";

const TYPE = "shop.ORDER";
const TOO_LARGE = "92233720368547758080";
const GOOD = 5;
const RESENT = 3;
const DEAD = 4;

type Items = { readonly items: readonly Readonly<Record<string, unknown>>[] };

let stack: Stack;

async function publish(...events: readonly string[]): Promise<void> {
  const response = await stack.call("POST", `/event-types/${TYPE}/events`, `[${events.join(",")}]`);
  expect(response.status, await response.text()).toBe(200);
}

beforeAll(async () => {
  stack = await startStack(undefined, { query: TINY_QUERY });
  expect((await stack.call("POST", "/event-types", orderType(TYPE, 2))).status).toBe(201);
  await publish(...Array.from({ length: GOOD }, (_, i) => orderEvent(i, "1")));
  await stack.settled(TYPE);
  for (let time = 0; time < RESENT; time++) await publish(orderEvent(0, "1"));
  await publish(...Array.from({ length: DEAD }, (_, i) => orderEvent(GOOD + i, TOO_LARGE)));
  await stack.settled(TYPE);
});

afterAll(() => stack.close());

test("requests are bound", async () => {
  const asked = async (body: object): Promise<number> => (await stack.call("POST", "/v1/sql", body)).status;
  expect(await asked({ sql: "SELECT 1", limit: 2 })).toBe(400);
  expect(await asked({ sql: `SELECT '${"x".repeat(TINY_QUERY.sqlBytes)}'` })).toBe(413);
  const cut = await stack.call("POST", "/v1/sql", { sql: "SELECT event_id FROM shop_ORDER" });
  expect(await cut.json()).toMatchObject({ truncated: true, rows: [[expect.any(String)]] });
});

test("books by hour, fates, dead letters, their groups and duplicates are not", async () => {
  const total = (items: Items["items"], field: string): number =>
    items.reduce((sum, item) => sum + Number(item[field]), 0);
  const { items: hours } = await stack.get<Items>(`/v1/books?by=hour&event_type=${TYPE}`);
  expect(total(hours, "accepted")).toBe(GOOD + RESENT + DEAD);
  expect(total(hours, "landed")).toBe(GOOD);
  const { fates } = await stack.get<{ fates: Items["items"] }>(`/v1/events/${eventId(0)}`);
  expect((fates.map(({ fate }) => fate) as string[]).toSorted((a, b) => a.localeCompare(b))).toEqual([
    ...Array.from({ length: RESENT }, () => "duplicate"),
    "landed",
  ]);
  const { items: letters } = await stack.get<Items>("/v1/dead-letters");
  expect(letters.length).toBe(DEAD);
  const { items: groups } = await stack.get<Items>("/v1/dead-letters/groups");
  expect(total(groups, "count")).toBe(DEAD);
  expect((await stack.get<Items>("/v1/duplicates")).items.length).toBe(RESENT);
});

test("dead letters are replayed by their ids, however long the list", async () => {
  const { items } = await stack.get<Items>("/v1/dead-letters");
  const made = Array.from({ length: 900 }, (_, i) => `${i}`.padStart(200, "x"));
  const ids = [...items.map((item) => String(item["dead_letter_id"])), ...made];
  const answer = await stack.call("POST", "/v1/dead-letters/replay", { ids, dry_run: true });
  expect([answer.status, await answer.json()]).toMatchObject([200, {}]);
});
