/** Rules tried on the past: held against when the rows were committed, and against what a rule that ran has said. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import { eventually } from "../services/muara.ts";
import { runCommand } from "./run-command.ts";
import { orderType, startStack, type Stack } from "./stack.ts";

const TYPE = "shop.order";
const HOUR_MS = 3_600_000;
const WEEK_MS = 168 * HOUR_MS;
const DEADLINE_MS = 60_000;

interface Change {
  readonly at: string;
  readonly from: string;
  readonly to: string;
  readonly value: number;
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
}
interface Answer {
  readonly changes: readonly Change[];
  readonly alerts: readonly { readonly state: string }[];
  readonly evaluations: number;
  readonly unanswered: number;
  readonly evaluated_until: string;
  readonly is_truncated: boolean;
  readonly series: number | null;
  readonly warming_series: number | null;
}

let stack: Stack;
let events = 0;
beforeAll(async () => {
  stack = await startStack(undefined, {
    land: { commitMs: 50, projectMs: 1_000, disorderMs: 1_000 },
    alerts: { everyMs: 200, series: 2 },
  });
}, 60_000);
afterAll(() => stack?.close());

async function publish(
  type: string,
  rows: readonly { atMs: number; [field: string]: unknown }[],
): Promise<void> {
  const body = rows.map(({ atMs, ...payload }) => {
    const eid = `aaaaaaaa-0000-4000-8000-${String(++events).padStart(12, "0")}`;
    return { metadata: { eid, occurred_at: new Date(atMs).toISOString() }, ...payload };
  });
  const sent = await stack.call("POST", `/event-types/${type}/events`, body);
  if (sent.status !== 200) throw new Error(await sent.text());
}

async function tried(rule: object, since: number, more: object = {}): Promise<Answer> {
  const body = { rule, since: new Date(since).toISOString(), ...more };
  const answer = await stack.call("POST", "/v1/rules/test", body);
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(text);
  return JSON.parse(text) as Answer;
}

async function codeOf(body: object, headers: Record<string, string> = {}): Promise<string> {
  const answer = await stack.call("POST", "/v1/rules/test", body, headers);
  return ((await answer.json()) as { code: string }).code;
}

const nextSecond = (ms: number): number => Math.ceil(ms / 1_000) * 1_000;
const iso = (ms: number): string => new Date(ms).toISOString();

/** When rows came into the table, by its log. */
async function commitsOf(type: string): Promise<readonly number[]> {
  const { items } = await stack.get<{ items: { committed_at: string; rows_added: number }[] }>(
    `/v1/tables/${type}/history`,
  );
  return items.filter(({ rows_added: rows }) => rows > 0).map(({ committed_at: at }) => Date.parse(at));
}

test("a rule in SQL is asked as of each time: of rows that were there, and no others", async () => {
  const beginMs = Date.now();
  expect((await stack.call("POST", "/event-types", orderType(TYPE, 1))).status).toBe(201);
  // Late by some seconds: a test that sees rows before they came would say it earlier.
  const atMs = Date.now() - 4_000;
  await publish(TYPE, [
    { atMs, number: 7, note: "de" },
    { atMs, number: 3, note: "at" },
  ]);
  await stack.settled(TYPE);
  const [commitMs] = (await commitsOf(TYPE)) as [number];
  const rule = {
    name: "Large",
    sql: {
      query: `SELECT note, max(number) AS value FROM shop_order
        WHERE number > 5 AND event_time > $now - INTERVAL '10 seconds' AND event_time <= $now GROUP BY note`,
      labels: ["note"],
    },
    annotations: { summary: "{{ note }}: {{ value }}" },
    for_ms: 2_000,
  };
  const untilMs = nextSecond(atMs + 10_000) + 1_000;
  await eventually("the span has passed", DEADLINE_MS, async () => Date.now() > untilMs);
  const span = { until: iso(untilMs), step_ms: 1_000 };
  const answer = await tried(rule, beginMs - 5_000, span);
  const pendingMs = nextSecond(commitMs);
  const said = answer.changes.map(({ at, from, to }) => [at, from, to]);
  expect(said).toEqual([
    [iso(pendingMs), "inactive", "pending"],
    [iso(pendingMs + 2_000), "pending", "firing"],
    [iso(nextSecond(atMs + 10_000)), "firing", "resolved"],
  ]);
  expect(answer.changes[1]).toMatchObject({
    value: 7,
    labels: { alertname: "Large", note: "de" },
    annotations: { summary: "de: 7" },
  });
  expect(answer.alerts.map(({ state }) => state)).toEqual(["resolved"]);
  expect(answer).toMatchObject({ is_truncated: false, evaluated_until: iso(untilMs) });
  // Before the table was there nothing can be said, and that is said.
  expect(answer.unanswered).toBeGreaterThanOrEqual(5);
  expect(answer.evaluations + answer.unanswered).toBe((untilMs - nextSecond(beginMs - 5_000)) / 1_000 + 1);
  expect((await stack.call("GET", "/v1/rules/Large")).status).toBe(404);

  const file = join(stack.data, "large.json");
  await writeFile(file, JSON.stringify(rule));
  const run = (...more: readonly string[]): ReturnType<typeof runCommand> => {
    const args = ["rule", "test", file, "--since", iso(commitMs), "--step", "1s", ...more];
    return runCommand(args, { MUARA_URL: stack.url, MUARA_TOKEN: stack.token });
  };
  const printed = await run("--until", iso(untilMs));
  expect(printed.code).toBe(0);
  expect(printed.out).toMatch(/^at +from +to +labels +value +text$/m);
  expect(printed.out).toContain('note="de"');
  expect(printed.err).toContain("1 alert fired in");
  expect((await run("--until", iso(untilMs), "--fail-on", "firing")).code).toBe(6);
  expect((await run("--until", iso(pendingMs), "--fail-on", "firing")).code).toBe(0);
  expect((await run("--until", "soon")).code).toBe(2);
});

