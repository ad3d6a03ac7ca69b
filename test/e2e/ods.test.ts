/**
 * A source table through capture and lake into the operational data store, while Muara is killed, both servers crash
 * and the network goes silent: the store's rows are the source's, value by value. And an erasure reaches the store.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Randomness, seededRandomness } from "../../core/clock.ts";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";
import { type PostgresServer, startPostgres } from "../services/postgres.ts";
import { startFailingNetwork } from "../services/toxiproxy.ts";

const ARRIVED_MS_MAX = 120_000;
const ROWS = 40;

let source: PostgresServer;
let target: PostgresServer;
const cleanups: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  [source, target] = await Promise.all([startPostgres({ fsync: "on" }), startPostgres({ fsync: "on" })]);
}, 60_000);
afterAll(() => Promise.all([source.stop(), target.stop()]));
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Place {
  readonly from: string;
  readonly to: string;
  start(): Promise<MuaraProcess>;
}

/** @param port of the store, as Muara sees it */
async function makePlace(port = target.port, delivering: object = {}): Promise<Place> {
  const folder = await temporaryFolder("ods");
  cleanups.push(folder.remove);
  const [from, to] = await Promise.all([source.freshDatabase(), target.freshDatabase()]);
  const { host, user } = source;
  const config = {
    land: { commitMs: 100, projectMs: 200 },
    deliver: {
      everyMs: 50,
      saveMs: 200,
      pauseMsMax: 300,
      standbyMs: 500,
      postgres: ["store"],
      ...delivering,
    },
    capture: { statusMs: 200, pauseMsMax: 300 },
    postgres: {
      shop1: { host, port: source.port, user, database: from },
      store: { host, port, user, database: to, connectMs: 2_000 },
    },
  };
  const path = join(folder.path, "muara.config.ts");
  await writeFile(path, `export default ${JSON.stringify(config)};`);
  return {
    from,
    to,
    start: async () => {
      const process = await startMuara(join(folder.path, "data"), { MUARA_CONFIG: path });
      cleanups.push(() => process.kill());
      return process;
    },
  };
}

