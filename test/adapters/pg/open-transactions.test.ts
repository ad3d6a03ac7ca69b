/** Transactions that have written and do not end, against who has begun them. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { openDatabase } from "../../../adapters/pg/database.ts";
import { systemClock } from "../../../core/clock.ts";
import { databaseAddressSchema } from "../../../core/database-address.ts";
import type { SourceTransaction } from "../../../core/ports/source-database.ts";
import { type PostgresServer, startPostgres } from "../../services/postgres.ts";

let server: PostgresServer;
let database: string;
beforeAll(async () => {
  server = await startPostgres({ max_prepared_transactions: "10" });
  database = await server.freshDatabase();
  await server.sql("CREATE TABLE t (id int); CREATE ROLE plain LOGIN", [], database);
}, 60_000);
afterAll(() => server.stop());

async function seenBy(user: string): Promise<readonly SourceTransaction[]> {
  const { host, port } = server;
  const address = databaseAddressSchema.parse({ host, port, database, user });
  return openDatabase(address, { readSecret: async () => "", clock: systemClock }).transactions();
}

test("open and prepared ones, the oldest first, each once, with how to end it; readers are none", async () => {
  expect(await seenBy(server.user)).toEqual([]);
  const reader = await server.connect(database);
  await reader.query("BEGIN; SELECT * FROM t");
  await server.sql("BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'p1'", [], database);
  const writer = await server.connect(database);
  await writer.query("BEGIN; INSERT INTO t VALUES (2); SAVEPOINT a; INSERT INTO t VALUES (3)");
  const pid = (await writer.query<{ pid: number }>("SELECT pg_backend_pid() AS pid")).rows[0]!.pid;
  const found = await seenBy(server.user);
  expect(found.map(({ kind }) => kind)).toEqual(["prepared", "open"]);
  expect(found[0]!.what).toBe(`the prepared transaction 'p1' of muara in ${database}`);
  expect(found[0]!.remedy).toContain("ROLLBACK PREPARED 'p1';");
  expect(found[1]!.what).toContain(`of muara in ${database} (pid ${pid}, idle in transaction)`);
  expect(found[1]!.remedy).toContain(`pg_terminate_backend(${pid})`);
  for (const { openMs } of found) expect(openMs).toBeLessThan(60_000);
  expect(found[0]!.openMs!).toBeGreaterThanOrEqual(found[1]!.openMs!);
  // Without the right to see others' sessions it is known that they are there, not since when.
  const hidden = await seenBy("plain");
  expect(hidden.map(({ kind, openMs }) => [kind, openMs === null])).toEqual([
    ["prepared", false],
    ["open", true],
  ]);
  await writer.query("ROLLBACK");
  await server.sql("ROLLBACK PREPARED 'p1'", [], database);
  await expect.poll(() => seenBy(server.user)).toEqual([]);
}, 30_000);
