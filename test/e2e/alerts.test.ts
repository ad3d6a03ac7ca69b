/**
 * From events over HTTP to whoever is on call: a whole Muara with rules, a real Alertmanager, and a webhook of its own,
 * while the process is killed. One page for each incident, one end, nothing under a silence.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import { createWebhookReader, type WebhookReader } from "../adapters/alertmanager/webhook-reader.ts";
import { startAlertmanager } from "../services/alertmanager.ts";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";

const HOUR_MS = 3_600_000;
const DEADLINE_MS = 60_000;

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function call(muara: MuaraProcess, path: string, body: unknown, method = "POST"): Promise<unknown> {
  const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
  const response = await muara.fetch(path, init);
  const text = await response.text();
  if (!response.ok) throw new Error(`${path} answers ${response.status}: ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}

async function declare(muara: MuaraProcess, name: string, properties: object): Promise<void> {
  const schema = JSON.stringify({ type: "object", properties });
  await call(muara, "/event-types", {
    name,
    owning_application: "test",
    category: "business",
    schema: { type: "json_schema", schema },
  });
}

let eventCount = 0;
function eventAt(atMs: number, payload: object): object {
  const eid = `00000000-0000-4000-8000-${String(++eventCount).padStart(12, "0")}`;
  return { metadata: { eid, occurred_at: new Date(atMs).toISOString() }, ...payload };
}

/** Started, killed and started again over one folder. */
async function makePlace(alerts: object): Promise<() => Promise<MuaraProcess>> {
  const folder = await temporaryFolder("alerts");
  cleanups.push(folder.remove);
  const config = {
    land: { commitMs: 100, projectMs: 500, disorderMs: 1_000 },
    outgoing: { allow: ["127.0.0.1"] },
    query: { warm: 0 },
    alerts: { everyMs: 200, saveMs: 500, standbyMs: 1_000, pauseMsMax: 500, ...alerts },
  };
  const path = join(folder.path, "muara.config.ts");
  await writeFile(path, `export default ${JSON.stringify(config)};\n`);
  return async () => {
    const muara = await startMuara(join(folder.path, "data"), { MUARA_CONFIG: path });
    cleanups.push(() => muara.kill());
    return muara;
  };
}

async function openReader(): Promise<{ reader: WebhookReader; url: string }> {
  const reader = createWebhookReader();
  const url = await reader.listen();
  cleanups.push(() => reader.stop());
  return { reader, url };
}

function pagesOf({ reader }: { reader: WebhookReader }, shop: string): string[] {
  return reader.pages.filter(({ alert }) => alert.labels["shop"] === shop).map(({ alert }) => alert.status);
}

interface ShownAlert {
  readonly rule: string;
  readonly state: string;
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
  readonly starts_at: string;
  readonly silenced_by: readonly string[];
}

async function alertsOf(muara: MuaraProcess): Promise<readonly ShownAlert[]> {
  return ((await (await muara.fetch("/v1/alerts")).json()) as { items: ShownAlert[] }).items;
}

async function ruleOf(muara: MuaraProcess, name: string): Promise<Record<string, unknown>> {
  return (await (await muara.fetch(`/v1/rules/${name}`)).json()) as Record<string, unknown>;
}

/** Until the rule has been evaluated by this process. */
async function evaluated(muara: MuaraProcess, name: string): Promise<void> {
  const sinceMs = Date.now();
  await eventually(`${name} is evaluated`, DEADLINE_MS, async () => {
    const { evaluated_at: at } = await ruleOf(muara, name);
    return typeof at === "string" && Date.parse(at) > sinceMs;
  });
}

