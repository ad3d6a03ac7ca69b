/**
 * The delta load beside a capture of the same table: what both have, and exactly what the delta load does not see.
 * One of them reads again what it has read, one does not.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";
import { type PostgresServer, startPostgres } from "../services/postgres.ts";

let server: PostgresServer;
const cleanups: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  server = await startPostgres();
}, 60_000);
afterAll(() => server.stop());
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** The newest row of each key, of all that a table tells. */
const newest = (table: string): string =>
  `SELECT id, v FROM "${table}" WHERE source.change <> 'truncate' QUALIFY row_number() OVER (
     PARTITION BY id ORDER BY source.incarnation DESC, source.lsn DESC, source."index" DESC) = 1
     AND source.change <> 'delete' ORDER BY id`;

async function stand() {
  const folder = await temporaryFolder("delta");
  cleanups.push(folder.remove);
  const database = await server.freshDatabase();
  const { host, port, user } = server;
  const load = { database: "shop1", column: "modified_at", everyMs: 100, rows: 2 };
  const config = {
    land: { commitMs: 100, projectMs: 100 },
    postgres: { shop1: { host, port, user, database } },
    capture: { statusMs: 200, pauseMsMax: 500 },
    deltaLoads: {
      plain: { ...load, overlapMs: 0, tables: { "public.orders": "plain.orders" } },
      overlapping: { ...load, overlapMs: 60_000, tables: { "public.orders": "overlapping.orders" } },
    },
  };
  const path = join(folder.path, "muara.config.ts");
  await writeFile(path, `export default ${JSON.stringify(config)};`);
  const start = async (): Promise<MuaraProcess> => {
    const process = await startMuara(join(folder.path, "data"), { MUARA_CONFIG: path });
    cleanups.push(() => process.kill());
    return process;
  };
  return { start, database, sql: (text: string) => server.sql(text, [], database) };
}

/** What a load shows in the end. */
const seen = (isOverlapping: boolean): readonly (readonly unknown[])[] => [
  ["1", "first"], // deleted
  ["2", "last"],
  ["3", "first"], // changed without its time
  ...["4", "5", "6", "7"].map((id) => [id, "first"]),
  ...(isOverlapping ? [["20", "late"]] : []), // committed later than its time
  ["40", "marker"], // 30 has no time
  ["50", "end"],
];
const between = (table: string): string => `SELECT count(*) FROM "${table}" WHERE v = 'passing'`;

test("deletes, what lies between two reads, late commits, equal times and none: capture has them all", async () => {
  const { start, sql, database } = await stand();
  await sql(`CREATE TABLE orders (id int PRIMARY KEY, v text, modified_at timestamptz DEFAULT clock_timestamp());
    INSERT INTO orders SELECT i, 'first', '2026-01-01 00:00:00+00' FROM generate_series(1, 7) i`);
  let muara = await start();
  const declared = await muara.fetch("/v1/captures", {
    method: "POST",
    body: JSON.stringify({ name: "shop", database: "shop1", tables: { "public.orders": "captured.orders" } }),
  });
  expect(declared.status).toBe(201);
  const rows = async (table: string): Promise<readonly (readonly unknown[])[]> =>
    await muara.sql(newest(table)).catch(() => []);
  const tables = ["plain.orders", "overlapping.orders", "captured.orders"];
  const all = (what: string, hold: (table: string) => Promise<boolean>): Promise<void> =>
    eventually(what, 60_000, async () => (await Promise.all(tables.map(hold))).every(Boolean));
  // Seven rows of one time, in pages of two.
  await all("the first rows are there", async (table) => (await rows(table)).length === 7);

  const late = await server.connect(database);
  await late.query("BEGIN");
  await late.query("INSERT INTO orders VALUES (20, 'late')");
  await sql("DELETE FROM orders WHERE id = 1");
  await sql(`BEGIN; UPDATE orders SET v = 'passing', modified_at = clock_timestamp() WHERE id = 2;
    UPDATE orders SET v = 'last', modified_at = clock_timestamp() WHERE id = 2; COMMIT`);
  await sql("UPDATE orders SET v = 'silent' WHERE id = 3");
  await sql("INSERT INTO orders VALUES (30, 'timeless', NULL)");
  await sql("INSERT INTO orders VALUES (40, 'marker')");
  const has = async (table: string, id: string): Promise<boolean> =>
    (await rows(table)).some((row) => row[0] === id);
  await all("what came after the late one is there", (table) => has(table, "40"));
  await late.query("COMMIT");
  await late.end();
  await sql("INSERT INTO orders VALUES (50, 'end')");
  await all("the end is there", (table) => has(table, "50"));

  const truth = (await sql("SELECT id::text, v FROM orders ORDER BY orders.id")).map(({ id, v }) => [id, v]);
  expect(await rows("captured.orders")).toEqual(truth);
  expect(await rows("plain.orders")).toEqual(seen(false));
  expect(await rows("overlapping.orders")).toEqual(seen(true));
  expect(await Promise.all(tables.map((table) => muara.sql(between(table))))).toEqual([
    [["0"]],
    [["0"]],
    [["1"]],
  ]);
  // Rows of the overlap are read again and again, and told once.
  const told = "SELECT count(*), count(DISTINCT event_id) FROM \"overlapping.orders\" WHERE id = '50'";
  expect(await muara.sql(told)).toEqual([["1", "1"]]);

  await muara.kill();
  await sql("INSERT INTO orders VALUES (60, 'meanwhile')");
  muara = await start();
  await all("it goes on where it was", (table) => has(table, "60"));
  expect(await muara.sql(`SELECT count(*) FROM "plain.orders" WHERE v = 'first'`)).toEqual([["7"]]);
}, 180_000);