test("a drop rule says what it has said while it ran", async () => {
  const type = "order.created";
  expect((await stack.call("POST", "/event-types", orderType(type, 1))).status).toBe(201);
  const chance = seededRandomness(7);
  const endMs = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
  const hours = async (fromMs: number, toMs: number, low: boolean): Promise<void> => {
    let batch: { atMs: number; number: number }[] = [];
    for (let hourMs = fromMs; hourMs < toMs; hourMs += HOUR_MS) {
      const orders = low ? 3 : 20 + Math.floor(chance.fraction() * 5);
      for (let i = 0; i < orders; i++) batch.push({ atMs: hourMs + (i * HOUR_MS) / orders, number: i });
      if (batch.length < 2_000 && hourMs + HOUR_MS < toMs) continue;
      await publish(type, batch);
      batch = [];
    }
  };
  const rule = {
    name: "OrdersDropped",
    drop: { table: type, window_ms: HOUR_MS },
    keep_firing_for_ms: HOUR_MS,
    no_data_ms: 30 * 24 * HOUR_MS,
  };
  const dropMs = endMs - 12 * HOUR_MS;
  await hours(dropMs - 4 * WEEK_MS, dropMs, false);
  expect((await stack.call("POST", "/v1/rules", rule)).status).toBe(201);
  const judged = (untilMs: number): Promise<void> =>
    eventually("it is judged", DEADLINE_MS, async () => {
      const one = await stack.get<{ complete_through: string; series: number }>("/v1/rules/OrdersDropped");
      return Date.parse(one.complete_through) >= untilMs && one.series === 1;
    });
  await judged(dropMs - 2 * HOUR_MS);
  await hours(dropMs, dropMs + 4 * HOUR_MS, true);
  await hours(dropMs + 4 * HOUR_MS, endMs, false);
  await judged(endMs - 2 * HOUR_MS);
  const history = `SELECT event_time, "from", "to", value FROM "muara.alert"
    WHERE rule = 'OrdersDropped' ORDER BY event_time`;
  let rows: unknown[][] = [];
  await eventually("its history has landed", DEADLINE_MS, async () => {
    const answer = await stack.call("POST", "/v1/sql", { sql: history });
    rows = ((await answer.json()) as { rows?: unknown[][] }).rows ?? [];
    return rows.length >= 2;
  });
  const answer = await tried(rule, dropMs - WEEK_MS / 7);
  expect(answer.changes.map(({ at, from, to, value }) => [Date.parse(at), from, to, value])).toEqual(
    rows.map(([at, from, to, value]) => [Date.parse(String(at)), from, to, Number(value)]),
  );
  expect(answer.changes.map(({ to }) => to)).toEqual(["firing", "resolved"]);
  expect(answer.changes[0]!.annotations["evidence"]).toMatch(/^expected 2\d .*saw 3/);
  expect(answer).toMatchObject({ series: 1, warming_series: 0, unanswered: 0, is_truncated: false });
  // Nothing is complete there yet.
  const none = await tried(rule, Date.now() - 1_000);
  expect(none).toMatchObject({ changes: [], evaluations: 0, evaluated_until: null });
}, 120_000);

test("who may not declare it may not try it, and spans are bounded", async () => {
  const nothing = { name: "X", sql: { query: "SELECT 1 AS value FROM nothing" } };
  const drop = { name: "X", drop: { table: "nothing" } };
  const until = iso(Date.parse("2026-01-02T00:00:00Z"));
  const since = (secondsBefore: number): string => iso(Date.parse(until) - secondsBefore * 1_000);
  const grants = [{ action: "read", kind: "table", name: "*" }];
  const made = await stack.call("POST", "/v1/tokens", { description: "reads", grants });
  const { token } = (await made.json()) as { token: string };
  const asked = { rule: nothing, until, step_ms: 1_000 };
  const day = 86_400;
  const codes = await Promise.all([
    codeOf({ ...asked, since: since(10) }, { authorization: `Bearer ${token}` }),
    codeOf({ ...asked, since: since(999) }),
    codeOf({ ...asked, since: since(1_000) }),
    codeOf({ rule: drop, until, since: since(400 * day) }),
    codeOf({ rule: drop, until, since: since(400 * day + 1) }),
    codeOf({ ...asked, since: until }),
    codeOf({ ...asked, since: since(10), until: "yesterday" }),
    codeOf({ rule: { name: "X", sql: { query: "SELECT now() AS value" } }, until, since: since(10) }),
  ]);
  expect(codes).toEqual([
    "auth.forbidden",
    "table.not_found", // a thousand evaluations are allowed
    "request.malformed",
    "table.not_found",
    "request.malformed",
    "request.malformed",
    "request.malformed",
    "rule.refused",
  ]);
});
