/** The read side over HTTP, on the whole program: what it says is compared with what was published. */
import assert from "node:assert/strict";
import { tableFromIPC } from "apache-arrow";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventId, orderEvent, orderType, startStack, type Stack } from "./stack.ts";

const TYPE = "shop.ORDER-PLACED";
const GOOD = 60;
const RESENT = 7;
const DEAD = 5;
const TOO_LARGE = "92233720368547758080";

type Item = Readonly<Record<string, unknown>>;
interface List {
  readonly items: readonly Item[];
}

let stack: Stack;

async function publish(events: readonly string[]): Promise<void> {
  const response = await stack.call("POST", `/event-types/${TYPE}/events`, `[${events.join(",")}]`);
  assert.deepEqual([response.status, await response.text()], [200, ""]);
}

beforeAll(async () => {
  stack = await startStack();
  const type = { ...orderType(TYPE, 3), annotations: { "muara/retention": "400 days" } };
  assert.equal((await stack.call("POST", "/event-types", type)).status, 201);
  const good = Array.from({ length: GOOD }, (_, i) =>
    orderEvent(i, String(9_007_199_254_740_993n + BigInt(i))),
  );
  const dead = Array.from({ length: DEAD }, (_, i) => orderEvent(GOOD + i, TOO_LARGE));
  await publish(good.slice(0, 30));
  await stack.settled(TYPE);
  await publish([...good.slice(30), ...good.slice(0, RESENT), ...dead]);
  await stack.settled(TYPE);
});

afterAll(() => stack.close());

describe("books", () => {
  const totals = { accepted: GOOD + RESENT + DEAD, landed: GOOD, duplicates: RESENT, dead_letters: DEAD };

  test("balance, in total, per partition and per hour", async () => {
    const all = await stack.get<List & { balanced: boolean }>("/v1/books");
    expect(all.balanced).toBe(true);
    expect(all.items).toEqual([
      {
        event_type: TYPE,
        partitions: 3,
        ...totals,
        duplicates_different: 0,
        in_flight: 0,
        balanced: true,
        removed: { retention: 0, erasure: 0, rollback: 0 },
        rows: GOOD,
      },
    ]);
    for (const by of ["partition", "hour"]) {
      const { items } = await stack.get<List>(`/v1/books?by=${by}&event_type=${TYPE}`);
      expect(items.length).toBeGreaterThan(1);
      expect(sums(items, Object.keys(totals))).toEqual(totals);
      expect(items.every((item) => item["balanced"])).toBe(true);
    }
    expect((await stack.call("GET", "/v1/books?by=colour")).status).toBe(400);
  });
});

describe("tables", () => {
  test("say what they hold", async () => {
    const { items } = await stack.get<List>("/v1/tables");
    expect(items.map((item) => [item["name"], item["rows"]])).toEqual([
      ["books", expect.any(Number)],
      ["dead_letters", DEAD],
      ["duplicates", RESENT],
      ["replays", 0],
      [TYPE, GOOD],
    ]);
    const table = await stack.get<Item>("/v1/tables/shop_ORDER_PLACED");
    expect(table).toMatchObject({ name: TYPE, alias: "shop_ORDER_PLACED", kind: "event_type", rows: GOOD });
    expect(table["location"]).toBe(`${stack.data}/lake/${TYPE}`);
    expect(table["columns"]).toContainEqual(expect.objectContaining({ name: "number", type: "BIGINT" }));
    expect(JSON.stringify(table)).not.toContain("idKey");
    expect(table["retention"]).toMatchObject({
      rows_ms: 400 * 86_400_000,
      table: {
        "muara.retention": "400 days",
        "muara.owner": "shop",
        "muara.schemaVersion": "1.0.0",
        "delta.checkpointInterval": "100",
      },
    });
    expect(table["freshness_ms"]).toBeGreaterThanOrEqual(0);
    expect((await stack.call("GET", "/v1/tables/nothing")).status).toBe(404);
  });

  test("have a history that adds up, and can be paged through", async () => {
    const whole = await stack.get<List>(`/v1/tables/${TYPE}/history?limit=1000`);
    expect(sums(whole.items, ["rows_added"])).toEqual({ rows_added: GOOD });
    const paged: Item[] = [];
    let before: string = "";
    do {
      const page = await stack.get<List & { next_before: number | null }>(
        `/v1/tables/${TYPE}/history?limit=2${before}`,
      );
      paged.push(...page.items);
      before = page.next_before === null ? "" : `&before=${page.next_before}`;
    } while (before !== "");
    expect(paged).toEqual(whole.items);
  });
});

