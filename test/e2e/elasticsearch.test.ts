/**
 * A table in a real Elasticsearch, as documents of one index and as the newest of each key in another, while Muara and
 * the server are killed: in the end both are what SQL says of the table.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { seededRandomness } from "../../core/clock.ts";
import { type ElasticsearchServer, startElasticsearch } from "../services/elasticsearch.ts";
import { eventually, startMuara, temporaryFolder, type MuaraProcess } from "../services/muara.ts";

const SEED = Number(process.env["MUARA_TEST_SEED"] ?? 20_261_122);
const TYPE = "shop.order";
const ORDERS = 40;
const ROUNDS = 8;
const BATCH = 50;

const cleanups: (() => Promise<unknown>)[] = [];
let server: ElasticsearchServer;
beforeAll(async () => {
  server = await startElasticsearch();
}, 240_000);
afterAll(() => server?.stop());
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function post(muara: MuaraProcess, path: string, body: unknown): Promise<void> {
  const response = await muara.fetch(path, { method: "POST", body: JSON.stringify(body) });
  const answer = await response.text();
  if (!response.ok) throw new Error(`${path} answers ${response.status}: ${answer}`);
}

/** Document id and source, sorted. */
async function documentsOf(pattern: string, field: string): Promise<string[]> {
  await server.ask("POST", `/${pattern}/_refresh?allow_no_indices=true`);
  const answer = (await server.ask("POST", `/${pattern}/_search?allow_no_indices=true`, {
    size: 5_000,
    query: { match_all: {} },
  })) as { hits: { hits: { _source: Record<string, unknown> }[] } };
  return answer.hits.hits
    .map(({ _source }) => `${_source[field] as string}=${Number(_source["total"])}`)
    .toSorted();
}

/** How a Muara over a folder of its own is started. */
async function makePlace(): Promise<() => Promise<MuaraProcess>> {
  const folder = await temporaryFolder("elasticsearch");
  cleanups.push(folder.remove);
  const config = {
    land: { commitMs: 100, projectMs: 200 },
    deliver: {
      everyMs: 50,
      saveMs: 200,
      pauseMsMax: 500,
      standbyMs: 500,
      elasticsearch: { search: { url: server.url, replicas: 0 } },
    },
  };
  const path = join(folder.path, "muara.config.ts");
  await writeFile(path, `export default ${JSON.stringify(config)};`);
  return async () => {
    const process = await startMuara(join(folder.path, "data"), { MUARA_CONFIG: path });
    cleanups.push(() => process.kill());
    return process;
  };
}

test("documents are the table's rows, and the newest of each order, whatever is killed", async () => {
  const chance = seededRandomness(SEED);
  const start = await makePlace();
  let muara = await start();
  const properties = { order: { type: "string" }, total: { type: "integer" } };
  const schema = { type: "json_schema", schema: JSON.stringify({ type: "object", properties }) };
  await post(muara, "/event-types", { name: TYPE, owning_application: "shop", category: "business", schema });
  const deliver = (name: string, more: object): Promise<void> =>
    post(muara, "/v1/deliveries", {
      name,
      table: TYPE,
      from: "begin",
      timeout_ms: 3_000,
      elasticsearch: { target: "search", index: name, ...more },
    });
  await deliver("orders", { time: { unit: "month" } });
  await deliver("newest", { key: ["order"] });
  const refused = await muara.fetch("/v1/deliveries", {
    method: "POST",
    body: JSON.stringify({ name: "x", table: TYPE, elasticsearch: { target: "other", index: "x" } }),
  });
  expect([refused.status, await refused.text()]).toEqual([
    400,
    expect.stringContaining("deliver.elasticsearch"),
  ]);

  let total = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const events = Array.from({ length: BATCH }, () => ({
      metadata: { eid: crypto.randomUUID(), occurred_at: `2026-0${1 + (total % 9)}-15T12:00:00.000Z` },
      order: `o${Math.floor(chance.fraction() * ORDERS)}`,
      total: total++,
    }));
    await post(muara, `/event-types/${TYPE}/events`, events);
    if (round % 3 === 1) {
      await new Promise((resolve) => setTimeout(resolve, chance.fraction() * 500));
      await muara.kill();
      muara = await start();
    }
    if (round === 4) {
      await server.kill();
      await server.restart();
    }
  }
  const rows = async (sql: string): Promise<string[]> =>
    (await muara.sql(sql)).map(([name, value]) => `${String(name)}=${Number(value)}`).toSorted();
  const everything = (): Promise<string[]> => rows(`SELECT event_id, total FROM "${TYPE}"`);
  await eventually("everything landed", 60_000, async () => (await everything()).length === ROUNDS * BATCH);
  const expected = await everything();
  await eventually(
    "every row is a document",
    120_000,
    async () => (await documentsOf("orders-*", "event_id")).length === expected.length,
  );
  expect(await documentsOf("orders-*", "event_id")).toEqual(expected);
  const newest = await rows(`SELECT "order", arg_max(total, log_offset) FROM "${TYPE}" GROUP BY ALL`);
  await eventually("the newest of each order", 60_000, async () => {
    const found = await documentsOf("newest", "order");
    return JSON.stringify(found) === JSON.stringify(newest);
  });
  const { indices } = (await server.ask("GET", "/_resolve/index/orders-*")) as {
    indices: { name: string }[];
  };
  expect(indices.map(({ name }) => name).toSorted()).toEqual(
    Array.from({ length: 9 }, (_, i) => `orders-2026.0${i + 1}`),
  );
}, 600_000);
