/**
 * A process as its cases went through it, beside the same counted from the events in plain code: map, variants, search,
 * how deadlines and completions stand.
 */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Stack, startStack, TINY_QUERY } from "./stack.ts";

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

const HOUR_MS = 3_600_000;
const BEGIN_MS = Date.parse("2026-03-02T00:00:00Z");
const WITHIN_MS = 48 * HOUR_MS;
const PROCESS = {
  name: "shop",
  activities: {
    ordered: { from: "shop.order", case: "number", fields: { parcels: "parcels" } },
    paid: { from: "shop.payment", case: "number" },
    shipped: { from: "shop.parcel", cases: "orders", fields: { parcel: "parcel" } },
  },
  deadlines: { in_time: { from: "ordered", to: "shipped", within: "48 hours" } },
  completions: {
    all_shipped: {
      anchor: "ordered",
      parts: "shipped",
      part: "parcel",
      needed: "parcels",
      within: "72 hours",
    },
  },
};

interface Told {
  readonly type: string;
  readonly cases: readonly number[];
  readonly atMs: number;
  readonly body: object;
}

const hourMs = (hours: number): number => BEGIN_MS + hours * HOUR_MS;

/** Case n is ordered at hour n; most are paid and shipped, some twice, some never, some late. */
function history(): readonly Told[] {
  const told: Told[] = [];
  for (let n = 0; n < 60; n++) {
    const parcels = 1 + (n % 2);
    told.push({ type: "shop.order", cases: [n], atMs: hourMs(n), body: { number: n, parcels } });
    if (n % 7 !== 0)
      told.push({ type: "shop.payment", cases: [n], atMs: hourMs(n + 1 + (n % 3)), body: { number: n } });
    if (n % 5 === 0) continue; // never shipped
    const hours = n % 11 === 0 ? 50 : 10 + (n % 4);
    for (let part = 0; part < parcels; part++)
      told.push({
        type: "shop.parcel",
        cases: [n],
        atMs: hourMs(n + hours + part),
        body: { orders: [n], parcel: `P${n}-${part}` },
      });
  }
  // The watermark goes on to hour 100, whatever else comes.
  for (const type of ["shop.order", "shop.payment", "shop.parcel"])
    told.push({
      type,
      cases: type === "shop.parcel" ? [] : [999],
      atMs: hourMs(100),
      body: type === "shop.parcel" ? { orders: [], parcel: "none" } : { number: 999, parcels: 1 },
    });
  return told.toSorted((a, b) => a.atMs - b.atMs);
}

const HISTORY = history();
const ACTIVITY = new Map([
  ["shop.order", "ordered"],
  ["shop.payment", "paid"],
  ["shop.parcel", "shipped"],
]);
const EID_FIRST: Readonly<Record<string, string>> = {
  "shop.order": "a",
  "shop.parcel": "b",
  "shop.payment": "c",
};
const STEPS = [...ACTIVITY.values()];

let stack: Stack;
beforeAll(async () => {
  stack = await startStack(undefined, {
    jobs: { jobs: 4 },
    land: { commitMs: 50, projectMs: 100 },
    query: TINY_QUERY,
  });
  const list = { type: "array", items: { type: "integer" } };
  const number = { type: "integer" };
  for (const [name, properties] of [
    ["shop.order", { number, parcels: number }],
    ["shop.payment", { number }],
    ["shop.parcel", { orders: list, parcel: { type: "string" } }],
  ] as const) {
    const schema = { type: "json_schema", schema: JSON.stringify({ type: "object", properties }) };
    const statistic = { messages_per_minute: 1, message_size: 1, read_parallelism: 1, write_parallelism: 1 };
    const declared = {
      name,
      owning_application: "t",
      category: "business",
      default_statistic: statistic,
      schema,
    };
    expect((await stack.call("POST", "/event-types", declared)).status).toBe(201);
  }
  for (const type of ACTIVITY.keys()) {
    const events = HISTORY.filter((one) => one.type === type).map(({ atMs, body }, i) => {
      const eid = `${EID_FIRST[type]}0000000-0000-4000-8000-${String(i).padStart(12, "0")}`;
      return { metadata: { eid, occurred_at: new Date(atMs).toISOString() }, ...body };
    });
    expect((await stack.call("POST", `/event-types/${type}/events`, events)).status).toBe(200);
    await stack.settled(type);
  }
  const declared = await stack.call("POST", "/v1/processes", { process: PROCESS });
  expect([declared.status, declared.ok ? "" : await declared.text()]).toEqual([201, ""]);
});
afterAll(() => stack?.close());

