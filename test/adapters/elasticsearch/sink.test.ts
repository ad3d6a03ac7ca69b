/** Rows in a real Elasticsearch: each once, the newest of a key, every digit, and what its mapping refuses. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openSearchSink } from "../../../adapters/elasticsearch/open.ts";
import type { Column } from "../../../core/columns.ts";
import { systemClock } from "../../../core/clock.ts";
import type { Sink, SinkBatch } from "../../../core/ports/sink.ts";
import type { SearchTarget } from "../../../core/search-target.ts";
import { rowJson } from "../../../core/row-json.ts";
import { batchOf, SINK_CASES, type SinkPlace } from "../../conformance/sink.ts";
import { type ElasticsearchServer, startElasticsearch } from "../../services/elasticsearch.ts";

const CREATED_MS = 1_790_000_000_000;
const never = new AbortController().signal;

let server: ElasticsearchServer;
let names = 0;
beforeAll(async () => {
  server = await startElasticsearch();
}, 240_000);
afterAll(() => server?.stop());

function freshIndex(): string {
  return `test-${++names}`;
}

interface Opening {
  readonly createdMs?: number;
  readonly nowMs?: () => number;
  readonly url?: string;
  readonly timeoutMs?: number;
}

function open(target: Partial<SearchTarget> & { index: string }, opening: Opening = {}): Promise<Sink> {
  const { createdMs = CREATED_MS, nowMs = () => CREATED_MS, url = server.url, timeoutMs = 20_000 } = opening;
  return openSearchSink(
    { ...systemClock, nowMs },
    {
      id: `delivery-${createdMs}`,
      createdMs,
      target: { target: "test", ...target },
      address: { url, replicas: 0 },
      readSecret: async () => "",
      timeoutMs,
    },
  );
}

interface Hit {
  readonly _id: string;
  readonly _index: string;
  readonly _version: number;
  readonly _source: Record<string, unknown>;
}

async function hitsOf(pattern: string, query: object = { match_all: {} }): Promise<readonly Hit[]> {
  await server.ask("POST", `/${pattern}/_refresh?allow_no_indices=true`);
  const answer = (await server.ask("POST", `/${pattern}/_search`, { query, size: 1_000, version: true })) as {
    hits: { hits: Hit[] };
  };
  return answer.hits.hits;
}

const COLUMNS: readonly Column[] = [
  { name: "event_id", type: { kind: "string" }, nullable: true },
  { name: "event_time", type: { kind: "timestamp" }, nullable: true },
  { name: "n", type: { kind: "long" }, nullable: true },
  { name: "price", type: { kind: "decimal", precision: 20, scale: 2, quoted: false }, nullable: true },
  { name: "weight", type: { kind: "double" }, nullable: true },
  { name: "day", type: { kind: "date" }, nullable: true },
  { name: "paid", type: { kind: "boolean" }, nullable: true },
  { name: "open", type: { kind: "json" }, nullable: true },
  {
    name: "customer",
    type: { kind: "struct", fields: [{ name: "email", type: { kind: "string" }, nullable: true }] },
    nullable: true,
  },
  { name: "tags", type: { kind: "list", element: { kind: "string" } }, nullable: true },
];

function batch(rows: readonly Record<string, unknown>[], sequence = 0, columns = COLUMNS): SinkBatch {
  return {
    ...batchOf(sequence, sequence),
    columns,
    rows: rows.map((values) => ({ key: null, json: rowJson(columns, values), values })),
  };
}

async function taken(sink: Sink, one: SinkBatch): Promise<void> {
  expect(await sink.write(one, never)).toEqual({ outcome: "taken" });
}

describe("as every sink", () => {
  test.each(SINK_CASES)("%s", async (_name, run) => {
    const index = freshIndex();
    const place: SinkPlace = {
      open: () => open({ index }),
      rows: async () => (await hitsOf(index)).map(({ _source }) => JSON.stringify(_source)),
    };
    await run(place);
  });
});

test("every digit stays, and is found by its type", async () => {
  const index = freshIndex();
  const sink = await open({ index });
  const row = {
    event_id: "e-1",
    event_time: -694_310_400_000_001n, // 1947
    n: 9_007_199_254_740_993n,
    price: 123_456_789_012_345_678n,
    weight: 0.1,
    day: 20_000,
    paid: true,
    open: '{"a":[1,"x",null]}',
    customer: { email: "a@example.org" },
    tags: ["red", "blue"],
  };
  await taken(sink, batch([row, { ...row, event_id: "e-2", open: "7", n: -1n }]));
  const text = await (await fetch(`${server.url}/${index}/_source/e-1`)).text();
  expect(text).toBe(rowJson(COLUMNS, row));
  const found = async (query: object): Promise<string[]> =>
    (await hitsOf(index, query)).map(({ _id }) => _id).toSorted();
  expect(await found({ term: { n: "9007199254740993" } })).toEqual(["e-1"]);
  expect(await found({ range: { event_time: { lt: "1950-01-01" } } })).toEqual(["e-1", "e-2"]);
  expect(await found({ term: { "price.exact": "1234567890123456.78" } })).toEqual(["e-1", "e-2"]);
  expect(await found({ term: { "customer.email": "a@example.org" } })).toEqual(["e-1", "e-2"]);
  expect(await found({ term: { tags: "blue" } })).toEqual(["e-1", "e-2"]);
  expect(await found({ term: { "open.a": 1 } })).toEqual([]);
  await sink.close();
});

test("of a key the row that was accepted last, in whatever order they come", async () => {
  const index = freshIndex();
  const sink = await open({ index, key: ["n"] });
  const early = batch([
    { n: 1n, weight: 1 },
    { n: 2n, weight: 2 },
    { n: 1n, weight: 3 },
  ]);
  const late = batch([{ n: 2n, weight: 4 }], 3);
  await taken(sink, early);
  await taken(sink, late);
  await taken(sink, early); // its answer was lost
  const rows = (await hitsOf(index)).map(({ _id, _source }) => `${_id} ${Number(_source["weight"])}`);
  expect(rows.toSorted()).toEqual(["[1] 3", "[2] 4"]);
  // Declared anew it counts from nothing again, and is the newer one all the same.
  const again = await open({ index, key: ["n"] }, { createdMs: CREATED_MS + 60_000 });
  await taken(again, batch([{ n: 2n, weight: 5 }]));
  await taken(sink, late);
  expect((await hitsOf(index)).find(({ _id }) => _id === "[2]")!._source["weight"]).toBe(5);
});

function accepted(weight: number, ingestMs: number, offset: bigint): Record<string, unknown> {
  return { n: 1n, weight, ingest_time: BigInt(CREATED_MS + ingestMs) * 1_000n, log_offset: offset };
}

test("of a key the row that was accepted last, where the table says when", async () => {
  const index = freshIndex();
  const sink = await open({ index, key: ["n"] });
  const columns = [
    ...COLUMNS,
    { name: "ingest_time", type: { kind: "timestamp" }, nullable: false },
    { name: "log_offset", type: { kind: "long" }, nullable: false },
  ] as const;
  const weight = async (): Promise<unknown> => (await hitsOf(index))[0]!._source["weight"];
  await taken(sink, batch([accepted(3, 1, 8n), accepted(2, 1, 7n), accepted(1, 0, 6n)], 0, columns));
  expect(await weight()).toBe(3);
  await taken(sink, batch([accepted(4, 1, 9n), accepted(0, 0, 5n)], 3, columns));
  expect(await weight()).toBe(4);
});

test("a row that does not fit is refused alone, the others are there", async () => {
  const index = freshIndex();
  const sink = await open({ index });
  await taken(sink, batch([{ event_id: "a", n: 1n }]));
  const words = COLUMNS.map((one) =>
    one.name === "n" ? { ...one, type: { kind: "string" } as const } : one,
  );
  const mixed = batch(
    [
      { event_id: "b", n: "2" },
      { event_id: "c", n: "two" },
    ],
    1,
    words,
  );
  const outcome = await sink.write(mixed, never);
  expect(outcome).toMatchObject({
    outcome: "refused",
    reason: expect.stringMatching(/^400 document_parsing/),
  });
  expect((await hitsOf(index)).map(({ _id }) => _id).toSorted()).toEqual(["a", "b"]);
});

/** The last µs of a day. */
function at(day: number): bigint {
  return BigInt(Date.UTC(2026, 10, day, 23, 59, 59, 999)) * 1_000n + 999n;
}

