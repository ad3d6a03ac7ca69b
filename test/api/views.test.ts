/**
 * What people look at, of the whole program: partitions and freshness, lineage, the schema for an editor, groups of
 * dead letters, and who fetched an extract. Beside it stands what the folder, SQL and single dead letters say.
 */
import { readdir, stat } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Manifest } from "../../lake/extract/manifest.ts";
import { eventually, temporaryFolder } from "../services/muara.ts";
import { eventId, orderEvent, orderType, startStack, type Stack } from "./stack.ts";

const TYPE = "ORDER_PLACED";
const OTHER = "OTHER";
const FEED = "orders_hourly";
const HOUR_MS = 3_600_000;
const HOUR = Math.floor(Date.now() / HOUR_MS - 2) * HOUR_MS;
const TARGET_MS = 400;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let stack: Stack;

function timed(index: number, atMs: number): string {
  const metadata = `{"eid":"${eventId(index)}","occurred_at":"${new Date(atMs).toISOString()}"}`;
  return `{"metadata":${metadata},"number":${index},"note":"n${index}"}`;
}

async function send(type: string, events: readonly string[]): Promise<void> {
  const response = await stack.call("POST", `/event-types/${type}/events`, `[${events.join(",")}]`);
  expect(response.status, await response.text()).toBe(200);
}

async function query(sql: string): Promise<unknown[][]> {
  const response = await stack.call("POST", "/v1/sql", { sql });
  return ((await response.json()) as { rows: unknown[][] }).rows;
}

async function tokenOf(name: string, grants: readonly object[]): Promise<string> {
  const made = await stack.call("POST", "/v1/tokens", { description: name, grants });
  return `Bearer ${((await made.json()) as { token: string }).token}`;
}

beforeAll(async () => {
  folder = await temporaryFolder("views");
  // A view can only be declared over a table that is there.
  const first = await startStack(undefined, { data: folder.path, query: { namespace: "off" } });
  const type = { ...orderType(TYPE, 2), annotations: { "muara/freshness": `${TARGET_MS} ms` } };
  expect((await first.call("POST", "/event-types", type)).status).toBe(201);
  await first.close();
  stack = await startStack(undefined, {
    data: folder.path,
    extract: { everyMs: 3_600_000 },
    query: { namespace: "off", rowsMax: 1_234_567 },
    views: { big_orders: { sql: `SELECT * FROM ${TYPE} WHERE number > 100` } },
    shares: { partners: { tables: { [TYPE]: { as: "sales.orders" } } } },
    extracts: {
      [FEED]: {
        sql: `SELECT event_id, event_time, number FROM ${TYPE}`,
        window: "hour",
        time: "event_time",
        key: ["event_id"],
      },
    },
  });
  await stack.call("POST", "/event-types", orderType(OTHER, 1));
  await send(TYPE, [timed(1, HOUR + 1), timed(2, HOUR + 2), timed(3, HOUR + HOUR_MS + 60_000)]);
  // Beyond 64 bits: accepted, and dead when it lands.
  await send(TYPE, [orderEvent(4, "9223372036854775808"), orderEvent(5, "18446744073709551616")]);
  await send(OTHER, [orderEvent(6, "99999999999999999999")]);
  await stack.settled(TYPE);
  await stack.settled(OTHER);
});

afterAll(async () => {
  await stack.close();
  await folder.remove();
});

interface Partitions {
  readonly items: readonly { values: { ingest_date: string }; files: number; bytes: number; rows: number }[];
  readonly log_partitions: readonly {
    partition: number;
    cursor: number;
    end_offset: number;
    lag_ms: number;
  }[];
  readonly lag_ms: number;
  readonly is_fresh: boolean;
}
const partitions = (): Promise<Partitions> => stack.get<Partitions>(`/v1/tables/${TYPE}/partitions`);

test("partitions are what the folder and the rows say", async () => {
  const found = await partitions();
  const rows = await query(`SELECT ingest_date::VARCHAR, count(*) FROM ${TYPE} GROUP BY 1 ORDER BY 1 DESC`);
  expect(found.items.map((one) => [one.values.ingest_date, String(one.rows)])).toEqual(rows);
  const lake = path.join(folder.path, "lake", TYPE);
  for (const { values, files, bytes } of found.items) {
    const place = path.join(lake, `ingest_date=${values.ingest_date}`);
    const names = (await readdir(place)).filter((name) => name.endsWith(".parquet"));
    const sizes = await Promise.all(names.map(async (name) => (await stat(path.join(place, name))).size));
    expect([files, bytes]).toEqual([names.length, sizes.reduce((sum, size) => sum + size, 0)]);
  }
  expect(found.log_partitions.map(({ cursor, end_offset: end }) => cursor === end)).toEqual([true, true]);
  expect((await stack.call("GET", `/v1/tables/${TYPE}/partitions?limit=0`)).status).toBe(400);
  expect((await stack.call("GET", `/v1/tables/${TYPE}/partitions?limit=10000`)).status).toBe(200);
  expect((await stack.call("GET", `/v1/tables/${TYPE}/partitions?limit=10001`)).status).toBe(400);
});

