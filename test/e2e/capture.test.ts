/**
 * Changes of a real PostgreSQL on their way through a real process into the lake: every change of the source's history
 * is there once, whatever ends in between.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";
import { type PostgresServer, startPostgres } from "../services/postgres.ts";

const LANDED_MS_MAX = 60_000;

let server: PostgresServer;
const cleanups: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  server = await startPostgres();
}, 60_000);
afterAll(() => server.stop());
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Shown {
  readonly state: string;
  readonly problem: string | null;
  readonly slot: string | null;
  readonly lsn: string | null;
}

interface Place {
  readonly database: string;
  readonly folder: string;
  start(): Promise<MuaraProcess>;
}

async function makePlace(more: object = {}): Promise<Place> {
  const folder = await temporaryFolder("capture");
  cleanups.push(folder.remove);
  const database = await server.freshDatabase();
  const { host, port, user } = server;
  const config = {
    land: { commitMs: 100, projectMs: 100 },
    postgres: { shop1: { host, port, user, database } },
    capture: { statusMs: 200, pauseMsMax: 500 },
    ...more,
  };
  const path = join(folder.path, "muara.config.ts");
  await writeFile(path, `export default ${JSON.stringify(config)};`);
  return {
    database,
    folder: folder.path,
    start: async () => {
      const process = await startMuara(join(folder.path, "data"), { MUARA_CONFIG: path });
      cleanups.push(() => process.kill());
      return process;
    },
  };
}

async function declare(muara: MuaraProcess, body: object): Promise<void> {
  const response = await muara.fetch("/v1/captures", { method: "POST", body: JSON.stringify(body) });
  if (response.status !== 201) throw new Error(`${response.status}: ${await response.text()}`);
}

async function shown(muara: MuaraProcess, name: string): Promise<Shown> {
  return (await (await muara.fetch(`/v1/captures/${name}`)).json()) as Shown;
}

test("inserts, updates and deletes of a table are rows of its change table", async () => {
  const place = await makePlace();
  const sql = (text: string): Promise<unknown> => server.sql(text, [], place.database);
  await sql("CREATE TABLE accounts (id int PRIMARY KEY, owner text, balance numeric(12,2))");
  const muara = await place.start();
  await declare(muara, { name: "shop", database: "shop1", tables: ["public.accounts"], copy: "none" });
  await eventually("it streams", 30_000, async () => (await shown(muara, "shop")).state === "streaming");
  await sql("INSERT INTO accounts VALUES (1, 'ann', 10.5), (2, 'bob', 0)");
  await sql("UPDATE accounts SET balance = 12.25 WHERE id = 1");
  await sql("DELETE FROM accounts WHERE id = 2");
  const query = `SELECT data_op, id, owner, balance::text, event_key FROM "shop1.public.accounts"
                  ORDER BY log_offset`;
  await eventually("four changes landed", LANDED_MS_MAX, async () => {
    const rows = await muara.sql(query).catch(() => []);
    return rows.length === 4;
  });
  expect(await muara.sql(query)).toEqual([
    ["C", "1", "ann", "10.50", '["shop1",1]'],
    ["C", "2", "bob", "0.00", '["shop1",2]'],
    ["U", "1", "ann", "12.25", '["shop1",1]'],
    ["D", "2", null, null, '["shop1",2]'],
  ]);
}, 120_000);
