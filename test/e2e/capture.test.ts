/**
 * Changes of a real PostgreSQL on their way through a real process into the lake: every change of the source's history
 * is there once, whatever ends in between.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { seededRandomness } from "../../core/clock.ts";
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
      const muara = await startMuara(join(folder.path, "data"), { MUARA_CONFIG: path });
      cleanups.push(() => muara.kill());
      return muara;
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

test("kills of the process and crashes of the source: the change table is the source's history", async () => {
  const place = await makePlace();
  const sql = (text: string): Promise<Record<string, unknown>[]> => server.sql(text, [], place.database);
  await sql("CREATE TABLE accounts (id int PRIMARY KEY, balance int)");
  await sql("INSERT INTO accounts SELECT g, 0 FROM generate_series(1, 50) g");
  // Another decoder of the same log.
  await sql("SELECT pg_create_logical_replication_slot('oracle', 'wal2json')");
  const random = seededRandomness(Number(process.env["MUARA_TEST_SEED"] ?? 7));
  let muara = await place.start();
  await declare(muara, { name: "shop", database: "shop1", tables: ["public.accounts"], copy: "none" });
  await eventually("it streams", 30_000, async () => (await shown(muara, "shop")).state === "streaming");
  const over = new AbortController();
  const writing = (async () => {
    for (let round = 1; !over.signal.aborted; round++) {
      const id = 1 + Math.floor(random.fraction() * 50);
      const text =
        round % 9 === 0
          ? `BEGIN; DELETE FROM accounts WHERE id = ${id}; INSERT INTO accounts VALUES (${id}, ${round}); COMMIT`
          : round % 25 === 0
            ? `ALTER TABLE accounts ADD COLUMN c${round} int DEFAULT ${round}`
            : `UPDATE accounts SET balance = ${round} WHERE id = ${id}`;
      // The server crashes every now and then.
      await sql(text).catch(() => undefined);
    }
  })();
  for (let kill = 0; kill < 6; kill++) {
    await new Promise((resolve) => setTimeout(resolve, 200 + random.fraction() * 1_500));
    if (kill % 3 === 2) await server.restart("immediate");
    await muara.kill();
    muara = await place.start();
  }
  over.abort();
  await writing;
  await sql("INSERT INTO accounts (id, balance) VALUES (1000, 0)");
  const history = (
    await sql(
      `SELECT data::json AS change FROM pg_logical_slot_peek_changes('oracle', NULL, NULL, 'format-version', '2',
         'include-transaction', 'false', 'actions', 'insert,update,delete')`,
    )
  ).map(({ change }) => {
    const { action, columns, identity } = change as WalChange;
    const row = Object.fromEntries((columns ?? identity)!.map(({ name, value }) => [name, value]));
    return [{ I: "C", U: "U", D: "D" }[action], String(row["id"]), columns ? String(row["balance"]) : null];
  });
  await sql("SELECT pg_drop_replication_slot('oracle')");
  await eventually("the last change landed", LANDED_MS_MAX, async () => {
    const rows = await muara.sql(accounts("count(*) FILTER (id = 1000)")).catch(() => [[0]]);
    return Number(rows[0]![0]) === 1;
  });
  const landed = await muara.sql(`${accounts("data_op, id::text, balance::text")} ORDER BY log_offset`);
  expect(landed).toEqual(history);
  expect(history.length).toBeGreaterThan(100);
  const [[count, distinct]] = (await muara.sql(accounts("count(*), count(DISTINCT event_id)"))) as [
    [string, string],
  ];
  expect(distinct).toBe(count);
  await eventually("the books balance", LANDED_MS_MAX, async () => {
    const books = await muara.fetch("/v1/books?event_type=shop1.public.accounts");
    const { items } = (await books.json()) as {
      items: { balanced: boolean; in_flight: number; duplicates: number }[];
    };
    return items[0]?.balanced === true && items[0].in_flight === 0;
  });
}, 240_000);

interface WalChange {
  readonly action: "I" | "U" | "D";
  readonly columns?: readonly { readonly name: string; readonly value: unknown }[];
  readonly identity?: readonly { readonly name: string; readonly value: unknown }[];
}

function accounts(what: string): string {
  return `SELECT ${what} FROM "shop1.public.accounts"`;
}