describe("the fate of an event", () => {
  test("landed, duplicate, dead letter or none; a UUID in any case", async () => {
    expect(await fatesOf(eventId(40))).toEqual(["landed"]);
    expect(await fatesOf(eventId(3))).toEqual(["duplicate", "landed"]);
    expect(await fatesOf(eventId(3).toUpperCase())).toEqual(["duplicate", "landed"]);
    expect(await fatesOf(eventId(GOOD))).toEqual(["dead_letter"]);
    expect(await fatesOf(eventId(9_999))).toEqual([]);
    expect(await fatesOf("it's '; DROP")).toEqual([]);
  });

  test("says where it is", async () => {
    const { fates } = await stack.get<{ fates: Item[] }>(`/v1/events/${eventId(3)}`);
    const landed = fates.find((fate) => fate["fate"] === "landed")!;
    const duplicate = fates.find((fate) => fate["fate"] === "duplicate")!;
    const place = [landed["partition"], landed["offset"]];
    expect([duplicate["first_partition"], duplicate["first_offset"], duplicate["verdict"]]).toEqual([
      ...place,
      "identical",
    ]);
    const row = await sql(`SELECT log_partition, log_offset FROM "${TYPE}" WHERE event_id = '${eventId(3)}'`);
    expect(row.rows[0]!.map(Number)).toEqual(place);
    expect(landed["version"]).toBeLessThan(Number(duplicate["version"]));
  });
});

describe("dead letters", () => {
  test("are listed in pages, once each, and shown with their bytes", async () => {
    const seen: Item[] = [];
    let next = "";
    do {
      const page = await stack.get<List & { next_cursor: string | null }>(`/v1/dead-letters?limit=2${next}`);
      seen.push(...page.items);
      next = page.next_cursor === null ? "" : `&cursor=${encodeURIComponent(page.next_cursor)}`;
    } while (next !== "");
    const ids = seen.map((item) => String(item["event_id"])).sort();
    expect(ids).toEqual(Array.from({ length: DEAD }, (_, i) => eventId(GOOD + i)));
    expect(new Set(seen.map((item) => item["reason"]))).toEqual(new Set(["event.value_out_of_range"]));
    const shown = await stack.get<Item>(`/v1/dead-letters/${String(seen[0]!["dead_letter_id"])}`);
    expect(shown["payload"]).toContain(`"number":${TOO_LARGE}`);
    expect(await stack.get<List>("/v1/dead-letters?reason=event.schema")).toMatchObject({ items: [] });
    expect((await stack.call("GET", "/v1/dead-letters/nothing")).status).toBe(404);
  });
});

describe("SQL", () => {
  test("answers in JSON, exactly", async () => {
    const answer = await sql(`SELECT max(number) AS top, count(*) AS n FROM "${TYPE}"`);
    expect(answer.columns).toEqual([
      { name: "top", type: "BIGINT" },
      { name: "n", type: "BIGINT" },
    ]);
    expect(answer.rows).toEqual([[String(9_007_199_254_740_993n + BigInt(GOOD - 1)), String(GOOD)]]);
    expect(Object.keys(answer.versions)).toEqual([TYPE]);
    expect(answer.truncated).toBe(false);
  });

  test("answers in the form that Accept asks for, or with 406", async () => {
    expect(await (await askAs("application/x-ndjson")).text()).toBe('{"a":1}\n');
    expect(await (await askAs("text/csv;q=0.9, application/json;q=0.1")).text()).toBe("a\r\n1\r\n");
    const parquet = await (await askAs("application/vnd.apache.parquet")).bytes();
    expect(Buffer.from(parquet.subarray(0, 4)).toString()).toBe("PAR1");
    const arrow = tableFromIPC(await (await askAs("application/vnd.apache.arrow.stream")).bytes());
    expect(arrow.toArray().map((row) => (row as { a: number }).a)).toEqual([1]);
    const refused = await askAs("application/xml");
    expect([refused.status, ((await refused.json()) as Item)["code"]]).toEqual([
      406,
      "request.not_acceptable",
    ]);
  });

  test("that is stopped in the middle of its answer breaks the connection", async () => {
    const endless = {
      sql: "SELECT i, repeat('x', 200) FROM range(100000000) AS r(i)",
      limit: 1_000_000,
      timeout_ms: 1_000,
    };
    for (const accept of ["application/json", "text/csv"]) {
      const response = await stack.call("POST", "/v1/sql", endless, { accept });
      expect(response.status).toBe(200);
      await expect(response.text()).rejects.toThrow();
    }
    expect((await sql("SELECT 1 AS a")).rows).toEqual([[1]]);
  });

  test.each([
    [{ sql: "SELEC 1" }, {}, 400, "sql.syntax"],
    [{ sql: "FROM read_text('x')" }, {}, 403, "sql.refused"],
    [{ sql: "FROM nothing" }, {}, 404, "table.not_found"],
    [{ sql: "SELECT 'x'::INTEGER" }, {}, 422, "sql.failed"],
    [{ sql: "SELECT 1", colour: "red" }, {}, 400, "request.malformed"],
    [{}, {}, 400, "request.malformed"],
    ["{", {}, 400, "request.malformed"],
    [{ sql: "SELECT 1" }, { "content-type": "text/plain" }, 415, "request.media_type"],
    [{ sql: `SELECT '${"x".repeat(70_000)}'` }, {}, 413, "sql.too_large"],
    [{ sql: `SELECT '${"x".repeat(200_000)}'` }, {}, 413, "sql.too_large"],
  ])("%j is a problem", async (body, headers, status, code) => {
    const response = await stack.call("POST", "/v1/sql", body, headers);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect([response.status, ((await response.json()) as Item)["code"]]).toEqual([status, code]);
  });
});

