/** Rules of a whole Muara: whose they are, what they are refused for, and receivers that take nothing. */
import { createServer, type Server } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../../services/muara.ts";
import { orderEvent, orderType, startStack, type Stack } from "../../api/stack.ts";

const TYPE = "shop.order";
const DEADLINE_MS = 60_000;

let stack: Stack;
let hook: Server;
let status = 200;
const bodies: { id: string; authorization: string; body: Record<string, unknown> }[] = [];

beforeAll(async () => {
  hook = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { "idempotency-key": id, authorization = "" } = request.headers;
      const body = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
      bodies.push({ id: String(id), authorization, body });
      response.writeHead(status).end("said so");
    });
  });
  await new Promise<void>((resolve) => hook.listen(0, "127.0.0.1", resolve));
  const address = hook.address();
  const url = `http://127.0.0.1:${typeof address === "object" ? address!.port : 0}/`;
  process.env["TEST_ALERT_BEARER"] = "canary";
  stack = await startStack(undefined, {
    outgoing: { allow: ["127.0.0.1"] },
    query: { rows: 100, rowsMax: 100 },
    alerts: {
      everyMs: 100,
      saveMs: 300,
      pauseMsMax: 300,
      rules: 4,
      silences: 1,
      receivers: { chat: { webhook: url, bearer: { env: "TEST_ALERT_BEARER" } } },
    },
  });
  expect((await stack.call("POST", "/event-types", orderType(TYPE, 1))).status).toBe(201);
  await publish(1, "1");
  await stack.settled(TYPE);
}, 60_000);
afterAll(async () => {
  await stack?.close();
  await new Promise((resolve) => hook.close(resolve));
});

async function publish(index: number, number: string): Promise<void> {
  const sent = await stack.call("POST", `/event-types/${TYPE}/events`, `[${orderEvent(index, number)}]`);
  expect(sent.status).toBe(200);
}

const above = (name: string, least: number, more: object = {}): object => ({
  name,
  sql: { query: `SELECT note, max(number) AS value FROM shop_order WHERE number > ${least} GROUP BY note` },
  ...more,
});

async function tokenWith(...grants: object[]): Promise<{ token: string; id: string }> {
  const made = await stack.call("POST", "/v1/tokens", { description: "test", grants });
  expect(made.status).toBe(201);
  return (await made.json()) as { token: string; id: string };
}

const as = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });
const READ = { action: "read", kind: "table", name: TYPE };
const WRITE_ALERTS = { action: "write", kind: "system", name: "alerts" };

async function codeOf(answer: Promise<Response>): Promise<string> {
  return ((await (await answer).json()) as { code: string }).code;
}

async function ruleOf(name: string): Promise<Record<string, unknown>> {
  return stack.get<Record<string, unknown>>(`/v1/rules/${name}`);
}

test("a rule is its owner's, and reads with his rights", async () => {
  const reader = await tokenWith(READ);
  const owner = await tokenWith(READ, WRITE_ALERTS);
  const blind = await tokenWith(WRITE_ALERTS);
  const post = (token: string, body: object): Promise<Response> =>
    stack.call("POST", "/v1/rules", body, as(token));
  expect(await codeOf(post(reader.token, above("Mine", 5)))).toBe("auth.forbidden");
  expect(await codeOf(post(blind.token, above("Mine", 5)))).toBe("table.not_found");
  expect((await post(owner.token, above("Mine", 5))).status).toBe(201);
  expect((await post(owner.token, above("Mine", 6))).status).toBe(200);
  for (const { token } of [reader, blind]) {
    expect(await codeOf(stack.call("GET", "/v1/rules/Mine", undefined, as(token)))).toBe("rule.not_found");
    expect(await codeOf(stack.call("DELETE", "/v1/rules/Mine", undefined, as(token)))).toBe("rule.not_found");
  }
  expect(await codeOf(post(blind.token, { ...above("Mine", 5), sql: { query: "SELECT 1 AS value" } }))).toBe(
    "auth.forbidden",
  );
  await publish(2, "7");
  const firing = async (token: string): Promise<number> => {
    const answer = await stack.call("GET", "/v1/alerts?state=firing", undefined, as(token));
    return ((await answer.json()) as { items: unknown[] }).items.length;
  };
  await eventually("it fires", DEADLINE_MS, async () => (await firing(owner.token)) === 1);
  expect(await firing(reader.token)).toBe(0);
  expect((await stack.call("DELETE", `/v1/tokens/${owner.id}`)).status).toBe(204);
  await publish(3, "8");
  await eventually(
    "it fails with its owner",
    DEADLINE_MS,
    async () => (await ruleOf("Mine"))["state"] === "failing",
  );
  // Two where an evaluation was under way as the token went.
  const { problem, firing: left } = await ruleOf("Mine");
  expect(problem).toBe("The token is not known here.");
  expect(left).toBeGreaterThanOrEqual(1);
  expect((await stack.call("DELETE", "/v1/rules/Mine")).status).toBe(204);
}, 120_000);