test("a partition that waits is not fresh, however fresh the other is", async () => {
  expect(await partitions()).toMatchObject({ lag_ms: 0, freshness_target_ms: TARGET_MS, is_fresh: true });
  expect((await stack.call("POST", `/v1/tables/${TYPE}/pause`, { for_ms: 600_000 })).status).toBe(200);
  const sentMs = Date.now();
  await send(TYPE, [timed(7, HOUR + HOUR_MS + 61_000)]);
  await eventually("it is behind its target", 20_000, async () => !(await partitions()).is_fresh);
  const late = await partitions();
  const waited = Date.now() - sentMs;
  const lags = late.log_partitions.map((one) => one.lag_ms).toSorted((a, b) => a - b);
  expect(lags[0]).toBe(0);
  expect(lags[1]).toBe(late.lag_ms);
  expect(late.lag_ms).toBeGreaterThan(TARGET_MS);
  expect(late.lag_ms).toBeLessThanOrEqual(waited + 1_000);
  const { items } = await stack.get<{ items: { name: string; is_fresh?: boolean }[] }>("/v1/tables?lag=true");
  expect(items.find(({ name }) => name === TYPE)?.is_fresh).toBe(false);
  expect(items.find(({ name }) => name === OTHER)).toMatchObject({
    lag_ms: 0,
    is_fresh: null,
    freshness_target_ms: null,
  });
  expect((await stack.call("POST", `/v1/tables/${TYPE}/resume`)).status).toBe(200);
  await stack.settled(TYPE);
  expect(await partitions()).toMatchObject({ lag_ms: 0, is_fresh: true });
});

test("lineage names what reads a table, and only what the asker may see", async () => {
  const rule = { name: "OrdersDrop", drop: { table: TYPE, window_ms: 60_000 } };
  const declared = await stack.call("POST", "/v1/rules", rule);
  expect(declared.status, await declared.clone().text()).toBe(201);
  const lineage = await stack.get<{ downstream: object[] }>(`/v1/tables/${TYPE.toLowerCase()}/lineage`);
  expect(lineage).toMatchObject({
    table: TYPE,
    upstream: [{ kind: "event_type", name: TYPE, detail: "published" }],
  });
  expect(lineage.downstream).toEqual(
    expect.arrayContaining([
      { kind: "extract", name: FEED, detail: null },
      { kind: "view", name: "big_orders", detail: null },
      { kind: "share", name: "partners", detail: "sales.orders" },
      { kind: "rule", name: "OrdersDrop", detail: null },
    ]),
  );
  expect(lineage.downstream).toHaveLength(4);
  expect(await stack.get("/v1/tables/big_orders/lineage")).toEqual({
    table: "big_orders",
    upstream: [{ kind: "table", name: TYPE, detail: null }],
    downstream: [],
  });
  const authorization = await tokenOf("reader", [{ action: "read", kind: "table", name: TYPE }]);
  const seen = await stack.call("GET", `/v1/tables/${TYPE}/lineage`, undefined, { authorization });
  expect(await seen.json()).toMatchObject({
    upstream: [{ name: TYPE }],
    downstream: [{ kind: "view", name: "big_orders" }],
  });
});

test("the editor's schema has the columns that SQL has, and the limits that hold", async () => {
  interface Schema {
    readonly tables: readonly { name: string; columns: { name: string; type: string }[] }[];
    readonly limits: { rows_max: number };
  }
  const { tables, limits } = await stack.get<Schema>("/v1/sql/schema");
  const described = await query(`DESCRIBE ${TYPE}`);
  const columns = tables.find(({ name }) => name === TYPE)!.columns;
  expect(columns.map(({ name, type }) => [name, type])).toEqual(
    described.map(([name, type]) => [name, type]),
  );
  const over = await stack.call("POST", "/v1/sql", { sql: "SELECT 1", limit: limits.rows_max + 1 });
  const edge = await stack.call("POST", "/v1/sql", { sql: "SELECT 1", limit: limits.rows_max });
  expect([limits.rows_max, over.status, edge.status]).toEqual([1_234_567, 400, 200]);
  await edge.body?.cancel();
  const authorization = await tokenOf("one column", [
    { action: "read", kind: "table", name: TYPE, columns: ["number"] },
  ]);
  const part = await stack.call("GET", "/v1/sql/schema", undefined, { authorization });
  const { tables: visible } = (await part.json()) as Schema;
  expect(visible.map(({ name, columns: all }) => [name, all.map((one) => one.name)])).toContainEqual([
    TYPE,
    ["number"],
  ]);
  expect(JSON.stringify(visible)).not.toContain(OTHER);
});