describe("rights", () => {
  const routes: readonly (readonly [string, string, unknown?])[] = [
    ["GET", "/v1/tables"],
    ["GET", `/v1/tables/${TYPE}`],
    ["GET", `/v1/tables/${TYPE}/history`],
    ["GET", `/v1/books?event_type=${TYPE}`],
    ["GET", `/v1/events/${eventId(1)}`],
    ["GET", "/v1/dead-letters"],
    ["POST", "/v1/dead-letters/replay", { filter: {}, dry_run: true }],
    ["POST", "/v1/sql", { sql: `SELECT 1 FROM "${TYPE}" LIMIT 1` }],
    ["GET", "/v1/tokens"],
    ["POST", "/v1/tokens", { description: "x", grants: [{ action: "read", kind: "table", name: "x" }] }],
    ["DELETE", "/v1/tokens/000000000000"],
    ["POST", `/v1/tables/${TYPE}/expire`, { before: "2000-01-01T00:00:00Z" }],
    ["POST", `/v1/tables/${TYPE}/rollback`, { to: 0, dry_run: true }],
    ["POST", `/v1/tables/${TYPE}/sweep`, { dry_run: true }],
    [
      "POST",
      "/v1/erasures",
      { event_types: [TYPE], where: { column: "note", value: "x" }, reason: "x", dry_run: true },
    ],
    ["GET", "/v1/erasures"],
  ];
  const statuses = async (token: string | undefined): Promise<number[]> => {
    const found: number[] = [];
    for (const [method, route, body] of routes) {
      const authorization = token === undefined ? "" : `Bearer ${token}`;
      const response = await stack.call(method, route, body, { authorization });
      await response.body?.cancel();
      found.push(response.status);
    }
    return found;
  };

  test("every route: nobody, a stranger, a reader of this table, a reader of another, an administrator", async () => {
    const reader = await tokenFor([{ action: "read", kind: "table", name: TYPE }]);
    const other = await tokenFor([{ action: "read", kind: "table", name: "other" }]);
    const unknown = `muara_${"0".repeat(12)}_${"A".repeat(43)}`;
    const [readable, hidden] = [Array<number>(8).fill(200), [200, 404, 404, 404, 200, 200, 200, 404]];
    expect(await statuses(undefined)).toEqual(routes.map(() => 401));
    expect(await statuses(unknown)).toEqual(routes.map(() => 401));
    expect(await statuses(reader)).toEqual([...readable, 403, 403, 403, 403, 403, 403, 403, 403]);
    expect(await statuses(other)).toEqual([...hidden, 403, 403, 403, 404, 404, 404, 404, 403]);
    expect(await statuses(stack.token)).toEqual([...readable, 200, 201, 404, 200, 200, 200, 200, 200]);
  });

  test("what one may not read is in no list, no fate and no dead letter", async () => {
    const other = await tokenFor([{ action: "read", kind: "table", name: "other" }]);
    const authorization = `Bearer ${other}`;
    for (const route of ["/v1/tables", "/v1/books", `/v1/events/${eventId(1)}`, "/v1/dead-letters"]) {
      const text = await (await stack.call("GET", route, undefined, { authorization })).text();
      expect(text).not.toContain(TYPE);
    }
  });

  test("nobody hands out more than they hold, and a revoked token is worth nothing", async () => {
    const keeper = await tokenFor([
      { action: "admin", kind: "token", name: "*" },
      { action: "admin", kind: "table", name: TYPE },
    ]);
    const authorization = `Bearer ${keeper}`;
    const ask = (grant: unknown): Promise<Response> =>
      stack.call("POST", "/v1/tokens", { description: "x", grants: [grant] }, { authorization });
    expect((await ask({ action: "read", kind: "table", name: TYPE })).status).toBe(201);
    expect((await ask({ action: "read", kind: "table", name: "*" })).status).toBe(403);
    expect((await ask({ action: "admin", kind: "*", name: "*" })).status).toBe(403);
    expect((await ask({ action: "write", kind: "event_type", name: TYPE })).status).toBe(403);
    const { items } = await stack.get<List>("/v1/tokens");
    expect(JSON.stringify(items)).not.toMatch(/hash|secret/);
    const id = keeper.split("_")[1]!;
    expect(items.map((item) => item["id"])).toContain(id);
    expect((await stack.call("DELETE", `/v1/tokens/${id}`)).status).toBe(204);
    expect((await ask({ action: "read", kind: "table", name: TYPE })).status).toBe(401);
  });
});

