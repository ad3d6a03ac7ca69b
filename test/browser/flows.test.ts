/** What comes from a database and what goes on to others, on the page of the system, over a real PostgreSQL. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { orderEvent, orderType, startStack, type Stack } from "../api/stack.ts";
import { launchBrowser } from "../services/browser.ts";
import { eventually } from "../services/muara.ts";
import { type PostgresServer, startPostgres } from "../services/postgres.ts";
import { saying, standsDeadFromTheStart, standsSlowAndDead, standsWithData } from "./page-checks.ts";

const TYPE = "flow.order";
const COPY = "flow.copy";

let browser: Browser;
let server: PostgresServer;
let stack: Stack;

beforeAll(async () => {
  [browser, server] = await Promise.all([launchBrowser(), startPostgres()]);
  const database = await server.freshDatabase();
  await server.sql(
    `CREATE TABLE accounts (id int PRIMARY KEY, v text);
     INSERT INTO accounts SELECT g, 'v' FROM generate_series(1, 100) g`,
    [],
    database,
  );
  const { host, port, user } = server;
  stack = await startStack(undefined, {
    postgres: { shop1: { host, port, user, database } },
    capture: { statusMs: 100 },
  });
  await fill();
}, 90_000);
afterAll(async () => {
  await browser?.close();
  await stack?.close();
  await server?.stop();
});

async function post(route: string, body: unknown, status: number): Promise<void> {
  const answer = await stack.call("POST", route, body);
  expect([route, answer.status, answer.ok ? "" : await answer.text()]).toEqual([route, status, ""]);
}

/** One table captured to its last row, one event delivered to another type. */
async function fill(): Promise<void> {
  for (const name of [TYPE, COPY]) await post("/event-types", orderType(name, 1), 201);
  await post(`/event-types/${TYPE}/events`, [JSON.parse(orderEvent(1, "1"))], 200);
  await stack.settled(TYPE);
  await post("/v1/deliveries", { name: "copied", table: TYPE, log: { event_type: COPY } }, 201);
  await post("/v1/captures", { name: "accounts", database: "shop1", tables: ["public.accounts"] }, 201);
  await eventually("the table is copied, the row sent", 60_000, async () => {
    const captures = await stack.get<{ items: { tables: { copied_rows: number }[] }[] }>("/v1/captures");
    const deliveries = await stack.get<{ items: { delivered: number }[] }>("/v1/deliveries");
    return captures.items[0]?.tables[0]?.copied_rows === 100 && deliveries.items[0]?.delivered === 1;
  });
}

test.each([
  ["captures", "public.accounts"],
  ["deliveries", COPY],
])("%s: live, slow, dead", { timeout: 90_000 }, async (tab, shown) => {
  const one = { browser, at: stack, path: `/system?tab=${tab}`, live: saying(shown) };
  await standsWithData(one);
  await standsSlowAndDead(one);
  await standsDeadFromTheStart(one);
});
