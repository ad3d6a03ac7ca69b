/**
 * Jobs and rules of two processes that share a log on Kafka and a lake on S3: each is one process's, one that dies
 * loses all to the other, one that ends hands over, and nobody can tell that from results and pages.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import { createWebhookReader } from "../adapters/alertmanager/webhook-reader.ts";
import { GROUP_TIMES, type KafkaServer, SESSION, startKafka } from "../services/kafka.ts";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";
import { type S3Server, startS3 } from "../services/versitygw.ts";

const DEADLINE_MS = 120_000;
/** Beside the session: engines that start, on a machine that does much else. */
const TAKEOVER_MS = 40_000;
const START_MS = Date.UTC(2026, 2, 1);
const EVENTS = 60;
const LEAST = 3;
const MOST = 12;

const reader = createWebhookReader();
const cleanups: (() => Promise<unknown>)[] = [];
let kafka: KafkaServer;
let s3: S3Server;
let start: (name: string) => Promise<MuaraProcess>;

beforeAll(async () => {
  const folder = await temporaryFolder("spread");
  cleanups.push(folder.remove);
  [kafka, s3] = await Promise.all([startKafka({ properties: GROUP_TIMES }), startS3()]);
  cleanups.push(
    () => kafka.stop(),
    () => s3.stop(),
    () => reader.stop(),
  );
  const config = {
    log: kafka.freshAddress(),
    lake: await s3.freshAddress("lake"),
    land: { commitMs: 200, disorderMs: 2_000 },
    jobs: { quietMs: 500, everyMs: 200 },
    outgoing: { allow: ["127.0.0.1"] },
    query: { warm: 0 },
    alerts: { everyMs: 300, saveMs: 1_000, receivers: { own: { webhook: await reader.listen() } } },
  };
  const path = join(folder.path, "muara.config.ts");
  await writeFile(path, `export default ${JSON.stringify(config)};\n`);
  const { accessKeyId, secretAccessKey } = s3.credentials;
  const environment = {
    MUARA_CONFIG: path,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  };
  start = async (name) => {
    await mkdir(join(folder.path, name), { recursive: true });
    const muara = await startMuara(join(folder.path, name), environment);
    cleanups.push(() => muara.kill());
    return muara;
  };
}, 120_000);
afterAll(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function post(muara: MuaraProcess, path: string, body: unknown): Promise<void> {
  const answer = await muara.fetch(path, { method: "POST", body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path} answers ${answer.status}: ${await answer.text()}`);
}

async function declare(muara: MuaraProcess, name: string, properties: object): Promise<void> {
  const schema = { type: "json_schema", schema: JSON.stringify({ type: "object", properties }) };
  await post(muara, "/event-types", { name, owning_application: "test", category: "business", schema });
}

const eidOf = (kind: number, n: number): string =>
  `00000000-0000-4000-800${kind}-${String(n).padStart(12, "0")}`;

/** Events of one round: a second apart, a little or very late now and then. */
async function publish(muara: MuaraProcess, round: number): Promise<void> {
  const chance = seededRandomness(round + 1);
  const events = Array.from({ length: EVENTS }, (_, i) => {
    const lateMs = chance.fraction() < 0.05 ? 300_000 * chance.fraction() : 3_000 * chance.fraction();
    const n = round * EVENTS + i;
    const at = new Date(START_MS + n * 1_000 - lateMs).toISOString();
    return { metadata: { eid: eidOf(0, n), occurred_at: at }, total: n };
  });
  await post(muara, "/event-types/order.created/events", events);
}

let told = 0;
async function tell(muara: MuaraProcess, shop: string, status: string): Promise<void> {
  const metadata = { eid: eidOf(1, ++told), occurred_at: new Date().toISOString() };
  await post(muara, "/event-types/shop.status/events", [{ metadata, shop, status }]);
}

const jobText = (i: number): string => `CREATE JOB j${i} WITH (lateness = '20 seconds') AS
SELECT window_start, window_end, count(*) AS orders, sum(total) AS total
FROM TUMBLE(order_created, event_time, INTERVAL '${20 + i} seconds') GROUP BY window_start, window_end
EMIT ON WINDOW CLOSE INTO lake velocity_${i}`;

const ruleOf = (i: number): object => ({
  name: `R${i}`,
  sql: {
    query: `SELECT shop, 1 AS value, arg_max(status, event_time) AS status FROM shop_status
      WHERE shop = 's${i}' AND event_time <= $now + INTERVAL '1 hour' GROUP BY shop HAVING status <> 'up'`,
    labels: ["shop"],
  },
  receivers: ["own"],
});

interface Shown {
  readonly name: string;
  readonly state: string;
  readonly runs_on: string | null;
  readonly evaluated_at: string | null;
  readonly is_live: boolean;
  readonly behind_versions: number | null;
  readonly released_until: string | null;
}

async function listed(muara: MuaraProcess, what: "jobs" | "rules"): Promise<readonly Shown[]> {
  return ((await (await muara.fetch(`/v1/${what}`)).json()) as { items: Shown[] }).items;
}

const nameOf = ({ pid }: MuaraProcess): string => `${hostname()}-${pid}`.replaceAll(/[^A-Za-z0-9.-]/g, "-");

/** Until each of these has something, and nothing is anywhere else. */
async function runOn(ask: MuaraProcess, what: "jobs" | "rules", all: readonly MuaraProcess[]): Promise<void> {
  const wanted = JSON.stringify(all.map(nameOf).toSorted());
  let last: readonly Shown[] = [];
  const isSo = async (): Promise<boolean> => {
    last = await listed(ask, what);
    const found = [...new Set(last.map(({ runs_on: name }) => name ?? ""))];
    return JSON.stringify(found.toSorted()) === wanted && last.every(({ state }) => state !== "starting");
  };
  await eventually(`${what} run on ${wanted}`, DEADLINE_MS, isSo).catch((error: unknown) => {
    throw new Error(JSON.stringify(last), { cause: error });
  });
}

/** By name, and so by a hash that nobody has chosen: until both have some. @returns how many there are */
async function addUntilSpread(
  all: readonly MuaraProcess[],
  what: "jobs" | "rules",
  add: (i: number) => Promise<void>,
): Promise<number> {
  for (let i = 0; i < MOST; i++) {
    await add(i);
    if (i + 1 < LEAST) continue;
    const isOnBoth = async (): Promise<boolean> => {
      const found = await listed(all[0]!, what);
      const names = new Set(found.map(({ runs_on: name }) => name));
      const isTold = found.every(({ runs_on: name, state }) => name !== null && state !== "starting");
      if (!isTold) return false;
      return names.size === all.length || Promise.reject(new Error("all on one"));
    };
    if (await eventually("all run", DEADLINE_MS, isOnBoth).then(() => true, rejectUnless("all on one")))
      return i + 1;
  }
  throw new Error(`of ${MOST} ${what} one process has all`);
}

const rejectUnless =
  (message: string) =>
  (error: unknown): false => {
    if (error instanceof Error && error.message === message) return false;
    throw error;
  };

/** All that was published is in the results' place, and these are the batch's. */
async function expectBatch(muara: MuaraProcess, jobs: number, rounds: number): Promise<void> {
  let last: readonly Shown[] = [];
  await eventually("the jobs are through with what has landed", DEADLINE_MS, async () => {
    const [[landed]] = (await muara.sql('SELECT count(*) FROM "order.created"')) as [[string]];
    if (Number(landed) < rounds * EVENTS) return false;
    last = await listed(muara, "jobs");
    return last.every(({ is_live: isLive, behind_versions: behind }) => isLive && behind === 0);
  });
  expect(last).toHaveLength(jobs);
  for (const { name, released_until: until } of last) {
    const i = Number(name.slice(1));
    const size = `INTERVAL '${20 + i} seconds'`;
    const end = `time_bucket(${size}, event_time, TIMESTAMPTZ '1970-01-01 00:00:00Z') + ${size}`;
    const batch = `SELECT ${end} - ${size} AS window_start, ${end} AS window_end, count(*) AS orders,
        sum(total) AS total FROM "order.created"
      WHERE coalesce(watermark < ${end} + INTERVAL '20 seconds', true)
        AND ${end} + INTERVAL '20 seconds' <= TIMESTAMPTZ '${until}' GROUP BY ALL`;
    const found = `SELECT * EXCLUDE (row_id, watermark) FROM velocity_${i}`;
    const wrong = [`(${batch}) EXCEPT ALL (${found})`, `(${found}) EXCEPT ALL (${batch})`].map((sql) =>
      muara.sql(sql),
    );
    expect(await Promise.all(wrong), name).toEqual([[], []]);
    expect(Number((await muara.sql(`SELECT count(*) FROM (${found})`))[0]![0])).toBeGreaterThan(2);
  }
}

const pagesOf = (shop: string): string[] =>
  reader.pages.flatMap(({ alert }) => (alert.labels["shop"] === shop ? [alert.status] : []));

async function untilTold(shops: readonly string[], statuses: readonly string[]): Promise<void> {
  const wanted = JSON.stringify(statuses);
  await eventually(`${shops.join()}: ${wanted}`, DEADLINE_MS, async () =>
    shops.every((shop) => JSON.stringify(pagesOf(shop)) === wanted),
  ).catch((error: unknown) => {
    throw new Error(JSON.stringify(shops.map((shop) => [shop, pagesOf(shop)])), { cause: error });
  });
}

test(
  "one dies, one ends: jobs and rules go on elsewhere, with the same results",
  { timeout: 400_000 },
  async () => {
    const one = await start("one");
    const other = await start("other");
    await declare(other, "order.created", { total: { type: "integer" } });
    await declare(other, "shop.status", { shop: { type: "string" }, status: { type: "string" } });
    await publish(other, 0);
    await tell(other, "none", "up");
    await eventually("both have landed", DEADLINE_MS, async () => {
      const counts = `SELECT count(*) FROM "order.created" UNION ALL SELECT count(*) FROM "shop.status"`;
      return (await other.sql(counts).catch(() => [])).every(([count]) => Number(count) > 0);
    });
    const both = [other, one];
    const jobs = await addUntilSpread(both, "jobs", (i) => post(other, "/v1/jobs", { text: jobText(i) }));
    const rules = await addUntilSpread(both, "rules", (i) => post(other, "/v1/rules", ruleOf(i)));
    const shops = Array.from({ length: rules }, (_, i) => `s${i}`);
    await publish(one, 1);
    for (const shop of shops) await tell(one, shop, "down");
    await untilTold(shops, ["firing"]);
    await expectBatch(one, jobs, 2);

    await publish(other, 2);
    await one.kill();
    const killedMs = performance.now();
    await publish(other, 3);
    for (const shop of shops) await tell(other, shop, "up");
    await runOn(other, "jobs", [other]);
    await untilTold(shops, ["firing", "resolved"]);
    await runOn(other, "rules", [other]);
    const tookMs = Math.round(performance.now() - killedMs);
    console.log(JSON.stringify({ jobs, rules, tookMs }));
    expect(tookMs).toBeLessThan(GROUP_TIMES[SESSION] + TAKEOVER_MS);
    await expectBatch(other, jobs, 4);

    const again = await start("one");
    await runOn(other, "jobs", [other, again]);
    await runOn(other, "rules", [other, again]);
    await publish(again, 4);
    for (const shop of shops) await tell(again, shop, "down");
    const stoppedMs = performance.now();
    expect(await other.stop()).toBe(0);
    await runOn(again, "jobs", [again]);
    await runOn(again, "rules", [again]);
    console.log(JSON.stringify({ handedOverMs: Math.round(performance.now() - stoppedMs) }));
    await publish(again, 5);
    await untilTold(shops, ["firing", "resolved", "firing"]);
    await expectBatch(again, jobs, 6);
  },
);