describe("the document of the API", () => {
  test("and health are open, everything else answers with a problem", async () => {
    const open = { authorization: "" };
    for (const route of ["/openapi.json", "/health/live", "/health/ready"])
      expect((await stack.call("GET", route, undefined, open)).status).toBe(200);
    expect((await stack.call("GET", "/v1/nothing")).status).toBe(404);
    expect((await stack.call("GET", "/v1/nothing", undefined, open)).status).toBe(401);
    const flow = await stack.call("GET", "/v1/tables", undefined, { "x-flow-id": "mine-1" });
    expect(flow.headers.get("x-flow-id")).toBe("mine-1");
  });
});

describe("without landing", () => {
  test("events wait, and the books say so", async () => {
    const waiting = await startStack(["ingest", "api"]);
    try {
      await waiting.call("POST", "/event-types", orderType(TYPE, 2));
      await waiting.call(
        "POST",
        `/event-types/${TYPE}/events`,
        `[${orderEvent(1, "1")},${orderEvent(2, "2")}]`,
      );
      const { fates } = await waiting.get<{ fates: Item[] }>(`/v1/events/${eventId(2)}`);
      expect(fates).toMatchObject([{ fate: "waiting", event_type: TYPE }]);
      expect(await waiting.get("/v1/books")).toMatchObject({
        balanced: true,
        items: [{ accepted: 2, landed: 0, in_flight: 2, balanced: true }],
      });
      expect(await waiting.get("/v1/tables")).toMatchObject({ items: [{ name: TYPE, version: null }] });
      const response = await waiting.call("POST", "/v1/sql", {
        sql: `SELECT event_id, number FROM "${TYPE}"`,
      });
      expect(await response.json()).toMatchObject({ rows: [], versions: { [TYPE]: -1 } });
    } finally {
      await waiting.close();
    }
  });
});

interface Answer {
  readonly columns: unknown;
  readonly rows: readonly (readonly unknown[])[];
  readonly versions: Item;
  readonly truncated: boolean;
}

async function sql(text: string): Promise<Answer> {
  return (await (await stack.call("POST", "/v1/sql", { sql: text })).json()) as Answer;
}

function sums(items: readonly Item[], names: readonly string[]): Record<string, number> {
  return Object.fromEntries(
    names.map((name) => [name, items.reduce((sum, item) => sum + Number(item[name]), 0)]),
  );
}

async function fatesOf(id: string): Promise<string[]> {
  const { fates } = await stack.get<{ fates: Item[] }>(`/v1/events/${id}`);
  return fates.map((fate) => String(fate["fate"])).sort();
}

async function tokenFor(grants: unknown): Promise<string> {
  const response = await stack.call("POST", "/v1/tokens", { description: "test", grants });
  expect(response.status).toBe(201);
  return String(((await response.json()) as Item)["token"]);
}

function askAs(accept: string): Promise<Response> {
  return stack.call("POST", "/v1/sql", { sql: "SELECT 1 AS a" }, { accept });
}
