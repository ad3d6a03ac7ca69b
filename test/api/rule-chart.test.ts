/** What a rule saw, beside the same counted from the events in plain code; its bounds, and who may see it. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Stack, startStack, TINY_QUERY } from "./stack.ts";

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const WINDOW_MS = 300_000;
const BEGIN_MS = Math.floor((Date.now() - 12 * 3_600_000) / WINDOW_MS) * WINDOW_MS;
/** Some a window for six hours, then hardly any. */
const EVENTS = Array.from({ length: 100 }, (_, window) => window).flatMap((window) =>
  Array.from({ length: window < 72 ? 100 + (window % 3) : 1 }, (_, i) => ({
    atMs: BEGIN_MS + window * WINDOW_MS + i * 2_500,
    country: i % 2 === 0 ? "DE" : "AT",
  })),
);

let stack: Stack;
beforeAll(async () => {
  stack = await startStack(undefined, { query: TINY_QUERY });
  const schema = { type: "object", properties: { country: { type: "string" } } };
  const declared = {
    name: "order",
    owning_application: "t",
    category: "business",
    schema: { type: "json_schema", schema: JSON.stringify(schema) },
  };
  expect((await stack.call("POST", "/event-types", declared)).status).toBe(201);
  const sent = EVENTS.map(({ atMs, country }, i) => ({
    metadata: {
      eid: `aaaaaaaa-0000-4000-8000-${String(i).padStart(12, "0")}`,
      occurred_at: new Date(atMs).toISOString(),
    },
    country,
  }));
  expect((await stack.call("POST", "/event-types/order/events", sent)).status).toBe(200);
  await stack.settled("order");
  for (const rule of [
    { name: "Dropped", drop: { table: "order", window_ms: WINDOW_MS, labels: ["country"] } },
    {
      name: "Many",
      sql: {
        query: 'SELECT country, count(*) AS value FROM "order" WHERE event_time <= $now GROUP BY country',
        labels: ["country"],
      },
    },
  ])
    expect((await stack.call("POST", "/v1/rules", rule)).status).toBe(201);
});
afterAll(() => stack?.close());

interface Told {
  readonly complete_through: string | null;
  readonly points: readonly {
    readonly at: string;
    readonly value: number | null;
    readonly expected: number | null;
    readonly low: number | null;
    readonly is_dropping: boolean;
  }[];
}
const chart = (name: string, query: Readonly<Record<string, string>>): Promise<Told> =>
  stack.get<Told>(`/v1/rules/${name}/chart?${new URLSearchParams(query)}`);

test.each([{}, { country: "DE" }, { country: "AT" }, { country: "FR" }])(
  "counts of %o by window",
  async (labels) => {
    const told = await chart("Dropped", { labels: JSON.stringify(labels), points: "80" });
    const own = EVENTS.filter(({ country }) => labels.country === undefined || labels.country === country);
    expect(told.points.length).toBe(own.length === 0 ? 0 : 80);
    for (const { at, value } of told.points) {
      const from = Date.parse(at);
      expect(from % WINDOW_MS).toBe(0);
      expect(from + WINDOW_MS).toBeLessThanOrEqual(Date.parse(told.complete_through!));
      expect([at, value]).toEqual([
        at,
        own.filter(({ atMs }) => atMs >= from && atMs < from + WINDOW_MS).length,
      ]);
    }
  },
);

test("what is expected is what was usual, the bound lies below it, the first window of a drop below that", async () => {
  const { points } = await chart("Dropped", { labels: '{"country":"DE"}', points: "95" });
  const before = points.filter(
    ({ at }) => Date.parse(at) >= BEGIN_MS + 30 * WINDOW_MS && Date.parse(at) < BEGIN_MS + 72 * WINDOW_MS,
  );
  expect(before.length).toBe(42);
  for (const { expected, low, value, is_dropping: isDropping } of before) {
    expect(Math.abs(expected! - 50.5)).toBeLessThan(2);
    expect(low!).toBeLessThan(expected!);
    expect([value! < low!, isDropping]).toEqual([false, false]);
  }
  const first = points.find(({ at }) => Date.parse(at) === BEGIN_MS + 72 * WINDOW_MS)!;
  expect([first.value, first.value! < first.low!]).toEqual([1, true]);
});

test("a query is asked as of each moment", async () => {
  const until = BEGIN_MS + 50 * WINDOW_MS;
  const query = { until: new Date(until).toISOString(), points: "5", span_ms: String(40 * WINDOW_MS) };
  const { points } = await chart("Many", { ...query, labels: '{"country":"AT","severity":"page"}' });
  expect(points.map(({ at }) => Date.parse(at))).toEqual(
    [10, 20, 30, 40, 50].map((n) => BEGIN_MS + n * WINDOW_MS),
  );
  for (const { at, value } of points) {
    const seen = EVENTS.filter(({ atMs, country }) => atMs <= Date.parse(at) && country === "AT").length;
    expect([at, value]).toEqual([at, seen]);
  }
  const none = await chart("Many", { ...query, labels: '{"country":"FR"}' });
  expect(none.points.map(({ value }) => value)).toEqual([null, null, null, null, null]);
});

test.each([
  ["Dropped", "points=1000", 200],
  ["Dropped", "points=1001", 400],
  ["Dropped", "points=0", 400],
  ["Many", "points=24&span_ms=1000", 200],
  ["Many", "points=25", 400],
  ["Many", "span_ms=2678400000&points=1", 200],
  ["Many", "span_ms=2678400001", 400],
  ["Many", "labels=country", 400],
  ["Many", "labels=%7B%22a%22:1%7D", 400],
  ["Many", "until=soon", 400],
  ["None", "", 404],
])("%s?%s is answered %i", async (name, query, status) => {
  expect((await stack.call("GET", `/v1/rules/${name}/chart?${query}`)).status).toBe(status);
});

const path = (name: string): string => `/v1/rules/${name}/chart?points=1`;

async function as(grants: readonly object[]): Promise<number[]> {
  const made = await stack.call("POST", "/v1/tokens", { description: "t", grants });
  const { token } = (await made.json()) as { token: string };
  const headers = { authorization: `Bearer ${token}` };
  const answers = ["Dropped", "Many"].map((name) => stack.call("GET", path(name), undefined, headers));
  return (await Promise.all(answers)).map(({ status }) => status);
}

test("it is read with the rights of who asks, not of whose rule it is", async () => {
  const alerts = { action: "read", kind: "system", name: "alerts" };
  const table = { action: "read", kind: "table", name: "order" };
  expect(await as([alerts, table])).toEqual([200, 200]);
  expect(await as([alerts])).toEqual([404, 404]);
  expect(await as([table])).toEqual([404, 404]);
});