test("an index for each day, which goes after its time; a new type of a column begins with the next", async () => {
  const index = freshIndex();
  let nowMs = Date.UTC(2026, 10, 22, 12);
  const time = { column: "event_time", unit: "day", retention_days: 2 } as const;
  const sink = await open({ index, time }, { nowMs: () => nowMs });
  await server.ask("PUT", `/${index}-notes`); // not ours, whatever its name
  await taken(sink, batch([20, 21, 22].map((day) => ({ event_id: `e${day}`, event_time: at(day) }))));
  const indices = async (): Promise<string[]> =>
    ((await server.ask("GET", `/_resolve/index/${index}-*`)) as { indices: { name: string }[] }).indices.map(
      ({ name }) => name.slice(index.length + 1),
    );
  expect(await indices()).toEqual(["2026.11.20", "2026.11.21", "2026.11.22", "notes"]);
  nowMs = Date.UTC(2026, 10, 23) - 1; // the 20th ended 48 h ago but for 1 ms
  await taken(sink, batch([{ event_id: "x", event_time: at(22) }], 3));
  expect(await indices()).toContain("2026.11.20");
  nowMs += 600_001;
  const words = COLUMNS.map((one) =>
    one.name === "n" ? { ...one, type: { kind: "string" } as const } : one,
  );
  await taken(sink, batch([{ event_id: "y", event_time: at(23), n: "two" }], 4, words));
  expect(await indices()).toEqual(["2026.11.21", "2026.11.22", "2026.11.23", "notes"]);
});

