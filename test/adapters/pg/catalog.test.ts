/** Tables as the catalog has them, against what the same server's own views say. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { openDatabase } from "../../../adapters/pg/database.ts";
import { systemClock } from "../../../core/clock.ts";
import { databaseAddressSchema } from "../../../core/database-address.ts";
import { type PostgresServer, startPostgres } from "../../services/postgres.ts";

let server: PostgresServer;
let database: string;

beforeAll(async () => {
  server = await startPostgres();
  database = await server.freshDatabase();
  await server.sql(
    `CREATE SCHEMA shop;
     CREATE TYPE shop.colour AS ENUM ('red', 'green');
     CREATE DOMAIN shop.money2 AS numeric(12,2) CHECK (VALUE >= 0);
     CREATE TABLE shop.accounts (id bigint, region text, colour shop.colour, balance shop.money2,
       at timestamptz, tags text[], total numeric(10,2) GENERATED ALWAYS AS (1) STORED, PRIMARY KEY (region, id));
     CREATE TABLE shop.keyless (a int);
     CREATE UNLOGGED TABLE shop.fast (a int PRIMARY KEY);
     CREATE TABLE shop.whole (a int); ALTER TABLE shop.whole REPLICA IDENTITY FULL;
     CREATE TABLE shop.indexed (a int PRIMARY KEY, b int NOT NULL);
     CREATE UNIQUE INDEX indexed_b ON shop.indexed (b);
     ALTER TABLE shop.indexed REPLICA IDENTITY USING INDEX indexed_b;
     CREATE TABLE shop.events (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
     CREATE TABLE shop.events_1 PARTITION OF shop.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
     CREATE VIEW shop.seen AS SELECT 1 AS a;
     INSERT INTO shop.accounts SELECT g, 'eu' FROM generate_series(1, 500) g;
     INSERT INTO shop.events SELECT g, '2026-05-01' FROM generate_series(1, 300) g;
     UPDATE shop.events SET id = id + 1000 WHERE id < 11;
     ANALYZE`,
    [],
    database,
  );
}, 60_000);
afterAll(() => server.stop());

const open = (): ReturnType<typeof openDatabase> =>
  openDatabase(
    databaseAddressSchema.parse({ host: server.host, port: server.port, database, user: server.user }),
    {
      readSecret: async () => "",
      clock: systemClock,
    },
  );

test("all that can be captured, without names; partitions are their table", async () => {
  const tables = await open().tables();
  expect([...tables.keys()]).toEqual([
    "shop.accounts",
    "shop.events",
    "shop.fast",
    "shop.indexed",
    "shop.keyless",
    "shop.whole",
  ]);
});

test("keys in their order, identities, kinds and types", async () => {
  const tables = await open().tables([
    "shop.accounts",
    "shop.indexed",
    "shop.whole",
    "shop.keyless",
    "shop.fast",
  ]);
  const accounts = tables.get("shop.accounts")!;
  expect(accounts).toMatchObject({
    kind: "table",
    persistence: "permanent",
    identity: "default",
    key: ["region", "id"],
    rows: 500,
    isOwner: true,
    mayRead: true,
    hidesRows: false,
    root: null,
  });
  expect(accounts.columns.map(({ name, typeName, isGenerated }) => [name, typeName, isGenerated])).toEqual([
    ["id", "bigint", false],
    ["region", "text", false],
    ["colour", "shop.colour", false],
    ["balance", "shop.money2", false],
    ["at", "timestamp with time zone", false],
    ["tags", "text[]", false],
    ["total", "numeric(10,2)", true],
  ]);
  expect(accounts.columns.map(({ form }) => form)).toEqual([
    "decimal",
    "text",
    "text",
    "decimal",
    "instant",
    "array",
    "decimal",
  ]);
  expect(tables.get("shop.indexed")).toMatchObject({ identity: "index", key: ["b"] });
  expect(tables.get("shop.whole")).toMatchObject({ identity: "full", key: [] });
  expect(tables.get("shop.keyless")).toMatchObject({ identity: "default", key: [] });
  expect(tables.get("shop.fast")).toMatchObject({ persistence: "unlogged" });
});

test("a partitioned table has the rows and the updates of its partitions; a partition names its table", async () => {
  await expect
    .poll(async () => (await open().tables(["shop.events"])).get("shop.events")?.updates, { timeout: 20_000 })
    .toBe(10);
  const tables = await open().tables(["shop.events", "shop.events_1", "shop.seen"]);
  expect(tables.get("shop.events")).toMatchObject({ kind: "partitioned", rows: 300, key: ["id", "day"] });
  expect(tables.get("shop.events_1")).toMatchObject({ kind: "partition", root: "shop.events" });
  expect(tables.get("shop.seen")).toMatchObject({ kind: "other" });
});

test("types of a relation's columns, one that is gone among them", async () => {
  const [money, gone] = await open().types([
    { typeId: 1700, modifier: ((12 << 16) | 2) + 4 },
    { typeId: 4_000_000_000, modifier: -1 },
  ]);
  expect(money).toMatchObject({ typeName: "numeric(12,2)", form: "decimal" });
  expect(gone).toMatchObject({ form: "text" });
});

test("what the server is and allows", async () => {
  const facts = await open().server();
  const [row] = await server.sql(
    `SELECT system_identifier::text AS id, current_setting('server_version_num')::int AS version
       FROM pg_control_system()`,
  );
  expect(facts).toMatchObject({
    systemId: row!["id"],
    version: row!["version"],
    timeline: 1,
    walLevel: "logical",
    walSenderTimeoutMs: 60_000,
    maxSlotWalKeepBytes: null,
    isSuperuser: true,
    mayReplicate: true,
    mayCreate: true,
    isInRecovery: false,
    encoding: "UTF8",
  });
  expect(facts.slots).toEqual({ used: 0, max: 20 });
  expect(facts.lsn).toBeGreaterThan(0n);
});

test("a user without rights is seen to have none", async () => {
  await server.sql("CREATE ROLE poor LOGIN", [], database);
  const facts = await openDatabase(
    databaseAddressSchema.parse({ host: server.host, port: server.port, database, user: "poor" }),
    { readSecret: async () => "", clock: systemClock },
  )
    .tables(["shop.accounts"])
    .then((tables) => tables.get("shop.accounts"));
  expect(facts).toMatchObject({ isOwner: false, mayRead: false });
});
