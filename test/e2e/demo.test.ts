/**
 * `muara demo` as somebody new has it: what it declares beside its traffic is there, its results are those of a query
 * over the lake, a second run leaves them as they are, and what is refused is told and stops nothing.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually, temporaryFolder } from "../services/muara.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const WAIT_MS = 120_000;
const ALL_DECLARED = "rule DeepPriceCut, job orders_by_hour, process fulfilment  ";
const BALANCE = "the books balance";

interface Demo {
  readonly child: ChildProcess;
  readonly talk: () => string;
  get<Answer>(path: string): Promise<Answer>;
  post(path: string, body?: unknown): Promise<Response>;
  sql(query: string): Promise<unknown[][]>;
  /** SIGINT, as Ctrl-C sends it; resolves with the exit code. */
  stop(): Promise<number | null>;
}

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const running = new Set<ChildProcess>();

beforeAll(async () => {
  folder = await temporaryFolder("demo");
});
afterAll(async () => {
  for (const child of running) child.kill("SIGKILL");
  await folder.remove();
});

/** Runs until it has said what it has declared. */
async function startDemo(
  name: string,
  rate: number,
  environment: Record<string, string> = {},
): Promise<Demo> {
  const data = join(folder.path, name);
  const args = ["demo", "--data", data, "--port", "0", "--no-open", "--rate", String(rate)];
  const child = spawn(process.execPath, [join(ROOT, "muara.js"), ...args], {
    cwd: ROOT,
    env: { PATH: process.env["PATH"], ...environment },
    stdio: ["ignore", "ignore", "pipe"],
  });
  running.add(child);
  let talk = "";
  child.stderr.on("data", (chunk: Buffer) => (talk += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  void ended.then(() => running.delete(child));
  await eventually("it has declared", WAIT_MS, async () => {
    if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}:\n${talk}`);
    return talk.includes("✓ declared");
  });
  const url = /http:\/\/127\.0\.0\.1:\d+/.exec(talk)![0];
  const token = (await readFile(join(data, "token"), "utf8")).trim();
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const post = (path: string, body: unknown = {}): Promise<Response> =>
    fetch(url + path, { method: "POST", headers, body: JSON.stringify(body) });
  return {
    child,
    talk: () => talk,
    post,
    get: async <Answer>(path: string) => {
      const answer = await fetch(url + path, { headers });
      expect(answer.status, path).toBe(200);
      return (await answer.json()) as Answer;
    },
    sql: async (query) => {
      const answer = await post("/v1/sql", { sql: query, limit: 10_000 });
      expect(answer.status, query).toBe(200);
      return ((await answer.json()) as { rows: unknown[][] }).rows;
    },
    stop: () => {
      child.kill("SIGINT");
      return ended;
    },
  };
}

interface JobNow {
  readonly created_at: string;
  readonly version: number;
  readonly is_live: boolean;
}

test("the job, the process and the rule are there, and tell what the lake does", async () => {
  const demo = await startDemo("shop", 6);
  expect(demo.talk()).toContain(ALL_DECLARED);
  expect(demo.talk().match(/✓/g)).toHaveLength(4); // opened, published, landed, declared
  const job = (): Promise<JobNow> => demo.get("/v1/jobs/orders_by_hour");
  for (const name of ["orders_by_hour", "process.fulfilment.shipped_in_time"])
    await eventually(
      `${name} has done the past`,
      WAIT_MS,
      async () => (await demo.get<JobNow>(`/v1/jobs/${name}`)).is_live,
    );
  const hours = await demo.sql(
    "SELECT epoch(window_start), country, orders, revenue FROM orders_by_hour ORDER BY ALL",
  );
  expect(hours.length).toBeGreaterThan(40 * 5);
  // What landed behind the watermark of its hour is a correction, not counted.
  const counted = await demo.sql(`
    SELECT epoch(date_trunc('hour', event_time)), country, count(*), sum(total) FROM ORDER_CREATED
    WHERE (watermark IS NULL OR watermark < date_trunc('hour', event_time) + INTERVAL '70 minutes')
      AND date_trunc('hour', event_time) <= (SELECT max(window_start) FROM orders_by_hour)
    GROUP BY ALL ORDER BY ALL`);
  expect(hours).toEqual(counted);

  const { activities } = await demo.get<{ activities: { activity: string; cases: number }[] }>(
    "/v1/processes/fulfilment/funnel",
  );
  expect(activities.map(({ activity }) => activity)).toEqual(["ordered", "paid", "shipped"]);
  for (const { activity, cases } of activities) expect(cases, activity).toBeGreaterThan(500);
  const outcomes = await demo.sql(
    "SELECT DISTINCT outcome FROM process_fulfilment_shipped_in_time ORDER BY ALL",
  );
  expect(outcomes).toEqual([["breached"], ["met"]]);

  const cut = {
    metadata: { eid: crypto.randomUUID(), occurred_at: new Date().toISOString() },
    sku: "mine-1",
    category: "socks",
    old_price: 10,
    new_price: 5,
  };
  expect((await demo.post("/event-types/PRICE_CHANGED/events", [cut])).status).toBe(200);
  const cuts = await demo.sql(`
    SELECT DISTINCT sku FROM PRICE_CHANGED
    WHERE event_time > now() - INTERVAL '330 minutes' AND round(100 * (old_price - new_price) / old_price) >= 26`);
  const firing = async (): Promise<string[]> => {
    const { items } = await demo.get<{ items: { labels: { article: string } }[] }>("/v1/alerts");
    return items.map(({ labels }) => labels.article);
  };
  await eventually("who became cheap fires", WAIT_MS, async () => {
    const articles = new Set(await firing());
    return articles.has("mine-1") && cuts.every(([sku]) => articles.has(String(sku)));
  });

  // A second run finds them as they were left.
  const before = await job();
  expect((await demo.post("/v1/rules/DeepPriceCut/pause")).status).toBe(200);
  expect(await demo.stop()).toBe(0);
  expect(demo.talk()).toContain(BALANCE);
  const again = await startDemo("shop", 6);
  expect(again.talk()).toContain(ALL_DECLARED);
  const after = await again.get<JobNow>("/v1/jobs/orders_by_hour");
  expect([after.created_at, after.version]).toEqual([before.created_at, before.version]);
  expect(await again.get("/v1/rules/DeepPriceCut")).toMatchObject({ state: "paused" });
  expect((await again.get<{ items: unknown[] }>("/v1/jobs")).items).toHaveLength(2);
  expect(await again.stop()).toBe(0);
  expect(again.talk()).toContain(BALANCE);
}, 300_000);

test("what is refused is told, and the demo goes on", { timeout: 200_000 }, async () => {
  const demo = await startDemo("few", 0, { MUARA_JOBS_JOBS: "1" });
  expect(demo.talk()).toContain("rule DeepPriceCut, job orders_by_hour, not process fulfilment: ");
  expect(demo.talk()).toContain("jobs.jobs");
  expect(await demo.stop()).toBe(0);
  expect(demo.talk()).toContain(BALANCE);
});