test("ids longer than the engine takes, and rows without one", async () => {
  const index = freshIndex();
  const sink = await open({ index });
  const ids = ["x".repeat(512), "x".repeat(513), "ü".repeat(257), null];
  const rows = batch(ids.map((id) => ({ event_id: id })));
  await taken(sink, rows);
  await taken(sink, rows);
  const found = (await hitsOf(index)).map(({ _id }) => _id);
  expect(found).toHaveLength(4);
  expect(found).toEqual(expect.arrayContaining(["x".repeat(512), "shop:0:3"]));
});

test("erasure: by column, inside of a JSON column, of long values; told once", async () => {
  const index = freshIndex();
  const sink = await open({ index, time: { column: "event_time", unit: "month" } });
  const long = "y".repeat(9_000);
  const rows = Array.from({ length: 2_500 }, (_, i) => ({
    event_id: `e${i}`,
    event_time: BigInt(Date.UTC(2026, i % 3, 1)) * 1_000n,
    customer: { email: i % 2 === 0 ? "gone@example.org" : "stays@example.org" },
    open: `{"who":[{"name":"${i % 10 === 1 ? "gone" : "stays"}"}]}`,
    tags: i === 3 ? [long] : ["a"],
  }));
  for (let from = 0; from < rows.length; from += 500)
    await taken(sink, batch(rows.slice(from, from + 500), from));
  const erase = (id: string, column: string, value: string): Promise<unknown> =>
    sink.erase!({ id, column, value, columns: COLUMNS }, never);
  expect(await erase("1", "customer.email", "gone@example.org")).toEqual({ rows: 1_250 });
  expect(await erase("1", "customer.email", "gone@example.org")).toEqual({ rows: 1_250 });
  expect(await erase("2", "open.who.name", "gone")).toEqual({ rows: 250 });
  expect(await erase("3", "tags", long)).toEqual({ rows: 1 });
  expect(await erase("4", "customer.email", "nobody")).toEqual({ rows: 0 });
  await server.ask("POST", `/${index}-*/_refresh`);
  expect(await server.ask("GET", `/${index}-*/_count`)).toMatchObject({ count: 2_500 - 1_250 - 250 - 1 });
});

describe("a cluster in trouble", () => {
  test("that is killed takes the same rows later", async () => {
    const index = freshIndex();
    const sink = await open({ index }, { timeoutMs: 3_000 });
    await taken(sink, batch([{ event_id: "a", n: 1n }]));
    await server.kill();
    const next = batch([{ event_id: "b", n: 2n }], 1);
    expect(await sink.write(next, never)).toMatchObject({
      outcome: "later",
      reason: expect.stringMatching(/^the cluster cannot be reached/),
    });
    await server.restart();
    await taken(sink, next);
    expect((await hitsOf(index)).map(({ _id }) => _id).toSorted()).toEqual(["a", "b"]);
  }, 240_000);

  test("that takes no writes is asked later, and nothing is refused", async () => {
    const index = freshIndex();
    const sink = await open({ index });
    await taken(sink, batch([{ event_id: "a" }]));
    await server.ask("PUT", `/${index}/_settings`, { "index.blocks.write": true });
    const outcome = await sink.write(batch([{ event_id: "b" }], 1), never);
    expect(outcome).toMatchObject({ outcome: "later" });
    await server.ask("PUT", `/${index}/_settings`, { "index.blocks.write": false });
    await taken(sink, batch([{ event_id: "b" }], 1));
  });
});