interface Step {
  readonly activity: string;
  readonly atMs: number;
}

/** [case] its steps by time. */
function byCase(): ReadonlyMap<number, readonly Step[]> {
  const cases = new Map<number, Step[]>();
  for (const { type, cases: of, atMs } of HISTORY)
    for (const one of of) {
      const steps = cases.get(one) ?? [];
      cases.set(one, [...steps, { activity: ACTIVITY.get(type)!, atMs }]);
    }
  const order = (a: Step, b: Step): number =>
    a.atMs - b.atMs || STEPS.indexOf(a.activity) - STEPS.indexOf(b.activity);
  return new Map([...cases].map(([name, steps]) => [name, steps.toSorted(order)]));
}

/** Linear between neighbours, as `quantile_cont` is. */
function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * part;
  const [low, high] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!];
  return Math.round(low + (high - low) * (at - Math.floor(at)));
}

interface Edge {
  readonly from: string | null;
  readonly to: string | null;
  readonly times: number;
  readonly cases: number;
  readonly median_ms: number | null;
  readonly p95_ms: number | null;
}
const edgeOrder = (a: Edge, b: Edge): number => (`${a.from} ${a.to}` < `${b.from} ${b.to}` ? -1 : 1);

function expectedEdges(of: ReadonlyMap<number, readonly Step[]>): readonly Edge[] {
  const found = new Map<
    string,
    { from: string | null; to: string | null; took: number[]; cases: Set<number>; times: number }
  >();
  const add = (name: number, from: string | null, to: string | null, tookMs?: number): void => {
    const key = `${from} ${to}`;
    const edge = found.get(key) ?? { from, to, took: [], cases: new Set(), times: 0 };
    found.set(key, edge);
    edge.times++;
    edge.cases.add(name);
    if (tookMs !== undefined) edge.took.push(tookMs);
  };
  for (const [name, steps] of of) {
    add(name, null, steps[0]!.activity);
    for (const [i, step] of steps.entries()) {
      const next = steps[i + 1];
      add(name, step.activity, next?.activity ?? null, next && next.atMs - step.atMs);
    }
  }
  return [...found.values()]
    .map(({ from, to, took, cases, times }) => ({
      from,
      to,
      times,
      cases: cases.size,
      median_ms: took.length === 0 ? null : quantile(took, 0.5),
      p95_ms: took.length === 0 ? null : quantile(took, 0.95),
    }))
    .toSorted(edgeOrder);
}

test("the map has each way between two activities once, with cases, median and p95", async () => {
  const map = await stack.get<{ edges: Edge[] }>("/v1/processes/shop/map");
  expect(map.edges.toSorted(edgeOrder)).toEqual(expectedEdges(byCase()));
});

test("bounds take whole cases by their first event", async () => {
  const [since, until] = [BEGIN_MS + 10 * HOUR_MS, BEGIN_MS + 20 * HOUR_MS];
  const bounds = `since=${new Date(since).toISOString()}&until=${new Date(until).toISOString()}`;
  const map = await stack.get<{ edges: Edge[] }>(`/v1/processes/shop/map?${bounds}`);
  const within = [...byCase()].filter(([, [first]]) => first!.atMs >= since && first!.atMs < until);
  expect(within.length).toBe(10);
  expect(map.edges.toSorted(edgeOrder)).toEqual(expectedEdges(new Map(within)));
});

test("variants are told with how many there are in all, the most common first", async () => {
  const found = await stack.get<{
    variants: number;
    cases: number;
    items: { path: string[]; cases: number; example: string }[];
  }>("/v1/processes/shop/variants?limit=3");
  const ways = new Map<string, number>();
  for (const steps of byCase().values()) {
    const way = steps.map(({ activity }) => activity).join(" ");
    ways.set(way, (ways.get(way) ?? 0) + 1);
  }
  expect([found.variants, found.cases]).toEqual([ways.size, byCase().size]);
  expect(found.items.map(({ cases }) => cases)).toEqual(
    [...ways.values()].toSorted((a, b) => b - a).slice(0, 3),
  );
  for (const { path, cases } of found.items) expect(ways.get(path.join(" "))).toBe(cases);
});

type State = "open" | "met" | "breached" | "resolved_late";