async function post(muara: MuaraProcess, path: string, body: object): Promise<Record<string, unknown>> {
  const response = await muara.fetch(path, { method: "POST", body: JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path} answers ${response.status}: ${text}`);
  return JSON.parse(text) as Record<string, unknown>;
}

async function capture(muara: MuaraProcess, copy: "initial" | "none" = "none"): Promise<void> {
  await post(muara, "/v1/captures", {
    name: "shop",
    database: "shop1",
    tables: ["public.customers"],
    copy,
  });
  await eventually("it streams", 60_000, async () => {
    const shown = (await (await muara.fetch("/v1/captures/shop")).json()) as { state: string };
    return shown.state === "streaming";
  });
}

const TYPE = "shop1.public.customers";

function deliver(muara: MuaraProcess, table: string, more: object = {}): Promise<unknown> {
  const postgres = { target: "store", table, mode: "state", key: ["id"] };
  return post(muara, "/v1/deliveries", {
    name: "ods",
    table: TYPE,
    from: "begin",
    timeout_ms: 2_000,
    postgres,
    ...more,
  });
}

const COLUMNS = "id, email, balance, born, bio, tags, doc, seen";
const CREATE = `CREATE TABLE customers (id int PRIMARY KEY, email text, balance numeric(12,2), born date, bio text,
  tags text[], doc jsonb, seen timestamptz);
  ALTER TABLE customers ALTER COLUMN bio SET STORAGE EXTERNAL`;

/** Statements as an application makes them; a bio is too long to stand in its row. */
function statement(chance: Randomness): string {
  const pick = (below: number): number => Math.floor(chance.fraction() * below);
  const id = pick(ROWS);
  const dice = pick(100);
  if (dice < 1) return "TRUNCATE customers";
  if (dice < 10) return `DELETE FROM customers WHERE id = ${id}`;
  if (dice < 20)
    return `UPDATE customers SET id = id + 1000 WHERE id = ${id} AND NOT EXISTS
      (SELECT FROM customers WHERE id = ${id + 1_000})`;
  if (dice < 55) return `UPDATE customers SET balance = ${pick(1e6) / 100}, seen = now() WHERE id = ${id}`;
  if (dice < 58)
    return `UPDATE customers SET balance = 'NaN', born = '0044-03-15 BC', seen = 'infinity'
      WHERE id = ${id}`;
  return `INSERT INTO customers VALUES (${id}, 'c${id}@example.org', ${pick(1e6) / 100},
      date '2000-01-01' + ${pick(9_000)}, repeat('bio ${pick(1e9)} ', 400),
      ARRAY['a "b"', NULL, 'c${pick(9)}'], '{"n": ${pick(1e9)}.10}', now())
    ON CONFLICT (id) DO UPDATE SET bio = excluded.bio, doc = excluded.doc`;
}

async function rowsOf(server: PostgresServer, database: string, table: string): Promise<unknown> {
  return server
    .sql(`SELECT t::text AS row FROM (SELECT ${COLUMNS} FROM ${table}) t ORDER BY id`, [], database)
    .catch(() => undefined);
}

test("the store's rows are the source's, whoever dies", async () => {
  const chance = seededRandomness(20_261_122);
  const network = await startFailingNetwork(`http://127.0.0.1:${target.port}`);
  cleanups.push(() => network.stop());
  const place = await makePlace(Number(new URL(network.url).port));
  await source.sql(CREATE, [], place.from);
  const write = async (statements: number): Promise<void> => {
    const client = await source.connect(place.from);
    for (let n = 0; n < statements; n++) await client.query(statement(chance));
    await client.end();
  };
  let muara = await place.start();
  await capture(muara);
  await write(60);
  await deliver(muara, "shop.customers");
  const mishaps: (() => Promise<unknown>)[] = [
    async () => {
      await muara.kill();
      muara = await place.start();
    },
    () => target.restart("immediate"),
    () => network.add({ type: "timeout", stream: "upstream", attributes: { timeout: 0 } }),
    () => network.heal(),
    () => network.add({ type: "timeout", stream: "downstream", attributes: { timeout: 0 } }),
    async () => {
      await muara.kill();
      await network.heal();
      muara = await place.start();
    },
    () => source.sql("ALTER TABLE customers ADD COLUMN vip boolean", [], place.from),
  ];
  for (const mishap of mishaps) {
    await Promise.all([write(80), mishap()]);
    await write(40);
  }
  await network.heal();
  await eventually("both are the same", ARRIVED_MS_MAX, async () => {
    const [wanted, found] = await Promise.all([
      rowsOf(source, place.from, "customers"),
      rowsOf(target, place.to, "shop.customers"),
    ]);
    return JSON.stringify(wanted) === JSON.stringify(found);
  });
  expect(await rowsOf(target, place.to, "shop.customers")).toEqual(
    await rowsOf(source, place.from, "customers"),
  );
  const shown = (await (await muara.fetch("/v1/deliveries/ods")).json()) as object;
  expect(shown).toMatchObject({ dead: 0 });
  const types = await target.sql(
    `SELECT format_type(atttypid, atttypmod) AS type FROM pg_attribute
     WHERE attrelid = 'shop.customers'::regclass AND attname IN ('tags', 'vip', 'balance') ORDER BY attname`,
    [],
    place.to,
  );
  expect(types.map(({ type }) => type)).toEqual(["numeric(12,2)", "text[]", "boolean"]);
}, 300_000);

