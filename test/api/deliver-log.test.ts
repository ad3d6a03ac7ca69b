/** Deliveries into event types of the same Muara, over HTTP: what they bring, who may have them, what is refused. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../services/muara.ts";
import { runCommand } from "./run-command.ts";
import { orderEvent, orderType, startStack, type Stack } from "./stack.ts";

const TYPE = "shop.order";
const DEADLINE_MS = 60_000;
const ROWS = 12;

type Json = Record<string, unknown>;

let stack: Stack;
beforeAll(async () => {
  stack = await startStack(undefined, {
    jobs: { everyMs: 100, quietMs: 300 },
    deliver: { everyMs: 50, saveMs: 50 },
  });
  await declare(TYPE);
  const events = Array.from({ length: ROWS }, (_, i) => orderEvent(i, String(i)));
  expect((await stack.call("POST", `/event-types/${TYPE}/events`, `[${events.join(",")}]`)).status).toBe(200);
  await stack.settled(TYPE);
}, 60_000);
afterAll(() => stack?.close());

async function declare(name: string, changed: Json = {}): Promise<void> {
  const answer = await stack.call("POST", "/event-types", { ...orderType(name, 1), ...changed });
  expect([answer.status, await answer.text()]).toEqual([201, expect.anything()]);
}

async function ask(method: string, path: string, body?: Json, headers: Record<string, string> = {}) {
  const response = await stack.call(method, path, body, headers);
  const text = await response.text();
  return { status: response.status, answer: (text === "" ? {} : JSON.parse(text)) as Json };
}

function deliver(name: string, table: string, type: string, headers: Record<string, string> = {}) {
  return ask("POST", "/v1/deliveries", { name, table, from: "begin", log: { event_type: type } }, headers);
}

async function token(grants: readonly object[]): Promise<Record<string, string>> {
  const made = await ask("POST", "/v1/tokens", { description: "t", grants });
  return { authorization: `Bearer ${made.answer["token"] as string}` };
}

function jobText(from: string, into: string): string {
  const select = `SELECT event_time, watermark, number FROM ${from}`;
  return `CREATE JOB told AS ${select} EMIT ON WINDOW CLOSE INTO lake told, ${into}`;
}

async function sql(query: string): Promise<unknown[][]> {
  return (await ask("POST", "/v1/sql", { sql: query })).answer["rows"] as unknown[][];
}

async function landed(table: string, rows: number): Promise<void> {
  await eventually(`${table} has its rows`, DEADLINE_MS, async () => {
    return Number((await sql(`SELECT count(*) FROM ${table}`))?.[0]?.[0] ?? 0) >= rows;
  });
}

async function differences(a: string, b: string): Promise<unknown[][]> {
  return [...(await sql(`(${a}) EXCEPT ALL (${b})`)), ...(await sql(`(${b}) EXCEPT ALL (${a})`))];
}

test("rows of a table land as events of another type, by the command line as well", async () => {
  await declare("shop.copy");
  await declare("shop.again");
  const made = await deliver("copy", TYPE, "shop.copy");
  expect(made).toMatchObject({ status: 201, answer: { log: { event_type: "shop.copy" } } });
  expect(made.answer["secret"]).toBeUndefined();
  const environment = { MUARA_URL: stack.url, MUARA_TOKEN: stack.token };
  const add = ["deliver", "add", "again", "shop.copy", "--log", "shop.again", "--from", "begin"];
  expect(await runCommand(add, environment)).toMatchObject({ code: 0 });
  const columns = "number, note, event_time";
  for (const name of ["shop_copy", "shop_again"]) {
    await landed(name, ROWS);
    const own = `SELECT ${columns} FROM ${name}`;
    expect(await differences(own, `SELECT ${columns} FROM shop_order`)).toEqual([]);
  }
  expect((await runCommand(["deliver", "list"], environment)).out).toMatch(/log\/shop\.again/);
}, 90_000);

test("what would come back into its own table is refused, with the way", async () => {
  const self = await deliver("self", TYPE, TYPE);
  expect([self.status, self.answer["code"]]).toEqual([409, "delivery.loop"]);
  const far = await deliver("far", "shop.again", TYPE);
  expect([far.status, far.answer["detail"]]).toEqual([
    409,
    expect.stringContaining(
      `delivery "copy" → "shop.copy" → delivery "again" → "shop.again" → delivery "far"`,
    ),
  ]);
  const back = await deliver("back", "shop.again", "shop.copy");
  expect([back.status, back.answer["code"]]).toEqual([409, "delivery.loop"]);
  expect(back.answer["detail"]).toContain(
    'delivery "back" → "shop.copy" → delivery "again" → "shop.again" → delivery "back"',
  );
});

test("a target that is not there, or takes no rows, is refused", async () => {
  await declare("shop.raw", { category: "undefined" });
  await declare("shop.placed", { partition_strategy: "user_defined" });
  await declare("shop.compact", { cleanup_policy: "compact" });
  const tried = [
    ["shop.none", 400, '"shop.none" is not declared'],
    ["shop.raw", 400, "events without an id"],
    ["shop.placed", 400, "takes partitions from its producers"],
    ["shop.compact", 400, "is compacted"],
    ["muara.audit", 403, "is Muara's own"],
    ["no type!", 400, "/log/event_type"],
  ] as const;
  for (const [type, status, why] of tried) {
    const refused = await deliver("no", TYPE, type);
    expect([refused.status, refused.answer["detail"]]).toEqual([status, expect.stringContaining(why)]);
  }
  const both = { name: "no", table: TYPE, url: "http://127.0.0.1:1", log: { event_type: "shop.raw" } };
  expect((await ask("POST", "/v1/deliveries", both)).status).toBe(400);
});

test("it takes the right to publish to the target, beside that to deliver the table", async () => {
  await declare("shop.told");
  const table = { action: "admin", kind: "table", name: TYPE };
  const type = { action: "write", kind: "event_type", name: "shop.told" };
  const reader = { action: "read", kind: "event_type", name: "shop.told" };
  expect((await deliver("no", TYPE, "shop.told", await token([table, reader]))).status).toBe(403);
  // What there is, he does not learn.
  expect((await deliver("no", TYPE, "shop.none", await token([table]))).status).toBe(403);
  expect([403, 404]).toContain((await deliver("no", TYPE, "shop.told", await token([type]))).status);
  expect((await deliver("told", TYPE, "shop.told", await token([table, type]))).status).toBe(201);
});

test("a job's results go into its table and into an event type", { timeout: 180_000 }, async () => {
  await declare("shop.result", {
    schema: {
      type: "json_schema",
      schema: JSON.stringify({
        type: "object",
        properties: { row_id: { type: "string" }, number: { type: "integer" } },
        required: ["row_id"],
      }),
    },
  });
  const made = await ask("POST", "/v1/jobs", { text: jobText("shop_order", "log shop_result") });
  expect((made.answer["deliveries"] as Json[])[0]).toMatchObject({
    name: "job-told-log",
    log: { event_type: "shop.result" },
  });
  await landed("shop_result", 1);
  const columns = "row_id, number, event_time";
  await eventually("every row of the job has landed", DEADLINE_MS, async () => {
    const unlike = await differences(`SELECT ${columns} FROM told`, `SELECT ${columns} FROM shop_result`);
    return unlike.length === 0;
  });
  const ring = await ask("PUT", "/v1/jobs/told", { text: jobText("shop_result", `log "shop.result"`) });
  expect([ring.status, ring.answer["code"]]).toEqual([409, "job.loop"]);
  expect(ring.answer["detail"]).toContain(
    'job "told" → "told" → delivery "job-told-log" → "shop.result" → job "told"',
  );
  const back = await deliver("round", "shop.result", TYPE);
  expect([back.status, back.answer["code"]]).toEqual([409, "delivery.loop"]);
});