test("an incident is one page and one end, over kills; a silence holds it back", async () => {
  const [pager, own] = [await openReader(), await openReader()];
  const alertmanager = await startAlertmanager(pager.url);
  cleanups.push(() => alertmanager.stop());
  const start = await makePlace({
    resendMs: 30_000,
    receivers: { pager: { alertmanager: [alertmanager.url] }, own: { webhook: own.url } },
  });
  let muara = await start();
  await declare(muara, "shop.status", { shop: { type: "string" }, status: { type: "string" } });
  const tell = (shop: string, status: string): Promise<unknown> =>
    call(muara, "/event-types/shop.status/events", [eventAt(Date.now(), { shop, status })]);
  await call(muara, "/v1/rules", {
    name: "ShopDown",
    sql: {
      query: `SELECT shop, 1 AS value, arg_max(status, event_time) AS status FROM shop_status
        WHERE event_time <= $now + INTERVAL '1 hour' GROUP BY shop HAVING status <> 'up'`,
      labels: ["shop"],
    },
    labels: { severity: "page" },
    annotations: { summary: "{{ shop }} is {{ status }}" },
    receivers: ["pager", "own"],
  });
  await tell("de", "down");
  await eventually("both are told", DEADLINE_MS, async () =>
    [pager, own].every((one) => pagesOf(one, "de").length > 0),
  );
  expect(pager.reader.pages[0]!.alert.annotations).toEqual({ summary: "de is down" });

  for (let kills = 0; kills < 3; kills++) {
    await tell("de", `down ${kills}`); // the page's text changes, the incident does not
    await muara.kill();
    muara = await start();
    await evaluated(muara, "ShopDown");
  }

  const silence = { matchers: 'shop=~"a."', comment: "known", for_ms: HOUR_MS };
  const { id } = (await call(muara, "/v1/silences", silence)) as { id: string };
  await tell("at", "down");
  const inState = (shop: string, state: string) => async (): Promise<boolean> =>
    (await alertsOf(muara)).some((one) => one.labels["shop"] === shop && one.state === state);
  await eventually("the silenced one fires", DEADLINE_MS, inState("at", "firing"));
  const silenced = (await alertsOf(muara)).find(({ labels }) => labels["shop"] === "at");
  expect(silenced?.silenced_by).toEqual([id]);
  await tell("at", "up");
  await eventually("the silenced one is over", DEADLINE_MS, inState("at", "resolved"));

  await tell("de", "up");
  await eventually("both are told of the end", DEADLINE_MS, async () =>
    [pager, own].every((one) => pagesOf(one, "de").includes("resolved")),
  );
  await eventually("the history has landed", DEADLINE_MS, async () => {
    const rows = await muara.sql(`SELECT count(*) FROM "muara.alert"`).catch(() => [["0"]]);
    return Number(rows[0]![0]) >= 4;
  });
  expect(pagesOf(pager, "de")).toEqual(["firing", "resolved"]);
  expect(new Set(pagesOf(own, "de")).size).toBe(2);
  expect([...pagesOf(pager, "at"), ...pagesOf(own, "at")]).toEqual([]);

  const history = await muara.sql(
    `SELECT json_extract_string(labels, '$.shop'), "from", "to" FROM "muara.alert" ORDER BY event_time, 1`,
  );
  expect(history.filter(([shop]) => shop === "de")).toEqual([
    ["de", "inactive", "firing"],
    ["de", "firing", "resolved"],
  ]);
  expect(await (await muara.fetch("/metrics")).text()).toContain('muara_rule_failing{rule="ShopDown"} 0');
}, 120_000);

test("a drop fires within two windows and says why; without weeks it is warming, without data it says so", async () => {
  const { reader, url } = await openReader();
  const start = await makePlace({ receivers: { own: { webhook: url } } });
  let muara = await start();
  const chance = seededRandomness(7);
  await declare(muara, "order.created", { country: { type: "string" } });
  const endMs = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
  const dropMs = endMs - 4 * HOUR_MS;
  const publish = async (fromMs: number, toMs: number): Promise<void> => {
    let batch: object[] = [];
    for (let atMs = fromMs; atMs < toMs; atMs += HOUR_MS) {
      const usual = 24 + Math.floor(chance.fraction() * 5);
      const orders = atMs >= dropMs ? 3 : usual;
      for (let i = 0; i < orders; i++) batch.push(eventAt(atMs + (i * HOUR_MS) / orders, { country: "DE" }));
      if (batch.length < 2_000 && atMs + HOUR_MS < toMs) continue;
      await call(muara, "/event-types/order.created/events", batch);
      batch = [];
    }
  };
  const judgedUntil = (atMs: number): Promise<void> =>
    eventually("the windows are judged", DEADLINE_MS, async () => {
      const { complete_through: through, series } = await ruleOf(muara, "OrdersDropped");
      return typeof through === "string" && Date.parse(through) >= atMs && series === 1;
    });
  const rule = {
    name: "OrdersDropped",
    drop: { table: "order.created", labels: ["country"], window_ms: HOUR_MS, time_zone: "Europe/Berlin" },
    no_data_ms: 30 * 24 * HOUR_MS,
    receivers: ["own"],
  };
  const weekMs = 7 * 24 * HOUR_MS;
  await publish(dropMs - 4 * weekMs, dropMs - 3 * weekMs);
  await call(muara, "/v1/rules", rule);
  await judgedUntil(dropMs - 3 * weekMs - 2 * HOUR_MS);
  expect(await ruleOf(muara, "OrdersDropped")).toMatchObject({ state: "warming", warming_series: 1 });

  await publish(dropMs - 3 * weekMs, dropMs);
  await judgedUntil(dropMs - 2 * HOUR_MS);
  await muara.kill();
  muara = await start();
  await judgedUntil(dropMs - 2 * HOUR_MS);
  expect(await ruleOf(muara, "OrdersDropped")).toMatchObject({ state: "inactive", warming_series: 0 });

  await publish(dropMs, endMs);
  await eventually("it fires", DEADLINE_MS, async () => reader.pages.length > 0);
  const { alert } = reader.pages[0]!;
  expect(alert.labels).toEqual({ alertname: "OrdersDropped", country: "DE" });
  expect(alert.startsAt).toBe(new Date(dropMs + 2 * HOUR_MS).toISOString());
  expect(alert.annotations["evidence"]).toMatch(
    /^expected 2\d \(4 \w+days \d\d:00: 2\d\.\.2\d\), saw 3, −8\d %$/,
  );

  await call(muara, "/v1/rules", { ...rule, no_data: "alert", no_data_ms: 1_000 });
  await eventually("no data is told", DEADLINE_MS, async () =>
    reader.pages.some(({ alert: one }) => one.labels["alertname"] === "NoData"),
  );
  expect(await ruleOf(muara, "OrdersDropped")).toMatchObject({ state: "no_data", firing: 1 });
  expect(reader.pages.filter(({ alert: one }) => one.labels["alertname"] === "OrdersDropped")).toHaveLength(
    1,
  );
}, 120_000);