test("groups of dead letters add up to the single ones", async () => {
  interface Group {
    readonly event_type: string;
    readonly count: number;
    readonly open: number;
    readonly first_seen: string;
    readonly last_seen: string;
    readonly sample: { dead_letter_id: string };
  }
  const groups = async (more = ""): Promise<readonly Group[]> =>
    (await stack.get<{ items: readonly Group[] }>(`/v1/dead-letters/groups${more}`)).items;
  interface Letter {
    readonly dead_letter_id: string;
    readonly event_type: string;
    readonly reason: string;
    readonly ingest_time: string;
  }
  const { items: letters } = await stack.get<{ items: Letter[] }>("/v1/dead-letters");
  expect(letters).toHaveLength(3);
  const found = await groups();
  expect(found).toHaveLength(2);
  for (const group of found) {
    const own = letters.filter((letter) => letter.event_type === group.event_type); // newest first
    expect(group).toMatchObject({
      reason: own[0]!.reason,
      count: own.length,
      open: own.length,
      landed: 0,
      first_seen: own.at(-1)!.ingest_time,
      last_seen: own[0]!.ingest_time,
      sample: { dead_letter_id: own[0]!.dead_letter_id },
    });
  }
  const letter = letters.find((one) => one.event_type === OTHER);
  const replayed = await stack.call("POST", "/v1/dead-letters/replay", {
    ids: [letter!.dead_letter_id],
    correction: { set: { "/number": "6" } },
  });
  expect(replayed.status).toBe(200);
  await eventually("its replay has landed", 20_000, async () => (await groups("?state=landed")).length === 1);
  expect(await groups(`?event_type=${OTHER}`)).toMatchObject([{ count: 1, open: 0, landed: 1 }]);
  expect(await groups("?state=open")).toMatchObject([{ event_type: TYPE, count: 2 }]);
  expect((await stack.call("GET", "/v1/dead-letters/groups?state=gone")).status).toBe(400);
  const authorization = await tokenOf("other", [{ action: "read", kind: "table", name: OTHER }]);
  const seen = await stack.call("GET", "/v1/dead-letters/groups", undefined, { authorization });
  expect(await seen.json()).toMatchObject({ items: [{ event_type: OTHER }], truncated: false });
  expect(await stack.get("/v1/dead-letters/groups?limit=1")).toMatchObject({ truncated: true });
});

test("who fetched an extract is written down once, by the file", async () => {
  const wanted = new Date(HOUR + HOUR_MS).toISOString();
  await eventually("the hour is published", 30_000, async () => {
    const made = await stack.call("POST", `/v1/extracts/${FEED}/make`);
    return ((await made.json()) as { complete_through: string }).complete_through === wanted;
  });
  const fetches = async (): Promise<readonly Record<string, unknown>[]> =>
    (await stack.get<{ items: Record<string, unknown>[] }>(`/v1/extracts/${FEED}/fetches`)).items;
  expect(await fetches()).toEqual([]);
  const authorization = await tokenOf("warehouse", [{ action: "read", kind: "extract", name: FEED }]);
  const as = (route: string, method = "GET", more: Record<string, string> = {}): Promise<Response> =>
    stack.call(method, route, undefined, { authorization, ...more });
  const manifest = (await (await as(`/v1/extracts/${FEED}/versions/1/manifest`)).json()) as Manifest;
  expect(await fetches()).toMatchObject([
    { version: 1, full: false, manifest: true, links: false, files: 0 },
  ]);
  const [file] = manifest.files;
  await as(file!.url!, "HEAD");
  await as(file!.url!, "GET", { "if-none-match": `"${file!.sha256}"` });
  expect((await fetches())[0]!["files"]).toBe(0);
  for (let i = 0; i < 2; i++) await (await as(file!.url!)).arrayBuffer();
  const [own, ...others] = await fetches();
  expect([own!["files"], others]).toEqual([1, []]);
  await stack.get(`/v1/extracts/${FEED}/versions/1/manifest`);
  const both = await fetches();
  expect(new Set(both.map(({ by }) => by)).size).toBe(2);
  const listed = await stack.get<{ items: object[] }>(`/v1/extracts/${FEED}/versions?since=newest&limit=1`);
  expect(listed).toMatchObject({ items: [{ version: 1 }], newest: 1, next_since: null });
});