/** By the definition: of all case's parcels, as of the lowest watermark. */
function expectedState(n: number, asOfMs: number, withinMs: number, needed: number): State {
  const [first, ...rest] = byCase().get(n)!;
  const parts = rest.filter(({ activity }) => activity === "shipped").map(({ atMs }) => atMs);
  const dueMs = first!.atMs + withinMs;
  if (parts.filter((atMs) => atMs <= dueMs).length >= needed) return "met";
  if (asOfMs < dueMs) return "open";
  return parts.length >= needed ? "resolved_late" : "breached";
}

interface DeadlineTold {
  readonly rule: string;
  readonly states: Record<State, number>;
  readonly ageing: { from_ms: number; until_ms: number | null; cases: number }[];
  readonly due: ({ from: string; until: string } & Record<State, number>)[];
}

test("states of all deadlines and completions add up as the definition has them, and as each case's own", async () => {
  const told = await stack.get<{ complete_through: string; items: DeadlineTold[] }>(
    "/v1/processes/shop/deadlines",
  );
  const asOfMs = Date.parse(told.complete_through);
  expect(asOfMs).toBeGreaterThan(BEGIN_MS + 60 * HOUR_MS);
  expect(asOfMs).toBeLessThan(BEGIN_MS + 101 * HOUR_MS);
  const numbers = [...byCase().keys()];
  for (const [rule, withinMs, needed] of [
    ["in_time", WITHIN_MS, () => 1],
    ["all_shipped", 72 * HOUR_MS, (n: number) => (n === 999 ? 1 : 1 + (n % 2))],
  ] as const) {
    const expected: Record<State, number> = { open: 0, met: 0, breached: 0, resolved_late: 0 };
    for (const n of numbers) expected[expectedState(n, asOfMs, withinMs, needed(n))]++;
    const { states, ageing, due } = told.items.find((item) => item.rule === rule)!;
    expect([rule, states]).toEqual([rule, expected]);
    expect(ageing.reduce((sum, { cases }) => sum + cases, 0)).toBe(states.open);
    const counted = numbers.filter((n) => {
      const dueMs = byCase().get(n)![0]!.atMs + withinMs;
      return dueMs >= asOfMs - withinMs && dueMs < asOfMs + withinMs;
    });
    const inDue = due.reduce((sum, one) => sum + one.open + one.met + one.breached + one.resolved_late, 0);
    expect([rule, inDue]).toEqual([rule, counted.length]);
    const past = due.filter((one) => Date.parse(one.until) <= asOfMs);
    expect([rule, past.map((one) => one.open)]).toEqual([rule, past.map(() => 0)]);
  }
  expect(told.items.map(({ states }) => Object.values(states).filter((n) => n > 0).length)).toEqual([4, 3]);
});

test("the cases behind a count are listed, what is due first, as each case says itself", async () => {
  for (const rule of ["in_time", "all_shipped"]) {
    const path = `/v1/processes/shop/deadlines/${rule}?state=open,breached,resolved_late`;
    const { items } = await stack.get<{ items: { case_id: string; state: string; due_at: string }[] }>(path);
    expect(items.map(({ due_at: due }) => due)).toEqual(items.map(({ due_at: due }) => due).toSorted());
    const words = { breached: "exceeded", met: "complete" } as Record<string, string>;
    for (const { case_id: id, state, due_at: due } of items.slice(0, 6)) {
      const one = await stack.get<{ deadlines: { rule: string; state: string; due_at: string }[] }>(
        `/v1/cases/${id}?process=shop`,
      );
      const own = one.deadlines.find((deadline) => deadline.rule === rule)!;
      const word = rule === "all_shipped" ? (words[state] ?? state) : state;
      expect([id, own.state, own.due_at]).toEqual([id, word, due]);
    }
  }
  const first = await stack.get<{ items: unknown[]; is_truncated: boolean }>(
    "/v1/processes/shop/deadlines/in_time?state=met&limit=1",
  );
  expect([first.items.length, first.is_truncated]).toEqual([1, true]);
});

interface Found {
  readonly items: { case_id: string; last: string; events: number; last_at: string }[];
  readonly is_truncated: boolean;
}

function texts(rows: readonly (readonly unknown[])[]): string[] {
  return rows.map((row) => row.join(" ")).toSorted();
}

