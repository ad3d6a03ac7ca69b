/**
 * Two processes that both take every rule for theirs, over one log and one lake on S3: what is told is told under one
 * id, what is kept is kept once, and who was given a rule evaluates it at once.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { notifierOpener } from "../../../adapters/open.ts";
import { resolveConfig } from "../../../core/config.ts";
import type { Config } from "../../../core/config.ts";
import { silentLogger } from "../../../core/logger.ts";
import { startWorkers, type Running } from "../../../muara.ts";
import { type Base, openBase, openSight } from "../../../muara-base.ts";
import { openAlerts } from "../../../workers/alert/open-alerts.ts";
import { orderEvent, orderType } from "../../api/stack.ts";
import { eventually } from "../../services/muara.ts";
import { type S3Server, startS3 } from "../../services/versitygw.ts";

const TYPE = "shop.order";
const DEADLINE_MS = 60_000;
/** So long that nothing in here comes of waiting for it, ms. */
const NEVER_MS = 3_600_000;

interface Host {
  readonly base: Base;
  owns: boolean;
  close(): Promise<void>;
}

let s3: S3Server;
let hook: Server;
let door: Running;
let folder: string;
let made = 0;
let events = 0;
const told: string[] = [];
let hosts: Host[] = [];
let configOf: (name: string) => Config;

beforeAll(async () => {
  s3 = await startS3();
  folder = await mkdtemp(join(tmpdir(), "muara-two-"));
  hook = createServer((request, response) => {
    request.resume();
    request.on("end", () => {
      told.push(String(request.headers["idempotency-key"]));
      response.writeHead(200).end();
    });
  });
  await new Promise<void>((resolve) => hook.listen(0, "127.0.0.1", resolve));
  const address = hook.address();
  const webhook = `http://127.0.0.1:${typeof address === "object" ? address!.port : 0}/`;
  process.env["AWS_ACCESS_KEY_ID"] = s3.credentials.accessKeyId;
  process.env["AWS_SECRET_ACCESS_KEY"] = s3.credentials.secretAccessKey;
  const [log, lake] = [await s3.freshAddress("log"), await s3.freshAddress("lake")];
  const alerts = { everyMs: 100, saveMs: 300, pauseMsMax: 300, standbyMs: NEVER_MS };
  configOf = (name) => {
    const file = {
      data: join(folder, name),
      port: 0,
      log,
      lake,
      auth: "none" as const,
      land: { commitMs: 100, projectMs: 100 },
      query: { warm: 0 },
      outgoing: { allow: ["127.0.0.1"] },
      alerts: { ...alerts, receivers: { chat: { webhook } } },
    };
    return resolveConfig({ environment: {}, file }).config;
  };
  door = await startWorkers(configOf("door"), ["ingest", "land", "api"], silentLogger);
  await call("POST", "/event-types", orderType(TYPE, 1));
  await publish(1);
  await eventually("the first event has landed", DEADLINE_MS, async () => (await valueOf("count(*)")) === 1);
}, 120_000);
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.close()));
});
afterAll(async () => {
  await door?.stop();
  await new Promise((resolve) => hook.close(resolve));
  await s3.stop();
  await rm(folder, { recursive: true, force: true });
});

