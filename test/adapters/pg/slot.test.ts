/** Slots and publications of a real server, against its own views. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { openDatabase } from "../../../adapters/pg/database.ts";
import { lsnOf, lsnText } from "../../../adapters/pg/lsn.ts";
import { systemClock } from "../../../core/clock.ts";
import { databaseAddressSchema } from "../../../core/database-address.ts";
import { type PostgresServer, startPostgres } from "../../services/postgres.ts";

let server: PostgresServer;
let database: string;
let source: ReturnType<typeof openDatabase>;

beforeAll(async () => {
  server = await startPostgres();
  database = await server.freshDatabase();
  await server.sql(
    "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int); CREATE TABLE heir () INHERITS (a)",
    [],
    database,
  );
  source = openDatabase(
    databaseAddressSchema.parse({ host: server.host, port: server.port, database, user: server.user }),
    { readSecret: async () => "", clock: systemClock },
  );
}, 60_000);
afterAll(() => server.stop());

test("a slot, its snapshot, and its end", async () => {
  expect(await source.slot("s1")).toBeUndefined();
  await source.dropSlot("s1");
  const slot = await source.createSlot("s1");
  await server.sql("INSERT INTO a VALUES (1)", [], database);
  const client = await server.connect(database);
  await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
  await client.query(`SET TRANSACTION SNAPSHOT '${slot.snapshot}'`);
  expect((await client.query("SELECT count(*)::int AS n FROM a")).rows).toEqual([{ n: 0 }]);
  await client.query("COMMIT");
  await slot.release();
  const facts = await source.slot("s1");
  const [row] = await server.sql(
    "SELECT restart_lsn::text AS restart, confirmed_flush_lsn::text AS confirmed FROM pg_replication_slots",
  );
  expect(facts).toMatchObject({
    plugin: "pgoutput",
    database,
    isActive: false,
    restartLsn: lsnOf(String(row!["restart"])),
    confirmedLsn: lsnOf(String(row!["confirmed"])),
    walStatus: "reserved",
    safeWalBytes: null,
  });
  expect(facts!.confirmedLsn).toBe(slot.lsn);
  expect(facts!.serverLsn).toBeGreaterThan(slot.lsn);
  await source.dropSlot("s1");
  expect(await source.slot("s1")).toBeUndefined();
});

test("places in the log, as the server compares them", async () => {
  for (const text of ["0/0", "0/1", "16/B374D848", "FFFFFFFF/FFFFFFFF"])
    expect(lsnText(lsnOf(text))).toBe(text);
  const [row] = await server.sql("SELECT ('1/0'::pg_lsn - '0/FFFFFFFF'::pg_lsn)::int AS distance");
  expect(lsnOf("1/0") - lsnOf("0/FFFFFFFF")).toBe(BigInt(row!["distance"] as number));
  expect(() => lsnOf("0/xyz")).toThrow();
});

test("of two who claim, one has it until he gives it back", async () => {
  const release = await source.claim("capture 1");
  expect(release).toBeDefined();
  expect(await source.claim("capture 1")).toBeUndefined();
  const other = await source.claim("capture 2");
  expect(other).toBeDefined();
  await other!();
  await release!();
  await expect.poll(async () => (await source.claim("capture 1")) !== undefined).toBe(true);
});

async function published(name: string): Promise<unknown> {
  const [row] = await server.sql(
    `SELECT pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot,
            (SELECT array_agg(schemaname || '.' || tablename ORDER BY 1) FROM pg_publication_tables t
              WHERE t.pubname = p.pubname) AS tables FROM pg_publication p WHERE pubname = $1`,
    [name],
    database,
  );
  return row;
}

test("a publication has exactly the tables it is told, heirs left out", async () => {
  expect(await source.published("p")).toBeUndefined();
  await source.publish("p", ["public.a"]);
  const all = { pubinsert: true, pubupdate: true, pubdelete: true, pubtruncate: true, pubviaroot: true };
  expect(await published("p")).toEqual({ ...all, tables: ["public.a"] });
  await source.publish("p", ["public.b"]);
  expect(await published("p")).toEqual({ ...all, tables: ["public.b"] });
  await source.publish("p", []);
  expect(await source.published("p")).toEqual([]);
  await source.publish("p", ["public.a", "public.b"], "inserts");
  expect(await published("p")).toEqual({
    pubinsert: true,
    pubupdate: false,
    pubdelete: false,
    pubtruncate: false,
    pubviaroot: true,
    tables: ["public.a", "public.b"],
  });
  await source.unpublish("p");
  await source.unpublish("p");
  expect(await source.published("p")).toBeUndefined();
});

test("updates of a table that only its inserts are published of are not refused", async () => {
  await source.publish("q", ["public.b"], "inserts");
  await server.sql("INSERT INTO b VALUES (1); UPDATE b SET id = 2", [], database);
  await source.publish("q", ["public.b"]);
  await expect(server.sql("UPDATE b SET id = 3", [], database)).rejects.toThrow("replica identity");
  await source.unpublish("q");
});

test("a publication that its owner has made is taken by who owns nothing", async () => {
  await source.publish("owned", ["public.a"]);
  await server.sql("CREATE ROLE reader LOGIN REPLICATION; GRANT SELECT ON a TO reader", [], database);
  const reader = openDatabase(
    databaseAddressSchema.parse({ host: server.host, port: server.port, database, user: "reader" }),
    { readSecret: async () => "", clock: systemClock },
  );
  await reader.publish("owned", ["public.a"]);
  await expect(reader.publish("owned", ["public.b"])).rejects.toThrow("must be owner");
  await expect(reader.publish("new", ["public.a"])).rejects.toThrow("permission denied");
});