test("cases are found by a part of their name, by their latest activity, by what is missing", async () => {
  const all = await stack.get<Found>("/v1/cases?process=shop");
  const expected = [...byCase()].map(([n, steps]) => [String(n), steps.at(-1)!.activity, steps.length]);
  const rowsOf = ({ items }: Found): unknown[][] =>
    items.map((item) => [item.case_id, item.last, item.events]);
  expect(texts(rowsOf(all))).toEqual(texts(expected));
  expect(all.items.map((item) => item.last_at)).toEqual(
    all.items
      .map((item) => item.last_at)
      .toSorted()
      .toReversed(),
  );
  const fives = await stack.get<Found>("/v1/cases?process=shop&q=5&order=oldest");
  expect(texts(rowsOf(fives))).toEqual(texts(expected.filter(([n]) => String(n).includes("5"))));
  expect(fives.items.map((item) => item.last_at)).toEqual(fives.items.map((item) => item.last_at).toSorted());
  const paid = await stack.get<Found>("/v1/cases?last=paid");
  expect(texts(rowsOf(paid))).toEqual(texts(expected.filter(([, last]) => last === "paid")));
  const open = await stack.get<Found>("/v1/cases?unfinished=true&limit=1000");
  const unshipped = [...byCase()].filter(
    ([, steps]) => !steps.some(({ activity }) => activity === "shipped"),
  );
  expect(open.items.map(({ case_id: id }) => id).toSorted()).toEqual(
    unshipped.map(([n]) => String(n)).toSorted(),
  );
  const none = await stack.get<Found>(`/v1/cases?q=${encodeURIComponent("%' OR 1=1 --")}`);
  expect(none.items).toEqual([]);
});

test.each([
  ["/v1/cases?last=sent", 400],
  ["/v1/cases?order=up", 400],
  ["/v1/cases?unfinished=yes", 400],
  ["/v1/cases?limit=1001", 400],
  ["/v1/cases?limit=1000", 200],
  [`/v1/cases?q=${"x".repeat(256)}`, 400],
  [`/v1/cases?q=${"x".repeat(255)}`, 200],
  ["/v1/cases?process=none", 404],
  ["/v1/processes/shop/variants?limit=201", 400],
  ["/v1/processes/shop/map?since=yesterday", 400],
  ["/v1/processes/none/map", 404],
  ["/v1/processes/shop/deadlines/none", 404],
  ["/v1/processes/shop/deadlines/in_time?state=lost", 400],
])("%s is answered %i", async (path, status) => {
  expect((await stack.call("GET", path)).status).toBe(status);
});

test("who may not read one of its tables as a whole sees nothing of it", async () => {
  const paths = [
    "/v1/processes/shop/map",
    "/v1/processes/shop/variants",
    "/v1/processes/shop/deadlines",
    "/v1/processes/shop/deadlines/in_time",
    "/v1/cases?process=shop",
  ];
  const as = async (names: readonly string[]): Promise<number[]> => {
    const grants = names.map((name) => ({ action: "read", kind: "table", name }));
    const made = await stack.call("POST", "/v1/tokens", { description: "t", grants });
    const { token } = (await made.json()) as { token: string };
    const headers = { authorization: `Bearer ${token}` };
    return Promise.all(paths.map(async (path) => (await stack.call("GET", path, undefined, headers)).status));
  };
  expect(await as([...ACTIVITY.keys()])).toEqual(paths.map(() => 200));
  for (const missing of ACTIVITY.keys())
    expect(await as([...ACTIVITY.keys()].filter((name) => name !== missing))).toEqual(paths.map(() => 404));
});

test("the graph of a rule's job names what it reads, its stages and its table", async () => {
  const graph = await stack.get<{
    nodes: { id: string; kind: string; behind_versions?: number }[];
    edges: { from: string; to: string }[];
  }>("/v1/jobs/process.shop.in_time/graph");
  const ids = graph.nodes.map(({ id }) => id);
  expect(ids).toEqual([
    "table:shop.order",
    "table:shop.parcel",
    "stage:ordered",
    "stage:shipped",
    "stage:",
    "sink:process.shop.in_time",
  ]);
  expect(graph.edges).toEqual([
    { from: "table:shop.order", to: "stage:ordered" },
    { from: "table:shop.parcel", to: "stage:shipped" },
    { from: "stage:ordered", to: "stage:" },
    { from: "stage:shipped", to: "stage:" },
    { from: "stage:", to: "sink:process.shop.in_time" },
  ]);
});

test("the process tells what it is, and its configuration with where it came from", async () => {
  const system = await stack.get<{ version: string; workers: string[] }>("/v1/system");
  expect(system.workers).toContain("land");
  const { items } = await stack.get<{ items: { key: string; value: unknown; origin: string }[] }>(
    "/v1/config",
  );
  expect(items.find(({ key }) => key === "land.commitMs")).toMatchObject({ value: 50, origin: "file" });
  expect(items.find(({ key }) => key === "host")).toMatchObject({ value: "127.0.0.1", origin: "default" });
});
