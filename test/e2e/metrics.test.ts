/**
 * A whole Muara with something of everything (a capture, a pull, a job, rules, deliveries, queries, refusals), scraped
 * by a real Prometheus: each panel of the board gives series, each alert rule is evaluated without an error, and the
 * counts are those of what was done.
 */
import { spawnSync } from "node:child_process";
import { createServer, type Server } from "node:http";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ALERT_RULES } from "../../docs/prometheus/alert-rules.ts";
import { PANELS } from "../../docs/grafana/panels.ts";
import { OPEN_METRICS_TYPE, TEXT_TYPE } from "../../core/open-metrics.ts";
import { orderEvent, orderType } from "../api/stack.ts";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";
import { startPostgres, type PostgresServer } from "../services/postgres.ts";
import { type PrometheusServer, startPrometheus } from "../services/prometheus.ts";
import { promtool } from "../services/promtool.ts";

const TYPE = "shop.order";
const PULLED = "shop.pulled";
const DEADLINE_MS = 90_000;
const RULES = fileURLToPath(new URL("../../docs/prometheus/muara.rules.yml", import.meta.url));
/** An integer that no column holds: accepted, and a dead letter. */
const TOO_LARGE = "92233720368547758080";

const cleanups: (() => Promise<unknown>)[] = [];
let muara: MuaraProcess;
let remote: MuaraProcess;
let database: PostgresServer;
let prometheus: PrometheusServer;
/** The database whose table is captured. */
let captured = "";
let sent = 0;

async function call(path: string, body?: unknown, to = muara): Promise<unknown> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const response = await to.fetch(path, body === undefined ? {} : { method: "POST", body: text });
  const answer = await response.text();
  if (!response.ok) throw new Error(`${path} answers ${response.status}: ${answer}`);
  return answer === "" ? undefined : JSON.parse(answer);
}

