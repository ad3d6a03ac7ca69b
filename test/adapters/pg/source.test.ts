/** PostgreSQL as a source of changes, held to the port's contract. */
import { afterAll, beforeAll, it } from "vitest";
import { SOURCE_CASES } from "../../conformance/source.ts";
import { startPostgres, type PostgresServer } from "../../services/postgres.ts";
import { makePlace } from "./replication-place.ts";

let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres();
}, 60_000);

afterAll(() => server?.stop());

it.each(SOURCE_CASES)("%s", async (_name, run) => {
  const place = await makePlace(
    server,
    "create table a (id serial primary key, v text); create table b (id serial primary key, v text)",
  );
  await place.slot(place.address.database);
  await run({
    open: async (cursor, limits) => (await place.open(place.address.database, { cursor, limits })).stream,
    transact: async (count) => {
      const row = "insert into a (v) values ('x'); insert into b (v) values ('y');";
      await place.client.query(`begin; ${row.repeat(count)} commit`);
    },
  });
  await place.close();
});