test("what was there is copied, changes follow, and columns grow with those of the source", async () => {
  // Nothing is looked for: every commit is told.
  const place = await makePlace(target.port, { everyMs: 600_000 });
  const chance = seededRandomness(7);
  const client = await source.connect(place.from);
  await client.query(CREATE);
  await client.query(`ALTER TABLE customers ADD COLUMN code uuid DEFAULT gen_random_uuid(),
    ADD COLUMN nick varchar(10), ADD COLUMN sizes int[]`);
  await client.query(`INSERT INTO customers SELECT i, 'c' || i, i + 0.25, date '2000-01-01' + i, repeat('bio', 1000),
    ARRAY['a', NULL], '{"n": 1.10}', now(), gen_random_uuid(), 'nick' || i, ARRAY[i, NULL]
    FROM generate_series(1, 4000) i`);
  const muara = await place.start();
  await capture(muara, "initial");
  await deliver(muara, "shop.customers");
  for (let n = 0; n < 60; n++) await client.query(statement(chance));
  await client.query(`ALTER TABLE customers ALTER balance TYPE numeric(20,4), ALTER code TYPE text,
    ALTER nick TYPE text, ALTER sizes TYPE text[] USING sizes::text[]`);
  await client.query(`UPDATE customers SET balance = id + 0.1234, code = 'none of these', sizes = ARRAY['a,b', NULL],
    nick = repeat('long ', 20) WHERE id BETWEEN 2000 AND 2100`);
  const columns = `${COLUMNS}, code, nick, sizes`;
  const read = async (server: PostgresServer, database: string, table: string): Promise<string> => {
    // A number of another scale is the same number.
    const list = columns.replace("balance", "trim_scale(balance::numeric) AS balance");
    const sql = `SELECT md5(string_agg(t::text, ';' ORDER BY id)) AS sum, count(*)::int AS n
      FROM (SELECT ${list} FROM ${table}) t`;
    return JSON.stringify(await server.sql(sql, [], database).catch(() => undefined));
  };
  await eventually("both are the same", ARRIVED_MS_MAX, async () => {
    return (await read(source, place.from, "customers")) === (await read(target, place.to, "shop.customers"));
  });
  const types = await target.sql(
    `SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
     WHERE attrelid = 'shop.customers'::regclass AND attname IN ('balance', 'code', 'nick', 'sizes') ORDER BY 1`,
    [],
    place.to,
  );
  expect(types.map(({ type }) => type)).toEqual(["numeric(20,4)", "text", "character varying", "text[]"]);
  expect(await (await muara.fetch("/v1/deliveries/ods")).json()).toMatchObject({ dead: 0 });
}, 300_000);

test("an erasure reaches the store, also one that was away, and says so", async () => {
  const place = await makePlace();
  await source.sql(CREATE, [], place.from);
  const values = Array.from({ length: 20 }, (_, i) => `(${i}, 'c${i % 10}@example.org')`).join(",");
  let muara = await place.start();
  await capture(muara);
  await source.sql(`INSERT INTO customers (id, email) VALUES ${values}`, [], place.from);
  await deliver(muara, "shop.customers");
  const count = async (): Promise<number> => {
    const sql = "SELECT count(*)::int AS n FROM shop.customers";
    return Number((await target.sql(sql, [], place.to).catch(() => []))[0]?.["n"] ?? 0);
  };
  await eventually("all are there", ARRIVED_MS_MAX, async () => (await count()) === 20);
  await target.halt("immediate");
  const asked = {
    event_types: [TYPE],
    where: { column: "email", value: "c3@example.org" },
    reason: "asked for",
  };
  const erased = await post(muara, "/v1/erasures", asked);
  expect(erased).toMatchObject({
    complete: false,
    deliveries: [{ delivery: "ods", state: "waiting", rows: null }],
  });
  await muara.kill();
  await target.start();
  muara = await place.start();
  const record = async (): Promise<Record<string, unknown>> => {
    const { items } = (await (await muara.fetch("/v1/erasures")).json()) as {
      items: Record<string, unknown>[];
    };
    return items[0]!;
  };
  await eventually("the store has erased it", ARRIVED_MS_MAX, async () => {
    const [delivery] = (await record())["deliveries"] as { state: string }[];
    return delivery?.state === "done";
  });
  expect(await record()).toMatchObject({ deliveries: [{ delivery: "ods", state: "done", rows: 2 }] });
  expect(await count()).toBe(18);
  expect(await target.sql("SELECT rows::int FROM muara.erasures", [], place.to)).toEqual([{ rows: 2 }]);
}, 300_000);