test.each([
  ["of two kinds", { ...above("X", 1), drop: { table: TYPE } }, "request.malformed"],
  ["for nobody that the configuration knows", above("X", 1, { receivers: ["pager"] }), "request.malformed"],
  ["with a clock", { name: "X", sql: { query: "SELECT now() AS value" } }, "rule.refused"],
  ["with a text that names nothing", above("X", 1, { annotations: { a: "{{ b }}" } }), "rule.refused"],
  ["of no table", { name: "X", sql: { query: "SELECT * FROM nothing" } }, "table.not_found"],
  ["of drops of no table", { name: "X", drop: { table: "nothing" } }, "table.not_found"],
  ["of drops by no column", { name: "X", drop: { table: TYPE, labels: ["nothing"] } }, "sql.failed"],
  [
    "of drops with a clock",
    { name: "X", drop: { table: TYPE, filter: "event_time < now()" } },
    "rule.refused",
  ],
])("a rule %s is refused", async (_name, body, code) => {
  expect(await codeOf(stack.call("POST", "/v1/rules", body))).toBe(code);
});

test("a receiver that takes nothing is asked again under the same id, and the end is told after that", async () => {
  status = 503;
  const rule = above("Large", 50, {
    receivers: ["chat"],
    annotations: { summary: "{{ note }}: {{ value }}" },
  });
  expect((await stack.call("POST", "/v1/rules", rule)).status).toBe(201);
  await publish(60, "60");
  await eventually("it is tried twice", DEADLINE_MS, async () => bodies.length >= 2);
  expect(new Set(bodies.map(({ id }) => id)).size).toBe(1);
  await eventually("the rule says so", DEADLINE_MS, async () => (await ruleOf("Large"))["problem"] !== null);
  expect((await ruleOf("Large"))["problem"]).toBe("receiver chat: the receiver answers 503: said so");
  status = 200;
  await eventually("it recovers", DEADLINE_MS, async () => (await ruleOf("Large"))["state"] === "firing");
  const [{ authorization, body }] = bodies as [(typeof bodies)[number]];
  expect(authorization).toBe("Bearer canary");
  expect(body).toMatchObject({ version: "4", receiver: "chat", status: "firing" });
  expect((body["alerts"] as { annotations: object }[])[0]!.annotations).toEqual({ summary: "n60: 60" });
  const before = bodies.length;
  expect((await stack.call("DELETE", "/v1/rules/Large")).status).toBe(204);
  await eventually("its end is told", DEADLINE_MS, async () => bodies.length > before);
  expect(bodies.at(-1)!.body["status"]).toBe("resolved");
}, 120_000);

test("silences are bounded, and none hides everything", async () => {
  const add = (matchers: string): Promise<Response> =>
    stack.call("POST", "/v1/silences", { matchers, comment: "known" });
  expect(await codeOf(add('shop=~".*"'))).toBe("alert.matcher_invalid");
  const first = await add('shop="de"');
  expect(first.status).toBe(201);
  expect(await codeOf(add('shop="at"'))).toBe("silence.limits");
  const { id } = (await first.json()) as { id: string };
  expect((await stack.call("DELETE", `/v1/silences/${id}`)).status).toBe(204);
  expect(await codeOf(stack.call("DELETE", `/v1/silences/${id}`))).toBe("silence.not_found");
  expect((await add('shop="at"')).status).toBe(201);
});

