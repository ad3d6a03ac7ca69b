/** What came again under a known id: counted by how its bytes compare, and shown beside what landed. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventId, orderEvent, orderType, type Stack, startStack, TINY_QUERY } from "./stack.ts";

const TYPE = "shop.order";
const SAME = 3;
const OTHER = 2;

type Item = Readonly<Record<string, unknown>>;
interface List {
  readonly items: readonly Item[];
  readonly next_cursor: string | null;
}

let stack: Stack;

beforeAll(async () => {
  stack = await startStack(undefined, { query: TINY_QUERY });
  expect((await stack.call("POST", "/event-types", orderType(TYPE, 2))).status).toBe(201);
  const publish = async (events: readonly string[]): Promise<void> => {
    const response = await stack.call("POST", `/event-types/${TYPE}/events`, `[${events.join(",")}]`);
    expect(response.status).toBe(200);
    await stack.settled(TYPE);
  };
  await publish(Array.from({ length: SAME + OTHER }, (_, i) => orderEvent(i, "1")));
  const again = Array.from({ length: SAME + OTHER }, (_, i) =>
    orderEvent(i, i < SAME ? "1" : "9007199254740993"),
  );
  await publish(again);
});

afterAll(() => stack.close());

test("they are counted apart, per table and in the books", async () => {
  const counts = { identical: SAME, different: OTHER, unknown: 0 };
  const { items } = await stack.get<List>("/v1/tables");
  expect(items.map((item) => item["duplicates"])).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
    counts,
  ]);
  expect((await stack.get<Item>(`/v1/tables/${TYPE}`))["duplicates"]).toEqual(counts);
  const books = await stack.get<List>("/v1/books");
  expect(books.items[0]).toMatchObject({
    duplicates: SAME + OTHER,
    duplicates_different: OTHER,
    balanced: true,
  });
});

test("they are listed in pages and by verdict", async () => {
  const seen: string[] = [];
  let next = "";
  do {
    const page: List = await stack.get(`/v1/duplicates?limit=2${next}`);
    seen.push(...page.items.map((item) => String(item["event_id"])));
    next = page.next_cursor === null ? "" : `&cursor=${encodeURIComponent(page.next_cursor)}`;
  } while (next !== "");
  expect(seen.sort()).toEqual(Array.from({ length: SAME + OTHER }, (_, i) => eventId(i)));
  const different = await stack.get<List>(`/v1/duplicates?verdict=different&event_type=${TYPE}`);
  expect(different.items.map((item) => String(item["event_id"])).sort()).toEqual([
    eventId(SAME),
    eventId(SAME + 1),
  ]);
  for (const query of ["verdict=other", "cursor=x", "since=x", "limit=0"])
    expect((await stack.call("GET", `/v1/duplicates?${query}`)).status).toBe(400);
});

test("one is shown beside what landed, with every difference and every digit", async () => {
  const [one] = (await stack.get<List>(`/v1/duplicates?event_id=${eventId(SAME)}`)).items;
  const shown = await stack.get<Item>(`/v1/duplicates/${String(one!["duplicate_id"])}`);
  expect(shown).toMatchObject({
    verdict: "different",
    payload: orderEvent(SAME, "9007199254740993"),
    first_payload: orderEvent(SAME, "1"),
    differences: [{ pointer: "/number", first: "1", second: "9007199254740993" }],
  });
  for (const id of ["nothing", "a:0:0", "a:0:0' OR true --"])
    expect((await stack.call("GET", `/v1/duplicates/${encodeURIComponent(id)}`)).status).toBe(404);
});

test("only whoever may read the table sees them", async () => {
  const grants = [{ action: "read", kind: "table", name: "other" }];
  const made = await stack.call("POST", "/v1/tokens", { description: "t", grants });
  const { token } = (await made.json()) as { token: string };
  const authorization = `Bearer ${token}`;
  const [one] = (await stack.get<List>("/v1/duplicates")).items;
  const list = await stack.call("GET", "/v1/duplicates", undefined, { authorization });
  expect(((await list.json()) as List).items).toEqual([]);
  const route = `/v1/duplicates/${String(one!["duplicate_id"])}`;
  expect((await stack.call("GET", route, undefined, { authorization })).status).toBe(404);
});
