/** A snapshot of a source: where it is, what it leaves alone, and that its parts are the whole. */
import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openDatabase } from "../../../adapters/pg/database.ts";
import { lsnOf } from "../../../adapters/pg/lsn.ts";
import { systemClock } from "../../../core/clock.ts";
import { databaseAddressSchema } from "../../../core/database-address.ts";
import type { DatabaseSnapshot } from "../../../core/ports/snapshot.ts";
import { slicesFor, TableSums } from "../../../core/row-text.ts";
import { eventually } from "../../services/muara.ts";
import { type PostgresServer, startPostgres } from "../../services/postgres.ts";

let server: PostgresServer;
let database: string;
beforeAll(async () => {
  server = await startPostgres();
  database = await server.freshDatabase();
  await server.sql(
    `create table wide (id int primary key, filler text);
     insert into wide select i, repeat('x', 400) from generate_series(1, 60000) i`,
    [],
    database,
  );
}, 60_000);
afterAll(() => server?.stop());

function open(waitMs = 5_000): Promise<DatabaseSnapshot> {
  const { host, port, user } = server;
  const address = databaseAddressSchema.parse({ host, port, user, database });
  const services = { readSecret: async () => "", clock: systemClock };
  return openDatabase(address, services).snapshot({ waitMs, restShare: 0 });
}

const sql = (text: string): Promise<Record<string, unknown>[]> => server.sql(text, [], database);

test("a session that it cannot use is not left open", async () => {
  await sql("create role plain login; grant all on all tables in schema public to plain");
  const { host, port } = server;
  const address = databaseAddressSchema.parse({ host, port, user: "plain", database });
  const source = openDatabase(address, { readSecret: async () => "", clock: systemClock });
  const opened = source.snapshot({ waitMs: 1_000, restShare: 0 });
  await expect(opened).rejects.toMatchObject({ code: expect.stringMatching(/^source\./) });
  await eventually("its sessions are gone", 10_000, async () => {
    const [found] = await sql("select count(*)::int as n from pg_stat_activity where usename = 'plain'");
    return found!["n"] === 0;
  });
});

test("columns that a key's index only includes are none of the key", async () => {
  await sql("create table included (id int, note text, primary key (id) include (note))");
  const snapshot = await open();
  expect((await snapshot.table("public", "included")).key).toEqual(["id"]);
  await snapshot.close();
});

test("many parts are the whole, by sums and by digests, while rows come, go and move", async () => {
  const snapshot = await open();
  const table = await snapshot.table("public", "wide");
  await sql("delete from wide where id <= 1000; update wide set filler = 'y' where id > 55000");
  await sql("insert into wide select i, 'z' from generate_series(70001, 72000) i");
  const sums = new TableSums(8);
  let parts = 0;
  for await (const part of table.sums(8)) {
    sums.add(part);
    parts++;
  }
  expect(parts).toBeGreaterThan(2); // 25 MB of pages, the first 2 MB at once
  expect(sums.rows).toBe(60_000n);
  // By hand: the text of each row, its digest, the sum of the digests.
  const expected = [0n, 0n];
  for (let i = 1; i <= 60_000; i++) {
    const digest = createHash("md5")
      .update(`v${i}\u001Fev${"x".repeat(400)}\u001Fe`)
      .digest("hex");
    expected[0]! += BigInt(`0x${digest.slice(0, 16)}`);
    expected[1]! += BigInt(`0x${digest.slice(16)}`);
  }
  const text = expected.map((sum) => BigInt.asUintN(64, sum).toString(16).padStart(16, "0")).join("");
  expect(sums.checksum).toBe(text);
  let digests = 0;
  for await (const part of table.digests(8, [0, 1, 2, 3, 4, 5, 6, 7])) digests += part.length;
  expect(digests).toBe(60_000);
  await snapshot.close();
}, 60_000);

test("it has what committed before its place and nothing after, and leaves no slot and no lock behind", async () => {
  const endOfLog = async (): Promise<bigint> => {
    const [row] = await sql("select pg_current_wal_insert_lsn()::text as lsn");
    return lsnOf(row!["lsn"] as string);
  };
  const before = await endOfLog();
  const snapshot = await open();
  await sql("create table late (id int primary key); insert into late values (1)");
  expect(snapshot.lsn).toBeGreaterThanOrEqual(before);
  expect(snapshot.lsn).toBeLessThan(await endOfLog());
  await expect(snapshot.table("public", "late")).rejects.toMatchObject({ code: "source.statement" });
  expect(await sql("select slot_name from pg_replication_slots")).toEqual([]);
  const table = await snapshot.table("public", "wide");
  const reading = table.sums(1)[Symbol.asyncIterator]();
  await reading.next();
  const locks = await sql(`select distinct mode from pg_locks l join pg_stat_activity a using (pid)
    where a.application_name like 'muara reconcile%' and l.locktype = 'relation'`);
  expect(locks).toEqual([{ mode: "AccessShareLock" }]);
  await reading.return?.();
  await snapshot.close();
  expect(
    await sql("select pid from pg_stat_activity where application_name like 'muara reconcile%'"),
  ).toEqual([]);
}, 60_000);

test("a transaction that stays open is waited for, and then named as the reason", async () => {
  const idle = await server.connect(database);
  await idle.query("begin; insert into wide values (99999, 'open')");
  await expect(open(300)).rejects.toMatchObject({ code: "source.timeout" });
  await idle.query("rollback");
  await idle.end();
  await (await open()).close();
}, 60_000);

test("slices are a power of two, one at least", () => {
  expect([0, 1, 2_000, 2_001, 4_001, 1e12].map(slicesFor)).toEqual([1, 1, 1, 2, 4, 4_096]);
});