test("rules are bounded; a paused one rests", async () => {
  for (const name of ["A", "B", "C", "D"])
    expect((await stack.call("POST", "/v1/rules", above(name, 1_000))).status).toBe(201);
  expect(await codeOf(stack.call("POST", "/v1/rules", above("E", 1_000)))).toBe("rule.limits");
  expect((await stack.call("POST", "/v1/rules", above("D", 2_000))).status).toBe(200);
  expect((await stack.call("POST", "/v1/rules/A/pause")).status).toBe(200);
  expect(await ruleOf("A")).toMatchObject({ state: "paused" });
});

test("limits of requests are not those of rules", async () => {
  expect((await stack.call("POST", "/v1/sql", { sql: "SELECT 1", limit: 101 })).status).toBe(400);
  for (const name of ["A", "B"]) expect((await stack.call("DELETE", `/v1/rules/${name}`)).status).toBe(204);
  expect((await stack.call("POST", "/v1/rules", above("A", 1_000))).status).toBe(201);
  expect((await stack.call("POST", "/v1/rules", { name: "B", drop: { table: TYPE } })).status).toBe(201);
});

const ofAlerts = (name: string, table: string): object => ({
  name,
  sql: { query: `SELECT count(*) AS value, count(*)::VARCHAR AS n FROM "${table}"` },
});
const job = (output: string, input: string): string =>
  `CREATE JOB ${output} AS SELECT event_id, event_time FROM "${input}" EMIT ON WINDOW CLOSE INTO lake ${output}`;

test("a rule that would read what it says is refused, also by a job's way; one that came to be so fails", async () => {
  expect((await stack.call("DELETE", "/v1/rules/C")).status).toBe(204);
  await eventually("there is a table of alerts", DEADLINE_MS, async () => {
    const answer = await stack.call("GET", "/v1/tables/muara.alert");
    return answer.status === 200 && ((await answer.json()) as { version: number }).version > 0;
  });
  const refused = await stack.call("POST", "/v1/rules", ofAlerts("Ring", "muara.alert"));
  expect(await refused.json()).toMatchObject({
    code: "rule.refused",
    detail:
      'The rule is refused: it would read what it says itself: rule "Ring" → "muara.alert" → rule "Ring".',
  });
  const drop = { name: "Ring", drop: { table: "muara.alert" } };
  expect(await codeOf(stack.call("POST", "/v1/rules", drop))).toBe("rule.refused");
  const deploy = async (text: string): Promise<void> => {
    const answer = await stack.call("POST", "/v1/jobs", { text });
    if (answer.status !== 201) throw new Error(await answer.text());
  };
  await deploy(job("alerts_copied", "muara.alert"));
  const copied = async (): Promise<string> =>
    codeOf(stack.call("POST", "/v1/rules", ofAlerts("Ring", "alerts_copied")));
  await eventually(
    "what a job brings back is refused",
    DEADLINE_MS,
    async () => (await copied()) === "rule.refused",
  );

  // A delivery that brings alerts back is declared behind the rule that reads where they go.
  const bus = "shop.echo";
  expect((await stack.call("POST", "/event-types", orderType(bus, 1))).status).toBe(201);
  const order = async (index: number): Promise<void> => {
    const sent = await stack.call("POST", `/event-types/${bus}/events`, `[${orderEvent(index, "1")}]`);
    expect(sent.status).toBe(200);
  };
  await order(900);
  await stack.settled(bus);
  expect((await stack.call("POST", "/v1/rules", ofAlerts("Later", bus))).status).toBe(201);
  await eventually("it fires", DEADLINE_MS, async () => (await ruleOf("Later"))["state"] === "firing");
  const delivery = { name: "echo", table: "muara.alert", log: { event_type: bus } };
  const made = await stack.call("POST", "/v1/deliveries", delivery);
  if (made.status !== 201) throw new Error(await made.text());
  await order(901); // a commit: without one it is evaluated once a minute
  await eventually("it says so", DEADLINE_MS, async () => (await ruleOf("Later"))["state"] === "failing");
  const { problem, firing } = await ruleOf("Later");
  expect(problem).toContain(`"muara.alert" → delivery "echo" → "${bus}" → rule "Later"`);
  expect(firing).toBe(1);
}, 120_000);