/** Takes everything, and refuses rows of one of its two addresses. */
async function openHook(): Promise<string> {
  const server: Server = createServer((request, response) => {
    request.resume();
    request.once("end", () => response.writeHead(request.url === "/down" ? 503 : 204).end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  cleanups.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`;
}

async function configured(folder: string, hook: string): Promise<string> {
  const { host, port, user } = database;
  captured = await database.freshDatabase();
  await database.sql(
    "CREATE TABLE accounts (id int PRIMARY KEY, v text); INSERT INTO accounts VALUES (1, 'a')",
    [],
    captured,
  );
  await writeFile(join(folder, "remote-token"), `${remote.token}\n`);
  const pull = {
    url: remote.url,
    token: { file: join(folder, "remote-token") },
    owningApplication: "lake",
    eventTypes: { [PULLED]: PULLED },
    commitSeconds: 1,
  };
  const config = {
    land: { commitMs: 100, projectMs: 200, disorderMs: 100 },
    outgoing: { allow: ["127.0.0.1"] },
    postgres: { shop1: { host, port, user, database: captured } },
    capture: { statusMs: 200, silentMs: 1_000 },
    jobs: { everyMs: 100, quietMs: 200 },
    deliver: { everyMs: 100, pauseMsMax: 500 },
    alerts: { everyMs: 200, pauseMsMax: 500, receivers: { own: { webhook: `${hook}/down` } } },
    upkeep: { compactMs: 1_000, icebergMs: 1_000 },
    pulls: { shop: pull },
    lineage: { file: join(folder, "lineage.ndjson") },
  };
  const path = join(folder, "muara.config.js");
  await writeFile(path, `export default ${JSON.stringify(config)};\n`);
  return path;
}

beforeAll(async () => {
  const [here, there] = [await temporaryFolder("metrics"), await temporaryFolder("metrics-remote")];
  cleanups.push(here.remove, there.remove);
  database = await startPostgres();
  cleanups.push(() => database.stop());
  remote = await startMuara(there.path, {}, [], ["ingest"]);
  cleanups.push(() => remote.kill());
  await call("/event-types", orderType(PULLED, 1), remote);
  const hook = await openHook();
  const environment = { MUARA_CONFIG: await configured(here.path, hook) };
  muara = await startMuara(join(here.path, "data"), environment);
  cleanups.push(() => muara.kill());
  await declare(hook);
  prometheus = await startPrometheus(
    [muara, remote].map((one) => ({ target: new URL(one.url).host, token: one.token })),
    [RULES],
  );
  cleanups.push(() => prometheus.stop());
}, 240_000);
afterAll(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
}, 60_000);

async function declare(hook: string): Promise<void> {
  for (const name of [TYPE, PULLED]) await call("/event-types", orderType(name, 2));
  await act();
  await eventually("the table is there", DEADLINE_MS, async () =>
    muara.sql(`SELECT count(*) FROM "${TYPE}"`).then(
      ([row]) => Number(row![0]) > 0,
      () => false,
    ),
  );
  await call("/v1/jobs", {
    text: `CREATE JOB counted AS SELECT window_end, count(*) AS orders
      FROM TUMBLE(shop_order, event_time, INTERVAL '1 second') GROUP BY window_end
      EMIT ON WINDOW CLOSE INTO lake counted`,
  });
  const query = `SELECT 'de' AS shop, count(*) AS value FROM shop_order WHERE event_time <= $now GROUP BY shop`;
  await call("/v1/rules", { name: "Orders", sql: { query, labels: ["shop"] }, receivers: ["own"] });
  await call("/v1/rules", { name: "Dropped", drop: { table: TYPE, window_ms: 3_600_000, time_zone: "UTC" } });
  await call("/v1/deliveries", { name: "taken", table: TYPE, from: "begin", url: `${hook}/up` });
  await call("/v1/deliveries", { name: "late", table: TYPE, from: "begin", url: `${hook}/down` });
  await call("/v1/captures", { name: "bank", database: "shop1", tables: ["public.accounts"] });
  await call(`/v1/tables/${TYPE}/iceberg`, "");
}

/** A little of everything that happens. */
async function act(): Promise<void> {
  const events = [orderEvent(++sent, String(sent)), orderEvent(1, "1"), orderEvent(++sent, TOO_LARGE)];
  await call(`/event-types/${TYPE}/events`, `[${events.join(",")}]`);
  await call(`/event-types/${PULLED}/events`, `[${orderEvent(sent, "3")}]`, remote);
  const refused = await muara.fetch(`/event-types/${TYPE}/events`, { method: "POST", body: "[{}]" });
  expect(refused.status).toBe(422);
  const stranger = await fetch(new URL("/v1/tables", muara.url));
  expect(stranger.status).toBe(401);
}

/** As Grafana would ask. */
function resolved(expr: string): string {
  return expr
    .replaceAll("$__rate_interval", "10s")
    .replaceAll("$__range", "1m")
    .replaceAll("$instance", ".*")
    .replaceAll("$table", ".*");
}

/** What needs a danger to be told of. */
const ABSENT: ReadonlySet<string> = new Set(["muara_capture_alert", "muara_capture_safe"]);

test(
  "each panel of the board gives series on a Prometheus that scrapes it",
  { timeout: 240_000 },
  async () => {
    const over = new AbortController();
    const acting = (async () => {
      for (let i = 0; !over.signal.aborted; i++) {
        await act();
        await database.sql("UPDATE accounts SET v = $1 WHERE id = 1", [String(i)], captured);
        await muara.sql(`SELECT count(*) FROM "${TYPE}"`);
        if (i % 3 === 0) await new Promise((resolve) => setTimeout(resolve, 200));
      }
    })();
    const queries = Object.entries(PANELS).flatMap(([row, panels]) =>
      panels.flatMap(({ title, queries: own }) =>
        own.map(([expr]) => ({ at: `${row}: ${title}: ${expr}`, expr })),
      ),
    );
    let empty: string[] = [];
    try {
      await eventually("each gives series", DEADLINE_MS, async () => {
        const asked = queries.filter(({ expr }) => ![...ABSENT].some((name) => expr.includes(name)));
        empty = [];
        for (const { at, expr } of asked)
          if ((await prometheus.query(resolved(expr))).length === 0) empty.push(at);
        return empty.length === 0;
      }).catch((error: unknown) => {
        if (empty.length === 0) throw error;
      });
    } finally {
      over.abort();
      await acting;
    }
    expect(empty).toEqual([]);
    // Those of which nothing is to be told are queries that it takes as well.
    for (const { expr } of queries) await prometheus.query(resolved(expr));
  },
);

test("each rule is evaluated without an error, and what is wrong fires", { timeout: 120_000 }, async () => {
  interface Rule {
    readonly name: string;
    readonly health: string;
    readonly lastError?: string;
  }
  const rules = async (): Promise<Rule[]> =>
    ((await prometheus.get("/rules")) as { groups: { rules: Rule[] }[] }).groups.flatMap(
      (group) => group.rules,
    );
  await eventually("all were evaluated", DEADLINE_MS, async () =>
    (await rules()).every(({ health }) => health !== "unknown"),
  );
  const all = await rules();
  expect(all.filter(({ health }) => health !== "ok")).toEqual([]);
  expect(all.length).toBe(Object.values(ALERT_RULES).flat().length);
  await eventually("dead letters fire", DEADLINE_MS, async () => {
    const firing = await prometheus.query('ALERTS{alertname="MuaraDeadLetters",alertstate="firing"}');
    return firing.some(({ metric }) => metric["table"] === TYPE);
  });
});

async function metricsAs(accept: string): Promise<[string | null, string]> {
  const response = await muara.fetch("/metrics", { headers: { accept } });
  return [response.headers.get("content-type"), await response.text()];
}

test("both formats pass promtool, and counts are what was done", { timeout: 60_000 }, async () => {
  const [openType, open] = await metricsAs("application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
  expect([openType, open.endsWith("# EOF\n")]).toEqual([OPEN_METRICS_TYPE, true]);
  const [type, older] = await metricsAs("text/plain");
  expect(type).toBe(TEXT_TYPE);
  const { status, stdout, stderr } = spawnSync(promtool(), ["check", "metrics"], {
    input: older,
    encoding: "utf8",
  });
  expect([status, stdout, stderr]).toEqual([0, "", ""]);
  const valueOf = (line: string): number => {
    const found = open.split("\n").find((one) => one.startsWith(`${line} `));
    expect(found, `${line} of\n${open}`).toBeDefined();
    return Number(found!.slice(line.length));
  };
  await eventually("all has landed", DEADLINE_MS, async () => {
    const { items } = (await call(`/v1/books?event_type=${TYPE}`)) as { items: { in_flight: number }[] };
    return items[0]?.in_flight === 0;
  });
  const rounds = sent / 2;
  expect(valueOf(`muara_ingest_events_total{event_type="${TYPE}"}`)).toBe(3 * rounds);
  expect(valueOf(`muara_log_records_total{stream="${TYPE}"}`)).toBe(3 * rounds);
  expect(valueOf('muara_ingest_refused_events_total{code="event.schema"}')).toBe(rounds);
  expect(valueOf('muara_auth_refusals_total{code="auth.missing"}')).toBe(rounds);
  const [landed, duplicates, dead] = ["landed_events", "duplicate_events", "dead_letters"].map((name) =>
    valueOf(`muara_${name}_total{table="${TYPE}"}`),
  );
  expect([landed, duplicates, dead]).toEqual([rounds, rounds, rounds]);
  // A process without the read side tells of itself, to who may know it.
  const other = await remote.fetch("/metrics");
  expect([other.status, other.headers.get("content-type")]).toEqual([200, OPEN_METRICS_TYPE]);
  expect(await other.text()).toContain("muara_ingest_events_total{");
  expect((await fetch(new URL("/metrics", remote.url))).status).toBe(401);
});