async function call<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
  const headers = { "content-type": "application/json" };
  const init = body === undefined ? {} : { headers, body: JSON.stringify(body) };
  const answer = await fetch(new URL(path, door.url), { method, ...init });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${path} answers ${answer.status}: ${text}`);
  return (text === "" ? undefined : JSON.parse(text)) as Answer;
}

async function valueOf(expression: string, table = TYPE): Promise<number> {
  const sql = `SELECT ${expression} FROM "${table}"`;
  const answer = await call<{ rows: unknown[][] }>("POST", "/v1/sql", { sql }).catch(() => undefined);
  return Number(answer?.rows[0]![0]);
}

async function publish(number: number): Promise<void> {
  const event: unknown = JSON.parse(orderEvent(++events, String(number)));
  await call("POST", `/event-types/${TYPE}/events`, [event]);
}

async function addHost(owns: boolean, standbyMs = NEVER_MS): Promise<Host> {
  const name = `host-${++made}`;
  const config = configOf(name);
  const base = await openBase(config, silentLogger);
  const shared = { ...base, ...base.services, ...(await openSight(base)), readSecret, process: name };
  const openNotifier = await notifierOpener(shared, config.alerts);
  const ownership = { owns: () => host.owns, isDealt: true, close: async () => undefined };
  const own = { ...config, alerts: { ...config.alerts, standbyMs } };
  const { worker, close } = await openAlerts({ ...shared, config: own, openNotifier, ownership });
  const over = new AbortController();
  const follow = (async () => {
    while (!over.signal.aborted) {
      await base.registry.refresh();
      await base.services.clock.sleep(100, over.signal);
    }
  })();
  const running = worker.run(over.signal);
  const host: Host = {
    base,
    owns,
    close: async () => {
      over.abort();
      await Promise.all([running, follow]);
      await close();
      base.outgoing.close();
      await base.log.close();
    },
  };
  hosts.push(host);
  return host;
}

interface Shown {
  readonly state: string;
  readonly runs_on: string | null;
  readonly firing: number;
}

const readSecret = async (): Promise<string> => "";
const ruleNamed = (name: string): Promise<Shown> => call("GET", `/v1/rules/${name}`);
const above = (name: string, least: number): object => ({
  name,
  sql: {
    query: `SELECT note, max(number) AS value FROM shop_order
      WHERE number > ${least} AND number < ${least} + 1000 GROUP BY note`,
  },
  receivers: ["chat"],
});

test("both evaluate: each alert has one id, whoever tells it, and is one row of the history", async () => {
  for (let i = 0; i < 2; i++) await addHost(true, 200);
  const before = told.length;
  await call("POST", "/v1/rules", above("Both", 1_000));
  const by = new Set<string | null>();
  for (let n = 1; n <= 12 || by.size < 2; n++) {
    await publish(1_000 + n);
    const isTold = async (): Promise<boolean> => new Set(told.slice(before)).size >= n;
    await eventually(`alert ${n} is told`, DEADLINE_MS, isTold);
    by.add((await ruleNamed("Both")).runs_on);
    if (n > 200) throw new Error("one of them has it for itself");
  }
  const ids = new Set(told.slice(before));
  const firing = (await ruleNamed("Both")).firing;
  expect(ids.size).toBe(firing);
  const history = `count(*) = ${firing} AND count(DISTINCT fingerprint) = ${firing}`;
  await eventually("the history has each once", DEADLINE_MS, async () => {
    const sql = `SELECT ${history} FROM "muara.alert" WHERE rule = 'Both'`;
    const answer = await call<{ rows: unknown[][] }>("POST", "/v1/sql", { sql }).catch(() => undefined);
    return answer?.rows[0]![0] === true;
  });
  await call("DELETE", "/v1/rules/Both");
  await eventually("the end of each is told", DEADLINE_MS, async () => {
    return new Set(told.slice(before)).size === 2 * firing;
  });
}, 120_000);

test("a rule that moves is evaluated at once by who has it now, and by nobody else", async () => {
  const [one, other] = [await addHost(true), await addHost(false)];
  await call("POST", "/v1/rules", above("Moved", 2_000));
  const isAt = (host: string) => async () => (await ruleNamed("Moved")).runs_on === host;
  const [first, second] = [`host-${made - 1}`, `host-${made}`];
  await eventually("the one has it", DEADLINE_MS, isAt(first));
  for (const [round, [has, name]] of (
    [
      [other, second],
      [one, first],
      [other, second],
    ] as const
  ).entries()) {
    for (const host of [one, other]) host.owns = host === has;
    await eventually(`${name} has it`, DEADLINE_MS, isAt(name));
    const before = told.length;
    await publish(2_001 + round);
    await eventually("it is told", DEADLINE_MS, async () => told.length > before);
    expect(told.length).toBe(before + 1);
    expect((await ruleNamed("Moved")).runs_on).toBe(name);
  }
  expect((await ruleNamed("Moved")).firing).toBe(3);
}, 120_000);

test("the end of a rule whose owner has gone is told by another one", async () => {
  const [one] = [await addHost(true), await addHost(false)];
  const before = told.length;
  await call("POST", "/v1/rules", above("Gone", 3_000));
  await publish(3_001);
  await eventually("it is told", DEADLINE_MS, async () => told.length === before + 1);
  await one.close();
  hosts = hosts.filter((host) => host !== one);
  await call("DELETE", "/v1/rules/Gone");
  await eventually("its end is told", DEADLINE_MS, async () => told.length === before + 2);
}, 120_000);
