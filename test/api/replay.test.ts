/** Dead letters, corrected and published again: what a caller sees, and that it happens once. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventId, orderEvent, orderType, startStack, type Stack } from "./stack.ts";

const TYPE = "shop.order";
const PLAIN = "shop.click";
const TOO_LARGE = "9223372036854775808";
const GOOD = 5;
const DEAD = 12;

interface Item extends Readonly<Record<string, unknown>> {
  readonly dead_letter_id: string;
  readonly event_id: string | null;
  readonly outcome: string;
  readonly code: string | null;
  readonly state: string;
}
interface Answer {
  readonly dry_run: boolean;
  readonly counts: Readonly<Record<string, number>>;
  readonly items: readonly Item[];
  readonly next_cursor: string | null;
}

let stack: Stack;
const letters = new Map<string, string>();

async function replay(body: unknown, token = stack.token): Promise<Answer> {
  const response = await stack.call("POST", "/v1/dead-letters/replay", body, {
    authorization: `Bearer ${token}`,
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return (await response.json()) as Answer;
}

async function sql(text: string): Promise<unknown[][]> {
  const response = await stack.call("POST", "/v1/sql", { sql: text });
  return ((await response.json()) as { rows: unknown[][] }).rows;
}

async function stateOf(index: number): Promise<string> {
  return (await stack.get<Item>(`/v1/dead-letters/${idOf(index)}`)).state;
}

function idOf(index: number): string {
  return letters.get(eventId(index))!;
}

beforeAll(async () => {
  stack = await startStack(undefined, { query: { concurrency: 8 } });
  expect((await stack.call("POST", "/event-types", orderType(TYPE, 2))).status).toBe(201);
  const plain = { ...orderType(PLAIN, 1), category: "undefined" };
  expect((await stack.call("POST", "/event-types", plain)).status).toBe(201);
  const events = Array.from({ length: GOOD + DEAD }, (_, i) =>
    orderEvent(i, i < GOOD ? String(i) : TOO_LARGE),
  );
  expect((await stack.call("POST", `/event-types/${TYPE}/events`, `[${events.join(",")}]`)).status).toBe(200);
  const clicks = `[{"number":1},{"number":${TOO_LARGE}}]`;
  expect((await stack.call("POST", `/event-types/${PLAIN}/events`, clicks)).status).toBe(200);
  await stack.settled(TYPE);
  await stack.settled(PLAIN);
  const { items } = await stack.get<{ items: Item[] }>("/v1/dead-letters?state=open");
  for (const item of items) letters.set(String(item.event_id), item.dead_letter_id);
  expect(letters.size).toBe(DEAD + 1);
});

afterAll(() => stack.close());

test("a dry run says what would become of each, and writes nothing", async () => {
  const before = await stack.get<unknown>(`/v1/books?event_type=${TYPE}`);
  const asItIs = await replay({ filter: { event_type: TYPE }, dry_run: true });
  expect(asItIs.counts).toEqual({ refused: DEAD });
  expect(asItIs.items[0]).toMatchObject({
    code: "event.value_out_of_range",
    pointer: "/number",
    event_type: TYPE,
  });
  const fitting = await replay({
    filter: { event_type: TYPE },
    correction: { set: { "/number": "1" } },
    dry_run: true,
  });
  expect(fitting.counts).toEqual({ would_land: DEAD });
  const ids = [idOf(GOOD)];
  const landed = { "/number": "1", "/metadata/eid": JSON.stringify(eventId(0).toUpperCase()) };
  expect((await replay({ ids, correction: { set: landed }, dry_run: true })).counts).toEqual({
    would_be_duplicate: 1,
  });
  const bySchema = await replay({ ids, correction: { set: { "/number": '"1"' } }, dry_run: true });
  expect(bySchema.items[0]).toMatchObject({ code: "event.schema", pointer: "/number" });
  const noPlace = await replay({ ids, correction: { set: { "/x/y": "1" } }, dry_run: true });
  expect(noPlace.items[0]).toMatchObject({ code: "dead_letter.correction", pointer: "/x/y" });
  const noJson = await replay({ ids, correction: { event: "{} {}" }, dry_run: true });
  expect(noJson.items[0]).toMatchObject({ code: "event.not_json" });
  expect((await replay({ ids: ["x"], dry_run: true })).items[0]).toMatchObject({
    code: "dead_letter.not_found",
  });
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect({ ...(await stack.get<object>(`/v1/books?event_type=${TYPE}`)), as_of: 0 }).toEqual({
    ...(before as object),
    as_of: 0,
  });
});

test("a corrected one lands under its own id; the second time it is refused; the books balance", async () => {
  const ids = [idOf(GOOD)];
  const correction = { set: { "/number": "9007199254740993" } };
  const [first, second] = await Promise.all([replay({ ids, correction }), replay({ ids, correction })]);
  expect([first.items[0]!.outcome, second.items[0]!.outcome].sort()).toEqual(["accepted", "refused"]);
  const again = await replay({ ids, correction });
  expect(again.items[0]).toMatchObject({ outcome: "refused", code: "dead_letter.replayed" });
  await stack.settled(TYPE);
  expect(await stateOf(GOOD)).toBe("landed");
  expect((await replay({ ids, correction })).items[0]).toMatchObject({ code: "dead_letter.replayed" });
  const rows = await sql(`SELECT number, note FROM "${TYPE}" WHERE event_id = '${eventId(GOOD)}'`);
  expect(rows).toEqual([["9007199254740993", `n${GOOD}`]]);
  const lineage = await sql(`SELECT outcome, corrected, replayed_by IS NOT NULL, flow_id IS NOT NULL
    FROM replays WHERE dead_letter_id = '${ids[0]!}'`);
  expect(lineage).toEqual([["landed", true, true, true]]);
  const books = await stack.get<{ balanced: boolean; items: object[] }>(`/v1/books?event_type=${TYPE}`);
  expect(books.balanced).toBe(true);
  expect(books.items[0]).toMatchObject({ accepted: GOOD + DEAD + 1, landed: GOOD + 1, dead_letters: DEAD });
});

test("what landing would refuse again is not published", async () => {
  const { items } = await replay({ ids: [idOf(GOOD + 1)] });
  expect(items[0]).toMatchObject({
    outcome: "refused",
    code: "event.value_out_of_range",
    pointer: "/number",
  });
  expect(await stateOf(GOOD + 1)).toBe("open");
});

test("one whose id has landed meanwhile is a duplicate, and done with", async () => {
  const index = GOOD + 1;
  await stack.call("POST", `/event-types/${TYPE}/events`, `[${orderEvent(index, "7")}]`);
  await stack.settled(TYPE);
  const { items } = await replay({ ids: [idOf(index)], correction: { set: { "/number": "8" } } });
  expect(items[0]).toMatchObject({ outcome: "accepted" });
  await stack.settled(TYPE);
  expect(await stateOf(index)).toBe("duplicate");
  expect(await sql(`SELECT number FROM "${TYPE}" WHERE event_id = '${eventId(index)}'`)).toEqual([["7"]]);
});

test("events without an id land once, too, however often they are replayed", async () => {
  const ids = [letters.get([...letters.keys()].find((key) => !key.startsWith("aaaaaaaa"))!)!];
  const correction = { event: '{"number":3}' };
  const answers = await Promise.all(Array.from({ length: 5 }, () => replay({ ids, correction })));
  expect(answers.flatMap(({ items }) => items.map(({ outcome }) => outcome)).sort()).toEqual([
    "accepted",
    ...Array.from({ length: 4 }, () => "refused"),
  ]);
  await stack.settled(PLAIN);
  expect((await replay({ ids, correction })).counts).toEqual({ refused: 1 });
  expect(await sql(`SELECT number FROM "${PLAIN}" ORDER BY number`)).toEqual([["1"], ["3"]]);
});

test("a filter takes the open ones, in pages, oldest first", async () => {
  const correction = { set: { "/number": "5" } };
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const filter = { event_type: TYPE, reason: "event.value_out_of_range", ...(cursor ? { cursor } : {}) };
    const answer: Answer = await replay({ filter, correction, limit: 3 });
    expect(answer.counts).toEqual({ accepted: answer.items.length });
    seen.push(...answer.items.map((item) => String(item.event_id)));
    cursor = answer.next_cursor;
  } while (cursor !== null);
  expect(seen).toHaveLength(DEAD - 2);
  expect(new Set(seen).size).toBe(DEAD - 2);
  await stack.settled(TYPE);
  expect((await replay({ filter: {}, dry_run: true })).items).toEqual([]);
  expect(await sql(`SELECT count(*) FROM "${TYPE}" WHERE number = 5`)).toEqual([[String(DEAD - 2)]]);
  expect((await stack.get<{ items: unknown[] }>("/v1/dead-letters?state=landed")).items).toHaveLength(DEAD);
});

test("it takes the right to read the dead letter and to publish to its type", async () => {
  const tokenFor = async (...grants: object[]): Promise<string> => {
    const response = await stack.call("POST", "/v1/tokens", { description: "t", grants });
    return ((await response.json()) as { token: string }).token;
  };
  await stack.call("POST", `/event-types/${TYPE}/events`, `[${orderEvent(99, TOO_LARGE)}]`);
  await stack.settled(TYPE);
  const { items } = await stack.get<{ items: Item[] }>("/v1/dead-letters?state=open");
  const ids = [items[0]!.dead_letter_id];
  const correction = { set: { "/number": "1" } };
  const reader = await tokenFor({ action: "read", kind: "table", name: TYPE });
  expect((await replay({ ids, correction }, reader)).items[0]).toMatchObject({ code: "auth.forbidden" });
  const writer = await tokenFor({ action: "write", kind: "event_type", name: TYPE });
  expect((await replay({ ids, correction }, writer)).items[0]).toMatchObject({
    code: "dead_letter.not_found",
  });
  expect((await replay({ filter: {}, correction }, writer)).items).toEqual([]);
});

test("what is asked for must make sense", async () => {
  const bodies: unknown[] = [
    {},
    { ids: [] },
    { ids: ["a"], filter: {} },
    { ids: ["a", "b"], correction: { event: "{}" } },
    { filter: {}, correction: { event: "{}" } },
    { ids: ["a"], correction: { event: "{}", set: { "/a": "1" } } },
    { filter: { since: "yesterday" } },
    { filter: {}, limit: 1_001 },
    { filter: {}, more: 1 },
    { filter: { cursor: "x" } },
    "[",
  ];
  for (const body of bodies) {
    const response = await stack.call("POST", "/v1/dead-letters/replay", body);
    expect([body, response.status]).toEqual([body, 400]);
  }
});
