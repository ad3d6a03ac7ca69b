/** Jobs over HTTP: their sinks, later texts, previews, and what is refused, on a whole Muara in this process. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../services/muara.ts";
import { runCommand } from "./run-command.ts";
import { orderEvent, orderType, startStack, type Stack } from "./stack.ts";

const TYPE = "shop.order";
const DEADLINE_MS = 60_000;
const CLOSED = "http://127.0.0.1:1/hook";

type Json = Record<string, unknown>;

let stack: Stack;
let hook: ReturnType<typeof createServer>;
const received: string[] = [];
beforeAll(async () => {
  hook = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      received.push(body);
      response.end();
    });
  });
  await new Promise<void>((resolve) => hook.listen(0, "127.0.0.1", resolve));
  stack = await startStack(undefined, {
    outgoing: { allow: ["127.0.0.1"] },
    jobs: { everyMs: 100, quietMs: 300 },
    postgres: { store: { host: "127.0.0.1", port: 1, database: "none", user: "nobody" } },
    deliver: {
      everyMs: 50,
      postgres: ["store"],
      elasticsearch: { one: { url: "http://127.0.0.1:1" }, two: { url: "http://127.0.0.1:1" } },
    },
  });
  expect((await stack.call("POST", "/event-types", orderType(TYPE, 1))).status).toBe(201);
  await publish(0, 5);
  await stack.settled(TYPE);
}, 60_000);
afterAll(async () => {
  await stack?.close();
  hook?.close();
});

async function publish(from: number, count: number): Promise<void> {
  const events = Array.from({ length: count }, (_, i) => orderEvent(from + i, String(from + i)));
  expect((await stack.call("POST", `/event-types/${TYPE}/events`, `[${events.join(",")}]`)).status).toBe(200);
}

function rowsText(name: string, list: string, into = `lake ${name}`, from = "shop_order"): string {
  return `CREATE JOB ${name} AS SELECT event_time, watermark, ${list} FROM ${from} EMIT ON WINDOW CLOSE INTO ${into}`;
}

async function ask(method: string, path: string, body?: Json, headers: Record<string, string> = {}) {
  const response = await stack.call(method, path, body, headers);
  const text = await response.text();
  const answer = (text === "" ? {} : JSON.parse(text)) as Json;
  return { status: response.status, answer, etag: response.headers.get("etag") };
}

async function keptBy(counted: string): Promise<unknown> {
  const text = `CREATE JOB kept AS SELECT window_end, ${counted} AS counted
    FROM TUMBLE(shop_order, event_time, INTERVAL '1 hour') GROUP BY window_end
    EMIT ON WINDOW CLOSE INTO lake kept`;
  return (await ask("POST", "/v1/jobs/plan", { text })).answer["keeps"];
}

async function deploy(text: string, more: Json = {}): Promise<Json> {
  const { status, answer } = await ask("POST", "/v1/jobs", { text, ...more });
  expect(answer).toMatchObject({ text });
  expect(status).toBe(201);
  return answer;
}

async function through(name: string, version = 1): Promise<Json> {
  let last: Json = {};
  await eventually(`${name} is through`, DEADLINE_MS, async () => {
    last = (await ask("GET", `/v1/jobs/${name}`)).answer;
    return last["is_live"] === true && last["behind_versions"] === 0 && last["running_version"] === version;
  });
  return last;
}

async function sql(query: string): Promise<unknown[][]> {
  return (await ask("POST", "/v1/sql", { sql: query })).answer["rows"] as unknown[][];
}

async function remove(name: string): Promise<void> {
  expect((await ask("DELETE", `/v1/jobs/${name}`)).status).toBe(204);
}

test(
  "its further sinks are deliveries of its own, and one that fails leaves it alone",
  { timeout: 180_000 },
  async () => {
    const { port } = hook.address() as AddressInfo;
    const text = rowsText(
      "sinks",
      "number",
      `lake sinks, http "http://127.0.0.1:${port}/in", http "${CLOSED}", postgres orders, elasticsearch "two/orders"`,
    );
    const made = await deploy(text);
    const deliveries = made["deliveries"] as Json[];
    expect(deliveries.map(({ name, table, job }) => [name, table, job])).toEqual(
      ["elasticsearch", "http", "http-2", "postgres"].map((kind) => [`job-sinks-${kind}`, "sinks", "sinks"]),
    );
    expect(deliveries.filter(({ secret }) => secret !== undefined).length).toBe(2);
    expect(deliveries[3]).toMatchObject({
      postgres: { target: "store", table: "public.orders", mode: "append", key: ["row_id"] },
    });
    await through("sinks");
    await eventually("rows have come", DEADLINE_MS, async () => received.join("").includes('"number":4'));
    const shown = (await ask("GET", "/v1/jobs/sinks")).answer;
    expect(JSON.stringify(shown["deliveries"])).not.toContain("whsec");
    await eventually("the closed one fails", DEADLINE_MS, async () => {
      return (await ask("GET", "/v1/deliveries/job-sinks-http-2")).answer["state"] === "failing";
    });
    expect((await ask("GET", "/v1/jobs/sinks")).answer["state"]).toBe("running");
    expect((await ask("DELETE", "/v1/deliveries/job-sinks-http")).status).toBe(409);
    const states = async (): Promise<unknown[]> =>
      ((await ask("GET", "/v1/jobs/sinks")).answer["deliveries"] as Json[]).map(
        ({ state }) => state === "paused",
      );
    await ask("POST", "/v1/jobs/sinks/pause");
    expect(await states()).toEqual([true, true, true, true]);
    await ask("POST", "/v1/jobs/sinks/resume");
    expect(await states()).toEqual([false, false, false, false]);
    // Another text keeps the sink that it has as well, where it is, and drops the others.
    const fewer = text.replace(`, http "${CLOSED}", postgres orders, elasticsearch "two/orders"`, "");
    const { answer } = await ask("PUT", "/v1/jobs/sinks", { text: fewer });
    expect((answer["deliveries"] as Json[]).map(({ name, secret }) => [name, secret])).toEqual([
      ["job-sinks-http", undefined],
    ]);
    await remove("sinks");
    expect((await ask("GET", "/v1/deliveries")).answer).toEqual({ items: [] });
  },
);

test(
  "a sink that cannot be is refused with its place and the nearest form",
  { timeout: 180_000 },
  async () => {
    const tried = [
      ["log orders", '"orders" is not declared'],
      ["elasticsearch orders", "It is not said into which elasticsearch"],
      ["kafka orders", "deliver.kafka names no target"],
      ['postgres "other/orders"', 'deliver.postgres has no "other"'],
      ["http orders", 'http "https://host/path"'],
      ["postgres orders, postgres orders", "The same sink stands here twice"],
    ] as const;
    for (const [sink, why] of tried) {
      const { status, answer } = await ask("POST", "/v1/jobs", {
        text: rowsText("no", "number", `lake no, ${sink}`),
      });
      expect([status, answer["detail"]]).toEqual([422, expect.stringContaining(why)]);
      expect(answer["detail"]).toMatch(/^Line 1, column \d+: /);
    }
    expect((await ask("GET", "/v1/deliveries")).answer).toEqual({ items: [] });
  },
);

test("a plan tells as what windows are kept, and why", { timeout: 60_000 }, async () => {
  expect(await keptBy("count(*)")).toEqual([{ source: "shop_order", form: "slices", why: null }]);
  expect(await keptBy("median(number)")).toEqual([
    { source: "shop_order", form: "rows", why: expect.stringContaining("median") },
  ]);
});

test("another text takes over, and an older one again", { timeout: 180_000 }, async () => {
  const first = rowsText("texts", "number, 'first' AS tag");
  const second = rowsText("texts", "number, 'second' AS tag, number * 2 AS twice");
  await deploy(first);
  await through("texts");
  expect((await ask("POST", "/v1/jobs", { text: second })).status).toBe(409);
  const planned = (await ask("POST", "/v1/jobs/plan", { text: second })).answer;
  expect(planned["upgrade"]).toMatchObject({ version: 2, state: "rebuilt", added_columns: ["twice"] });
  expect((await ask("POST", "/v1/jobs/plan", { text: first })).answer["upgrade"]).toMatchObject({
    state: "kept",
  });
  expect(planned["cost"]).toMatchObject({ history_steps: 1 });
  expect((planned["cost"] as Json)["rows"]).toBeGreaterThanOrEqual(5);
  const { etag } = await ask("GET", "/v1/jobs/texts");
  expect((await ask("PUT", "/v1/jobs/texts", { text: second }, { "if-match": '"77"' })).status).toBe(409);
  const upgraded = await ask("PUT", "/v1/jobs/texts", { text: second }, { "if-match": etag! });
  expect([upgraded.status, upgraded.answer["version"]]).toEqual([200, 2]);
  const stale = await ask("PUT", "/v1/jobs/texts", { text: first }, { "if-match": etag! });
  expect([stale.status, stale.answer["code"]]).toEqual([409, "declaration.conflict"]);
  await through("texts", 2);
  await publish(100, 3);
  await eventually("they are there", DEADLINE_MS, async () => {
    return Number((await sql("SELECT count(*) FROM texts WHERE twice IS NOT NULL"))[0]![0]) === 3;
  });
  for (const [list, named] of [
    ["'x' AS tag, number * 2 AS twice", "it lacks number"],
    ["number, 1 AS tag, number * 2 AS twice", "other types have tag"],
  ] as const) {
    const refused = await ask("PUT", "/v1/jobs/texts", { text: rowsText("texts", list) });
    expect([refused.status, refused.answer["code"]]).toEqual([409, "job.incompatible"]);
    expect(refused.answer["detail"]).toContain(named);
  }
  expect((await ask("POST", "/v1/jobs/texts/rollback", { to: 9 })).status).toBe(404);
  const back = await ask("POST", "/v1/jobs/texts/rollback", {});
  expect([back.status, back.answer["version"], back.answer["text"]]).toEqual([200, 3, first]);
  const shown = await through("texts", 3);
  const versions = shown["text_versions"] as Json[];
  expect(versions.map(({ version, text }) => [version, text])).toEqual([
    [1, first],
    [2, second],
    [3, first],
  ]);
  expect(versions.map(({ counts_from }) => counts_from !== null)).toEqual([false, true, true]);
  await publish(200, 2);
  await eventually("they are there as well", DEADLINE_MS, async () => {
    return Number((await sql("SELECT count(*) FROM texts WHERE number >= 200"))[0]![0]) === 2;
  });
  expect(
    await sql("SELECT tag, count(*), count(twice) FROM texts WHERE number >= 100 GROUP BY ALL ORDER BY ALL"),
  ).toEqual([
    ["first", "2", "0"],
    ["second", "3", "3"],
  ]);
  await remove("texts");
});

test("one that was removed goes on in its table where that is asked for", { timeout: 180_000 }, async () => {
  const text = rowsText("again", "number");
  await deploy(text);
  await through("again");
  const before = (await sql("SELECT count(*) FROM again"))[0]![0];
  await remove("again");
  const refused = await ask("POST", "/v1/jobs", { text });
  expect([refused.status, refused.answer["code"]]).toEqual([409, "job.output_taken"]);
  expect(refused.answer["detail"]).toContain('"continue"');
  const other = await ask("POST", "/v1/jobs", {
    text: text.replace("JOB again", "JOB other"),
    continue: true,
  });
  expect([other.status, other.answer["code"]]).toEqual([409, "job.output_taken"]);
  const narrow = await ask("POST", "/v1/jobs", { text: rowsText("again", "1 AS one"), continue: true });
  expect([narrow.status, narrow.answer["code"]]).toEqual([409, "job.incompatible"]);
  await publish(300, 2);
  await stack.settled(TYPE);
  expect(await deploy(text, { continue: true })).toMatchObject({ version: 2 });
  await through("again", 2);
  expect(await sql("SELECT count(*) FROM again")).toEqual([[String(Number(before) + 2)]]);
  await remove("again");
});

test("jobs in a ring are refused, by their names", { timeout: 180_000 }, async () => {
  await deploy(rowsText("upper", "number"));
  await through("upper");
  await deploy(rowsText("lower", "number", "lake lower", "upper"));
  await through("lower");
  const text = rowsText("upper", "number", "lake upper", "lower");
  const { status, answer } = await ask("PUT", "/v1/jobs/upper", { text });
  expect([status, answer["code"]]).toEqual([409, "job.loop"]);
  expect(answer["detail"]).toContain('job "upper" → "upper" → job "lower" → "lower" → job "upper"');
  const self = rowsText("upper", "number", "lake upper", "upper");
  expect((await ask("PUT", "/v1/jobs/upper", { text: self })).answer["code"]).toBe("job.loop");
  await remove("lower");
  await remove("upper");
});

test(
  "rows that are not final are shown as such, and how far it is behind",
  { timeout: 180_000 },
  async () => {
    const windows = `CREATE JOB hours AS SELECT window_start, window_end, count(*) AS n
    FROM TUMBLE(shop_order, event_time, INTERVAL '1 hour') GROUP BY window_start, window_end
    EMIT ON WINDOW CLOSE INTO lake hours`;
    await deploy(windows);
    const shown = await through("hours");
    expect(shown["behind_ms"]).toBe(0);
    const events = (await sql('SELECT count(*) FROM "shop.order"'))[0]![0];
    const preview = (await ask("GET", "/v1/jobs/hours/preview")).answer;
    expect(preview).toMatchObject({ is_final: false, columns: ["window_start", "window_end", "n"] });
    const counted = (preview["rows"] as unknown[][]).reduce((sum, row) => sum + Number(row[2]), 0);
    expect(counted).toBe(Number(events));
    expect(((await ask("GET", "/v1/jobs/hours/preview?limit=1")).answer["rows"] as unknown[]).length).toBe(1);
    for (const limit of ["0", "1001", "x"])
      expect((await ask("GET", `/v1/jobs/hours/preview?limit=${limit}`)).status).toBe(400);
    const metrics = await (await stack.call("GET", "/metrics")).text();
    expect(metrics).toContain('muara_job_behind_versions{job="hours"} 0');
    expect(metrics).toContain('muara_job_behind_seconds{job="hours"} 0');
    const cli = await runCommand(["job", "preview", "hours"], {
      MUARA_URL: stack.url,
      MUARA_TOKEN: stack.token,
    });
    expect(cli.out).toContain("window_start");
    await ask("POST", "/v1/jobs/hours/pause");
    await eventually("it rests", DEADLINE_MS, async () => {
      return (await ask("GET", "/v1/jobs/hours/preview")).answer["code"] === "job.not_running";
    });
    await remove("hours");
  },
);

test("one name is one owner's", async () => {
  await deploy(rowsText("mine", "number"));
  for (const name of ["mine", "Mine", "mine.corrections"]) {
    const { status, answer } = await ask("POST", "/event-types", orderType(name, 1));
    expect([status, answer["code"]]).toEqual([409, "event_type.exists"]);
    expect(answer["detail"]).toContain('job "mine"');
  }
  const { status, answer } = await ask("POST", "/v1/jobs", {
    text: rowsText("x", "number", `lake "${TYPE}"`),
  });
  expect([status, answer["code"]]).toEqual([409, "job.output_taken"]);
  expect(answer["detail"]).toContain(`"${TYPE}" is an event type of shop`);
  await remove("mine");
});
